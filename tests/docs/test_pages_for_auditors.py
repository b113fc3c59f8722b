"""Every block on the pages about auditing does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import HAND_WRITTEN, RUN_ELSEWHERE, run_page
from tests.docs.test_pages_for_authors import FOR_AUTHORS


@pytest.mark.parametrize("page", sorted({*HAND_WRITTEN} - {*FOR_AUTHORS, *RUN_ELSEWHERE}))
def test_the_blocks_run_in_their_order(page: str, tmp_path: Path) -> None:
    run_page(page, tmp_path)
