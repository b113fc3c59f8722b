"""The gates of a run as an assertion, for a test that audits a model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.errors import ExitCode
from auditbench.gate_sentences import failure

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def assert_gates(run: AuditRun) -> None:
    """Pass when every gate that stops a release passed and no required analyzer lacks its result.

    ```python
    def test_model_may_be_released(model, X, y):
        assert_gates(auditbench.audit(model, X, y, analyzers={"performance": {}}, gates=[...], ...))
    ```

    Raises:
        AssertionError: The exit code of the run is not 0, or it has no gates. The message is the verdict, the sentence
            of each gate that stops the release, and why an analyzer has no result, in the language of the run's report.
    """
    __tracebackhide__ = True
    if run.exit_code != ExitCode.PASSED or not run.gates:
        raise AssertionError(failure(run))
