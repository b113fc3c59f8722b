"""Whether torch can compute a graph: whether all its operations are interpreted, and give what onnxruntime gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.findings import Message
from auditbench.models.differences import TOLERANCE, scaled_difference
from auditbench.models.graph_network import InterpretedGraph
from auditbench.models.graph_steps import has_operation, missing_operations
from auditbench.models.opening.files import Damage
from auditbench.models.operators import ROUNDING, EndlessLoopError, UnsupportedOperationError
from auditbench.models.operators.control import MOST_ROUNDS
from auditbench.models.random_rows import random_inputs
from auditbench.run import Capability, OutputScale

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.graph_ports import GraphPorts
    from auditbench.models.opening.graph_content import GraphContent

_COMPARED_ROWS = (1, 2, 5)
"""Rows a batch of random ones; two of zeros come after them."""
_SHOWN_OPERATIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphChoice:
    """What computes a graph.

    Attributes:
        network: None where onnxruntime has to.
        capabilities: Of the network, or of the black box.
        limits: Why it can do less than another network.
    """

    network: InterpretedGraph | None = None
    capabilities: tuple[Capability, ...] = ("black_box",)
    limits: tuple[Message, ...] = ()


def choose_network(
    content: GraphContent,
    ports: GraphPorts,
    reference: nn.Module,
    inputs: Mapping[str, ModelInput],
    output: OutputScale,
    device: str,
) -> GraphChoice:
    """Interpret a graph where that gives the same outputs, to a scaled difference of `TOLERANCE`, on random rows and zeros.

    A graph that was exported for one row is computed in batches if that gives the same as row after row, and row after
    row if not. Where onnxruntime itself fails, there is nothing to compare with, and it stays a black box.

    Args:
        reference: What onnxruntime computes, on the CPU.
        output: Declared scale of the outputs, by which a difference is measured.

    Raises:
        Damage: It has a loop that does not end.
    """
    if missing := missing_operations(content):
        return _missing(
            ", ".join(sorted(missing)[:_SHOWN_OPERATIONS]) + (", ..." if len(missing) > _SHOWN_OPERATIONS else "")
        )
    samples = [_given(random_inputs(inputs, rows, seed=rows)) for rows in _COMPARED_ROWS]
    samples.append(_given({name: torch.zeros_like(item) for name, item in random_inputs(inputs, 2, seed=0).items()}))
    with torch.no_grad():
        if has_operation(content, ("Loop",)):
            _refuse_endless(content, ports, samples[0])
        try:
            expected = [reference(encoded) for encoded in samples]
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common class
            return _limited(Message(key="core.model_graph_not_compared", values={"error": _said(error)}))
        for row_by_row in (False, True) if ports.one_row else (False,):
            choice = _tried(content, ports, samples, expected, output, device, row_by_row=row_by_row)
            if choice.network is not None:
                break
    return choice


def _refuse_endless(content: GraphContent, ports: GraphPorts, encoded: Any) -> None:
    """Refuse a loop that does not end, which onnxruntime would compute until the worker is ended."""
    try:
        InterpretedGraph(content, ports)(encoded)
    except EndlessLoopError as error:
        raise Damage(
            "has a loop that does not end",
            found=f"one that goes on after {MOST_ROUNDS:,} rounds, on made-up rows",
            allowed="loops that end on any rows",
            fix="export the model again, with a loop that ends after a fixed number of rounds",
        ) from error
    except Exception:  # noqa: BLE001 - what else an operation raises is told by the comparison
        return


def _tried(
    content: GraphContent,
    ports: GraphPorts,
    samples: list[Any],
    expected: list[torch.Tensor],
    output: OutputScale,
    device: str,
    *,
    row_by_row: bool,
) -> GraphChoice:
    try:
        network = InterpretedGraph(content, ports, row_by_row=row_by_row).to(device)
        found = [network(_moved(encoded, device)).double().cpu() for encoded in samples]
    except UnsupportedOperationError as error:
        return _missing(str(error))
    except Exception as error:  # noqa: BLE001 - whatever an operation raises for what a file asks of it
        node = next(iter(getattr(error, "__notes__", [])), "")
        return _limited(Message(key="core.model_graph_fails", values={"node": node, "error": _said(error)}))
    scaled = _difference(found, expected, output)
    if not scaled <= TOLERANCE:
        if not math.isfinite(scaled):
            return _limited(Message(key="core.model_graph_differs_in_shape"))
        return _limited(Message(key="core.model_graph_differs", values={"difference": scaled, "tolerance": TOLERANCE}))
    limits = []
    capabilities: tuple[Capability, ...] = ("gradients", "hooks", "layers", "black_box")
    if ports.channels_last:
        capabilities = (*capabilities, "channels_last")
    if row_by_row:
        capabilities = ("gradients", "black_box")
        limits.append(Message(key="core.model_graph_row_by_row"))
    if has_operation(content, ROUNDING):
        capabilities = tuple(name for name in capabilities if name != "gradients")
        limits.append(Message(key="core.model_graph_rounds"))
    return GraphChoice(network=network, capabilities=capabilities, limits=tuple(limits))


def _difference(found: list[torch.Tensor], expected: list[torch.Tensor], output: OutputScale) -> float:
    """Scaled as that of an export; infinite where shapes differ, or one is no finite number and the other not the same."""
    largest, size = 0.0, 0.0
    for one, single in zip(found, expected, strict=True):
        if one.shape != single.shape:
            return math.inf
        other = single.double()
        equal = (one == other) | (one.isnan() & other.isnan())
        apart = torch.where(equal, 0.0, (one - other).abs()).nan_to_num(nan=math.inf, posinf=math.inf)
        largest = max(largest, float(apart.max()) if apart.numel() else 0.0)
        size = max(size, float(torch.where(other.isfinite(), other.abs(), 0.0).max()) if other.numel() else 0.0)
    return scaled_difference(largest, size, output)


def _given(inputs: Mapping[str, torch.Tensor]) -> Any:
    """The tensor of the only input, or one of each by name."""
    return next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)


def _moved(encoded: Any, device: str) -> Any:
    if isinstance(encoded, Mapping):
        return {name: item.to(device) for name, item in encoded.items()}
    return encoded.to(device)


def _said(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


def _missing(operations: str) -> GraphChoice:
    return _limited(Message(key="core.model_graph_operation_missing", values={"operations": operations[:300]}))


def _limited(message: Message) -> GraphChoice:
    return GraphChoice(limits=(message,))
