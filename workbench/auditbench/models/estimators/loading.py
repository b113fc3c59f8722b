"""From a file of an estimator to a model under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditbench.data.building import class_names
from auditbench.data.coding import code_columns
from auditbench.data.inputs import TableInput
from auditbench.data.modalities import fit_inputs
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.findings import Message
from auditbench.models.black_box import wrap_black_box
from auditbench.models.description import output_count
from auditbench.models.estimators.columns import by_position, table_form
from auditbench.models.estimators.network import EstimatorNetwork
from auditbench.models.estimators.outputs import outputs_of
from auditbench.models.opening.estimator_files import OpenedEstimator, estimator_fault, open_estimator
from auditbench.models.raw_rows import RawTableEncoder, lacking_numbers, missing_kept, raw_inputs
from auditbench.models.wrapping import Interface, Origin
from auditbench.record import plain
from auditbench.run import ProgramFacts

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.table import TableSource
    from auditbench.models.formats import ModelRequest
    from auditbench.models.subject import ModelUnderTest

_TRIED_ROWS = 64
_CLASSES_SHOWN = 10


def load_estimator(request: ModelRequest) -> ModelUnderTest:
    """Open an estimator and wrap it; it computes on the CPU, whatever device is asked for.

    Raises:
        DataError: The rows do not give features or classes.
        MissingDependencyError: The library that it takes is not installed.
        UntrustedModelError: It is a pickle that is not trusted, or holds types that are on no list; nothing has run.
        ModelError: The file is no estimator, or it does not fit the columns, the task or the classes of the data.
    """
    where = str(request.path)
    opened = open_estimator(request.path, trust=request.table.trust)
    if fault := estimator_fault(opened.estimator, where):
        raise fault
    interface = estimator_interface(request)
    return wrap_estimator(
        opened,
        interface,
        _tried_rows(request.source, interface),
        origin=_origin(request, opened, interface),
        declared=bool(request.source.table.classes),
        lacking=lacking_numbers(interface.inputs, request.source),
        where=where,
    )


def estimator_interface(request: ModelRequest) -> Interface:
    """What an estimator takes and gives by what the data and the config say; its file is not looked at.

    Raises:
        DataError: The rows do not give features or classes.
        ModelError: The data are no single table.
    """
    table, source = request.table, request.source
    fitted = fit_inputs(source)
    if len(fitted) != 1 or not isinstance(next(iter(fitted.values())), TableInput):
        raise ModelError(
            "an estimator takes one table",
            where=str(request.path),
            found=", ".join(f"{name!r} ({item.modality})" for name, item in fitted.items()),
            allowed="columns of numbers and categories",
            fix='audit a function that takes these inputs: model.format = "callable"',
        )
    return Interface(
        task=table.task,
        classes=class_names(source, fitted, table.task),
        output="value" if table.task == "regression" else "probability",
        inputs=raw_inputs(fitted, source),
        threshold=table.threshold,
        target=source.table.target,
        declared=tuple(source.table.classes),
    )


def wrap_estimator(
    opened: OpenedEstimator,
    interface: Interface,
    rows: npt.NDArray[np.float64],
    *,
    origin: Origin,
    declared: bool,
    lacking: tuple[str, ...],
    where: str,
) -> ModelUnderTest:
    """A model under test around an estimator of one table.

    Args:
        rows: A few raw rows of the data, to try it with.
        declared: Whether the classes stand in the order of the model's own numbers.
        lacking: Numbers that the data lack somewhere; those that the estimator takes as missing reach it so.

    Raises:
        ModelError: It does not fit the columns, the task or the classes, or depends on other rows.
    """
    ((name, item),) = interface.inputs.items()
    if not isinstance(item, TableInput):
        raise ModelError("an estimator takes a table", where=where, found=f"{item.modality}s", allowed="a table")
    form = table_form(opened.estimator, item.features, where=where)
    outputs = outputs_of(
        opened.estimator,
        opened.facts,
        task=interface.task,
        classes=interface.classes,
        numbered=interface.numbered,
        declared=declared,
        threads=torch.get_num_threads(),
        where=where,
    )
    count = output_count(interface.task, interface.classes)
    saved_with = next((saved for saved, _ in opened.saved_with), "")
    network = EstimatorNetwork(opened.estimator, form, outputs, count=count, where=where, saved_with=saved_with)
    kept = numbers_kept(network, item, name, rows, lacking)
    encoder = RawTableEncoder(item.features, name=name, kept=kept)
    limits = _limits(opened, interface, kept, by_index=outputs.by_index, positions=by_position(form))
    return wrap_black_box(network, interface, origin, encoder, {name: rows}, limits=limits, where=where)


def numbers_kept(
    network: EstimatorNetwork, item: TableInput, name: str, rows: npt.NDArray[np.float64], lacking: tuple[str, ...]
) -> frozenset[str]:
    """The numbers that may be missing to the estimator, of those that the data lack: it is tried on rows without each."""
    kept = []
    for place, feature in enumerate(item.features):
        if feature.name not in lacking or not len(rows):
            continue
        tried = rows[:2].copy()
        tried[:, place] = np.nan
        encoder = RawTableEncoder(item.features, name=name, kept=frozenset({feature.name}))
        try:
            network(encoder({name: torch.from_numpy(tried)}))
        except ModelError:
            continue
        kept.append(feature.name)
    return frozenset(kept)


def described(estimator: Any) -> str:
    """Names of its classes, those of the steps of a pipeline included."""
    steps = [type(step).__name__ for _, step in getattr(estimator, "steps", ()) if not isinstance(step, str)]
    library = type(estimator).__module__.partition(".")[0]
    if type(estimator).__name__ == "Booster":
        return "XGBoost booster" if library == "xgboost" else "LightGBM booster"
    return type(estimator).__name__ + (f" of {', '.join(steps)}" if steps else "")


def _origin(request: ModelRequest, opened: OpenedEstimator, interface: Interface) -> Origin:
    description = {"estimator": opened.sha256, "interface": plain(interface)}
    program = ProgramFacts(name=request.path.name, sha256=opened.sha256, kind="estimator")
    return Origin(
        name=request.table.name,
        format="estimator",
        architecture=described(opened.estimator),
        digest=digest_of(description),
        programs=(program,) if opened.kind == "pickle" else (),
    )


def _tried_rows(source: TableSource, interface: Interface) -> npt.NDArray[np.float64]:
    """The first raw rows to be evaluated."""
    ((_, item),) = interface.inputs.items()
    part = source.test.take(np.arange(min(_TRIED_ROWS, len(source.test))))
    return code_columns(part, item.features, source.table) if isinstance(item, TableInput) else np.empty((0, 0))


def _limits(
    opened: OpenedEstimator, interface: Interface, kept: frozenset[str], *, by_index: bool, positions: bool
) -> tuple[Message, ...]:
    limits = [
        Message(key="core.model_other_version", values={"library": "scikit-learn", "saved": saved, "here": here})
        for saved, here in opened.saved_with
    ]
    if by_index and interface.numbered != tuple(str(index) for index in range(len(interface.numbered))):
        named = [f"{index}: {name}" for index, name in enumerate(interface.numbered[:_CLASSES_SHOWN])]
        limits.append(Message(key="core.model_classes_by_index", values={"classes": ", ".join(named)}))
    if positions:
        limits.append(Message(key="core.model_columns_by_position"))
    return (*limits, *missing_kept(kept))
