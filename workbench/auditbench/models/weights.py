"""Weights without a description: safetensors and state dicts, put into a network that the config names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.data.inputs import encoded_size
from auditbench.digests import digest_of
from auditbench.errors import ModelError, Problem
from auditbench.findings import Message
from auditbench.models.declared import declared_interface
from auditbench.models.description import output_count
from auditbench.models.formats import ModelRequest, factory_parts
from auditbench.models.network import build_network, check_parameters, expected_tensors, find_architecture
from auditbench.models.opening import load_factory, open_weights
from auditbench.models.opening.content import refuse_other_kind
from auditbench.models.own_tokens import with_own_tokens
from auditbench.models.tensors import tensor_problems
from auditbench.models.weights_choice import WeightsChoice, choose_weights
from auditbench.models.wrapping import Interface, Origin, inputs_in_words, wrap_network
from auditbench.record import plain
from auditbench.run import ProgramFacts
from auditbench.safe_text import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditbench.models.opening import WeightsFile
    from auditbench.models.subject import ModelUnderTest


_SHOWN_LEFT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    """A network for the weights.

    Attributes:
        name: Of the architecture, or of the class that the factory gave.
        expected: Its tensors, by name; only their shapes and types count.
        build: Gives it; only called when the weights fit, so that sizes that nothing has cost no memory.
        programs: Files whose code ran to make it.
    """

    name: str
    expected: Mapping[str, torch.Tensor]
    build: Callable[[], nn.Module]
    programs: tuple[ProgramFacts, ...] = ()


def load_weights(request: ModelRequest) -> ModelUnderTest:
    """Open weights, and the network of `model.architecture` or `model.factory` with them.

    Raises:
        DataError: The data do not give features or classes.
        ModelError: The file is no such file, or its tensors are not those of the network.
        UntrustedModelError: The factory's file is not trusted by its sha256; it has not run.
    """
    table, path = request.table, request.path
    interface = declared_interface(request)
    opened = open_weights(path)
    refuse_other_kind(path, opened.kind, table.format)
    network, chosen = _network_of(opened, request, interface)
    _refuse_misfit(network, chosen.tensors, interface, request)
    module = network.build()
    module.load_state_dict(chosen.tensors)
    if network.programs:  # made elsewhere, for the ids that its tokenizer gives
        module = with_own_tokens(module, interface.inputs)
    module = module.to(request.device).eval().requires_grad_(False)
    description = {
        "weights": opened.sha256,
        "format": table.format,
        "network": table.factory or network.name,
        "parameters": plain(table.parameters),
        "programs": [program.sha256 for program in network.programs],
        "interface": plain(interface),
        **({"weights_in": chosen.below} if chosen.below else {}),
    }
    return wrap_network(
        module,
        interface,
        Origin(
            name=table.name,
            format=table.format,
            architecture=network.name,
            digest=digest_of(description),
            programs=network.programs,
            where=str(request.path),
        ),
        device=request.device,
        capabilities=("gradients", "hooks", "layers", "black_box"),
        limits=_said(chosen),
    )


def _network_of(opened: WeightsFile, request: ModelRequest, interface: Interface) -> tuple[_Network, WeightsChoice]:
    """The network and its tensors; that of a binary classifier has two outputs where the weights are of such a one."""
    weights_in, path = request.table.weights_in, request.path
    if request.table.factory is not None:
        network = _from_factory(request)
        return network, choose_weights(opened, network.expected, weights_in=weights_in, path=path)
    one = _from_architecture(request, interface, output_count(interface.task, interface.classes))
    chosen = choose_weights(opened, one.expected, weights_in=weights_in, path=path)
    fitting = _fitting(one, chosen)
    if interface.task != "binary-classification" or fitting == len(one.expected):
        return one, chosen
    two = _from_architecture(request, interface, 2)
    other = choose_weights(opened, two.expected, weights_in=weights_in, path=path)
    return (two, other) if _fitting(two, other) > fitting else (one, chosen)


def _fitting(network: _Network, chosen: WeightsChoice) -> int:
    """How many tensors have the shapes of those of the network."""
    shapes = {name: tensor.shape for name, tensor in network.expected.items()}
    return sum(tensor.shape == shapes.get(name) for name, tensor in chosen.tensors.items())


def _said(chosen: WeightsChoice) -> tuple[Message, ...]:
    """What was taken of a file that holds more than the tensors of the network."""
    if not chosen.below and not chosen.left:
        return ()
    more = f", ... ({len(chosen.left):,})" if len(chosen.left) > _SHOWN_LEFT else ""
    left = ", ".join(safe_text(name) for name in chosen.left[:_SHOWN_LEFT]) + more
    below = safe_text(chosen.below)
    if not left:
        return (Message(key="core.model_weights_below", values={"below": below}),)
    key = "core.model_weights_chosen" if chosen.below else "core.model_weights_at_top"
    return (Message(key=key, values={"below": below, "left": left} if below else {"left": left}),)


def _from_architecture(request: ModelRequest, interface: Interface, outputs: int) -> _Network:
    table = request.table
    name = table.architecture or ""
    architecture = find_architecture(name, request.architectures, where="model.architecture")
    params = check_parameters(architecture, table.parameters, where="model.parameters")
    inputs = interface.inputs
    return _Network(
        name=name,
        expected=expected_tensors(architecture, params, inputs=inputs, outputs=outputs),
        build=lambda: build_network(architecture, params, inputs=inputs, outputs=outputs),
    )


def _from_factory(request: ModelRequest) -> _Network:
    """What the factory gives when it is called with `model.parameters` by name, torch's own generator seeded for it."""
    file, function = factory_parts(request.table.factory or "")
    make, sha256 = load_factory(request.base / file, function, trust=request.table.trust)
    where = f"model.factory: {request.table.factory}"
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            module: Any = make(**request.table.parameters)
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise ModelError(
            "the factory raised",
            where=where,
            found=f"{type(error).__name__}: {error}"[:300],
            allowed="a function that takes model.parameters by name and returns an nn.Module",
            fix="correct the function, or model.parameters",
        ) from error
    if not isinstance(module, nn.Module):
        raise ModelError(
            "the factory gave no network",
            where=where,
            found=type(module).__name__,
            allowed="an nn.Module",
            fix="return the network itself",
        )
    module = module.float()
    program = ProgramFacts(name=(request.base / file).name, sha256=sha256, kind="factory")
    return _Network(name=type(module).__name__, expected=module.state_dict(), build=lambda: module, programs=(program,))


