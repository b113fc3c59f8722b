"""From the JSON of an Explainable Boosting Machine to a model under test."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from auditbench.data import FeatureSpec, TableInput, class_names, fit_inputs
from auditbench.errors import ModelError
from auditbench.models import Interface, Origin, wrap_network
from auditbench.models.raw_rows import MISSING, lacking_numbers, missing_kept, raw_encoder, raw_inputs
from auditbench_ebm.document import LINKS, Document, Feature, read_document
from auditbench_ebm.network import EbmNetwork

if TYPE_CHECKING:
    from auditbench.models import ModelRequest, ModelUnderTest


def load(request: ModelRequest) -> ModelUnderTest:
    """The model of the file, which gives logits, or values of a regression; its outputs are those of `predict_proba`.

    Missing numbers and categories reach it as missing, and categories that it never saw as such, since it has bins for
    both. It computes in float64.

    Raises:
        DataError: The rows do not give features or classes.
        ModelError: The file is no such model, or it does not fit the columns, the task or the classes of the data.
    """
    where, source = str(request.path), request.source
    document = read_document(request.path)
    fitted = fit_inputs(source)
    interface = Interface(
        task=request.table.task,
        classes=class_names(source, fitted, request.table.task),
        output="logit" if document.classes else "value",
        inputs=raw_inputs(fitted, source),
        threshold=request.table.threshold,
        target=source.table.target,
    )
    if request.table.output not in (None, interface.output):
        raise ModelError(
            "the declared output is not that of this model",
            where="model.output",
            found=str(request.table.output),
            allowed=interface.output,
            fix="remove it: the file says it itself",
        )
    document = _for_classes(document, interface, where)
    features = _table(interface, where)
    columns = [_column(feature, features, where) for feature in document.features]
    if more := sorted(set(features) - {feature.name for feature in document.features}):
        raise ModelError(
            "the model does not know all columns of the data",
            where=where,
            found=", ".join(more),
            allowed=", ".join(feature.name for feature in document.features),
            fix="set data.features to the columns of the model",
        )
    lacking = frozenset(lacking_numbers(interface.inputs, source))
    categories = {name: feature.categories for name, feature in features.items()}
    network = EbmNetwork(document, columns, categories, missing=MISSING)
    digest = hashlib.sha256(request.path.read_bytes() + repr(interface).encode()).hexdigest()
    return wrap_network(
        network.eval().to(request.device),
        interface,
        Origin(
            name=request.table.name,
            format="ebm",
            architecture=f"Explainable Boosting Machine of {len(document.terms)} terms",
            digest=digest,
            where=where,
        ),
        device=request.device,
        capabilities=("black_box",),
        encoder=raw_encoder(interface.inputs, kept=lacking),
        limits=missing_kept(lacking),
    )


def _table(interface: Interface, where: str) -> dict[str, FeatureSpec]:
    """The columns of the data by name."""
    tables = [item for item in interface.inputs.values() if isinstance(item, TableInput)]
    if len(tables) != 1 or len(interface.inputs) != 1:
        raise ModelError("this model takes one table", where=where, found=", ".join(interface.inputs))
    return {feature.name: feature for feature in tables[0].features}


def _for_classes(document: Document, interface: Interface, where: str) -> Document:
    """The same model with its outputs in the order of the classes of the data."""
    if LINKS[document.link] != interface.task.rpartition("-")[2]:
        raise ModelError(
            "the model is of another task",
            where=where,
            found=LINKS[document.link],
            allowed=interface.task,
            fix="set model.task to that of the model",
        )
    if set(document.classes) != set(interface.classes):
        raise ModelError(
            "the model tells other classes apart than the data have",
            where=where,
            found=", ".join(document.classes),
            allowed=", ".join(interface.classes),
            fix="name the classes in the data as they were at training",
        )
    if document.classes == interface.classes:
        return document
    if document.link == "logit":  # the one output is that of the other class
        terms = tuple(dataclasses.replace(term, scores=-term.scores) for term in document.terms)
        return dataclasses.replace(document, classes=interface.classes, intercept=-document.intercept, terms=terms)
    order = [document.classes.index(name) for name in interface.classes]
    terms = tuple(dataclasses.replace(term, scores=term.scores[..., order]) for term in document.terms)
    return dataclasses.replace(document, classes=interface.classes, intercept=document.intercept[order], terms=terms)


def _column(feature: Feature, features: dict[str, FeatureSpec], where: str) -> int:
    """The column of a feature of the model."""
    there = features.get(feature.name)
    if there is None:
        raise ModelError(
            "the model has a feature that is no column of the data",
            where=where,
            found=feature.name,
            allowed=", ".join(features),
            fix="name the columns as they were at training, and leave none out of data.features",
        )
    if feature.is_number != (there.kind == "number"):
        kind = "number" if feature.is_number else "category"
        raise ModelError(
            f"the model takes {feature.name!r} as a {kind}",
            where=where,
            found=f"a {there.kind}",
            allowed=f"a {kind}",
            fix=f'set data.types.{feature.name} = "{kind}"',
        )
    return there.start
