"""Whatever an analyzer changes of model and data is found and named, and the subject is asked to be opened again."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench.engines.local import LocalEngine
from auditbench.findings import Message
from auditbench.registry import Registry
from auditbench.testing import QuietHost
from auditbench.worker.analysis import run_analyzer
from auditbench.worker.state_guard import model_state
from auditbench.worker.subject_opening import Subject
from auditbench.worker.subject_state import OUTPUTS, other_watch, subject_state
from auditbench.worker.tensor_digest import tensor_digest
from tests.guarded_analysis import run_code, shared_subject, small_subject
from tests.state_corruptions import MODEL

EXPECTED: dict[str, set[str]] = {
    "weight-added": {"weights"},
    "weight-one-bit": {"weights"},
    "weights-of-two-units-exchanged": {"weights"},
    "weight-signs-turned": {"weights"},
    "weight-to-double": {"weights"},
    "weights-without-values": {"weights"},
    "weight-replaced": {"weights"},
    "weights-pruned": {"weights", "buffers", "hooks"},
    "weight-parametrized": {"weights", "structure"},
    "weights-shared": {"weights"},
    "buffer-changed": {"buffers"},
    "buffer-added": {"buffers"},
    "buffer-removed": {"buffers", "structure"},
    "tensor-attribute": {"settings of layers"},
    "requires-grad": {"requires_grad"},
    "gradients-left": {"gradients"},
    "train-mode": {"modes"},
    "train-mode-of-one-layer": {"modes"},
    "train-mode-of-encoder": {"modes"},
    "forward-hook": {"hooks"},
    "forward-pre-hook": {"hooks"},
    "backward-hook": {"hooks"},
    "state-dict-hook": {"hooks"},
    "hook-of-weight": {"hooks"},
    "forward-of-instance": {"structure"},
    "layer-replaced": {"structure"},
    "layer-added": {"structure"},
    "layers-in-another-order": {"structure"},
    "layer-of-another-class": {"structure"},
    "dropout-rate": {"settings of layers"},
    "number-of-layer": {"settings of layers"},
    "number-of-encoder": {"settings of layers"},
}

MAKERS: dict[str, Callable[[], torch.Tensor]] = {
    "float32": lambda: torch.arange(6.0).reshape(2, 3),
    "bfloat16": lambda: torch.arange(6.0).bfloat16(),
    "float8": lambda: torch.arange(6.0).to(torch.float8_e4m3fn),
    "complex": lambda: torch.arange(6.0) + 1j,
    "conjugated": lambda: torch.tensor([1 + 2j, 3 + 4j]).conj(),
    "negated": lambda: (torch.arange(6.0) + 1j).conj().imag,
    "bool": lambda: torch.tensor([True, False]),
    "empty": lambda: torch.empty((0, 3)),
    "zero-dim": lambda: torch.tensor(2.0),
    "turned": lambda: torch.arange(6.0).reshape(2, 3).T,
    "spread": lambda: torch.tensor([1.0]).expand(4, 3),
    "meta": lambda: torch.empty((2, 3), device="meta"),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "sparse-uncoalesced": lambda: torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (2,)),
    "sparse-rows": lambda: torch.eye(4).to_sparse_csr(),
    "sparse-columns": lambda: torch.eye(4).to_sparse_csc(),
    "sparse-blocks": lambda: torch.eye(4).to_sparse_bsr((2, 2)),
    "quantized": lambda: torch.quantize_per_tensor(torch.arange(4.0), 0.1, 3, torch.qint8),
    "quantized-by-channel": lambda: torch.quantize_per_channel(
        torch.ones(2, 3), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
    ),
    "mkldnn": lambda: torch.arange(6.0).to_mkldnn(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "inference": torch.inference_mode()(lambda: torch.ones(3)),
    "uint16": lambda: torch.tensor([1, 2], dtype=torch.uint16),
    "with-gradient": lambda: torch.ones(2, requires_grad=True) * 2,
}


def test_every_change_of_the_catalogue_is_expected_here() -> None:
    assert EXPECTED.keys() == MODEL.keys()


@pytest.mark.parametrize("name", MODEL)
def test_what_is_changed_is_named_and_the_subject_opened_again(name: str) -> None:
    outcome = run_code(MODEL[name], small_subject())
    assert outcome.result.status == "ok", outcome.details
    assert set(outcome.subject_changes) >= EXPECTED[name]
    assert (outcome.changed, outcome.stuck) == ((), ())
    (warning,) = outcome.warnings()
    assert warning.key == "core.model_changed"


def test_two_subjects_opened_from_the_same_are_in_the_same_state() -> None:
    first, second = small_subject(), small_subject()
    weights = [model_state(subject.model.module).kinds["weights"] for subject in (first, second)]
    assert weights[0] == weights[1]
    assert first.state.data == second.state.data
    assert first.changes() == ()


@pytest.mark.parametrize(
    "code",
    [
        "import copy\nwith __import__('torch').no_grad(): copy.deepcopy(context.model.module)",
        "context.model.module.train().eval()",
        "context.model.module.requires_grad_(True).requires_grad_(False)",
        "context.model.module.register_forward_hook(lambda *_: None).remove()",
        "context.model.module.register_full_backward_hook(lambda *_: None).remove()",
        "context.model.predict(context.data.take(__import__('numpy').arange(9)).inputs)",
        "context.model.module.state_dict()",
    ],
)
def test_what_is_left_as_found_is_not_told(code: str) -> None:
    outcome = run_code(code)
    assert (outcome.changed, outcome.stuck, outcome.subject_changes) == ((), (), ())


@given(weight=st.integers(0, 3), position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_bit_of_any_weight_counts(weight: int, position: int, bit: int) -> None:
    module = shared_subject().model.module
    before = model_state(module)
    content = list(module.parameters())[weight].data.view(torch.uint8).view(-1)
    content[position % len(content)] ^= 1 << bit
    changes = before.changes(model_state(module))
    content[position % len(content)] ^= 1 << bit
    assert changes == ("weights",)
    assert before.changes(model_state(module)) == ()


@pytest.mark.parametrize("name", MAKERS)
def test_a_tensor_of_any_layout_has_a_digest(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says of some layouts that they are new, or old
        digests = [tensor_digest(MAKERS[name]()) for _ in range(2)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"empty", "meta", "mkldnn", "negated", "nested", "spread"}))
def test_its_content_is_part_of_it(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        tensor = MAKERS[name]().detach()
        before = tensor_digest(tensor)
        parts = _storage_of(tensor)
        parts.view(-1)[:1].copy_(torch.zeros_like(parts.view(-1)[:1]) + (parts.view(-1)[:1] == 0))
    assert tensor_digest(tensor) != before


def _storage_of(tensor: torch.Tensor) -> torch.Tensor:
    """A strided tensor on the storage of the values of any other."""
    if tensor.layout == torch.sparse_coo:
        tensor = tensor._values()
    elif tensor.layout != torch.strided:
        tensor = tensor.values()
    kept = torch.empty(0, dtype=torch.uint8)
    return kept.set_(tensor.untyped_storage())


@pytest.mark.parametrize("other", ["type", "shape", "order", "sign-of-zero", "nan"])
def test_tensors_that_differ_have_different_digests(other: str) -> None:
    one, two = {
        "type": (torch.zeros(2, dtype=torch.int32), torch.zeros(2)),
        "shape": (torch.zeros(2, 3), torch.zeros(3, 2)),
        "order": (torch.tensor([1.0, 2.0]), torch.tensor([2.0, 1.0])),
        "sign-of-zero": (torch.tensor([0.0]), torch.tensor([-0.0])),
        "nan": (torch.tensor([2143289344], dtype=torch.int32), torch.tensor([2143289345], dtype=torch.int32)),
    }[other]
    assert tensor_digest(one) != tensor_digest(two)


def test_settings_of_layers_count() -> None:
    module = nn.Sequential(nn.LayerNorm(3), nn.BatchNorm1d(3))
    before = model_state(module)
    module[0].eps = 0.5
    assert "settings of layers" in before.changes(model_state(module))
    module[0].eps = 1e-5
    module[1].momentum = 0.7
    assert "settings of layers" in before.changes(model_state(module))
    module[1].momentum = 0.1
    assert before.changes(model_state(module)) == ()


def test_rows_labels_and_outputs_count() -> None:
    subject = small_subject()
    for array in (subject.outputs, subject.data.y_true, subject.data._evaluated.inputs["features"]):
        kept = array.copy()
        array.setflags(write=True)
        array.reshape(-1)[0] += 1
        assert subject.changes() == ("data",)
        array[...] = kept
        array.setflags(write=False)
    assert subject.changes() == ()


def test_other_numbers_without_a_reason_are_found_and_end_the_process() -> None:
    outside = [1.0]

    class Scaled(nn.Module):
        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            return encoded[:, :1] * outside[0]

    subject = small_subject()
    model = dataclasses.replace(subject.model, module=Scaled())
    state = subject_state(model, subject.data, subject.outputs)
    subject = dataclasses.replace(subject, model=model, state=state)
    outcome = run_code("outside[0] = 2.0", subject, names={"outside": outside})
    assert outcome.subject_changes == (OUTPUTS,)
    assert outcome.restart


def with_other() -> Subject:
    """A subject with a further model."""
    subject, other = small_subject(), small_subject().model
    return dataclasses.replace(
        subject, others={"bundle": other}, others_state={"bundle": other_watch(other, subject.data)}
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("[p.data.zero_() for p in other.module.parameters()]", ("weights",), id="weights"),
        pytest.param("other.module.train()", ("modes",), id="modes"),
        pytest.param("other.predict(context.data.take([0]).inputs)", (), id="only-evaluated"),
    ],
)
def test_further_models_are_guarded_too(code: str, expected: tuple[str, ...]) -> None:
    subject = with_other()
    assert subject.changes() == ()
    assert run_code(f"other = context.models['bundle']\n{code}", subject).subject_changes == expected
    object.__setattr__(subject.others["bundle"], "target_names", ("other",))
    assert "data" in subject.changes()


def test_a_further_model_that_takes_other_rows_is_guarded_without_computing() -> None:
    subject = with_other()
    other = dataclasses.replace(subject.others["bundle"], encoder=nn.Bilinear(1, 1, 1))
    watch = other_watch(other, subject.data)
    assert watch.probe is None
    assert watch.changes(other, subject.data) == ()
    other.module.train()
    assert watch.changes(other, subject.data) == ("modes",)


def test_what_evaluating_alone_changes_is_no_fault_of_an_analyzer() -> None:
    class Counting(nn.Module):
        calls = 0

        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return encoded[:, :1]

    subject = small_subject()
    model = dataclasses.replace(subject.model, module=Counting().eval())
    state = subject_state(model, subject.data, subject.outputs)
    subject = dataclasses.replace(subject, model=model, state=state)
    evaluate = "context.model.predict(context.data.take(__import__('numpy').arange(9)).inputs)"
    assert run_code(evaluate, subject).subject_changes == ()
    assert run_code("context.model.module.train()", subject).subject_changes == ("modes",)


def test_a_frozen_script_has_a_state() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says of scripts that they are old
        module = torch.jit.freeze(torch.jit.trace(nn.Linear(3, 1).eval(), torch.ones(2, 3)))
    assert model_state(module).changes(model_state(module)) == ()


def test_a_model_that_cannot_be_looked_at_loses_no_result_and_ends_the_process() -> None:
    code = """
