"""The configuration of a Keras network: checked against what may be named, and written again with nothing else.

Keras gets the copy. In it each class stands where Keras has it, layers compute in float32, and inputs take any number of rows.
Nothing of the compilation is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditbench.models.opening.files import Damage
from auditbench.models.opening.keras_allowed import ACTIVATIONS, FLOATING, MODELS, WHOLE, home_of, why_refused
from auditbench.models.opening.limits import MAX_CONFIG_DEPTH, MAX_DIMENSIONS, MAX_LAYERS, MAX_NESTING

_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")
_VALUES = {"__tuple__": "items"} | dict.fromkeys(
    ("__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"), "config"
)
"""What is no layer: references, constants, places. The key beside the name."""
_SHAPES = ("batch_shape", "batch_input_shape")
_KEPT = ("config", "name", "inbound_nodes", "build_config", "shared_object_id")
_SETTINGS = (str, bool, int, float, type(None))
_LARGEST = 2**53

# Keys that must not be true, and what they would mean.
_UNWANTED = {
    "time_major": "takes steps before rows",
    "stateful": "remembers one row when it is given the next",
    "training": "behaves as in training, and so draws random numbers or mixes rows",
    "sparse": "takes sparse tensors",
    "ragged": "takes ragged tensors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """A configuration that was checked.

    Attributes:
        value: The copy for Keras.
        model: `Sequential` or `Functional`.
        layers: How many layers it has, those within others included.
        precisions: What it would compute in beside float32.
        channels: `channels_last` or `channels_first`, as its first layer with a choice says; empty without one.
    """

    value: dict[str, Any]
    model: str
    layers: int
    precisions: tuple[str, ...] = ()
    channels: str = ""


def check_config(config: Any) -> NetworkConfig:
    """The checked copy of a configuration, as JSON has it.

    Raises:
        Damage: It is none of a network, names what a network may not name, is nested too deep or too large, or makes
            layers that remember rows or draw random numbers.
    """
    if not isinstance(config, Mapping) or config.get("class_name") not in MODELS:
        named = config.get("class_name") if isinstance(config, Mapping) else config
        raise Damage(
            "holds no network that describes itself",
            found=repr(named)[:80],
            allowed="Sequential or Functional: classes of one's own are code, which no file holds",
            fix="build the network from layers of Keras, copy the weights, and save it again; or export it to ONNX",
        )
    walk = _Walk()
    value = walk.node(config, "config", 0, 0)
    runs = _runs(value)
    if runs > MAX_LAYERS:
        raise Damage("has more layers than a model", found=f"{runs:,} in use", allowed=f"at most {MAX_LAYERS:,}")
    return NetworkConfig(
        value=value,
        model="Sequential" if config["class_name"] == "Sequential" else "Functional",
        layers=walk.layers,
        precisions=tuple(sorted(walk.precisions)),
        channels=walk.channels,
    )


@dataclass(slots=True)
class _Walk:
    """One pass over a configuration, and what was seen on the way."""

    layers: int = 0
    channels: str = ""
    precisions: set[str] = field(default_factory=set)

    def node(self, node: Mapping[str, Any], where: str, depth: int, models: int) -> dict[str, Any]:
        """The copy of an object with a class."""
        name, module = node.get("class_name"), node.get("module")
        if name in _VALUES and set(node) == {"class_name", _VALUES[name]}:
            return {"class_name": name, _VALUES[name]: self.value(node[_VALUES[name]], where, depth, models)}
        _check_names(node, where)
        home = home_of(str(name), module)
        if home is None:
            raise _refused_class(str(name), module, where)
        self.layers += home == "keras.layers" and name != "InputLayer"
        models += name in MODELS
        if models > MAX_NESTING or self.layers > MAX_LAYERS:
            raise Damage("has too many layers, or networks in networks", found=where[:160])
        kept = {key: node[key] for key in _KEPT if key in node}
        if "build_config" in kept:
            _check_sizes(kept["build_config"], f"{where}.build_config")
        copied = {key: self.value(value, f"{where}.{key}", depth + 1, models) for key, value in kept.items()}
        if "module" in node:
            copied |= {"module": home, "registered_name": None}
        return {"class_name": "Functional" if name == "Model" else name, **copied}

    def value(self, value: Any, where: str, depth: int, models: int) -> Any:
        """The copy of any value."""
        if depth > MAX_CONFIG_DEPTH:
            raise Damage("has a configuration that is nested too deep", found=where[:160])
        if isinstance(value, list):
            return [self.value(one, f"{where}[{index}]", depth + 1, models) for index, one in enumerate(value)]
        if isinstance(value, dict):
            if value.get("class_name") in _POLICIES:
                return self.precision(_policy(value, where), where)
            if "class_name" in value:
                return self.node(value, where, depth, models)
            return {key: self.entry(key, one, f"{where}.{key}", depth, models) for key, one in value.items()}
        if not isinstance(value, _SETTINGS) or (isinstance(value, int) and abs(value) > _LARGEST):
            raise Damage("has a setting that is none", found=f"{where}: {value!r}"[:160])
        return value

    def entry(self, key: str, value: Any, where: str, depth: int, models: int) -> Any:
        """The copy of a value by its key, some of which mean the same in every layer."""
        if key in _UNWANTED and value not in (False, None):
            raise Damage(
                f"has a layer that {_UNWANTED[key]}",
                found=f"{where} = {value!r}"[:160],
                allowed=f"{key} = false",
                fix="build the network without it, copy the weights, and save it again",
            )
        if key == "dtype" and isinstance(value, str):
            return self.precision(value, where)
        if key.endswith("activation") and isinstance(value, str) and value not in ACTIVATIONS:
            raise Damage(
                "names an activation that Keras does not have",
                found=f"{where} = {value!r}"[:160],
                allowed="those of Keras",
            )
        if key == "data_format" and value in ("channels_first", "channels_last"):
            self.channels = self.channels or str(value)
        if key in _SHAPES:
            return _any_rows(value, where)
        return self.value(value, where, depth + 1, models)

    def precision(self, name: str, where: str) -> str:
        """What a layer computes in: whole numbers as they are, all else in float32."""
        if name in WHOLE:
            return name
        if name not in FLOATING:
            raise Damage(
                "computes in numbers that cannot be audited",
                found=f"{where} = {name!r}"[:160],
                allowed=", ".join(sorted(FLOATING | WHOLE)),
                fix="save the network as it was before it was quantized or changed to this type",
            )
        self.precisions |= {name} - {"float32"}
        return "float32"


def _runs(value: Any) -> int:
    """How often layers run for one row: a network that is used twice runs its layers twice."""
    if isinstance(value, list):
        return sum(map(_runs, value))
    if not isinstance(value, dict):
        return 0
    within = sum(_runs(one) for key, one in value.items() if key != "inbound_nodes")
    if "class_name" not in value:
        return within
    used = value.get("inbound_nodes")
    return (len(used) if isinstance(used, list) and used else 1) * (1 + within)


def _policy(value: Mapping[str, Any], where: str) -> str:
    config = value.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(name, str) or home_of("Dense", value.get("module")) is None:
        raise Damage("has a setting that is none", found=f"{where}: {dict(value)!r}"[:160])
    return name


def _check_names(node: Mapping[str, Any], where: str) -> None:
    """Refuse a name that would be looked up among classes that others registered."""
    name, module, registered = node.get("class_name"), node.get("module"), node.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None) or registered not in (None, name):
        raise Damage(
            "names a class that is not one of Keras",
            found=f"{where}: {name!r} of {module!r}, registered as {registered!r}"[:200],
            allowed="layers of Keras itself",
            fix="build the network from layers of Keras, copy the weights, and save it again; or export it to ONNX",
        )


def _check_sizes(value: Any, where: str) -> None:
    """Refuse anything but sizes, by name, where a layer is told the shapes of its inputs."""
    if isinstance(value, dict):
        for key, one in value.items():
            if not key.isidentifier() or key.startswith("_"):
                raise Damage("has shapes that are none", found=f"{where}: {key!r}"[:160])
            _check_sizes(one, where)
    elif isinstance(value, list):
        for one in value:
            _check_sizes(one, where)
    elif value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise Damage("has shapes that are none", found=f"{where}: {value!r}"[:160])


def _any_rows(value: Any, where: str) -> list[int | None] | None:
    """The shape of an input, which takes any number of rows: none of them remembers another."""
    if value is None:
        return None
    sizes = value["items"] if isinstance(value, dict) and value.get("class_name") == "__tuple__" else value
    wrong = not isinstance(sizes, list) or not 1 < len(sizes) <= MAX_DIMENSIONS or any(map(_is_no_size, sizes))
    if wrong:
        raise Damage(
            "has an input of no shape",
            found=f"{where} = {value!r}"[:160],
            allowed="the number of rows, and whole numbers above 0",
        )
    return [None, *sizes[1:]]


def _is_no_size(size: Any) -> bool:
    return size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 < size < 2**31)


def _refused_class(name: str, module: str | None, where: str) -> Damage:
    reason = why_refused(name)
    return Damage(
        f"has {name[:80]!r}, which is not opened" + (f": {reason}" if reason else ""),
        found=f"{where[:120]}: {name[:80]!r}" + (f" of {module[:80]!r}" if module else ""),
        allowed="layers of Keras itself, without code of their own",
        fix="build the network from layers of Keras, copy the weights, and save it again; or export it to ONNX",
    )
