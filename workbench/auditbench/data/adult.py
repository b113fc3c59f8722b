"""The packaged data set `adult`: Adult (Census Income), 48,842 rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from auditbench.data.loading import DatasetLoader, DatasetSource

if TYPE_CHECKING:
    from auditbench.config import DataTable

LICENCE = (
    "Adult (Census Income), UCI Machine Learning Repository, doi 10.24432/C5XW20, CC BY 4.0; from the 1994 US Census"
)


def load_adult(_table: DataTable) -> DatasetSource:
    """The packaged file: 32,561 training rows and 16,281 test rows, told apart by the column `split`."""
    return DatasetSource(test=Path(__file__).parent / "adult.parquet", split="split", licence=LICENCE)


ADULT = DatasetLoader(name="adult", summary="Adult (Census Income): who earns more than 50K", load=load_adult)
