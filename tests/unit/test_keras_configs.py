"""What a configuration of Keras may name is there, stands where it is said to, and nothing else may be named."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from auditbench.models.opening.files import Damage
from auditbench.models.opening.keras_allowed import (
    ACTIVATIONS,
    CONSTRAINTS,
    INITIALIZERS,
    LAYERS,
    MODELS,
    OPERATIONS,
    REGULARIZERS,
    home_of,
)
from auditbench.models.opening.keras_configs import check_config
from auditbench.models.opening.limits import MAX_LAYERS
from tests.keras_networks import keras

# Layers of Keras that are refused, by why.
OWN_CODE = {"Lambda", "FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper", "Pipeline"}
ABSTRACT = {"InputSpec", "Layer", "Wrapper"}
OF_TEXTS_AND_BINS = {
    *("CategoryEncoding", "Discretization", "HashedCrossing", "Hashing"),
    *("IntegerLookup", "StringLookup", "TextVectorization"),
}
OF_SOUND = {"MelSpectrogram", "STFTSpectrogram"}
OF_AUGMENTATION = {
    *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization"),
    *("MaxNumBoundingBoxes", "MixUp", "RandAugment", "Solarization"),
    *(
        f"Random{name}"
        for name in (
            *("ColorDegeneration", "ColorJitter", "Crop", "ElasticTransform", "Erasing", "GaussianBlur", "Grayscale"),
            *("Hue", "Invert", "Perspective", "Posterization", "Saturation", "Sharpness", "Shear"),
        )
    ),
}
OTHERS = {"ReversibleEmbedding"}


def classes_in(module: Any) -> set[str]:
    return {name for name, item in vars(module).items() if inspect.isclass(item)}


def test_layers_are_those_of_keras_and_the_others_are_known() -> None:
    found = classes_in(keras().layers)
    refused = OWN_CODE | ABSTRACT | OF_TEXTS_AND_BINS | OF_SOUND | OF_AUGMENTATION | OTHERS
    assert found >= LAYERS
    assert found - LAYERS <= refused
    assert not refused & LAYERS


def test_what_layers_are_made_with_is_of_keras() -> None:
    library = keras()
    assert classes_in(library.initializers) >= INITIALIZERS
    assert classes_in(library.regularizers) >= REGULARIZERS
    assert classes_in(library.constraints) >= CONSTRAINTS
    functions = {name for name, item in vars(library.activations).items() if inspect.isfunction(item)}
    assert functions - {"deserialize", "get", "serialize"} == ACTIVATIONS


def test_operations_and_networks_stand_where_it_is_said() -> None:
    keras()
    for name, module in {**OPERATIONS, **MODELS}.items():
        found = getattr(import_module(module), "Functional" if name == "Model" else name)
        assert inspect.isclass(found)
        assert hasattr(found, "from_config")


@pytest.mark.parametrize(
    ("name", "module", "home"),
    [
        ("Dense", None, "keras.layers"),
        ("Dense", "keras.layers", "keras.layers"),
        ("Dense", "tf_keras.src.layers", "keras.layers"),
        ("Softmax", "keras.src.ops.nn", "keras.src.ops.nn"),
        ("Softmax", "keras.layers", "keras.layers"),
        ("Model", None, "keras.src.models.functional"),
        ("Dense", "kerass", None),
        ("Dense", "keras_evil.layers", None),
        ("Dense", "tensorflow.python", None),
        ("Dense", "", None),
        ("Dense", "keras.src.ops.numpy", None),
        ("Vectorize", "keras.src.ops.numpy", None),
        ("Lambda", "keras.layers", None),
    ],
)
def test_a_class_has_one_home(name: str, module: str | None, home: str | None) -> None:
    assert home_of(name, module) == home


def sequential(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, **more}


def dense(module: str = "keras.layers", **settings: Any) -> dict[str, Any]:
    return {"module": module, "class_name": "Dense", "config": {"units": 2, **settings}, "registered_name": None}


def test_the_copy_has_what_keras_needs_and_nothing_else() -> None:
    start = {"class_name": "InputLayer", "config": {"batch_shape": [32, 5], "dtype": "float16"}}
    layer = {**dense("tf_keras.layers", data_format="channels_first"), "registered_name": "Dense", "other": {"x": 1}}
    found = check_config(
        sequential(start, layer, compile_config={"loss": "mse"}, build_config={"input_shape": [32, 5]})
    )
    assert found.value == {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "build_config": {"input_shape": [32, 5]},
        "config": {
            "name": "s",
            "layers": [
                {"class_name": "InputLayer", "config": {"batch_shape": [None, 5], "dtype": "float32"}},
                dense(data_format="channels_first"),
            ],
        },
    }
    assert (found.model, found.layers, found.precisions, found.channels) == (
        "Sequential", 1, ("float16",), "channels_first",
    )  # fmt: skip


def test_layers_within_others_count_as_often_as_they_run() -> None:
    inner = {**sequential(dense(), dense()), "inbound_nodes": [[], [], []]}
    config = {**sequential(inner), "class_name": "Functional"}
    assert check_config(config).layers == 2
    inner["inbound_nodes"] = [[]] * MAX_LAYERS
    with pytest.raises(Damage, match="more layers than a model"):
        check_config(config)


@pytest.mark.parametrize(
    "settings",
    [{"training": True}, {"stateful": True}, {"time_major": 1}, {"sparse": True}, {"ragged": True}, {"dtype": "complex64"},
     {"activation": "evil"}, {"recurrent_activation": "x.y"}, {"batch_shape": 3}, {"batch_shape": [None, True]},
     {"kernel_initializer": {"class_name": "Evil", "config": {}}}, {"units": 2**60}],
)  # fmt: skip
def test_settings_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Damage) as caught:
        check_config(sequential(dense(**settings)))
    assert caught.value.found


def test_the_same_settings_that_say_nothing_are_taken() -> None:
    usual = {"training": False, "stateful": False, "sparse": None, "activation": "relu", "dtype": "float32"}
    assert check_config(sequential(dense(**usual))).layers == 1
