"""XGBoost's own files, JSON or UBJSON: checked before its parser sees them, which trusts every index that they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.models.opening.files import Damage
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.limits import MAX_ESTIMATOR_JSON_BYTES, MAX_TREE_CATEGORIES
from auditbench.models.opening.ubjson import parse_ubjson

if TYPE_CHECKING:
    import numpy.typing as npt

_OF_NODES = ("left_children", "right_children", "split_indices", "split_conditions", "default_left", "parents")
_NO_PARENT = (2**31 - 1, -1)
_FIX = "save it again with Booster.save_model of XGBoost 2.1 or later"


@dataclass(frozen=True, slots=True, kw_only=True)
class XgboostFacts:
    """What a checked file says about itself.

    Attributes:
        booster: `gbtree`, `dart` or `gblinear`.
        objective: Such as `binary:logistic`.
        classes: 0 where the objective has none.
        trees: Their number.
        category_names: Whether the file holds the names of the categories that its trees split on.
        categorical: Whether a tree splits on a category.
    """

    booster: str
    objective: str
    features: int
    classes: int
    targets: int
    trees: int
    category_names: bool
    categorical: bool


def check_xgboost(content: bytes) -> XgboostFacts:
    """Check every size and index that XGBoost would follow.

    Raises:
        Damage: The file is no model, or a number in it leads out of an array or round in a circle.
    """
    document = _parsed(content)
    try:
        return _checked(document.get("Model", document))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, Damage):
            raise
        raise Damage(
            "is no XGBoost model that can be checked",
            found=f"{type(error).__name__}: {error}"[:160],
            allowed="what Booster.save_model writes",
            fix=_FIX,
        ) from error


def _parsed(content: bytes) -> dict[str, Any]:
    if content[1:2] == b"L":
        return parse_ubjson(content)
    if len(content) > MAX_ESTIMATOR_JSON_BYTES:
        raise Damage(
            "is too large for JSON",
            found=f"{len(content):,} bytes",
            allowed=f"at most {MAX_ESTIMATOR_JSON_BYTES:,} bytes",
            fix="save it as UBJSON: booster.save_model('model.ubj')",
        )
    try:
        document = parse_strictly(content)
    except ValueError as error:
        raise Damage("is not valid JSON", found=str(error)[:160], fix=_FIX) from error
    if not isinstance(document, dict):
        raise Damage("holds no object", found=type(document).__name__)
    return document


def _checked(document: Mapping[str, Any]) -> XgboostFacts:
    learner = document["learner"]
    param = learner["learner_model_param"]
    features, classes, targets = (int(param[key]) for key in ("num_feature", "num_class", "num_target"))
    if not 1 <= features <= 2**20 or not 0 <= classes <= 2**16 or not 1 <= targets <= 2**16:
        raise _wrong("sizes", f"{features} features, {classes} classes, {targets} targets", "sizes that models have")
    gradient_booster = learner["gradient_booster"]
    name, groups = gradient_booster["name"], max(1, classes) * targets
    trees, names, categorical = 0, False, False
    if name == "gblinear":
        _expect("weights", len(gradient_booster["model"]["weights"]), (features + 1) * groups)
        _finite(np.asarray(gradient_booster["model"]["weights"], dtype=np.float64), "weights")
    elif name in ("gbtree", "dart"):
        whole = gradient_booster["gbtree"] if name == "dart" else gradient_booster
        model = whole["model"]
        categorical = _check_trees(model, features, groups)
        names = _check_categories(model.get("cats", {}), features)
        trees = len(model["trees"])
        if name == "dart":
            _expect("weight_drop", len(gradient_booster["weight_drop"]), trees)
    else:
        raise _wrong("a booster", repr(name)[:80], "gbtree, dart, gblinear")
    return XgboostFacts(
        booster=name,
        objective=str(learner["objective"]["name"]),
        features=features,
        classes=classes,
        targets=targets,
        trees=trees,
        category_names=names,
        categorical=categorical,
    )


def _check_trees(model: Mapping[str, Any], features: int, groups: int) -> bool:
    """Check all trees; whether one splits on a category."""
    trees = model["trees"]
    _expect("num_trees", int(model["gbtree_model_param"]["num_trees"]), len(trees))
    info = _whole(model["tree_info"], "tree_info")
    _expect("tree_info", len(info), len(trees))
    _within(info, 0, groups, "tree_info")
    if "iteration_indptr" in model:
        steps = _whole(model["iteration_indptr"], "iteration_indptr")
        if len(steps) < 1 or steps[0] != 0 or steps[-1] != len(trees) or (np.diff(steps) < 0).any():
            raise _wrong("iteration_indptr", str(steps[:6].tolist()), f"numbers that rise from 0 to {len(trees)}")
    split = [_check_tree(tree, index, features) for index, tree in enumerate(trees)]
    return any(split)


def _check_tree(tree: Mapping[str, Any], index: int, features: int) -> bool:
    param = tree["tree_param"]
    nodes = int(param["num_nodes"])
    _expect(f"id of tree {index}", int(tree["id"]), index)
    if int(param.get("size_leaf_vector", 1)) > 1:
        raise Damage(
            "has trees with several outputs in a leaf",
            found="multi_strategy = multi_output_tree",
            allowed="one output in a leaf",
            fix="train it with multi_strategy='one_output_per_tree'",
        )
    if nodes < 1:
        raise _wrong(f"tree {index}", f"{nodes} nodes", "at least one")
    for key in (*_OF_NODES, "base_weights"):
        _expect(f"{key} of tree {index}", len(tree[key]), nodes)
    left, right = (_whole(tree[key], key) for key in _OF_NODES[:2])
    inner = left != -1
    children = np.concatenate([left[inner], right[inner]])
    _within(children, 1, nodes, f"children of tree {index}")
    if len(np.unique(children)) != len(children):
        raise _wrong(f"tree {index}", "a node that two nodes lead to", "a tree")
    parents, places = _whole(tree["parents"], "parents"), np.flatnonzero(inner)
    if parents[0] not in _NO_PARENT or not np.array_equal(parents[children], np.concatenate([places, places])):
        raise _wrong(f"parents of tree {index}", "a node that another one leads to", "the node above each")
    _within(_whole(tree["split_indices"], "split_indices")[inner], 0, features, f"split_indices of tree {index}")
    for key in ("split_conditions", "base_weights"):
        _finite(np.asarray(tree[key], dtype=np.float64), f"{key} of tree {index}")
    return _check_category_splits(tree, index, nodes)


def _check_category_splits(tree: Mapping[str, Any], index: int, nodes: int) -> bool:
    if "split_type" in tree:
        _expect(f"split_type of tree {index}", len(tree["split_type"]), nodes)
    named = [
        _whole(tree.get(f"categories{end}", ()), f"categories{end}") for end in ("_nodes", "_segments", "_sizes", "")
    ]
    places, starts, sizes, categories = named
    _expect(f"categories_segments of tree {index}", len(starts), len(places))
    _expect(f"categories_sizes of tree {index}", len(sizes), len(places))
    split = np.flatnonzero(_whole(tree.get("split_type", ()), "split_type"))
    if not np.array_equal(split, places):
        raise _wrong(f"categories_nodes of tree {index}", str(places[:6].tolist()), str(split[:6].tolist()))
    _within(starts, 0, len(categories) + 1, f"categories_segments of tree {index}")
    _within(starts + sizes, 0, len(categories) + 1, f"categories_sizes of tree {index}")
    _within(sizes, 1, len(categories) + 1, f"categories_sizes of tree {index}")
    _within(categories, 0, MAX_TREE_CATEGORIES, f"categories of tree {index}")
    return bool(len(places))


def _check_categories(cats: Mapping[str, Any], features: int) -> bool:
    """Check the names of categories; whether there are any."""
    encodings = cats.get("enc", ())
    if not len(encodings):
        return False
    _expect("cats", len(encodings), features)
    sizes = []
    for item in encodings:
        if "offsets" in item:
            offsets = _whole(item["offsets"], "offsets")
            if len(offsets) and (offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(item["values"])):
                raise _wrong("cats", str(offsets[:6].tolist()), f"numbers that rise from 0 to {len(item['values'])}")
            sizes.append(max(0, len(offsets) - 1))
        else:
            sizes.append(len(item["values"]))
    segments, order = (_whole(cats[key], key) for key in ("feature_segments", "sorted_idx"))
    if not np.array_equal(segments, np.cumsum([0, *sizes])):
        raise _wrong("feature_segments", str(segments[:6].tolist()), "sums of the categories of the features")
    _expect("sorted_idx", len(order), sum(sizes))
    _within(order, 0, max([1, *sizes]), "sorted_idx")
    return any(sizes)


def _whole(values: Any, what: str) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        raise _wrong(what, f"{array.dtype} of shape {array.shape}", "a list of whole numbers")
    return array.astype(np.int64)


def _within(values: npt.NDArray[np.int64], low: int, beyond: int, what: str) -> None:
    wrong = (values < low) | (values >= beyond)
    if wrong.any():
        raise _wrong(what, str(int(values[wrong][0])), f"from {low} to {beyond - 1}")


def _finite(values: npt.NDArray[np.float64], what: str) -> None:
    if values.ndim != 1 or not np.isfinite(values).all():
        raise _wrong(what, "numbers that are not finite", "finite numbers")


def _expect(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise _wrong(what, f"{found:,}", f"{expected:,}")


def _wrong(what: str, found: str, allowed: str) -> Damage:
    return Damage(f"has {what} that cannot be", found=found, allowed=allowed, fix=_FIX)
