"""The evaluated rows: inputs by name, labels, sensitive features, and a background to compare with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ModelInput, features_of, input_facts, modality_of
from auditbench.run import DataFacts, InputFacts, Modality, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Inputs: TypeAlias = Mapping[str, npt.NDArray[Any]]

TABULAR_INPUT = "features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows of the data.

    Attributes:
        inputs: Raw arrays whose first size is the number of rows, by input name, as `ModelInput` says. A table has one,
            `features`, of shape `(rows, features)` and float64. Those of `EvaluationData` itself may be stored in
            files; `take` gives arrays. Where outputs of a model stand in a file there is one more, `ROW_IDENTITY`.
        texts: The texts behind token ids, shape `(rows,)`, by input name; stored as inputs are.
        y_true: Shape `(rows,)`: class index as int64, or the value as float64.
        sensitive_features: Shape `(rows,)` of text, by column.
        row_ids: One id a row.
        control_features: Shape `(rows,)` of text, by column: what groups are compared at equal values of.
        weights: How much each row counts, shape `(rows,)`, float64 of at least 0. None where each counts once.
        clusters: Shape `(rows,)`, whole numbers: rows of one number depend on each other, as the tokens of one text do. None
            where rows are independent.
    """

    inputs: Inputs
    y_true: npt.NDArray[Any]
    sensitive_features: Mapping[str, npt.NDArray[np.str_]]
    row_ids: tuple[str, ...]
    texts: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    clusters: npt.NDArray[np.int64] | None = None
    control_features: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    weights: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.row_ids)

    def take(self, indices: npt.NDArray[np.intp]) -> Rows:
        """The rows at these positions, in this order, in memory."""
        return self._with(
            indices,
            inputs={name: array[indices] for name, array in self.inputs.items()},
            texts={name: array[indices] for name, array in self.texts.items()},
        )

    def subset(self, indices: npt.NDArray[np.intp]) -> Rows:
        """The rows at these positions, in this order, stored where they were."""
        from auditbench.data.stored import some_rows

        return self._with(indices, inputs=some_rows(self.inputs, indices), texts=some_rows(self.texts, indices))

    def _with(
        self, indices: npt.NDArray[np.intp], *, inputs: Inputs, texts: Mapping[str, npt.NDArray[np.object_]]
    ) -> Rows:
        return Rows(
            inputs=inputs,
            y_true=self.y_true[indices],
            sensitive_features={name: array[indices] for name, array in self.sensitive_features.items()},
            row_ids=tuple(self.row_ids[int(i)] for i in indices),
            texts=texts,
            clusters=None if self.clusters is None else self.clusters[indices],
            control_features={name: array[indices] for name, array in self.control_features.items()},
            weights=None if self.weights is None else self.weights[indices],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationData:
    """The data of an audit. Inputs are reached through `batches`, `take`, `sample` and `background` only.

    Attributes:
        facts: What the record of the run says of them.
        task: What the model is for.
        inputs: What the rows hold, by name of the input, as the model takes it.
        classes: Class names by index; empty for regression.
        background_source: `train`, or `test` when there are no training rows.
    """

    facts: DataFacts
    task: Task
    classes: tuple[str, ...]
    inputs: Mapping[str, ModelInput]
    background_source: str = "train"
    _evaluated: Rows = field(repr=False)
    _background: Rows = field(repr=False)

    def __len__(self) -> int:
        return len(self._evaluated)

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """Features of a table, in the order of the raw columns; empty for other inputs."""
        return features_of(self.inputs)

    @property
    def modality(self) -> Modality:
        """That of the only input, or `mixed`."""
        return modality_of(self.inputs)

    @property
    def y_true(self) -> npt.NDArray[Any]:
        """Labels of the evaluated rows, shape `(rows,)`."""
        return self._evaluated.y_true

    @property
    def sensitive_features(self) -> Mapping[str, npt.NDArray[np.str_]]:
        """Sensitive features of the evaluated rows, shape `(rows,)` each, by column."""
        return self._evaluated.sensitive_features

    @property
    def control_features(self) -> Mapping[str, npt.NDArray[np.str_]]:
        """Features at equal values of which groups are compared, shape `(rows,)` each, by column."""
        return self._evaluated.control_features

    @property
    def weights(self) -> npt.NDArray[np.float64] | None:
        """How much each evaluated row counts, see `Rows`."""
        return self._evaluated.weights

    @property
    def row_ids(self) -> tuple[str, ...]:
        """Ids of the evaluated rows."""
        return self._evaluated.row_ids

    @property
    def clusters(self) -> npt.NDArray[np.int64] | None:
        """Which evaluated rows depend on each other, see `Rows`; statistics take clusters as independent."""
        return self._evaluated.clusters

    @property
    def background_rows(self) -> int:
        """How many background rows there are, which are read when some are taken."""
        return len(self._background)

    @property
    def background_without_inputs(self) -> Rows:
        """Labels, groups, clusters and weights of the background rows, whose inputs nobody reads for that."""
        return dataclasses.replace(self._background, inputs={}, texts={})

    def groups(self, feature: str) -> tuple[str, ...]:
        """Groups of a sensitive feature among the evaluated and the background rows, sorted; empty for another name."""
        sources = (self._evaluated.sensitive_features, self._background.sensitive_features)
        return tuple(sorted({str(group) for each in sources for group in each.get(feature, ())}))

    def input_facts(self) -> tuple[InputFacts, ...]:
        """What the model takes, with how many evaluated rows lack something; not counted in windows cut from texts."""
        from auditbench.data.missing import counted_inputs

        return (
            input_facts(self.inputs)
            if self.task == "next-token"
            else counted_inputs(self.inputs, self._evaluated.inputs)
        )

    def batches(self, size: int) -> Iterator[Rows]:
        """The evaluated rows, in order, at most `size` at a time."""
        import numpy as np

        for start in range(0, len(self), size):
            yield self._evaluated.take(np.arange(start, min(start + size, len(self))))

    def take(self, indices: npt.NDArray[np.intp]) -> Rows:
        """The evaluated rows at these positions."""
        return self._evaluated.take(indices)

    def sample(self, count: int, rng: np.random.Generator) -> Rows:
        """At most `count` evaluated rows, drawn without replacement, in the order of the data."""
        return self._evaluated.take(_sorted_choice(len(self._evaluated), count, rng))

    def background(self, count: int, rng: np.random.Generator) -> Rows:
        """At most `count` background rows, drawn without replacement, in the order of the data."""
        return self._background.take(_sorted_choice(len(self._background), count, rng))

    def with_rows(self, function: Callable[[Rows], Rows]) -> EvaluationData:
        """The same data with what a function makes of its evaluated rows, and of its background."""
        return dataclasses.replace(self, _evaluated=function(self._evaluated), _background=function(self._background))

    def identified(self, numbers: npt.NDArray[np.intp]) -> EvaluationData:
        """The same data, whose raw rows say which rows they are, for models whose outputs are stored; see `row_identity`.

        Args:
            numbers: Of the evaluated rows in their file, from 1, shape `(rows,)`.
        """
        from auditbench.data.row_identity import ROW_IDENTITY, no_identities, row_identities

        def with_identities(rows: Rows, identities: npt.NDArray[np.int64]) -> Rows:
            return dataclasses.replace(rows, inputs={**rows.inputs, ROW_IDENTITY: identities})

        evaluated = with_identities(self._evaluated, row_identities(self._evaluated.inputs, numbers))
        others = self._background is not self._evaluated
        background = with_identities(self._background, no_identities(len(self._background))) if others else evaluated
        return dataclasses.replace(self, _evaluated=evaluated, _background=background)

    def subset(self, indices: npt.NDArray[np.intp]) -> EvaluationData:
        """The same data with only these evaluated rows; the background stays."""
        return dataclasses.replace(self, _evaluated=self._evaluated.subset(indices))


def _sorted_choice(total: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    import numpy as np

    if count >= total:
        return np.arange(total)
    return np.sort(rng.choice(total, size=count, replace=False))
