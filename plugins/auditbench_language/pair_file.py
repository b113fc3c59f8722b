"""Minimal pairs: two texts that differ in who they are about, one of them the more stereotypical."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from auditbench.data.text_columns import text_columns
from auditbench.errors import DataError
from auditbench_language.params import PairParams

_KEY = "analyzers.language-pairs.file"
MOST_KINDS = 100
"""Kinds of bias up to which each is tested: a column with more of them names something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of a file, in its order.

    Attributes:
        more: The more stereotypical text of each; `less` the other one.
        kinds: The kind of bias of each; empty texts where the file names none.
        clusters: What pairs have in common, such as a template; a pair without a name has none in common with others. None
            where the file has no such column.
        sha256: Of the file.
        left_out: Further pairs of the file.
    """

    more: tuple[str, ...]
    less: tuple[str, ...]
    kinds: tuple[str, ...]
    clusters: tuple[str, ...] | None
    sha256: str
    left_out: int

    def __len__(self) -> int:
        return len(self.more)


def read_pairs(params: PairParams, folder: Path) -> Pairs:
    """The pairs of the file that the parameters name, or those that come with the plugin.

    Args:
        folder: Where the path starts.

    Raises:
        DataError: It is no such file, lacks a column, a text is missing, both texts of a pair are the same, or there are too
            many kinds.
    """
    if params.file:
        return _read(params, folder / params.file)
    own = PairParams(most_pairs=params.most_pairs)
    with resources.as_file(resources.files("auditbench_language") / "winogender.csv") as path:
        return _read(own, path)


def _read(params: PairParams, path: Path) -> Pairs:
    found = text_columns(path, needed=(params.more, params.less), optional=(params.kind, params.cluster), key=_KEY)
    more, less = found.cells[params.more], found.cells[params.less]
    same = next((row for row, (one, other) in enumerate(zip(more, less, strict=True), start=1) if one == other), None)
    if same is not None or not more:
        raise DataError(
            f"{path.name} has no pairs that can be compared",
            where=_KEY,
            found="no row" if same is None else f"two equal texts in row {same}",
            allowed="two different texts in each row",
        )
    kept = slice(0, params.most_pairs)
    kinds = found.cells.get(params.kind, ("",) * len(more))[kept]
    if len(set(kinds)) > MOST_KINDS:
        raise DataError(
            f"{path.name} has too many kinds of bias to test each",
            where="analyzers.language-pairs.kind",
            found=f"{len(set(kinds)):,} in the column {params.kind!r}",
            allowed=f"at most {MOST_KINDS}",
            fix="name the column of kinds, or none of the file",
        )
    clusters = found.cells.get(params.cluster)
    return Pairs(
        more=more[kept],
        less=less[kept],
        kinds=kinds,
        clusters=None
        if clusters is None
        else tuple(name or f"row {row} alone" for row, name in enumerate(clusters[kept], start=1)),
        sha256=found.sha256,
        left_out=max(0, len(more) - params.most_pairs),
    )
