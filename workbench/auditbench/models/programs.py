"""Models that are programs: TorchScript, exported programs, and modules that were pickled whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from auditbench.digests import digest_of
from auditbench.models.declared import interface_of
from auditbench.models.formats import ModelRequest, program_file
from auditbench.models.opening import open_program
from auditbench.models.opening.programs import ProgramKind
from auditbench.models.wrapping import Origin, wrap_network
from auditbench.record import plain
from auditbench.run import Capability, ProgramFacts

if TYPE_CHECKING:
    from torch import nn

    from auditbench.models.subject import ModelUnderTest

# A scripted module takes no hooks and an exported one has no modules left to hook.
_CAPABILITIES: Mapping[ProgramKind, tuple[Capability, ...]] = {
    "torchscript": ("gradients", "black_box"),
    "exported": ("gradients", "black_box"),
    "pickle": ("gradients", "hooks", "layers", "black_box"),
}


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
    description = {"program": opened.sha256, "format": kind, "interface": plain(interface)}
    return wrap_network(
        _frozen(opened.module, kind),
        interface,
        Origin(
            name=table.name,
            format=kind,
            architecture=_name(opened.module),
            digest=digest_of(description),
            programs=(ProgramFacts(name=path.name, sha256=opened.sha256, kind=kind),),
        ),
        device=request.device,
        capabilities=_CAPABILITIES[kind],
    )


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
