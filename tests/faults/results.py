"""Analyzers that return what is no result, or a result that holds what none may."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from auditbench.arrays import StoredArray
from auditbench.findings import Finding, Message
from auditbench.results import AnalysisResult, Attribution, Column, Metric, Note, Table
from tests.faults.fault import FaultGroup

_RAISED, _INVALID = "core.analyzer_raised", "core.invalid_result"
RESULTS = FaultGroup("result", keys=(_INVALID,))
_EITHER = (_RAISED, _INVALID)


@RESULTS("NoneType")
def none(context: Any, params: Any) -> None:
    return None


@RESULTS("dict")
def mapping(context: Any, params: Any) -> dict[str, Any]:
    return {"metrics": [{"name": "m", "value": 1.0}]}


@RESULTS("type")
def class_itself(context: Any, params: Any) -> type[AnalysisResult]:
    return AnalysisResult


@RESULTS("generator")
def generator(context: Any, params: Any) -> Iterator[AnalysisResult]:
    yield AnalysisResult()


@RESULTS("async_generator")
async def async_generator(context: Any, params: Any) -> AsyncIterator[AnalysisResult]:
    yield AnalysisResult()


@RESULTS("tuple")
def tuple_of_results(context: Any, params: Any) -> tuple[AnalysisResult, ...]:
    return (AnalysisResult(),)


@RESULTS("Pretender")
def pretender(context: Any, params: Any) -> Any:
    class Pretender:
        def __getattr__(self, name: str) -> Any:
            return ()

    return Pretender()


@RESULTS(keys=_EITHER)
def evil_subclass(context: Any, params: Any) -> AnalysisResult:
    class Evil(AnalysisResult):
        def __getattribute__(self, name: str) -> Any:
            if name == "metrics":
                raise SystemExit(0)
            return super().__getattribute__(name)

    return Evil()


@RESULTS("nan")
def metric_nan(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_metric(value=float("nan")),))


@RESULTS("inf")
def metric_infinite(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_metric(value=float("inf")),))


@RESULTS("nan")
def metric_nan_afterwards(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_forged(_metric(), value=float("nan")),))


@RESULTS("nan")
def metric_numpy_nan_afterwards(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(metrics=(_forged(_metric(), value=np.float32("nan")),))


@RESULTS(keys=_EITHER)
def metric_beyond_floats(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_metric(value=10**400),))


@RESULTS("n", keys=(_RAISED,))
def metric_without_n(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(Metric(name="m", value=1.0, no_interval="count"),))  # type: ignore[call-arg]


@RESULTS("metrics")
def metric_of_half_a_row(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_metric(n=1.5),))


@RESULTS("metrics")
def metric_of_text(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_forged(_metric(), value="high"),))


@RESULTS("metrics")
def metrics_that_are_numbers(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(1.0, 2.0))  # type: ignore[arg-type]


@RESULTS(keys=_EITHER)
def metrics_that_are_one_number(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=1.0)  # type: ignore[arg-type]


@RESULTS(status="ok")
def metrics_of_one_name(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_metric(value=1.0), _metric(value=2.0)))


@RESULTS("1,000,000", memory_gib=4.0)
def a_million_metrics(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=tuple(_metric(where={"row": str(row)}) for row in range(1_000_000)))


@RESULTS(keys=(*_EITHER, "core.worker_garbled"))
def a_million_cells(context: Any, params: Any) -> AnalysisResult:
    label = Message(key="result.x")
    rows = tuple((number,) for number in range(1_000_000))
    table = Table(name="t", title=label, columns=(Column(name="c", label=label, kind="number"),), rows=rows)
    return AnalysisResult(tables=(table,))


@RESULTS(keys=(*_EITHER, "core.worker_garbled"))
def a_long_name(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(metrics=(_metric(name="m" * 50_000_000),))


@RESULTS("begin with")
def wrong_shape(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(attributions=(_block(outputs=np.zeros((7, 1))),))


@RESULTS("names")
def a_name_too_few(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(attributions=(_block(player_names=("one",)),))


@RESULTS("standard_error")
def standard_error_of_another_shape(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(attributions=(_block(standard_error=np.zeros((3, 1, 9))),))


@RESULTS("dtype object")
def array_of_objects(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(attributions=(_block(values=np.array([[[object()] * 2]] * 3, dtype=object)),))


@RESULTS("dtype complex128")
def array_of_complex_numbers(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(attributions=(_block(values=np.zeros((3, 1, 2), dtype=complex)),))


@RESULTS("dtype")
def array_of_text(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(attributions=(_block(values=np.full((3, 1, 2), "x")),))


@RESULTS("2 that are not")
def array_not_finite(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    values = np.zeros((3, 1, 2))
    values[1] = np.nan
    return AnalysisResult(attributions=(_block(values=values),))


@RESULTS("list")
def list_as_array(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(attributions=(_forged(_block(), values=[[[0.0, 0.0]]] * 3),))


@RESULTS("Tensor")
def tensor_as_array(context: Any, params: Any) -> AnalysisResult:
    import torch

    return AnalysisResult(attributions=(_block(values=torch.zeros(3, 1, 2)),))


@RESULTS(keys=(*_EITHER, "core.out_of_memory_limit", "core.memory_limit"))
def array_of_a_tebibyte(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    names = ("a", "b")
    return AnalysisResult(attributions=(_block(values=np.broadcast_to(0.0, (3, 1, 2, 2**37)), player_names=names),))


@RESULTS(status="ok")
def array_changed_after_return(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    values = np.zeros((3, 1, 2))
    stop = threading.Event()

    def change() -> None:
        while not stop.wait(0.0001):
            values[...] += 1

    threading.Thread(target=change, daemon=True).start()
    threading.Timer(0.3, stop.set).start()
    return AnalysisResult(attributions=(_block(values=values),))


@RESULTS("expected different names")
def blocks_of_one_name(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(attributions=(_block(), _block()))


@RESULTS("expected different `where`")
def findings_of_one_place(context: Any, params: Any) -> AnalysisResult:
    title = Message(key="faults.title")
    high, low = (Finding(rule="faults.gap", severity=severity, title=title) for severity in ("high", "low"))
    return AnalysisResult(findings=(high, dataclasses.replace(high, where={"g": "a"}), low))


@RESULTS("hostname")
def path_out_of_the_folder(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    stolen = StoredArray(path="../../../../../etc/hostname", shape=(3, 1, 2), dtype="float64", sha256="0" * 64)
    return AnalysisResult(attributions=(_block(values=stolen, outputs=np.zeros((3, 1))),))


@RESULTS("hostname")
def absolute_path(context: Any, params: Any) -> AnalysisResult:
    stolen = StoredArray(path="/etc/hostname", shape=(3, 1, 2), dtype="float64", sha256="0" * 64, folder="/")
    return AnalysisResult(attributions=(_block(values=stolen),))


@RESULTS(keys=_EITHER)
def values_in_a_circle(context: Any, params: Any) -> AnalysisResult:
    circle: dict[str, Any] = {}
    circle["itself"] = circle
    return _noted(circle)


@RESULTS(keys=_EITHER)
def values_nested_deep(context: Any, params: Any) -> AnalysisResult:
    nested: Any = 1
    for _ in range(100_000):
        nested = {"a": nested}
    return _noted({"a": nested})


@RESULTS("JSON")
def values_without_json(context: Any, params: Any) -> AnalysisResult:
    return _noted({"a": object()})


@RESULTS("JSON")
def values_of_bytes(context: Any, params: Any) -> AnalysisResult:
    return _noted({"a": b"\xff"})


@RESULTS()
def values_of_nan(context: Any, params: Any) -> AnalysisResult:
    return _noted({"a": float("nan")})


@RESULTS(keys=_EITHER)
def values_that_raise(context: Any, params: Any) -> AnalysisResult:
    class Items(dict[str, Any]):
        def items(self) -> Any:
            raise KeyboardInterrupt

    return _noted(Items(a=1))


@RESULTS("result")
def surrogates(context: Any, params: Any) -> AnalysisResult:
    return _noted({"a": "\ud800"})


@RESULTS("status")
def status_unknown(context: Any, params: Any) -> AnalysisResult:
    return _forged(AnalysisResult(), status="passed")


@RESULTS("reason")
def failed_without_reason(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(status="failed")


@RESULTS("reason")
def ok_with_reason(context: Any, params: Any) -> AnalysisResult:
    return _forged(AnalysisResult(), reason=Message(key="core.timed_out"))


@RESULTS(status="ok")
def name_of_another(context: Any, params: Any) -> AnalysisResult:
    return AnalysisResult(analyzer="performance", topic="performance", metrics=(_metric(),))


@RESULTS(status="ok")
def text_of_a_subclass(context: Any, params: Any) -> AnalysisResult:
    class Text(str):
        def __str__(self) -> str:
            return "../" * 9

        def __eq__(self, other: object) -> bool:
            raise SystemExit(0)

        __hash__ = str.__hash__

    return AnalysisResult(metrics=(_metric(name=Text("m")),))


@RESULTS(status="ok")
def numpy_scalars(context: Any, params: Any) -> AnalysisResult:
    import numpy as np

    return AnalysisResult(metrics=(_metric(value=np.float32(0.5), n=np.int64(3), repeatable=np.bool_(True)),))


@RESULTS(status="ok")
def finding_of_unknown_key(context: Any, params: Any) -> AnalysisResult:
    title = Message(key="nobody.knows.this", values={"<b>": "<script>alert(1)</script>"})
    finding = Finding(rule="nobody.rule", severity="high", title=title, metrics=("nobody.metric",))
    return AnalysisResult(findings=(finding,))


@RESULTS("findings")
def severity_unknown(context: Any, params: Any) -> AnalysisResult:
    finding = Finding(rule="r", severity="deadly", title=Message(key="a.b"))  # type: ignore[arg-type]
    return AnalysisResult(findings=(finding,))


def _metric(**fields: Any) -> Metric:
    return Metric(**{"name": "m", "value": 1.0, "n": 1, "no_interval": "count", **fields})


def _block(**fields: Any) -> Attribution:
    """Three rows, one target, two players."""
    import numpy as np

    whole: Mapping[str, Any] = {
        "name": "block",
        "method": "fault",
        "values": np.zeros((3, 1, 2)),
        "player_names": ("one", "two"),
        "target_names": ("yes",),
        "base_values": np.zeros((3, 1)),
        "outputs": np.zeros((3, 1)),
        "row_ids": ("1", "2", "3"),
        "unit": "logit",
        "model_rows": 3,
    }
    return Attribution(**{**whole, **fields})


def _noted(values: Mapping[str, Any]) -> AnalysisResult:
    return AnalysisResult(notes=(Note(kind="limit", text=Message(key="result.note", values=values)),))


def _forged(record: Any, **fields: Any) -> Any:
    """A record with fields that its own checks have not seen."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)
    return record
