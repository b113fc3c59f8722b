"""Running one analyzer: whatever it does becomes a result that says so."""

from __future__ import annotations

import dataclasses
import importlib
import json
import random
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditbench.contracts import Analyzer, Needs, Program
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Finding, Message, Severity
from auditbench.messages import Catalogue, load_messages
from auditbench.plugin_entries import PluginEntry
from auditbench.record import plain
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult, Attribution, ImageOverlay, Matrix, MethodFacts, Metric
from auditbench.testing import toy_context, toy_subject
from auditbench.worker.analysis import Outcome, presentable, rerun, run_analyzer
from auditbench.worker.array_store import with_stored, write_array
from auditbench.worker.process_state import ProcessState
from auditbench.worker.subject_opening import make_subject

TITLE = Message(key="toy.title")
WALKS = MethodFacts(name="toy.walks", source=("arXiv:2104.12199",))
EXACT = MethodFacts(name="toy.exact", source=())
ORIGIN = PluginEntry(name="toy", module="m", distribution="toys", version="2.5")


def run(analyze: Callable[..., Any], *, needs: Needs | None = None, **fields: Any) -> Outcome:
    analyzer = Analyzer(
        name="toy", topic="probe", summary="", analyze=analyze, needs=needs or Needs(), methods=(WALKS, EXACT)
    )
    return run_analyzer(Provided(record=analyzer, origin=ORIGIN), toy_context(), Registry(), **fields)


def returning(value: Any) -> Outcome:
    return run(lambda context, params: value)


def raising(error: BaseException, **fields: Any) -> Outcome:
    def analyze(context: Any, params: Any) -> AnalysisResult:
        raise error

    return run(analyze, **fields)


def attribution(**fields: Any) -> Attribution:
    small = np.zeros((2, 1))
    known: dict[str, Any] = {
        "name": "a", "method": "toy", "values": np.ones((2, 1, 3)), "player_names": ("x", "y", "z"),
        "target_names": ("t",), "base_values": small, "outputs": small, "row_ids": ("1", "2"), "unit": "logit",
        "model_rows": 2,
    }  # fmt: skip
    return Attribution(**{**known, **fields})


def finding(severity: Severity, **where: str) -> Finding:
    return Finding(rule="toy.gap", severity=severity, title=TITLE, where=where)


def test_the_host_fills_in_what_it_knows() -> None:
    metric = Metric(name="m", value=np.float64(0.5), n=np.int64(3), no_interval="exact")  # type: ignore[arg-type]
    outcome = run(
        lambda context, params: AnalysisResult(analyzer="someone else", topic="x", version="9", metrics=(metric,)),
        required=False,
        parameters={"rows": 3},
    )
    result = outcome.result
    assert (result.analyzer, result.topic, result.version) == ("toy", "probe", "2.5")
    assert (result.status, result.required, result.parameters) == ("ok", False, {"rows": 3})
    assert [type(value) for value in (result.metrics[0].value, result.metrics[0].n)] == [float, int]
    assert outcome.details == ""


@pytest.mark.parametrize(
    ("result", "used"),
    [
        pytest.param(AnalysisResult(), (), id="none"),
        pytest.param(AnalysisResult(attributions=(attribution(),)), (), id="unknown"),
        pytest.param(AnalysisResult(attributions=(attribution(method="toy.exact"),)), (EXACT,), id="by-attribution"),
        pytest.param(AnalysisResult(methods=(WALKS, WALKS)), (WALKS,), id="by-itself"),
        pytest.param(
            AnalysisResult(methods=(EXACT,), attributions=(attribution(method="toy.walks"),)), (WALKS, EXACT), id="both"
        ),
    ],
)
def test_the_methods_that_a_result_used_are_known(result: AnalysisResult, used: tuple[MethodFacts, ...]) -> None:
    assert returning(result).result.methods == used


