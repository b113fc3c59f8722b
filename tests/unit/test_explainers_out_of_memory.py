"""Explainers where memory runs out: the same attributions from smaller batches, recorded and told."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditbench import api
from auditbench.contracts import Analyzer
from auditbench.descriptions import batch_use
from auditbench.journal import Journal
from auditbench.models import ModelUnderTest
from auditbench.plugin_entries import PluginEntry
from auditbench.registry import Provided, Registry
from auditbench.run_file import read_run
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench.worker.analysis import run_analyzer
from auditbench_captum import Params as CaptumParams
from auditbench_captum.analysis import analyze as analyze_captum
from auditbench_captum.methods import METHODS
from auditbench_lime.analysis import analyze as analyze_lime
from auditbench_lime.params import Params as LimeParams
from auditbench_shap.analysis import analyze as analyze_shap
from auditbench_shap.params import Params as ShapParams
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import Recorder, write_config
from tests.limited_model import CPU_TEXT, Limited, network, raw_rows, with_module


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_look_at() -> Iterator[None]:
    """Keeps what the libraries made out of the collector, which is asked to look after each halving."""
    gc.freeze()
    yield
    gc.unfreeze()


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


OF_TABLES = [name for name, method in METHODS.items() if "tabular" in method.modalities]
EXPLAINERS = {"shap": explain_shap, "lime": explain_lime, **{method: captum(method) for method in OF_TABLES}}


ENOUGH = 1 << 20


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("most", [64, 16, 1])
def test_every_explainer_gives_the_same_where_memory_runs_out(name: str, most: int) -> None:
    explain = EXPLAINERS[name]
    free = explain(with_module(toy_subject(), Limited(network(), ENOUGH)))
    most = max(2, most) if name == "deep_lift" else most  # it evaluates a row beside its baseline
    limited = Limited(network(), most, lambda: RuntimeError(CPU_TEXT))
    subject = with_module(toy_subject(), limited)
    found = explain(subject)
    (one,), (other,) = free.attributions, found.attributions
    if most >= 32 and name != "integrated_gradients":  # its last bits follow from the rows of a block
        np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-5)
    looked_at = 4 if name == "shap" else 0  # rows that a masking explainer first looks at, as many as fit
    assert 0 <= one.model_rows - other.model_rows <= looked_at
    if most < 32:
        assert subject.model.batch.rows <= most
        assert batch_use(subject.model.batch).warnings(name)[0].values["rows"] == subject.model.batch.rows


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if "image" in method.modalities])
def test_maps_of_images_are_the_same_where_memory_runs_out(method: Any) -> None:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 1)
    ).requires_grad_(False)
    explain, subject = captum(method), toy_subject(modality="image")
    free = explain(with_module(subject, layers.eval()))
    limited = Limited(layers, 2, lambda: RuntimeError(CPU_TEXT)).eval()
    found = explain(with_module(toy_subject(modality="image"), limited))
    np.testing.assert_allclose(found.attributions[0].values, free.attributions[0].values, rtol=1e-4, atol=1e-5)
    assert np.abs(found.attributions[0].values).max() > 0


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
