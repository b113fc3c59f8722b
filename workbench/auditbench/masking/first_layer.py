"""`FirstLayer`: a module cut behind its first linear layer, so that what is linear is computed once.

The pre-activations of a masked row are a sum over players: of what the kept ones contribute by the explained row, and the
hidden ones by the replacement. They follow from zeros and ones by one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from auditbench.models.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from auditbench.masking.players import Players

_TOLERANCE = 1e-4
"""Largest relative difference between the module and its two parts, on real rows; rounding is a hundredth of it."""

_UNCHANGED = (nn.Identity, nn.Dropout)
_IN_PLACE: dict[Any, Callable[[torch.Tensor], torch.Tensor]] = {
    nn.ReLU: torch.relu_,
    nn.Tanh: torch.tanh_,
    nn.Sigmoid: torch.sigmoid_,
    F.relu: torch.relu_,
    torch.relu: torch.relu_,
    torch.tanh: torch.tanh_,
    torch.sigmoid: torch.sigmoid_,
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "sigmoid": torch.sigmoid_,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstLayer:
    """A module as `tail(pre-activations)`.

    Attributes:
        weight: Shape `(entries, hidden)` for numbers, `(positions, embedding, hidden)` behind an embedding.
        bias: Shape `(hidden,)`.
        embedding: Maps tokens to vectors, where the module begins with one.
        tail: From pre-activations, shape `(rows, hidden)`, to outputs; it may overwrite them.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    embedding: nn.Embedding | None
    tail: nn.Module

    @property
    def hidden(self) -> int:
        """Pre-activations of a row."""
        return int(self.weight.shape[-1])

    def entries(self, rows: torch.Tensor) -> torch.Tensor:
        """What each entry of some rows adds to the pre-activations, shape `(rows, entries, hidden)`."""
        if self.embedding is None:
            return rows.flatten(1).unsqueeze(2) * self.weight
        return torch.einsum("rpe,peh->rph", self.embedding(rows), self.weight)

    def contributions(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """What each player, and at the end everything that is nobody's, adds; shape `(rows, players + 1, hidden)`."""
        given = self.entries(rows)
        groups = players.groups.flatten().to(given.device)
        place = torch.where(groups < 0, len(players), groups)
        summed = given.new_zeros((len(rows), len(players) + 1, self.hidden))
        return summed.index_add_(1, place, given)


def cut_first_layer(module: nn.Module, rows: torch.Tensor, *, in_place: bool = True) -> FirstLayer | None:
    """The module cut behind its first linear layer; None where it does not begin with one, or cannot be traced.

    It may begin with a linear layer, or with an embedding and a linear layer, with flattening or a mean over positions
    between. The parts share the module's parameters, and nothing of the module is changed.

    Args:
        module: In evaluation mode.
        rows: Some real rows, on which the parts must give what the module gives.
        in_place: Whether activations of the tail overwrite their input; gradients need False.
    """
    if any(isinstance(layer, torch.jit.ScriptModule) or _is_altered(layer) for layer in module.modules()):
        return None
    with _attributes_as_found(module):
        cut = _traced_and_cut(module, rows, in_place=in_place)
    return cut if cut is not None and _reproduces(cut, module, rows) else None


def _is_altered(layer: nn.Module) -> bool:
    """Whether a layer does something else than its code says: by hooks, which torch has no public way to ask for."""
    return bool(layer.training or layer._forward_hooks or layer._forward_pre_hooks)  # noqa: SLF001


def _traced_and_cut(module: nn.Module, rows: torch.Tensor, *, in_place: bool) -> FirstLayer | None:
    try:
        graph = fx.Tracer(autowrap_modules=()).trace(module)  # type: ignore[arg-type]  # its annotation says one module
    except Exception:  # noqa: BLE001 - whatever the code of a module raises when it is traced
        return None
    found = _cut(module, graph, rows)
    if found is None:
        return None
    if in_place:
        _overwrite(module, graph)
    graph.lint()
    return FirstLayer(weight=found[0], bias=found[1], embedding=found[2], tail=fx.GraphModule(module, graph))


@contextmanager
def _attributes_as_found(module: nn.Module) -> Iterator[None]:
    """Take back what tracing sets: constants that it keeps in the module, and what `forward` stores there."""
    before = [(layer, dict(vars(layer)), dict(layer._buffers)) for layer in module.modules()]  # noqa: SLF001
    try:
        yield
    finally:
        for layer, attributes, buffers in before:
            vars(layer).clear()
            vars(layer).update(attributes)
            layer._buffers.clear()  # noqa: SLF001
            layer._buffers.update(buffers)  # noqa: SLF001


def _cut(
    module: nn.Module, graph: fx.Graph, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, nn.Embedding | None] | None:
    """Take the first layer out of the graph; its weight by entry, its bias, and the embedding before it."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        return None
    node, passed, embedding, mean = inputs[0], [], None, False
    while True:
        if len(node.users) != 1:
            return None
        node = next(iter(node.users))
        layer = _layer(module, node)
        if type(layer) is nn.Linear:
            break
        if type(layer) is nn.Embedding and embedding is None and layer.max_norm is None:
            embedding = layer
        elif embedding is not None and not mean and _is_mean_over_positions(node):
            mean = True
        elif not _passes_on(node, layer):
            return None
        passed.append(node)
    shaped = _weight_by_entry(layer, embedding, rows, mean=mean)
    if shaped is None:
        return None
    with graph.inserting_before(inputs[0]):
        hidden = graph.placeholder("pre_activations")
    node.replace_all_uses_with(hidden)
    for unused in (node, *reversed(passed), inputs[0]):
        graph.erase_node(unused)
    bias = layer.state_dict().get("bias")
    return shaped, layer.weight.detach().new_zeros(layer.out_features) if bias is None else bias, embedding


def _weight_by_entry(
    layer: nn.Linear, embedding: nn.Embedding | None, rows: torch.Tensor, *, mean: bool
) -> torch.Tensor | None:
    weight, entries = layer.weight.detach().t(), rows[0].numel()
    if embedding is None:
        return weight.contiguous() if len(weight) == entries else None
    if rows.ndim != 2:
        return None
    if mean:
        return (weight / entries).expand(entries, *weight.shape) if len(weight) == embedding.embedding_dim else None
    by_position = (entries, embedding.embedding_dim, layer.out_features)
    return weight.reshape(by_position) if len(weight) == entries * embedding.embedding_dim else None


def _layer(module: nn.Module, node: fx.Node) -> nn.Module | None:
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def _passes_on(node: fx.Node, layer: nn.Module | None) -> bool:
    """Whether a step keeps the numbers of a row and their order."""
    if layer is not None:
        return isinstance(layer, _UNCHANGED) or (
            type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1)
        )
    if node.op == "call_method":
        return node.target in ("contiguous", "float", "double") or (node.target == "flatten" and node.args[1:] == (1,))
    return node.target is torch.flatten and node.args[1:] == (1,)


def _is_mean_over_positions(node: fx.Node) -> bool:
    dims = (*node.args[1:], *(value for name, value in node.kwargs.items() if name == "dim"))
    return node.target in ("mean", torch.mean) and dims == (1,) and "keepdim" not in node.kwargs


def _overwrite(module: nn.Module, graph: fx.Graph) -> None:
    """Let activations overwrite what a linear layer, or the cut, has made for them alone."""
    for node in list(graph.nodes):
        layer = _layer(module, node)
        in_place = _IN_PLACE.get(node.target if layer is None else type(layer))
        given = node.args[0] if node.args else None
        if in_place is None or not isinstance(given, fx.Node) or len(given.users) != 1 or len(node.args) > 1:
            continue
        if given.op == "placeholder" or type(_layer(module, given)) is nn.Linear:
            with graph.inserting_before(node):
                replaced = graph.call_function(in_place, (given,))
            node.replace_all_uses_with(replaced)
            graph.erase_node(node)


def _reproduces(cut: FirstLayer, module: nn.Module, rows: torch.Tensor) -> bool:
    with torch.no_grad():
        expected = module(rows.clone())
        try:
            given = cut.tail(cut.entries(rows).sum(dim=1) + cut.bias)
        except (RuntimeError, TypeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            return False
    if not isinstance(expected, torch.Tensor) or given.shape != expected.shape:
        return False
    scale = float(expected.abs().max()) or 1.0
    return bool((given - expected).abs().max() <= _TOLERANCE * scale)