@pytest.mark.parametrize(
    "method", [MethodFacts(name="toy.other", source=()), dataclasses.replace(WALKS, source=("another paper",)), "walks"]
)
def test_a_method_that_the_analyzer_does_not_declare_is_refused(method: Any) -> None:
    result = returning(AnalysisResult(methods=(method,))).result
    assert (result.status, result.methods) == ("failed", ())
    assert result.reason is not None
    assert result.reason.key == "core.invalid_result"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        MemoryError(),
        RecursionError("deep"),
        SystemExit(0),
        GeneratorExit(),
        StopIteration(),
        KeyboardInterrupt(),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_raised_is_named_and_traced(error: BaseException) -> None:
    outcome = raising(error)
    assert outcome.result.status == "failed"
    assert outcome.result.reason is not None
    assert outcome.result.reason.key == (
        "core.out_of_memory" if isinstance(error, MemoryError) else "core.analyzer_raised"
    )
    assert outcome.result.reason.values["type"] in (type(error).__name__, "RuntimeError")
    assert outcome.result.reason.values["error"]
    assert "raise error" in outcome.details


def test_what_is_raised_has_the_innermost_line_of_its_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gap_plugin").mkdir()
    code = "import json\ndef analyze(context, params):\n    return _read()\ndef _read():\n    return json.loads('{')\n"
    (tmp_path / "gap_plugin" / "__init__.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("gap_plugin")
    for entry, place in (("gap_plugin:plugin", "__init__.py:5 in _read"), ("no_such_plugin", None)):
        analyzer = Analyzer(name="toy", topic="probe", summary="", analyze=module.analyze)
        provided = Provided(record=analyzer, origin=dataclasses.replace(ORIGIN, module=entry))
        reason = run_analyzer(provided, toy_context(), Registry()).result.reason
        assert reason is not None
        assert reason.values.get("place") == place


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a limit on private memory")
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "Memory ran out within the limit of 1.02e+03 GiB (MemoryError)."),
        (MemoryError("no room"), "Memory ran out within the limit of 1.02e+03 GiB (MemoryError): no room"),
    ],
    ids=["silent", "said"],
)
def test_memory_that_ran_out_names_the_limit(error: MemoryError, sentence: str) -> None:
    reason = raising(error, memory=2**40).result.reason
    assert reason is not None
    assert Catalogue(language="en", templates=load_messages("auditbench")["en"]).text(reason) == sentence
    assert (reason.values["gib"], reason.values["needed"]) == (1024.0, None)


@pytest.mark.parametrize(("base", "key"), [(RuntimeError, "core.analyzer_raised"), (MemoryError, "core.out_of_memory")])
def test_an_error_that_cannot_be_printed_is_named(base: type[Exception], key: str) -> None:
    def mute(error: Exception) -> str:
        raise ValueError("no text")

    reason = raising(type("Mute", (base,), {"__str__": mute})()).result.reason
    assert reason is not None
    assert (reason.key, reason.values["type"]) == (key, "Mute")


def test_keyboard_interrupt_passes_in_a_process_of_somebody_else() -> None:
    with pytest.raises(KeyboardInterrupt):
        raising(KeyboardInterrupt(), own_process=False)


def test_what_a_failed_call_held_is_freed_before_the_model_is_looked_at() -> None:
    class Large:
        pass

    held: list[weakref.ref[Large]] = []
    alive: list[object] = []

    def analyze(context: Any, params: Any) -> AnalysisResult:
        large = Large()
        held.append(weakref.ref(large))
        raise ValueError("no")

    def look() -> tuple[str, ...]:
        alive.append(held[0]())
        return ()

    assert run(analyze, subject_changes=look).result.status == "failed"
    assert alive == [None]


def test_what_a_call_held_that_ran_out_of_memory_is_freed_before_settings_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Large:
        pass

    held: list[weakref.ref[Large]] = []
    alive: list[object] = []

    def consume(large: Large) -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise RuntimeError("not enough memory") from None

    def analyze(context: Any, params: Any) -> AnalysisResult:
        large = Large()
        held.append(weakref.ref(large))
        consume(large)
        return AnalysisResult()

    def look(state: ProcessState) -> tuple[list[str], list[str]]:
        alive.append(held[0]())
        return [], []

    monkeypatch.setattr(ProcessState, "put_back", look)
    outcome = run(analyze)
    assert alive == [None]
    assert "consume(large)" in outcome.details


