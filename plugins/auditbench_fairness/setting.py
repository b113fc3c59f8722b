"""What every table of this plugin names: the positive label, and the threshold from which a row is decided for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from auditbench.findings import Message
from auditbench_fairness.measures import message

if TYPE_CHECKING:
    from auditbench.context import AuditContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How decisions are read.

    Attributes:
        kind: `binary`, `classes` for several of them, `tokens` of a language model, or `values` of a regression.
        positive: Of two classes; `threshold` the probability from which it is decided for.
    """

    kind: Literal["binary", "classes", "tokens", "values"]
    positive: str = ""
    threshold: float = 0.5

    def title(self, key: str, **values: float | str | None) -> Message:
        """The title of a table, with what selected means."""
        if self.kind == "binary":
            values |= {"positive": self.positive, "threshold": self.threshold}
        return message(f"{key}_{self.kind}", **values)


def setting_of(context: AuditContext) -> Setting:
    """How the decisions of the audited model are read."""
    classes, threshold = context.data.classes, context.model.facts.threshold
    if context.data.task == "regression":
        return Setting(kind="values")
    if len(classes) == 2 and context.data.task == "binary-classification":
        return Setting(kind="binary", positive=classes[1], threshold=0.5 if threshold is None else threshold)
    return Setting(kind="tokens" if context.data.task == "next-token" else "classes")
