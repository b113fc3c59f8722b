"""Networks of transformers from settings and tensors that were read before: no file, no network and no code but its own."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditbench.errors import ModelError
from auditbench.models.opening.packages import require_for
from auditbench.models.tensors import tensor_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

Kind: TypeAlias = Literal["classifier", "language-model", "encoder"]
Attention: TypeAlias = Literal["sdpa", "eager"]
_MAPPINGS = {
    "classifier": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
    "language-model": "MODEL_FOR_CAUSAL_LM_MAPPING",
    "encoder": "MODEL_MAPPING",
}
_WORDS = {
    "classifier": "a classifier of texts",
    "language-model": "a causal language model",
    "encoder": "an encoder of texts",
}
_SLACK_BYTES = 64 * 2**20
_REPEATED_LAYERS = 64
_CRITICAL = 50
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "USE_TF": "0",
    "USE_FLAX": "0",
}
_UNUSED_OF_ENCODERS = ("pooler.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModel:
    """A network of transformers with its weights.

    Attributes:
        module: In evaluation mode, in float32, its parameters frozen.
        config: As transformers reads it.
        unused: Tensors of the file that the network does not have.
    """

    module: Any
    config: Any
    unused: tuple[str, ...] = ()


def build_model(
    config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], kind: Kind, *, attention: Attention, where: Path
) -> BuiltModel:
    """The network that the settings describe, with exactly these weights.

    Its shapes are made without memory first, and nothing is made that is much larger than the tensors of the file.

    Args:
        config: As `open_folder` gives it.
        kind: What is on top of the network.
        attention: `eager` also where the network has no `sdpa`; both compute the same.

    Raises:
        MissingDependencyError: transformers is not installed.
        ModelError: There is no such network, or the tensors are not its own.
    """
    require_for("huggingface", where=str(where))
    with _silent():
        import torch

        transformers: Any = importlib.import_module("transformers")

        _refuse_layers(config, len(tensors), where)
        made, network = _network(transformers, config, kind, where)
        with _telling(where, kind, config):
            with torch.device("meta"):
                empty = network(made)
            _refuse_size(empty, tensors, where)
            _refuse_not_finite(tensors, where)
            module, info = network.from_pretrained(
                None,
                config=made,
                state_dict=dict(tensors),
                dtype=torch.float32,
                attn_implementation=attention if getattr(network, "_supports_sdpa", False) else "eager",
                generation_config=transformers.GenerationConfig(),
                ignore_mismatched_sizes=True,
                local_files_only=True,
                output_loading_info=True,
            )
    unused = _refuse_misfit(module, info, tensors, kind, where)
    module.eval().requires_grad_(False)
    return BuiltModel(module=module, config=module.config, unused=unused)


def _network(transformers: Any, config: Mapping[str, Any], kind: Kind, where: Path) -> tuple[Any, Any]:
    """The settings as transformers reads them, and the class of the network."""
    rest = dict(config)
    name = rest.pop("model_type")
    if name not in transformers.CONFIG_MAPPING:
        raise ModelError(
            "transformers does not know this model",
            where=f"{where}: model_type",
            found=repr(name)[:80],
            allowed=f"a model of transformers {transformers.__version__}, such as bert or gpt2",
            fix="install a later transformers; code of a folder is never run",
        )
    with _telling(where, kind, config):
        made = transformers.AutoConfig.for_model(name, **rest)
    mapping = getattr(transformers, _MAPPINGS[kind])
    if type(made) not in mapping or getattr(made, "is_encoder_decoder", False):
        raise _other_kind(config, kind, where)
    network = mapping[type(made)]
    if isinstance(network, (tuple, list)):
        network = network[0]
    named = [str(each) for each in config.get("architectures") or ()]
    if kind != "encoder" and named and network.__name__ not in named:
        raise _other_kind(config, kind, where)
    return made, network


def _other_kind(config: Mapping[str, Any], kind: Kind, where: Path) -> ModelError:
    named = ", ".join(map(str, config.get("architectures") or ())) or config["model_type"]
    return ModelError(
        f"the folder is not {_WORDS[kind]}",
        where=f"{where}: architectures",
        found=str(named)[:160],
        allowed="...ForSequenceClassification to classify, ...ForCausalLM or ...LMHeadModel for the next token, or a sentence encoder",
        fix="correct model.task, or name the folder of a model that was trained for it",
    )


@contextmanager
def _telling(where: Path, kind: Kind, config: Mapping[str, Any]) -> Iterator[None]:
    """Whatever transformers raises for settings that do not fit each other, as an error of the model."""
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"transformers cannot make {_WORDS[kind]} from these settings",
            where=str(where),
            found=f"{config.get('model_type')}: {said}"[:300],
            allowed="the settings and the weights that save_pretrained writes",
            fix="save the model again: model.save_pretrained(FOLDER)",
        ) from error


def _refuse_layers(config: Mapping[str, Any], tensors: int, where: Path) -> None:
    """Refuse more layers than there are tensors, before any is made; some models repeat one layer a few times."""
    most = max(_REPEATED_LAYERS, tensors)
    for key, value in config.items():
        if "layer" in key and isinstance(value, int) and value > most:
            raise ModelError(
                "the settings have more layers than the file has tensors",
                where=f"{where}: {key}",
                found=f"{value:,}",
                allowed=f"at most {most:,}",
                fix="copy the folder again from where it was made",
            )


def _refuse_size(empty: nn.Module, tensors: Mapping[str, torch.Tensor], where: Path) -> None:
    """Refuse a network that needs much more memory than the file has numbers; tied weights stand in the file once or twice."""
    needed = sum(4 * each.numel() for each in empty.parameters())
    made = sum(each.numel() * each.element_size() for each in empty.buffers())
    given = sum(4 * each.numel() for each in tensors.values())
    if needed > given + _SLACK_BYTES or made > given + 4 * _SLACK_BYTES:
        raise ModelError(
            "the settings describe a network that is larger than its weights",
            where=str(where),
            found=f"{(needed + made) / 2**20:,.0f} MiB of numbers, for {given / 2**20:,.0f} MiB in the file",
            allowed="the numbers of the file",
            fix="copy the folder again from where it was made",
        )


def _refuse_not_finite(tensors: Mapping[str, torch.Tensor], where: Path) -> None:
    if problems := tensor_problems(tensors, tensors, where=str(where), cast=True, fix="save weights that are finite"):
        raise ModelError("the folder has weights that are no numbers", problems=tuple(problems))


def _refuse_misfit(
    module: Any, info: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], kind: Kind, where: Path
) -> tuple[str, ...]:
    """Refuse tensors that are missing, of another shape, or that a network with a head does not have.

    Returns:
        Tensors that an encoder does not have: the head of another task.
    """
    own = module.state_dict()
    missing = [
        name for name in sorted(info["missing_keys"]) if kind != "encoder" or not name.startswith(_UNUSED_OF_ENCODERS)
    ]
    other = sorted(info["mismatched_keys"])
    unused = sorted(name for name in info["unexpected_keys"] if name in tensors)
    if not missing and not other and (not unused or kind == "encoder"):
        return tuple(unused)
    found = [
        *(f"no {name}" for name in missing[:4]),
        *(f"{each[0]} of shape {tuple(each[1])}" for each in other[:4]),
        *(f"{name}, which the network does not have" for name in (unused[:4] if kind != "encoder" else ())),
    ]
    wrong = len(missing) + len(other) + (len(unused) if kind != "encoder" else 0)
    first = next(iter([*missing, *(each[0] for each in other), *unused]))
    raise ModelError(
        f"the weights are not those of {type(module).__name__}: {wrong:,} of {len(own):,} tensors",
        where=str(where),
        found="; ".join(found)[:300],
        allowed=f"{first} of shape {tuple(own[first].shape)}"
        if first in own
        else f"the tensors of {type(module).__name__}",
        fix="save the model again: model.save_pretrained(FOLDER); what is not in the file would be random numbers",
    )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers from talking and from any hub, as long as the block runs; then all is as before."""
    before = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ.update(_OFFLINE)
    try:
        with warnings.catch_warnings():
            # Its own deprecations say nothing of the model; everything that may be wrong with that is checked here.
            warnings.filterwarnings("ignore", module=r"(transformers|huggingface_hub|torch)\b")
            import transformers
            from huggingface_hub import constants

            connected = constants.HF_HUB_OFFLINE  # what the environment said when it was imported, be it long before
            constants.HF_HUB_OFFLINE = True
            logging: Any = transformers.utils.logging

            verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
            logging.set_verbosity(_CRITICAL)
            logging.disable_progress_bar()
            try:
                yield
            finally:
                constants.HF_HUB_OFFLINE = connected
                logging.set_verbosity(verbosity)
                if bars:
                    logging.enable_progress_bar()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
