"""Files of estimators that a stranger may have made, by what is wrong with them, with words of the refusal."""

from __future__ import annotations

import functools
import io
import json
import os
import pickle  # noqa: TID251 - of files that the test writes itself
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import skops.io
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

NUMBERS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = (NUMBERS.sum(axis=1) > 0).astype(int)


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


class OwnEstimator(LogisticRegression):
    """An estimator of a type that is on no list."""


@functools.cache
def good_skops(kind: str = "linear") -> bytes:
    estimator = {
        "linear": lambda: LogisticRegression().fit(NUMBERS, LABELS),
        "tree": lambda: DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS),
        "xgboost": lambda: xgboost.XGBClassifier(n_estimators=2).fit(NUMBERS, LABELS),
        "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(NUMBERS, LABELS),
    }[kind]()
    return bytes(skops.io.dumps(estimator))


@functools.cache
def good_xgboost(form: str = "json") -> bytes:
    booster = xgboost.XGBClassifier(n_estimators=2, max_depth=3).fit(NUMBERS, LABELS).get_booster()
    return bytes(booster.save_raw(form))


@functools.cache
def good_lightgbm() -> bytes:
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, min_child_samples=5).fit(NUMBERS, LABELS)
    return str(model.booster_.model_to_string()).encode()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_schema(change: Callable[[Any], Any], kind: str = "linear", **more: bytes) -> bytes:
    parts = members(good_skops(kind))
    schema = json.loads(parts["schema.json"])
    changed = change(schema) or schema
    return zipped({**parts, **more, "schema.json": json.dumps(changed).encode()})


def with_attribute(node: dict[str, Any]) -> bytes:
    def change(schema: Any) -> None:
        schema["content"]["content"]["extra"] = node
        schema["content"]["key_types"]["content"].append(schema["content"]["key_types"]["content"][0])

    return with_schema(change)


def node(loader: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": 1, **more}


def booster_node(schema: Any) -> dict[str, Any]:
    found: dict[str, Any] = schema["content"]["content"]["_Booster"]
    return found


def _handle_of_array(schema: Any) -> None:
    array = next(value for value in schema["content"]["content"].values() if value["__loader__"] == "JsonNode")
    booster_node(schema)["content"]["content"]["handle"] = {**array, "__id__": 77}


def _handle_twice(schema: Any) -> None:
    handle = booster_node(schema)["content"]["content"]["handle"]
    schema["content"]["content"]["max_depth"]["__id__"] = handle["__id__"]


def broken_booster() -> bytes:
    parts = members(good_skops("xgboost"))
    name = next(name for name in parts if name.endswith(".bin"))
    parts[name] = parts[name].replace(b"left_children[$l#L", b"left_children[$L#L", 1)
    return zipped(parts)


def broken_text() -> bytes:
    parts = members(good_skops("lightgbm"))
    parts["schema.json"] = parts["schema.json"].replace(b"\\\\nleft_child=", b"\\\\nleft_child=9", 1)
    return zipped(parts)


def wild_tree() -> bytes:
    tree = DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS)
    state = tree.tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"]["left_child"][0] = 1_000_000
    tree.tree_.__setstate__(state)
    return bytes(skops.io.dumps(tree))


def wide_tree() -> bytes:
    tree = DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS)
    tree.n_features_in_ = 1
    return bytes(skops.io.dumps(tree))


