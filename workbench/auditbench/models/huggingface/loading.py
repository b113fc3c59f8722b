"""Models in folders that transformers wrote, as models under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.data.building import class_names, labelled_rows
from auditbench.data.encoding import encoded_zeros, make_encoder
from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.subwords import kept_ids
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.findings import Message
from auditbench.models.batching import BatchSize, batch_rows, in_batches
from auditbench.models.description import output_count
from auditbench.models.formats import ModelRequest
from auditbench.models.huggingface.heads import fit_head
from auditbench.models.huggingface.labels import ordered_classes
from auditbench.models.huggingface.networks import EmbeddingHead, NextTokenNetwork, SentenceEncoder, TextClassifier
from auditbench.models.huggingface.parameters import HuggingfaceParams, huggingface_params, refuse_unused
from auditbench.models.huggingface.windows import fitted_text, positions, refuse_many_rows, text_of_request
from auditbench.models.opening.gguf_models import is_gguf, open_gguf_model
from auditbench.models.opening.huggingface_folders import OpenedFolder, open_folder
from auditbench.models.opening.huggingface_models import BuiltModel, Kind, build_model
from auditbench.models.opening.packages import require_for
from auditbench.models.out_of_memory import is_out_of_memory
from auditbench.models.wrapping import Interface, Origin, wrap_network
from auditbench.record import plain
from auditbench.run import Capability

if TYPE_CHECKING:
    from auditbench.models.subject import ModelUnderTest

_CAPABILITIES: tuple[Capability, ...] = ("gradients", "hooks", "layers", "embeddings", "black_box")
_PLACES = 32
"""Tokens of the rows on which padding is tried."""
_PADDING_TOLERANCE = 1e-4
"""How much padding may change an output, as a share of the largest."""
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A network with what it takes and gives."""

    network: nn.Module
    interface: Interface
    limits: tuple[Message, ...] = ()


def load_huggingface(request: ModelRequest) -> ModelUnderTest:
    """Open a folder of transformers or sentence-transformers: offline, and without any code of the folder.

    Raises:
        DataError: The data have no such text, or tokenizer.json is no usable tokenizer.
        MissingDependencyError: transformers or tokenizers is not installed.
        ModelError: It is no such folder, does not fit the data, or is not what the task needs.
        UntrustedModelError: The weights are a pickle of more than tensors.
    """
    require_for("huggingface", where=str(request.path))
    text_of_request(request)
    params = huggingface_params(request.table.parameters)
    folder, limits = _opened(request)
    kind = _kind(folder, request)
    built = build_model(folder.config, folder.tensors, kind, attention=params.attention, where=request.path)
    subject = _SUBJECTS[kind](folder, built, request, params)
    network = subject.network.to(request.device)
    _refuse_uncomputable(network, subject.interface, request)
    description = {
        "folder": folder.sha256,
        "kind": kind,
        "parameters": params.model_dump(),
        "interface": plain(subject.interface),
        "head": _head(subject.network),
    }
    return wrap_network(
        network,
        subject.interface,
        Origin(
            name=request.table.name,
            format="huggingface",
            architecture=type(built.module).__name__,
            digest=digest_of(description),
            where=str(request.path),
        ),
        device=request.device,
        capabilities=_CAPABILITIES,
        limits=(*limits, *subject.limits),
    )


def _opened(request: ModelRequest) -> tuple[OpenedFolder, tuple[Message, ...]]:
    """The folder, or what a GGUF file would be as one, and what a reader must know of it."""
    if not is_gguf(request.path):
        folder = open_folder(request.path)
        kinds = {str(each.dtype).removeprefix("torch.") for each in folder.tensors.values() if each.is_floating_point()}
        precisions = ", ".join(sorted(kinds - {"float32"}))
        limits = (Message(key="core.model_widened", values={"precisions": precisions}),) if precisions else ()
        return folder, limits
    folder, file = open_gguf_model(request.path)
    forms = ", ".join(f"{kind} ({count})" for kind, count in sorted(file.kinds.items()))
    return folder, (Message(key="core.model_dequantised", values={"forms": forms}),)


