"""skops files: estimators of scikit-learn, XGBoost and LightGBM without a pickle, of types that are on a list.

The list is that of skops and the types below, which skops leaves to its callers: plain estimators of the three libraries,
and arrays of trees, whose indices are checked here before anything follows them.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from auditbench.errors import UntrustedModelError
from auditbench.models.opening.archives import read_archive, read_member
from auditbench.models.opening.files import Damage
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.lightgbm_files import check_lightgbm
from auditbench.models.opening.limits import MAX_JSON_BYTES
from auditbench.models.opening.xgboost_files import check_xgboost

SCHEMA = "schema.json"
TRUSTED_TYPES = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
    "xgboost.sklearn.XGBRegressor",
)
"""Beside those of skops itself. A tree and a booster are checked; search trees of neighbours are not, and so not here."""

_SHOWN = 6
_DEEPEST = 200
_BOOSTERS = {"xgboost.core": ("handle", "BytearrayNode"), "lightgbm.basic": ("_handle", "JsonNode")}


def open_skops(content: bytes, *, name: str, where: str) -> Any:
    """The estimator in a skops file.

    Args:
        name: Of the file, and `where` its path, for messages.

    Raises:
        UntrustedModelError: It needs types that are not on the list; none of them was made.
        Damage: It is no such file, or damaged.
    """
    import skops.io  # type: ignore[import-untyped]
    from skops.io.exceptions import UntrustedTypesFoundException  # type: ignore[import-untyped]

    schema = _checked_schema(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries say while skops names their types
            untrusted = [str(kind) for kind in skops.io.get_untrusted_types(data=content)]
        outside = sorted(set(untrusted) - set(TRUSTED_TYPES))
        if outside:
            raise _outside(outside, name, where, saved_with=_other_version(schema))
        _check_boosters(content, schema)
        return skops.io.loads(content, trusted=sorted(set(untrusted)))
    except UntrustedTypesFoundException as error:
        raise _outside([str(error)[:200]], name, where) from error
    except (UntrustedModelError, Damage, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # whatever reading state that does not fit raises
        raise Damage(
            "cannot be opened by skops",
            found=f"{type(error).__name__}: {error}"[:200],
            allowed="what skops.io.dump writes, of versions that are installed here",
            fix="save it again with the versions of scikit-learn and skops that are installed here",
        ) from error


def _other_version(schema: Mapping[str, Any]) -> str:
    """The version of scikit-learn that the schema names, if it is not the one that is installed."""
    import sklearn

    named = [node["_sklearn_version"] for node in _nodes(schema) if isinstance(node.get("_sklearn_version"), dict)]
    version = str(named[0].get("content")).strip('"') if named else ""
    return version[:20] if version and version != sklearn.__version__ else ""


def _outside(types: list[str], name: str, where: str, *, saved_with: str = "") -> UntrustedModelError:
    more = f" and {len(types) - _SHOWN} more" if len(types) > _SHOWN else ""
    again = (
        f"fit it again with the scikit-learn that is installed, since {saved_with} saved it; or " if saved_with else ""
    )
    return UntrustedModelError(
        f"{name} holds objects of types that are not known to be plain estimators",
        where=where,
        found=", ".join(types[:_SHOWN]) + more,
        allowed="estimators of scikit-learn, XGBoost and LightGBM whose types skops or the product lists",
        fix=f"{again}build the estimator of listed types; or save it with joblib.dump, look at that file with `auditbench scan FILE`, and "
        'trust its sha256; or audit it as a function: model.format = "callable"',
    )


def _checked_schema(content: bytes) -> Mapping[str, Any]:
    members = read_archive(content, deflated=True)
    if SCHEMA not in members:
        raise Damage("is no skops file", found="an archive without schema.json")
    text = read_member(content, members[SCHEMA], most=MAX_JSON_BYTES)
    for name, member in members.items():
        read_member(content, member)
        if name != SCHEMA and not name.endswith((".npy", ".npz", ".bin")):
            raise Damage("has a member that skops does not write", found=repr(name[:80]), allowed="arrays and bytes")
    try:
        schema = parse_strictly(text)
    except ValueError as error:
        raise Damage("has a schema that is not valid JSON", found=str(error)[:160]) from error
    if not isinstance(schema, dict):
        raise Damage("has a schema that is no object", found=type(schema).__name__)
    return schema


def _check_boosters(content: bytes, schema: Mapping[str, Any]) -> None:
    """Check what the native parsers of boosters would be given."""
    nodes = list(_nodes(schema))
    ids = Counter(repr(node["__id__"]) for node in nodes if "__id__" in node)
    members = read_archive(content, deflated=True)
    for node in nodes:
        module = str(node.get("__module__"))
        if node.get("__class__") != "Booster" or module not in _BOOSTERS:
            continue
        key, loader = _BOOSTERS[module]
        handle = _handle(node, key)
        if handle.get("__loader__") != loader or ids[repr(handle.get("__id__"))] != 1:
            raise Damage("has a booster that is not as skops writes it", found=str(handle.get("__loader__"))[:80])
        if module == "xgboost.core":
            check_xgboost(read_member(content, members[str(handle["file"])]))
        else:
            check_lightgbm(str(json.loads(handle["content"])).encode())


def _handle(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The node of what a booster is made from; it and its own place stand there once."""
    state = node.get("content")
    entries = state.get("content") if isinstance(state, dict) and state.get("__loader__") == "DictNode" else None
    if node.get("__loader__") != "ObjectNode" or not isinstance(entries, dict):
        raise Damage("has a booster that is not as skops writes it", found=str(node.get("__loader__"))[:80])
    others = {"handle", "_handle"} - {key}
    handle = entries.get(key)
    if not isinstance(handle, dict) or others & set(entries):
        raise Damage("has a booster that is not as skops writes it", found=", ".join(map(str, entries))[:80])
    return handle


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of the schema, from a stack of our own, since files may be nested deep."""
    left: list[tuple[Any, int]] = [(value, 0)]
    while left:
        item, depth = left.pop()
        if depth > _DEEPEST:
            raise Damage("is nested too deep", found=f"more than {_DEEPEST} levels")
        if isinstance(item, dict):
            yield item
            left += [(inner, depth + 1) for inner in item.values()]
        elif isinstance(item, list):
            left += [(inner, depth + 1) for inner in item]
