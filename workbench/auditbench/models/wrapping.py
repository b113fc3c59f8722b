"""A network of any origin as a model under test: tried on a few rows first, so that what does not fit is said with both sides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.data.encoding import encoded_zeros, make_encoder
from auditbench.data.inputs import TableInput, encoded_size, modality_of
from auditbench.errors import ModelError
from auditbench.findings import Message
from auditbench.models.batching import batch_rows
from auditbench.models.description import output_count, target_names
from auditbench.models.packing import UnpackedNetwork
from auditbench.models.subject import ModelUnderTest
from auditbench.run import Capability, ModelFacts, OutputScale, ProgramFacts, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditbench.data.features import FeatureSpec
    from auditbench.data.inputs import ModelInput

_TRIED_ROWS = (2, 1, 3)
_SUM_TO_ONE = 1e-5
_SHOWN_FEATURES = 20
# How an exported program refuses an input of another shape than it was exported for.
_GUARD = re.compile(r"Guard failed: \w+\.size\(\)\[(?P<axis>[01])\] == (?P<size>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What a network takes and gives, where it does not say so itself.

    Attributes:
        classes: By index, the negative class first; empty for regression.
        output: Declared scale of what the network gives.
        inputs: What it takes, by name of the input.
        target: Name of what is predicted.
        declared: Classes in the order in which the network numbers them, where the config says so; empty for `classes`.
    """

    task: Task
    classes: tuple[str, ...]
    output: OutputScale
    inputs: Mapping[str, ModelInput]
    threshold: float = 0.5
    target: str = "target"
    declared: tuple[str, ...] = ()

    @property
    def numbered(self) -> tuple[str, ...]:
        """Classes in the order in which the network numbers them."""
        return self.declared if set(self.declared) == set(self.classes) else self.classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a network comes from.

    Attributes:
        digest: sha256 over everything that decides its outputs.
        programs: Files whose code ran to make it.
        where: The file or folder, for errors; empty for a network that was made in memory.
    """

    name: str
    format: str
    architecture: str
    digest: str
    programs: tuple[ProgramFacts, ...] = ()
    where: str = ""


class _ColumnOutput(nn.Module):
    """A module that gives shape `(rows,)`, as one that gives `(rows, 1)`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, 1)`."""
        outputs: torch.Tensor = self.module(encoded).unsqueeze(-1)
        return outputs


class _PositiveOutput(nn.Module):
    """A binary classifier with an output a class, as one with the output of the positive class alone.

    Of logits that is their difference, whose sigmoid is the softmax of the two; of probabilities its own.
    """

    def __init__(self, module: nn.Module, output: OutputScale, *, positive: int) -> None:
        """Keep which of the two outputs is that of the positive class."""
        super().__init__()
        self.module = module
        self.positive = positive
        self.logits = output == "logit"
        self.training = module.training

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, 1)`."""
        outputs: torch.Tensor = self.module(encoded)
        own, other = outputs[:, self.positive, None], outputs[:, 1 - self.positive, None]
        return own - other if self.logits else own


def check_output(task: Task, output: OutputScale, *, where: str = "output") -> None:
    """Refuse a declared scale that the task does not have.

    Raises:
        ModelError: Regression gives values, classification logits or probabilities.
    """
    allowed = ("value",) if task == "regression" else ("logit", "probability")
    if output not in allowed:
        raise ModelError(
            f"the declared output does not fit {task}",
            where=where,
            found=repr(output),
            allowed=", ".join(allowed),
            fix="declare what the module gives; it is never guessed",
        )


def wrap_network(
    network: nn.Module,
    interface: Interface,
    origin: Origin,
    *,
    device: str,
    capabilities: tuple[Capability, ...],
    encoder: nn.Module | None = None,
    limits: tuple[Message, ...] = (),
) -> ModelUnderTest:
    """A model under test around a network that is in evaluation mode and on the device.

    Args:
        capabilities: What the network offers at most; `gradients` is taken back when none reach its input, and `embeddings`
            added where a text goes through an `nn.Embedding` that hooks reach.
        encoder: From raw rows to what the network takes, where that is not the encoding of the inputs.
        limits: What a reader must know of how the model was opened.

    Raises:
        ModelError: The network does not take rows of this width, or gives another number of outputs.
    """
    if len(interface.inputs) > 1:
        network = UnpackedNetwork(network, interface.inputs)
    capabilities = _found_capabilities(capabilities, network, interface.inputs, device)
    network = _fit_outputs(network, interface, device, origin.where or type(network).__name__)
    if isinstance(network, _PositiveOutput):
        first, second = interface.numbered
        limits = (*limits, Message(key="core.model_two_outputs", values={"first": first, "second": second}))
    parameters = sum(tensor.numel() for tensor in network.parameters())
    classes = interface.classes
    return ModelUnderTest(
        facts=ModelFacts(
            name=origin.name,
            format=origin.format,
            architecture=origin.architecture,
            task=interface.task,
            classes=classes,
            output=interface.output,
            threshold=interface.threshold if interface.task == "binary-classification" else None,
            parameters=parameters,
            capabilities=capabilities,
            digest=origin.digest,
            programs=origin.programs,
            limits=limits,
        ),
        module=network,
        encoder=(encoder or make_encoder(interface.inputs)).to(device).eval(),
        inputs=interface.inputs,
        target_names=target_names(interface.task, classes, interface.target),
        device=device,
        batch_rows=batch_rows(encoded_size(interface.inputs), parameters, device),
    )


def inputs_in_words(inputs: Mapping[str, ModelInput]) -> str:
    """The encoded inputs: `image of shape 1 x 28 x 28`, and of a table the columns by feature."""
    return "; ".join(
        _columns_in_words(item.features)
        if isinstance(item, TableInput)
        else f"{name} of shape {' x '.join(map(str, item.shape))}"
        for name, item in inputs.items()
    )


def _columns_in_words(features: tuple[FeatureSpec, ...]) -> str:
    """`4 columns in the data: age, sex (2 categories, 1 for missing or unseen)`."""
    parts = [
        feature.name
        if feature.kind == "number"
        else f"{feature.name} ({len(feature.categories)} categories, 1 for missing or unseen)"
        for feature in features[:_SHOWN_FEATURES]
    ]
    more = len(features) - len(parts)
    listed = ", ".join(parts) + (f" and {more} features more" if more else "")
    return f"{TableInput(features=features).shape[0]} columns in the data: {listed}"


def _fit_outputs(network: nn.Module, interface: Interface, device: str, where: str) -> nn.Module:
    """The network, giving shape `(rows, outputs)` for any number of rows; tried on a few rows of zeros."""
    outputs = output_count(interface.task, interface.classes)
    first, *others = _TRIED_ROWS
    shape = _shape_given(network, first, interface, device, where)
    flat = shape == (first,) and outputs == 1
    each = 2 if interface.task == "binary-classification" and shape == (first, 2) else outputs
    if not flat and shape != (first, each):
        raise ModelError(
            "the module gives another number of outputs than the task has",
            where=where,
            found=f"shape {shape} for {first} rows" if isinstance(shape, tuple) else shape,
            allowed=f"shape ({first}, {outputs}) for {first} rows",
            fix="give one column for binary classification (the logit or probability of the positive class, or two columns: "
            "the negative class first) and regression, and one a class otherwise",
        )
    for rows in others:
        expected = (rows,) if flat else (rows, each)
        if (shape := _shape_given(network, rows, interface, device, where)) != expected:
            raise ModelError(
                "the module gives outputs of another shape when there are more or fewer rows",
                where=where,
                found=f"shape {shape} for {rows} rows",
                allowed=f"shape {expected} for {rows} rows",
                fix="keep the dimension of the rows, also when there is one row only",
            )
    if each > 1 and interface.output == "logit":
        _refuse_probabilities(network, interface, device)
    if each != outputs:
        return _PositiveOutput(network, interface.output, positive=interface.numbered.index(interface.classes[1]))
    return _ColumnOutput(network) if flat else network


def _refuse_probabilities(network: nn.Module, interface: Interface, device: str) -> None:
    """Refuse outputs that are declared logits and are shares of 1, as behind a softmax; tried on rows of zeros."""
    with torch.inference_mode():
        given = network(encoded_zeros(interface.inputs, 2, device)).double()
    if bool(((given >= 0) & (given <= 1)).all()) and bool(((given.sum(dim=1) - 1).abs() < _SUM_TO_ONE).all()):
        raise ModelError(
            "the model is declared to give logits, and gives probabilities",
            where="model.output",
            found=f"outputs that add up to 1, such as {[round(value, 4) for value in given[0].tolist()[:6]]}",
            allowed="logits, which may be any numbers",
            fix='set model.output = "probability"',
        )


def _shape_given(network: nn.Module, rows: int, interface: Interface, device: str, where: str) -> tuple[int, ...] | str:
    """The shape of what the network gives for rows of zeros, or the name of its type when that is no tensor."""
    try:
        with torch.inference_mode():
            given = network(encoded_zeros(interface.inputs, rows, device))
    except ModelError:
        raise  # a loader's own network says itself what is wrong
    except (Exception, SystemExit) as error:  # whatever the code of a network raises
        raise _refused_rows(network, rows, interface, error, where) from error
    return tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__


def _refused_rows(network: nn.Module, rows: int, interface: Interface, error: BaseException, where: str) -> ModelError:
    width = encoded_size(interface.inputs)
    expected = next((layer.in_features for layer in network.modules() if isinstance(layer, nn.Linear)), None)
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "") or type(error).__name__
    guard = _GUARD.search(said)
    if rows != _TRIED_ROWS[0] or (guard and guard["axis"] == "0"):
        first = _TRIED_ROWS[0]
        took = f"it does not take {rows} rows" if rows == first else f"it took {first} rows, and not {rows}"
        return ModelError(
            "the module takes only so many rows at a time",
            where=where,
            found=f"{took}: {said[:160]}",
            allowed="a module that takes any number of rows",
            fix="export it again with a dynamic first dimension: torch.export.export(model, (rows,), "
            "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), with an example of two rows or more; or audit its weights, with "
            "model.architecture or model.factory",
        )
    by = "its first linear layer"
    if expected is None and guard:
        expected, by = int(guard["size"]), "the rows that it was exported with"
    if expected is None or expected == width:
        return ModelError(
            "the module does not take these rows",
            where=where,
            found=f"rows of {width} columns: {said[:160]}",
            allowed="a module that takes float32 of shape (rows, columns)",
            fix="wrap the module so that it takes the matrix that is passed",
        )
    return ModelError(
        "the module takes rows of another width than the data have",
        where=where,
        found=inputs_in_words(interface.inputs),
        allowed=f"{expected} columns, by {by}",
        fix="pass the columns that the module was trained on",
    )


def _found_capabilities(
    offered: tuple[Capability, ...], network: nn.Module, inputs: Mapping[str, ModelInput], device: str
) -> tuple[Capability, ...]:
    found = [name for name in offered if name != "gradients" or _gives_gradients(network, inputs, device)]
    embeds = modality_of(inputs) == "text" and any(isinstance(layer, nn.Embedding) for layer in network.modules())
    if embeds and "hooks" in found and "embeddings" not in found:
        found.append("embeddings")
    return tuple(found)


def _gives_gradients(network: nn.Module, inputs: Mapping[str, ModelInput], device: str) -> bool:
    """Whether a gradient of the outputs reaches the input; a network that does not run at all gives none.

    Token ids have no gradient, whatever the network.
    """
    rows = encoded_zeros(inputs, 2, device)
    if not rows.is_floating_point():
        return False
    rows.requires_grad_()
    try:
        with torch.enable_grad():
            outputs = network(rows)
            (slope,) = torch.autograd.grad(outputs.sum(), rows, allow_unused=True)
    except (Exception, SystemExit):  # noqa: BLE001 - whatever the code of a network raises; what is wrong with it is said elsewhere
        return False
    return slope is not None
