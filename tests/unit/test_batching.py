"""Where memory runs out, batches are halved in one place, and results stay what they were."""

from __future__ import annotations

import dataclasses
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench import api
from auditbench.descriptions import batch_use
from auditbench.errors import ExitCode, ModelError, ModelMemoryError
from auditbench.journal import Journal
from auditbench.models import BatchSize, ModelUnderTest, in_batches
from auditbench.models.batching import MOST_HALVINGS, fitting
from auditbench.models.out_of_memory import bytes_needed, is_out_of_memory
from auditbench.run_file import read_run
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench_captum import Params as CaptumParams
from auditbench_captum.analysis import analyze as analyze_captum
from auditbench_captum.methods import METHODS
from auditbench_lime.analysis import analyze as analyze_lime
from auditbench_lime.params import Params as LimeParams
from auditbench_shap.analysis import analyze as analyze_shap
from auditbench_shap.params import Params as ShapParams
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import Recorder, write_config

CPU_TEXT = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4000000000 bytes. Error code 12 (Cannot allocate memory)"
)
CUDA_TEXT = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 3 is free."
)
NUMPY_TEXT = "Unable to allocate 7.45 GiB for an array with shape (1000000000,) and data type float64"
ERRORS: list[tuple[Callable[[], Exception], int | None]] = [
    (lambda: torch.OutOfMemoryError(CUDA_TEXT), 20 * 2**30),
    (lambda: RuntimeError(CPU_TEXT), 4_000_000_000),
    (lambda: RuntimeError("std::bad_alloc"), None),
    (MemoryError, None),
    (lambda: MemoryError(NUMPY_TEXT), round(7.45 * 2**30)),
    (lambda: OSError(12, "Cannot allocate memory"), None),
]
IDS = ["cuda", "cpu", "bad-alloc", "python", "numpy", "system"]


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_look_at() -> Iterator[None]:
    """Keeps what the libraries made out of the collector, which is asked to look after each halving."""
    gc.freeze()
    yield
    gc.unfreeze()


class Limited(nn.Module):
    """Runs out of memory above `most` rows."""

    def __init__(self, module: nn.Module, most: int, error: Callable[[], Exception] = MemoryError) -> None:
        super().__init__()
        self.module = module
        self.most = most
        self.error = error
        self.tried: list[int] = []
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.tried.append(len(encoded))
        if len(encoded) > self.most:
            raise self.error()
        outputs: torch.Tensor = self.module(encoded)
        return outputs


def network(inputs: int = 9, outputs: int = 1) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs))
    return layers.eval().requires_grad_(False)


def with_module(subject: ToySubject, module: nn.Module, rows: int = 1024) -> ToySubject:
    model = dataclasses.replace(subject.model, module=module, batch_rows=rows, batch=BatchSize(rows))
    return dataclasses.replace(subject, model=model)