def _refuse_uncomputable(network: nn.Module, interface: Interface, request: ModelRequest) -> None:
    """Refuse a network that cannot be computed from ids and a mask alone, or for which padding is part of a text."""
    try:
        with torch.inference_mode():
            network(encoded_zeros(interface.inputs, 2, request.device))
            alone, padded = _with_and_without_padding(network, interface, request.device)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(
            "the network cannot be computed from token ids and a mask",
            where=str(request.path),
            found=f"{type(error).__name__}: {error}"[:300],
            allowed="a network of transformers that takes input_ids and attention_mask",
            fix='export it with what else it needs within: model.format = "exported" or "onnx"',
        ) from error
    most = _PADDING_TOLERANCE * float(alone.abs().max()) if len(alone) else 0.0
    if not torch.allclose(padded, alone, rtol=0.0, atol=most, equal_nan=True):
        raise ModelError(
            "what the network gives for a text depends on the padding behind it",
            where=str(request.path),
            found=f"outputs that differ by {float((padded - alone).abs().max()):.2g} with padding and without",
            allowed=f"at most {most:.2g}",
            fix="take a network that uses the attention mask and looks at no position behind the end of a text",
        )


def _with_and_without_padding(
    network: nn.Module, interface: Interface, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs for a few short texts each for itself, and for the same texts together; no rows where none fits."""
    (item,) = interface.inputs.values()
    if not isinstance(item, TextInput):
        return torch.empty(0), torch.empty(0)
    places = min(item.shape[0], _PLACES)
    texts = [" ".join("abcdefgh"[:count]) for count in (1, 3, 5, 8)]
    rows = [ids for ids in kept_ids(texts, item) if 0 < len(ids) < places]
    if not rows:
        return torch.empty(0), torch.empty(0)
    alone = torch.cat([network(torch.tensor([ids], device=device)) for ids in rows])
    together = [ids + [PADDING] * (places - len(ids)) for ids in rows]
    return alone, network(torch.tensor(together, device=device))


def _kind(folder: OpenedFolder, request: ModelRequest) -> Kind:
    if request.table.task == "next-token":
        return "language-model"
    named = [str(name) for name in folder.config.get("architectures") or ()]
    if folder.modules is None and any(name.endswith("ForSequenceClassification") for name in named):
        return "classifier"
    return "encoder"


def _classifier(folder: OpenedFolder, built: BuiltModel, request: ModelRequest, params: HuggingfaceParams) -> _Subject:
    refuse_unused(params, ("attention",), "a classifier of texts")
    classes, order = ordered_classes(built.config, request)
    inputs = _text(folder, built, request)
    (item,) = inputs.values()
    return _Subject(
        network=TextClassifier(built.module, item, order),
        interface=_interface(request, classes, inputs),
    )


def _language_model(
    folder: OpenedFolder, built: BuiltModel, request: ModelRequest, params: HuggingfaceParams
) -> _Subject:
    refuse_unused(params, ("attention",), "a language model")
    inputs = _text(folder, built, request)
    ((name, item),) = inputs.items()
    refuse_many_rows(request, name, item)
    return _Subject(
        network=NextTokenNetwork(built.module, item),
        interface=_interface(request, class_names(request.source, inputs, "next-token"), inputs),
    )


def _encoder(folder: OpenedFolder, built: BuiltModel, request: ModelRequest, params: HuggingfaceParams) -> _Subject:
    pooling, normalised = _pooling(folder, params, request)
    inputs = _text(folder, built, request)
    (item,) = inputs.values()
    encoder = SentenceEncoder(built.module, item, pooling=pooling, normalised=normalised).to(request.device)
    classes = class_names(request.source, inputs, request.table.task)
    interface = _interface(request, classes, inputs)
    weight, bias, rows = _fitted(encoder, interface, request, params)
    limits = [Message(key="core.model_fitted_head", values={"rows": rows, "l2": params.l2, "width": weight.shape[1]})]
    if built.unused:
        limits.append(
            Message(key="core.model_unused_tensors", values={"n": len(built.unused), "first": built.unused[0]})
        )
    return _Subject(network=EmbeddingHead(encoder, weight, bias), interface=interface, limits=tuple(limits))


_SUBJECTS = {"classifier": _classifier, "language-model": _language_model, "encoder": _encoder}


def _text(folder: OpenedFolder, built: BuiltModel, request: ModelRequest) -> dict[str, TextInput]:
    most = positions(built.module, built.config)
    if folder.longest is not None:
        most = min(folder.longest, most or folder.longest)
    try:
        size: int = built.module.get_input_embeddings().num_embeddings
    except (AttributeError, NotImplementedError) as error:
        raise ModelError(
            "the network has no table of embeddings for the ids of a tokenizer",
            where=str(request.path),
            found=type(built.module).__name__,
            allowed="a network of token ids",
            fix='export it with what cuts its texts within: model.format = "callable"',
        ) from error
    return fitted_text(request, folder.tokenizer, most=most, size=size, where=str(request.path))


def _interface(request: ModelRequest, classes: tuple[str, ...], inputs: Mapping[str, TextInput]) -> Interface:
    table = request.table
    return Interface(
        task=table.task,
        classes=classes,
        output="value" if table.task == "regression" else "logit",
        inputs=inputs,
        threshold=table.threshold,
        target=request.source.table.target,
    )


def _pooling(folder: OpenedFolder, params: HuggingfaceParams, request: ModelRequest) -> tuple[str, bool]:
    """How the states become one embedding, and whether that is brought to length 1."""
    if folder.modules is None:
        if params.pooling is None:
            raise ModelError(
                "how the states of an encoder become one embedding is not said",
                where="model.parameters.pooling",
                found="nothing, and no modules.json in the folder",
                allowed="mean, cls, max, last",
                fix="set model.parameters.pooling to what the encoder was trained with; most are trained with the mean",
            )
        return params.pooling, False
    refuse_unused(params, ("attention", "l2"), "a folder that has a pooling of its own")
    named = [name for name, value in folder.pooling.items() if name.startswith("pooling_mode") and value is True]
    mode = folder.pooling.get("pooling_mode")
    pooling = mode if isinstance(mode, str) else _POOLINGS.get(named[0], "") if len(named) == 1 else ""
    pooling = {"lasttoken": "last"}.get(pooling, pooling)
    kinds = folder.modules
    fits = kinds in (("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize"))
    if not fits or pooling not in _POOLINGS.values():
        raise ModelError(
            "the sentence encoder has parts that are not opened",
            where=f"{request.path}: modules.json",
            found=f"{', '.join(kinds)}; pooling {', '.join(named) or mode}"[:200],
            allowed="Transformer, Pooling of one kind (mean, cls, max or last token), Normalize",
            fix="export the encoder as a whole, with torch.export or to ONNX",
        )
    return pooling, kinds[-1] == "Normalize"


def _fitted(
    encoder: SentenceEncoder, interface: Interface, request: ModelRequest, params: HuggingfaceParams
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Coefficients and intercepts of the head, and the number of training rows that they are fitted on."""
    source = request.source
    if source.train is None or not len(source.train):
        raise ModelError(
            "a sentence encoder gives no classes, and there are no rows to fit a head on",
            where="data.train",
            found="no training rows",
            allowed="data.train, data.split or data.held_out",
            fix="name training rows, on whose embeddings a linear head is fitted",
        )
    rows = labelled_rows(source, source.train, interface.inputs, interface.classes)
    encode = make_encoder(interface.inputs)
    (name,) = interface.inputs

    def embed(part: slice) -> Any:
        ids = encode({name: torch.from_numpy(np.ascontiguousarray(rows.inputs[name][part]))}).to(request.device)
        with torch.inference_mode():
            return encoder(ids).double().cpu().numpy()

    numbers = sum(each.numel() for each in encoder.parameters())
    size = BatchSize(batch_rows(interface.inputs[name].shape[0], numbers, request.device))
    embeddings = np.concatenate(in_batches(embed, len(rows.part), size))
    outputs = output_count(interface.task, interface.classes)
    weight, bias = fit_head(
        embeddings, rows.y_true, outputs=outputs, l2=params.l2, regression=interface.task == "regression"
    )
    return weight, bias, len(rows.part)


def _head(network: nn.Module) -> Any:
    """The numbers that were fitted here, exactly."""
    if not isinstance(network, EmbeddingHead):
        return None
    return [network.head.weight.tolist(), network.head.bias.tolist()]
