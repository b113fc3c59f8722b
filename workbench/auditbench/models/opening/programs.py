"""Files that are programs: opening one runs it. Only bytes whose digest the user has named are ever run.

Each kind of program has one way in. There is no other try after a failure, in this module or elsewhere.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditbench.errors import ModelError, UntrustedModelError
from auditbench.models.opening.archives import below_root, read_archive
from auditbench.models.opening.content import content_kind, legacy_walks, refuse_other_kind
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.limits import MAX_SOURCE_BYTES
from auditbench.models.opening.missing_classes import missing_class
from auditbench.models.opening.scanning import dangerous_calls
from auditbench.models.opening.source_names import bound_names
from auditbench.paths import as_argument

if TYPE_CHECKING:
    from torch import nn

ProgramKind: TypeAlias = Literal["torchscript", "exported", "pickle"]

PROGRAMS = {
    "torchscript": "a TorchScript program",
    "exported": "an exported program, whose archive holds pickles",
    "pickle": "a pickle that is more than a state dict",
}
SOURCE = "Python source"
FUNCTION = "Python source of a function"
PICKLED_ESTIMATOR = "a pickle of an estimator"
_SHOWN = 3
_ASKED = {
    SOURCE: ("a torch.nn.Module", 'model.factory = "FILE:FUNCTION"'),
    FUNCTION: ("one number or one a class for each row", 'model.function = "NAME"'),
}
"""What a function of a file returns, and the key that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedProgram:
    """A model that a trusted program made, and the digest of the bytes that ran.

    Attributes:
        unflatten: Of an exported program, makes the same network of nested modules, or raises whatever torch raises; None for
            other programs.
    """

    module: nn.Module
    sha256: str
    unflatten: Callable[[], nn.Module] | None = None


def open_program(path: Path, kind: ProgramKind, *, trust: Collection[str], device: str) -> OpenedProgram:
    """Run a file that makes a model.

    Args:
        kind: What the configuration says it is; the content must be that.
        trust: Digests of the files that may run, in hex.

    Raises:
        UntrustedModelError: Its digest is not in `trust`.
        ModelError: It is of another kind, is damaged, raises, or makes no module.
    """
    content = read_file(path)
    with refusing(path):
        found, sha256 = content_kind(content), sha256_of(content)
    refuse_other_kind(path, found, kind)
    if not is_trusted(sha256, trust):
        raise untrusted(path, PROGRAMS[kind], content, trust)
    with refusing(path):
        _check_container(content, kind)
        try:
            module, unflatten = _OPENERS[kind](content, device)
        except (Exception, SystemExit) as error:
            if kind == "pickle" and (missing := missing_class(content, error)):
                raise missing from error
            raise Damage(
                "cannot be opened",
                found=f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}",
                allowed="a complete file, made by a version of torch that this one can read",
                fix="save the weights as safetensors, and name model.architecture or model.factory",
            ) from error
        return OpenedProgram(module=_checked_module(module), sha256=sha256, unflatten=unflatten)