def raw_rows(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    table = [rng.normal(40, 10, count), rng.normal(36, 8, count), rng.integers(0, 3, count), rng.integers(0, 2, count)]
    return {"features": np.column_stack(table)}


@pytest.mark.parametrize(("error", "needed"), ERRORS, ids=IDS)
def test_memory_errors_are_told_from_others_with_what_they_needed(
    error: Callable[[], Exception], needed: int | None
) -> None:
    assert is_out_of_memory(error())
    assert bytes_needed(error()) == needed
    wrapped = ValueError("explaining failed")
    wrapped.__cause__ = error()
    assert is_out_of_memory(wrapped)
    assert bytes_needed(wrapped) == needed


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("you tried to allocate 5 bytes"),
        OSError(28, "No space left on device"),
        RecursionError("maximum recursion depth exceeded"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_pass_after_one_try(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert bytes_needed(error) is None
    tried, batch = [], BatchSize(64)

    def work(rows: int) -> None:
        tried.append(rows)
        raise error

    with pytest.raises(type(error)) as caught:
        fitting(work, batch)
    assert caught.value is error
    assert (tried, batch.rows, batch.halvings) == ([64], 64, 0)


@pytest.mark.parametrize(("error", "needed"), ERRORS, ids=IDS)
def test_prediction_halves_by_powers_of_two_keeps_the_size_and_gives_the_same(
    error: Callable[[], Exception], needed: int | None
) -> None:
    rows = raw_rows(300)
    whole = with_module(toy_subject(), network()).model.predict(rows)
    module = Limited(network(), 70, error)
    model = with_module(toy_subject(), module).model
    np.testing.assert_array_equal(model.predict(rows), whole)
    assert module.tried == [300, 256, 128, 64, 64, 64, 64, 44]
    assert (model.batch.rows, model.batch.began_with, model.batch_rows) == (64, 1024, 1024)
    assert model.batch.halvings == 3
    module.tried.clear()
    np.testing.assert_array_equal(model.predict(rows), whole)
    assert module.tried == [64, 64, 64, 64, 44]


@pytest.mark.parametrize(("error", "needed"), ERRORS, ids=IDS)
def test_one_row_that_does_not_fit_fails_with_what_it_needed(
    error: Callable[[], Exception], needed: int | None
) -> None:
    module = Limited(network(), 0, error)
    model = with_module(toy_subject(), module).model
    with pytest.raises(ModelMemoryError, match="memory ran out with one row a batch") as caught:
        model.predict(raw_rows(1024))
    assert module.tried == [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert model.batch.halvings == MOST_HALVINGS
    assert caught.value.needed == needed
    assert caught.value.exit_code is ExitCode.INCOMPLETE
    text = caught.value.describe()
    assert "raise memory_gib in [limits]" in text
    assert needed is None or f"{needed:,} bytes" in text


def test_a_call_on_few_rows_does_not_try_their_number_again() -> None:
    module = Limited(network(), 3)
    model = with_module(toy_subject(), module).model
    assert model.predict(raw_rows(10)).shape == (10, 1)
    assert module.tried == [10, 8, 4, 2, 2, 2, 2, 2]
    assert model.batch.halvings == 3


@pytest.mark.parametrize("began_with", [1, 3, 2048, 16_384])
def test_no_more_than_ten_halvings_lead_to_one_row(began_with: int) -> None:
    batch, tried = BatchSize(began_with), []

    def work(rows: int) -> None:
        tried.append(rows)
        raise MemoryError

    with pytest.raises(ModelMemoryError):
        fitting(work, batch)
    assert tried[-1] == 1
    assert tried == sorted(set(tried), reverse=True)
    assert all(rows & (rows - 1) == 0 for rows in tried)
    assert len(tried) <= 1 + MOST_HALVINGS


def test_what_a_failed_call_held_is_freed_before_the_next() -> None:
    class Held:
        pass

    alive: list[weakref.ref[Held]] = []

    def work(rows: int) -> int:
        assert all(reference() is None for reference in alive)
        held = Held()
        held.itself = held  # type: ignore[attr-defined]
        alive.append(weakref.ref(held))
        if rows > 2:
            raise torch.OutOfMemoryError(CUDA_TEXT)
        return rows

    gc.disable()
    try:
        assert fitting(work, BatchSize(16)) == 2
    finally:
        gc.enable()
    assert len(alive) == 4


def test_what_was_done_before_is_kept() -> None:
    done: list[int] = []

    def work(rows: slice) -> Any:
        part = np.arange(100)[rows]
        if 40 in part and len(part) > 4:
            raise MemoryError
        done.extend(part.tolist())
        return part

    batch = BatchSize(32)
    np.testing.assert_array_equal(np.concatenate(in_batches(work, 100, batch)), np.arange(100))
    assert done == list(range(100))
    assert (batch.rows, batch.halvings) == (4, 3)


def test_an_inner_call_that_halved_is_not_halved_again() -> None:
    module = Limited(network(), 16)
    model = with_module(toy_subject(), module).model

    def work(rows: slice) -> Any:
        return model.predict({"features": raw_rows(200)["features"][rows]})

    found = np.concatenate(model.in_batches(work, 200))
    np.testing.assert_allclose(found, network()(model.encode(raw_rows(200))).double().numpy(), rtol=1e-5, atol=1e-7)
    assert (model.batch.rows, model.batch.halvings) == (16, 4)


@pytest.mark.parametrize("total", [1, 33, 47, 301, 2048, 2051, 2063])
def test_batches_of_32_to_2048_rows_give_equal_bits(total: int) -> None:
    rows = raw_rows(total)
    model = with_module(toy_subject(), network(), 2048).model
    whole = model.predict(rows)
    for size in (32, 64, 128, 256, 512, 1024):
        halved = dataclasses.replace(model, batch_rows=size)
        np.testing.assert_array_equal(halved.predict(rows), whole)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_smaller_batches_are_equal_to_rounding(size: int) -> None:
    rows = raw_rows(47)
    model = with_module(toy_subject(), network(), 2048).model
    few = dataclasses.replace(model, batch_rows=size)
    np.testing.assert_allclose(few.predict(rows), model.predict(rows), rtol=1e-5, atol=1e-6)


@given(total=st.integers(1, 300), size=st.sampled_from([1, 2, 8, 16, 32, 64, 128]), each=st.sampled_from([1, 2, 40]))
def test_parts_cover_every_item_once_and_in_order(total: int, size: int, each: int) -> None:
    lengths: list[int] = []

    def work(items: slice) -> Any:
        part = np.arange(total)[items]
        lengths.append(len(part))
        return part

    found = np.concatenate(in_batches(work, total, BatchSize(size), rows_each=each))
    np.testing.assert_array_equal(found, np.arange(total))
    assert max(lengths) <= max(1, size // each)
    assert each > 1 or size < 32 or total < 16 or min(lengths) >= 16


def test_a_module_that_gives_another_shape_is_named() -> None:
    class Sums(nn.Module):
        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            return encoded.sum().reshape(1, 1)

    with pytest.raises(ModelError, match="the model gives another shape than it should"):
        with_module(toy_subject(), Sums()).model.predict(raw_rows(5))


def test_variants_of_a_model_share_what_fits() -> None:
    model = with_module(toy_subject(), Limited(network(), 16)).model
    variant = dataclasses.replace(model, module=Limited(network(), 8))
    variant.predict(raw_rows(40))
    assert model.batch is variant.batch
    assert model.batch.rows == 8
    assert dataclasses.replace(model, batch_rows=128).batch.rows == 128
    with pytest.raises(ValueError, match="expected at least 1 row a batch"):
        BatchSize(0)


def explain_shap(subject: ToySubject) -> Any:
    params = ShapParams(rows=3, background=12)
    return analyze_shap(toy_context(subject, analyzer="shap", params=params), params)


def explain_lime(subject: ToySubject) -> Any:
    params = LimeParams(rows=6, background=20, num_samples=300)
    return analyze_lime(toy_context(subject, analyzer="lime", params=params), params)


def captum(method: Any) -> Callable[[ToySubject], Any]:
    def explain(subject: ToySubject) -> Any:
        params = CaptumParams(rows=50, background=20, method=method, n_samples=40)
        return analyze_captum(toy_context(subject, analyzer="captum", params=params), params)

    return explain


EXPLAINERS = {"shap": explain_shap, "lime": explain_lime, **{method: captum(method) for method in METHODS}}


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("most", [64, 16, 1])
def test_every_explainer_gives_the_same_where_memory_runs_out(name: str, most: int) -> None:
    explain = EXPLAINERS[name]
    free = explain(with_module(toy_subject(), network()))
    most = max(2, most) if name == "deep_lift" else most  # it evaluates a row beside its baseline
    limited = Limited(network(), most, lambda: RuntimeError(CPU_TEXT))
    subject = with_module(toy_subject(), limited)
    found = explain(subject)
    (one,), (other,) = free.attributions, found.attributions
    if most >= 32 and name != "integrated_gradients":
        np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-5)
    assert one.model_rows == other.model_rows
    if most < 32:
        assert subject.model.batch.rows <= most
        assert batch_use(subject.model.batch).warnings(name)[0].values["rows"] == subject.model.batch.rows


def test_an_audit_in_this_process_records_and_warns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(90, 9)), rng.integers(0, 2, 90)
    module = Limited(network(), 16)
    run = api.audit(
        module,
        features,
        labels,
        task="binary-classification",
        output="logit",
        analyzers={"captum": {"rows": 20, "background": 10}},
        formats=(),
        out=tmp_path / "run",
    )
    assert [result.status for result in run.results] == ["ok"]
    (warning,) = [warning for warning in run.warnings if warning.key == "core.batch_halved"]
    assert warning.values == {"analyzer": "captum", "began_with": 2048, "rows": 16}
    journal = Journal.read(next((tmp_path / "run").glob("journal*")))
    assert journal is not None
    use = journal.batch("captum", "")
    assert use is not None
    assert (use["rows"], use["began_with"]) == (16, 2048)
    assert use["halvings"] > 0


def test_a_halved_result_is_used_again_with_its_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_config(tmp_path, "[analyzers.lime]\nrows = 4\nbackground = 10\nnum_samples = 200\n")
    encode = ModelUnderTest.encode

    def encode_few(model: ModelUnderTest, inputs: Any) -> torch.Tensor:
        if len(inputs["features"]) > 32:
            raise MemoryError
        return encode(model, inputs)

    with workers_in_this_process():
        api.audit_config(config, out=tmp_path / "free")
        monkeypatch.setattr(ModelUnderTest, "encode", encode_few)
        first, heard = api.audit_config(config, out=tmp_path / "run"), Recorder()
        again = api.audit_config(config, out=tmp_path / "run", listener=heard)
    free = read_run(tmp_path / "free")
    assert heard.states["lime"] == "reused"
    assert free.warnings == ()
    assert [warning.key for warning in first.warnings] == ["core.batch_halved"]
    assert first.warnings == again.warnings
    assert first.results[0].metrics == again.results[0].metrics == free.results[0].metrics
    journal = Journal.read(next((tmp_path / "run").glob("journal*")))
    assert journal is not None
    uses = [record["use"] for record in journal._of("batch")]
    assert uses == [{"rows": 32, "began_with": 2048, "halvings": uses[0]["halvings"]}]


def test_an_audit_of_a_model_that_never_fits_says_what_it_needed() -> None:
    model = with_module(toy_subject(), Limited(network(), 0, lambda: RuntimeError(CPU_TEXT))).model
    assert isinstance(model, ModelUnderTest)
    from auditbench.contracts import Analyzer
    from auditbench.registry import PluginEntry, Provided, Registry
    from auditbench.worker.analysis import run_analyzer

    def analyze(context: Any, params: Any) -> Any:
        model.predict(raw_rows(40))

    origin = PluginEntry(name="toy", module="m", distribution="toys", version="1")
    provided = Provided(record=Analyzer(name="toy", topic="probe", summary="", analyze=analyze), origin=origin)
    result = run_analyzer(provided, toy_context(), Registry()).result
    assert result.status == "failed"
    assert result.reason is not None
    assert result.reason.key == "core.out_of_memory"
    assert result.reason.values["needed"] == 4_000_000_000
    assert "4,000,000,000 bytes" in str(result.reason.values["error"])


REAL = """
import mmap, resource, sys
import numpy as np, torch
from torch import nn
from auditbench.errors import ModelMemoryError
from auditbench.models.batching import BatchSize, in_batches
from auditbench.models.out_of_memory import bytes_needed, is_out_of_memory
torch.set_num_threads(1)
limit, field = getattr(resource, sys.argv[1]), {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}[sys.argv[1]]
layer = nn.Linear(1000, 5000).requires_grad_(False)
inputs = torch.ones(4096, 1000)
whole = layer(inputs).sum(dim=1)
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
resource.setrlimit(limit, (used + 60 * 2**20,) * 2)
batch = BatchSize(4096)
parts = in_batches(lambda rows: layer(inputs[rows]).sum(dim=1), 4096, batch)
assert 32 <= batch.rows < 4096 and batch.halvings >= 1, batch.rows
assert torch.allclose(torch.cat(parts), whole)
print("halved", batch.rows, batch.halvings)

def text(work):
    try:
        work()
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
        return bytes_needed(error)
    raise SystemExit("it fitted")

assert text(lambda: torch.empty(10**9)) == 4 * 10**9
assert abs(text(lambda: np.ones(10**9)) / (8 * 10**9) - 1) < 0.01
assert text(lambda: bytearray(10**12)) is None
assert text(lambda: mmap.mmap(-1, 10**12)) is None
text(lambda: torch.linalg.svd(torch.ones(3000, 3000)))  # told by the C++ library
try:
    in_batches(lambda rows: torch.empty(10**9), 8, BatchSize(8))
except ModelMemoryError as error:
    assert error.needed == 4 * 10**9
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps these limits")
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_real_errors_under_a_memory_limit(limit: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REAL, limit], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["halved", *ended.stdout.split()[1:3], "refused"]


@pytest.mark.gpu
def test_a_gpu_that_runs_out_halves_and_gives_the_same() -> None:
    layer = nn.Linear(1000, 20_000, device="cuda").requires_grad_(False)
    inputs = torch.ones(4096, 1000, device="cuda")
    whole = layer(inputs).sum(dim=1)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 200 * 2**20) / total)
    try:
        batch = BatchSize(4096)
        parts = in_batches(lambda rows: layer(inputs[rows]).sum(dim=1), 4096, batch)
        assert batch.rows < 4096
        torch.testing.assert_close(torch.cat(parts), whole)
        with pytest.raises(ModelMemoryError) as caught:
            in_batches(lambda rows: torch.empty(10**12, device="cuda"), 8, BatchSize(8))
        assert caught.value.needed is not None
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
