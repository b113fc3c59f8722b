"""Why a module that was pickled whole finds no class: a pickle holds the names of classes, and not what they are."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from auditbench.models.opening.content import look_into
from auditbench.models.opening.files import Damage
from auditbench.models.opening.pickle_values import Import

_SHOWN = 5
_SAVE = "save model.state_dict() and name model.factory"


def missing_class(content: bytes, error: BaseException) -> Damage | None:
    """What to do about the names of a pickle that could not be imported, or None if the error is of another kind.

    Args:
        error: What unpickling raised.
    """
    imports = {found: None for walk in look_into(content).walks for found in walk.imports}
    missing = list(_missing(imports, error))
    if not missing:
        return None
    names = ", ".join(found.full for found in missing[:_SHOWN])
    said = str(error).strip().partition("\n")[0][:200]
    if any(found.module == "__main__" for found in missing):
        return Damage(
            f"needs {names}, which cannot be found again",
            found="a class that stood in the script that was run (`__main__`)",
            allowed="classes that can be imported: installed, or in a folder on PYTHONPATH",
            fix=f"move the class into a module and save the model again; or {_SAVE}",
        )
    return Damage(
        f"needs {names}, which cannot be imported",
        found=f"{type(error).__name__}: {said}",
        allowed=f"{names} in a module that is installed or in a folder on PYTHONPATH",
        fix="give the command with the folder of the module, PYTHONPATH=FOLDER auditbench audit CONFIG, "
        f"or install its package; or {_SAVE}",
    )


def _missing(imports: dict[Import, None], error: BaseException) -> Iterator[Import]:
    """The imports of which the module or the name is not there."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        yield from (found for found in imports if f"{found.module}.".startswith(f"{error.name}."))
    elif isinstance(error, AttributeError):
        for found in imports:
            if found.module in sys.modules and not _has(sys.modules[found.module], found.name):
                yield found


def _has(module: object, name: str) -> bool:
    for part in name.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True
