"""Error codes and exit codes."""

from __future__ import annotations

from auditbench.cli.explain import explain_code
from auditbench.errors import ExitCode, error_classes
from writers.markdown import code, heading, page, prose, table

_ENDED = {
    ExitCode.PASSED: "Complete, and no gate stops the release; without gates nothing is decided, and the verdict says so.",
    ExitCode.GATE_FAILED: "A blocking gate failed, is inconclusive, or has no value.",
    ExitCode.REFUSED: "Refused: config, model, data or plugin is wrong; nothing was evaluated.",
    ExitCode.INCOMPLETE: "An analyzer that is required has no result, or a report could not be written.",
    ExitCode.NOTHING_EVALUATED: "Nothing was evaluated: there were no rows or no analyzers.",
    ExitCode.INTERNAL_ERROR: "An error of Auditbench itself.",
    ExitCode.INTERRUPTED: "Interrupted from the keyboard; what had finished is kept, and the same command goes on.",
    ExitCode.TERMINATED: "Asked to end by a signal; what had finished is kept, and the same command goes on.",
}
_INTRODUCTION = (
    "Every error that is raised on purpose has a code. It says where something is wrong, what was found, what is allowed "
    "and how to mend it; `auditbench explain AB301` prints what stands here."
)


def error_page() -> str:
    """Exit codes, then every error by its code."""
    exits = table(
        ("exit code", "name", "how the command ended"),
        [(code(str(int(each))), code(each.name), _ENDED[each]) for each in ExitCode],
    )
    order = "When several apply, the first of 5, 2, 4, 3, 1 counts."
    errors = [part for number, error in error_classes().items() for part in _error(number, error.__name__)]
    return page(
        "Errors and exit codes",
        _INTRODUCTION,
        heading(2, "Exit codes"),
        exits,
        order,
        heading(2, "Error codes"),
        *errors,
    )


def _error(number: str, name: str) -> tuple[str, ...]:
    found = explain_code(number)
    title = heading(3, f"{number} {code(name)}", anchor=number)
    return title, prose(f"{found.title}."), prose(found.text), f"Exit code: {code(str(found.exit_code))}"
