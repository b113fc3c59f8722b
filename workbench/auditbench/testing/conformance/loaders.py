"""`check_loader`: whether a model loader keeps what its contract promises, on a sample that its author gives."""

from __future__ import annotations

import functools
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from auditbench.contracts import ModelLoader
from auditbench.errors import Problem
from auditbench.models import ModelUnderTest
from auditbench.run import Capability, OutputScale
from auditbench.testing.conformance.broken_copies import CHANGED, NAMES
from auditbench.testing.conformance.fresh_process import LostProcessError, call_fresh, reference_of
from auditbench.testing.conformance.loader_process import open_copies, open_watched
from auditbench.testing.conformance.promises import Conformance, Promise, demand
from auditbench.testing.conformance.samples import Sample, read_sample
from auditbench.testing.conformance.traces import folder_state
from auditbench.testing.conformance.trying import Check, NotTried, conformance_of_record

if TYPE_CHECKING:
    from auditbench.testing.conformance.model_outputs import Inputs

KIND = "loader"
_ROWS = 32


def check_loader(loader: ModelLoader, path: Path | str) -> Conformance:
    """Pass when a model loader keeps every promise that could be tried.

    ```python
    def test_every_promise_is_kept() -> None:
        check_loader(LOADER, Path(__file__).parent / "sample" / "audit.toml")
    ```

    Args:
        path: The sample: a TOML file with the tables `[model]` and `[data]` of an audit.toml; an audit.toml is one. A model
            of few numbers and a few rows that differ will do. It is opened again and again, here and in fresh processes, and
            copied and broken elsewhere; it is left as it is.

    Raises:
        BrokenPromisesError: With every promise that is broken.
    """
    __tracebackhide__ = True
    return demand(loader_conformance(loader, path))