def pickled_member() -> bytes:
    array = io.BytesIO()
    np.save(array, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    parts = members(good_skops())
    name = next(name for name in parts if name.endswith(".npy"))
    return zipped({**parts, name: array.getvalue()})


def changed_json(change: Callable[[Any], None]) -> bytes:
    document = json.loads(good_xgboost())
    change(document["learner"])
    return json.dumps(document, separators=(",", ":")).encode()


def in_tree(key: str, place: int, value: Any) -> bytes:
    def change(learner: Any) -> None:
        learner["gradient_booster"]["model"]["trees"][0][key][place] = value

    return changed_json(change)


def _in_model(key: str, value: Any) -> bytes:
    return changed_json(lambda learner: learner["gradient_booster"]["model"].update({key: value}))


def _billion(learner: Any) -> None:
    learner["gradient_booster"]["model"]["gbtree_model_param"]["num_trees"] = "1000000000"


def _many_nodes(learner: Any) -> None:
    learner["gradient_booster"]["model"]["trees"][0]["tree_param"]["num_nodes"] = "2000000000"


def _features(learner: Any) -> None:
    learner["learner_model_param"]["num_feature"] = "99999999999"


def changed_text(old: str, new: str) -> bytes:
    text = good_lightgbm().decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def first_line(name: str) -> str:
    return next(line for line in good_lightgbm().decode().split("\n") if line.startswith(f"{name}="))


def same_length(name: str, change: Callable[[list[str]], list[str]]) -> bytes:
    """The line with other numbers, as many signs as before, so that the sizes of the trees stay right."""
    line = first_line(name)
    numbers = " ".join(change(line.partition("=")[2].split(" ")))
    sizes = first_line("tree_sizes")
    grown = len(f"{name}={numbers}") - len(line)
    first, *others = sizes.partition("=")[2].split(" ")
    return changed_text(line, f"{name}={numbers}").replace(
        sizes.encode(), f"tree_sizes={' '.join([str(int(first) + grown), *others])}".encode()
    )


def nested_ubjson(depth: int) -> bytes:
    head = b"{L" + (7).to_bytes(8, "big") + b"learner"
    return head + b"[" * depth + b"]" * depth + b"}"


RECORDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "skops: calls os.system": (
        lambda: with_attribute(node("FunctionNode", "posix", "system", content="posix.system")),
        "not known to be plain estimators",
    ),
    "skops: a process": (
        lambda: with_attribute(node("ObjectNode", "subprocess", "Popen", content=None)),
        "subprocess.Popen",
    ),
    "skops: a call that operator makes": (
        lambda: with_attribute(
            node(
                "OperatorFuncNode", "operator", "methodcaller", attrs=node("TupleNode", "builtins", "tuple", content=[])
            )
        ),
        "methodcaller",
    ),
    "skops: a class of one's own": (
        lambda: bytes(skops.io.dumps(OwnEstimator().fit(NUMBERS, LABELS))),
        "OwnEstimator",
    ),
    "skops: an unknown loader": (
        lambda: with_attribute(node("MagicNode", "builtins", "eval", content="1")),
        "cannot be opened by skops",
    ),
    "skops: a name that leads elsewhere": (
        lambda: with_schema(lambda schema: None, **{"../../evil.npy": b"x"}),
        "another kind",
    ),
    "skops: a pickle beside the arrays": (
        lambda: with_schema(lambda schema: None, **{"payload.pkl": pickle.dumps(1)}),
        "another kind",
    ),
    "skops: an array with a pickle": (pickled_member, "cannot be opened by skops"),
    "skops: a name twice": (
        lambda: zipped(
            {
                **members(good_skops()),
                "schema.json": members(good_skops())["schema.json"].rstrip()[:-1] + b', "__module__": "os"}',
            }
        ),
        "twice",
    ),
    "skops: nested deep": (
        lambda: zipped({"a.npy": b"", "schema.json": b'{"content":' * 5000 + b"1" + b"}" * 5000}),
        "nested too deep",
    ),
    "skops: unpacks to much more": (
        lambda: zipped({**members(good_skops()), "a.npy": b"\0" * 30_000_000}, zipfile.ZIP_DEFLATED),
        "",
    ),
    "skops: a booster that is damaged": (broken_booster, "has a length of an unknown kind"),
    "skops: a booster that is no bytes": (
        lambda: with_schema(_handle_of_array, "xgboost"),
        "a booster that is not as skops writes it",
    ),
    "skops: a booster that stands there twice": (
        lambda: with_schema(_handle_twice, "xgboost"),
        "a booster that is not as skops writes it",
    ),
    "skops: a text of LightGBM that is damaged": (broken_text, "no LightGBM model that can be checked"),
    "skops: a tree that leads out of memory": (wild_tree, "has a tree whose indices cannot be"),
    "skops: a tree of more features than its estimator": (wide_tree, "has a tree of other features"),
    "xgboost: a billion trees": (lambda: changed_json(_billion), "num_trees that cannot be"),
    "xgboost: two billion nodes": (lambda: changed_json(_many_nodes), "that cannot be"),
    "xgboost: too many features": (lambda: changed_json(_features), "sizes that cannot be"),
    "xgboost: a negative child": (lambda: in_tree("left_children", 0, -7), "children of tree 0 that cannot be"),
    "xgboost: a child far away": (lambda: in_tree("right_children", 0, 10**6), "children of tree 0 that cannot be"),
    "xgboost: a circle": (lambda: in_tree("left_children", 1, 2), "tree 0 that cannot be"),
    "xgboost: back to the root": (lambda: in_tree("left_children", 1, 0), "children of tree 0 that cannot be"),
    "xgboost: another parent": (lambda: in_tree("parents", 2, 2**31 - 1), "parents of tree 0 that cannot be"),
    "xgboost: a feature that is not there": (lambda: in_tree("split_indices", 0, 3), "split_indices of tree 0"),
    "xgboost: a text for a number": (lambda: in_tree("left_children", 0, "1"), "left_children that cannot be"),
    "xgboost: a number that is none": (
        lambda: good_xgboost().replace(b'"base_weights":[', b'"base_weights":[NaN,', 1),
        "not valid JSON",
    ),
    "xgboost: a group that is not there": (lambda: _in_model("tree_info", [0, 5]), "tree_info that cannot be"),
    "xgboost: rounds that are not there": (lambda: _in_model("iteration_indptr", [0, 9]), "iteration_indptr"),
    "xgboost: no trees at all": (lambda: _in_model("trees", None), "no XGBoost model that can be checked"),
    "xgboost: nested deep": (lambda: b'{"learner":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deep"),
    "xgboost: cut off": (lambda: good_xgboost()[:-40], "not valid JSON"),
    "xgboost: with an archive behind it": (lambda: good_xgboost() + zipped({"a": b"b"}), "polyglot"),
    "ubjson: cut off": (lambda: good_xgboost("ubj")[:-20], "is not complete"),
    "ubjson: more behind it": (lambda: good_xgboost("ubj") + b"x", "bytes behind its end"),
    "ubjson: nested deep": (lambda: nested_ubjson(100_000), "nested too deep"),
    "ubjson: a list that promises more": (
        lambda: nested_ubjson(0)[:-1] + b"[#L" + (2**40).to_bytes(8, "big"),
        "promises more than it holds",
    ),
    "ubjson: a negative length": (
        lambda: nested_ubjson(0)[:-1] + b"SL" + (-5).to_bytes(8, "big", signed=True),
        "negative length",
    ),
    "ubjson: numbers without end": (
        lambda: nested_ubjson(0)[:-1] + b"[$d#L" + (2**60).to_bytes(8, "big"),
        "is not complete",
    ),
    "lightgbm: a child far away": (
        lambda: same_length("left_child", lambda numbers: ["999999", *numbers[1:]]),
        "tree 0 that cannot be",
    ),
    "lightgbm: a circle": (
        lambda: same_length("left_child", lambda numbers: ["0", *numbers[1:]]),
        "tree 0 that cannot be",
    ),
    "lightgbm: a leaf far away": (
        lambda: same_length("right_child", lambda numbers: ["-999999", *numbers[1:]]),
        "tree 0 that cannot be",
    ),
    "lightgbm: a feature that is not there": (
        lambda: same_length("split_feature", lambda numbers: ["77", *numbers[1:]]),
        "split_feature of tree 0",
    ),
    "lightgbm: too few thresholds": (
        lambda: same_length("threshold", lambda numbers: numbers[:1]),
        "threshold of tree 0",
    ),
    "lightgbm: a threshold that is none": (
        lambda: same_length("threshold", lambda numbers: ["nan", *numbers[1:]]),
        "not finite",
    ),
    "lightgbm: categories that are not there": (
        lambda: same_length("decision_type", lambda numbers: ["1", *numbers[1:]]),
        "decision_type of tree 0",
    ),
    "lightgbm: sizes beyond the file": (
        lambda: changed_text(first_line("tree_sizes"), "tree_sizes=99999999 1"),
        "tree_sizes that cannot be",
    ),
    "lightgbm: sizes that are a little off": (
        lambda: changed_text("\ndecision_type=2 ", "\ndecision_type=2  "),
        "that cannot be",
    ),
    "lightgbm: a decision of no kind": (
        lambda: same_length("decision_type", lambda numbers: ["1000", *numbers[1:]]),
        "decision_type of tree 0",
    ),
    "lightgbm: fewer sizes than trees": (
        lambda: changed_text(first_line("tree_sizes"), first_line("tree_sizes").rpartition(" ")[0]),
        "that cannot be",
    ),
    "lightgbm: billions of classes": (lambda: changed_text("num_class=1", "num_class=9999999999"), "that cannot be"),
    "lightgbm: a line twice": (lambda: changed_text("label_index=0", "label_index=0\nversion=v4"), "twice"),
    "lightgbm: cut off": (lambda: good_lightgbm()[:400], "that cannot be"),
    "lightgbm: with an archive behind it": (lambda: good_lightgbm() + zipped({"a": b"b"}), "polyglot"),
    "no estimator at all": (lambda: b"print('hello')\n", "is of another kind"),
}
