"""Trees of scikit-learn after loading: the indices that its compiled code follows without a check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from auditbench.models.opening.files import Damage

_MOST_OBJECTS = 2_000_000
_LEAF = -1
_BITSET_WORDS = 8
"""Words of 32 bits in a set of categories, of which scikit-learn has 256 at most."""
_FIX = "save the estimator again from where it was fitted"


def parts_of(estimator: Any) -> Iterator[Any]:
    """The estimator, and every object of a library of estimators that it holds, each once."""
    seen: set[int] = set()
    left = [estimator]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if len(seen) > _MOST_OBJECTS:
            raise Damage("holds too many objects", found=f"more than {_MOST_OBJECTS:,}")
        if isinstance(item, dict):
            left += item.values()
        elif isinstance(item, (list, tuple)):
            left += [one for one in item if not isinstance(one, (str, bytes, int, float))]
        elif isinstance(item, np.ndarray):
            left += item.ravel().tolist() if item.dtype == object else []
        elif type(item).__module__.partition(".")[0] in ("sklearn", "xgboost", "lightgbm"):
            yield item
            left += vars(item).values() if hasattr(item, "__dict__") else []


def check_trees(estimator: Any) -> None:
    """Check that every tree is one: each node below one other, and every index within its array.

    Raises:
        Damage: An index leads out of an array or round in a circle.
    """
    for part in parts_of(estimator):
        if _is(part, "sklearn.tree._tree", "Tree"):
            _check_links(part.children_left, part.children_right, part.feature, int(part.n_features))
        elif _is(part, "sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"):
            _check_predictor(part, np.iinfo(np.int32).max)
        width = getattr(part, "n_features_in_", None)
        if width is None:
            continue
        for tree in _trees_of(part):
            if _is(tree, "sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"):
                _check_predictor(tree, int(width))
            elif int(tree.n_features) != int(width):
                raise Damage(
                    "has a tree of other features than its estimator",
                    found=str(tree.n_features),
                    allowed=str(width),
                    fix=_FIX,
                )


def _trees_of(part: Any) -> Iterator[Any]:
    """The trees that an estimator hands its rows to without looking at them again."""
    own = getattr(part, "tree_", None)
    if _is(own, "sklearn.tree._tree", "Tree"):
        yield own
    if getattr(part, "estimators_features_", None) is None:
        members = getattr(part, "estimators_", ())
        for member in np.ravel(np.asarray(members, dtype=object)).tolist() if len(members) else ():
            tree = getattr(member, "tree_", None)
            if _is(tree, "sklearn.tree._tree", "Tree"):
                yield tree
    for stage in getattr(part, "_predictors", ()):
        yield from stage


def _is(item: Any, module: str, name: str) -> bool:
    return type(item).__module__ == module and type(item).__name__ == name


def _check_predictor(part: Any, features: int) -> None:
    """A tree of histogram gradient boosting, whose nodes name their bitsets of categories by index."""
    nodes = part.nodes
    inner = nodes["is_leaf"] == 0
    left = np.where(inner, nodes["left"].astype(np.int64), _LEAF)
    right = np.where(inner, nodes["right"].astype(np.int64), _LEAF)
    _check_links(left, right, nodes["feature_idx"].astype(np.int64), features)
    split = inner & (nodes["is_categorical"] != 0)
    bitsets = (part.raw_left_cat_bitsets, part.binned_left_cat_bitsets)
    last = int(nodes["bitset_idx"][split].max()) if split.any() else -1
    if any(last >= len(sets) or (last >= 0 and sets.shape[1:] != (_BITSET_WORDS,)) for sets in bitsets):
        raise Damage("has a tree with a set of categories that is not there", fix=_FIX)


def _check_links(left: Any, right: Any, feature: Any, features: int) -> None:
    inner = left != _LEAF
    children = np.concatenate([left[inner], right[inner]])
    wrong = (
        not len(left)
        or ((children < 1) | (children >= len(left))).any()
        or len(np.unique(children)) != len(children)
        or ((feature[inner] < 0) | (feature[inner] >= features)).any()
    )
    if wrong:
        raise Damage(
            "has a tree whose indices cannot be",
            found="children or features that are not there, or a node below two others",
            allowed="each node below one other, each feature one of those that it was fitted on",
            fix=_FIX,
        )
