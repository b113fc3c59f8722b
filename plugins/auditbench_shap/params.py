"""Parameters of the `shap` analyzer: the table `[analyzers.shap]`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditbench.contracts import NAMES_A_METHOD
from auditbench.masking.player_params import PlayerParams
from auditbench_shap.methods import WITH_TARGET_ERROR, AnalyzerMethod


class Params(BaseModel):
    """`[analyzers.shap]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1)] = Field(100, description="Rows to explain: the chosen cases, then a sample.")
    background: Annotated[int, Field(ge=1)] = Field(
        50, description="Background rows whose values stand in for hidden features; all of them are used."
    )
    method: AnalyzerMethod = Field(
        "auto",
        description="Estimator; `auto` enumerates all coalitions where the budget allows it, else walks permutations, and "
        "regresses where the budget is below one round of walks. `shap.kernel` and the like are the explainers of the shap "
        "library; `shap.tree` walks the trees of an estimator of scikit-learn, XGBoost or LightGBM; `hierarchical` explains texts by their sentences, clauses and words.",
        json_schema_extra={NAMES_A_METHOD: True},
    )
    budget: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Most model rows for each explained row, beside its own output and those of the background. Without it "
        "all coalitions up to 524,288 model rows of a network whose first layer is computed once, of any other model up to "
        "32,768, else two rounds of walks, more for a background of fewer than 32 rows.",
    )
    target_error: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="`permutation`: walk on for rows whose estimated relative error is above this, as far as the budget, or "
        "256 rounds, goes.",
    )
    sensitive_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05,
        description="A sensitive feature whose share of all |contribution| has an interval at or above this is a finding.",
    )

    players: PlayerParams = Field(
        default_factory=PlayerParams, description="What of an image, a text or a series is hidden, and by what."
    )

    @model_validator(mode="after")
    def _target_error_has_walks(self) -> Self:
        if self.target_error is not None and self.method not in WITH_TARGET_ERROR:
            allowed = ", ".join(WITH_TARGET_ERROR)
            raise ValueError(f"expected one of {allowed} as the method for a target error, got {self.method}")
        return self
