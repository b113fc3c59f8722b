"""What `model.parameters` may say of a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auditbench.errors import ModelError, Problem


class HuggingfaceParams(BaseModel):
    """Settings of the loader.

    Attributes:
        attention: `sdpa` is faster; `eager` gives the weights of attention to whoever looks at layers.
        pooling: From the states of the tokens of an encoder to one embedding of the text, where the folder does not say it.
        l2: Strength of the penalty on the squared coefficients of the head that is fitted on the embeddings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    attention: Literal["sdpa", "eager"] = "sdpa"
    pooling: Literal["mean", "cls", "max", "last"] | None = None
    l2: Annotated[float, Field(gt=0, le=1e6)] = 1.0


def huggingface_params(parameters: Mapping[str, Any]) -> HuggingfaceParams:
    """The settings, checked.

    Raises:
        ModelError: With every one that does not fit.
    """
    try:
        return HuggingfaceParams.model_validate(dict(parameters))
    except ValidationError as error:
        problems = tuple(
            Problem(
                message=item["msg"],
                where=".".join(["model.parameters", *map(str, item["loc"])]),
                found=repr(item["input"])[:80],
                allowed=", ".join(HuggingfaceParams.model_fields),
                fix="remove or correct it",
            )
            for item in error.errors()[:20]
        )
        raise ModelError("parameters that a Hugging Face folder does not take", problems=problems) from error


def refuse_unused(params: HuggingfaceParams, used: tuple[str, ...], kind: str) -> None:
    """Refuse settings that this kind of model does not read.

    Raises:
        ModelError: One was set that would do nothing.
    """
    superfluous = sorted(params.model_fields_set - set(used))
    if superfluous:
        raise ModelError(
            f"this setting means nothing for {kind}",
            where=f"model.parameters.{superfluous[0]}",
            found=repr(getattr(params, superfluous[0])),
            allowed=", ".join(used),
            fix="remove it",
        )
