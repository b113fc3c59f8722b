"""`check_renderer`: whether a renderer keeps what its contract promises, on runs that every renderer has to stand."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditbench.contracts import Renderer, RenderOptions
from auditbench.errors import Problem
from auditbench.missing_needs import missing_packages, missing_programs
from auditbench.run import AuditRun
from auditbench.store import is_report_name
from auditbench.testing.conformance.drawn_text import harmful_text, unnamed_failure, untold_verdict
from auditbench.testing.conformance.fresh_process import LostProcessError, call_fresh, reference_of
from auditbench.testing.conformance.promises import Conformance, Promise, demand
from auditbench.testing.conformance.renderer_process import load_and_draw
from auditbench.testing.conformance.traces import fingerprint, folder_state
from auditbench.testing.conformance.trying import Check, NotTried, conformance_of_record, raised
from auditbench.testing.known_runs import (
    FAILED,
    HOSTILE_TEXTS,
    every_block_run,
    hostile_run,
    incomplete_run,
    without_failure,
)

KIND = "renderer"
_LANGUAGES = ("en", "zh-CN")


def check_renderer(renderer: Renderer) -> Conformance:
    """Pass when a renderer keeps every promise that could be tried.

    It draws a run with every block, an incomplete one and several of hostile texts, here and in a fresh process.

    Raises:
        BrokenPromisesError: With every promise that is broken.
    """
    __tracebackhide__ = True
    return demand(renderer_conformance(renderer))


def renderer_conformance(renderer: Renderer) -> Conformance:
    """Which promises a renderer keeps; raises nothing."""
    with tempfile.TemporaryDirectory(prefix="auditbench-") as folder:
        return conformance_of_record(
            KIND, renderer, (Renderer, "auditbench_renderers"), _Drawing(renderer=renderer, folder=Path(folder)), CHECKS
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Drawing:
    """A renderer and the files that it makes of the known runs, each drawn when it is first asked for."""

    renderer: Renderer
    folder: Path

    def draw(self, run: AuditRun, language: str = "en") -> Mapping[str, bytes]:
        """Draw a run; raises NotTried where something is missing that the renderer needs."""
        needs = self.renderer.needs
        if missing := missing_packages(needs) + missing_programs(needs):
            raise NotTried(f"it needs {', '.join(missing)}, which this machine does not have")
        return self.renderer.render(run, RenderOptions(folder=self.folder, language=language))

    def drawn(self, run: AuditRun, language: str = "en") -> Mapping[str, bytes]:
        """Draw a run; raises NotTried where that raises, which promises of its own tell."""
        try:
            return self.draw(run, language)
        except NotTried:
            raise
        except (Exception, SystemExit) as error:
            raise NotTried(f"a run cannot be drawn: {type(error).__name__}") from error

    @functools.cached_property
    def incomplete(self) -> dict[str, Mapping[str, bytes]]:
        """The files of an incomplete run, by language."""
        return {language: self.drawn(incomplete_run(), language) for language in _LANGUAGES}

    @functools.cached_property
    def apart(self) -> Mapping[str, object]:
        """What a fresh process saw of it; raises NotTried where none can find the function."""
        reference = reference_of(self.renderer.render)
        if reference is None:
            raise NotTried("a fresh process cannot find `render`: define it at the top of a module")
        needs = self.renderer.needs
        return call_fresh(
            load_and_draw,
            folder=self.folder,
            reference=reference,
            packages=list(needs.packages),
            draw=not (missing_packages(needs) or missing_programs(needs)),
        )


def _undrawn(drawing: _Drawing, run: AuditRun, what: str) -> Problem | None:
    for language in _LANGUAGES:
        try:
            files = drawing.draw(run, language)
        except NotTried:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is told
            fix = (
                "name the package in Needs(packages=...), or require it"
                if isinstance(error, ModuleNotFoundError)
                else "draw what is there, and leave out what it does not know"
            )
            return raised(error, where=f"{what}, in {language}", fix=fix)
        if not files:
            return Problem(
                message=f"it gave no file for {what} in {language}", allowed="one file or more", fix="give a file"
            )
    return None


def _draws_every_block(drawing: _Drawing) -> Problem | None:
    return _undrawn(drawing, every_block_run(), "a run with every block")


def _draws_an_incomplete_run(drawing: _Drawing) -> Problem | None:
    return _undrawn(drawing, incomplete_run(), "a run whose analyzers failed")


def _draws_hostile_texts(drawing: _Drawing) -> Problem | None:
    for text in HOSTILE_TEXTS:
        if problem := _undrawn(drawing, hostile_run(text), f"a run of hostile texts ({text[:24]!a}...)"):
            return problem
    return None


def _keeps_texts_harmless(drawing: _Drawing) -> Problem | None:
    for text in HOSTILE_TEXTS:
        if problem := harmful_text(drawing.drawn(hostile_run(text))):
            return problem
    return None


def _gives_plain_files(drawing: _Drawing) -> Problem | None:
    files: object = drawing.drawn(every_block_run())
    if not isinstance(files, Mapping):
        return Problem(
            message="what it gave is no mapping",
            found=type(files).__name__,
            allowed="a mapping of file names to bytes",
            fix='return {"report.txt": text.encode()}',
        )
    for name, content in files.items():
        if not isinstance(name, str) or not is_report_name(name):
            return Problem(
                message="a file name is not plain, or one of the run's own",
                found=repr(name)[:120],
                allowed="letters, digits, `-`, `_` and `.` without a folder; not `run.json` or `manifest.json`",
                fix="name the file itself; the host puts it into the run folder",
            )
        if not isinstance(content, bytes):
            return Problem(
                message="the content of a file is no bytes",
                where=name,
                found=type(content).__name__,
                allowed="bytes",
                fix='encode text: `text.encode("utf-8")`',
            )
    return None


def _repeats_itself(drawing: _Drawing) -> Problem | None:
    for language in _LANGUAGES:
        first, second = (dict(drawing.drawn(every_block_run(), language)) for _ in range(2))
        differing = [name for name in {**first, **second} if first.get(name) != second.get(name)]
        if differing:
            return Problem(
                message="two drawings of one run are not the same bytes",
                found=", ".join(sorted(map(str, differing))),
                allowed="the same bytes, so that a report can be compared with its digest",
                fix="leave out the time, random ids and the order of sets; dates stand in `run.volatile`",
            )
    return None


def _leaves_the_run(drawing: _Drawing) -> Problem | None:
    run = every_block_run()
    drawing.drawn(run)
    if fingerprint(run) == fingerprint(every_block_run()):
        return None
    return Problem(
        message="the run is another after it was drawn",
        found="other values in the run",
        allowed="the run as it was: the next renderer reads it, too",
        fix="copy what you change, arrays and mappings as well",
    )


def _writes_nothing(drawing: _Drawing) -> Problem | None:
    folder = drawing.folder / "untouched"
    (folder / "arrays").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    before = folder_state(folder)
    dataclasses.replace(drawing, folder=folder).drawn(every_block_run())
    changed = sorted({name for name, _ in before ^ folder_state(folder)})
    if reference_of(drawing.renderer.render):
        changed += _apart(drawing, "written")
    if not changed:
        return None
    return Problem(
        message="it wrote files itself",
        found=", ".join(dict.fromkeys(changed)),
        allowed="nothing written: the host writes what `render` returns, once it is whole",
        fix="return the content instead",
    )


def _loads_no_torch(drawing: _Drawing) -> Problem | None:
    heavy = _apart(drawing, "heavy")
    if not heavy:
        return None
    return Problem(
        message="it loads torch",
        found=", ".join(heavy),
        allowed="a report is written where no model can be opened",
        fix="import neither torch nor what brings it along; all that a report needs stands in the run",
    )


def _loads_without_its_needs(drawing: _Drawing) -> Problem | None:
    absent = _apart(drawing, "absent")
    if not absent:
        return None
    return Problem(
        message="its module cannot be imported where a package that it needs is missing",
        found=absent[0],
        allowed="an import that works; the host says what is missing and how to get it",
        fix="import the package within `render`",
    )


def _tells_the_verdict(drawing: _Drawing) -> Problem | None:
    return untold_verdict(drawing.incomplete, incomplete_run().verdict)


def _names_what_failed(drawing: _Drawing) -> Problem | None:
    return unnamed_failure(drawing.incomplete)


def _shows_a_crash(drawing: _Drawing) -> Problem | None:
    if dict(drawing.incomplete["en"]) != dict(drawing.drawn(without_failure(incomplete_run()))):
        return None
    return Problem(
        message="a run in which an analyzer crashed is drawn like one in which it found nothing",
        found=f"the same bytes with and without the crash of {FAILED!r}",
        allowed="another report",
        fix="write the status and the reason of every result that is not `ok`",
    )


def _apart(drawing: _Drawing, part: str) -> list[str]:
    try:
        found = drawing.apart
    except LostProcessError as lost:
        raise NotTried(f"a fresh process gave no answer: {lost}") from lost
    value = found[part]
    if not isinstance(value, list):
        raise NotTried(f"a fresh process cannot draw: {found['raised']}")
    return value


CHECKS: tuple[Check[_Drawing], ...] = (
    (
        Promise(key="draws-every-block", sentence="Draws a run with every block there is, in both languages."),
        _draws_every_block,
    ),
    (
        Promise(key="draws-an-incomplete-run", sentence="Draws a run whose analyzers failed or were ended."),
        _draws_an_incomplete_run,
    ),
    (Promise(key="draws-hostile-texts", sentence="Draws a run whatever its texts are."), _draws_hostile_texts),
    (
        Promise(
            key="harmless-texts", sentence="Writes texts of a run as text: no markup, commands or formulas of theirs."
        ),
        _keeps_texts_harmless,
    ),
    (Promise(key="plain-files", sentence="Gives bytes by plain file names."), _gives_plain_files),
    (Promise(key="same-bytes", sentence="Gives the same bytes for the same run."), _repeats_itself),
    (Promise(key="leaves-the-run", sentence="Leaves the run as it is."), _leaves_the_run),
    (Promise(key="writes-nothing", sentence="Writes no file itself."), _writes_nothing),
    (Promise(key="loads-no-torch", sentence="Draws without torch."), _loads_no_torch),
    (
        Promise(key="needs-can-be-missing", sentence="Can be imported where what it needs is not installed."),
        _loads_without_its_needs,
    ),
    (Promise(key="tells-the-verdict", sentence="Tells the verdict, where its files are text."), _tells_the_verdict),
    (
        Promise(key="names-what-failed", sentence="Names every analyzer that failed, where its files are text."),
        _names_what_failed,
    ),
    (Promise(key="shows-a-crash", sentence="Draws something else where an analyzer crashed."), _shows_a_crash),
)
"""Every promise of a renderer with what tries it."""
