"""Models that are programs: TorchScript, exported programs, and modules that were pickled whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from auditbench.digests import digest_of
from auditbench.findings import Message
from auditbench.models.declared import interface_of
from auditbench.models.formats import ModelRequest, program_file
from auditbench.models.opening import OpenedProgram, open_program
from auditbench.models.opening.programs import ProgramKind
from auditbench.models.own_tokens import as_made
from auditbench.models.unflattened import with_modules
from auditbench.models.wrapping import Origin, wrap_network
from auditbench.paths import is_folder_there
from auditbench.record import plain
from auditbench.run import Capability, ProgramFacts

if TYPE_CHECKING:
    from torch import nn

    from auditbench.models.subject import ModelUnderTest
    from auditbench.models.wrapping import Interface

_ALL: tuple[Capability, ...] = ("gradients", "hooks", "layers", "black_box")
_WITHOUT_MODULES: tuple[Capability, ...] = ("gradients", "black_box")


def load_program(request: ModelRequest) -> ModelUnderTest:
    """Run a program that is trusted by its sha256, and wrap the network that it is.

    Raises:
        DataError: The data do not give features or classes, and no model.json does.
        UntrustedModelError: The file is not trusted; nothing of it has run.
        ModelError: It is no such program, or it does not take the rows.
    """
    table, path = request.table, program_file(request.table, request.path)
    kind = cast(ProgramKind, table.format)
    interface = interface_of(request)
    opened = open_program(path, kind, trust=table.trust, device=request.device)
    module, limits = _with_layers(opened, kind, interface, request.device)
    description = {"program": opened.sha256, "format": kind, "interface": plain(interface)}
    return wrap_network(
        as_made(_frozen(module, kind), interface.inputs, exported_here=is_folder_there(request.path)),
        interface,
        Origin(
            name=table.name,
            format=kind,
            architecture=_name(opened.module),
            digest=digest_of(description),
            programs=(ProgramFacts(name=path.name, sha256=opened.sha256, kind=kind),),
            where=str(path),
        ),
        device=request.device,
        capabilities=_WITHOUT_MODULES if limits else _ALL,
        limits=limits,
    )


def _with_layers(
    opened: OpenedProgram, kind: ProgramKind, interface: Interface, device: str
) -> tuple[nn.Module, tuple[Message, ...]]:
    """The network with modules that layers and hooks are asked of, or the one without and why it has none."""
    if kind == "torchscript":
        return opened.module, (Message(key="core.model_torchscript_no_hooks"),)
    if opened.unflatten is None:
        return opened.module, ()
    module, reason = with_modules(opened.module, opened.unflatten, interface.inputs, device)
    limits = (Message(key="core.model_program_flat", values={"reason": reason}),) if reason else ()
    return module, limits


def _frozen(module: nn.Module, kind: ProgramKind) -> nn.Module:
    """The module in evaluation mode, where it has modes: an exported program keeps the one that it was exported in."""
    if kind != "exported":
        module = module.float().eval()
    for parameter in module.parameters():  # a scripted module has no requires_grad_ of its own
        parameter.requires_grad_(False)
    return module


def _name(module: nn.Module) -> str:
    """Class of the module, as it was called where it was made."""
    return str(getattr(module, "original_name", type(module).__name__))
