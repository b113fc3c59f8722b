"""Contributions of pixels, tokens and steps by every method that follows gradients or layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data.inputs import PADDING, ImageInput, ModelInput, SeriesInput, TextInput
from auditbench.data.subwords import subwords_of
from auditbench.masking import Prediction
from auditbench.masking.explained_input import mask_token
from auditbench.models import in_batches
from auditbench_captum.class_activation import TwoSided, class_map, guided_grad_cam, interpolated, mapped_layer
from auditbench_captum.columns import mean_row
from auditbench_captum.deep_lift import deep_lift
from auditbench_captum.embedded import Embedded
from auditbench_captum.expected import expected_gradients, gradients
from auditbench_captum.methods import METHODS
from auditbench_captum.path import integrated_gradients
from auditbench_captum.relevance import relevance
from auditbench_captum.smoothed import smooth_gradients

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import nn

    from auditbench.models import BatchSize, ModelUnderTest
    from auditbench_captum.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellAttributions:
    """Contributions to the explained outputs of some rows, in the unit of the output, or slopes; float64.

    Attributes:
        values: Shape `(rows, targets, *cells)`.
        base_values: Shape `(rows, targets)`; 0 where the method starts from nothing.
        steps: Shape `(rows,)`: nodes of the path integral; 0 for methods without one.
        model_rows: Rows the model evaluated.
        places: Of a map that is interpolated between those of a layer; empty without.
    """

    values: Numbers
    base_values: Numbers
    steps: npt.NDArray[np.int64]
    model_rows: int
    places: tuple[int, ...] = ()


def cell_gradients(
    model: ModelUnderTest,
    encoded: torch.Tensor,
    targets: npt.NDArray[np.int64],
    background: torch.Tensor,
    *,
    params: Params,
    output_range: float,
    rng: np.random.Generator,
    decided: npt.NDArray[np.int64] | None = None,
) -> CellAttributions:
    """Explain the outputs `targets`, shape `(rows, targets)`, of encoded rows with the method that the parameters name.

    Paths begin at the mean of the encoded background rows, of a text at mask tokens in place of its words.

    Args:
        decided: Class of each row, 0 or 1, that a map is for where a classifier has one output; None elsewhere.

    Raises:
        AnalyzerNotPossible: The layers of the network are not those that the method is for.
    """
    (item,) = model.inputs.values()
    setting = _setting(model, encoded, targets, background, item)
    if params.method == "integrated_gradients":
        found = _integrated(setting, targets, params, output_range)
    elif params.method == "gradient_shap":
        found = _expected(setting, params, rng)
    elif params.method == "deep_lift":
        found = _lifted(setting)
    else:
        if decided is not None:
            setting = _two_sided(setting, decided)
        found = _from_nothing(setting, params, rng)
    return replace(
        found,
        values=_of_cells(found.values, item, slope=METHODS[params.method].slope),
        model_rows=found.model_rows + setting.model_rows,
    )


def without_words(token_ids: torch.Tensor, item: TextInput) -> torch.Tensor:
    """Texts with the mask token in place of each of their tokens; padding and special tokens stay."""
    around: tuple[int, ...] = ()
    if item.unit == "subwords":
        subwords = subwords_of(item.tokenizer)
        around = (*subwords.leading, *subwords.trailing)
    kept = torch.isin(token_ids, torch.tensor([PADDING, *around], device=token_ids.device))
    return torch.where(kept, token_ids, mask_token(item))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Setting:
    """What gradients are taken of: a module, rows that it takes, where paths to them start, and the outputs to explain.

    Attributes:
        model_rows: Rows that were evaluated to find the embedding of tokens and what it gives.
    """

    module: nn.Module
    rows: torch.Tensor
    starts: torch.Tensor
    background: torch.Tensor
    targets: torch.Tensor
    batch: BatchSize
    model_rows: int

    def outputs(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs without gradients, shape `(rows, outputs)`, float64."""
        with torch.no_grad():
            found: torch.Tensor = torch.cat(
                in_batches(lambda part: self.module(rows[part]).double(), len(rows), self.batch)
            )
        return found

    def by_layers(self, explain: Callable[[nn.Module, torch.Tensor, torch.Tensor], Numbers]) -> Numbers:
        """What a method gives that explains a batch of rows by their targets."""
        return np.concatenate(
            in_batches(
                lambda part: explain(self.module, self.rows[part], self.targets[part]), len(self.rows), self.batch
            )
        )


def _setting(
    model: ModelUnderTest,
    encoded: torch.Tensor,
    targets: npt.NDArray[np.int64],
    background: torch.Tensor,
    item: ModelInput,
) -> _Setting:
    module, rows = model.module, encoded
    if isinstance(item, TextInput):
        module = Embedded(model.module, encoded[:1])
        rows, starts = module.rows(encoded), module.rows(without_words(encoded, item))
        starts[:, :, -1] = rows[:, :, -1]
    else:
        starts = mean_row(background)
    return _Setting(
        module=module,
        rows=rows,
        starts=starts,
        background=background,
        targets=torch.from_numpy(targets).to(rows.device),
        batch=model.batch,
        model_rows=2 + 2 * len(encoded) if isinstance(item, TextInput) else 0,
    )


