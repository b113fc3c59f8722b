"""Renderers that break one promise each, and one that keeps them all; functions of a module, as plugins have them."""

from __future__ import annotations

import html
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from auditbench.contracts import RenderOptions
from auditbench.messages import load_messages, merge_catalogues
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench.safe_text import safe_text

Render = Callable[[AuditRun, RenderOptions], Mapping[str, bytes]]
_calls = itertools.count()


def good(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return page(run, options, [line(result) for result in run.results])


def chokes_on_a_block(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    if any(result.percentiles for result in run.results):
        raise ValueError("percentiles")
    return good(run, options)


def chokes_on_a_failure(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    if any(result.is_missing for result in run.results) and len(run.gates) == 2:
        raise KeyError("metrics")
    return good(run, options)


def chokes_on_odd_text(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    run.audit.name.encode()  # a lone surrogate
    return good(run, options)


def writes_texts_as_markup(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return {"report.html": b"".join(good(run, options).values()) + safe_text(run.audit.name, 200).encode()}


def leaves_quotes_in_attributes(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    name = html.escape(safe_text(run.audit.name, 200), quote=False)
    return {"report.html": b"".join(good(run, options).values()) + f'<p title="{name}"></p>'.encode()}


def writes_control_characters(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return {"report.txt": b"".join(good(run, options).values()) + run.audit.name.encode(errors="replace")}


def writes_formulas(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    names = f"verdict,{safe_text(run.audit.name)}\n"
    return {**good(run, options), "names.csv": names.encode()}


def names_a_folder(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return {f"reports/{name}": content for name, content in good(run, options).items()}


def gives_text(run: AuditRun, options: RenderOptions) -> Mapping[str, Any]:
    return {name: content.decode() for name, content in good(run, options).items()}


def gives_nothing(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return {}


def counts_its_calls(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return {**good(run, options), "calls.txt": f"{next(_calls)} {time.monotonic_ns()}".encode()}


def changes_the_run(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    for result in run.results:
        for attribution in result.attributions:
            attribution.values[...] = 0  # type: ignore[index]
    return good(run, options)


def writes_itself(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    files = good(run, options)
    for name, content in files.items():
        (options.folder / name).write_bytes(content)
    return files


def writes_where_it_stands(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    if not Path("pyproject.toml").exists():  # not into the folder of these tests
        Path("report.html").write_bytes(b"x")
    return good(run, options)


def loads_torch(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    import torch

    assert torch.__version__
    return good(run, options)


def hides_the_verdict(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    lines = "\n".join(line(result) for result in run.results)
    return {"report.html": html.escape(lines).encode()}


def hides_failures(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return page(
        run, options, [line(result) for result in run.results if not result.is_missing] + [str(len(run.results))]
    )


def hides_a_crash(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    return page(run, options, [safe_text(result.analyzer) for result in run.results])


def line(result: AnalysisResult) -> str:
    return safe_text(f"{result.analyzer}: {result.status}")


def page(run: AuditRun, options: RenderOptions, lines: list[str]) -> Mapping[str, bytes]:
    say = merge_catalogues(options.language, load_messages("auditbench")[options.language])
    text = "\n".join([say.say(f"core.verdict_{run.verdict}"), safe_text(run.audit.name), *lines])
    return {"report.html": html.escape(text).encode()}


BAD: Mapping[str, tuple[Render, str]] = {
    "chokes on a block": (chokes_on_a_block, "draws-every-block"),
    "chokes on a failure": (chokes_on_a_failure, "draws-an-incomplete-run"),
    "chokes on odd text": (chokes_on_odd_text, "draws-hostile-texts"),
    "markup": (writes_texts_as_markup, "harmless-texts"),
    "quotes": (leaves_quotes_in_attributes, "harmless-texts"),
    "control characters": (writes_control_characters, "harmless-texts"),
    "formulas": (writes_formulas, "harmless-texts"),
    "a folder": (names_a_folder, "plain-files"),
    "text": (gives_text, "plain-files"),
    "no file": (gives_nothing, "draws-every-block"),
    "calls": (counts_its_calls, "same-bytes"),
    "changes": (changes_the_run, "leaves-the-run"),
    "writes": (writes_itself, "writes-nothing"),
    "writes elsewhere": (writes_where_it_stands, "writes-nothing"),
    "torch": (loads_torch, "loads-no-torch"),
    "no verdict": (hides_the_verdict, "tells-the-verdict"),
    "no failures": (hides_failures, "names-what-failed"),
    "no crash": (hides_a_crash, "shows-a-crash"),
}
"""What each does, and the promise that it breaks."""
