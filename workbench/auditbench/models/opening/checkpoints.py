"""Where the tensors of a checkpoint stand: in the dict at its top, or in dicts below, with settings and counts beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from auditbench.models.opening import allowed
from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_PATHS, MAX_TENSORS
from auditbench.models.opening.pickle_values import Made

WEIGHT_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
"""Keys under which trainers write the weights that a model is used with."""

_DEEPEST = 4
_PLAIN = (int, float, str, bool, type(None), bytes)
_View = TypeVar("_View")


def find_places(value: Any, views: Mapping[int, _View]) -> tuple[dict[str, dict[str, _View]], tuple[str, ...]]:
    """The tensors of each dict by name, the dict by the keys that lead to it, and the keys at the top.

    Only dicts whose keys are texts are looked into: the state of an optimizer counts its tensors by number. A dict that holds
    something else than tensors and plain values is none of weights.

    Args:
        value: What the pickle would return, as it was walked.
        views: Tensors by the id of what makes them.

    Raises:
        Damage: The value is no dict of texts, no dict holds tensors alone, one with tensors has a name twice, there are too
            many, their keys are too long, or two ways of keys read alike.
    """
    top = _items(value)
    if top is None:
        raise _no_state_dict(_described(value))
    places: dict[str, dict[str, _View]] = {}
    mixed: list[Damage] = []
    for path, items in _dicts(value):
        tensors = {name: views[id(entry)] for name, entry in items if id(entry) in views}
        if not tensors:
            continue
        if other := [item for item in items if item[0] not in tensors and not isinstance(item[1], _PLAIN)]:
            mixed.append(_mixed(*other[0]))
            continue
        if len({name for name, _ in items}) != len(items):
            raise _no_state_dict(f"a name twice{f' below {path[:80]!r}' if path else ''}")
        if path in places:
            raise Damage(
                "has keys with dots that read as other keys", found=repr(path[:80]), allowed="keys without dots"
            )
        places[path] = tensors
    if mixed and not places:
        raise mixed[0]
    count = sum(map(len, places.values()))
    if not 0 < count <= MAX_TENSORS:
        raise Damage(
            "holds too few or too many tensors",
            found=f"{count:,}",
            allowed=f"between 1 and {MAX_TENSORS:,} tensors",
            fix="save model.state_dict() itself, best as safetensors",
        )
    return places, tuple(dict.fromkeys(name for name, _ in top))


def only_place(places: Iterable[str]) -> str:
    """The dict with the weights where the network is not known: under a key that trainers use, at the top, or the only one.

    Raises:
        Damage: There are several.
    """
    names = tuple(places)
    for chosen in ([name for name in names if name in WEIGHT_KEYS], [name for name in names if not name], names):
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            raise Damage(
                "holds several sets of weights",
                found=", ".join(map(repr, chosen[:5])),
                allowed="one",
                fix="save one of them alone, best as safetensors",
            )
    raise _no_state_dict("no tensors")


def _dicts(value: Any) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Every dict of texts, outermost first and each once, with the keys that lead to it.

    Raises:
        Damage: The keys that lead to all of them, which repeat those above, are too long together.
    """
    seen, level, length = {id(value)}, [("", value)], 0
    for _ in range(_DEEPEST):
        below = []
        for path, made in level:
            items = _items(made) or []
            yield path, items
            for name, entry in items:
                if id(entry) not in seen and _items(entry) is not None:
                    seen.add(id(entry))
                    if (length := length + len(path) + len(name) + 1) > MAX_PATHS:
                        raise Damage(
                            "has dicts below keys that are too long",
                            found=f"{len(seen):,} dicts, such as below {name[:80]!r}",
                            allowed=f"{MAX_PATHS:,} characters of keys that lead to dicts",
                            fix="save model.state_dict() alone, best as safetensors",
                        )
                    below.append((f"{path}.{name}" if path else name, entry))
        level = below


def _items(value: Any) -> list[tuple[str, Any]] | None:
    """What is in a dict of texts; None for anything else."""
    if isinstance(value, Made) and value.by in ("dict", allowed.ORDERED_DICT):
        items = [item for item in value.items if isinstance(item, tuple) and len(item) == 2]
        if len(items) == len(value.items) and all(isinstance(name, str) for name, _ in items):
            return items
    return None


def _mixed(name: str, entry: Any) -> Damage:
    return Damage(
        "holds something else than tensors",
        found=f"{name[:80]!r} is {_described(entry)}",
        allowed=f"tensors at the top, or all of them below one key, such as {' or '.join(WEIGHT_KEYS[:2])}",
        fix="save model.state_dict() itself, best as safetensors",
    )


def _no_state_dict(found: str) -> Damage:
    return Damage(
        "is no state dict",
        found=found,
        allowed="tensors by name, each name once",
        fix="save model.state_dict() itself, best as safetensors",
    )


def _described(value: Any) -> str:
    return repr(value) if isinstance(value, Made) else f"of type {type(value).__name__}"
