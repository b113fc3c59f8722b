"""Answers of a server: each row's outputs are taken once or the whole is refused, whatever goes wrong."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from tests.endpoint_models import Passed, opened, small_network
from tests.inference_server import InferenceServer, serve_network

PASSING = ("", "429", "429-date", "503", "500", "502-page", "drop", "drop-within", "no-http")
WRONG = {
    "cut-json": "no JSON that can be read",
    "twice": "has the name 'id' twice",
    "list": "the answer is no object",
    "other-id": "the answer is to another request",
    "no-id": "the answer is to another request",
    "other-model": "another model answered",
    "other-version": "another version of the model answered than before",
    "no-outputs": "another set of outputs",
    "odd-outputs": "another set of outputs",
    "other-output": "another set of outputs",
    "labels": "another type than a model's scores",
    "texts": "values that are no numbers",
    "truths": "values that are no numbers",
    "null": "1 values such as null",
    "long-number": "values that are no numbers",
    "nan": "NaN is not JSON",
    "overflow": "no finite numbers",
    "fewer-rows": "another shape than the rows ask for",
    "more-rows": "another shape than the rows ask for",
    "fewer-values": "another number of values than its shape says",
    "wide": "another shape than the rows ask for",
    "deep": "another shape than the rows ask for",
    "no-shape": "not described as it should be",
    "page": "something else than JSON",
    "endless": "more than 1,0",
}


@pytest.fixture(scope="module")
def server() -> Iterator[InferenceServer]:
    with InferenceServer(serve_network(small_network(), 5)) as running:
        yield running


@pytest.mark.parametrize("fault", WRONG)
def test_an_answer_that_is_none_is_refused(server: InferenceServer, tmp_path: Path, fault: str) -> None:
    model = opened(tmp_path, server.url, {"rows_per_request": 4})
    before = len(server.inferences)
    server.faults.extend(["", fault])
    with pytest.raises(ModelError) as caught:
        model.module(torch.rand(12, 5))
    assert WRONG[fault] in caught.value.describe()
    assert caught.value.problems[0].where == "model.path"
    assert len(server.inferences) - before == 2


@pytest.fixture(scope="module")
def kept(server: InferenceServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelUnderTest, Passed]:
    passed = Passed()
    return opened(tmp_path_factory.mktemp("rows"), server.url, {"retries": 20}, clock=passed.clock()), passed


@settings(max_examples=60)
@given(
    rows=st.integers(1, 70),
    size=st.integers(1, 20),
    faults=st.lists(st.sampled_from(PASSING), max_size=25),
)
def test_no_row_is_lost_or_counted_twice(
    server: InferenceServer, kept: tuple[ModelUnderTest, Passed], rows: int, size: int, faults: list[str]
) -> None:
    """Every row carries its number; the answers are compared with the network, the server's log with the rows."""
    model, passed = kept
    module, before = model.module, dataclasses.replace(model.module.client.sent)
    module.rows_per_request = size
    server.seen.clear()
    passed.slept.clear()
    encoded = torch.rand(rows, 5)
    encoded[:, 0] = torch.arange(rows)
    server.faults.extend(faults)
    outputs = module(encoded)
    struck = len(faults) - len(server.faults)
    server.faults.clear()
    expected = small_network()(encoded).double()
    torch.testing.assert_close(outputs, expected, rtol=1e-6, atol=1e-6)
    failed = sum(1 for fault in faults[:struck] if fault)
    answered = Counter(
        int(number)
        for seen in server.inferences
        if not seen.fault
        for number in np.array(seen.document["inputs"][0]["data"]).reshape(-1, 5)[:, 0]
    )
    assert answered == Counter(range(rows))
    sent = module.client.sent
    assert sent.rows - before.rows == rows
    assert sent.again - before.again == len(passed.slept) == failed
    assert sent.requests - before.requests == len(server.inferences) == -(-rows // size) + failed


def test_a_batch_that_fails_for_good_fails_the_whole(server: InferenceServer, tmp_path: Path) -> None:
    model = opened(tmp_path, server.url, {"rows_per_request": 4, "retries": 1})
    server.faults.extend(["", "503", "503"])
    with pytest.raises(ModelError, match="the server gave no answer"):
        model.module(torch.rand(12, 5))
    assert torch.equal(model.module(torch.ones(3, 5)), small_network()(torch.ones(3, 5)).double())
