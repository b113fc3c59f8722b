"""Toy subjects: a linear model with its data, small enough that every contribution and every group count is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditbench.data import TABULAR_INPUT, EvaluationData, FeatureSpec, Rows, TableInput
from auditbench.models import ModelUnderTest
from auditbench.run import DataFacts, FeatureFacts, ModelFacts, OutputScale, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

ToyKind: TypeAlias = Literal["regression", "binary", "multiclass", "constant"]

TOY_FEATURES = (
    FeatureSpec(name="age", kind="number", start=0, stop=1, fill=40.0, mean=40.0, scale=10.0),
    FeatureSpec(name="hours", kind="number", start=1, stop=2, fill=38.0, mean=36.0, scale=8.0),
    FeatureSpec(name="work", kind="category", categories=("office", "field", "home"), start=2, stop=6),
    FeatureSpec(name="sex", kind="category", categories=("Female", "Male"), start=6, stop=9),
)
"""Features of `toy_subject`: two numbers, a category, and a category that is sensitive."""

_WEIGHTS = (
    (1.5, -0.8, 0.4, -0.6, 0.1, 0.0, -0.3, 0.5, 0.0),
    (0.2, 0.9, -0.5, 0.3, 0.2, 0.0, 0.1, -0.1, 0.0),
    (-1.1, 0.3, 0.0, 0.7, -0.4, 0.0, 0.2, 0.0, 0.0),
)
_BIAS = (0.25, -0.1, 0.05)
_CLASSES = {"binary": ("no", "yes"), "multiclass": ("low", "middle", "high")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToySubject:
    """A model that is linear in its encoded inputs, with its data.

    Attributes:
        weights: Shape `(outputs, encoded columns)`; the module computes `encoded @ weights.T + bias` in float64.
        bias: Shape `(outputs,)`.
    """

    model: ModelUnderTest
    data: EvaluationData
    weights: Numbers
    bias: Numbers

    def exact_contributions(self, rows: Rows, background: Rows) -> Numbers:
        """Interventional Shapley values, shape `(rows, outputs, features)`, in the declared scale of a linear output.

        For a linear model they are `w * (x - mean of the background)`, summed over the encoded columns of a feature
        (arXiv:1705.07874, corollary 1). Integrated gradients from the mean encoded background row are the same.
        """
        import numpy as np

        encoded = self.model.encode(rows.inputs).double().cpu().numpy()
        mean = self.model.encode(background.inputs).double().cpu().numpy().mean(axis=0)
        by_column = (encoded - mean)[:, np.newaxis, :] * self.weights
        parts = [by_column[:, :, feature.start : feature.stop].sum(axis=2) for feature in self.model.features]
        return np.stack(parts, axis=2)


def toy_subject(
    kind: ToyKind = "binary",
    *,
    rows: int = 60,
    background: int = 40,
    missing: int = 0,
    gradients: bool = True,
    seed: int = 0,
) -> ToySubject:
    """A subject on a table of two numbers and two categories, `TOY_FEATURES`.

    The outputs are logits, for regression values. `binary` has one output and threshold 0.5, `multiclass` three;
    `constant` is binary with all weights 0. Labels are drawn from the model itself, regression with noise of
    standard deviation 0.5. Sensitive features are `sex`, which the model sees, and `region`, which it does not: `North`,
    `South`, and `Islands` with the first two rows alone, both women, so that men of the islands are an empty group.

    Args:
        rows: Evaluated rows, at least 3.
        background: Background rows, at least 1.
        missing: Evaluated rows, from the last on, whose `hours` are missing (NaN).
        gradients: Whether the model declares the capability `gradients`.
    """
    import numpy as np

    if rows < 3 or background < 1 or not 0 <= missing <= rows:
        raise ValueError(
            f"expected rows >= 3, background >= 1 and missing <= rows, got {rows}, {background}, {missing}"
        )
    rng = np.random.default_rng(seed)
    outputs = 3 if kind == "multiclass" else 1
    weights = np.asarray(_WEIGHTS[:outputs]) * (0.0 if kind == "constant" else 1.0)
    task: Task = _TASKS[kind]
    classes = _CLASSES.get("binary" if kind == "constant" else kind, ())
    model = _linear_model(
        weights, np.asarray(_BIAS[:outputs]), TOY_FEATURES, task=task, classes=classes, gradients=gradients
    )
    raw = _raw_table(rows + background, rng)
    raw[:2, 3] = 0
    region = np.where(rng.random(rows) < 0.5, "North", "South").astype("<U7")
    region[:2] = "Islands"
    y_true = _drawn_labels(model, raw, rng)
    raw[rows - missing : rows, 1] = np.nan
    sex = np.asarray(TOY_FEATURES[3].categories)[raw[:rows, 3].astype(int)]
    evaluated = _rows(raw[:rows], y_true[:rows], {"sex": sex, "region": region}, "row")
    empty = {name: np.full(background, "") for name in ("sex", "region")}
    data = _data(model, evaluated, _rows(raw[rows:], y_true[rows:], empty, "background"))
    return ToySubject(model=model, data=data, weights=weights, bias=np.asarray(_BIAS[:outputs]))


def given_outputs_subject(
    outputs: npt.ArrayLike,
    y_true: npt.ArrayLike,
    *,
    task: Task = "binary-classification",
    output: OutputScale = "probability",
    classes: tuple[str, ...] = ("no", "yes"),
    threshold: float | None = 0.5,
    sensitive_features: Mapping[str, npt.ArrayLike] | None = None,
) -> ToySubject:
    """A subject whose model gives exactly these outputs: its features are the outputs themselves.

    For tests of metrics, whose values then follow from the arguments alone. Binary outputs in {0, 1} are decisions.
    The background is the evaluated rows.

    Args:
        outputs: Shape `(rows,)`, or `(rows, outputs)` for several classes, in the scale `output` (float32 holds them).
        y_true: Shape `(rows,)`: class indices, or values for regression.
        classes: In the order of their index; not used for regression.
        threshold: Of a binary model.
        sensitive_features: Group of each row, by column.
    """
    import numpy as np

    table = np.atleast_2d(np.asarray(outputs, dtype=np.float64).T).T
    width = table.shape[1]
    features = tuple(
        FeatureSpec(name=f"output_{index}", kind="number", start=index, stop=index + 1) for index in range(width)
    )
    model = _linear_model(
        np.eye(width),
        np.zeros(width),
        features,
        task=task,
        classes=() if task == "regression" else classes,
        output=output,
        threshold=threshold,
    )
    labels = np.asarray(y_true, dtype=np.float64 if task == "regression" else np.int64)
    groups = {name: np.asarray(values).astype(str) for name, values in (sensitive_features or {}).items()}
    evaluated = _rows(table, labels, groups, "row")
    return ToySubject(model=model, data=_data(model, evaluated, evaluated), weights=np.eye(width), bias=np.zeros(width))


_TASKS: dict[ToyKind, Task] = {
    "regression": "regression",
    "binary": "binary-classification",
    "multiclass": "multiclass-classification",
    "constant": "binary-classification",
}


def _linear_model(
    weights: Numbers,
    bias: Numbers,
    features: tuple[FeatureSpec, ...],
    *,
    task: Task,
    classes: tuple[str, ...],
    output: OutputScale = "logit",
    threshold: float | None = 0.5,
    gradients: bool = True,
) -> ModelUnderTest:
    from auditbench.data import TabularEncoder
    from auditbench.testing.modules import Linear64

    regression, binary = task == "regression", task == "binary-classification"
    facts = ModelFacts(
        name="toy",
        format="python",
        architecture="linear",
        task=task,
        classes=classes,
        output="value" if regression else output,
        threshold=threshold if binary else None,
        parameters=weights.size + bias.size,
        capabilities=("gradients", "black_box") if gradients else ("black_box",),
        digest="0" * 64,
    )
    return ModelUnderTest(
        facts=facts,
        module=Linear64(weights, bias),
        encoder=TabularEncoder(features).eval(),
        inputs={TABULAR_INPUT: TableInput(features=features)},
        target_names=("target",) if regression else classes[1:] if binary else classes,
    )


def _raw_table(total: int, rng: np.random.Generator) -> Numbers:
    import numpy as np

    return np.column_stack(
        [
            rng.normal(40.0, 10.0, total).round(1),
            rng.normal(36.0, 8.0, total).round(1),
            rng.integers(0, 3, total),
            rng.integers(0, 2, total),
        ]
    )


def _drawn_labels(model: ModelUnderTest, raw: Numbers, rng: np.random.Generator) -> npt.NDArray[Any]:
    outputs = model.predict({TABULAR_INPUT: raw})
    if model.facts.task == "regression":
        return outputs[:, 0] + rng.normal(0.0, 0.5, len(raw))
    cumulative = model.probabilities(outputs).cumsum(axis=1)[:, :-1]
    labels: npt.NDArray[Any] = (rng.random((len(raw), 1)) > cumulative).sum(axis=1)
    return labels


def _rows(
    raw: Numbers, y_true: npt.NDArray[Any], sensitive_features: Mapping[str, npt.NDArray[np.str_]], prefix: str
) -> Rows:
    return Rows(
        inputs={TABULAR_INPUT: raw},
        y_true=y_true,
        sensitive_features=sensitive_features,
        row_ids=tuple(f"{prefix}-{index}" for index in range(len(raw))),
    )


def _data(model: ModelUnderTest, evaluated: Rows, background: Rows) -> EvaluationData:
    import numpy as np

    classes, sensitive = model.facts.classes, tuple(evaluated.sensitive_features)
    raw = evaluated.inputs[TABULAR_INPUT]
    outcomes = {name: int((evaluated.y_true == index).sum()) for index, name in enumerate(classes)}
    features = tuple(
        FeatureFacts(
            name=feature.name,
            kind=feature.kind,
            levels=len(feature.categories) or None,
            missing_test=int(np.isnan(raw[:, index]).sum()),
            missing_rule="median" if feature.kind == "number" else "own-category",
            sensitive=feature.name in sensitive,
        )
        for index, feature in enumerate(model.features)
    )
    facts = DataFacts(
        name="toy",
        digests={},
        rows=len(evaluated),
        train_rows=len(background),
        target="target",
        positive=classes[1] if len(classes) == 2 else "",
        outcomes=outcomes,
        features=features,
        sensitive=sensitive,
    )
    return EvaluationData(
        facts=facts,
        task=model.facts.task,
        classes=classes,
        inputs=model.inputs,
        _evaluated=evaluated,
        _background=background,
    )
