"""Which loader serves which format of the product."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from auditbench.models.bundle import load_bundle
from auditbench.models.declared import refuse_other_scaling
from auditbench.models.formats import FORMATS, Content, ModelRequest
from auditbench.models.graphs import load_graph
from auditbench.models.opening.packages import require_for
from auditbench.models.predictions import load_predictions
from auditbench.models.programs import load_program
from auditbench.models.subject import ModelUnderTest
from auditbench.models.trained_rows import refuse_other_rows
from auditbench.models.weights import load_weights


def load_model(request: ModelRequest) -> ModelUnderTest:
    """Open a model of a format that comes with the product.

    Raises:
        ModelError: It cannot be opened or does not fit the data.
        StaleModelError: It was trained on other rows than `data.held_out` leaves.
        UntrustedModelError: Opening it means running code that nobody vouched for.
        DataError: The data do not say what its file leaves out.
    """
    return _LOADERS[FORMATS[request.table.format]](request)


def _load_bundle(request: ModelRequest) -> ModelUnderTest:
    model = load_bundle(request.path, request.table, request.device, request.architectures)
    refuse_other_rows(model.facts.training, request.source)
    refuse_other_scaling(model.inputs, request.source)
    return model


def _load_endpoint(request: ModelRequest) -> ModelUnderTest:
    require_for("endpoint", where="model.format")
    from auditbench.models.endpoint.loading import load_endpoint

    return load_endpoint(request)


def _load_estimator(request: ModelRequest) -> ModelUnderTest:
    from auditbench.models.estimators.loading import load_estimator

    return load_estimator(request)


def _load_callable(request: ModelRequest) -> ModelUnderTest:
    from auditbench.models.callables import load_callable

    return load_callable(request)


def _load_keras(request: ModelRequest) -> ModelUnderTest:
    from auditbench.models.keras import load_keras

    return load_keras(request)


def _load_huggingface(request: ModelRequest) -> ModelUnderTest:
    from auditbench.models.huggingface.loading import load_huggingface

    return load_huggingface(request)


_LOADERS: Mapping[Content, Callable[[ModelRequest], ModelUnderTest]] = {
    "bundle": _load_bundle,
    "weights": load_weights,
    "program": load_program,
    "graph": load_graph,
    "huggingface": _load_huggingface,
    "keras": _load_keras,
    "estimator": _load_estimator,
    "callable": _load_callable,
    "predictions": load_predictions,
    "endpoint": _load_endpoint,
}
