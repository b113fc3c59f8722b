"""`trace_first_linear`: the first linear layer of a module of any code, and what comes behind it as a module.

Torch follows a module by calling it while it patches how modules are called, for the whole process. What is called is a
copy, and calls that other threads make meanwhile go on as they are, so that neither the module nor they notice. Two
limits remain: what `forward` stores outside of its module holds traces afterwards, and during these milliseconds
functions that `torch.compile` made raise in other threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from auditbench.masking.copying import structural_copy
from auditbench.masking.layer_kinds import OVERWRITING, is_embedding, is_linear, keeps_numbers

_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstLinear:
    """Where a module begins.

    Attributes:
        linear: Its first linear layer.
        embedding: What comes before it, where that is an embedding.
        mean: Whether the linear layer takes the mean of the embedded positions.
        tail: From pre-activations to outputs.
    """

    linear: nn.Linear
    embedding: nn.Embedding | None
    mean: bool
    tail: nn.Module


def trace_first_linear(module: nn.Module, *, in_place: bool) -> FirstLinear | None:
    """None where the module does not begin with a linear layer, or cannot be copied or traced.

    Args:
        module: One whose `forward` tells all that it does; it is read, and never called.
        in_place: Whether activations behind a linear layer overwrite what it gave.
    """
    try:
        copied = structural_copy(module)
        with _ONE_AT_A_TIME:
            graph = _OwnThread().trace(copied)
    except Exception:  # noqa: BLE001 - whatever a module's code raises when it is copied or traced
        return None
    found = _cut(copied, graph)
    if found is None:
        return None
    if in_place:
        _overwrite(copied, graph)
    linear, embedding, mean = found
    return FirstLinear(linear=linear, embedding=embedding, mean=mean, tail=fx.GraphModule(copied, graph))


class _OwnThread(fx.Tracer):
    """Traces what its own thread calls."""

    def __init__(self) -> None:
        super().__init__(autowrap_modules=())  # type: ignore[arg-type]  # its annotation says one module
        self._thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The call itself where another thread makes it."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """The attribute itself where another thread asks for it."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _cut(module: nn.Module, graph: fx.Graph) -> tuple[nn.Linear, nn.Embedding | None, bool] | None:
    """Take the first linear layer, and what comes before it, out of the graph."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        return None
    node, passed, embedding, mean = inputs[0], [], None, False
    while True:
        if len(node.users) != 1:
            return None
        node = next(iter(node.users))
        layer: Any = _layer(module, node)
        if is_linear(layer):
            break
        if is_embedding(layer) and embedding is None:
            embedding = layer
        elif embedding is not None and not mean and _is_mean_over_positions(node):
            mean = True
        elif not keeps_numbers(layer) and not _keeps_numbers(node):
            return None
        passed.append(node)
    with graph.inserting_before(inputs[0]):
        hidden = graph.placeholder("pre_activations")
    node.replace_all_uses_with(hidden)
    for unused in (node, *reversed(passed), inputs[0]):
        graph.erase_node(unused)
    return layer, embedding, mean


def _layer(module: nn.Module, node: fx.Node) -> nn.Module | None:
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def _keeps_numbers(node: fx.Node) -> bool:
    """Whether a method or function keeps the numbers of a row and their order."""
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
        overwriting = OVERWRITING.get(node.target if layer is None else type(layer))
        given = node.args[0] if node.args else None
        if overwriting is None or not isinstance(given, fx.Node) or len(given.users) != 1 or len(node.args) > 1:
            continue
        if given.op == "placeholder" or is_linear(_layer(module, given)):
            with graph.inserting_before(node):
                replaced = graph.call_function(overwriting, (given,))
            node.replace_all_uses_with(replaced)
            graph.erase_node(node)