def test_an_analyzer_may_say_that_it_does_not_apply() -> None:
    outcome = raising(AnalyzerNotPossible("two classes are needed"))
    assert outcome.result.status == "not_applicable"
    assert outcome.result.reason is not None
    assert outcome.result.reason.values["error"] == "two classes are needed"


@pytest.mark.parametrize(
    "parts",
    [
        {"found": "one class"},
        {"allowed": "two classes"},
        {"fix": "set `target`"},
        {"found": "one class", "allowed": "two classes", "fix": "set `target`", "where": "data.target"},
        {"allowed": "two classes", "fix": "set `target`", "where": "data.target"},
    ],
)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_reason_says_what_was_found_and_what_to_do(parts: dict[str, str], language: str) -> None:
    reason = raising(AnalyzerNotPossible("two classes are needed", **parts)).result.reason
    assert reason is not None
    shown = Catalogue(language=language, templates=load_messages("auditbench")[language]).text(reason)
    assert all(text in shown for name, text in parts.items() if name != "where")
    assert ("data.target" in shown) == ({"where", "found"} <= set(parts))
    assert "{" not in shown


def test_what_a_model_says_of_itself_is_shown_bounded_and_as_text() -> None:
    hostile = "<b>\N{RIGHT-TO-LEFT OVERRIDE}{error}\n" + "x" * 10_000
    reason = raising(
        AnalyzerNotPossible("no", found=hostile, allowed=hostile, fix=hostile, where=hostile)
    ).result.reason
    assert reason is not None
    for name in ("found", "allowed", "fix"):
        shown = str(reason.values[name])
        assert len(shown) <= 300
        assert shown.isprintable()
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(None, "NoneType", id="none"),
        pytest.param({"metrics": []}, "dict", id="dict"),
        pytest.param(AnalysisResult(metrics=("no metric",)), "result.metrics", id="text-as-metric"),  # type: ignore[arg-type]
        pytest.param(AnalysisResult(metrics=[1]), "result.metrics", id="list"),  # type: ignore[arg-type]
        pytest.param(AnalysisResult(metrics=object()), "object", id="object"),  # type: ignore[arg-type]
        pytest.param(AnalysisResult(attributions=(attribution(values=np.full((2, 1, 3), np.nan)),)), "a.values", id="nan"),
        pytest.param(AnalysisResult(attributions=(attribution(outputs=np.full((2, 1), np.inf)),)), "a.outputs", id="inf"),
        pytest.param(AnalysisResult(attributions=(attribution(values=torch.ones(2, 1, 3)),)), "Tensor", id="tensor"),
        pytest.param(AnalysisResult(attributions=(attribution(values=np.full((2, 1, 3), "x")),)), "dtype", id="text"),
        pytest.param(AnalysisResult(attributions=(attribution(values=np.full((2, 1, 3), None)),)), "dtype", id="objects"),
        pytest.param(AnalysisResult(attributions=(attribution(), attribution())), "different names", id="same-name"),
        pytest.param(
            AnalysisResult(attributions=(attribution(player_values=np.full((2, 3), np.inf)),)), "a.player_values",
            id="inf-where-nan-may-be",
        ),
        pytest.param(
            AnalysisResult(metrics=(Metric(name="x", value=1.0, n=1, no_interval="exact", where={"a": Path("/x")}),)),  # type: ignore[dict-item]
            "PosixPath", id="path",
        ),
        pytest.param(AnalysisResult(findings=(finding("high"), finding("low"))), "different `where`", id="same-finding"),
    ],
)  # fmt: skip
def test_what_is_no_result_fails(value: Any, words: str) -> None:
    outcome = returning(value)
    assert outcome.result.status == "failed"
    assert outcome.result.reason is not None
    assert outcome.result.reason.key == "core.invalid_result"
    assert words in str(outcome.result.reason.values["error"])
    json.dumps(plain(outcome.result))


