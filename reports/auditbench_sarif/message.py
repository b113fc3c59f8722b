"""Plain text of a SARIF log, § 3.11, in which neither a link nor a placeholder stands."""

from __future__ import annotations

import re

from auditbench_html.view.outline import one_line
from auditbench_html.view.text import Text

_ACTIVE = re.compile(r"\](?=\()|\{(?=\d+\})")


def to_message(text: Text) -> str:
    """Text in one line; `[words](address)` and `{0}` are parted by a word joiner, so that they show as they are."""
    return _ACTIVE.sub(lambda match: f"{match[0]}\N{WORD JOINER}", one_line(text))
