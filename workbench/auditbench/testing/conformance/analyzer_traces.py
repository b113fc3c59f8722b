"""Promises of an analyzer to whoever comes after it: model, data, context and process are left as they were found."""

from __future__ import annotations

from auditbench.errors import Problem
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check

_WHAT = {
    "leaves-the-model": (
        "Leaves weights, buffers, gradients, modes, hooks and layers of the model as they were.",
        "work on a copy, and take hooks and modes back in `finally`",
    ),
    "leaves-the-data": (
        "Leaves rows, labels, groups and outputs as they were.",
        "copy an array before you write to it",
    ),
    "leaves-the-context": (
        "Leaves parameters, results of other analyzers and chosen cases as they were.",
        "change nothing that the context holds",
    ),
    "leaves-the-process": (
        "Leaves settings, functions and classes of the interpreter as they were, and nothing running.",
        "put settings back in `finally`, replace no function of a library, and end threads",
    ),
}


def _leaves(key: str) -> Check[Tryout]:
    sentence, fix = _WHAT[key]

    def find(tryout: Tryout) -> Problem | None:
        for trial in tryout.every:
            if trial.left[key]:
                return Problem(
                    message=f"it did not leave the {key.rpartition('-')[2]} as it found it",
                    where=trial.scene.name,
                    found=f"changed: {', '.join(trial.left[key])}",
                    allowed="no change",
                    fix=fix,
                )
        return None

    return Promise(key=key, sentence=sentence), find


CHECKS: tuple[Check[Tryout], ...] = tuple(_leaves(key) for key in _WHAT)
