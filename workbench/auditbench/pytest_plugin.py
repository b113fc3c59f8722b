"""Audits as tests: an audit.toml that `--audit` or the ini option `audit_configs` names is a file of tests.

It holds one test for the audit itself, which fails when the audit does not come to its end, and one for each gate,
whose failure message is the gate's sentence. Together they are red exactly where the exit code of `auditbench audit` is
not 0. The audit runs once, in worker processes, when the first of its tests does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from auditbench.errors import AuditbenchError
    from auditbench.run import AuditRun

MARKER = "audit"
pytest_plugins = ("auditbench.pytest_conformance",)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name audits."""
    group = parser.getgroup("auditbench", "audits of models")
    group.addoption(
        "--audit",
        action="append",
        default=[],
        metavar="CONFIG",
        help="Run the audit of this audit.toml as tests, one a gate; repeatable.",
    )
    group.addoption(
        "--audit-out", metavar="DIR", help="Keep run folders in DIR/NAME; they are in pytest's cache by default."
    )
    group.addoption("--audit-baseline", metavar="RUN", help="Finished run that audits are compared with.")
    parser.addini("audit_configs", "Files of audits that are run with the whole suite.", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Let the files of audits be collected, wherever the tests are."""
    config.addinivalue_line("markers", f"{MARKER}: a gate of an audit, or the audit itself")
    named = _asked(config)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        named += _configured(config)
    for path in named:
        if not path.is_file():
            raise pytest.UsageError(f"expected the audit.toml of an audit, found no file at {_safe(str(path))}")
    config.args += [str(path) for path in dict.fromkeys(named)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a file that an option names."""
    config = parent.config
    if file_path.resolve() not in {path.resolve() for path in (*_asked(config), *_configured(config))}:
        return None
    return AuditFile.from_parent(parent, path=file_path)


class AuditFile(pytest.File):
    """The tests of one audit.toml, and the audit that they share."""

    _outcome: AuditRun | AuditbenchError | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """One test for the audit, and one for each gate of its config."""
        from auditbench.cli.audit import default_folder
        from auditbench.config_file import load_config
        from auditbench.gates import gate_ids
        from auditbench.safe_text import safe_text

        loaded = load_config(self.path)
        self.folder = self._home() / default_folder(self.path, loaded.config.audit.name).name
        self._refuse_taken()
        yield AuditItem.from_parent(self, name="audit")
        for gate in gate_ids(loaded.config.gates):
            yield GateItem.from_parent(self, name=f"gate[{safe_text(gate)}]", gate=gate)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override] # as of Collector
        """A refused configuration in the words of the command line."""
        from auditbench.errors import AuditbenchError

        if isinstance(excinfo.value, AuditbenchError):
            return _safe(excinfo.value.describe())
        return super().repr_failure(excinfo)

    def run(self) -> AuditRun:
        """The finished run; whoever asks first waits for it.

        Raises:
            AuditbenchError: The audit was refused, each time that it is asked for.
            KeyboardInterrupt: The audit was interrupted, and so is the session: what it has not measured is not green.
        """
        from auditbench.errors import AuditbenchError

        if self._outcome is None:
            try:
                self._outcome = self._audit()
            except AuditbenchError as error:
                self._outcome = error
        if isinstance(self._outcome, AuditbenchError):
            raise self._outcome
        if self._outcome.status != "complete":
            raise KeyboardInterrupt
        return self._outcome

    def _audit(self) -> AuditRun:
        """Run the audit, or take what another process of this test run has made of the same model, data and config."""
        import fcntl

        from auditbench import supervisor
        from auditbench.config_file import load_config

        baseline = self.config.getoption("--audit-baseline")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f"{self.folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return supervisor.audit(
                load_config(self.path),
                out=self.folder,
                replace=True,
                baseline=self.config.invocation_params.dir / baseline if baseline else None,
            )

    def _home(self) -> Path:
        """The folder of run folders."""
        if out := self.config.getoption("--audit-out"):
            return self.config.invocation_params.dir / str(out)
        if not self.config.pluginmanager.hasplugin("cacheprovider") or self.config.cache is None:
            raise self.CollectError("expected --audit-out DIR, since pytest runs without its cache")
        return Path(self.config.cache.mkdir("auditbench"))

    def _refuse_taken(self) -> None:
        """Refuse a second audit of the same name, which would write to the same folder."""
        owners = self.config.stash.setdefault(_OWNERS, {})
        owner = owners.setdefault(self.folder, self.path)
        if owner != self.path:
            raise self.CollectError(f"{owner} has the same audit.name: expected another one for each audit")


class _Item(pytest.Item):
    """A test of an audit."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.add_marker(MARKER)

    @property
    def audit(self) -> AuditFile:
        """The file of the test."""
        file = self.getparent(AuditFile)
        if file is None:
            raise ValueError(f"expected {self.nodeid} in the file of an audit")
        return file

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where a failure is told to be."""
        return self.path, None, f"{self.audit.name}: {self.name}"

    def fail(self, text: str, run: AuditRun | None = None) -> NoReturn:
        """Fail with words instead of a traceback, and say where the run is."""
        from auditbench.gate_sentences import catalogue_of

        if run is not None:
            text += "\n" + catalogue_of(run).say("core.test_report", folder=str(self.audit.folder))
        raise pytest.fail.Exception(_safe(text), pytrace=False) from None


class AuditItem(_Item):
    """Whether the audit came to its end, with a result of each analyzer that is required."""

    def runtest(self) -> None:
        """Run the audit."""
        from auditbench.errors import AuditbenchError, ExitCode
        from auditbench.gate_sentences import failure

        try:
            run = self.audit.run()
        except AuditbenchError as error:
            self.fail(error.describe())
        if run.exit_code not in (ExitCode.PASSED, ExitCode.GATE_FAILED):
            self.fail(failure(run, gates=False), run)


class GateItem(_Item):
    """One gate of the audit."""

    def __init__(self, *, gate: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._gate = gate

    def runtest(self) -> None:
        """Fail with the sentence of a gate that stops the release; one that stops nothing is expected to fail."""
        from auditbench.errors import AuditbenchError
        from auditbench.gate_sentences import catalogue_of, gate_sentence, gate_why

        try:
            run = self.audit.run()
        except AuditbenchError as error:
            self.fail(f"No decision, since there is no audit: {error}")
        say = catalogue_of(run)
        decision = next((gate for gate in run.gates if gate.id == self._gate), None)
        if decision is None:
            self.fail(say.say("core.test_no_decision", gate=self._gate), run)
        if decision.stops_release:
            self.fail("\n".join([gate_sentence(say, decision), *gate_why(say, decision)]), run)
        if decision.state != "pass":
            pytest.xfail(_safe(gate_sentence(say, decision)))


_OWNERS = pytest.StashKey[dict[Path, Path]]()


def _asked(config: pytest.Config) -> list[Path]:
    return [config.invocation_params.dir / name for name in config.getoption("--audit")]


def _configured(config: pytest.Config) -> list[Path]:
    return list(config.getini("audit_configs"))


def _safe(text: str) -> str:
    """Lines in which nothing acts on a terminal or in the log of a pipeline."""
    from auditbench.cli.terminal import safe_line

    return "\n".join(map(safe_line, text.split("\n")))