def test_findings_of_one_rule_may_be_of_different_places() -> None:
    assert returning(AnalysisResult(findings=(finding("high"), finding("low", feature="sex")))).result.status == "ok"


def test_ranks_may_be_undefined() -> None:
    assert (
        returning(AnalysisResult(attributions=(attribution(player_values=np.full((2, 3), np.nan)),))).result.status
        == "ok"
    )


def test_arrays_go_to_files_and_the_rest_is_json(tmp_path: Path) -> None:
    image = ImageOverlay(
        name="i", title=TITLE, row_id="1", image=np.zeros((2, 2)), values=np.ones((2, 2)), unit="logit"
    )
    outcome = run(
        lambda context, params: AnalysisResult(attributions=(attribution(name="../X"),), image_overlays=(image,)),
        store=lambda name, array: write_array(tmp_path, name, array),
    )
    document = json.dumps(plain(outcome.result))
    assert str(tmp_path) not in document
    files = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "arrays").rglob("*.npy"))
    assert len(files) == 4  # the image itself is left out
    assert all(name.startswith("arrays/toy/") and name in document for name in files)
    np.testing.assert_array_equal(np.load(tmp_path / "arrays/toy/image_overlays/i/values.npy"), image.values)


def test_no_two_blocks_share_a_file(tmp_path: Path) -> None:
    """Names that were equal once their parts were joined by a hyphen, and the two kinds of block of one name."""
    image = ImageOverlay(
        name="a", title=TITLE, row_id="1", image=np.zeros((2, 2)), values=np.full((2, 2), 3.0), unit="logit"
    )
    parts = (attribution(name="a", values=np.full((2, 1, 3), 1.0)), attribution(name="a-values"))
    for name in ("toy", "toy-a"):
        result = dataclasses.replace(AnalysisResult(attributions=parts, image_overlays=(image,)), analyzer=name)
        with_stored(result, lambda name, array: write_array(tmp_path, name, array))
    assert len(list((tmp_path / "arrays").rglob("*.npy"))) == 2 * (3 + 3 + 2)
    values = (
        np.load(tmp_path / "arrays/toy/attributions/a/values.npy"),
        np.load(tmp_path / "arrays/toy/image_overlays/a/values.npy"),
    )
    assert [float(array.flat[0]) for array in values] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("needs", "key"),
    [
        (Needs(capabilities=("gradients", "embeddings")), "core.not_applicable_capability_embeddings"),
        (Needs(tasks=("regression",)), "core.not_applicable_task"),
        (Needs(modalities=("image",)), "core.not_applicable_modality_tabular"),
        (Needs(further_models=True), "core.not_applicable_models"),
        (Needs(training=True), "core.not_applicable_training"),
        (Needs(packages=("absent_package",)), "core.not_applicable_package"),
        (Needs(programs=(Program(title="A press", names=("absent-program",)),)), "core.not_applicable_absent"),
        (
            Needs(programs=(Program(title="A press", names=("absent-program",), install="buy one"),)),
            "core.not_applicable_package",
        ),
    ],
)
def test_unmet_needs_are_not_applicable(needs: Needs, key: str) -> None:
    outcome = run(lambda context, params: pytest.fail("ran"), needs=needs)
    assert outcome.result.status == "not_applicable"
    assert outcome.result.reason is not None
    assert outcome.result.reason.key == key


def test_met_needs_run() -> None:
    needs = Needs(
        capabilities=("gradients",), tasks=("binary-classification",), modalities=("tabular",),
        sensitive_features=True, packages=("json",),
    )  # fmt: skip
    assert run(lambda context, params: AnalysisResult(), needs=needs).result.status == "ok"


def test_global_generators_do_not_depend_on_what_ran_before() -> None:
    def draw(context: Any, params: Any) -> AnalysisResult:
        values = (random.random(), np.random.random(), float(torch.rand(())))  # noqa: NPY002, S311 - their state is what is tested
        matrix = Matrix(
            name="m", title=TITLE, row_label=TITLE, column_label=TITLE, rows=("a",),
            columns=("1", "2", "3"), values=(values,),
        )  # fmt: skip
        return AnalysisResult(matrices=(matrix,))

    assert run(draw).result == run(draw).result


