"""The report as data: everything on the page, in the order in which it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from auditbench_html.view.figures import Chip, Figure, Grid, Key, Tone, Waterfall
from auditbench_html.view.marked import CaseInput
from auditbench_html.view.numbers import Estimate
from auditbench_html.view.text import EMPTY, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A place on the page and its name."""

    target: str
    label: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One entry of a fact list; `missing` when nothing was stated. `code` for digests and commands."""

    label: Text
    value: Text
    note: Text = EMPTY
    missing: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactList:
    """Facts under one heading; `more` says what was left out."""

    title: Text
    facts: tuple[Fact, ...]
    more: Text = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Where a gate's value lies, as a signed share of its limit: positive is inside.

    Attributes:
        position: None without a value.
        low: Lower end of the interval, on the same scale; absent without one.
        absolute: True when the limit is zero, so that the scale is in the unit of the metric.
    """

    position: float | None
    low: float | None = None
    high: float | None = None
    absolute: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate as a row of the gate table.

    Attributes:
        id: Id of the row on the page.
        code: Its number in the order of the configuration, `G09`.
        kind: Blocking or advisory, in words.
        title: Of the metric or of its change, with its English term where the page has another language.
        name: The title as sentences give it; `metric` that of the metric alone.
        evidence: Where the evidence is.
        reason: Why there is no value, or why the value decides nothing.
        gain: How much better the metric is than in the baseline, where the gate limits that alone.
        since: The change of the metric since the baseline; None without a baseline.
        explanation: Why there is this limit.
        waiver: Who waived it until when, and why.
    """

    id: str
    code: str
    gate: str
    topic: str
    tone: Tone
    state: Text
    kind: Text
    title: Text
    name: Text
    metric: Text
    help: Text
    estimate: Estimate
    limit: Text
    limit_words: Text
    limit_value: float
    track: Track
    evidence: str
    blocking: bool
    reason: Text = EMPTY
    gain: Estimate | None = None
    since: Estimate | None = None
    explanation: Text = EMPTY
    waiver_chip: Chip | None = None
    waiver: Text = EMPTY

    @property
    def decided_on(self) -> Estimate:
        """The number that the limit bounds: the gain, where the gate limits that alone."""
        return self.gain or self.estimate

    @property
    def lacks_interval(self) -> bool:
        """Whether it is open for want of an interval, not because one crosses the limit."""
        return self.tone == "warn" and self.decided_on.low is None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCount:
    """How many gates are in a state."""

    tone: Tone
    label: Text
    button: Text
    n: int
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WallRow:
    """The gates of one topic."""

    topic: Text
    gates: tuple[GateRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to do before release, and the findings that ask for it."""

    text: Text
    findings: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One number of the first screen."""

    label: Text
    estimate: Estimate
    note: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Hero:
    """The first screen.

    Attributes:
        notice: Which analyzers changed what is audited; empty when none did.
        notice_link: Where that is told in full.
    """

    eyebrow: Text
    name: Text
    tone: Tone
    verdict: Text
    reason: Text
    steps: tuple[Step, ...]
    firmness: Text
    rule: Text
    wall_title: Text
    wall: tuple[WallRow, ...]
    counts: tuple[StateCount, ...]
    headlines: tuple[Headline, ...]
    notice: Text = EMPTY
    notice_link: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A finding: what was found, what it rests on, what to do."""

    id: str
    number: int
    chip: Chip
    title: Text
    detail: Text
    links: tuple[Link, ...]
    action: Text = EMPTY
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The report for those who decide."""

    lead: Text
    people: Figure | None
    paragraphs: tuple[Text, ...]
    findings: tuple[FindingRow, ...]
    more_findings: tuple[FindingRow, ...] = ()
    second: SecondSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBox:
    """An analysis without a result, or with nothing to report."""

    tone: Tone
    title: Text
    meta: Text
    text: Text
    gates: tuple[Link, ...] = ()
    remedy: tuple[str, ...] = ()
    hint: Text = EMPTY
    more: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One row of the data, explained."""

    id: str
    title: Text
    chip: Chip
    verdict: Chip | None
    facts: Text
    waterfall: Waterfall | None
    inputs: Grid | None
    how: Text
    shown: tuple[CaseInput, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnOutput:
    """What contributes to one output of a row, or to a difference of two: a figure a method."""

    title: Text
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnCase:
    """One row that contributions are drawn on; `link` leads to the case that it is."""

    id: str
    title: Text
    verdict: Chip | None
    link: Link | None
    outputs: tuple[DrawnOutput, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The rows of a section that contributions are drawn on, with what holds for all of their figures."""

    subtitle: Text
    keys: tuple[Key, ...]
    how: Text
    cases: tuple[DrawnCase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One entry of the regulatory index: what is asked, where the evidence stands, and how far it covers that.

    Attributes:
        source: The text it comes from, with its version.
        code: Its place there.
        coverage: `evidence`, `partial` or `not covered`, as a chip.
    """

    source: Text
    code: Text
    title: Text
    evidence: tuple[Link, ...]
    coverage: Chip


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSummary:
    """The summary in another language than the page's, folded."""

    language: str
    title: Text
    verdict: Text
    paragraphs: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        group: Group of the contents list it stands in: `result`, `analyses` or `record`.
        gates: The gates it holds the evidence for.
        overview: Figures over many rows that come before the rows that are `drawn`.
        figures: Rows of one wide or one to two narrow figures.
        more_figures: Rows of those that are closed at first; `not_drawn` says which are not there at all.
        requirements: Entries of the regulatory index.
        limits: What this does not show.
        method: Method and parameters, one list an analyzer.
        method_facts: How the measures of each analyzer are made, then what is known of the methods used, one list each.
    """

    id: str
    group: str
    title: Text
    lead: Text = EMPTY
    meta: Text = EMPTY
    chip: Chip | None = None
    gates: tuple[GateRow, ...] = ()
    states: tuple[StateBox, ...] = ()
    lists: tuple[FactList, ...] = ()
    overview: tuple[tuple[Figure, ...], ...] = ()
    drawn: Drawn | None = None
    figures: tuple[tuple[Figure, ...], ...] = ()
    more_figures: tuple[tuple[Figure, ...], ...] = ()
    not_drawn: Text = EMPTY
    cases: tuple[CaseView, ...] = ()
    limits: tuple[Text, ...] = ()
    method: tuple[FactList, ...] = ()
    method_notes: tuple[Text, ...] = ()
    method_facts: tuple[FactList, ...] = ()
    command: str = ""
    log: Grid | None = None
    details: Grid | None = None
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole page.

    Attributes:
        footing: Parts of the running foot in print; letters, digits and hyphens only.
        foot: What drew the page, and which rows of the data it shows.
    """

    language: str
    title: Text
    description: Text
    model: Text
    hero: Hero
    gates: Section
    summary: Summary
    sections: tuple[Section, ...]
    footing: tuple[str, ...] = field(default_factory=tuple)
    foot: Text = EMPTY