def _two_sided(setting: _Setting, decided: npt.NDArray[np.int64]) -> _Setting:
    targets = torch.from_numpy(decided[:, np.newaxis]).to(setting.rows.device)
    return replace(setting, module=TwoSided(setting.module), targets=targets)


def _integrated(
    setting: _Setting, targets: npt.NDArray[np.int64], params: Params, output_range: float
) -> CellAttributions:
    """A path for each explained output: others that the model may have cost nothing."""
    prediction = Prediction(setting.module, batch=setting.batch)
    found = [
        integrated_gradients(
            prediction,
            setting.rows,
            baseline=setting.starts,
            steps=params.n_steps,
            tolerance=params.tolerance,
            max_steps=params.max_steps,
            output_range=output_range,
            target=targets[:, at],
        )
        for at in range(targets.shape[1])
    ]
    return CellAttributions(
        values=np.concatenate([each.values for each in found], axis=1),
        base_values=np.concatenate([each.base_value for each in found], axis=1),
        steps=np.max([each.steps for each in found], axis=0),
        model_rows=sum(each.model_rows for each in found),
    )


def _expected(setting: _Setting, params: Params, rng: np.random.Generator) -> CellAttributions:
    values = expected_gradients(
        setting.module,
        setting.rows,
        setting.targets,
        setting.background,
        samples=params.n_samples,
        batch=setting.batch,
        rng=rng,
    )
    mean = setting.outputs(setting.background).mean(dim=0).expand(len(values), -1)
    evaluated = len(values) * params.n_samples + len(setting.background)
    return _without_path(values, mean.gather(1, setting.targets).cpu().numpy(), evaluated)


def _lifted(setting: _Setting) -> CellAttributions:
    """A pass holds each row beside its baseline."""
    rows, targets, total = setting.rows, setting.targets, len(setting.rows)
    starts = setting.starts.expand(total, *rows.shape[1:])
    values = np.concatenate(
        in_batches(
            lambda part: deep_lift(setting.module, rows[part], targets[part], starts[part]),
            total,
            setting.batch,
            rows_each=2,
        )
    )
    base = setting.outputs(setting.starts).expand(total, -1).gather(1, targets).cpu().numpy()
    return _without_path(values, base, 2 * total * targets.shape[1] + len(setting.starts))


def _from_nothing(setting: _Setting, params: Params, rng: np.random.Generator) -> CellAttributions:
    """Contributions or slopes of the entries of rows, or a map of their places, that start from no baseline.

    A network that is followed function by function is evaluated once more beside it.
    """
    method, evaluated = params.method, len(setting.rows)
    places: tuple[int, ...] = ()
    if method == "smooth_grad":
        evaluated *= params.n_samples
        values = smooth_gradients(
            setting.module,
            setting.rows,
            setting.targets,
            samples=params.n_samples,
            batch=setting.batch,
            rng=rng,
        )
    elif method in ("grad_cam", "guided_grad_cam"):
        explain = class_map if method == "grad_cam" else guided_grad_cam
        evaluated *= 1 if method == "grad_cam" else 3
        values = setting.by_layers(partial(explain, layer=_layer(setting, params), channels=params.layer_channels))
        if method == "grad_cam":
            places, values = values.shape[2:], interpolated(values, setting.rows.shape[2:])
    elif method == "relevance":
        evaluated *= 2
        values = setting.by_layers(relevance)
    else:
        values = setting.by_layers(lambda *of: gradients(*of).double().cpu().numpy())
        if method == "input_x_gradient":
            values = values * setting.rows.double().cpu().numpy()[:, np.newaxis]
    base_values = np.zeros(tuple(setting.targets.shape))
    return replace(_without_path(values, base_values, evaluated), places=places)


def _layer(setting: _Setting, params: Params) -> str:
    """Name of the mapped layer as the module of the setting has it."""
    if isinstance(setting.module, TwoSided):
        return f"network.{mapped_layer(setting.module.network, params.layer)}"
    return params.layer


def _without_path(values: Numbers, base_values: Numbers, model_rows: int) -> CellAttributions:
    steps = np.zeros(len(values), dtype=np.int64)
    return CellAttributions(values=values, base_values=base_values, steps=steps, model_rows=model_rows)


def _of_cells(values: Numbers, item: ModelInput, *, slope: bool) -> Numbers:
    """From entries to cells: the channels of a pixel and the numbers of a token's vector together, of slopes the steepest.

    A map of places alone, as GradCAM gives, stays as it is; the channels of a series share it.
    """
    if isinstance(item, SeriesInput):
        count = len(item.channels)
        entries = values if values.ndim == 4 else np.repeat(values[:, :, np.newaxis] / count, count, axis=2)
        return np.abs(entries) if slope else entries
    if values.ndim == 4 and isinstance(item, ImageInput):
        return values
    axis = 2 if isinstance(item, ImageInput) else 3
    return np.asarray(np.abs(values).max(axis=axis) if slope else values.sum(axis=axis))
