"""Rows are counted however a model is called, and once, whatever it calls in its turn."""

from __future__ import annotations

import pytest
import torch

from auditbench.testing import tiny_gpt, toy_subject
from auditbench.testing.conformance.row_counter import RowCounter
from auditbench.worker.state_guard import model_state


def test_calls_by_position_and_by_name_count_and_calls_outside_do_not() -> None:
    model, counter = toy_subject().model, RowCounter()
    rows = torch.zeros((5, 9))
    model.module(rows)
    with counter.counting(model):
        model.module(rows)
        model.module(encoded=rows[:2])
    model.module(rows)
    assert counter.rows == 7


def test_a_model_of_several_inputs_counts_rows_and_not_inputs() -> None:
    subject, counter = toy_subject(modality="mixed"), RowCounter()
    with counter.counting(subject.model):
        subject.model.predict(next(subject.data.batches(7)).inputs)
    assert counter.rows == 7


def test_a_decoder_counts_once_whether_its_last_place_is_asked_for_or_all() -> None:
    model, counter = tiny_gpt().subject.model, RowCounter()
    tokens = torch.ones((3, 7), dtype=torch.int64)
    with counter.counting(model):
        model.module(tokens)
        model.module.positions(tokens)  # type: ignore[operator]
    assert counter.rows == 6


def test_a_call_that_raises_is_over_and_no_hook_is_left() -> None:
    model, counter = toy_subject().model, RowCounter()
    before = model_state(model.module)
    with counter.counting(model):
        with pytest.raises(RuntimeError):
            model.module(torch.zeros((4, 2)))
        model.module(torch.zeros((3, 9)))
    assert counter.rows == 7
    assert before.changes(model_state(model.module)) == ()
