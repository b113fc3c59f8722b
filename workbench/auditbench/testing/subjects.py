"""Toy subjects: a linear model with its data, small enough that every contribution and every group count is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.data import TABULAR_INPUT, EvaluationData, FeatureSpec, ModelInput, Rows, TableInput, TextInput
from auditbench.models import ModelUnderTest
from auditbench.run import Modality, OutputScale, Task
from auditbench.testing.subject_parts import data_of, drawn_labels, model_of, rows_of
from auditbench.testing.toy_inputs import ToyRows, toy_rows, toy_weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

    Numbers: TypeAlias = npt.NDArray[np.float64]

ToyKind: TypeAlias = Literal["regression", "binary", "multiclass", "constant"]

_BIAS = (0.25, -0.1, 0.05)
_CLASSES = {"binary": ("no", "yes"), "multiclass": ("low", "middle", "high")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToySubject:
    """A small model with its data; most are linear in their encoded inputs, of a text in how often each token occurs.

    Attributes:
        weights: Shape `(outputs, columns)`: a column each encoded number, of a text each token id; of several inputs one
            after the other. The module computes their sum in float64, plus `bias`. None where it is not linear.
        bias: Shape `(outputs,)`; None likewise.
    """

    model: ModelUnderTest
    data: EvaluationData
    weights: Numbers | None = None
    bias: Numbers | None = None

    def exact_contributions(self, rows: Rows, background: Rows) -> Numbers:
        """Interventional Shapley values in the declared scale of a linear output, shape `(rows, outputs, *players)`.

        Players are the features of a table, the pixels of an image, the places of a text, the values of a series. For
        a linear model they are `w * (x - mean of the background)`, summed over the encoded columns of a feature
        (arXiv:1705.07874, corollary 1). Integrated gradients from the mean encoded background row are the same.

        Raises:
            ValueError: The model is not linear, or takes several inputs.
        """
        import numpy as np

        by_place: Numbers = self._terms(rows) - self._terms(background).mean(axis=0)
        if not self.model.features:
            return by_place
        parts = [by_place[:, :, feature.start : feature.stop].sum(axis=2) for feature in self.model.features]
        return np.stack(parts, axis=2)

    def _terms(self, rows: Rows) -> Numbers:
        """What each place of the encoded rows adds to each output, shape `(rows, outputs, *encoded shape)`."""
        import numpy as np

        if self.weights is None:
            raise ValueError("expected a linear model, got one without `weights`")
        if len(self.model.inputs) > 1:
            raise ValueError(f"expected a model of one input, got {', '.join(self.model.inputs)}")
        (item,) = self.model.inputs.values()
        encoded = self.model.encode(rows.inputs).cpu().numpy()
        if isinstance(item, TextInput):
            return np.asarray(np.moveaxis(self.weights.T[encoded], 2, 1), dtype=np.float64)
        by_place: Numbers = encoded[:, np.newaxis].astype(np.float64) * self.weights.reshape(-1, *item.shape)
        return by_place


def toy_subject(
    kind: ToyKind = "binary",
    *,
    modality: Modality = "tabular",
    rows: int = 60,
    background: int = 40,
    missing: int = 0,
    gradients: bool = True,
    seed: int = 0,
) -> ToySubject:
    """A subject on a table of two numbers and two categories, `TOY_FEATURES`, or on inputs of another modality.

    The outputs are logits, for regression values. `binary` has one output and threshold 0.5, `multiclass` three;
    `constant` is binary with all weights 0. Labels are drawn from the model itself, regression with noise of
    standard deviation 0.5. Sensitive features are `sex`, which a model of a table sees, and `region`, which none does:
    `North`, `South`, and `Islands` with the first two rows alone, both women, so that men of the islands are an empty
    group.

    Args:
        modality: `image`: 6 x 5 pixels in one channel. `text`: up to 7 words of 8 known ones. `series`: two channels,
            up to 12 steps, NaN behind the end. `mixed`: the table and the text.
        rows: Evaluated rows, at least 3.
        background: Background rows, at least 1.
        missing: Evaluated rows, from the last on, whose `hours` are missing (NaN); for a table alone.
        gradients: Whether the model declares the capability `gradients`; one of texts does not.
    """
    import numpy as np

    if rows < 3 or background < 1 or not 0 <= missing <= rows or (missing and modality != "tabular"):
        raise ValueError(
            "expected rows >= 3, background >= 1 and missing <= rows, of a table alone, "
            f"got {rows}, {background}, {missing}, {modality}"
        )
    rng = np.random.default_rng(seed)
    outputs = 3 if kind == "multiclass" else 1
    if kind not in _TASKS:
        raise ValueError(f"expected one of {', '.join(_TASKS)} as kind, got {kind!r}")
    task: Task = _TASKS[kind]
    classes = _CLASSES.get("binary" if kind == "constant" else kind, ())
    toy = toy_rows(modality, rows + background, rng)
    parts = {name: toy_weights(item, outputs) * (kind != "constant") for name, item in toy.inputs.items()}
    bias = np.asarray(_BIAS[:outputs])
    model = model_of(
        _module(toy.inputs, parts, bias),
        toy.inputs,
        task=task,
        classes=classes,
        gradients=gradients and modality != "text",
    )
    region = np.where(rng.random(rows) < 0.5, "North", "South").astype("<U7")
    region[:2] = "Islands"
    y_true = drawn_labels(model, toy.raw, rng)
    sex = _sex(toy, rows, rng)
    if missing:
        toy.raw[TABULAR_INPUT][rows - missing : rows, 1] = np.nan
    evaluated = rows_of(toy, slice(0, rows), y_true, {"sex": sex, "region": region}, "row")
    empty = {name: np.full(background, "") for name in ("sex", "region")}
    data = data_of(model, evaluated, rows_of(toy, slice(rows, None), y_true, empty, "background"))
    return ToySubject(model=model, data=data, weights=np.concatenate([*parts.values()], axis=1), bias=bias)


def given_outputs_subject(
    outputs: npt.ArrayLike,
    y_true: npt.ArrayLike,
    *,
    task: Task = "binary-classification",
    output: OutputScale = "probability",
    classes: tuple[str, ...] = ("no", "yes"),
    threshold: float | None = 0.5,
    sensitive_features: Mapping[str, npt.ArrayLike] | None = None,
    control_features: Mapping[str, npt.ArrayLike] | None = None,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
) -> ToySubject:
    """A subject whose model gives exactly these outputs: its features are the outputs themselves.

    For tests of metrics, whose values then follow from the arguments alone. Binary outputs in {0, 1} are decisions.
    The background is the evaluated rows.

    Args:
        outputs: Shape `(rows,)`, or `(rows, outputs)` for several classes, in the scale `output` (float32 holds them).
        y_true: Shape `(rows,)`: class indices, or values for regression.
        classes: In the order of their index; not used for regression.
        threshold: Of a binary model.
        sensitive_features: Group of each row, by column; `control_features` alike.
        weights: How much each row counts; `clusters` which rows depend on each other.
    """
    import numpy as np

    table = np.atleast_2d(np.asarray(outputs, dtype=np.float64).T).T
    width = table.shape[1]
    features = tuple(
        FeatureSpec(name=f"output_{index}", kind="number", start=index, stop=index + 1) for index in range(width)
    )
    inputs = {TABULAR_INPUT: TableInput(features=features)}
    model = model_of(
        _module(inputs, {TABULAR_INPUT: np.eye(width)}, np.zeros(width)),
        inputs,
        task=task,
        classes=() if task == "regression" else classes,
        output=output,
        threshold=threshold,
    )
    labels = np.asarray(y_true, dtype=np.float64 if task == "regression" else np.int64)
    groups, control = (
        {name: np.asarray(values).astype(str) for name, values in (given or {}).items()}
        for given in (sensitive_features, control_features)
    )
    rows = ToyRows(inputs=inputs, raw={TABULAR_INPUT: table})
    evaluated = dataclasses.replace(
        rows_of(rows, slice(None), labels, groups, "row"),
        control_features=control,
        weights=None if weights is None else np.asarray(weights, dtype=np.float64),
        clusters=None if clusters is None else np.asarray(clusters, dtype=np.int64),
    )
    return ToySubject(
        model=model, data=data_of(model, evaluated, evaluated), weights=np.eye(width), bias=np.zeros(width)
    )


_TASKS: dict[ToyKind, Task] = {
    "regression": "regression",
    "binary": "binary-classification",
    "multiclass": "multiclass-classification",
    "constant": "binary-classification",
}


def _module(inputs: Mapping[str, ModelInput], weights: Mapping[str, Numbers], bias: Numbers) -> nn.Module:
    """Linear in every input; the bias is that of the first."""
    import numpy as np

    from auditbench.models.packing import UnpackedNetwork
    from auditbench.testing.modules import Joined64, Linear64, TokenSum64

    biases = (bias if index == 0 else np.zeros(len(bias)) for index in range(len(inputs)))
    parts = {
        name: (TokenSum64 if isinstance(item, TextInput) else Linear64)(weights[name], own)
        for (name, item), own in zip(inputs.items(), biases, strict=True)
    }
    return next(iter(parts.values())) if len(parts) == 1 else UnpackedNetwork(Joined64(parts), inputs).eval()


def _sex(toy: ToyRows, rows: int, rng: np.random.Generator) -> npt.NDArray[np.str_]:
    """What the table says, or drawn; the first two rows are women."""
    import numpy as np

    table = toy.raw.get(TABULAR_INPUT)
    codes = rng.integers(0, 2, rows) if table is None else table[:rows, 3].astype(int)
    codes[:2] = 0
    return np.where(codes == 0, "Female", "Male")
