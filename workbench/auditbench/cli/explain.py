"""`auditbench explain`: what an error code, a metric, a method, a gate or a preset means."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from auditbench.cli.explanation import Explanation
from auditbench.cli.options import debug_option, example, gates_option, json_option

if TYPE_CHECKING:
    from auditbench.descriptions import AnalyzerDescription
    from auditbench.results import MethodFacts


@click.command(
    epilog=example(
        "auditbench explain AB301",
        "auditbench explain fairness.demographic_parity_ratio",
        "auditbench explain auc",
        "auditbench explain captum.integrated_gradients",
        "auditbench explain preset:fairness-four-fifths",
        "auditbench explain our-accuracy --gates gates.toml",
    )
)
@click.argument("name", metavar="NAME")
@gates_option("Look for a gate of this id in this file, too; repeatable.")
@json_option
@debug_option
def explain(name: str, gate_files: tuple[str, ...], as_json: bool) -> None:
    """Explain an error code, a metric, a method, a gate or a preset.

    NAME is a code such as AB301, `preset:NAME`, the id of a gate of a preset or of a file of gates, `analyzer.metric` or
    `analyzer.method`, or either alone, which shows it for each analyzer that has one of that name. The name of an
    analyzer shows all its methods, or its metrics where it has none.
    """
    import dataclasses

    from auditbench.cli.terminal import say, say_json

    found = explain_name(name, gate_files)
    if as_json:
        say_json([dataclasses.asdict(explanation) for explanation in found])
        return
    for index, explanation in enumerate(found):
        if index:
            say()
        _say(explanation)


def explain_name(name: str, gate_files: Sequence[str] = ()) -> list[Explanation]:
    """What a name of any kind means.

    Args:
        gate_files: Files to look for a gate of this id in, beside the presets.

    Raises:
        ConfigError: Nothing has this name, or a file of gates cannot be read.
    """
    from auditbench.cli.gate_explanations import explain_gate, explain_preset
    from auditbench.presets import PREFIX

    if is_code(name):
        return [explain_code(name.upper())]
    if name.startswith(PREFIX):
        return explain_preset(name.removeprefix(PREFIX))
    return explain_gate(name, gate_files) or explain_described(name, gate_files)


def is_code(name: str) -> bool:
    """Whether a name looks like an error code, `AB` and digits."""
    return name[:2].upper() == "AB" and name[2:].isdigit()


def explain_code(code: str) -> Explanation:
    """What an error code means.

    Raises:
        ConfigError: There is no such code.
    """
    from auditbench.errors import ConfigError, error_classes

    classes = error_classes()
    if code not in classes:
        near = difflib.get_close_matches(code, classes, n=3, cutoff=0.5)
        raise ConfigError(
            "there is no such error code",
            found=code,
            allowed=", ".join(classes),
            fix=f"did you mean {' or '.join(near)}?" if near else "",
        )
    error = classes[code]
    title, _, text = inspect.cleandoc(error.__doc__ or "").partition("\n")
    if not text and ". " in title:
        title, _, text = title.partition(". ")
    joined = " ".join(text.split())
    return Explanation(name=code, title=title.rstrip("."), text=joined, exit_code=int(error.exit_code))


def explain_described(name: str, gate_files: Sequence[str] = ()) -> list[Explanation]:
    """What a metric or a method means, or all that an analyzer has of one, from the catalogue of the analyzer.

    Args:
        gate_files: Files whose gates are suggested, too, when nothing has this name.

    Raises:
        ConfigError: No installed analyzer has such a metric or method.
    """
    from auditbench import supervisor
    from auditbench.cli.gate_explanations import nearest_gates
    from auditbench.errors import ConfigError

    analyzers = [analyzer for plugin in supervisor.describe(None) for analyzer in plugin.analyzers]
    metrics = {f"{analyzer.name}.{metric}": analyzer for analyzer in analyzers for metric in analyzer.metrics}
    without = {analyzer.name for analyzer in analyzers if not analyzer.methods}
    methods = {method.name: (analyzer, method) for analyzer in analyzers for method in analyzer.methods}
    found = [
        _metric(analyzer, full)
        for full, analyzer in metrics.items()
        if name in {full, _short(full)} or name == analyzer.name in without
    ]
    found += [_method(*own) for full, own in methods.items() if name in {full, _short(full), own[0].name}]
    if not found:
        names = [analyzer.name for analyzer in analyzers if analyzer.methods or analyzer.metrics]
        near = (_nearest(name, [*names, *metrics, *methods]) + nearest_gates(name, gate_files))[:3]
        raise ConfigError(
            "no installed analyzer has such a metric or method, and no preset such a gate",
            found=name,
            allowed="an error code such as AB100, an analyzer, a metric or a method that `auditbench plugins show ANALYZER` lists, "
            "`preset:NAME`, or the id of a gate",
            fix=f"did you mean {' or '.join(near)}?" if near else "see `auditbench plugins list`",
        )
    return found


def _short(full: str) -> str:
    return full.partition(".")[2]


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three analyzers, metrics and methods whose full or short name is most like this one, or begins with it."""
    names = list(known)
    texts = {*names, *map(_short, names)}
    begun = sorted(text for text in texts if len(name) > 2 and text.startswith(name))
    near = [*difflib.get_close_matches(name, sorted(texts), n=3, cutoff=0.5), *begun]
    return list(dict.fromkeys(full for text in near for full in names if text in {full, _short(full)}))[:3]


def _metric(analyzer: AnalyzerDescription, full: str) -> Explanation:
    title, text, formula, reading = _said(analyzer, (full, f"{full}.help", f"{full}.formula", f"{full}.how"))
    return Explanation(
        name=full,
        title=title or full,
        text=text or analyzer.summary,
        formula=formula,
        reading=reading,
        tasks=", ".join(analyzer.metric_tasks.get(_short(full), ())),
    )


def _method(analyzer: AnalyzerDescription, method: MethodFacts) -> Explanation:
    from auditbench.results.methods import FACT_PARTS

    title, formula, assumes, needs, fails = _said(analyzer, map(method.key, FACT_PARTS))
    return Explanation(
        name=method.name,
        title=title or method.name,
        formula=formula,
        assumes=assumes,
        needs=needs,
        fails=fails,
        source=method.source,
        modalities=method.modalities,
    )


def _said(analyzer: AnalyzerDescription, keys: Iterable[str]) -> list[str]:
    """What the analyzer's catalogue has for each key; empty where it has nothing."""
    from auditbench.messages import merge_catalogues

    say = merge_catalogues("en", analyzer.messages.get("en", {}))
    return [say.say(key) if say.has(key) else "" for key in keys]


def _say(explanation: Explanation) -> None:
    from auditbench.cli.terminal import say, say_prose
    from auditbench.safe_text import LONGEST_TEXT, safe_text

    say(f"{safe_text(explanation.name)}  {explanation.title}", "strong")
    parts = (
        ("", explanation.text),
        ("formula: ", explanation.formula),
        ("reading: ", explanation.reading),
        ("tasks: ", explanation.tasks),
        ("source: ", safe_text("; ".join(explanation.source), LONGEST_TEXT)),
        ("inputs: ", ", ".join(explanation.modalities)),
        ("assumes: ", explanation.assumes),
        ("needs: ", explanation.needs),
        ("known to fail: ", explanation.fails),
        ("limit: ", explanation.limit),
    )
    for label, text in parts:
        if text:
            say_prose(f"  {label}{text}")
    if explanation.exit_code is not None:
        say(f"  exit code: {explanation.exit_code}")
