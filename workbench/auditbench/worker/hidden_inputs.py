"""Results without the inputs that a report draws contributions on: a record holds these only where the config asks for them.

Cells of tables and data of custom blocks stay as they are: only their analyzer knows what they are made of, and it is told by
`AuditContext.raw_inputs`.
"""

from __future__ import annotations

from dataclasses import replace

from auditbench.results import AnalysisResult

_DOT = "\N{BULLET}"


def without_inputs(result: AnalysisResult) -> AnalysisResult:
    """The same result without images, words and series; contributions stay, and words become dots of their length."""
    return replace(
        result,
        image_overlays=tuple(replace(block, image=None) for block in result.image_overlays),
        token_attributions=tuple(
            replace(block, tokens=tuple(map(_dotted, block.tokens))) for block in result.token_attributions
        ),
        series_attributions=tuple(replace(block, series=None) for block in result.series_attributions),
    )


def _dotted(token: str) -> str:
    return "".join(letter if letter.isspace() else _DOT for letter in token)
