"""Settings of Python: where modules come from, what is heard of warnings and errors, limits of the interpreter."""

from __future__ import annotations

import decimal
import faulthandler
import gc
import locale
import logging
import socket
import sys
import tempfile
import threading
import time
import warnings
from typing import Any

from auditbench.worker.settings import Setting, attribute


def interpreter_settings() -> list[Setting]:
    """Every setting of Python, in the order in which they are put back."""
    return [
        Setting(name="trace function", get=sys.gettrace, put=sys.settrace),
        Setting(name="profile function", get=sys.getprofile, put=sys.setprofile),
        Setting(name="trace function of threads", get=threading.gettrace, put=threading.settrace),
        Setting(name="profile function of threads", get=threading.getprofile, put=threading.setprofile),
        *_streams(),
        *_imports(),
        attribute("arguments", sys, "argv"),
        Setting(
            name="arguments", get=lambda: list(sys.argv), put=lambda found: sys.argv.__setitem__(slice(None), found)
        ),
        attribute("exception hook", sys, "excepthook"),
        attribute("exception hook", sys, "unraisablehook"),
        attribute("exception hook", threading, "excepthook"),
        attribute("display hook", sys, "displayhook"),
        attribute("breakpoint hook", sys, "breakpointhook"),
        Setting(name="recursion limit", get=sys.getrecursionlimit, put=sys.setrecursionlimit),
        Setting(name="switch interval", get=sys.getswitchinterval, put=sys.setswitchinterval),
        Setting(name="digits of integers", get=sys.get_int_max_str_digits, put=sys.set_int_max_str_digits),
        Setting(name="stack size of threads", get=threading.stack_size, put=threading.stack_size),
        Setting(name="garbage collector", get=gc.isenabled, put=lambda on: gc.enable() if on else gc.disable()),
        Setting(name="garbage collector", get=gc.get_threshold, put=lambda found: gc.set_threshold(*found)),
        Setting(name="garbage collector", get=gc.get_debug, put=gc.set_debug),
        Setting(name="garbage collector", get=lambda: list(gc.callbacks), put=_set_collector_callbacks),
        Setting(name="fault handler", get=faulthandler.is_enabled, put=_set_fault_handler),
        Setting(name="warning filters", get=_WarningFilters, put=_set_warning_filters),
        *_logging(),
        Setting(name="decimal context", get=_decimal, put=_set_decimal),
        Setting(name="socket timeout", get=socket.getdefaulttimeout, put=socket.setdefaulttimeout),
        Setting(name="locale", get=lambda: locale.setlocale(locale.LC_ALL), put=_set_locale),
        Setting(name="time zone", get=lambda: (time.tzname, time.timezone), put=lambda _: time.tzset()),
        Setting(name="folder of temporary files", get=tempfile.gettempdir, put=_set_temporary_folder),
        *_multiprocessing(),
        *_pandas(),
    ]


def _streams() -> list[Setting]:
    names = {"stdin": "standard input", "stdout": "standard output", "stderr": "standard error"}
    return [
        *(attribute(words, sys, name) for name, words in names.items()),
        *(
            Setting(name=words, get=lambda name=name: _closed(name), put=lambda _: None)  # type: ignore[misc]
            for name, words in names.items()
        ),
    ]


def _closed(name: str) -> bool:
    return bool(getattr(getattr(sys, name), "closed", False))


def _imports() -> list[Setting]:
    owners = {"path": "module search path", "meta_path": "import hooks", "path_hooks": "import hooks"}
    return [
        *(attribute(words, sys, name) for name, words in owners.items()),
        *(
            Setting(
                name=words,
                get=lambda name=name: list(getattr(sys, name)),  # type: ignore[misc]
                put=lambda found, name=name: getattr(sys, name).__setitem__(slice(None), found),  # type: ignore[misc]
            )
            for name, words in owners.items()
        ),
    ]


def _logging() -> list[Setting]:
    root = logging.getLogger()
    return [
        Setting(name="logging level", get=lambda: root.level, put=root.setLevel),
        Setting(
            name="logging handlers",
            get=lambda: list(root.handlers),
            put=lambda found: root.handlers.__setitem__(slice(None), found),
            excused=_added_by_logging_itself,
        ),
        Setting(
            name="logging filters",
            get=lambda: list(root.filters),
            put=lambda found: root.filters.__setitem__(slice(None), found),
        ),
        Setting(name="logging", get=lambda: root.manager.disable, put=logging.disable),
        attribute("logging", root, "disabled"),
        attribute("logging", logging, "raiseExceptions"),
    ]


def _added_by_logging_itself(before: Any, now: Any) -> bool:
    """Whether all that happened to the handlers is that `logging.warning` or its like found none and added one."""
    return before == [] and isinstance(now, list) and list(map(_is_basic, now)) == [True]


def _is_basic(handler: Any) -> bool:
    if type(handler) is not logging.StreamHandler or type(handler.formatter) is not logging.Formatter:
        return False
    return handler.formatter._fmt == logging.BASIC_FORMAT  # noqa: SLF001 - nothing else tells it


def _multiprocessing() -> list[Setting]:
    """How processes start, if somebody asked already: merely asking would decide it."""
    context = getattr(sys.modules.get("multiprocessing.context"), "_default_context", None)
    if context is None:
        return []
    return [
        Setting(
            name="start method of processes",
            get=lambda: context._actual_context or context._default_context,  # noqa: SLF001 - as said
            put=lambda found: setattr(context, "_actual_context", found),
        )
    ]


def _pandas() -> list[Setting]:
    options = getattr(sys.modules.get("pandas._config.config"), "_global_config", None)
    return [] if options is None else [Setting(name="pandas options", get=lambda: _flat(options), put=_set_pandas)]


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        found.update(_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value})
    return found


def _set_pandas(found: dict[str, Any]) -> None:
    """Put options back in their table: the public setter warns about some of them."""
    options = sys.modules["pandas._config.config"]._global_config  # noqa: SLF001 - as said
    for name, value in found.items():
        *path, last = name.split(".")
        table = options
        for part in path:
            table = table[part]
        table[last] = value


def _set_collector_callbacks(found: list[Any]) -> None:
    gc.callbacks[:] = found


def _set_fault_handler(on: bool) -> None:
    faulthandler.enable() if on else faulthandler.disable()


class _WarningFilters:
    """The filters of warnings. Two states are equal when they agree in the filters that a whole kind of Python's own falls
    under: libraries add one for a sentence or a class of theirs when they are imported.
    """

    def __init__(self) -> None:
        self.all = list(warnings.filters)
        self.wide = [
            found for found in self.all if found[1] is None and found[3] is None and found[2].__module__ == "builtins"
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _WarningFilters) and self.wide == other.wide

    __hash__ = None  # type: ignore[assignment]


def _set_warning_filters(found: _WarningFilters) -> None:
    warnings.filters[:] = found.all  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]  # noqa: SLF001 - else the change is not seen


def _decimal() -> dict[str, Any]:
    """The context of decimal arithmetic, but for the flags that arithmetic itself raises."""
    context = decimal.getcontext()
    fields = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    return {**{field: getattr(context, field) for field in fields}, "traps": dict(context.traps)}


def _set_decimal(found: dict[str, Any]) -> None:
    context = decimal.getcontext()
    for field, value in found.items():
        setattr(context, field, dict(value) if field == "traps" else value)


def _set_temporary_folder(found: str) -> None:
    tempfile.tempdir = found


def _set_locale(found: str) -> None:
    locale.setlocale(locale.LC_ALL, found)
