"""Functions and classes that other code relies on, and putting back those that were replaced, changed or deleted."""

from __future__ import annotations

import builtins
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

_MODULES = (
    "builtins", "collections", "copy", "csv", "dataclasses", "datetime", "functools", "gc", "hashlib", "importlib",
    "io", "itertools", "json", "json.decoder", "json.encoder", "logging", "math", "numpy", "numpy.linalg",
    "numpy.random", "operator", "os", "os.path", "pandas", "pathlib", "random", "re", "shutil", "signal", "socket",
    "statistics", "struct", "subprocess", "sys", "tempfile", "threading", "time", "torch", "torch.autograd",
    "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.modules.module", "torch.special",
    "torch.utils.data", "warnings",
)  # fmt: skip
_CLASSES = ("torch.Tensor", "torch.nn.Parameter", "torch.nn.Module", "torch.Generator")
_HOST = "auditbench"
_OWN_STATE = frozenset({"__annotations__", "__abstractmethods__", "__doc__", "__dict__", "__weakref__", "_abc_impl"})
"""What Python itself writes into a class that exists already."""
_SETTINGS: dict[str, tuple[str, ...]] = {
    "sys": (
        "argv", "breakpointhook", "displayhook", "excepthook", "last_traceback", "last_type", "last_value", "path",
        "meta_path", "modules", "path_hooks", "stderr", "stdin", "stdout", "unraisablehook",
    ),
    "logging": ("raiseExceptions",),
    "os": ("environ",),
    "tempfile": ("tempdir",),
    "torch": ("Storage",),
    "threading": ("excepthook",),
    "time": ("altzone", "daylight", "timezone", "tzname"),
}  # fmt: skip
"""Attributes of modules that are settings of the process and put back as such."""
_builtins = vars(builtins)
_callable, _delattr, _getattr, _isinstance, _setattr, _type, _vars = (
    callable, delattr, getattr, isinstance, setattr, type, vars,
)  # fmt: skip


class Patches:
    """What stands in the namespaces that others rely on, at one moment.

    These are the modules and classes listed above, every module of the host and every class in them, the classes of the
    given modules up to `nn.Module`, and the table of loaded modules. Things are compared by identity and held, so that
    no other object takes the place of one that is gone. Functions written in Python are also compared by their code and
    defaults.

    Args:
        roots: Networks whose classes count.
    """

    def __init__(self, roots: Iterable[Any] = ()) -> None:
        self._builtins = dict(_builtins)
        self._loaded = dict(sys.modules)
        self._modules = [(name, module, _public(module)) for name, module in self._watched_modules()]
        classes = dict.fromkeys([*_listed_classes(), *_host_classes(self._modules), *_classes_of(roots)])
        self._classes = [(owner, dict(_vars(owner))) for owner in classes]
        spaces = (*(space for *_, space in self._modules), *(space for _, space in self._classes))
        functions = {id(found): found for space in spaces for found in map(_function, space.values()) if found}
        self._code = [(function, _code(function)) for function in functions.values()]

    def put_back(self) -> tuple[list[str], list[str]]:
        """Put back what is no longer as it was; what appeared in a class or among the builtins is removed.

        Attributes that appear in other modules are no fault: modules load parts of themselves when first asked.

        Returns:
            Names of what differed, and of what still does.
        """
        changed = self._restore_builtins()
        self._restore(changed)
        stuck: list[str] = []
        if changed:
            self._restore(stuck)
        return changed, stuck

    def _restore(self, changed: list[str]) -> None:
        self._restore_loaded(changed)
        self._restore_modules(changed)
        self._restore_classes(changed)
        for function, code in self._code:
            if not all(map(_is, _code(function), code)):
                changed.append(f"{function.__module__}.{function.__qualname__}")
                _tried(_set_code, function, code)

    def _restore_builtins(self) -> list[str]:
        """Put the builtins back with nothing but methods of dictionaries: any builtin may be another by now."""
        if _builtins.items() == self._builtins.items():
            return []
        changed = [
            "builtins." + name
            for name in {**self._builtins, **_builtins}
            if name != "_" and _builtins.get(name, self) is not self._builtins.get(name, self)
        ]
        for name in changed:
            _builtins.pop(name[9:], None)
        _builtins.update(self._builtins)
        return changed

    def _restore_loaded(self, changed: list[str]) -> None:
        for name, module in self._loaded.items():
            if sys.modules.get(name) is not module:
                changed.append(f"module {name}")
                sys.modules[name] = module

    def _restore_modules(self, changed: list[str]) -> None:
        for name, module, space in self._modules:
            now = _vars(module)
            for attribute, value in space.items():
                found = now.get(attribute, self)
                if found is not value and not _wrapped_by_torch(found, value):
                    changed.append(f"{name}.{attribute}")
                    now[attribute] = value

    def _restore_classes(self, changed: list[str]) -> None:
        for owner, space in self._classes:
            now = _vars(owner)
            if now.keys() == space.keys() and all(map(_is, now.values(), space.values())):
                continue
            for attribute in [*now, *(name for name in space if name not in now)]:
                if attribute in _OWN_STATE or now.get(attribute, self) is space.get(attribute, self):
                    continue
                changed.append(f"{owner.__qualname__}.{attribute}")
                if attribute in space:
                    _tried(_type.__setattr__, owner, attribute, space[attribute])
                else:
                    _tried(_type.__delattr__, owner, attribute)

    def _watched_modules(self) -> Iterator[tuple[str, ModuleType]]:
        for name, module in self._loaded.items():
            if _isinstance(module, ModuleType) and (name in _MODULES or name.startswith(_HOST)):
                yield name, module


