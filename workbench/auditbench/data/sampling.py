"""Which rows are explained: the same for every explainer of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def explained_indices(total: int, cases: tuple[int, ...], count: int, seed: int) -> npt.NDArray[np.intp]:
    """Positions of at most `count` rows: the cases first, then rows drawn without replacement, in order."""
    import numpy as np

    drawn = np.random.default_rng([seed, total]).permutation(total)
    chosen = list(cases[:count])
    taken = set(chosen)
    rest = [int(index) for index in drawn if int(index) not in taken][: max(0, count - len(chosen))]
    return np.asarray(chosen + sorted(rest), dtype=np.intp)
