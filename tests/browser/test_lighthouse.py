"""What Lighthouse says of the page on a phone; its score of performance is measured in `benchmarks`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.lighthouse import lighthouse_scores


@pytest.mark.browser
@pytest.mark.nightly
def test_lighthouse_finds_nothing_in_accessibility_and_best_practices(chromium_path: str, report: Path) -> None:
    scores, short = lighthouse_scores(report.read_bytes(), chromium_path)
    assert (scores["accessibility"], scores["best-practices"]) == (100, 100), short
