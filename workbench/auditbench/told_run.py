"""`ToldRun`: what sentences and cards need of a run. A run shows itself as a card, so that the card does not import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from auditbench.arrays import IntegerArray
    from auditbench.findings import GateDecision, Verdict
    from auditbench.results import AnalysisResult


class Named(Protocol):
    """What has a name: the audit, and its model."""

    @property
    def name(self) -> str:
        """As in the configuration."""


class Evaluated(Protocol):
    """The evaluated data."""

    @property
    def rows(self) -> int:
        """How many."""


class ToldRun(Protocol):
    """The fields of `AuditRun` by these names."""

    @property
    def audit(self) -> Named:
        """Whose name is that of the run."""

    @property
    def model(self) -> Named:
        """Under audit."""

    @property
    def data(self) -> Evaluated:
        """That the model was evaluated on."""

    @property
    def status(self) -> Literal["complete", "interrupted"]:
        """Whether all of it ran."""

    @property
    def verdict(self) -> Verdict:
        """Of the gates."""

    @property
    def exit_code(self) -> int:
        """Of the command."""

    @property
    def config(self) -> Mapping[str, Any]:
        """As it was read."""

    @property
    def messages(self) -> Mapping[str, Mapping[str, str | Mapping[str, str]]]:
        """Templates of the analyzers, by language and key."""

    @property
    def gates(self) -> tuple[GateDecision, ...]:
        """Every decision."""

    @property
    def results(self) -> tuple[AnalysisResult, ...]:
        """Of every analyzer."""

    @property
    def row_keys(self) -> IntegerArray | None:
        """Of the evaluated rows; where they are stored, the folder of the run."""
