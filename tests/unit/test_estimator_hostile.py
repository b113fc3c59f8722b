"""Files of estimators that a stranger may have made: refused with a reason, and none of them runs anything."""

from __future__ import annotations

import gzip
import io
import pickle  # noqa: TID251 - of files that the test writes itself
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]  # noqa: TID251 - of files that the test writes itself
import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from auditbench.errors import ModelError, UntrustedModelError
from auditbench.models.opening import content_kind
from auditbench.models.opening.estimator_files import open_estimator
from auditbench.models.opening.files import sha256_of
from tests.hostile_estimators import (
    LABELS,
    NUMBERS,
    RECORDS,
    Payload,
    good_lightgbm,
    good_skops,
    good_xgboost,
    zipped,
)


@pytest.mark.parametrize("name", RECORDS)
def test_a_hostile_file_is_refused(name: str, tmp_path: Path) -> None:
    build, says = RECORDS[name]
    path = tmp_path / "model"
    path.write_bytes(build())
    with pytest.raises(ModelError) as caught:
        open_estimator(path, trust=())
    shown = caught.value.describe()
    assert says in shown
    assert "fix: " in shown
    assert "found: " in shown


@pytest.mark.parametrize("good", [good_skops, lambda: good_skops("xgboost"), lambda: good_skops("lightgbm"), good_xgboost,
                                  lambda: good_xgboost("ubj"), good_lightgbm, lambda: good_skops("tree")])  # fmt: skip
def test_what_they_are_made_of_opens(good: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(good())
    assert callable(open_estimator(path, trust=()).estimator.predict)


@pytest.mark.parametrize("pack", [pickle.dumps, lambda payload: joblib_bytes(payload, 0), lambda payload: joblib_bytes(payload, 3),
                                  lambda payload: gzip.compress(pickle.dumps(payload)),
                                  lambda payload: pickle.dumps({"model": [payload]}, protocol=0)])  # fmt: skip
def test_a_pickle_does_not_run(pack: Callable[[Any], bytes], tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "model.joblib"
    path.write_bytes(pack(Payload(marker)))
    with pytest.raises(ModelError, match=r"dangerous calls: .*system"):
        open_estimator(path, trust=())
    assert not marker.exists()


def joblib_bytes(value: Any, compress: int) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


@pytest.mark.parametrize("compress", [0, 3])
def test_an_estimator_in_a_pickle_is_refused_until_it_is_trusted(compress: int, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    content = joblib_bytes(LogisticRegression().fit(NUMBERS, LABELS), compress)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is a program: opening it runs what is in it") as caught:
        open_estimator(path, trust=("0" * 64,))
    assert f"--trust-model {sha256_of(content)}" in caught.value.describe()
    assert open_estimator(path, trust=(sha256_of(content),)).estimator.coef_.shape == (1, 3)


def test_a_trusted_pickle_unpacks_to_no_more_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.models.opening.estimator_files.MAX_INFLATED_ESTIMATOR", 2**20)
    path = tmp_path / "model.joblib"
    content = joblib_bytes(np.zeros(2**22), 9)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="unpacks to more than 1,048,576 bytes"):
        open_estimator(path, trust=(sha256_of(content),))


def test_a_trusted_pickle_that_is_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    content = pickle.dumps(LogisticRegression().fit(NUMBERS, LABELS))[:-30]
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is damaged or cut off"):
        open_estimator(path, trust=(sha256_of(content),))


def test_types_that_another_version_wrote_name_that_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(LogisticRegression):
        """Of a version that is not installed."""

    Gone.__module__, Gone.__qualname__ = "sklearn.linear_model._gone", "Gone"
    monkeypatch.setattr("sklearn.base.__version__", "1.2.3")
    content = skops.io.dumps(Gone().fit(NUMBERS, LABELS))
    monkeypatch.undo()
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(UntrustedModelError, match="not known to be plain estimators") as caught:
        open_estimator(path, trust=())
    said = caught.value.describe()
    assert "found: sklearn.linear_model._gone.Gone" in said
    assert "fix: fit it again with the scikit-learn that is installed, since 1.2.3 saved it; or build" in said


@pytest.mark.parametrize("width", ["three", np.zeros(3)])
def test_an_estimator_whose_trees_cannot_be_checked_is_refused(width: Any, tmp_path: Path) -> None:
    tree = DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS)
    tree.n_features_in_ = width
    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps(tree))
    with pytest.raises(ModelError, match="holds an estimator whose trees cannot be checked"):
        open_estimator(path, trust=())


@pytest.mark.parametrize("shape", [(0, 8), (1, 1)])
def test_sets_of_categories_have_their_size(shape: tuple[int, int], tmp_path: Path) -> None:
    boosted = HistGradientBoostingClassifier(max_iter=1).fit(NUMBERS, LABELS)
    tree = boosted._predictors[0][0]
    tree.nodes["is_categorical"][0], tree.nodes["bitset_idx"][0] = 1, 0
    tree.raw_left_cat_bitsets = tree.binned_left_cat_bitsets = np.zeros(shape, dtype=np.uint32)
    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps(boosted))
    with pytest.raises(ModelError, match="a set of categories that is not there"):
        open_estimator(path, trust=())


def test_a_tree_of_a_trusted_pickle_is_checked_too(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS)
    state = tree.tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"]["right_child"][0] = -9
    tree.tree_.__setstate__(state)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(tree))
    with pytest.raises(ModelError, match="has a tree whose indices cannot be"):
        open_estimator(path, trust=(sha256_of(path.read_bytes()),))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (good_skops, "skops"),
        (good_xgboost, "xgboost"),
        (lambda: good_xgboost("ubj"), "xgboost"),
        (lambda: b'{\n  "learner": {}}', "xgboost"),
        (good_lightgbm, "lightgbm"),
        (lambda: zipped({"schema.json": b"{}", "data.pkl": b""}), "zip"),
        (lambda: b'{"learners": {}}', "json"),
        (lambda: b"tree of life\n", "text"),
    ],
)
def test_content_says_what_it_is(content: Callable[[], bytes], kind: str) -> None:
    assert content_kind(content()) == kind
