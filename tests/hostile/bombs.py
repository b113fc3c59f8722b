"""Pickles that are allowed to say everything they say, and would fill memory, run for ever or read beyond their bytes."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable

from tests.hostile.containers import rebuilt_zip, with_pickle
from tests.hostile.opcodes import (
    BUILD,
    EMPTY_DICT,
    EMPTY_TUPLE,
    call,
    name,
    number,
    pairs,
    several,
    split_pickles,
    storage,
    stream,
    tensor,
    text,
)
from tests.hostile.record import HostileModel, good_legacy, writes_lazily

WEIGHT = tensor(storage(), size=(1, 3), stride=(3, 1))
BIAS = tensor(storage("1", 1), size=(1,), stride=(1,))


def state(**values: bytes) -> bytes:
    """The good archive with a state dict of the good tensors and these values; without any, it opens."""
    return with_pickle(stream(pairs({"0.weight": WEIGHT, "0.bias": BIAS, **values}), protocol=2))


def _aliases() -> bytes:
    """A million tensors that view the same four numbers: 16 bytes of file each, hundreds of memory."""
    function = name("torch._utils", "_rebuild_tensor_v2") + b"q\x00"
    ordered = call(name("collections", "OrderedDict"))
    arguments = several(storage(), number(0), several(number(3)), several(number(1)), pickle.NEWFALSE, ordered)
    first = text("first") + function + arguments + b"q\x01" + pickle.REDUCE
    items = b"".join(b"X\x07\x00\x00\x00%07dh\x00h\x01R" % i for i in range(1_000_000))
    bias = text("0.bias") + BIAS
    return with_pickle(stream(EMPTY_DICT, pickle.MARK, first, bias, items, b"u", protocol=2))


def _doubled(times: int) -> bytes:
    """A tuple of two times the same tuple of two times the same ...: 2 ** times leaves."""
    return EMPTY_TUPLE + b"".join(b"q%ch%c\x86" % (i + 9, i + 9) for i in range(times))


def _legacy_storage_of(elements: int) -> bytes:
    """An old file whose first storage claims that many elements."""
    *head, tail = split_pickles(good_legacy(), 5)
    return b"".join(head) + struct.pack("<q", elements) + tail[8:]


def _legacy_keys(pickled: bytes) -> bytes:
    *head, tail = split_pickles(good_legacy(), 5)
    return b"".join(head[:4]) + pickled + tail


def _sparse() -> bytes:
    """A sparse tensor with an index far outside its size."""
    indices = tensor(storage("1", kind="LongStorage"), size=(1, 2), stride=(2, 1))
    values = tensor(storage(), size=(2,), stride=(1,))
    layout = call(name("torch.serialization", "_get_layout"), text("torch.sparse_coo"))
    sparse = call(
        name("torch._utils", "_rebuild_sparse_tensor"), layout, several(indices, values, several(number(1)), b"\x89")
    )
    return state(sparse=sparse)


def _without_memory() -> bytes:
    """A tensor on the device without memory, with 10^12 numbers it never had."""
    size, stride = several(number(10**12)), several(number(1))
    kind = name("torch", "float32")
    return state(a=call(name("torch._utils", "_rebuild_meta_tensor_no_storage"), kind, size, stride, b"\x89"))


def _in_itself() -> bytes:
    """A dict that is its own value."""
    good = text("0.weight") + WEIGHT + b"s" + text("0.bias") + BIAS + b"s"
    return with_pickle(stream(EMPTY_DICT, b"q\x00", text("self"), b"h\x00", b"s", good))


def _keyed(key: bytes) -> bytes:
    """A dict with one key."""
    return EMPTY_DICT + key + b"N" + b"s"


def _beside(values: bytes) -> bytes:
    """The pickle of a checkpoint: a good state dict, and something that is no weight beside it."""
    return stream(pairs({"state_dict": pairs({"0.weight": WEIGHT, "0.bias": BIAS}), "optimizer": values}), protocol=2)


def _moved_afterwards() -> bytes:
    """A good tensor whose state then points it at 10^12 numbers."""
    size, stride = several(number(10**6), number(10**6)), several(number(0), number(0))
    return state(a=WEIGHT + several(storage(), number(0), size, stride) + BUILD)


def _methods_in_the_way() -> bytes:
    """An ordered dict with numbers where its methods would be."""
    good = text("0.weight") + WEIGHT + b"s" + text("0.bias") + BIAS + b"s"
    shadow = pairs({"get": number(7), "items": number(7), "keys": number(7)})
    return with_pickle(stream(call(name("collections", "OrderedDict")), good, shadow + BUILD, protocol=2))


def _state_set_twice(first: bytes, second: bytes) -> bytes:
    """A good state dict, whose state is set to one thing and then to another."""
    good = text("0.weight") + WEIGHT + b"s" + text("0.bias") + BIAS + b"s"
    made = call(name("collections", "OrderedDict"))
    return with_pickle(stream(made, good, first + BUILD, second + BUILD, protocol=2))


def _stored_in_another_pickle(identity: bytes) -> bytes:
    """An old file whose third pickle, which says what machine wrote it, makes a tensor of a storage that is none."""
    parts = split_pickles(good_legacy(), 5)
    parts[2] = stream(tensor(identity + pickle.BINPERSID, size=(1,), stride=(1,)), protocol=2)
    return b"".join(parts)


def _one_tensor_by_many_names() -> bytes:
    """A transposed tensor of 4 MiB under 400 names; made contiguous, each is its own."""
    content = with_pickle(b"")
    first = text("first") + tensor(storage(count=2**20), size=(1024, 1024), stride=(1, 1024)) + b"q\x05"
    items = b"".join(text(str(i)) + b"h\x05" for i in range(400))
    pickled = stream(EMPTY_DICT, pickle.MARK, first, items, text("0.bias"), BIAS, b"u", protocol=2)
    members = {"/data.pkl": pickled, "/data/0": b"\0" * 2**22}
    return rebuilt_zip(lambda name, old: members.get("/" + name.partition("/")[2], old), content)


def _view(
    offset: bytes | int = 0, size: tuple[bytes | int, ...] = (3,), stride: tuple[int, ...] = (1,), count: int = 3
) -> Callable[[], bytes]:
    return lambda: state(a=tensor(storage(count=count), offset=offset, size=size, stride=stride))


def _opcode(code: bytes, layout: str, length: int) -> Callable[[], bytes]:
    """One opcode that claims a length, and little behind it."""
    return lambda: state(a=code + struct.pack(layout, length) + b"abc")


_DIGITS = pickle.LONG4 + struct.pack("<i", 500_000) + b"\x7f" * 500_000


def _record(name: str, content: Callable[[], bytes], *says: str) -> HostileModel:
    return HostileModel(
        name=name,
        pretends="state-dict",
        build=writes_lazily("model.pt", content),
        says=("model.pt", *says),
        harmless_pickle=True,
    )


BOMBS: tuple[HostileModel, ...] = (
    _record("json-of-twenty-million-lists", lambda: b"[" + b"[]," * 20_000_000 + b"1]"),
    _record(
        "methods-in-the-way-then-metadata",
        lambda: _state_set_twice(pairs({"get": number(7)}), pairs({"_metadata": EMPTY_DICT})),
        "program",
    ),
    _record("storage-without-a-kind", lambda: _stored_in_another_pickle(EMPTY_TUPLE), "storage"),
    _record("storage-that-is-a-number", lambda: _stored_in_another_pickle(number(5)), "storage"),
    _record(
        "bytearray-of-10-to-the-12", lambda: state(a=call(name("builtins", "bytearray"), number(10**12))), "bytearray"
    ),
    _record(
        "many-bytearrays",
        lambda: state(**{str(i): call(name("builtins", "bytearray"), number(10**8)) for i in range(40)}),
        "bytearray",
    ),
    _record(
        "codec-with-a-table",
        lambda: state(a=call(name("_codecs", "encode"), text("a" * 200_000), text("idna"))),
        "_codecs.encode",
    ),
    _record("view-of-10-to-the-12-with-stride-0", _view(size=(10**6, 10**6), stride=(0, 0)), "stride"),
    _record("view-with-negative-stride", _view(stride=(-1,))),
    _record("view-with-negative-size", _view(size=(-3,))),
    _record("view-beyond-its-storage", _view(offset=3)),
    _record("view-with-negative-offset", _view(offset=number(-1))),
    _record("view-whose-size-wraps", _view(size=(2**62, 4, 4), stride=(1, 1, 1))),
    _record("view-with-a-size-of-a-million-digits", _view(size=(_DIGITS,))),
    _record("view-with-sizes-that-are-texts", _view(size=(text("3"),))),
    _record("view-of-64000-dimensions", _view(size=(1,) * 64_000, stride=(1,) * 64_000)),
    _record("storage-larger-than-its-member", _view(size=(10**6,), count=10**6)),
    _record("storage-of-2-to-the-62", _view(size=(2**62,), count=2**62)),
    _record("storage-of-minus-one", lambda: state(a=tensor(storage(count=-1), size=(3,), stride=(1,)))),
    _record("storage-that-is-not-there", lambda: state(a=tensor(storage("77"), size=(3,), stride=(1,)))),
    _record("storage-above-the-folder", lambda: state(a=tensor(storage("../../data.pkl"), size=(3,), stride=(1,)))),
    _record("storage-of-another-kind", lambda: state(a=tensor(storage(kind="DoubleStorage"), size=(3,), stride=(1,)))),
    _record(
        "storage-of-no-kind",
        lambda: state(a=tensor(several(text("storage"), EMPTY_DICT) + pickle.BINPERSID, size=(3,), stride=(1,))),
    ),
    _record("million-aliases", _aliases),
    _record("tuple-of-2-to-the-60-leaves", lambda: state(a=_doubled(60))),
    _record("key-of-2-to-the-60-leaves-beside", lambda: with_pickle(_beside(_keyed(_doubled(60))))),
    _record("key-of-2-to-the-60-leaves-at-the-top", lambda: with_pickle(stream(EMPTY_DICT, _doubled(60), b"N", b"s"))),
    _record("tensor-moved-afterwards", _moved_afterwards),
    _record("methods-in-the-way", _methods_in_the_way),
    _record("one-tensor-by-many-names", _one_tensor_by_many_names),
    _record("tuple-a-million-deep", lambda: state(a=EMPTY_TUPLE + pickle.TUPLE1 * 1_000_000)),
    _record(
        "dicts-a-hundred-thousand-deep",
        lambda: state(a=b"}" + b"}X\x01\x00\x00\x00a" * 100_000 + b"}" + b"s" * 100_000),
    ),
    _record("dict-in-itself", _in_itself),
    _record("long-of-2-gib", _opcode(pickle.LONG4, "<i", 2**31 - 1)),
    _record("bytes-of-2-to-the-40", _opcode(pickle.BINBYTES8, "<Q", 2**40)),
    _record("text-of-2-to-the-40", _opcode(pickle.BINUNICODE8, "<Q", 2**40)),
    _record("bytearray-of-2-to-the-40", _opcode(pickle.BYTEARRAY8, "<Q", 2**40)),
    _record("frame-of-2-to-the-60", _opcode(pickle.FRAME, "<Q", 2**60)),
    _record("memo-that-was-never-set", lambda: state(a=pickle.LONG_BINGET + b"\xff" * 4)),
    _record("million-opcodes-and-no-end", lambda: with_pickle(b"\x80\x02" + b"N0" * 500_000)),
    _record("nothing-but-an-end", lambda: with_pickle(b"\x80\x02.")),
    _record("a-number-for-a-state", lambda: with_pickle(stream(number(7)))),
    _record("numbers-for-keys", lambda: with_pickle(stream(pairs({"a": WEIGHT, "b": BIAS}), number(7), WEIGHT, b"s"))),
    _record("sparse-with-an-index-outside", _sparse),
    _record("tensor-without-memory", _without_memory),
    _record("legacy-storage-of-2-to-the-62", lambda: _legacy_storage_of(2**62)),
    _record("legacy-storage-of-minus-one", lambda: _legacy_storage_of(-1)),
    _record("legacy-keys-that-are-a-number", lambda: _legacy_keys(stream(number(3), protocol=2))),
    _record("legacy-keys-of-nothing", lambda: _legacy_keys(stream(pickle.EMPTY_LIST, protocol=2))),
)
