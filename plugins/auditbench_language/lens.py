"""The logit lens: what the output layer says of the hidden states of each block, after the final normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

from auditbench.data.inputs import PADDING
from auditbench.errors import AnalyzerNotPossible

if TYPE_CHECKING:
    from auditbench.models import ModelUnderTest

    Head: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

_NORMS = ("ln_f", "norm", "final_layer_norm", "final_layernorm")
"""What networks of transformers call their last normalisation, in the part that holds the blocks."""
_TOLERANCE = 1e-4
"""How far the lens on the last block may be from the outputs, as a share of the largest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lens:
    """The blocks of a decoder, and what turns a hidden state into logits.

    Attributes:
        blocks: In order; each gives hidden states of shape `(rows, length, width)`, alone or first.
        read: From hidden states, shape `(..., width)`, to logits: the final normalisation, then the output layer.
    """

    blocks: tuple[nn.Module, ...]
    read: Head

    def states(self, model: ModelUnderTest, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states at the last token, and the outputs.

        Args:
            ids: Token ids, shape `(rows, length)`, padding behind the end.

        Returns:
            Shapes `(layers, rows, width)` and `(rows, classes)`; the first layer is what the first block is given.
        """
        with _held(self.blocks) as held, torch.inference_mode():
            outputs = model.module(ids)
        places = torch.where(ids != PADDING, torch.arange(ids.shape[1], device=ids.device), 0).amax(dim=1)
        rows = torch.arange(len(ids), device=ids.device)
        return torch.stack([states[rows, places] for states in held]), outputs


def lens_of(model: ModelUnderTest, ids: torch.Tensor) -> Lens:
    """The lens of a network, tried on a few rows.

    Args:
        ids: Token ids, shape `(rows, length)`.

    Raises:
        AnalyzerNotPossible: Blocks, final normalisation and output layer are not found, or reading the last block does not
            give the outputs of the model.

    References: nostalgebraist (2020), interpreting GPT: the logit lens; Belrose et al., arXiv:2303.08112, section 2.
    """
    parts = _own_parts(model.module) or _parts_of_transformers(model.module)
    if parts is None or model.facts.output != "logit":
        raise _not_possible(f"{type(model.module).__name__}, which shows no blocks with one normalisation behind them")
    lens = Lens(blocks=parts[0], read=parts[1])
    states, outputs = lens.states(model, ids)
    with torch.inference_mode():
        read = lens.read(states[-1])
    gap = float((read - outputs).abs().max()) if read.shape == outputs.shape else float("inf")
    if gap > _TOLERANCE * max(1.0, float(outputs.abs().max())):
        raise _not_possible(f"a last block from which the output layer reads other logits, by up to {gap:.2g}")
    return lens


def _own_parts(network: Any) -> tuple[tuple[nn.Module, ...], Head] | None:
    """Those of a `decoder` of this product."""
    if not hasattr(network, "read") or not isinstance(getattr(network, "layers", None), nn.ModuleList):
        return None
    return tuple(network.layers), network.read


def _parts_of_transformers(network: Any) -> tuple[tuple[nn.Module, ...], Head] | None:
    """Those of a causal language model of transformers: as many blocks as its settings say, one normalisation beside them."""
    model: Any = getattr(network, "model", None)
    count = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if head is None or not isinstance(count, int):
        return None
    for holder in model.modules():
        blocks = [each for each in holder.children() if isinstance(each, nn.ModuleList) and len(each) == count]
        norms = [norm for name in _NORMS if isinstance(norm := getattr(holder, name, None), nn.Module)]
        if len(blocks) == 1 and len(norms) == 1:
            return tuple(blocks[0]), nn.Sequential(norms[0], head)
    return None


@contextmanager
def _held(blocks: Sequence[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """What the first block is given, and what each block gives, in the next call."""
    held: list[torch.Tensor] = []

    def given(_block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        held.append(inputs[0] if inputs else named["hidden_states"])

    def gave(_block: nn.Module, _inputs: object, output: Any) -> None:
        held.append(output[0] if isinstance(output, tuple) else output)

    handles = [blocks[0].register_forward_pre_hook(given, with_kwargs=True)]
    handles += [block.register_forward_hook(gave) for block in blocks]
    try:
        yield held
    finally:
        for handle in handles:
            handle.remove()


def _not_possible(found: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        "the hidden states of this network cannot be read by its output layer",
        where="analyzers.language-lens",
        found=found,
        allowed="a decoder of this product, or a causal language model of transformers whose last block, normalised, is what"
        " its output layer reads",
        fix="leave the analyzer away; `language` asks for outputs alone",
    )
