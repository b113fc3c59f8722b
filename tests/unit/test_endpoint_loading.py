"""Models of a server: which tensors they get, that their outputs are those of the original, and what their digest is of."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.config import DataTable
from auditbench.data import encoding
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from auditbench.models.endpoint.credential import WITHHELD
from tests.endpoint_models import Passed, evaluated, opened, request, small_network
from tests.inference_server import InferenceServer, Served, serve_network
from tests.integration.small_audit import write_rows

COLUMNS = [
    {"name": "age", "datatype": "FP64", "shape": [-1, 1]},
    {"name": "hours", "datatype": "INT64", "shape": [-1]},
    {"name": "sex", "datatype": "BYTES", "shape": [-1, 1]},
]


def scores(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """A formula on raw columns, in float64."""
    women = np.array([one == "F" for one in tensors["sex"].ravel()], dtype=np.float64)
    return (tensors["age"].ravel() / 7 - tensors["hours"].ravel() / 3 + 0.1 * women)[:, None]


def of_columns(**changes: Any) -> Served:
    outputs = [{"name": "scores", "datatype": "FP64", "shape": [-1, 1]}]
    return Served(**({"predict": scores, "inputs": COLUMNS, "outputs": outputs} | changes))


def refused(folder: Path, served: Served, parameters: Mapping[str, Any] | None = None, **keys: Any) -> str:
    with InferenceServer(served) as server, pytest.raises(ModelError) as caught:
        opened(folder, server.url, parameters, **keys)
    return caught.value.describe()


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("described", [True, False], ids=["described", "silent"])
def test_a_network_behind_an_address_gives_the_same_outputs(tmp_path: Path, datatype: str, described: bool) -> None:
    network = small_network().to(torch.float64 if datatype == "FP64" else torch.float32)
    served = serve_network(network, 5, datatype=datatype)
    if not described:
        served.inputs = []
    with InferenceServer(served) as server:
        asked = request(tmp_path, server.url)
        model = opened(tmp_path, server.url, {"datatype": datatype})
        rows = evaluated(asked, model)
        found = model.predict(rows.inputs)
        encoded = model.encode(rows.inputs).to(next(network.parameters()).dtype)
        np.testing.assert_allclose(found, network(encoded).double().numpy(), rtol=0, atol=1e-12)
        assert server.inferences[-1].document["inputs"][0]["name"] == ("rows" if described else "features")
    assert model.facts.capabilities == ("black_box",)
    assert model.facts.parameters is None
    assert model.facts.architecture == "model tiny, version 1, served by torch"
    assert [limit.key for limit in model.facts.limits] == ["core.model_endpoint"]
    assert copy.deepcopy(model.module) is model.module


@pytest.mark.parametrize("described", [True, False], ids=["described", "silent"])
def test_columns_go_as_they_are(tmp_path: Path, described: bool) -> None:
    with InferenceServer(of_columns() if described else of_columns(inputs=[])) as server:
        parameters = {} if described else {"input": "columns", "datatype": "FP64"}
        asked = request(tmp_path, server.url, parameters, output="logit")
        model = opened(tmp_path, server.url, parameters)
        rows = evaluated(asked, model)
        raw = rows.inputs["features"]
        sex = np.array(["F", "M"], dtype=object)[raw[:, 2].astype(int)]
        expected = scores({"age": raw[:, 0], "hours": raw[:, 1], "sex": sex})
        assert np.array_equal(model.predict(rows.inputs), expected)  # every bit
        odd = raw.copy()
        odd[0], odd[1] = (np.nan, 11.6, 2.0), (1 / 3, -0.0, np.nan)
        model.predict({"features": odd})
        age, hours, sexes = server.inferences[-1].document["inputs"]
    assert age["data"][:2] == [45.0, 1 / 3]
    assert sexes["data"][:2] == ["", ""]
    assert sexes["data"][2:] == sex[2:].tolist()
    assert hours["data"][:2] == ([12, 0] if described else [11.6, -0.0])
    assert hours["shape"] == ([40] if described else [40, 1])
    rounded = ["core.model_endpoint_rounded"] if described else []
    assert [limit.key for limit in model.facts.limits] == [
        "core.model_endpoint",
        *rounded,
        "core.model_endpoint_filled",
    ]


def test_a_category_that_is_new_goes_as_its_own_text(tmp_path: Path) -> None:
    write_rows(tmp_path)
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    lines[2], lines[4] = (
        lines[2].replace(",M,", ",X,").replace(",F,", ",X,"),
        lines[4].replace(",M,", ",,").replace(",F,", ",,"),
    )
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    with InferenceServer(of_columns()) as server:
        asked = request(tmp_path, server.url)
        model = opened(tmp_path, server.url)
        model.predict(evaluated(asked, model).inputs)
        *_, sexes = server.inferences[-1].document["inputs"]
    assert sexes["data"][:2] == ["X", ""]


def test_a_number_beyond_the_whole_ones_of_the_server_becomes_their_end(tmp_path: Path) -> None:
    with InferenceServer(of_columns()) as server:
        asked = request(tmp_path, server.url)
        model = opened(tmp_path, server.url)
        raw = evaluated(asked, model).inputs["features"].copy()
        raw[:4, 1] = 1e19, -1e19, 2.0**63, 2.0**53
        model.predict({"features": raw})
        assert server.inferences[-1].document["inputs"][1]["data"][:4] == [2**63 - 1, -(2**63), 2**63 - 1, 2**53]
        (rounded,) = (limit for limit in model.facts.limits if limit.key == "core.model_endpoint_rounded")
        assert rounded.values == {"features": "hours", "types": "INT64"}


def test_names_of_the_server_may_be_others(tmp_path: Path) -> None:
    inputs = [{**port, "name": f"in_{port['name']}"} for port in COLUMNS]

    def renamed(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        return scores({name.removeprefix("in_"): array for name, array in tensors.items()})

    names = {"names": {name: f"in_{name}" for name in ("age", "hours", "sex")}}
    with InferenceServer(of_columns(inputs=inputs, predict=renamed)) as server:
        assert opened(tmp_path, server.url, names).facts.task == "binary-classification"
    assert "no tensor is named 'age'" in refused(tmp_path, of_columns(inputs=inputs, predict=renamed))
    assert "named for an input that the data do not have" in refused(tmp_path, of_columns(), {"names": {"aeg": "a"}})


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([{"name": "x", "datatype": "FP32", "shape": [-1, 7]}], "takes rows of another shape than the data have"),
        ([{"name": "x", "datatype": "FP32", "shape": [-1]}], "takes rows of another shape"),
        ([{"name": "x", "datatype": "BYTES", "shape": [-1, 5]}], "takes numbers of a type that the rows are not encoded in"),
        ([{"name": "x", "datatype": "INT64", "shape": [-1, 5]}], "takes numbers of a type"),
        ([{"name": "x", "datatype": "FP32", "shape": [8, 5]}], "takes a fixed number of rows"),
        (COLUMNS[:2], "takes other inputs than the data have"),
        ([*COLUMNS, {"name": "z", "datatype": "FP32", "shape": [-1, 1]}], "leave no input of the server out"),
        ([*COLUMNS[:2], {"name": "sex", "datatype": "INT64", "shape": [-1, 1]}], "another kind of tensor than the category 'sex'"),
        ([{"name": "age", "datatype": "BYTES", "shape": [-1, 1]}, *COLUMNS[1:]], "than the number 'age'"),
        ([*COLUMNS, COLUMNS[0]], "two inputs of one name"),
        ([{"name": "x", "datatype": "FP32"}], "not described as it should be"),
        ([{"name": "x", "datatype": "FP32", "shape": [-1, True]}], "not described as it should be"),
        ("x", "inputs that are no list"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(tmp_path: Path, inputs: Any, said: str) -> None:
    assert said in refused(tmp_path, of_columns(inputs=inputs))


def test_outputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    two = [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in ("label", "scores")]
    assert "the model has several outputs" in refused(tmp_path, of_columns(outputs=two))
    assert "the model has no such output" in refused(tmp_path, of_columns(), {"output": "odds"})
    labels = [{"name": "scores", "datatype": "INT64", "shape": [-1, 1]}]
    assert "another type than a model's scores" in refused(tmp_path, of_columns(outputs=labels))
    wide = serve_network(small_network(3), 5, outputs=3)
    assert "another shape than the rows ask for" in refused(tmp_path, wide)


def test_two_outputs_of_a_binary_classifier_are_one(tmp_path: Path) -> None:
    network = small_network(2)
    with InferenceServer(serve_network(network, 5, outputs=2)) as server:
        asked = request(tmp_path, server.url)
        model = opened(tmp_path, server.url, {"output": "scores"})
        rows = evaluated(asked, model)
        given = network(model.encode(rows.inputs)).double().numpy()
        np.testing.assert_allclose(model.predict(rows.inputs)[:, 0], given[:, 1] - given[:, 0], atol=1e-6)
        assert server.inferences[-1].document["outputs"] == [{"name": "scores"}]


def test_a_server_of_one_row_at_a_time_gets_one(tmp_path: Path) -> None:
    served = serve_network(small_network(), 5)
    served.inputs[0]["shape"] = [1, 5]
    with InferenceServer(served) as server:
        model = opened(tmp_path, server.url)
        server.seen.clear()
        model.module(torch.rand(7, 5))
        assert [seen.document["inputs"][0]["shape"] for seen in server.inferences] == [[1, 5]] * 7


def test_the_model_has_to_be_there_ready_and_the_one_that_is_named(tmp_path: Path) -> None:
    with InferenceServer(serve_network(small_network(), 5)) as server:
        server.ready = False
        with pytest.raises(ModelError, match="the server gave no answer"):
            opened(tmp_path, server.url, {"retries": 1})
        server.ready = True
        with pytest.raises(ModelError, match="the server has no such model"):
            opened(tmp_path, server.url.replace("tiny", "huge"))
        assert opened(tmp_path, f"{server.url}/versions/1").facts.architecture.startswith("model tiny, version 1,")
        with pytest.raises(ModelError, match="the server has no such model"):
            opened(tmp_path, f"{server.url}/versions/2")
        server.always = "other-version"
        with pytest.raises(ModelError, match="another model answered"):
            opened(tmp_path, f"{server.url}/versions/1")


def test_the_digest_is_of_the_model_and_not_of_the_place(tmp_path: Path) -> None:
    def digest(served: Served, parameters: Mapping[str, Any] | None = None) -> str:
        with InferenceServer(served) as server:
            return opened(tmp_path, server.url, parameters).facts.digest

    first = digest(serve_network(small_network(), 5))
    assert digest(serve_network(small_network(), 5), {"retries": 2, "timeout_seconds": 9.0}) == first
    other = small_network()
    other[2].bias.data += 1e-4
    assert digest(serve_network(other, 5)) != first
    later = serve_network(small_network(), 5)
    later.version = "2"
    assert digest(later) != first


def test_a_server_that_answers_differently_each_time_says_so(tmp_path: Path) -> None:
    def model(start: int) -> ModelUnderTest:
        counter = itertools.count(start)
        served = serve_network(small_network(), 5)
        served.predict = lambda tensors: np.full(
            (len(next(iter(tensors.values()))), 1), next(counter), dtype=np.float32
        )
        with InferenceServer(served) as server:
            return opened(tmp_path, server.url)

    first, second = model(0), model(50)
    assert [limit.key for limit in first.facts.limits] == ["core.model_endpoint", "core.model_endpoint_varies"]
    assert first.facts.digest == second.facts.digest


def test_what_the_server_says_of_the_model_holds_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "Zq81+vTn03xWm77"
    monkeypatch.setenv("MODEL_TOKEN", value)
    parameters = {"token_environment": "MODEL_TOKEN"}
    with InferenceServer(serve_network(small_network(), 5), always="echo-version") as server:
        model = opened(tmp_path, server.url, parameters)
    assert value not in repr(model)
    assert WITHHELD in model.facts.architecture
    served = serve_network(small_network(), 5)
    served.platform = f"torch for {value}"
    said = refused(tmp_path, served, parameters)
    assert "repeats the credential in what it says of the model" in said
    assert value not in said


class _Sums(nn.Module):
    """Takes any inputs and weighs every number by its place."""

    def forward(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        parts = [array.reshape(len(array), -1).astype(np.float64) for _, array in sorted(tensors.items())]
        rows = np.concatenate(parts, axis=1)
        return (rows @ np.linspace(-1, 1, rows.shape[1]))[:, None]


@pytest.mark.parametrize("kinds", [("image",), ("series",), ("text",), ("image", "series", "text")], ids="-".join)
def test_inputs_of_every_modality(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    rows = 24
    arrays: dict[str, Any] = {
        "image": rng.integers(256, size=(rows, 3, 4, 5)).astype(np.uint8),
        "series": rng.normal(size=(rows, 2, 6)),
        "text": np.array([" ".join(rng.choice(["up", "down", "left"], size=3)) for _ in range(rows)]),
        "label": np.array(["a", "b"] * (rows // 2)),
        "part": np.array(["train"] * 12 + ["test"] * 12),
    }
    np.savez(tmp_path / "rows.npz", **arrays)
    data = DataTable.model_validate(
        {"test": "rows.npz", "split": "part", "target": "label", "positive": "b",
         "inputs": {kind: {"modality": kind} for kind in kinds}}
    )  # fmt: skip
    shapes = {"image": [-1, 3, 4, 5], "series": [-1, 2, 6], "text": [-1, 3]}
    inputs = [
        {"name": kind, "datatype": "INT64" if kind == "text" else "FP32", "shape": shapes[kind]} for kind in kinds
    ]
    served = Served(predict=_Sums(), inputs=inputs, outputs=[{"name": "y", "datatype": "FP64", "shape": [-1, 1]}])
    with InferenceServer(served) as server:
        asked = request(tmp_path, server.url, data=data)
        model = opened(tmp_path, server.url, {"rows_per_request": 5}, data=data, clock=Passed().clock())
        given = evaluated(asked, model)
        found = model.predict(given.inputs)
        encoded = {
            name: encoding.make_encoder({name: item})(
                {name: torch.from_numpy(np.asarray(given.inputs[name][:]))}
            ).numpy()
            for name, item in model.inputs.items()
        }
    np.testing.assert_allclose(found, _Sums()(encoded), rtol=0, atol=1e-12)
    assert found.std() > 0
