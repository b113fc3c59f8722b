"""The layout of a state dict or a checkpoint, read from its pickle alone, and whether the file can hold what it speaks of."""

from __future__ import annotations

import re
import reprlib
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from auditbench.models.opening import allowed
from auditbench.models.opening.archives import Member, below_root, check_members, read_archive, read_member
from auditbench.models.opening.checkpoints import find_places
from auditbench.models.opening.content import LEGACY_PICKLES, TORCH_PROTOCOL, legacy_walks, walk_member
from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_DIMENSIONS
from auditbench.models.opening.pickle_values import Import, Made
from auditbench.models.opening.pickles import Walk, walk

_LOCATION = re.compile(r"(cpu|(cuda|mps|xpu|hpu|npu|mtia)(:\d{1,4})?)")


class MoreThanTensors(Damage):
    """A pickle that would import or call what no state dict needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One tensor of a state dict.

    Attributes:
        storage: Key of the storage that it looks into.
        dtype: Of its elements, as torch calls it.
    """

    storage: str
    dtype: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return allowed.DTYPES[self.dtype]

    @property
    def elements(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.size:
            count *= length
        return count

    @property
    def contiguous(self) -> bool:
        """Whether its elements stand one after another, in the order of their indices."""
        step = 1
        for length, stride in zip(reversed(self.size), reversed(self.stride), strict=True):
            if length != 1 and stride != step:
                return self.elements == 0
            step *= length
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a file of torch.save holds.

    Attributes:
        places: The tensors of each dict, by name; the dict by the keys that lead to it, joined by dots, and empty for the
            one at the top.
        keys: Of the dict at the top.
        storages: Where the bytes of each storage begin and how many there are, by its key.
        swapped: Whether the numbers stand in the other order of bytes than this machine has.
    """

    places: Mapping[str, Mapping[str, View]]
    keys: tuple[str, ...]
    storages: Mapping[str, tuple[int, int]]
    swapped: bool = False


def read_layout(content: bytes, walks: tuple[Walk, ...] = ()) -> Layout:
    """The layout of what torch.save wrote, in its present or its older form.

    Every tensor and every storage of the file is compared with its bytes, also those that are no weights.

    Args:
        walks: Through its pickles, where they were walked before.

    Raises:
        Damage: It is no such file, it would do more than make tensors, or it speaks of more than it holds.
    """
    if content[:2] == b"PK":
        members = below_root(read_archive(content))
        if "data.pkl" not in members:
            raise Damage("is no state dict", found="an archive without data.pkl", allowed="what torch.save writes")
        walks = walks or (walk_member(content, members["data.pkl"]),)
        _check_plain(walks)
        check_members(content, members)
        storages = _storages(walks[0], parts=5)
        there = {name[5:]: (one.start, one.size) for name, one in members.items() if name.startswith("data/")}
        swapped = _is_swapped(content, members)
        value = walks[0].value
    else:
        walks = walks or legacy_walks(content) or (walk(content),)
        _check_plain(walks)
        if len(walks) != LEGACY_PICKLES:
            raise Damage("is no state dict", found="a pickle of other content", allowed="what torch.save writes")
        storages = _storages(walks[3], parts=6)
        there, swapped = _legacy_storages(content, walks, storages), sys.byteorder != "little"
        value = walks[3].value
    views = {id(made): view for found in walks for made in found.made if (view := _view(made)) is not None}
    _check_views(views.values(), there)
    for key, told in storages.items():
        size = there.get(key, (0, 0))[1]
        if size != told:
            raise Damage(
                "speaks of more than it holds",
                found=f"storage {key[:40]!r} of {told:,} bytes",
                allowed=f"{size:,} bytes, as many as there are",
            )
    places, keys = find_places(value, views)
    return Layout(places=places, keys=keys, storages=there, swapped=swapped)


def check_copies(views: Iterable[View], length: int) -> None:
    """Compare what is copied to stand in order, once for each name, with the file; other tensors stay in its storages.

    Args:
        length: Of the file in bytes.

    Raises:
        Damage: The copies are larger than the file.
    """
    total = sum(view.elements * view.itemsize for view in views if not view.contiguous)
    if total > length:
        raise Damage(
            "has tensors that share memory, and are larger than the file without that",
            found=f"{total:,} bytes",
            allowed=f"{length:,} bytes",
            fix="save the tensors after .contiguous()",
        )


def _is_swapped(content: bytes, members: Mapping[str, Member]) -> bool:
    if "byteorder" not in members:
        return False
    order = read_member(content, members["byteorder"], most=16)
    if order not in (b"little", b"big"):
        raise Damage("has an order of bytes that is none", found=repr(order), allowed="little, big")
    return order.decode() != sys.byteorder


def _check_plain(walks: tuple[Walk, ...]) -> None:
    for found in walks:
        outside = allowed.outside(found)
        if outside and not found.opaque and allowed.QUANTIZED.issuperset(outside):
            raise Damage(
                "has tensors of quantized or packed numbers",
                found=", ".join(item.full for item in outside[:5])[:200],
                allowed="tensors of whole numbers or of floating point, of 8 bits or more each",
                fix="save them in float32, after tensor.dequantize() where they are quantized",
            )
        if outside or found.opaque:
            names = ", ".join(item.full for item in outside[:5]) or "a call that cannot be followed"
            raise MoreThanTensors(
                "is a program: unpickling it runs what is in it",
                found=f"it would import {names}"[:200],
                allowed="tensors, and beside them plain values as trainers write them",
                fix="save model.state_dict() alone, best as safetensors: where the model was trained, "
                "torch.save(model.state_dict(), FILE)",
            )
        if found.fault:
            raise Damage("has a damaged pickle", found=found.fault, allowed="what torch.save writes")
        if unwritten := allowed.unwritten(found):
            raise Damage(
                "has a pickle with other instructions than torch.save writes",
                found=", ".join(unwritten[:5]),
                allowed="what torch.save writes",
                fix="save model.state_dict() again, best as safetensors",
            )
        if found.odd_key:
            raise Damage(
                "has a key that is neither a text nor a small integer",
                found=found.odd_key,
                allowed="texts and integers as keys of every dict",
                fix="save model.state_dict() alone, best as safetensors",
            )


def _storages(found: Walk, *, parts: int) -> dict[str, int]:
    """Bytes of every storage by key, as the pickle tells them."""
    sizes: dict[str, int] = {}
    for made in found.made:
        if made.by != "stored":
            continue
        key, told = _storage(made, parts)
        if sizes.setdefault(key, told) != told:
            raise Damage("speaks of one storage in two ways", found=f"{told:,} and {sizes[key]:,} bytes")
    return sizes


def _storage(made: Made, parts: int | None = None) -> tuple[str, int]:
    """The key of a storage and its bytes."""
    identity = made.arguments
    if (
        isinstance(identity, tuple)
        and len(identity) == (parts or len(identity))
        and len(identity) in (5, 6)
        and identity[0] == "storage"
        and identity[5:] in ((), (None,))
    ):
        _, kind, key, location, count = identity[:5]
        itemsize = _storage_itemsize(kind)
        if (
            itemsize
            and isinstance(key, str)
            and isinstance(location, str)
            and _LOCATION.fullmatch(location)
            and _is_count(count)
        ):
            return key, count * itemsize
    raise Damage(
        "has a storage that is none of torch's",
        found=reprlib.repr(identity),
        allowed="typed storages on a device with memory",
    )


def _storage_itemsize(kind: Any) -> int:
    if kind == allowed.UNTYPED:
        return 1
    dtype = _storage_dtype(kind)
    return allowed.DTYPES[dtype] if dtype else 0


def _storage_dtype(kind: Any) -> str:
    return allowed.STORAGES.get(kind.name, "") if isinstance(kind, Import) and kind.module == "torch" else ""


def _legacy_storages(
    content: bytes, walks: tuple[Walk, ...], storages: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Where every storage of the older form begins, and its bytes, which stand one after another behind the pickles."""
    itemsizes = {
        made.arguments[2]: _storage_itemsize(made.arguments[1]) for made in walks[3].made if made.by == "stored"
    }
    keys = walks[4].value.items if isinstance(walks[4].value, Made) else None
    named = keys is not None and all(isinstance(key, str) for key in keys) and sorted(keys) == sorted(storages)
    if walks[1].value != TORCH_PROTOCOL or keys is None or not named:
        raise Damage(
            "has storages that its pickle does not name",
            found=reprlib.repr(keys),
            allowed=reprlib.repr(sorted(storages)),
        )
    position, there = walks[4].end, {}
    for key in keys:
        count = struct.unpack_from("<q", content, position)[0] if position + 8 <= len(content) else -1
        there[key] = (position + 8, count * itemsizes[key])
        position += 8 + there[key][1]
        if count < 0 or position > len(content):
            raise Damage("ends before its last storage", found=f"{len(content):,} bytes")
    if position != len(content):
        raise Damage("goes on after its last storage", found=f"{len(content) - position:,} bytes", allowed="none")
    return there


def _view(made: Made) -> View | None:
    """The tensor that a call makes; None if it makes none.

    Raises:
        Damage: The call is not one that torch.save writes.
    """
    by, arguments = made.by, made.arguments
    if isinstance(by, Import) and allowed.stands_beside(by, called=True):
        return None
    if made.state is not None and not _is_metadata(made):
        raise Damage(
            "sets attributes of what it makes",
            found=reprlib.repr(made.state),
            allowed="_metadata of a state dict alone",
        )
    if by in (allowed.REBUILD, allowed.REBUILD_TYPED):
        typed = by == allowed.REBUILD_TYPED
        if isinstance(arguments, tuple) and len(arguments) == (7 if typed else 6):
            storage, offset, size, stride, gradient, hooks = arguments[:6]
            size, stride = _numbers(size), _numbers(stride)
            if (
                isinstance(storage, Made)
                and storage.by == "stored"
                and _is_count(offset)
                and size is not None
                and stride is not None
                and len(size) == len(stride)
                and isinstance(gradient, bool)
                and _is_empty_dict(hooks)
            ):
                key, _ = _storage(storage)
                dtype = _dtype(arguments[6]) if typed else _storage_dtype(storage.arguments[1])
                if dtype:
                    return View(storage=key, dtype=dtype, offset=offset, size=size, stride=stride)
    elif by == allowed.PARAMETER:
        if (
            isinstance(arguments, tuple)
            and len(arguments) == 3
            and isinstance(arguments[0], Made)
            and isinstance(arguments[1], bool)
            and _is_empty_dict(arguments[2])
            and (view := _view(arguments[0])) is not None
        ):
            return view
    elif by != allowed.ORDERED_DICT or arguments == ():
        return None
    raise Damage(
        "has a call that torch.save does not write",
        found=f"{made!r} of {reprlib.repr(arguments)}",
        allowed="tensors in one storage each",
        fix="save model.state_dict() again, best as safetensors",
    )


def _is_metadata(made: Made) -> bool:
    state = made.state
    return (
        made.by == allowed.ORDERED_DICT
        and isinstance(state, Made)
        and state.by == "dict"
        and all(isinstance(item, tuple) and item[0] == "_metadata" for item in state.items)
    )


def _dtype(kind: Any) -> str:
    named = isinstance(kind, Import) and kind.module == "torch" and kind.name in allowed.DTYPES
    return str(kind.name) if named else ""


def _numbers(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, Made) and value.by == allowed.SIZE and isinstance(value.arguments, tuple):
        value = value.arguments[0] if len(value.arguments) == 1 else None
    return value if isinstance(value, tuple) and len(value) <= MAX_DIMENSIONS and all(map(_is_count, value)) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_empty_dict(value: Any) -> bool:
    return isinstance(value, Made) and value.by in ("dict", allowed.ORDERED_DICT) and not value.items


def _check_views(views: Iterable[View], storages: Mapping[str, tuple[int, int]]) -> None:
    """Compare each tensor with its storage."""
    for view in views:
        last = view.offset + sum((count - 1) * step for count, step in zip(view.size, view.stride, strict=True))
        needed = 0 if view.elements == 0 else max(last + 1, view.elements) * view.itemsize
        size = storages.get(view.storage, (0, 0))[1]
        if needed > size:
            raise Damage(
                "has a tensor that is larger than its storage",
                found=f"shape {view.size} with strides {view.stride} needs {needed:,} bytes",
                allowed=f"{size:,} bytes",
                fix="save the tensors after .contiguous()",
            )
