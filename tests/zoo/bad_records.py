"""Records that break what a record promises."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tests.zoo.bad import declares
from tests.zoo.good import METRICS, Params


def params(*, config: ConfigDict | None = None, **fields: Any) -> type[BaseModel]:
    """The good parameters and more."""
    annotations = {name: kind for name, (kind, _) in fields.items()}
    space = {name: field for name, (_, field) in fields.items()}
    return type(
        "More", (Params,), {"__annotations__": annotations, **({"model_config": config} if config else {}), **space}
    )


declares("topic-is-no-text", "fits-the-contract", topic=3)
declares("metrics-are-a-list", "fits-the-contract", metrics=[*METRICS])
declares("no-summary", "says-what-it-is", summary=" ")
declares("summary-of-two-lines", "says-what-it-is", summary="Means\nof outputs")
declares("no-cost", "states-its-cost", cost=None)

declares(
    "default-outside", "defaults-are-valid", Params=params(level=(float, Field(2.0, lt=1, description="A level.")))
)
declares("no-default", "defaults-are-valid", Params=params(level=(float, Field(description="A level."))))
declares("no-help", "parameters-have-help", Params=params(level=(float, 0.5)))
declares(
    "broken-schema",
    "parameters-have-a-schema",
    Params=params(level=(float, Field(0.5, description="A level.", json_schema_extra={"minimum": "zero"}))),
)
declares("loose-parameters", "refuses-unknown-parameters", Params=params(config=ConfigDict(extra="ignore")))
