"""What the run says of results that go beyond what their analyzers declare: metrics, and keys without words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from auditbench.findings import Message
from auditbench.messages import Templates, messages_in
from auditbench.results import AnalysisResult

_LISTED = 12


def result_warnings(
    results: Iterable[AnalysisResult], declared: Mapping[str, tuple[str, ...]], templates: Mapping[str, Templates]
) -> tuple[Message, ...]:
    """A warning for each analyzer that gave other metrics than it declares, and for keys that no catalogue has.

    Args:
        declared: Metrics by analyzer; of one that declares none, any is fine.
        templates: By language.
    """
    return tuple(warning for result in results for warning in _of_result(result, declared, templates))


def _of_result(
    result: AnalysisResult, declared: Mapping[str, tuple[str, ...]], templates: Mapping[str, Templates]
) -> Iterator[Message]:
    if known := declared.get(result.analyzer):
        yield from _told("core.undeclared_metrics", result, {one.name for one in result.metrics} - set(known))
    keys = {message.key for message in messages_in(result)}
    yield from _told("core.keys_without_words", result, keys.difference(*templates.values()))


def _told(key: str, result: AnalysisResult, names: set[str]) -> Iterator[Message]:
    if names:
        what = ", ".join(sorted(names)[:_LISTED]) + (", …" if len(names) > _LISTED else "")
        yield Message(key=key, values={"analyzer": result.analyzer, "what": what})
