"""Every error this product raises on purpose.

```
AuditbenchError            AB500  a bug of ours when raised itself
├── ConfigError            AB100  audit.toml or a command line option; holds every problem of the file
├── ComparisonError        AB110  two runs cannot be compared
├── DataError              AB200  the data do not fit what the config says
│   └── EmptyDataError     AB201  there are no rows to evaluate
├── ModelError             AB300  the model cannot be opened or does not fit the data
│   ├── StaleModelError    AB301  a model made by other training settings is in the way
│   ├── TrainingError      AB302  training cannot start or diverged
│   ├── UntrustedModelError AB303 opening the model would run code that is not trusted
│   └── ModelMemoryError    AB304 memory runs out even with one row at a time
├── PluginError            AB400  a plugin cannot be used
│   ├── PluginConflictError    AB401  two distributions provide one name
│   ├── UnknownPluginError     AB402  nothing installed provides a name
│   ├── MissingDependencyError AB403  a plugin needs a package that is not installed
│   ├── ResultError            AB404  an analyzer returned something that is no result
│   ├── AnalyzerNotPossible    AB405  an analyzer says it does not apply here
│   └── MissingProgramError    AB406  a plugin needs a program that is not on this machine
└── HostError              AB500  ours
    ├── WorkerError        AB501  a worker ended without an answer
    ├── RunFolderError     AB502  the output folder cannot be used
    ├── RecordError        AB503  run.json cannot be read, or is not as it was written
    ├── UnsupportedPlatformError AB504  this operating system is not supported
    └── RunWriteError      AB505  a run that had begun cannot be written any more
```

The class docstring is what `auditbench explain CODE` prints.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from auditbench.safe_text import LONGEST_TEXT, safe_text


class ExitCode(enum.IntEnum):
    """Exit codes of the command line; also `exit_code` in run.json."""

    PASSED = 0
    GATE_FAILED = 1
    REFUSED = 2
    INCOMPLETE = 3
    NOTHING_EVALUATED = 4
    INTERNAL_ERROR = 5
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where, what was found, what is allowed, and the way on.

    Attributes:
        where: Key path, file, column, row or plugin name; empty when the message says it.
        found: What is there, shortened.
        allowed: What could stand there instead.
        fix: The next step, as an instruction.
    """

    message: str
    where: str = ""
    found: str = ""
    allowed: str = ""
    fix: str = ""

    def lines(self) -> list[str]:
        """The problem as indented lines for a terminal, without empty parts; no part reaches beyond its own line."""
        where, message = _line(self.where), _line(self.message)
        parts = (("found", self.found), ("allowed", self.allowed), ("fix", self.fix))
        head = f"{where}: {message}" if where else message
        return [head, *(f"  {label}: {_line(text)}" for label, text in parts if text)]


class AuditbenchError(Exception):
    """Something went wrong inside Auditbench itself. Please report it with the output of `--debug`."""

    # `details` is a trace or the end of a log, for whoever looks into it; it is never part of the message.
    code: ClassVar[str] = "AB500"
    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL_ERROR

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        found: str = "",
        allowed: str = "",
        fix: str = "",
        problems: tuple[Problem, ...] = (),
        details: str = "",
    ) -> None:
        first = Problem(message=message, where=where, found=found, allowed=allowed, fix=fix)
        self.problems: tuple[Problem, ...] = problems or (first,)
        self.details = details
        super().__init__(_line(message))
        if (details := "\n".join(self._lines())) != self.args[0]:
            self.add_note(details)  # a traceback in Python shows them

    def describe(self) -> str:
        """The whole error for a terminal: the code, then every problem."""
        head = f"{self.code} {self.args[0]}" if len(self.problems) > 1 else ""
        body = [f"{self.code} {line}" if not head and i == 0 else line for i, line in enumerate(self._lines())]
        return "\n".join([head, *body] if head else body)

    def _lines(self) -> list[str]:
        return [line for problem in self.problems for line in problem.lines()]


class ConfigError(AuditbenchError):
    """The configuration is not valid.

    Every problem of the file is listed at once, each with its key path, what was found, what is allowed and,
    for a misspelt name, the nearest valid one. Nothing was evaluated.
    """

    code = "AB100"
    exit_code = ExitCode.REFUSED


class ComparisonError(AuditbenchError):
    """Two runs cannot be compared.

    Their models answer different questions (another task, other classes), the baseline was interrupted, or not one
    metric is measured in both runs in the same way. Audit the older model again with the configuration of today, and
    compare with that run.
    """

    code = "AB110"
    exit_code = ExitCode.REFUSED


class DataError(AuditbenchError):
    """The data cannot be used as the config says.

    A file is missing or damaged, a column is absent or of another type, labels are missing without a rule, or a
    value stands outside its declared categories. Nothing was evaluated.
    """

    code = "AB200"
    exit_code = ExitCode.REFUSED


class EmptyDataError(DataError):
    """There are no rows to evaluate: the file holds a header only, or a filter left nothing. This is never a pass."""

    code = "AB201"
    exit_code = ExitCode.NOTHING_EVALUATED


