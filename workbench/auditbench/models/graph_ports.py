"""Which input of a graph takes what, and whether the rows fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditbench.data.inputs import PADDING, ImageInput, SeriesInput, TextInput
from auditbench.errors import ModelError
from auditbench.models.wrapping import inputs_in_words

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.opening.onnx import GraphPort, OpenedGraph

_KINDS = {"tensor(float)": torch.float32, "tensor(int64)": torch.int64, "tensor(int32)": torch.int32}
_MASK = "attention_mask"
_OF_TOKENS = (_MASK, "token_type_ids")
"""What transformers take beside token ids, by the names that its exporters write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPorts:
    """The inputs of a graph, by the input of the model.

    Attributes:
        one_row: Whether the graph was exported for one row.
        channels_last: Inputs whose channels the graph wants behind the other axes; encoded rows have them in front.
        of_tokens: Inputs of the graph that follow from the ids of its only text: `attention_mask`, which is 1 for a token
            and 0 for `padding`, and `token_type_ids`, which are 0.
        padding: The id that stands behind a text.
    """

    by_input: Mapping[str, GraphPort]
    one_row: bool
    channels_last: frozenset[str]
    of_tokens: tuple[GraphPort, ...] = ()
    padding: int = PADDING

    def feeds(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What the graph takes, by its own names and in its own types; of several inputs a tensor each is given."""
        given = encoded if isinstance(encoded, Mapping) else dict.fromkeys(self.by_input, encoded)
        turned = {
            name: given[name].movedim(1, -1) if name in self.channels_last else given[name] for name in self.by_input
        }
        found = {port.name: turned[name].to(_KINDS[port.kind]) for name, port in self.by_input.items()}
        for port in self.of_tokens:
            (ids,) = turned.values()
            told = ids != self.padding if port.name == _MASK else torch.zeros_like(ids)
            found[port.name] = told.to(_KINDS[port.kind])
        return found


def fit_ports(
    graph: OpenedGraph, inputs: Mapping[str, ModelInput], *, where: str, padding: int | None = PADDING
) -> GraphPorts:
    """Find out which input of the graph takes what.

    Args:
        inputs: What the network takes, by name; of several the graph has inputs of these names.
        where: The file, for an error.
        padding: The id that stands behind a text; None where its tokenizer names none.

    Raises:
        ModelError: The graph has other inputs than the network takes, not one output, or a mask where there is no padding.
    """
    of_tokens = _of_tokens(graph.inputs, inputs, where, padding)
    ports = _ports_by_input(tuple(port for port in graph.inputs if port not in of_tokens), inputs, where)
    last = frozenset(name for name, port in ports.items() if _has_channels_last(port, inputs[name]))
    for name, port in (*ports.items(), *((name, port) for name in inputs for port in of_tokens)):
        _check_port(port, inputs[name], inputs, where, channels_last=name in last)
    fixed = {port.shape[0] for port in (*ports.values(), *of_tokens)} - {None}
    if fixed - {1}:
        raise _refused(
            f"takes {' and '.join(map(str, sorted(fixed, key=str)))} rows at a time, and no others",
            _in_words(graph.inputs),
            "any number of rows, or one",
            where,
            fix="export it again with a dynamic first dimension",
        )
    if len(graph.outputs) != 1 or graph.outputs[0].kind != "tensor(float)":
        raise _refused(
            "has other outputs than one of float32",
            _in_words(graph.outputs),
            "one output, tensor(float) of shape (rows, outputs)",
            where,
            fix="cut the graph at the output that is meant: onnx.utils.extract_model",
        )
    return GraphPorts(
        by_input=ports,
        one_row=bool(fixed),
        channels_last=last,
        of_tokens=of_tokens,
        padding=PADDING if padding is None else padding,
    )


def _of_tokens(
    ports: tuple[GraphPort, ...], inputs: Mapping[str, ModelInput], where: str, padding: int | None
) -> tuple[GraphPort, ...]:
    if len(ports) == 1 or [type(item) for item in inputs.values()] != [TextInput]:
        return ()
    found = tuple(port for port in ports if port.name in _OF_TOKENS)
    if padding is None and any(port.name == _MASK for port in found):
        raise _refused(
            "takes a mask of the padding, and the tokenizer names none",
            _in_words(ports),
            "a tokenizer.json with a padding token",
            where,
            fix="set the padding of the tokenizer and save it again, or export a network that takes token ids alone",
        )
    return found


def _ports_by_input(ports: tuple[GraphPort, ...], inputs: Mapping[str, ModelInput], where: str) -> dict[str, GraphPort]:
    if len(ports) == len(inputs) == 1:
        return {next(iter(inputs)): ports[0]}
    by_name = {port.name: port for port in ports}
    if set(by_name) != set(inputs):
        raise _refused(
            "has other inputs than the model takes",
            _in_words(ports),
            f"inputs of these names: {', '.join(inputs)}" if len(inputs) > 1 else "one input",
            where,
            fix="export it so that it takes the encoded rows, or declare [data.inputs.NAME] for each input by its name"
            if len(inputs) > 1
            else "declare each input by its name in [data.inputs.NAME], or export a network of one input",
        )
    return {name: by_name[name] for name in inputs}


def _has_channels_last(port: GraphPort, item: ModelInput) -> bool:
    """Whether images or series fit with their channels behind, and do not as they are."""
    return (
        isinstance(item, (ImageInput, SeriesInput))
        and not _fits(port, item.shape)
        and _fits(port, (*item.shape[1:], item.shape[0]))
    )


def _fits(port: GraphPort, shape: tuple[int, ...]) -> bool:
    return len(port.shape) == len(shape) + 1 and all(
        given in (None, size) for given, size in zip(port.shape[1:], shape, strict=True)
    )


def _check_port(
    port: GraphPort, item: ModelInput, inputs: Mapping[str, ModelInput], where: str, *, channels_last: bool
) -> None:
    """Refuse an input of another type or shape than the encoded rows have."""
    tokens = isinstance(item, TextInput)
    if port.kind not in _KINDS or (port.kind != "tensor(float)" and not tokens):
        raise _refused(
            "takes numbers of a type that the rows are not encoded in",
            _in_words((port,)),
            "tensor(int64), tensor(int32) or tensor(float)" if tokens else "tensor(float)",
            where,
            fix="export it with such an input",
        )
    if not channels_last and not _fits(port, item.shape):
        raise _refused(
            "takes rows of another shape than the data have",
            _in_words((port,)),
            f"rows of shape {item.shape}; {inputs_in_words(inputs)}",
            where,
            fix="pass the columns that the model was trained on, or export it for these rows",
        )


def _in_words(ports: tuple[GraphPort, ...]) -> str:
    """`features tensor(float) (rows, 4)`; a size that is not fixed is `any`."""
    return "; ".join(
        f"{port.name} {port.kind} ({', '.join('any' if size is None else str(size) for size in port.shape)})"
        for port in ports
    )[:300]


def _refused(what: str, found: str, allowed: str, where: str, *, fix: str) -> ModelError:
    return ModelError(f"the graph {what}", where=where, found=found, allowed=allowed, fix=fix)