def failing():
    raise KeyError("no")
context.model.module.extra_repr = failing
"""
    outcome = run_code(code, small_subject())
    assert outcome.result.status == "ok"
    assert outcome.stuck == ()
    assert outcome.restart
    (warning,) = outcome.warnings()
    assert warning == Message(
        key="core.model_not_looked_at", values={"analyzer": "toy", "type": "KeyError", "error": "'no'"}
    )


def test_our_own_analyzers_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from auditbench.worker.determinism import make_deterministic
    from auditbench.worker.process_state import undisturbed_process

    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # as in a worker
    subject, registry, results = small_subject(), Registry(), {}
    with undisturbed_process():
        make_deterministic()
        for name in ("performance", "fairness", "shap", "lime", "captum", "resources"):
            provided = registry.analyzer(name)
            fields: Any = provided.record.Params.model_fields if provided.record.Params else {}
            params = provided.record.Params(**({"rows": 8} if "rows" in fields else {})) if fields else None
            earlier = {other: results[other] for other in provided.record.after if other in results}
            context = subject.context(name, params, results=earlier, engine=LocalEngine(), host=QuietHost())
            outcome = run_analyzer(provided, context, registry, subject_changes=subject.changes)
            results[name] = outcome.result
            assert outcome.result.status == "ok", outcome.details
            assert (name, outcome.changed, outcome.stuck, outcome.subject_changes) == (name, (), (), ())
    assert np.isfinite(subject.outputs).all()
