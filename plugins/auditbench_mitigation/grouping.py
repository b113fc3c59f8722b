"""The groups that are to be brought nearer to each other, among the evaluated rows and those trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.errors import AnalyzerNotPossible, ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData
    from auditbench_mitigation import Params

    Codes: TypeAlias = npt.NDArray[np.int64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

JOINT = " & "
"""Between the names of several features, and of their groups, as fairness joins them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Groups of one feature, or of several at once.

    Attributes:
        names: Sorted; one may have no evaluated row.
        of_row: Place of the group of each evaluated row in `names`, shape `(rows,)`.
        of_background: The same of the background rows; None where these do not have every feature.
    """

    features: tuple[str, ...]
    names: tuple[str, ...]
    of_row: Codes
    of_background: Codes | None

    @property
    def feature(self) -> str:
        """The feature, or all of them in one name."""
        return JOINT.join(self.features)

    def sizes(self, among: Mask | None = None) -> Codes:
        """Evaluated rows of each group, shape `(groups,)`, or some of them."""
        return np.bincount(self.of_row if among is None else self.of_row[among], minlength=len(self.names))


def grouped(data: EvaluationData, params: Params) -> Groups:
    """The groups that the parameters name.

    Raises:
        ConfigError: A feature is none of the sensitive ones.
        AnalyzerNotPossible: Fewer than two groups have enough evaluated rows for two halves.
    """
    known = data.sensitive_features
    features = params.features or tuple(known)[:1]
    for place, name in enumerate(features):
        if name not in known:
            raise ConfigError(
                "no sensitive feature has this name",
                where=f"analyzers.mitigation.features[{place}]",
                found=repr(name),
                allowed=", ".join(map(repr, known)) or "data.sensitive names none",
                fix="name one of data.sensitive, or leave the parameter out for the first of them",
            )
    groups = _coded(features, known, data.background_without_inputs.sensitive_features)
    enough = int(np.count_nonzero(groups.sizes() >= 2 * params.minimum_group))
    if enough < 2:
        raise AnalyzerNotPossible(
            "fewer than two groups have enough rows for two halves",
            where="analyzers.mitigation.minimum_group",
            found=f"{enough} of {len(groups.names)} groups of {groups.feature} with {2 * params.minimum_group} evaluated rows",
            allowed="two",
            fix="evaluate more rows, or lower minimum_group",
        )
    return groups


def _coded(
    features: tuple[str, ...],
    evaluated: Mapping[str, npt.NDArray[np.str_]],
    background: Mapping[str, npt.NDArray[np.str_]],
) -> Groups:
    rows = _joined(features, evaluated)
    others = _joined(features, background) if set(features) <= set(background) else None
    names, codes = np.unique(rows if others is None else np.concatenate([rows, others]), return_inverse=True)
    codes = codes.astype(np.int64)
    return Groups(
        features=features,
        names=tuple(names.tolist()),
        of_row=codes[: len(rows)],
        of_background=None if others is None else codes[len(rows) :],
    )


def _joined(features: tuple[str, ...], columns: Mapping[str, npt.NDArray[np.str_]]) -> npt.NDArray[np.str_]:
    first, *others = (columns[name] for name in features)
    for column in others:
        first = np.char.add(np.char.add(first, JOINT), column)
    return first
