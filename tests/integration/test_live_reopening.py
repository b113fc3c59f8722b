"""`auditbench.audit` on a live model that could not be looked at after an analyzer: what follows works on it opened again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import auditbench
from auditbench.errors import ExitCode
from tests.plugin_site import PluginSite, installed_site

ROWS, ASKED = 40, 99.0
ASK = f"""
import numpy as np
rows = {{name: array.copy() for name, array in context.data.take(np.arange(1)).inputs.items()}}
rows["features"][:] = {ASKED}
context.model.predict(rows)
return AnalysisResult()
"""


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with installed_site(tmp_path_factory.mktemp("reopening") / "site") as site:
        site.add_analyzer("ask", ASK)
        site.add_analyzer("after", "return AnalysisResult()")
        yield site


class Restarting:
    """A function of rows that fails some calls after it was asked for one row; then it may give other numbers."""

    def __init__(self, failures: int, shift: float = 0.0) -> None:
        self.failures, self.shift, self.asked = failures, shift, False
        self.rows_since = 0

    def __call__(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.asked and self.failures:
            self.failures -= 1
            raise ConnectionError("restarting")
        self.rows_since += len(rows) if self.asked else 0
        shift = self.shift if self.asked else 0.0
        self.asked = self.asked or bool((rows == ASKED).all())
        return np.clip(np.asarray(rows)[:, 0] * 0.5 + shift, 0, 1)


def audit(model: Restarting) -> auditbench.AuditRun:
    rng = np.random.default_rng(0)
    return auditbench.audit(
        model,
        rng.random((ROWS, 3)),
        rng.integers(0, 2, ROWS),
        task="binary-classification",
        output="probability",
        analyzers={"ask": {}, "after": {}},
    )


def test_what_follows_a_failed_look_works_on_the_model_opened_again() -> None:
    model = Restarting(failures=1)
    run = audit(model)
    assert [result.status for result in run.results] == ["ok", "ok"]
    (warning,) = run.warnings
    assert (warning.key, warning.values["analyzer"]) == ("core.model_not_looked_at", "ask")
    opened_once = Restarting(failures=0)
    audit(opened_once)
    assert model.rows_since >= opened_once.rows_since + ROWS


@pytest.mark.parametrize(
    ("failures", "shift", "why"), [(100, 0.0, "restarting"), (1, 0.1, "not the one that was opened first")]
)
def test_nothing_runs_on_a_model_that_cannot_be_opened_again_or_is_another(
    failures: int, shift: float, why: str
) -> None:
    run = audit(Restarting(failures, shift))
    assert [result.status for result in run.results] == ["ok", "failed"]
    reason = run.results[1].reason
    assert reason is not None
    assert reason.key == "core.not_opened_again"
    assert why in str(reason.values["error"])
    assert run.exit_code == ExitCode.INCOMPLETE
