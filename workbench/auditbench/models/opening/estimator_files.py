"""Estimators of scikit-learn, XGBoost and LightGBM: files of their own kinds, checked; pickles only when they are trusted."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditbench.errors import ModelError
from auditbench.models.opening.content import ESTIMATORS, PICKLED, compression, content_kind, refuse_other_kind
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.fitted_trees import check_trees
from auditbench.models.opening.incomplete import incomplete_pickle
from auditbench.models.opening.lightgbm_files import LightgbmFacts, check_lightgbm
from auditbench.models.opening.limits import MAX_INFLATED_ESTIMATOR
from auditbench.models.opening.missing_classes import missing_class
from auditbench.models.opening.packages import require
from auditbench.models.opening.programs import PICKLED_ESTIMATOR, is_trusted, untrusted
from auditbench.models.opening.skops_files import open_skops
from auditbench.models.opening.unpacking import inflated
from auditbench.models.opening.xgboost_files import XgboostFacts, check_xgboost

_PACKAGES = {"skops": ("skops",), "xgboost": ("xgboost",), "lightgbm": ("lightgbm",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEstimator:
    """What a file held.

    Attributes:
        estimator: With `predict`, and `predict_proba` where it is a classifier; a `Booster` of XGBoost or LightGBM from
            their own files.
        kind: `skops`, `xgboost`, `lightgbm` or `pickle`.
        facts: What a booster's own file says.
        saved_with: Versions of libraries that a part of it was saved with, where they are others than are installed:
            pairs of the version there and the one here.
    """

    estimator: Any
    kind: str
    sha256: str
    facts: XgboostFacts | LightgbmFacts | None = None
    saved_with: tuple[tuple[str, str], ...] = ()


def open_estimator(path: Path, *, trust: Collection[str]) -> OpenedEstimator:
    """Open a file by its content.

    Args:
        trust: Digests of the pickles that may run, in hex.

    Raises:
        MissingDependencyError: The library that it takes is not installed.
        UntrustedModelError: It is a pickle whose digest is not in `trust`, or holds types that are on no list; nothing of
            it has run.
        ModelError: It is of another kind, is damaged, or its trees are none.
    """
    content = read_file(path)
    with refusing(path):
        kind = content_kind(content)
    if kind in PICKLED:
        return _open_pickle(path, content, kind, trust)
    if kind not in ESTIMATORS:
        refuse_other_kind(
            path, kind, "skops, a model of XGBoost (JSON, UBJSON) or LightGBM (text), or a trusted pickle"
        )
    require(_PACKAGES[kind], extra="trees", where=str(path))
    with refusing(path):
        estimator, facts, saved = _OPENERS[kind](content, path)
        _check_trees(estimator)
    return OpenedEstimator(estimator=estimator, kind=kind, sha256=sha256_of(content), facts=facts, saved_with=saved)


_Opened = tuple[Any, XgboostFacts | LightgbmFacts | None, tuple[tuple[str, str], ...]]


def _open_skops(content: bytes, path: Path) -> _Opened:
    estimator, saved = _versions(lambda: open_skops(content, name=path.name, where=str(path)))
    return estimator, None, saved


def _open_xgboost(content: bytes, path: Path) -> _Opened:
    facts = check_xgboost(content)
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise _refused_by("XGBoost", error) from error
    return booster, facts, ()


def _open_lightgbm(content: bytes, path: Path) -> _Opened:
    facts = check_lightgbm(content)
    import lightgbm

    try:
        booster = lightgbm.Booster(model_str=content.decode("utf-8"))
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise _refused_by("LightGBM", error) from error
    return booster, facts, ()


_OPENERS: dict[str, Callable[[bytes, Path], _Opened]] = {
    "skops": _open_skops,
    "xgboost": _open_xgboost,
    "lightgbm": _open_lightgbm,
}


def _refused_by(library: str, error: Exception) -> Damage:
    return Damage(
        f"cannot be opened by {library}",
        found=str(error).strip().partition("\n")[0][:200],
        allowed="a complete file of a version that this one reads",
        fix=f"save it again with {library}",
    )


def _open_pickle(path: Path, content: bytes, kind: str, trust: Collection[str]) -> OpenedEstimator:
    """What a trusted pickle makes, plain or as joblib compresses it."""
    sha256 = sha256_of(content)
    if not is_trusted(sha256, trust):
        raise untrusted(path, PICKLED_ESTIMATOR, content, trust)
    with refusing(path):
        if kind == "compressed":
            inflated(content, compression(content), MAX_INFLATED_ESTIMATOR)
        try:
            estimator, saved = _versions(lambda: _unpickled(content))
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:  # whatever unpickling raises
            said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}".removesuffix(": ")
            if missing := missing_class(content, error):
                raise missing from error
            if kind == "pickle" and (damage := incomplete_pickle(content, said)):
                raise damage from error
            raise Damage(
                "cannot be opened",
                found=said,
                allowed="what joblib.dump or pickle.dump wrote, with the versions of its libraries installed",
                fix="save it again with the versions that are installed here, best with skops.io.dump",
            ) from error
        _check_trees(estimator)
    return OpenedEstimator(estimator=estimator, kind="pickle", sha256=sha256, saved_with=saved)


def _check_trees(estimator: Any) -> None:
    try:
        check_trees(estimator)
    except (Damage, MemoryError):
        raise
    except Exception as error:  # whatever attributes that are not what they should be raise
        raise Damage(
            "holds an estimator whose trees cannot be checked",
            found=f"{type(error).__name__}: {error}"[:200],
            allowed="a fitted estimator as its library leaves it",
            fix="save the estimator again from where it was fitted",
        ) from error


def _unpickled(content: bytes) -> Any:
    """Whatever the pickle makes; joblib reads what pickle.dump writes as well."""
    import joblib  # type: ignore[import-untyped]  # noqa: TID251 - what it reads is trusted by its sha256

    return joblib.load(io.BytesIO(content))


def _versions(load: Callable[[], Any]) -> tuple[Any, tuple[tuple[str, str], ...]]:
    """What was loaded, and which other versions of scikit-learn its parts were saved with.

    Raises:
        ModelError: A part was saved with another major version.
    """
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = load()
    others = [one.message for one in caught if isinstance(one.message, InconsistentVersionWarning)]
    pairs = sorted({(str(one.original_sklearn_version), str(one.current_sklearn_version)) for one in others})
    for saved, here in pairs:
        if saved.partition(".")[0] != here.partition(".")[0]:
            raise Damage(
                "was saved with another major version of scikit-learn",
                found=saved,
                allowed=here,
                fix="fit it again with the version that is installed, or install the version that saved it",
            )
    return estimator, tuple(pairs)


def estimator_fault(estimator: Any, where: str) -> ModelError | None:
    """Why what a file held is no fitted estimator that predicts; None if it is one."""
    if callable(getattr(estimator, "predict", None)):
        return None
    return ModelError(
        "the file holds no estimator",
        where=where,
        found=f"an object of {type(estimator).__module__}.{type(estimator).__qualname__}",
        allowed="a fitted estimator with predict, such as a Pipeline",
        fix="save the fitted estimator itself, and nothing around it",
    )
