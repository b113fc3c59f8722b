"""The rows whose derivatives are taken, and the outputs that they are taken of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import AnalyzerNotPossible, ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_concepts.params import Params

FEWEST_ROWS = 20
"""Explained rows that an output needs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """The rows whose derivatives are taken.

    Attributes:
        targets: Output of each row, as an index into the model's, shape `(rows,)`.
        outputs: The outputs that are tested, by name.
        numbers: For each row the place of its output among these, shape `(rows,)`.
    """

    rows: Rows
    targets: npt.NDArray[np.int64]
    outputs: tuple[str, ...]
    numbers: npt.NDArray[np.int64]


def explained_rows(context: AuditContext, params: Params) -> Explained:
    """A sample of the rows of the outputs: those whose label an output is, or all rows of a regression.

    Raises:
        AnalyzerNotPossible: No evaluated row has one of the outputs as its label.
        ConfigError: The model has no such output.
    """
    data, names = context.data, context.model.target_names
    wanted = wanted_outputs(context.model, params)
    if data.task == "regression":
        targets = np.zeros(len(data), dtype=np.int64)
    else:
        targets = data.y_true - (1 if len(names) == 1 else 0)
    own = np.flatnonzero(np.isin(targets, [names.index(name) for name in wanted]))
    if not len(own):
        raise AnalyzerNotPossible(
            "no evaluated row has one of the outputs as its label",
            where="analyzers.concepts.outputs",
            found=", ".join(wanted),
            allowed="outputs of which there are rows",
            fix="leave `outputs` away for all of them, or evaluate rows of these classes",
        )
    chosen = np.sort(context.rng("rows").choice(own, min(params.rows, len(own)), replace=False))
    place = {names.index(name): number for number, name in enumerate(wanted)}
    return Explained(
        rows=data.take(chosen),
        targets=targets[chosen],
        outputs=wanted,
        numbers=np.asarray([place[int(target)] for target in targets[chosen]], dtype=np.int64),
    )


def wanted_outputs(model: ModelUnderTest, params: Params) -> tuple[str, ...]:
    """The outputs that the config names, in the order of the model; all of them where it names none.

    Raises:
        ConfigError: The model has no such output.
    """
    names = model.target_names
    unknown = [name for name in params.outputs if name not in names]
    if unknown:
        raise ConfigError(
            "the model has no output of this name",
            where="analyzers.concepts.outputs",
            found=", ".join(unknown),
            allowed=", ".join(names[:20]),
            fix="name one of these outputs, or leave `outputs` away for all of them",
        )
    return tuple(name for name in names if not params.outputs or name in params.outputs)
