"""The text of a first gates.toml: presets that fit the model, and how gates of one's own and waivers look."""

from __future__ import annotations

from auditbench.messages import merge_catalogues
from auditbench.presets import preset_messages, readable_presets

GATES_FILE = "gates.toml"
_FIRST = {
    "binary-classification": "binary-basics",
    "multiclass-classification": "multiclass-basics",
    "regression": "regression-basics",
    "next-token": "next-token-basics",
}
_OWN = {
    "binary-classification": ("accuracy", "0.8", "The rule that the model replaces has 0.8."),
    "multiclass-classification": ("accuracy", "0.8", "The rule that the model replaces is right in 80 of 100 rows."),
    "regression": ("r2", "0.8", "The rule that the model replaces has 0.8."),
    "next-token": ("gain_over_bigram", "0.5", "The model in use gains 0.5 over counts of pairs of tokens."),
}
_WAIVER = (
    "# A person's decision to release although a gate does not pass, until a day.",
    "# [[waivers]]",
    '# gate = "the-id-of-the-gate"',
    '# until = "2030-12-31"',
    '# by = "Name"',
    '# reason = "Why this is acceptable until then."',
)


def own_gate(task: str) -> list[str]:
    """A gate of one's own, as an example behind comment signs."""
    metric, bound, reason = _OWN[task]
    return [
        "# A gate is a limit on one metric; the audit exits 1 when a gate does not pass. Take the comment signs away,",
        "# and find metrics with `auditbench plugins show NAME`.",
        "# [[gates]]",
        f'# id = "{metric.replace("_", "-")}"                    # stable: waivers and reports name it',
        f'# metric = "performance.{metric}"',
        f"# min = {bound}                          # or `max`; against a baseline `max_drop` or `min_gain`",
        f'# explanation = "{reason}"',
    ]


def fitting_presets(task: str, *, sensitive: bool) -> tuple[str, ...]:
    """Names of the presets for a task, first the one to begin with: it is on how well the model predicts.

    Args:
        sensitive: Whether there are sensitive features.
    """
    fitting = [one.name for one in readable_presets() if task in one.tasks and (sensitive or not one.needs_sensitive)]
    first = _FIRST[task]
    return (first, *(name for name in fitting if name != first))


def draft_gates(task: str, *, sensitive: bool) -> str:
    """Write the file: the first preset that fits counts, and the others stand beside it as comments."""
    say = merge_catalogues("en", preset_messages()["en"])
    first, *others = fitting_presets(task, sensitive=sensitive)
    lines = [
        '# Limits on metrics, apart from the audit. `[audit] gates = "gates.toml"` decides them in each audit, and',
        "# `auditbench gate RUN --gates gates.toml` on a run that is finished. All keys: `auditbench schema gates`.",
        "",
        "# Gates that come with Auditbench and its plugins, by name; `auditbench explain preset:NAME` tells their limits.",
        "preset = [",
        f'    "{first}",   # {say.say(f"preset.{first}")}',
        *(f'    # "{name}",   # {say.say(f"preset.{name}")}' for name in others),
        "]",
    ]
    return "\n".join([*lines, "", *own_gate(task), "", *_WAIVER]) + "\n"