def load_factory(
    path: Path,
    function: str,
    *,
    trust: Collection[str],
    what: str = SOURCE,
) -> tuple[Callable[..., Any], str]:
    """A function of a Python file, and the digest of that file; the file is run once, from the bytes that were hashed.

    Args:
        function: A name at the top of the file.
        trust: Digests of the files that may run, in hex.
        what: `SOURCE`, or `FUNCTION` where the function is the model itself, for messages.

    Raises:
        UntrustedModelError: The digest of the file is not in `trust`.
        ModelError: It is no Python source, raises, or has no such function.
    """
    content = read_file(path, most=MAX_SOURCE_BYTES)
    sha256 = sha256_of(content)
    if not is_trusted(sha256, trust):
        raise untrusted(path, what, content, trust)
    module = ModuleType(f"auditbench_factory_{sha256[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # classes look up the module that made them
    with refusing(path):
        try:
            exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - trusted above
        except (Exception, SystemExit) as error:
            del sys.modules[module.__name__]
            raise Damage(
                "cannot be run",
                found=f"{type(error).__name__}: {str(error)[:200]}",
                allowed="Python source that imports only what is installed",
                fix="mend the file, and trust its new digest",
            ) from error
        made = module.__dict__.get(function)
        if not callable(made):
            raise _no_function(function, [name for name, value in vars(module).items() if callable(value)], what)
    return made, sha256


def refuse_absent_function(path: Path, content: bytes, function: str, what: str) -> None:
    """Refuse Python source that cannot have a function of this name, without running it.

    Args:
        what: `SOURCE` or `FUNCTION`.

    Raises:
        ModelError: Nothing in the file binds the name, and no import or call could that binds names unseen.
    """
    names = bound_names(content)
    if names is not None and function not in names:
        with refusing(path):
            raise _no_function(function, names, what)


def untrusted(path: Path, what: str, content: bytes, trust: Collection[str]) -> UntrustedModelError:
    """The refusal of a program whose digest is not trusted, with the way on.

    Args:
        trust: The digests that are, which may be those of other files.
    """
    sha256 = sha256_of(content)
    others = ", ".join(list(trust)[:_SHOWN]) + (f" and {len(trust) - _SHOWN} more" if len(trust) > _SHOWN else "")
    found = f"{what}, sha256 {sha256}" + (f"; what is trusted is not this file: {others}" if trust else "")
    calls = () if what in (SOURCE, FUNCTION) else dangerous_calls(content)
    if calls:
        return _dangerous(path, found, calls)
    look = f"convert it to safetensors; or look at it with `auditbench scan {as_argument(path)}`"
    allowed = "safetensors or a state dict, or a program whose sha256 is trusted"
    if what in (SOURCE, FUNCTION):
        look = "read the file" if what == FUNCTION else "name model.architecture instead; or read the file"
        allowed = "a file whose sha256 is trusted"
    elif what == PICKLED_ESTIMATOR:
        look = f"save it with skops.io.dump where it was made; or look at it with `auditbench scan {as_argument(path)}`"
        allowed = "a file of skops, XGBoost or LightGBM, or a pickle whose sha256 is trusted"
    return UntrustedModelError(
        f"{path.name} is a program: opening it runs what is in it",
        where=str(path),
        found=found,
        allowed=allowed,
        fix=f"{look}, and if you trust whoever made it, name these very bytes: "
        f'auditbench audit CONFIG --trust-model {sha256}, or [model] trust = ["{sha256}"]',
    )


def unwanted_program(path: Path, kind: str, what: str, content: bytes) -> ModelError:
    """The refusal of a program where weights are expected, whether trusted or not."""
    sha256 = sha256_of(content)
    if calls := dangerous_calls(content):
        return _dangerous(path, f"{what}, sha256 {sha256}", calls)
    way_on = f'; to run it nevertheless: model.format = "{kind}" and --trust-model {sha256}'
    nevertheless = way_on if kind in PROGRAMS else ""
    return UntrustedModelError(
        f"{path.name} is a program, and no file of weights",
        where=str(path),
        found=f"{what}, sha256 {sha256}",
        allowed="safetensors, or a state dict as torch.save writes it",
        fix=f"save model.state_dict() alone, best as safetensors; look at this one with `auditbench scan {as_argument(path)}`"
        + nevertheless,
    )


def _dangerous(path: Path, found: str, calls: tuple[str, ...]) -> UntrustedModelError:
    """The refusal of a file whose pickles call what is known to do harm; there is no way on with this file."""
    names = ", ".join(calls[:_SHOWN]) + (f" and {len(calls) - _SHOWN} more" if len(calls) > _SHOWN else "")
    return UntrustedModelError(
        f"{path.name} is a program that makes dangerous calls: {names}",
        where=str(path),
        found=found,
        allowed="a model whose file calls nothing that is known to do harm",
        fix="do not open it, here or elsewhere; ask whoever made the model for its weights as safetensors",
    )


def is_trusted(sha256: str, trust: Collection[str]) -> bool:
    """Whether a digest is one of those that the user named."""
    return sha256 in {digest.strip().lower() for digest in trust}


def _check_container(content: bytes, kind: str) -> None:
    """Check the archive around a program, or that a bare pickle is one that torch.save wrote."""
    if content[:2] == b"PK":
        below_root(read_archive(content, deflated=kind == "torchscript"))
    elif kind != "pickle" or not legacy_walks(content):
        raise Damage(
            "is not what torch.save writes",
            found="a pickle of another library",
            allowed="a module saved with torch.save",
            fix="save the model with torch.save(model, FILE), or best its weights as safetensors",
        )


_Opened: TypeAlias = "tuple[Any, Callable[[], nn.Module] | None]"


def _open_torchscript(content: bytes, device: str) -> _Opened:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # reading what others scripted is not deprecated here
        return torch.jit.load(io.BytesIO(content), map_location=device), None  # type: ignore[no-untyped-call]


def _open_exported(content: bytes, device: str) -> _Opened:
    import torch
    from torch.export.passes import move_to_device_pass

    program = torch.export.load(io.BytesIO(content))
    if device != "cpu":
        program = move_to_device_pass(program, device)
    return program.module(), lambda: torch.export.unflatten(program)


def _open_pickle(content: bytes, device: str) -> _Opened:
    import torch

    opened = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    return (opened.to(device) if isinstance(opened, torch.nn.Module) else opened), None


_OPENERS: dict[str, Callable[[bytes, str], _Opened]] = {
    "torchscript": _open_torchscript,
    "exported": _open_exported,
    "pickle": _open_pickle,
}


def _checked_module(module: Any) -> nn.Module:
    from torch import nn

    if not isinstance(module, nn.Module):
        raise Damage(
            "holds no model",
            found=f"an object of {type(module).__module__}.{type(module).__qualname__}",
            allowed="a torch.nn.Module",
            fix="save the model itself, or its state dict with model.architecture or model.factory",
        )
    return module


def _no_function(function: str, names: Collection[str], what: str) -> Damage:
    gives, key = _ASKED[what]
    return Damage(
        f"has no function {function!r}",
        found=", ".join([name for name in names if not name.startswith("_")][:10]) or "no function",
        allowed=f"a function at the top of the file that returns {gives}",
        fix=f"set {key}",
    )
