"""What a pickle would do, found by walking its instructions; nothing in it is ever called.

A pickle is a program for a small stack machine. The walk runs that machine on stand-ins: an import pushes its name, a
call pushes a note of what would have been called. So names that are put together on the stack, or fetched from the
memo, are seen as they would be, and what cannot be followed counts as not allowed.

Source: the instructions in Python's `pickletools`.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from auditbench.models.opening.files import Damage

MAX_INSTRUCTIONS = 500_000
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a pickle would import; both parts are `UNKNOWN` where the walk cannot tell."""

    module: str
    name: str

    @property
    def full(self) -> str:
        """Module and name, joined by a dot."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Made:
    """A value that a pickle would make.

    Attributes:
        by: What makes it: an import that is called, or `dict`, `list`, `set`, `stored`.
        arguments: Of the call; of `stored`, what identifies it.
        items: What is put into it afterwards; keys with values, or values alone.
        state: What its `__setstate__` or `__dict__` would get.
    """

    by: Import | str
    arguments: Any = ()
    items: list[Any] = field(default_factory=list)
    state: Any = None

    def __repr__(self) -> str:
        """What makes it; never what is in it, which may be nested without end."""
        return f"<{self.by.full if isinstance(self.by, Import) else self.by}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What one pickle would do.

    Attributes:
        value: What it would return; None where `fault` is not empty.
        made: Every call and every stored value that it takes from elsewhere, in order.
        imports: Every import, in order, and whether it would be called.
        opaque: Calls of something that is no plain import, such as the result of another call.
        opcodes: Names of the instructions it uses.
        instructions: Number of instructions walked.
        end: The position after its last instruction.
        fault: Why the walk stopped before the end; what comes before it would have been done.
    """

    value: Any
    made: list[Made]
    imports: dict[Import, bool]
    opaque: bool
    opcodes: frozenset[str]
    instructions: int
    end: int
    fault: str = ""


