"""Every block on the pages about plugins does what the page says; a file of its own, so that both run beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import HAND_WRITTEN, run_page

FOR_AUTHORS = [page for page in HAND_WRITTEN if "plugin" in page]


@pytest.mark.parametrize("page", FOR_AUTHORS)
def test_the_blocks_run_in_their_order(page: str, tmp_path: Path) -> None:
    run_page(page, tmp_path)
