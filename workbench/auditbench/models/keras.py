"""Networks of Keras, which compute with torch: gradients, and rows that are arranged as the network wants them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.data.inputs import ImageInput, SeriesInput, TableInput, TextInput
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.findings import Message
from auditbench.models.declared import declared_interface
from auditbench.models.formats import ModelRequest
from auditbench.models.opening.keras_files import OpenedKeras, open_keras
from auditbench.models.own_tokens import with_own_tokens
from auditbench.models.wrapping import Origin, wrap_network
from auditbench.record import plain
from auditbench.run import Capability

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.subject import ModelUnderTest


def load_keras(request: ModelRequest) -> ModelUnderTest:
    """Open a network of Keras, and wrap it so that it takes encoded rows, channels first.

    It takes no hooks: its layers call functions of Keras, and no modules of torch that a method could look into, so that such
    a method would be wrong without saying so.

    Raises:
        DataError: The data do not give features or classes.
        MissingDependencyError: keras or h5py is not installed.
        ModelError: It is no such file, names what is not opened, or does not take the rows.
    """
    interface = declared_interface(request)
    opened = open_keras(request.path, device=request.device)
    network = KerasNetwork(opened, interface.inputs, device=request.device, where=str(request.path))
    config = opened.config
    limits = [Message(key="core.model_keras_no_hooks")]
    if config.precisions:
        precisions = ", ".join(config.precisions)
        limits.append(Message(key="core.model_keras_precision", values={"precisions": precisions}))
    capabilities: tuple[Capability, ...] = ("gradients", "black_box")
    model = wrap_network(
        with_own_tokens(network, interface.inputs),
        interface,
        Origin(
            name=request.table.name,
            format="keras",
            architecture=f"Keras {config.model}, {config.layers} layers",
            digest=digest_of({"keras": opened.sha256, "interface": plain(interface)}),
            where=str(request.path),
        ),
        device=request.device,
        capabilities=(*capabilities, "channels_last") if network.channels_last else capabilities,
        limits=tuple(limits),
    )
    return dataclasses.replace(model, facts=dataclasses.replace(model.facts, parameters=opened.parameters))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrangement:
    """How encoded rows become those of the network: their axes in another order, then another shape.

    Attributes:
        axes: Of a row, from 0 on.
        last: Whether channels become the last axis.
    """

    axes: tuple[int, ...]
    shape: tuple[int, ...]
    last: bool = False


class KerasNetwork(nn.Module):
    """A network of Keras in evaluation mode, which takes encoded rows.

    Attributes:
        channels_last: Whether it wants the channels of an input behind the other axes.
    """

    def __init__(self, opened: OpenedKeras, inputs: Mapping[str, ModelInput], *, device: str, where: str) -> None:
        """Find out which input of the network takes what, and in which order of axes.

        Args:
            inputs: What the data have, by name; of several the network has inputs of these names.
            where: The file, for an error.

        Raises:
            ModelError: The network takes other inputs, or gives more than one output.
        """
        super().__init__()
        given = getattr(opened.module, "input", None)
        self._by_name = isinstance(given, dict)
        ports = given if isinstance(given, dict) else {tensor.name: tensor for tensor in opened.module.inputs}
        wanted = {port: tuple(tensor.shape[1:]) for port, tensor in ports.items()}
        if len(opened.module.outputs) != 1:
            raise _refused(
                "gives several outputs",
                "; ".join(f"{tensor.name} {tuple(tensor.shape)}" for tensor in opened.module.outputs)[:200],
                "one output",
                where,
                fix="cut the network at the output that is meant: keras.Model(model.inputs, model.outputs[0]).save(FILE)",
            )
        first = opened.config.channels == "channels_first"
        self._names = _names_by_port(wanted, inputs, where)
        self._arranged = {
            name: _arranged(wanted[port], inputs[name], first=first, where=where) for port, name in self._names.items()
        }
        _check_tokens(opened.tokens, inputs, where)
        self.channels_last = any(arranged.last for arranged in self._arranged.values())
        self._device, self._computing = device, opened.library.device
        self.network = opened.module
        self.eval()

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs of the network, from encoded rows; of several inputs a tensor each, by name."""
        given = encoded if isinstance(encoded, Mapping) else dict.fromkeys(self._arranged, encoded)
        rows = {port: _in_order(given[name], self._arranged[name]) for port, name in self._names.items()}
        each = list(rows.values())
        taken: object = rows if self._by_name else each if len(each) > 1 else each[0]
        with self._computing(self._device):
            outputs: torch.Tensor = self.network(taken, training=False)
        return outputs


