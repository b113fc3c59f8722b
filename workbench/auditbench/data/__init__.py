"""Evaluated data: features, rows, readers, encoding. Importing this package imports neither numpy nor torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditbench.data.adult import ADULT
from auditbench.data.evaluation import TABULAR_INPUT, EvaluationData, Rows
from auditbench.data.features import FeatureSpec, encoded_width
from auditbench.data.inputs import (
    ImageInput,
    ModelInput,
    SeriesInput,
    TableInput,
    TextInput,
    encoded_size,
)
from auditbench.data.loading import DatasetLoader, DatasetSource

if TYPE_CHECKING:
    from auditbench.data.arrays import from_arrays
    from auditbench.data.building import build_evaluation, class_names
    from auditbench.data.encoder import TabularEncoder
    from auditbench.data.encoding import make_encoder
    from auditbench.data.fitting import fit_features
    from auditbench.data.modalities import fit_inputs
    from auditbench.data.next_tokens import FIRST_TOKEN
    from auditbench.data.reading import check_columns, open_source
    from auditbench.data.table import TableSource

BUILT_IN: tuple[DatasetLoader, ...] = (ADULT,)
"""The data sets that come with the product."""

_HOMES = {
    "FIRST_TOKEN": "next_tokens",
    "TableSource": "table",
    "TabularEncoder": "encoder",
    "build_evaluation": "building",
    "class_names": "building",
    "fit_features": "fitting",
    "fit_inputs": "modalities",
    "from_arrays": "arrays",
    "make_encoder": "encoding",
    "check_columns": "reading",
    "open_source": "reading",
}

__all__ = [
    "BUILT_IN",
    "FIRST_TOKEN",
    "TABULAR_INPUT",
    "DatasetLoader",
    "DatasetSource",
    "EvaluationData",
    "FeatureSpec",
    "ImageInput",
    "ModelInput",
    "Rows",
    "SeriesInput",
    "TableInput",
    "TableSource",
    "TabularEncoder",
    "TextInput",
    "build_evaluation",
    "check_columns",
    "class_names",
    "encoded_size",
    "encoded_width",
    "fit_features",
    "fit_inputs",
    "from_arrays",
    "make_encoder",
    "open_source",
]


def __getattr__(name: str) -> Any:
    """Import what needs numpy, pyarrow or torch when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench.data' has no attribute {name!r}")
    return getattr(import_module(f"auditbench.data.{_HOMES[name]}"), name)