def walk(content: bytes, start: int = 0, *, most: int = MAX_INSTRUCTIONS) -> Walk:
    """Follow the pickle that begins at a position, up to its `STOP`.

    Args:
        most: Largest number of instructions.
    """
    machine = _Machine()
    position, count, seen, fault = start, 0, set(), ""
    try:
        for opcode, argument, at in _instructions(content, start):
            count += 1
            if count > most:
                raise Damage(f"has more than {most:,} instructions")
            seen.add(opcode.name)
            if opcode.name == "STOP":
                position = at + 1
                break
            machine.step(opcode.name, argument)
            position = at
        else:
            fault = "it has no end"
        value = machine.pop() if not fault else None
    except (Damage, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        fault, value = str(error)[:160] or type(error).__name__, None
    return Walk(
        value=value,
        made=machine.made,
        imports=machine.imports,
        opaque=machine.opaque,
        opcodes=frozenset(seen),
        instructions=count,
        end=position,
        fault=fault,
    )


def looks_like_pickle(content: bytes, start: int = 0) -> bool:
    """Whether the bytes from a position on begin as pickles of some protocol do."""
    head = content[start : start + 2]
    if len(head) == 2 and head[0] == 0x80:
        return head[1] <= 5
    if not head or head[:1] not in _TEXT_STARTS:
        return False
    return is_surely_pickle(content, start)


def is_surely_pickle(content: bytes, start: int = 0) -> bool:
    """Whether a pickle from a position on would import something, or comes to its end."""
    found = walk(content, start, most=_SNIFFED_INSTRUCTIONS)
    named = any(_NAME.fullmatch(item.full) for item in found.imports)
    return named or (not found.fault and found.end - start > 1)


_NAME = re.compile(r"[\w.]+")
_SNIFFED_INSTRUCTIONS = 2000
# What a pickle of protocol 0 or 1 can begin with: a mark, a number, a string, a container, an import, a stored value.
_TEXT_STARTS = frozenset(
    bytes([code]) for code in b"(IJKLMNFGSUTVX]})cPBC\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97"
)
_Opcode: TypeAlias = pickletools.OpcodeInfo


def _instructions(content: bytes, start: int) -> Iterator[tuple[_Opcode, Any, int]]:
    stream = io.BytesIO(content)
    stream.seek(start)
    for opcode, argument, position in pickletools.genops(stream):
        yield opcode, argument, start if position is None else position


_MAX_BITS = 8192
_MARK = object()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NO_EFFECT = {"PROTO", "FRAME", "READONLY_BUFFER"}
_PUSHES_ARGUMENT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CONTAINERS = {"EMPTY_LIST": "list", "EMPTY_DICT": "dict", "EMPTY_SET": "set"}


class _Machine:
    """The stack, the memo, and what would have been imported and called so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.made: list[Made] = []
        self.imports: dict[Import, bool] = {}
        self.opaque = False

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSHES_ARGUMENT:
            if isinstance(argument, int) and argument.bit_length() > _MAX_BITS:
                raise Damage("has a number that is too large", found=f"{argument.bit_length():,} bits")
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple(self._take(_TUPLES[name])))
        elif name in _CONTAINERS:
            self.stack.append(Made(_CONTAINERS[name]))
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in _NO_EFFECT:
            raise Damage(f"has an instruction {name} that is not known")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise Damage("takes a mark for a value")
        return value

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise Damage("takes a value from an empty stack")
        return self.stack[-1]

    def _take(self, count: int) -> list[Any]:
        if len(self.stack) < count or _MARK in self.stack[-count:]:
            raise Damage("takes a value from an empty stack")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                taken = self.stack[index + 1 :]
                del self.stack[index:]
                return taken
        raise Damage("has no mark where it needs one")

    def mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def discard(self, _: Any) -> None:
        self.stack.pop()

    def discard_to_mark(self, _: Any) -> None:
        self.to_mark()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.top())

    def make_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.to_mark()))

    def make_list(self, _: Any) -> None:
        self.stack.append(Made("list", items=self.to_mark()))

    def make_dict(self, _: Any) -> None:
        self.stack.append(Made("dict", items=_pairs(self.to_mark())))

    def make_frozenset(self, _: Any) -> None:
        self.stack.append(Made("set", items=self.to_mark()))

    def remember(self, index: int) -> None:
        if index > MAX_INSTRUCTIONS:
            raise Damage("remembers a value at a place that is too high", found=f"{index:,}")
        self.memo[index] = self.top()

    def remember_next(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.top()

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def append(self, _: Any) -> None:
        value = self.pop()
        self._fill([value])

    def extend(self, _: Any) -> None:
        values = self.to_mark()
        self._fill(values)

    def set_item(self, _: Any) -> None:
        key, value = self._take(2)
        self._fill([(key, value)])

    def set_items(self, _: Any) -> None:
        pairs = _pairs(self.to_mark())
        self._fill(pairs)

    def _fill(self, values: list[Any]) -> None:
        """Put values into what is on top: a method of that object, if it is of no plain kind."""
        target = self.top()
        if isinstance(target, Made):
            target.items.extend(values)
        else:
            self.opaque = True

    def import_named(self, argument: str) -> None:
        self.stack.append(self._imported(*_two_names(argument)))

    def import_from_stack(self, _: Any) -> None:
        module, name = self._take(2)
        self.stack.append(self._imported(module, name))

    def import_extension(self, code: int) -> None:
        self.stack.append(self._imported("copyreg extension", str(code)))

    def call(self, _: Any) -> None:
        function, arguments = self._take(2)
        self._called(function, arguments)

    def call_with_keywords(self, _: Any) -> None:
        function, arguments, keywords = self._take(3)
        self._called(function, (arguments, keywords))

    def call_named(self, argument: str) -> None:
        arguments = tuple(self.to_mark())
        self._called(self._imported(*_two_names(argument)), arguments)

    def call_after_mark(self, _: Any) -> None:
        function, *arguments = self.to_mark() or [None]
        self._called(function, tuple(arguments))

    def build(self, _: Any) -> None:
        state = self.pop()
        target = self.top()
        if isinstance(target, Made):
            target.state = state
        else:
            self.opaque = True

    def stored(self, identity: Any) -> None:
        self._make(Made("stored", arguments=identity))

    def stored_from_stack(self, _: Any) -> None:
        self._make(Made("stored", arguments=self.pop()))

    def next_buffer(self, _: Any) -> None:
        self._make(Made("stored", arguments=UNKNOWN))

    def _make(self, value: Made) -> None:
        self.made.append(value)
        self.stack.append(value)

    def _imported(self, module: Any, name: Any) -> Import:
        known = isinstance(module, str) and isinstance(name, str)
        found = Import(module, name) if known else Import(UNKNOWN, UNKNOWN)
        self.imports.setdefault(found, False)
        return found

    def _called(self, function: Any, arguments: Any) -> None:
        if isinstance(function, Import):
            self.imports[function] = True
            self._make(Made(function, arguments=arguments))
        else:
            self.opaque = True
            self._make(Made(Import(UNKNOWN, UNKNOWN), arguments=arguments))


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.discard,
    "POP_MARK": _Machine.discard_to_mark,
    "DUP": _Machine.duplicate,
    "TUPLE": _Machine.make_tuple,
    "LIST": _Machine.make_list,
    "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.make_frozenset,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    "MEMOIZE": _Machine.remember_next,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "ADDITEMS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.import_named,
    "STACK_GLOBAL": _Machine.import_from_stack,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _Machine.import_extension),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "INST": _Machine.call_named,
    "OBJ": _Machine.call_after_mark,
    "BUILD": _Machine.build,
    "PERSID": _Machine.stored,
    "BINPERSID": _Machine.stored_from_stack,
    "NEXT_BUFFER": _Machine.next_buffer,
}


def _two_names(argument: str) -> tuple[str | None, str | None]:
    """Module and name of an instruction that carries both; neither where a space makes it unclear which is which."""
    module, _, name = argument.partition(" ")
    return (None, None) if not module or not name or " " in name else (module, name)


def _pairs(values: list[Any]) -> list[tuple[Any, Any]]:
    if len(values) % 2:
        raise Damage("has a key without a value")
    return list(zip(values[::2], values[1::2], strict=True))
