"""LightGBM's own text files: checked before its parser sees them, which trusts every index that they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_ESTIMATOR_JSON_BYTES, MAX_TREE_CATEGORIES

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

_FIX = "save it again with Booster.save_model of LightGBM 4"
_MOST_DECISION = 11  # a category, the side of what is missing, and one of three kinds of missing
_END = "end of trees"
_INNER = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_OF_INNER = (*_INNER, "split_gain", "internal_value", "internal_weight", "internal_count")
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_TREE = re.compile(r"Tree=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LightgbmFacts:
    """What a checked file says about itself.

    Attributes:
        objective: With its settings, such as `binary sigmoid:1`.
        classes: Outputs before the objective's own function; 1 for a binary classification and a regression.
        categorical: Whether a tree splits on a category.
    """

    objective: str
    features: tuple[str, ...]
    classes: int
    trees: int
    categorical: bool


def check_lightgbm(content: bytes) -> LightgbmFacts:
    """Check every size and index that LightGBM would follow.

    Raises:
        Damage: The file is no model, or a number in it leads out of an array or round in a circle.
    """
    if len(content) > MAX_ESTIMATOR_JSON_BYTES:
        found, allowed = f"{len(content):,} bytes", f"at most {MAX_ESTIMATOR_JSON_BYTES:,} bytes"
        raise Damage("is too large for a text of trees", found=found, allowed=allowed)
    try:
        return _checked(content.decode("utf-8"))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, Damage):
            raise
        raise Damage(
            "is no LightGBM model that can be checked",
            found=f"{type(error).__name__}: {error}"[:160],
            allowed="what Booster.save_model writes",
            fix=_FIX,
        ) from error


def _checked(text: str) -> LightgbmFacts:
    if "\r" in text or "\0" in text:
        raise _wrong("signs", "carriage returns or zeros", "lines of text")
    head, _, rest = text.partition("\n\n")
    header = _fields(head.split("\n")[1:])
    features = tuple(header["feature_names"].split(" "))
    classes, each = int(header["num_class"]), int(header["num_tree_per_iteration"])
    _expect("max_feature_idx", int(header["max_feature_idx"]) + 1, len(features))
    _expect("feature_infos", len(header["feature_infos"].split(" ")), len(features))
    if not 1 <= classes <= 2**16 or each != classes:
        raise _wrong("num_tree_per_iteration", f"{each} for {classes} classes", f"{classes}")
    sizes = [int(size) for size in header.get("tree_sizes", "").split()]
    categorical = False
    for index, block in enumerate(_blocks(rest, sizes)):
        categorical |= _check_tree(block, index, len(features))
    if len(sizes) % each:
        raise _wrong("trees", f"{len(sizes):,}", f"a multiple of {each}")
    return LightgbmFacts(
        objective=header.get("objective", ""),
        features=features,
        classes=classes,
        trees=len(sizes),
        categorical=categorical,
    )


def _blocks(rest: str, sizes: list[int]) -> Iterator[str]:
    """The text of each tree: as long as the header says, since the parser goes by that."""
    content, position = rest.encode("utf-8"), 0
    for size in sizes:
        if size < 1 or position + size > len(content):
            raise _wrong("tree_sizes", f"{size:,} bytes at byte {position:,}", f"within {len(content):,} bytes")
        yield content[position : position + size].decode("utf-8")
        position += size
    behind = content[position:].lstrip(b"\n")
    if not behind.startswith(_END.encode()) or b"\nTree=" in behind:
        raise _wrong("trees", "text behind the trees that tree_sizes names", f"{_END!r}")


def _check_tree(block: str, index: int, features: int) -> bool:
    first, *lines = block.rstrip("\n").split(
        "\n"
    )  # the parser ends the process where a block does not begin with its tree
    found = _TREE.fullmatch(first)
    if found is None or int(found[1]) != index:
        raise _wrong("a tree", repr(first[:40]), f"Tree={index}")
    fields = _fields(lines)
    leaves, categories = int(fields["num_leaves"]), int(fields["num_cat"])
    if fields.get("is_linear", "0") != "0":
        raise Damage("has linear trees", found=f"tree {index}", allowed="trees of constant leaves", fix=_FIX)
    if not 1 <= leaves <= 2**24:
        raise _wrong(f"num_leaves of tree {index}", f"{leaves:,}", "from 1 on")
    for key in _OF_LEAVES:
        if key == "leaf_value" or fields.get(key):
            _expect(f"{key} of tree {index}", len(_numbers(fields[key], f"{key} of tree {index}")), leaves)
    if leaves == 1:
        return False
    for key in _OF_INNER:
        if key in _INNER or fields.get(key):
            _expect(f"{key} of tree {index}", len(_numbers(fields[key], f"{key} of tree {index}")), leaves - 1)
    left, right, split = (
        _numbers(fields[key], key).astype(np.int64) for key in ("left_child", "right_child", "split_feature")
    )
    children = np.sort(np.concatenate([left, right]))
    if not np.array_equal(children, np.concatenate([np.arange(-leaves, 0), np.arange(1, leaves - 1)])):
        raise _wrong(f"tree {index}", "children that are no tree", "each node and leaf below one other")
    if split.min() < 0 or split.max() >= features:
        raise _wrong(f"split_feature of tree {index}", f"{split.min()} to {split.max()}", f"from 0 to {features - 1}")
    decisions = _numbers(fields["decision_type"], "decision_type").astype(np.int64)
    if decisions.min() < 0 or decisions.max() > _MOST_DECISION:
        raise _wrong(f"decision_type of tree {index}", str(int(decisions.max())), f"from 0 to {_MOST_DECISION}")
    return _check_category_splits(fields, index, categories, (decisions & 1) == 1)


def _check_category_splits(
    fields: Mapping[str, str], index: int, categories: int, split: npt.NDArray[np.bool_]
) -> bool:
    if not categories:
        if split.any():
            raise _wrong(f"decision_type of tree {index}", "a split on a category", "none, as num_cat says")
        return False
    bounds, bits = (_numbers(fields[key], key).astype(np.int64) for key in ("cat_boundaries", "cat_threshold"))
    _expect(f"cat_boundaries of tree {index}", len(bounds), categories + 1)
    if bounds[0] != 0 or (np.diff(bounds) < 1).any() or bounds[-1] != len(bits) or len(bits) * 32 > MAX_TREE_CATEGORIES:
        raise _wrong(
            f"cat_boundaries of tree {index}", str(bounds[:6].tolist()), f"numbers that rise from 0 to {len(bits)}"
        )
    places = _numbers(fields["threshold"], "threshold")[split]
    if len(places) and not np.isin(places, np.arange(categories)).all():
        raise _wrong(f"threshold of tree {index}", "a set of categories that is not there", f"0 to {categories - 1}")
    return True


def _fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if name in found:
            raise _wrong("a line", f"{name[:40]!r} twice", "each name once")
        if equals:
            found[name] = value
    return found


def _numbers(text: str, what: str) -> Numbers:
    values = np.asarray([float(part) for part in text.split()], dtype=np.float64)
    if not np.isfinite(values).all():
        raise _wrong(what, "numbers that are not finite", "finite numbers")
    return values


def _expect(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise _wrong(what, f"{found:,}", f"{expected:,}")


def _wrong(what: str, found: str, allowed: str) -> Damage:
    return Damage(f"has {what} that cannot be", found=found, allowed=allowed, fix=_FIX)
