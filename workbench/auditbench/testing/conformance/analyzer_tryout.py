"""`Tryout`: an analyzer on trial, and the calls in which its promises are looked for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from auditbench.contract_checks import misfits
from auditbench.contracts import Analyzer
from auditbench.errors import AuditbenchError, PluginError
from auditbench.messages import Catalogue, load_messages
from auditbench.plugin_entries import PluginEntry, find_entry
from auditbench.registry import Provided, Registry
from auditbench.testing.conformance.analyzer_scenes import Scene, copied, odd_scenes, usual_scenes
from auditbench.testing.conformance.analyzer_trials import Call, Trial, need_of, try_analyzer
from auditbench.testing.conformance.trying import NotTried
from auditbench.testing.subjects import ToySubject
from auditbench.worker.checking import parameters_of

FEW_ROWS = 20
"""What a parameter `rows` is set to where its default is more, so that an analyzer has to draw from the rows of a toy subject."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tryout:
    """An analyzer on trial: what its promises are looked for in. Each trial is made when it is first asked for.

    Attributes:
        analyzer: What a plugin yielded, which may be anything.
        given: Parameters that a test gives, beside which the defaults stand.
    """

    analyzer: Any
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> Analyzer:
        """The analyzer; raises NotTried where it is no record."""
        if not isinstance(self.analyzer, Analyzer):
            raise NotTried("this is no record of an analyzer")
        return self.analyzer

    @functools.cached_property
    def usual(self) -> tuple[Trial, ...]:
        """One on each usual scene that its needs admit; raises NotTried where there is none."""
        if self._unable:
            raise NotTried(self._unable)
        return tuple(self.tried(scene) for scene in self._scenes)

    @functools.cached_property
    def again(self) -> tuple[tuple[Trial, Trial], ...]:
        """A second call under other global seeds beside the first one with a result of every modality and every task."""
        firsts = {**self._firsts(lambda subject: subject.data.modality), **self._firsts(_task_of)}
        trials = {id(trial): trial for trial in firsts.values()}
        return tuple((trial, self.tried(trial.scene, global_seed=2)) for trial in trials.values())

    @functools.cached_property
    def odd(self) -> tuple[tuple[Trial, Trial], ...]:
        """Odd scenes, each beside the usual trial that it was made of: the first with a result of every task."""
        return tuple(
            (trial, self.tried(scene))
            for trial in self._firsts(_task_of).values()
            for scene in odd_scenes(self.record, trial.scene)
            if need_of(self.record, scene) is None
        )

    @functools.cached_property
    def cancelled(self) -> Trial:
        """A call that is to stop at its first word of progress; raises NotTried where none speaks twice."""
        speaking = next((trial for trial in self.usual if trial.ok and len(trial.steps) > 1), None)
        if speaking is None:
            raise NotTried("it tells progress less than twice")
        return self.tried(speaking.scene, cancel_after=1)

    @functools.cached_property
    def every(self) -> tuple[Trial, ...]:
        """All of them that went on to their end."""
        return (*self.usual, *(second for _, second in self.again), *(odd for _, odd in self.odd))

    @property
    def results(self) -> tuple[Trial, ...]:
        """Those with a result; raises NotTried where there is none."""
        found = tuple(trial for trial in self.every if trial.ok)
        if not found:
            raise NotTried("it gives no result on any toy subject")
        return found

    def tried_again(self, trial: Trial) -> Trial:
        """The same call once more."""
        return self.tried(trial.scene)

    def tried(self, scene: Scene, *, global_seed: int = 1, cancel_after: int | None = None) -> Trial:
        """One call, on a copy of the scene, so that the next call finds it as it was."""
        params, plain = self._parameters
        call = Call(
            provided=self._provided,
            params=params,
            plain=plain,
            registry=self._registry,
            global_seed=global_seed,
            cancel_after=cancel_after,
        )
        return dataclasses.replace(try_analyzer(call, copied(scene)), scene=scene)

    def _firsts(self, kind: Callable[[ToySubject], str]) -> dict[str, Trial]:
        """The first usual trial with a result of each kind of subject."""
        firsts: dict[str, Trial] = {}
        for trial in self.usual:
            if trial.ok:
                firsts.setdefault(kind(trial.scene.subject), trial)
        return firsts

    @functools.cached_property
    def _unable(self) -> str:
        """Why it cannot be called at all; empty where it can."""
        if any(misfits(self.record)) or not isinstance(self.record.name, str):
            return "its record does not fit the contract"
        try:
            _ = self._parameters
        except AuditbenchError as error:
            return f"its parameters are refused: {error}"
        if not self._scenes:
            catalogue = Catalogue(language="en", templates=load_messages("auditbench")["en"])
            needs = [need for scene in usual_scenes(self.record) if (need := need_of(self.record, scene))]
            said = dict.fromkeys(catalogue.text(need) for need in needs)
            return f"no toy subject has what it needs: {' '.join(said)}"
        return ""

    @functools.cached_property
    def _scenes(self) -> tuple[Scene, ...]:
        return tuple(scene for scene in usual_scenes(self.record) if need_of(self.record, scene) is None)

    @functools.cached_property
    def _parameters(self) -> tuple[Any, dict[str, Any]]:
        params, plain = parameters_of(self._provided, self.given)
        rows = plain.get("rows")
        if "rows" in self.given or not isinstance(rows, int) or rows <= FEW_ROWS:
            return params, plain
        with suppress(AuditbenchError):  # fewer than it takes
            return parameters_of(self._provided, {**self.given, "rows": FEW_ROWS})
        return params, plain

    @functools.cached_property
    def _provided(self) -> Provided[Analyzer]:
        """The record, as if a distribution had provided it: that of the plugin which may, where one is installed."""
        try:
            plugin = find_entry(self.record.name).name
        except PluginError:
            plugin = self.record.name
        origin = PluginEntry(name=plugin, module="", distribution="conformance", version="0")
        return Provided(record=self.record, origin=origin)

    @functools.cached_property
    def _registry(self) -> Registry:
        return Registry()


def _task_of(subject: ToySubject) -> str:
    return subject.model.facts.task