_is = operator.is_


def _wrapped_by_torch(found: Any, value: Any) -> bool:
    """Whether torch put a wrapper of its own around a function, as it does with `manual_seed` when it loads its compiler."""
    own = _vars(sys.modules["torch._compile"]) if "torch._compile" in sys.modules else None
    return _type(found) is FunctionType and found.__globals__ is own and found.__dict__.get("__wrapped__") is value


def _public(module: ModuleType) -> dict[str, Any]:
    """What of a module counts: everything with a public name that is no setting, and functions and classes."""
    settings = _SETTINGS.get(module.__name__, ())
    return {
        name: value
        for name, value in _vars(module).items()
        if (name[:1] != "_" or _type(value) is FunctionType or _type(value) is _type) and name not in settings
    }


def _listed_classes() -> Iterator[type[Any]]:
    for path in _CLASSES:
        module, _, name = path.rpartition(".")
        found: Any = _getattr(sys.modules.get(module), name, None)
        if _isinstance(found, _type):
            yield from _own_line(found)


def _host_classes(modules: Iterable[tuple[str, ModuleType, Mapping[str, Any]]]) -> Iterator[type[Any]]:
    for name, _, space in modules:
        if name.startswith(_HOST):
            for value in space.values():
                if _isinstance(value, _type) and value.__module__.startswith(_HOST):
                    yield value


def _classes_of(roots: Iterable[Any]) -> Iterator[type[Any]]:
    for root in roots:
        for part in root.modules():
            yield from _own_line(_type(part))


def _own_line(owner: type[Any]) -> Iterator[type[Any]]:
    """A class and those it inherits from, but for `object`."""
    for base in owner.__mro__:
        if base is not object:
            yield base


def _function(value: Any) -> FunctionType | None:
    """The function written in Python behind an attribute, if there is one."""
    kind = _type(value)
    if kind is FunctionType:
        return value  # type: ignore[no-any-return]
    if kind is staticmethod or kind is classmethod:
        value = value.__func__
    elif kind is property:
        value = value.fget
    return value if _type(value) is FunctionType else None


def _code(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _set_code(function: FunctionType, found: tuple[Any, ...]) -> None:
    function.__code__, function.__defaults__, function.__kwdefaults__ = found


def _tried(change: Callable[..., object], *arguments: Any) -> None:
    """Make a change that may be refused; the second look tells whether it was."""
    try:
        change(*arguments)
    except Exception:  # noqa: BLE001 - a class may refuse with anything
        return
