"""What every table of audit.toml shares: strict types, no unknown keys, no infinite numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]


class Table(BaseModel):
    """A table of the file, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
