"""Finding the architecture that a network is: by the shapes of its tensors, and proved by its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.data.inputs import TextInput
from auditbench.errors import ModelError
from auditbench.models.description import output_count
from auditbench.models.differences import TOLERANCE, Difference
from auditbench.models.exporting.folders import difference
from auditbench.models.network import build_network, check_parameters, expected_tensors
from auditbench.models.packing import UnpackedNetwork
from auditbench.models.random_rows import packed, random_inputs

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.architecture import Architecture
    from auditbench.models.subject import ModelUnderTest
    from auditbench.run import OutputScale

_ROWS = (1, 2, 33)
_DEVIATIONS = (1.0, 30.0, 1000.0)
"""Of random numbers: a bound, such as that of ReLU6 or of a clamp, is only seen by what lies beyond it."""
_MOST_HEADS = 64
_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A network as one of an architecture.

    Attributes:
        parameters: Of the architecture, as far as they decide the outputs.
        tensors: By their names in it.
        output: Scale of what it gives; logits where the network gives probabilities and ends with the function that makes
            them of logits.
    """

    architecture: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, torch.Tensor]
    inputs: Mapping[str, ModelInput]
    output: OutputScale


class _Probability(nn.Module):
    """A network of logits, as one of probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Probabilities, shape `(rows, outputs)`."""
        logits: torch.Tensor = self.network(encoded)
        return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def match_network(
    model: ModelUnderTest,
    architectures: Mapping[str, Architecture],
    *,
    named: tuple[str, Mapping[str, Any]] | None,
    tolerance: float,
) -> Matched | None:
    """The architecture and parameters whose network gives the outputs of a model on random rows; None if there are none.

    Args:
        model: On the CPU.
        named: Architecture and parameters that the network is known to be of.
        tolerance: Largest scaled difference; see `Difference`.
    """
    orders = list(_orders(model))
    for allowed in sorted({min(tolerance, TOLERANCE), tolerance}):  # the same network before one that is like it
        for tensors in orders:
            shapes = [tuple(tensor.shape) for tensor in tensors]
            for name, parameters in [named] if named is not None else _candidates(shapes, model.inputs):
                for found, network in _built(architectures[name], parameters, model, tensors):
                    if random_difference(model, network, found.output).scaled <= allowed:
                        return found
    return None


def random_difference(model: ModelUnderTest, network: nn.Module, output: OutputScale) -> Difference:
    """How far the outputs of a network are from those of a model, on random encoded rows of small and of large numbers.

    Args:
        output: Scale of what the network gives.

    Returns:
        Of all rows; what is scaled is so by the outputs for numbers of the same size, and the largest of these.
    """
    same = as_scale(network, output, model.facts.output)
    texts = all(isinstance(item, TextInput) for item in model.inputs.values())
    found = [
        difference(model, same, _random_rows(model, deviation))
        for deviation in (_DEVIATIONS[:1] if texts else _DEVIATIONS)
    ]
    return Difference(
        rows=sum(one.rows for one in found),
        largest=max(one.largest for one in found),
        scaled=max(one.scaled for one in found),
    )


def _random_rows(model: ModelUnderTest, deviation: float) -> Iterator[torch.Tensor]:
    return (packed(random_inputs(model.inputs, rows, seed=rows, deviation=deviation)) for rows in _ROWS)


def as_scale(network: nn.Module, given: OutputScale, wanted: OutputScale) -> nn.Module:
    """A network of one scale, as one of another: of logits the probabilities."""
    return _Probability(network) if (given, wanted) == ("logit", "probability") else network


def _built(
    architecture: Architecture, parameters: Mapping[str, Any], model: ModelUnderTest, tensors: Sequence[torch.Tensor]
) -> Iterator[tuple[Matched, nn.Module]]:
    """The network of an architecture with tensors in their order, if they are its own, in each scale that it may give."""
    outputs = output_count(model.facts.task, model.facts.classes)
    try:
        params = check_parameters(architecture, parameters, where="parameters")
        expected = expected_tensors(architecture, params, inputs=model.inputs, outputs=outputs)
    except (ModelError, ValueError):  # no such sizes, or no such inputs
        return
    if [tensor.shape for tensor in expected.values()] != [tensor.shape for tensor in tensors]:
        return
    state = {name: tensor.to(one.dtype) for (name, one), tensor in zip(expected.items(), tensors, strict=True)}
    network = build_network(architecture, params, inputs=model.inputs, outputs=outputs)
    network.load_state_dict(state)
    network = UnpackedNetwork(network, model.inputs) if len(model.inputs) > 1 else network
    scales: tuple[OutputScale, ...] = ("probability", "logit") if model.facts.output == "probability" else ()
    for output in scales or (model.facts.output,):
        matched = Matched(
            architecture=architecture.name, parameters=parameters, tensors=state, inputs=model.inputs, output=output
        )
        yield matched, network.eval().requires_grad_(False)