def test_text_of_exceptions_holds_no_addresses_or_folders() -> None:
    said = presentable("bad <x at 0x7f0001020304> in /home/ann/work/rows.csv\nand /tmp/y\x1b[31m " + "z" * 500)
    assert said.startswith("bad <x at 0x…> in …/rows.csv and …/y⟨U+001B⟩[31m z")
    assert len(said) == 300
    assert presentable("a/b and 1/2 of https") == "a/b and 1/2 of https"


def test_rerun_takes_the_variant() -> None:
    seen: list[int] = []

    def analyze(context: Any, params: Any) -> AnalysisResult:
        seen.append(len(context.data))
        return AnalysisResult()

    registry = Registry()
    analyzer = Analyzer(name="toy", topic="probe", summary="", analyze=analyze)
    registry.analyzer = lambda name: Provided(record=analyzer, origin=ORIGIN)  # type: ignore[method-assign, misc, assignment]
    small = toy_context(toy_subject(rows=7))
    assert rerun("toy", small, registry, lambda provided: (None, {})).status == "ok"
    assert seen == [7]


def test_what_one_analyzer_sets_the_next_does_not_find() -> None:
    handles: list[Any] = []

    def disturb(context: Any, params: Any) -> AnalysisResult:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = True
        torch.set_num_threads(torch.get_num_threads() + 1)
        np.seterr(divide="ignore", invalid="raise")
        handles.append(torch.nn.modules.module.register_module_forward_hook(lambda *_: None))
        raise ValueError("and fails as well")

    before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), np.geterr()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002 - their state is what is tested
    expected = random.random(), np.random.random(), float(torch.rand(()))  # noqa: NPY002, S311
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    outcome = run(disturb)
    assert (random.random(), np.random.random(), float(torch.rand(()))) == expected  # noqa: NPY002, S311
    assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), np.geterr()) == before
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert not torch.nn.modules.module._global_forward_hooks
    assert set(outcome.changed) >= {
        "default dtype", "gradient mode", "deterministic algorithms", "cuDNN benchmark", "threads",
        "hooks of all modules", "numpy error handling",
    }  # fmt: skip
    (warning,) = outcome.warnings()
    assert warning.key == "core.process_changed"
    assert "default dtype" in str(warning.values["what"])


def test_an_analyzer_that_only_draws_changes_nothing() -> None:
    def draw(context: Any, params: Any) -> AnalysisResult:
        torch.rand(3), random.random()  # noqa: S311 - only that it draws counts
        return AnalysisResult()

    outcome = run(draw)
    assert outcome.result.status == "ok"
    assert outcome.warnings() == ()
    changed = dataclasses.replace(outcome, subject_changes=("weights",))
    assert [warning.key for warning in changed.warnings()] == ["core.model_changed"]


def test_arrays_in_memory_cannot_be_changed_by_those_who_read_them() -> None:
    own = np.ones((2, 1, 3))
    values = returning(AnalysisResult(attributions=(attribution(values=own),))).result.attributions[0].values
    own[:] = 0
    assert isinstance(values, np.ndarray)
    assert values.sum() == 6
    with pytest.raises(ValueError, match="read-only"):
        values[:] = 0


def test_no_analyzer_can_change_data_or_outputs() -> None:
    toy = toy_subject()
    subject = make_subject(toy.model, toy.data, seed=0, cases=0, raw=False)
    for array in (subject.outputs, subject.data.y_true, *subject.data.sensitive_features.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = array[::-1]
    with pytest.raises(TypeError):
        subject.data.sensitive_features["sex"] = subject.data.sensitive_features["region"]  # type: ignore[index]
    for draw in (lambda: subject.data.take(np.arange(3)), lambda: subject.data.background(3, np.random.default_rng(0))):
        rows = draw()
        rows.y_true[:] = 0
        for array in rows.inputs.values():
            array[:] = 0
        assert any(array.any() for array in draw().inputs.values())
    toy.data.y_true[:] = 0
    assert subject.data.y_true.any()
