"""The network layer by layer: what each part gives, learned and multiplies."""

from __future__ import annotations

from torch import nn

from auditbench.results import Cell, Column, Table
from auditbench_resources.compute import LayerCall, MultiplyAccumulates
from auditbench_resources.measures import message
from auditbench_resources.size import parameters_by_module

MOST_LAYERS = 1000
_KINDS = {"NonDynamicallyQuantizableLinear": "Linear"}
"""Names of classes that are others by another name."""


def layer_table(module: nn.Module, compute: MultiplyAccumulates) -> Table:
    """Parts with parameters or products of their own, in the model's order.

    Multiply-accumulates are those of the part itself, so that their sum is the total; None where it is not called as a
    module. At most `MOST_LAYERS` parts are listed.
    """
    own = parameters_by_module(module)
    kinds = {path or ".": _kind(part) for path, part in module.named_modules()}
    shown = [path for path in kinds if path in own or _products(compute.by_module.get(path))]
    rows = tuple(
        _row(path, kinds[path], own.get(path, ("", 0))[1], compute.by_module.get(path)) for path in shown[:MOST_LAYERS]
    )
    return Table(
        name="modules",
        title=message("modules", n=len(shown)),
        columns=(
            Column(name="path", label=message("column.path")),
            Column(name="kind", label=message("column.kind")),
            Column(name="output", label=message("column.output")),
            Column(name="parameters", label=message("parameters"), kind="count"),
            Column(name="macs", label=message("macs"), kind="count"),
        ),
        rows=rows,
    )


def _row(path: str, kind: str, parameters: int, call: LayerCall | None) -> tuple[Cell, ...]:
    shape = None if call is None or call.shape is None else " × ".join(map(str, call.shape))
    name = message("itself") if path == "." else path
    return name, kind, shape or None, parameters, None if call is None else call.own


def _kind(part: nn.Module) -> str:
    """What a part is; where it stands for something else, as an operator of a graph, that one's name."""
    named = str(getattr(part, "original_name", type(part).__name__))
    return _KINDS.get(named, named)


def _products(call: LayerCall | None) -> int:
    return 0 if call is None else call.own
