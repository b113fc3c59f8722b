"""Integrated gradients at the embedding of tokens: from the text without its words to the text itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.data.inputs import PADDING
from auditbench.errors import AnalyzerNotPossible
from auditbench.models import in_batches
from auditbench.models.token_embedding import token_embedding
from auditbench_language.walks import RowValues

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models import ModelUnderTest
    from auditbench.models.batching import BatchSize

    Numbers: TypeAlias = npt.NDArray[np.float64]


def embedding_of_path(model: ModelUnderTest, ids: torch.Tensor) -> nn.Embedding:
    """The embedding of tokens, of a network that says at once what follows every token of a text.

    The network evaluates two texts of one token.

    Args:
        ids: Of a text, shape `(1, length)`.

    Raises:
        AnalyzerNotPossible: The network answers for the last token alone, or has not one such embedding.
    """
    where, fix = "analyzers.language.method", 'set method = "shapley" or "occlusion", which ask for outputs alone'
    if not hasattr(model.module, "positions"):
        raise AnalyzerNotPossible(
            "gradients of a continuation are taken in one pass, and this network says what follows the last token alone",
            where=where,
            found=type(model.module).__name__,
            allowed="a decoder of this product, or a language model of transformers",
            fix=fix,
        )
    return token_embedding(model.module, ids[:, :1], where=where, fix=fix)[1]


def integrated_row(
    scores: nn.Module, ids: torch.Tensor, hidden: torch.Tensor, embedding: nn.Embedding, *, steps: int, batch: BatchSize
) -> RowValues:
    """Integrated gradients of one row, added up over the numbers of each token's vector: `values` has a column a token.

    Args:
        scores: From token ids to outputs, through `embedding`.
        ids: Shape `(1, length)`; `hidden` the same with what stands in for the words. Where that is padding, the path
            begins at the vector 0.
        steps: Nodes of the Gauss-Legendre quadrature.

    References: Sundararajan, Taly and Yan, arXiv:1703.01365, eq. 1.
    """
    with torch.no_grad():
        end, output = _embedded(scores, embedding, ids)
        start, _ = _embedded(scores, embedding, hidden)
        start = torch.where((hidden == ids).unsqueeze(2), end, start.masked_fill((hidden == PADDING).unsqueeze(2), 0.0))
        with _replaced(embedding, start):
            base = scores(ids)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    shares = torch.as_tensor((nodes + 1) / 2, dtype=end.dtype, device=end.device)

    def slopes(part: slice) -> torch.Tensor:
        some = shares[part].view(-1, 1, 1)
        points = torch.lerp(start, end, some).requires_grad_()
        with torch.enable_grad(), _replaced(embedding, points):
            outputs = scores(ids.expand(len(points), -1))
            found = [torch.autograd.grad(column.sum(), points, retain_graph=True)[0] for column in outputs.unbind(1)]
        return torch.stack([((end - start) * slope).sum(dim=2) for slope in found], dim=1).double()

    each = torch.cat(in_batches(slopes, steps, batch)).cpu().numpy()
    values = np.einsum("s,sot->ot", weights / 2, each)
    none = np.zeros_like(values)
    return RowValues(values=values, standard_error=none, base_value=_numbers(base), output=_numbers(output))


def _embedded(scores: nn.Module, embedding: nn.Embedding, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the embedding gives for a row, and the outputs of the row."""
    held: list[torch.Tensor] = []
    handle = embedding.register_forward_hook(lambda _layer, _given, output: held.append(output))
    try:
        outputs = scores(ids)
    finally:
        handle.remove()
    return held[0], outputs


@contextmanager
def _replaced(layer: nn.Module, output: torch.Tensor) -> Iterator[None]:
    """The network as if this layer gave `output`, whatever it is given."""
    handle = layer.register_forward_hook(lambda _layer, _given, _output: output)
    try:
        yield
    finally:
        handle.remove()


def _numbers(outputs: torch.Tensor) -> Numbers:
    return np.asarray(outputs[0].double().cpu().numpy())
