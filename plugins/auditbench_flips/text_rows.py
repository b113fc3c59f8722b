"""Texts as the model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.inputs import PADDING
from auditbench.data.texts import coder_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import TextInput


def token_rows(item: TextInput, texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Token ids of texts, cut and padded as those of the data are, shape `(texts, length)`."""
    ids = np.full((len(texts), item.length), PADDING, dtype=np.int64)
    for row, found in enumerate(coder_of(item)(texts)):
        ids[row, : len(found)] = found
    return ids
