"""Networks of Keras as models under test: what Keras predicts, exact gradients, and rows in the order that they want."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditbench.data.inputs import ModelInput
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from auditbench_captum import integrated_gradients
from tests.keras_networks import (
    EVERY,
    INPUTS,
    OF_KERAS,
    channels_last,
    computed,
    gradients,
    image,
    keras,
    made,
    opened,
    raw_rows,
    saved,
    series,
    table,
    words,
)

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

DIFFERENTIABLE = ("cnn", "gru", "two", "mlp")
# Keras itself does not open an .h5 with operations between layers.
FILES = [(name, ending) for name in EVERY for ending in (".keras", ".h5") if (name, ending) != ("two", ".h5")]


def model_of(name: str, path: Path) -> ModelUnderTest:
    if name == "cnn":
        return opened(path, INPUTS[name], task="multiclass-classification", outputs=3, output="probability")
    return opened(path, INPUTS[name])


@pytest.mark.parametrize(("name", "ending"), FILES)
def test_outputs_are_those_of_keras(name: str, ending: str, tmp_path: Path) -> None:
    network = made(name)
    model = model_of(name, saved(network, tmp_path / f"model{ending}"))
    rows = raw_rows(INPUTS[name], rows=11)
    expected = computed(network, rows)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(model.predict(rows), expected, atol=1e-5)
    backwards = {key: array[::-1] for key, array in rows.items()}
    np.testing.assert_allclose(model.predict(backwards)[::-1], expected, atol=1e-5)
    alone = {key: array[4:5] for key, array in rows.items()}
    np.testing.assert_allclose(model.predict(alone), expected[4:5], atol=1e-5)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_are_those_of_keras_and_integrate_to_the_output(name: str, tmp_path: Path) -> None:
    network = made(name)
    model = model_of(name, saved(network, tmp_path / "model.keras"))
    assert "gradients" in model.facts.capabilities
    rows = raw_rows(INPUTS[name], rows=4)
    encoded = model.encode(rows)
    found = gradients(model.module, encoded).numpy()
    given = {key: torch.tensor(channels_last(array), requires_grad=True) for key, array in rows.items()}
    taken = [given[tensor.name] for tensor in network.inputs] if len(given) > 1 else next(iter(given.values()))
    slopes = torch.autograd.grad(network(taken, training=False)[:, 0].sum(), list(given.values()))
    first = [np.moveaxis(one.numpy(), -1, 1) if one.ndim > 2 else one.numpy() for one in slopes]
    expected = first[0] if len(first) == 1 else np.concatenate([one.reshape(len(one), -1) for one in first], axis=1)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found, expected, atol=1e-6)
    explained = integrated_gradients(model.module, encoded, baseline=torch.zeros_like(encoded[:1]), steps=256)
    change = np.ptp(model.predict(rows), axis=0).max()
    assert np.abs(explained.completeness_gap).max() < 0.01 * change
    assert np.abs(explained.values).sum() > 0


def test_token_ids_have_no_gradient_and_that_is_said(tmp_path: Path) -> None:
    model = model_of("lstm", saved(made("lstm"), tmp_path / "model.keras"))
    assert model.facts.capabilities == ("black_box",)


def test_the_network_is_frozen_and_evaluates(tmp_path: Path) -> None:
    model = model_of("cnn", saved(made("cnn"), tmp_path / "model.keras"))
    parameters = list(model.module.parameters())
    assert parameters
    assert not any(one.requires_grad for one in parameters)
    assert not model.module.training
    rows = raw_rows(INPUTS["cnn"])
    assert np.array_equal(model.predict(rows), model.predict(rows))
    before = [one.clone() for one in parameters]
    gradients(model.module, model.encode(rows))
    assert all(torch.equal(one, other) for one, other in zip(before, parameters, strict=True))
    assert model.predict({"image": np.empty((0, 2, 12, 10), np.float32)}).shape == (0, 3)


def network_of(shape: tuple[int, ...], *layers: Any) -> Any:
    k = keras()
    k.utils.set_random_seed(3)
    return k.Sequential([k.Input(shape), *layers, k.layers.Flatten(), k.layers.Dense(1)])


@pytest.mark.parametrize(
    ("shape", "item", "given", "last"),
    [
        pytest.param((6, 5, 3), image(3, 6, 5), lambda x: np.moveaxis(x, 1, -1), True, id="image-last"),
        pytest.param((3, 6, 5), image(3, 6, 5), lambda x: x, False, id="image-first"),
        pytest.param((6, 5), image(1, 6, 5), lambda x: x[:, 0], False, id="image-without-channel"),
        pytest.param((30,), image(1, 6, 5), lambda x: x.reshape(len(x), 30), False, id="image-flat"),
        pytest.param((8, 3), series(3, 8), lambda x: np.moveaxis(x, 1, -1), True, id="series-last"),
        pytest.param((3, 8), series(3, 8), lambda x: x, False, id="series-first"),
        pytest.param((8,), series(1, 8), lambda x: x[:, 0], False, id="series-without-channel"),
        pytest.param((4, 4, 4), image(4, 4, 4), lambda x: np.moveaxis(x, 1, -1), True, id="cube-as-keras-has-it"),
        pytest.param((7,), table(7), lambda x: x, False, id="table"),
        pytest.param((7, 1), table(7), lambda x: x[..., None], False, id="table-as-series"),
    ],
)
def test_rows_reach_the_network_in_its_order(
    shape: tuple[int, ...], item: ModelInput, given: Any, last: bool, tmp_path: Path
) -> None:
    network = network_of(shape)
    model = opened(saved(network, tmp_path / "model.keras"), {"rows": item})
    rows = raw_rows({"rows": item})
    expected = network.predict(given(rows["rows"]), verbose=0)
    np.testing.assert_allclose(model.predict(rows), expected, atol=1e-5)
    inner = next(part for part in model.module.modules() if hasattr(part, "channels_last"))
    assert inner.channels_last is last


def test_a_cube_goes_in_as_its_convolution_is_set_to(tmp_path: Path) -> None:
    network = network_of((4, 4, 4), keras().layers.Conv2D(3, 2, data_format="channels_first"))
    model = opened(saved(network, tmp_path / "model.keras"), {"image": image(4, 4, 4)})
    rows = raw_rows({"image": image(4, 4, 4)})
    np.testing.assert_allclose(model.predict(rows), network.predict(rows["image"], verbose=0), atol=1e-5)


def test_a_fixed_number_of_rows_is_taken_for_any(tmp_path: Path) -> None:
    k = keras()
    network = k.Sequential([k.Input(batch_shape=(4, 5)), k.layers.Dense(1)])
    model = opened(saved(network, tmp_path / "model.keras"), {"features": table(5)})
    rows = raw_rows({"features": table(5)}, rows=8)
    np.testing.assert_allclose(
        model.predict(rows), network.predict(rows["features"], batch_size=4, verbose=0), atol=1e-5
    )


def test_layers_of_training_do_nothing(tmp_path: Path) -> None:
    layers = keras().layers
    between = [layers.RandomFlip(), layers.RandomRotation(0.2), layers.GaussianNoise(0.5), layers.SpatialDropout2D(0.5)]
    network = network_of((6, 5, 3), *between)
    model = opened(saved(network, tmp_path / "model.keras"), {"image": image(3, 6, 5)})
    rows = raw_rows({"image": image(3, 6, 5)})
    np.testing.assert_allclose(model.predict(rows), computed(network, rows), atol=1e-5)


def test_inputs_that_keras_takes_by_name(tmp_path: Path) -> None:
    k = keras()
    one, other = k.Input((3,), name="right"), k.Input((2,), name="left")
    network = k.Model({"right": one, "left": other}, k.layers.Dense(1)(k.layers.Concatenate()([one, other])))
    inputs: Mapping[str, ModelInput] = {"right": table(3), "left": table(2)}
    model = opened(saved(network, tmp_path / "model.keras"), inputs)
    rows = raw_rows(inputs)
    np.testing.assert_allclose(model.predict(rows), network.predict(rows, verbose=0), atol=1e-5)


def test_half_precision_is_computed_in_full(tmp_path: Path) -> None:
    k = keras()
    k.utils.set_random_seed(4)
    half = k.Sequential([k.Input((5,)), k.layers.Dense(8, activation="relu"), k.layers.Dense(1, dtype="float32")])
    whole = k.Sequential([k.Input((5,)), k.layers.Dense(8, activation="relu"), k.layers.Dense(1)])
    half.layers[0].dtype_policy = "mixed_float16"
    whole.set_weights(half.get_weights())
    model = opened(saved(half, tmp_path / "model.keras"), {"features": table(5)})
    rows = raw_rows({"features": table(5)})
    np.testing.assert_allclose(model.predict(rows), computed(whole, rows), atol=1e-6)


REFUSED: list[Any] = [
    pytest.param((6, 5, 3), {"image": image(3, 7, 5)}, ["(6, 5, 3)", "(7, 5, 3) or (3, 7, 5)", "`size`"], id="image"),
    pytest.param((8, 3), {"signal": series(3, 9)}, ["(8, 3)", "(9, 3) or (3, 9)", "`length`"], id="series"),
    pytest.param((8,), {"features": table(7)}, ["(8,)", "(7,) or (7, 1)", "data.features"], id="table"),
    pytest.param((8,), {"text": words(20, 7)}, ["(8,)", "(7,)", "`length`"], id="text"),
    pytest.param((8,), {"a": table(8), "b": table(1)}, ["inputs of these names: a, b"], id="names"),
]


@pytest.mark.parametrize(("shape", "inputs", "says"), REFUSED)
def test_other_rows_are_refused_with_both_shapes(
    shape: tuple[int, ...], inputs: Mapping[str, ModelInput], says: list[str], tmp_path: Path
) -> None:
    path = saved(network_of(shape), tmp_path / "model.keras")
    with pytest.raises(ModelError) as caught:
        opened(path, inputs)
    said = caught.value.describe()
    assert all(part in said for part in [*says, "model.keras", "fix:"]), said


def test_a_vocabulary_without_room_is_refused(tmp_path: Path) -> None:
    path = saved(made("lstm"), tmp_path / "model.keras")
    with pytest.raises(ModelError, match="knows fewer tokens than the data have"):
        opened(path, {"text": words(31, 9)})


def test_several_outputs_are_refused(tmp_path: Path) -> None:
    k = keras()
    one = k.Input((3,))
    network = k.Model(one, [k.layers.Dense(1)(one), k.layers.Dense(2)(one)])
    with pytest.raises(ModelError, match="gives several outputs"):
        opened(saved(network, tmp_path / "model.keras"), {"features": table(3)})


def test_two_outputs_are_a_binary_classifier(tmp_path: Path) -> None:
    k = keras()
    network = k.Sequential([k.Input((3,)), k.layers.Dense(2, activation="softmax")])
    path = saved(network, tmp_path / "model.keras")
    model = opened(path, {"features": table(3)}, task="binary-classification", output="probability")
    rows = raw_rows({"features": table(3)})
    np.testing.assert_allclose(model.predict(rows), computed(network, rows)[:, 1:], atol=1e-6)


def test_parameters_are_learned_numbers(tmp_path: Path) -> None:
    from auditbench.models.opening.keras_files import open_keras

    found = open_keras(saved(made("mlp"), tmp_path / "model.keras"), device="cpu")
    # 5 x 8 + 8, the scale and shift of 8 channels, 8 x 6 + 6, 6 + 1; running means and variances are not learned.
    assert found.parameters == 48 + 16 + 54 + 7
    assert dataclasses.asdict(found.config)["layers"] == 4
