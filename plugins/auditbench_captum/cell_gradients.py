"""Contributions of pixels, tokens and steps by every method that follows gradients or layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data.inputs import PADDING, ImageInput, ModelInput, SeriesInput, TextInput
from auditbench.data.subwords import subwords_of
from auditbench.masking import Prediction
from auditbench.masking.cell_attribution import of_explained
from auditbench.masking.explained_input import mask_token
from auditbench.models import in_batches
from auditbench_captum.class_activation import grad_cam, guided_grad_cam
from auditbench_captum.columns import mean_row
from auditbench_captum.embedded import Embedded
from auditbench_captum.methods import METHODS
from auditbench_captum.path import integrated_gradients
from auditbench_captum.relevance import relevance
from auditbench_captum.smoothed import smooth_gradients

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench.models import ModelUnderTest
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
    """

    values: Numbers
    base_values: Numbers
    steps: npt.NDArray[np.int64]
    model_rows: int


def cell_gradients(
    model: ModelUnderTest,
    encoded: torch.Tensor,
    targets: npt.NDArray[np.int64],
    background: torch.Tensor,
    *,
    params: Params,
    output_range: float,
    rng: np.random.Generator,
) -> CellAttributions:
    """Explain the outputs `targets`, shape `(rows, targets)`, of encoded rows with the method that the parameters name.

    Paths begin at the mean of the encoded background rows, of a text at mask tokens in place of its words.

    Raises:
        AnalyzerNotPossible: The layers of the network are not those that the method is for.
    """
    (item,) = model.inputs.values()
    module, rows, starts = model.module, encoded, mean_row(background)
    if isinstance(item, TextInput):
        module = Embedded(model.module, encoded[:1])
        rows, starts = module.rows(encoded), module.rows(without_words(encoded, item))
        starts[:, :, -1] = rows[:, :, -1]
    chosen = torch.from_numpy(targets).to(rows.device)
    if params.method == "integrated_gradients":
        found = integrated_gradients(
            Prediction(module, batch=model.batch),
            rows,
            baseline=starts,
            steps=params.n_steps,
            tolerance=params.tolerance,
            max_steps=params.max_steps,
            output_range=output_range,
            target=targets[:, 0] if targets.shape[1] == 1 else None,
        )
        return CellAttributions(
            values=_of_cells(of_explained(found.values, targets), item, slope=False),
            base_values=of_explained(found.base_value, targets),
            steps=found.steps,
            model_rows=found.model_rows,
        )
    values, model_rows = _entries(params, model, module, rows, chosen, rng)
    return CellAttributions(
        values=_of_cells(values, item, slope=METHODS[params.method].slope),
        base_values=np.zeros(targets.shape),
        steps=np.zeros(len(rows), dtype=np.int64),
        model_rows=model_rows,
    )


def without_words(token_ids: torch.Tensor, item: TextInput) -> torch.Tensor:
    """Texts with the mask token in place of each of their tokens; padding and special tokens stay."""
    around: tuple[int, ...] = ()
    if item.unit == "subwords":
        subwords = subwords_of(item.tokenizer)
        around = (*subwords.leading, *subwords.trailing)
    kept = torch.isin(token_ids, torch.tensor([PADDING, *around], device=token_ids.device))
    return torch.where(kept, token_ids, mask_token(item))


def _of_cells(values: Numbers, item: ModelInput, *, slope: bool) -> Numbers:
    """From entries to cells: the channels of a pixel and the numbers of a token's vector together, of slopes the steepest.

    A map of places alone, as GradCAM gives, stays as it is; the channels of a series share it.
    """
    if isinstance(item, SeriesInput):
        places = values.ndim == 3
        return (
            np.repeat(values[:, :, np.newaxis] / len(item.channels), len(item.channels), axis=2) if places else values
        )
    if values.ndim == 4 and isinstance(item, ImageInput):
        return values
    axis = 2 if isinstance(item, ImageInput) else 3
    return np.asarray(np.abs(values).max(axis=axis) if slope else values.sum(axis=axis))


def _entries(
    params: Params,
    model: ModelUnderTest,
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    rng: np.random.Generator,
) -> tuple[Numbers, int]:
    """Contributions or slopes of the entries of encoded rows, or a map of their places, and the rows evaluated for them."""
    method, total = params.method, len(rows)
    if method == "smooth_grad":
        samples = params.n_samples
        return smooth_gradients(module, rows, targets, samples=samples, batch=model.batch, rng=rng), total * samples
    if method in _BY_LAYERS:
        explain = _BY_LAYERS[method]
        parts = in_batches(lambda part: explain(module, rows[part], targets[part]), total, model.batch)
        return np.concatenate(parts), total
    slopes = np.concatenate(in_batches(lambda part: _gradients(module, rows[part], targets[part]), total, model.batch))
    return (slopes if method == "saliency" else slopes * rows.double().cpu().numpy()[:, np.newaxis]), total


_BY_LAYERS: Mapping[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], Numbers]] = {
    "grad_cam": grad_cam,
    "guided_grad_cam": guided_grad_cam,
    "relevance": relevance,
}


def _gradients(module: nn.Module, rows: torch.Tensor, targets: torch.Tensor) -> Numbers:
    """Gradients of outputs by rows, shape `(rows, targets, *row shape)`."""
    with torch.enable_grad():
        inputs = rows.clone().requires_grad_()
        outputs = module(inputs)
        found = [
            torch.autograd.grad(outputs.gather(1, targets[:, [at]]).sum(), inputs, retain_graph=True)[0]
            for at in range(targets.shape[1])
        ]
    return np.asarray(torch.stack(found, dim=1).double().cpu().numpy())