def _in_order(encoded: torch.Tensor, arranged: _Arrangement) -> torch.Tensor:
    rows = encoded.permute(0, *(axis + 1 for axis in arranged.axes))
    return rows.reshape(len(rows), *arranged.shape)


def _names_by_port(
    wanted: Mapping[str, tuple[int | None, ...]], inputs: Mapping[str, ModelInput], where: str
) -> dict[str, str]:
    """The input of the data for each input of the network, in the order of the network."""
    if len(wanted) == len(inputs) == 1:
        return {next(iter(wanted)): next(iter(inputs))}
    if set(wanted) != set(inputs):
        raise _refused(
            "has other inputs than the data",
            "; ".join(f"{name} {_in_words(shape)}" for name, shape in wanted.items())[:200],
            f"inputs of these names: {', '.join(inputs)}" if len(inputs) > 1 else "one input",
            where,
            fix="declare each input of the network by its name in [data.inputs.NAME]",
        )
    return {name: name for name in wanted}


def _arranged(shape: tuple[int | None, ...], item: ModelInput, *, first: bool, where: str) -> _Arrangement:
    """The arrangement of rows that the network takes; where two would do, the one that its layers are set to."""
    possible = list(_possible(item))
    possible.sort(key=lambda one: one.last == first)
    for one in possible:
        if len(one.shape) == len(shape) and all(
            size in (None, given) for size, given in zip(shape, one.shape, strict=True)
        ):
            return one
    raise _refused(
        "takes rows of another shape than the data have",
        _in_words(shape),
        " or ".join(_in_words(one.shape) for one in possible)
        + (f": {item.modality}s of shape {_in_words(item.shape)}, channels first" if len(item.shape) > 1 else ""),
        where,
        fix=_FIXES[item.modality],
    )


_FIXES = {
    "tabular": "pass the columns that the network was trained on: data.features or data.exclude, and data.types",
    "image": "set `size` in [data.inputs.NAME] to the size of the network's images",
    "series": "set `length` in [data.inputs.NAME] to the steps of the network's series",
    "text": "set `length` in [data.inputs.NAME] to the tokens of the network's texts",
}


def _possible(item: ModelInput) -> Iterator[_Arrangement]:
    """The ways in which networks take rows of an input; of one channel also without an axis for it."""
    shape = item.shape
    if isinstance(item, ImageInput):
        channels, height, width = shape
        yield _Arrangement(axes=(1, 2, 0), shape=(height, width, channels), last=True)
        yield _Arrangement(axes=(0, 1, 2), shape=shape)
        if channels == 1:
            yield _Arrangement(axes=(0, 1, 2), shape=(height, width))
            yield _Arrangement(axes=(0, 1, 2), shape=(math.prod(shape),))
    elif isinstance(item, SeriesInput):
        channels, steps = shape
        yield _Arrangement(axes=(1, 0), shape=(steps, channels), last=True)
        yield _Arrangement(axes=(0, 1), shape=shape)
        if channels == 1:
            yield _Arrangement(axes=(0, 1), shape=(steps,))
    else:
        yield _Arrangement(axes=(0,), shape=shape)
        if isinstance(item, TableInput):
            yield _Arrangement(axes=(0,), shape=(*shape, 1))


def _check_tokens(room: int, inputs: Mapping[str, ModelInput], where: str) -> None:
    """Refuse a vocabulary that no table of embeddings of the network has room for, where it has one."""
    for name, item in inputs.items():
        if not isinstance(item, TextInput) or not room:
            continue
        tokens = len(item.vocabulary) if item.unit == "subwords" else item.tokens
        if tokens > room:
            raise _refused(
                "knows fewer tokens than the data have",
                f"{room:,} rows in its table of embeddings",
                f"{tokens:,} token ids of {name!r}",
                where,
                fix=f"name the vocabulary that the network was trained with: data.inputs.{name}.tokenizer",
            )


def _in_words(shape: tuple[int | None, ...]) -> str:
    """`(28, 28, 1)`; a size that is not fixed is `any`."""
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ("," * (len(shape) == 1)) + ")"


def _refused(what: str, found: str, allowed: str, where: str, *, fix: str) -> ModelError:
    return ModelError(f"the network {what}", where=where, found=found, allowed=allowed, fix=fix)
