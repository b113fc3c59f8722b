"""Contributions drawn on single rows: case by case, each output with what every method says of it side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from auditbench.results import AnalysisResult, ImageOverlay, SeriesAttribution, TokenAttribution
from auditbench.run import Case
from auditbench_html.view.cases import MOST, case_title, class_words, verdict_chip
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Figure
from auditbench_html.view.overlays import overlay_figure
from auditbench_html.view.page import Drawn, DrawnCase, DrawnOutput, Link
from auditbench_html.view.series import series_figure
from auditbench_html.view.text import EMPTY, Text, joined
from auditbench_html.view.tokens import tokens_figure

Block: TypeAlias = ImageOverlay | TokenAttribution | SeriesAttribution


def drawn_rows(draft: Draft, topic: str, results: list[AnalysisResult]) -> Drawn | None:
    """The rows that the results of a topic draw contributions on, the chosen cases in their order; None without any.

    As with cases, the id of a row is shown where inputs are.
    """
    by_row: dict[str, dict[object, tuple[Text, list[Figure]]]] = {}
    for result in results:
        for block, figure in _figures(draft, result):
            output = (block.title.key, *block.title.values.items())
            _, figures = by_row.setdefault(block.row_id, {}).setdefault(output, (figure.title, []))
            figures.append(dataclasses.replace(figure, title=draft.drawn_by(result)))
    if not by_row:
        return None
    every = [figure for outputs in by_row.values() for _, part in outputs.values() for figure in part]
    shared = every[0].subtitle if len({str(figure.subtitle) for figure in every}) == 1 else EMPTY
    cases = {case.row_id: (number, case) for number, case in enumerate(draft.run.cases, start=1)}
    further = (row_id for row_id in by_row if row_id not in cases)
    titles = {
        **{row_id: draft.say.say("drawn.case", n=number) for row_id, (number, _) in cases.items() if row_id in by_row},
        **{row_id: draft.say.say("drawn.further", n=number) for number, row_id in enumerate(further, start=1)},
    }
    if draft.raw_inputs:
        titles = {row_id: draft.say.say("drawn.row", row=draft.say.row(row_id)) for row_id in titles}
    rows = (
        _row(draft, f"{topic} row {place}", title, by_row[row_id].values(), cases.get(row_id), shared)
        for place, (row_id, title) in enumerate(titles.items(), start=1)
    )
    return Drawn(
        subtitle=shared,
        keys=tuple({str(key): key for figure in every for key in figure.keys}.values()),
        how=draft.say.sentences({str(figure.how): figure.how for figure in every}.values()),
        cases=tuple(rows),
    )


def _figures(draft: Draft, result: AnalysisResult) -> Iterator[tuple[Block, Figure]]:
    yield from ((block, overlay_figure(draft, result, block)) for block in result.image_overlays)
    yield from ((block, tokens_figure(draft, result, block)) for block in result.token_attributions)
    yield from ((block, series_figure(draft, result, block)) for block in result.series_attributions)


def _row(
    draft: Draft,
    name: str,
    title: Text,
    outputs: Iterable[tuple[Text, list[Figure]]],
    chosen: tuple[int, Case] | None,
    shared: Text,
) -> DrawnCase:
    """One row; what all figures share stands above all rows.

    Args:
        name: That its id is made from.
        chosen: The case that it is, with its number.
    """
    verdict, link = None, None
    if chosen is not None:
        number, case = chosen
        title, verdict = joined(title, class_words(draft, case)), verdict_chip(draft, case)
        if number <= MOST:
            link = Link(target=f"case-{number}", label=case_title(draft, number, case))
    return DrawnCase(
        id=draft.slugs.of("", name),
        title=title,
        verdict=verdict,
        link=link,
        outputs=tuple(
            DrawnOutput(title=output, figures=tuple(_bare(figure, shared) for figure in figures))
            for output, figures in outputs
        ),
    )


def _bare(figure: Figure, shared: Text) -> Figure:
    """A figure without what stands once above all rows."""
    return dataclasses.replace(figure, keys=(), how=EMPTY, subtitle=EMPTY if shared else figure.subtitle)
