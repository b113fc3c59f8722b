"""The German credit data as other libraries use it: sex, age bands and foreign worker, by the repository's documentation.

What that documentation says of sex and of foreign workers is wrong, see tests/data/german_credit.LICENSE.txt: the table serves
to compare computations.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

GERMAN_CREDIT = Path(__file__).parent / "data" / "german_credit.csv"
AGE_BANDS = {"19 to 25": 25, "26 to 39": 39, "40 to 59": 59, "60 to 75": 75}
"""Last year of each band."""


def german_credit() -> pd.DataFrame:
    """1,000 rows: the 21 columns of german_credit.csv, then `sex` out of `personal_status`, and `age_band` out of `age`."""
    frame = pd.read_csv(GERMAN_CREDIT, keep_default_na=False)
    frame["sex"] = frame["personal_status"].str.partition(",")[0]
    frame["age_band"] = pd.cut(frame["age"], [0, *AGE_BANDS.values()], labels=list(AGE_BANDS)).astype(str)
    return frame
