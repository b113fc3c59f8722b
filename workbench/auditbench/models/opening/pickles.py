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
import reprlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_INSTRUCTIONS, MAX_INTEGER_BITS, MAX_KEY_BITS
from auditbench.models.opening.pickle_values import UNKNOWN, Import, Made


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What one pickle would do.

    Attributes:
        value: What it would return; None where `fault` is not empty.
        made: Every call and every stored value that it takes from elsewhere, in order.
        imports: Every import, in order, and whether it would be called.
        opaque: Calls of something that is no plain import, such as the result of another call.
        odd_key: The first key of a dict that is neither a text nor an integer of up to `MAX_KEY_BITS`; empty if none is.
            To hash other keys can take as long as whoever wrote them likes.
        opcodes: Names of the instructions it uses.
        instructions: Number of instructions walked.
        end: The position after its last instruction.
        fault: Why the walk stopped before the end; what comes before it would have been done.
    """

    value: Any
    made: list[Made]
    imports: dict[Import, bool]
    opaque: bool
    odd_key: str
    opcodes: frozenset[str]
    instructions: int
    end: int
    fault: str = ""


def walk(content: bytes, start: int = 0, *, most: int = MAX_INSTRUCTIONS) -> Walk:
    """Follow the pickle that begins at a position, up to its `STOP`.

    Args:
        most: Largest number of instructions.
    """
    with warnings.catch_warnings():
        # Texts of old protocols are unescaped as an unpickler does it, which warns of escapes that stand for nothing. Bytes
        # that are no pickle may well have some.
        warnings.filterwarnings("ignore", message="invalid (octal )?escape sequence")
        return _walk(content, start, most)


def looks_like_pickle(content: bytes, start: int = 0) -> bool:
    """Whether the bytes from a position on begin as pickles of some protocol do."""
    head = content[start : start + 2]
    if len(head) == 2 and head[0] == 0x80:
        return head[1] <= 5
    if not head or head[:1] not in _TEXT_STARTS:
        return False
    return _is_pickle(content, start, _SNIFFED_INSTRUCTIONS)


def is_surely_pickle(content: bytes, start: int = 0) -> bool:
    """Whether a pickle from a position on would import something, or comes to its end."""
    return _is_pickle(content, start, MAX_INSTRUCTIONS)


def _is_pickle(content: bytes, start: int, most: int) -> bool:
    found = walk(content, start, most=most)
    named = any(_NAME.fullmatch(item.full) for item in found.imports)
    return named or (not found.fault and found.end - start > 1)


def _walk(content: bytes, start: int, most: int) -> Walk:
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
    except (Damage, ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        fault, value = str(error)[:160] or type(error).__name__, None
    return Walk(
        value=value,
        made=machine.made,
        imports=machine.imports,
        opaque=machine.opaque,
        odd_key=machine.odd_key,
        opcodes=frozenset(seen),
        instructions=count,
        end=position,
        fault=fault,
    )


_NAME = re.compile(r"[\w.]+")
_SNIFFED_INSTRUCTIONS = 200
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


_MARK = object()


class _Machine:
    """The stack, the memo, and what would have been imported and called so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.made: list[Made] = []
        self.imports: dict[Import, bool] = {}
        self.opaque = False
        self.odd_key = ""

    def step(self, name: str, argument: Any) -> None:
        if (act := _STEPS.get(name)) is None:
            raise Damage(f"has an instruction {name} that is not known")
        act(self, argument)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise Damage("takes a mark for a value")
        return value

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise Damage("takes a value from an empty stack")
        return self.stack[-1]

    def take(self, count: int) -> list[Any]:
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

    def nothing(self, _: Any) -> None:
        pass

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_integer(self, value: int) -> None:
        if value.bit_length() > MAX_INTEGER_BITS:
            raise Damage("has a number that is too large", found=f"{value.bit_length():,} bits")
        self.stack.append(value)

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
        self.stack.append(Made("dict", items=self._pairs(self.to_mark())))

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
        key, value = self.take(2)
        self._fill(self._pairs([key, value]))

    def set_items(self, _: Any) -> None:
        pairs = self._pairs(self.to_mark())
        self._fill(pairs)

    def _pairs(self, values: list[Any]) -> list[tuple[Any, Any]]:
        if len(values) % 2:
            raise Damage("has a key without a value")
        keys = values[::2]
        if not self.odd_key:
            self.odd_key = next((reprlib.repr(key) for key in keys if not _is_key(key)), "")
        return list(zip(keys, values[1::2], strict=True))

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
        module, name = self.take(2)
        self.stack.append(self._imported(module, name))

    def import_extension(self, code: int) -> None:
        self.stack.append(self._imported("copyreg extension", str(code)))

    def call(self, _: Any) -> None:
        function, arguments = self.take(2)
        self._called(function, arguments)

    def call_with_keywords(self, _: Any) -> None:
        function, arguments, keywords = self.take(3)
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
        if isinstance(target, Made) and target.state is None and state is not None:
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


_Step: TypeAlias = Callable[[_Machine, Any], None]


def _pushing(value: Any) -> _Step:
    return lambda machine, _: machine.push(value)


def _pushing_empty(kind: str) -> _Step:
    return lambda machine, _: machine.push(Made(kind))


def _pushing_tuple(count: int) -> _Step:
    return lambda machine, _: machine.push(tuple(machine.take(count)))


_STEPS: dict[str, _Step] = {
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), _Machine.nothing),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4"), _Machine.push_integer),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _Machine.push),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _Machine.push),
    "NONE": _pushing(None),
    "NEWTRUE": _pushing(True),
    "NEWFALSE": _pushing(False),
    "EMPTY_TUPLE": _pushing(()),
    "EMPTY_LIST": _pushing_empty("list"),
    "EMPTY_DICT": _pushing_empty("dict"),
    "EMPTY_SET": _pushing_empty("set"),
    "TUPLE1": _pushing_tuple(1),
    "TUPLE2": _pushing_tuple(2),
    "TUPLE3": _pushing_tuple(3),
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


def _is_key(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and value.bit_length() <= MAX_KEY_BITS)