class ModelError(AuditbenchError):
    """The model cannot be opened, or does not fit the data.

    A file of the bundle is missing or damaged, shapes differ from the architecture, or the features of the data are
    not the features the model was made for. Nothing was evaluated.
    """

    code = "AB300"
    exit_code = ExitCode.REFUSED


class StaleModelError(ModelError):
    """A model made by other `[train]` settings or other data stands where the new one would be written.

    It is not overwritten by an audit. `auditbench train CONFIG`, with the same `--set` as the audit, replaces it; another
    `model.path` keeps both.
    """

    code = "AB301"


class TrainingError(ModelError):
    """Training cannot start with these settings, or its loss became infinite or undefined."""

    code = "AB302"


class UntrustedModelError(ModelError):
    """Opening the model would run code from its file, and nobody has vouched for that file.

    TorchScript, exported programs (`.pt2`), modules and estimators that were pickled, functions (`callable`) and
    factories are programs: whoever wrote them decides what they do with your rights. Nothing of the file has run. The
    message names its sha256. If you know where the file comes from, add `--trust-model SHA256` to the command or the
    digest to `model.trust`; the report then says so. Another file, or this one changed by a byte, is not trusted by it.
    A skops file with types that are on no list is refused whatever is trusted. Without trust, save the weights as
    safetensors and name the network in `model.architecture`, save an estimator with `skops.io.dump`, or audit what a
    function gave as `predictions`.
    """

    code = "AB303"


class ModelMemoryError(ModelError):
    """Memory ran out although the model was given one row at a time.

    Batches are halved before it comes to that, so what is left is what one row takes: the message says how much was
    asked for, where that is known. The section fails; the others go on. Raise `memory_gib` in `[limits]` or for the
    analyzer, choose a device or a machine with more memory, or end what else runs there.
    """

    code = "AB304"
    exit_code = ExitCode.INCOMPLETE
    needed: int | None = None  # bytes that were asked for, where that is known


class PluginError(AuditbenchError):
    """A plugin cannot be loaded or used: its module raised, its entry point is wrong, or its hooks do not fit."""

    code = "AB400"
    exit_code = ExitCode.REFUSED


class PluginConflictError(PluginError):
    """Two installed distributions provide the same name. Uninstall one; there is no order of preference."""

    code = "AB401"


class UnknownPluginError(PluginError):
    """Nothing that is installed provides this analyzer, renderer, loader or architecture."""

    code = "AB402"


class MissingDependencyError(PluginError):
    """A plugin needs a package that is not installed; the message names what to install."""

    code = "AB403"

    def __init__(
        self,
        package: str,
        *,
        extra: str = "",
        distribution: str = "auditbench",
        where: str = "",
        further: Sequence[str] = (),
    ) -> None:
        install = [f"{distribution}[{extra}]"] if extra else [package, *further]
        super().__init__(
            f"the package {package!r} is not installed",
            where=where,
            fix=f"pip install {' '.join(map(repr, install))}",
        )


class ResultError(PluginError):
    """An analyzer returned something that is not a valid result; its section is marked as failed."""

    code = "AB404"
    exit_code = ExitCode.INCOMPLETE


class AnalyzerNotPossible(PluginError):  # noqa: N818 - raised by analyzers as an answer, not as a fault
    """An analyzer found that it does not apply to this model or these data, and says why.

    The result is `not_applicable`; it does not make a run incomplete.
    """

    code = "AB405"


class MissingProgramError(PluginError):
    """A plugin needs a program, such as a browser, that is not on this machine; the message says how to get it."""

    code = "AB406"


class HostError(AuditbenchError):
    """Something went wrong inside Auditbench itself. Please report it with the output of `--debug`."""

    code = "AB500"


class WorkerError(HostError):
    """A worker process ended or stopped answering without a complete result."""

    code = "AB501"
    exit_code = ExitCode.INCOMPLETE


class RunFolderError(HostError):
    """The output folder cannot be used: not writable, not a folder, in use by another audit, or of another run."""

    code = "AB502"
    exit_code = ExitCode.REFUSED


class RunWriteError(HostError):
    """A run that had begun cannot be written any more: the disk is full, or its folder is gone or read-only.

    Results that had finished are kept in the journal. Make room, then give the same command again to go on.
    """

    code = "AB505"
    exit_code = ExitCode.INCOMPLETE


class RecordError(HostError):
    """run.json is missing, damaged, changed, or written by a version whose records this one does not know.

    Record, arrays and reports are compared with the digests in manifest.json.
    """

    code = "AB503"
    exit_code = ExitCode.REFUSED


class UnsupportedPlatformError(HostError):
    """Auditbench runs on Linux and macOS. On Windows use WSL 2, where it runs as on Linux."""

    code = "AB504"
    exit_code = ExitCode.REFUSED


def error_classes() -> dict[str, type[AuditbenchError]]:
    """Every error class by its code; the root stands for ours."""
    found: dict[str, type[AuditbenchError]] = {}
    pending: list[type[AuditbenchError]] = [AuditbenchError]
    while pending:
        error = pending.pop(0)
        found.setdefault(error.code, error)
        pending.extend(error.__subclasses__())
    return dict(sorted(found.items()))


def _line(text: object) -> str:
    return safe_text(str(text), LONGEST_TEXT)  # a plugin may have given an exception for its text
