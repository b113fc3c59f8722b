"""Analyzers that raise, whatever can be raised."""

from __future__ import annotations

import sys
import warnings
from typing import Any, NoReturn, cast

from auditbench.errors import RunWriteError
from tests.faults.fault import FaultGroup

RAISING = FaultGroup("raising", keys=("core.analyzer_raised",))
_LONG = 5_000_000


@RAISING("ValueError")
def value_error(context: Any, params: Any) -> NoReturn:
    raise ValueError("on purpose")


@RAISING("on purpose at 0x…")
def address(context: Any, params: Any) -> NoReturn:
    raise ValueError(f"on purpose at {hex(id(context))}")


@RAISING("Odd")
def base_exception(context: Any, params: Any) -> NoReturn:
    class Odd(BaseException):
        pass

    raise Odd("not an Exception")


@RAISING("SystemExit")
def system_exit_0(context: Any, params: Any) -> NoReturn:
    sys.exit(0)


@RAISING("SystemExit")
def system_exit_1(context: Any, params: Any) -> NoReturn:
    sys.exit(1)


@RAISING("KeyboardInterrupt")
def keyboard_interrupt(context: Any, params: Any) -> NoReturn:
    raise KeyboardInterrupt


@RAISING("GeneratorExit")
def generator_exit(context: Any, params: Any) -> NoReturn:
    raise GeneratorExit


@RAISING("StopIteration")
def stop_iteration(context: Any, params: Any) -> Any:
    return next(iter(()))


@RAISING("RecursionError")
def recursion_error(context: Any, params: Any) -> Any:
    return recursion_error(context, params)


@RAISING("MemoryError", keys=("core.out_of_memory_limit_silent",))
def memory_error(context: Any, params: Any) -> NoReturn:
    raise MemoryError


@RAISING("MuteError")
def text_that_raises(context: Any, params: Any) -> NoReturn:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

        __repr__ = __str__

    raise MuteError


@RAISING("ExitingError")
def text_that_exits(context: Any, params: Any) -> NoReturn:
    class ExitingError(Exception):
        def __str__(self) -> str:
            raise SystemExit(0)

        __repr__ = __str__

    raise ExitingError


@RAISING("NumericError")
def text_that_is_none(context: Any, params: Any) -> NoReturn:
    class NumericError(Exception):
        __str__ = cast(Any, lambda self: 5)

    raise NumericError


@RAISING("NotedError")
def notes_that_raise(context: Any, params: Any) -> NoReturn:
    class NotedError(Exception):
        @property
        def __notes__(self) -> list[str]:
            raise ValueError("no notes")

    raise NotedError("with notes")


@RAISING("SyntaxError")
def syntax_error_without_lines(context: Any, params: Any) -> NoReturn:
    error = SyntaxError("odd")
    error.text, error.offset, error.lineno = 5, "x", "y"  # type: ignore[assignment]
    raise error


@RAISING("xxxxxxxxxx")
def long_text(context: Any, params: Any) -> NoReturn:
    raise ValueError("x" * _LONG)


@RAISING("LongLong")
def long_type(context: Any, params: Any) -> NoReturn:
    raise type("Long" * 1_000_000, (Exception,), {})("with a long name")


@RAISING("before")
def control_type(context: Any, params: Any) -> NoReturn:
    raise type("before\x1b[31m\n::error::after", (Exception,), {})("with an odd name")


@RAISING("before")
def surrogates(context: Any, params: Any) -> NoReturn:
    raise ValueError("before \ud800\udfff \x00 after")


@RAISING("before")
def terminal_codes(context: Any, params: Any) -> NoReturn:
    raise ValueError(
        "before \x1b[31mred\x1b[0m \x1b]8;;file:///etc\x07link\n::error::line\r[/b] <script>alert(1)</script>"
    )


@RAISING("ExceptionGroup")
def exception_group(context: Any, params: Any) -> NoReturn:
    inner = ExceptionGroup("inner", [ValueError(number) for number in range(2_000)])
    raise ExceptionGroup("outer", [inner, ValueError("beside")])


@RAISING("ValueError")
def circle_of_causes(context: Any, params: Any) -> NoReturn:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    first.__context__, second.__context__ = second, first
    raise first


@RAISING("ValueError")
def chain_of_causes(context: Any, params: Any) -> NoReturn:
    last = ValueError("last")
    for _ in range(2_000):
        following = ValueError("on purpose")
        following.__cause__ = last
        last = following
    raise last


@RAISING("UserWarning")
def warning_as_error(context: Any, params: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.warn("on purpose", UserWarning, stacklevel=1)
    return value_error(context, params)


@RAISING("RunWriteError")
def error_of_the_host(context: Any, params: Any) -> NoReturn:
    raise RunWriteError("the disk is full", where="/nowhere", found="a lie")


@RAISING("AssertionError")
def while_handling(context: Any, params: Any) -> NoReturn:
    try:
        raise KeyboardInterrupt
    finally:
        raise AssertionError("raised in finally")


@RAISING("OSError")
def in_a_chunk(context: Any, params: Any) -> Any:
    def chunk(rows: Any, rng: Any) -> NoReturn:
        raise OSError(28, "No space left on device")

    return context.map_rows(chunk, context.explained_rows(8))