def loader_conformance(loader: ModelLoader, path: Path | str | None) -> Conformance:
    """Which promises a model loader keeps; raises nothing.

    Args:
        path: As of `check_loader`; without one, no promise is tried.
    """
    return conformance_of_record(
        KIND,
        loader,
        (ModelLoader, "auditbench_model_loaders"),
        _Trial(loader=loader, path=None if path is None else Path(path)),
        CHECKS,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """A loader and its sample, opened when it is first asked for."""

    loader: ModelLoader
    path: Path | None

    @property
    def sample_path(self) -> Path:
        """The file of the sample; raises NotTried without one."""
        if self.path is None:
            raise NotTried(
                f'no sample is named: write `samples."{self.loader.name}" = "FILE"` into [tool.auditbench.conformance] of '
                "pyproject.toml"
            )
        return self.path.absolute()

    @functools.cached_property
    def sample(self) -> Sample:
        """The sample, with the loader's own format."""
        return read_sample(self.sample_path)

    def open(self) -> ModelUnderTest:
        """Open the model of the sample, once more."""
        return self.loader.load(self.sample.request())

    @functools.cached_property
    def model(self) -> ModelUnderTest:
        """The model; raises NotTried where it cannot be opened, which a promise of its own tells."""
        try:
            return self.open()
        except NotTried:
            raise
        except (Exception, SystemExit) as error:
            raise NotTried("the sample cannot be opened") from error

    @functools.cached_property
    def inputs(self) -> Inputs:
        """Some rows of the sample, coded for the model."""
        from auditbench.data import build_evaluation

        facts = self.model.facts
        data = build_evaluation(
            self.sample.source(),
            self.model.inputs,
            task=facts.task,
            classes=facts.classes,
            seed=0,
            identified=facts.is_stored,
        )
        return next(data.batches(_ROWS)).inputs

    def opened_file(self) -> Path:
        """File or folder of the model; raises NotTried where it cannot be opened, or is an address."""
        _ = self.model
        if not self.sample.model_path.exists():
            raise NotTried("the sample names no file")
        return self.sample.model_path

    def claims(self, capability: Capability) -> None:
        """Raise NotTried unless the model claims a capability."""
        if capability not in self.model.facts.capabilities:
            raise NotTried(f"the model does not claim `{capability}`")

    def apart(self, function: Any, **arguments: Any) -> dict[str, Any]:
        """What a fresh process answers; raises NotTried where none can find the function of the loader."""
        reference = reference_of(self.loader.load)
        if reference is None:
            raise NotTried("a fresh process cannot find `load`: define it at the top of a module")
        with tempfile.TemporaryDirectory(prefix="auditbench-") as folder:
            return call_fresh(
                function, folder=Path(folder), reference=reference, sample=str(self.sample_path), **arguments
            )


def _opens(trial: _Trial) -> Problem | None:
    if trial.sample.model_table.format != trial.loader.name:
        return Problem(
            message="the sample is of another format",
            where="model.format",
            found=trial.sample.model_table.format,
            allowed=trial.loader.name,
            fix=f'set model.format = "{trial.loader.name}"',
        )
    model: object = trial.open()
    if isinstance(model, ModelUnderTest):
        return None
    return Problem(
        message="what it gave is no model",
        found=type(model).__name__,
        allowed="ModelUnderTest",
        fix="return what `auditbench.models.wrap_network` gives",
    )


def _opens_alike(trial: _Trial) -> Problem | None:
    import numpy as np

    first, second = trial.model, trial.open()
    if first.facts != second.facts:
        names = [name for name in first.facts.__slots__ if getattr(first.facts, name) != getattr(second.facts, name)]
        found = f"other facts: {', '.join(names)}"
    elif not np.array_equal(first.predict(trial.inputs), second.predict(trial.inputs)):
        found = "other outputs for the same rows"
    else:
        return None
    return Problem(
        message="the same file, opened twice, gives two models",
        found=found,
        allowed="the same facts and the same outputs",
        fix="leave nothing of the model to chance, to the clock or to an order that changes",
    )


def _is_evaluating(trial: _Trial) -> Problem | None:
    module = trial.model.module
    training = [name or "the module" for name, part in module.named_modules() if part.training]
    learning = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    if not training and not learning:
        return None
    found = f"in training mode: {', '.join(training[:5])}" if training else f"not frozen: {', '.join(learning[:5])}"
    return Problem(
        message="the model is not ready to be evaluated",
        found=found,
        allowed="evaluation mode, parameters frozen",
        fix="call `network.eval().requires_grad_(False)`",
    )


def _tells_all_facts(trial: _Trial) -> Problem | None:
    model, facts = trial.model, trial.model.facts
    table = trial.sample.model_table
    outputs = len(facts.classes) if facts.task == "multiclass-classification" else 1
    wrong = {
        "name": (bool(facts.name), "a name"),
        "format": (facts.format == trial.loader.name, trial.loader.name),
        "architecture": (bool(facts.architecture), "what kind of model it is"),
        "task": (facts.task == table.task, table.task),
        "output": (facts.output in get_args(OutputScale), ", ".join(get_args(OutputScale))),
        "digest": (re.fullmatch("[0-9a-f]{64}", facts.digest) is not None, "sha256 of all that decides the outputs"),
        "capabilities": (set(facts.capabilities) <= set(get_args(Capability)), ", ".join(get_args(Capability))),
    }
    for name, (right, allowed) in wrong.items():
        if not right:
            return Problem(
                message="a fact of the model is missing or wrong",
                where=f"facts.{name}",
                found=repr(getattr(facts, name)),
                allowed=allowed,
                fix="say it in `Origin(...)` or `Interface(...)`",
            )
    if facts.task != "next-token" and len(model.target_names) != outputs:
        return Problem(
            message="the outputs are not named one by one",
            where="target_names",
            found=f"{len(model.target_names)} names",
            allowed=f"{outputs}",
            fix="name the positive class, every class, or the target",
        )
    return None


def _gives_its_scale(trial: _Trial) -> Problem | None:
    from auditbench.testing.conformance.model_outputs import wrong_scale

    return wrong_scale(trial.model, trial.inputs)


def _keeps_rows_apart(trial: _Trial) -> Problem | None:
    from auditbench.testing.conformance.model_outputs import rows_that_depend

    return rows_that_depend(trial.model, trial.inputs)


def _gives_gradients(trial: _Trial) -> Problem | None:
    from auditbench.testing.conformance.model_outputs import wrong_gradients

    trial.claims("gradients")
    return wrong_gradients(trial.model, trial.inputs)


def _lets_hooks_fire(trial: _Trial) -> Problem | None:
    from auditbench.testing.conformance.model_outputs import dead_hooks

    trial.claims("hooks")
    return dead_hooks(trial.model, trial.inputs)


def _runs_nothing(trial: _Trial) -> Problem | None:
    if trial.model.facts.programs:
        raise NotTried("the sample trusts files whose code runs")
    try:
        heard = trial.apart(open_watched)["heard"]
    except LostProcessError as lost:
        return _lost("its sample", str(lost))
    return _acted("its sample", ", ".join(heard)) if heard else None


def _refuses_broken_files(trial: _Trial) -> Problem | None:
    trial.opened_file()
    for copy in _copies(trial):
        name, state = f"a copy that is {copy['name']}", copy["state"]
        if state == "lost":
            return _lost(name, copy["said"])
        if copy["ran"]:
            return _acted(name, "code in the file")
        if state == "opened" and copy["name"] != CHANGED:
            return _unrefused(name, "a model", "check what is read: type, length, shapes and numbers")
        if state == "raised":
            return _unrefused(name, copy["said"], "raise ModelError with where, found, allowed and fix instead")
        if state == "refused" and not copy["fix"]:
            return _unrefused(name, f"an error without a fix: {copy['said']}", "say what the reader can do: fix=...")
    return None


def _leaves_the_sample(trial: _Trial) -> Problem | None:
    folder = trial.opened_file().parent
    before = folder_state(folder)
    trial.open()
    changed = sorted({name for name, _ in before ^ folder_state(folder)})
    if not changed:
        return None
    return Problem(
        message="files beside the model are others after it was opened",
        found=", ".join(changed[:10]),
        allowed="the files as they were",
        fix="write into a temporary folder",
    )


def _copies(trial: _Trial) -> list[dict[str, Any]]:
    """What became of every broken copy; one at a time, where a process was lost over them."""
    try:
        found: list[dict[str, Any]] = trial.apart(open_copies, names=list(NAMES))["copies"]
        return found
    except LostProcessError:
        return [_copy(trial, name) for name in NAMES]


def _copy(trial: _Trial, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = trial.apart(open_copies, names=[name])["copies"][0]
        return found
    except LostProcessError as lost:
        return {"name": name, "state": "lost", "said": str(lost), "ran": False}


def _lost(what: str, how: str) -> Problem:
    return Problem(
        message=f"the process was lost when {what} was opened",
        found=how,
        allowed="a model, or an AuditbenchError",
        fix="check what is read before it reaches code that crashes or waits",
    )


def _acted(what: str, found: str) -> Problem:
    return Problem(
        message=f"something was run or reached when {what} was opened",
        found=found,
        allowed="data that are read: no code of the file, no process, no network",
        fix="read numbers and names alone, as safetensors and JSON hold them; no pickle, eval or exec",
    )


def _unrefused(name: str, found: str, fix: str) -> Problem:
    return Problem(
        message=f"{name} is not refused as it should be",
        found=found,
        allowed="a ModelError or DataError whose every problem has a fix",
        fix=fix,
    )


CHECKS: tuple[Check[_Trial], ...] = (
    (Promise(key="opens", sentence="Opens its sample."), _opens),
    (Promise(key="opens-alike", sentence="Gives the same model when the same file is opened again."), _opens_alike),
    (Promise(key="evaluation-mode", sentence="Gives a model in evaluation mode, its parameters frozen."), _is_evaluating),
    (Promise(key="complete-facts", sentence="Says all that a report tells about a model."), _tells_all_facts),
    (Promise(key="declared-scale", sentence="Gives finite outputs in the declared scale."), _gives_its_scale),
    (Promise(key="rows-apart", sentence="Gives each row the same output whatever rows are beside it."), _keeps_rows_apart),
    (Promise(key="true-gradients", sentence="Gives gradients that are slopes, where it claims them."), _gives_gradients),
    (Promise(key="live-hooks", sentence="Lets forward hooks fire, where it claims them."), _lets_hooks_fire),
    (Promise(key="runs-nothing", sentence="Runs no code of a file, starts no process and reaches no network."), _runs_nothing),
    (Promise(key="refuses-broken-files", sentence="Refuses a broken file with an error that says the way on."), _refuses_broken_files),
    (Promise(key="leaves-the-sample", sentence="Leaves the files as they are."), _leaves_the_sample),
)  # fmt: skip
"""Every promise of a model loader with what tries it."""