def _refuse_misfit(
    network: _Network, tensors: Mapping[str, torch.Tensor], interface: Interface, request: ModelRequest
) -> None:
    """Refuse weights that the network does not have.

    Raises:
        ModelError: With the number of tensors that do not fit, the first of them, and the columns of the data where they
            may be the reason.
    """
    fix = (
        "name the network that these weights were made with: model.architecture and model.parameters, or for a network "
        'of your own model.factory = "file.py:function"'
    )
    if network.programs:
        fix = "let the factory make the network that these weights were made with"
    problems = tensor_problems(network.expected, tensors, where=str(request.path), cast=True, fix=fix)
    if not problems:
        return
    width = encoded_size(interface.inputs)
    shapes = [(one.shape, tensors[name].shape) for name, one in network.expected.items() if name in tensors]
    other = [there[-1] for here, there in shapes if len(here) == len(there) == 2 and here[-1] == width != there[-1]]
    if other and not network.programs:
        problems.insert(
            0,
            Problem(
                message="the weights take rows of another width than the data have",
                where=str(request.path),
                found=inputs_in_words(interface.inputs),
                allowed=f"{other[0]} columns, by the first weights that take them",
                fix="name the columns of the model in data.features or data.exclude, and their kinds in data.types",
            ),
        )
    raise ModelError(f"{request.path.name} has weights that do not fit the network", problems=tuple(problems))
