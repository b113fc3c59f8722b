"""Writing a model of another format as a bundle, once the bundle gives its outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.config import ModelTable
from auditbench.errors import ModelError
from auditbench.models.bundle import WEIGHTS, bundle_exists, load_bundle, refuse_foreign, save_bundle
from auditbench.models.description import BundleDescription
from auditbench.models.differences import Difference, scaled_difference
from auditbench.models.exporting.from_estimators import CONVERTIBLE, match_estimator
from auditbench.models.exporting.kinds import Conversion
from auditbench.models.exporting.matching import Matched, match_network, random_difference
from auditbench.models.formats import FORMATS
from auditbench.models.opening import read_file, sha256_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.evaluation import Inputs
    from auditbench.models.architecture import Architecture
    from auditbench.models.subject import ModelUnderTest

_MOST_MOVED = 10_000
_AS_IT_IS = "audit it as it is: auditbench audit CONFIG"
_OTHERS: Mapping[str, str] = {
    "graph": "an ONNX graph says operations, and not which architecture they came from",
    "keras": "a Keras network has layers of its own",
    "huggingface": "a network of transformers is none of the product's architectures",
    "callable": "a function may compute anything",
    "predictions": "columns of predictions hold no model",
    "endpoint": "the model is behind an address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outputs:
    """Outputs of one batch of rows by the model and by the bundle, in the scale of the model."""

    expected: npt.NDArray[Any]
    found: npt.NDArray[Any]


def refuse_unconvertible(table: ModelTable) -> None:
    """Refuse a format of which no bundle is made, before anything is opened.

    Raises:
        ModelError: With the reason and what can be done instead.
    """
    content = FORMATS.get(table.format)
    if content == "bundle":
        raise ModelError(
            "the model is a bundle already",
            where="model.format",
            found="bundle",
            allowed="another format",
            fix="copy its folder, or write it in another format: auditbench export CONFIG --to onnx,pt2",
        )
    if content not in ("weights", "program", "estimator"):
        raise ModelError(
            "a model of this format cannot be written as a bundle",
            where="model.format",
            found=f"{table.format}: {_OTHERS.get(content or '', 'a plugin opens it')}",
            allowed=", ".join(name for name, kind in FORMATS.items() if kind in ("weights", "program", "estimator")),
            fix=_AS_IT_IS,
        )


def write_conversion(
    model: ModelUnderTest,
    table: ModelTable,
    batches: Callable[[], Iterable[Inputs]],
    folder: Path,
    *,
    target: str,
    tolerance: float,
    replace: bool,
    architectures: Mapping[str, Architecture],
) -> Conversion:
    """Write a model as a bundle, if it is a network of an architecture and gives equal outputs.

    Args:
        model: On the CPU.
        batches: The evaluated rows.
        folder: Where the bundle goes; it appears complete or not at all.
        target: Name of what is predicted.
        tolerance: Largest scaled difference; see `Difference`.
        replace: Whether an earlier bundle there may be replaced.

    Raises:
        ModelError: It is no such network, its outputs differ, something stands in the folder, or it cannot be written.
    """
    _refuse_standing(folder, replace=replace)
    matched = _matched(model, table, architectures, tolerance)
    description = BundleDescription(
        architecture=matched.architecture,
        parameters=matched.parameters,
        task=model.facts.task,
        classes=model.facts.classes,
        target=target,
        output=matched.output,
        inputs=matched.inputs,
    )
    with tempfile.TemporaryDirectory(prefix="auditbench-convert-") as place:
        save_bundle(Path(place) / "bundle", description, matched.tensors)
        bundle = load_bundle(Path(place) / "bundle", table, "cpu", architectures)
    random = _on_random_rows(model, bundle, batches)
    _refuse_other(random, "random rows", tolerance)
    data = _difference(_compared(model, bundle, batches()), model)
    _refuse_other(data, "rows of the data", tolerance)
    save_bundle(folder, description, matched.tensors)
    content = read_file(folder / WEIGHTS)
    return Conversion(
        folder=str(folder),
        architecture=matched.architecture,
        parameters=dict(matched.parameters),
        output=matched.output,
        was=model.facts.output,
        sha256=sha256_of(content),
        size=len(content),
        digest=bundle.facts.digest,
        on_random_rows=random,
        on_data=data,
    )


def _refuse_standing(folder: Path, *, replace: bool) -> None:
    refuse_foreign(folder)
    if bundle_exists(folder) and not replace:
        raise ModelError(
            "a bundle stands where this one would be written",
            where="--out",
            found=str(folder),
            allowed="a folder that is new or empty",
            fix="name another folder, or replace it: --replace",
        )


def _matched(
    model: ModelUnderTest, table: ModelTable, architectures: Mapping[str, Architecture], tolerance: float
) -> Matched:
    if FORMATS[table.format] == "estimator":
        if (found := match_estimator(model)) is not None:
            return found
        raise ModelError(
            "the estimator is no network that a bundle can hold",
            where="model.path",
            found=model.facts.architecture,
            allowed=f"{CONVERTIBLE}, of scikit-learn, on numbers, alone or in a Pipeline behind a StandardScaler",
            fix=_AS_IT_IS,
        )
    named = (table.architecture, table.parameters) if table.architecture is not None else None
    if (matched := match_network(model, architectures, named=named, tolerance=tolerance)) is not None:
        return matched
    shapes = [tuple(tensor.shape) for tensor in model.module.state_dict().values()]
    raise ModelError(
        "the network is none of the product's architectures",
        where="model.path",
        found=f"{model.facts.architecture} with tensors of the shapes {', '.join(map(str, shapes[:8]))}"
        + (f" and {len(shapes) - 8} more" if len(shapes) > 8 else ""),
        allowed="layers in the order, with the functions and of the sizes of one of "
        + ", ".join(sorted(architectures))
        + ", with the same outputs",
        fix=f"{_AS_IT_IS}; a plugin can provide its architecture",
    )


def _on_random_rows(
    model: ModelUnderTest, bundle: ModelUnderTest, batches: Callable[[], Iterable[Inputs]]
) -> Difference:
    """On random encoded rows; of estimators, which take none, on rows whose columns are drawn from different rows."""
    if model.facts.format != "estimator":
        return random_difference(model, bundle.module, bundle.facts.output)
    return _difference(_compared(model, bundle, _moved(batches())), model)


def _moved(batches: Iterable[Inputs]) -> Iterator[Inputs]:
    """Rows with each column in an order of its own, so that no row is one of the data."""
    generator = np.random.default_rng(0)
    for inputs in batches:
        yield {name: generator.permuted(array[:_MOST_MOVED], axis=0) for name, array in inputs.items()}


def _compared(model: ModelUnderTest, bundle: ModelUnderTest, batches: Iterable[Inputs]) -> Iterator[_Outputs]:
    for inputs in batches:
        expected, found = model.predict(inputs), bundle.predict(inputs)
        if bundle.facts.output != model.facts.output:
            found = bundle.probabilities(found)
            found = found[:, 1:] if expected.shape[1] == 1 else found
        yield _Outputs(expected=expected, found=found)


def _difference(outputs: Iterable[_Outputs], model: ModelUnderTest) -> Difference:
    total, largest, size = 0, 0.0, 0.0
    for batch in outputs:
        total += len(batch.expected)
        apart = np.abs(batch.expected - batch.found)
        largest = max(largest, float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)))
        size = max(size, float(np.abs(np.nan_to_num(batch.expected)).max(initial=0.0)))
    return Difference(rows=total, largest=largest, scaled=scaled_difference(largest, size, model.facts.output))


def _refuse_other(found: Difference, what: str, tolerance: float) -> None:
    if not found.scaled <= tolerance:
        raise ModelError(
            "the bundle gives other outputs than the model",
            where="model.path",
            found=f"a difference of {found.largest:.3g}, scaled {found.scaled:.3g}, on {found.rows:,} {what}",
            allowed=f"a scaled difference of at most {tolerance:g}",
            fix=f"accept it with a larger --tolerance, or {_AS_IT_IS}",
        )
