"""`gradient_attributions`: captum's contributions of encoded columns, as one number for each raw feature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from captum import attr
from torch import nn

from auditbench.masking import global_seed
from auditbench.models import in_batches
from auditbench_captum.columns import ColumnAttributions, by_feature, mean_row
from auditbench_captum.expected import expected_gradients
from auditbench_captum.methods import METHODS

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import FeatureSpec
    from auditbench.models import BatchSize
    from auditbench_captum.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]


def gradient_attributions(
    module: nn.Module,
    encoded: torch.Tensor,
    background: torch.Tensor,
    targets: int,
    features: tuple[FeatureSpec, ...],
    *,
    params: Params,
    batch: BatchSize,
    rng: np.random.Generator,
) -> ColumnAttributions:
    """Explain every output of some encoded rows with the method of captum that the parameters name.

    Captum may draw from the global generators of torch and numpy, which are seeded from `rng` here and put back.

    Args:
        module: Maps encoded rows to outputs, shape `(rows, targets)`; its parameters are not touched.
        encoded: Encoded rows to explain, shape `(rows, encoded columns)`.
        background: Encoded background rows; their mean is the baseline.
        targets: Outputs of a row.
        batch: Most rows the module takes at a time; halved where memory runs out.
    """
    work = _Explaining(module=module, encoded=encoded, background=background, batch=batch, rng=rng)
    starts_from, base_values = METHODS[params.method].starts_from, np.zeros((len(encoded), targets))
    if starts_from != "nothing":
        base_values[:] = work.base_value(starts_from)
    columns = np.zeros((len(encoded), targets, encoded.shape[1]))
    with torch.enable_grad(), global_seed(rng, str(encoded.device)):
        if params.method == "gradient_shap":
            columns[:] = work.expected_gradients(targets, params.n_samples)
        else:
            for target in range(targets):
                columns[:, target] = work.by_captum(params.method, target, features)
    return ColumnAttributions(
        values=by_feature(columns, features, slope=METHODS[params.method].slope),
        base_values=base_values,
        steps=np.zeros(len(encoded), dtype=np.int64),
        model_rows=work.model_rows,
    )


class _Explaining:
    """Rows that are being explained, in batches; counts the rows that the module evaluated for what it gave.

    Attributes:
        baseline: Mean of the background, shape `(1, encoded columns)`.
    """

    def __init__(
        self,
        *,
        module: nn.Module,
        encoded: torch.Tensor,
        background: torch.Tensor,
        batch: BatchSize,
        rng: np.random.Generator,
    ) -> None:
        self._module = module
        self._encoded = encoded
        self._background = background
        self._batch = batch
        self._rng = rng
        self._baseline = mean_row(background)
        self.model_rows = 0

    def base_value(self, starts_from: str) -> Numbers:
        """Mean output of what the method starts from, shape `(targets,)`."""
        starts = {
            "baseline": self._baseline,
            "background": self._background,
            "zero": torch.zeros_like(self._baseline),
        }[starts_from]
        with torch.no_grad():
            outputs = self._in_batches(lambda module, rows: module(starts[rows]), len(starts))
        return np.asarray(outputs.mean(axis=0))

    def expected_gradients(self, targets: int, n_samples: int) -> Numbers:
        """Contributions to all outputs, shape `(rows, targets, encoded columns)`."""
        every = torch.arange(targets, device=self._encoded.device).expand(len(self._encoded), -1)
        found = expected_gradients(
            self._module,
            self._encoded,
            every,
            self._background,
            samples=n_samples,
            batch=self._batch,
            rng=self._rng,
        )
        self.model_rows += len(self._encoded) * n_samples
        return found

    def by_captum(self, method: str, target: int, features: tuple[FeatureSpec, ...]) -> Numbers:
        """Contributions of the encoded columns by one of captum's methods, shape `(rows, encoded columns)`."""

        def work(module: nn.Module, rows: slice) -> torch.Tensor:
            inputs = self._encoded[rows].clone().requires_grad_()
            found: torch.Tensor
            if method == "deep_lift":
                found = attr.DeepLift(module).attribute(inputs, baselines=self._baseline, target=target)
            elif method == "input_x_gradient":
                found = attr.InputXGradient(module).attribute(inputs, target=target)
            elif method == "saliency":
                found = attr.Saliency(module).attribute(inputs, target=target)
            else:
                found = _ablated(module, self._encoded[rows], self._baseline, target, features)
            return found

        return self._in_batches(work, len(self._encoded), rows_each=2 if method == "deep_lift" else 1)

    def _in_batches(
        self, work: Callable[[nn.Module, slice], torch.Tensor], total: int, *, rows_each: int = 1
    ) -> Numbers:
        """What came of all items, float64; only calls that were carried out to their end are counted."""

        def counted(items: slice) -> Numbers:
            module = _Counted(self._module)
            found = work(module, items).detach().double().cpu().numpy()
            self.model_rows += module.rows
            return np.asarray(found)

        return np.concatenate(in_batches(counted, total, self._batch, rows_each=rows_each))


class _Counted(nn.Module):
    """The module itself, counting the rows it evaluates."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training
        self.rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        outputs: torch.Tensor = self.module(encoded)
        return outputs


def _ablated(
    module: nn.Module,
    encoded: torch.Tensor,
    baseline: torch.Tensor,
    target: int,
    features: tuple[FeatureSpec, ...],
) -> torch.Tensor:
    with torch.no_grad():
        found = attr.FeatureAblation(module).attribute(
            encoded, baselines=baseline, target=target, feature_mask=_groups(features, encoded)
        )
    return _once_a_group(found, features)


def _groups(features: tuple[FeatureSpec, ...], encoded: torch.Tensor) -> torch.Tensor:
    """Index of the raw feature of each encoded column, shape `(1, encoded columns)`."""
    groups = torch.zeros((1, encoded.shape[1]), dtype=torch.int64, device=encoded.device)
    for index, feature in enumerate(features):
        groups[:, feature.start : feature.stop] = index
    return groups


def _once_a_group(found: torch.Tensor, features: tuple[FeatureSpec, ...]) -> torch.Tensor:
    """Keep the first column of each group: captum repeats the effect of hiding a group in all of its columns."""
    kept = torch.zeros_like(found)
    for feature in features:
        kept[:, feature.start] = found[:, feature.start]
    return kept