def _orders(model: ModelUnderTest) -> Iterator[list[torch.Tensor]]:
    """The tensors of a network, as they are registered and as they are used, with one output for two classes."""
    seen: list[list[int]] = []
    for tensors in (list(model.module.state_dict(keep_vars=True).values()), _as_used(model)):
        found = [tensor.detach().cpu() for tensor in tensors]
        if tensors and [id(tensor) for tensor in tensors] not in seen:
            seen.append([id(tensor) for tensor in tensors])
            yield _with_one_output(model, found)


def _as_used(model: ModelUnderTest) -> list[torch.Tensor]:
    """The tensors in the order in which the modules that hold them are first called; none where that cannot be seen."""
    order: list[nn.Module] = []
    handles = []
    try:
        for module in model.module.modules():
            if any(True for _ in module.parameters(recurse=False)):
                handles.append(module.register_forward_pre_hook(lambda module, _: order.append(module)))
        with torch.no_grad():
            model.module(packed(random_inputs(model.inputs, 2, seed=0)).to(model.device))
    except RuntimeError:  # scripted modules take no hooks
        return []
    finally:
        for handle in handles:
            handle.remove()
    return [
        tensor
        for module in dict.fromkeys(order)
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
    ]


def _with_one_output(model: ModelUnderTest, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of a last layer with an output for each of two classes, the one whose sigmoid is their softmax."""
    two = model.facts.task == "binary-classification" and len(tensors) >= 2
    if two and tensors[-2].ndim == 2 and len(tensors[-2]) == 2 and tensors[-1].shape == (2,):
        return [*tensors[:-2], *(tensor[1:] - tensor[:1] for tensor in tensors[-2:])]
    return tensors


def _candidates(
    shapes: Sequence[tuple[int, ...]], inputs: Mapping[str, ModelInput]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Architectures with the sizes that the shapes tell, and what they do not tell in every way."""
    if len(inputs) > 1 or not shapes:
        return
    (item,) = inputs.values()
    if item.modality != "text":
        yield "linear", {}
        hidden = [shape[0] for shape in shapes if len(shape) == 2][:-1]
        yield from (("mlp", {"hidden": hidden, "activation": name}) for name in ("relu", "gelu", "tanh") if hidden)
    if item.modality == "image":
        yield from _convolutions("cnn", shapes, 4, {"head": ("flatten", "average")})
    if item.modality == "series":
        kernels = [shape[2] for shape in shapes if len(shape) == 3][:1]
        yield from _convolutions("cnn1d", shapes, 3, {"kernel": kernels})
    if item.modality in ("series", "text"):
        yield from _recurrent(shapes, text=item.modality == "text")
        yield from _transformers(shapes, text=item.modality == "text")


def _convolutions(
    name: str, shapes: Sequence[tuple[int, ...]], dimensions: int, ways: Mapping[str, Iterable[Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    known = {
        "channels": [shape[0] for shape in shapes if len(shape) == dimensions],
        "hidden": [shape[0] for shape in shapes if len(shape) == 2][:-1],
        "batch_norm": () in shapes,
    }
    yield from ((name, known | way) for way in _ways(ways))


def _recurrent(shapes: Sequence[tuple[int, ...]], *, text: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    matrices = [shape for shape in shapes if len(shape) == 2]
    known = {"embedding": matrices[0][1]} if text and matrices else {}
    inner = matrices[1:-1] if text else matrices[:-1]
    for cell, gates in _GATES.items():
        hidden = {shape[1] for shape in inner[1::2] if shape[0] == gates * shape[1]}
        if len(hidden) != 1:
            continue
        for bidirectional in (False, True):
            layers = len(inner) // (4 if bidirectional else 2)
            sizes = {"cell": cell, "hidden": hidden.copy().pop(), "layers": layers, "bidirectional": bidirectional}
            yield from (("rnn", known | sizes | way) for way in _ways({"pooling": ("last", "mean", "max")}))


def _transformers(shapes: Sequence[tuple[int, ...]], *, text: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    fused = [index for index, shape in enumerate(shapes) if len(shape) == 2 and shape[0] == 3 * shape[1]]
    if not fused:
        return
    width = shapes[fused[0]][1]
    behind = [shape for shape in shapes[fused[0] + 1 :] if len(shape) == 2 and shape != (width, width)]
    if not behind:
        return
    known = {"width": width, "layers": len(fused), "feedforward": behind[0][0]}
    heads = [count for count in range(1, _MOST_HEADS + 1) if width % count == 0]
    yield from (("encoder", known | way) for way in _ways({"heads": heads, "pooling": ("mean", "first")}))
    if text:
        yield from (("decoder", known | way) for way in _ways({"heads": heads, "tied": (False, True)}))


def _ways(choices: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    yield from map(dict, map(partial(zip, choices, strict=True), product(*choices.values())))
