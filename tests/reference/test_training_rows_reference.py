"""The kernels of the `training-rows` plugin against captum, scikit-learn, gradients of autograd and closed forms."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.influence import SimilarityInfluence, TracInCP, TracInCPFast
from captum.influence._core.similarity_influence import cosine_similarity, euclidean_distance
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from auditbench.config_training import TrainTable
from auditbench.data import Rows
from auditbench.models import ModelUnderTest
from auditbench.run import OutputScale, Task
from auditbench.testing import toy_subject
from auditbench.training.examples import Examples
from auditbench.training.loop import fit
from auditbench.training.losses import RowLoss, cross_entropy
from auditbench_training_rows.candidates import rankings
from auditbench_training_rows.last_layer import LastLayer, find_last_linear, last_layer
from auditbench_training_rows.losses import row_losses
from auditbench_training_rows.neighbours import NOT_THERE, nearest, nearest_others
from auditbench_training_rows.studied import studied
from auditbench_training_rows.tracin import influences, self_influence, strongest

WIDTH, TRAIN, TESTED = 9, 70, 12
OUTPUTS: dict[Task, int] = {"binary-classification": 1, "multiclass-classification": 3, "regression": 1}
TASKS = tuple(OUTPUTS)

# captum says for each batch that it changes the inputs.
pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients:UserWarning")


class Rowwise(nn.Module):
    """The loss of each row at the targets of captum, added up."""

    reduction = "sum"

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.task == "regression":
            return nn.functional.mse_loss(outputs[:, 0], targets.float(), reduction="sum")
        if self.task == "binary-classification":
            return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.float(), reduction="sum")
        return nn.functional.cross_entropy(outputs, targets, reduction="sum")


def network(outputs: int, *, bias: bool = True, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(
            nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, 7), nn.Tanh(), nn.Linear(7, outputs, bias=bias)
        )
    return layers.eval().requires_grad_(False)


def made(task: Task, module: nn.Module) -> tuple[ModelUnderTest, Rows, Rows]:
    """A model of the toy table, its training rows and its evaluated rows."""
    kind: Any = task.partition("-")[0]
    subject = toy_subject(kind, rows=TESTED, background=TRAIN)
    model = dataclasses.replace(subject.model, module=module)
    return model, subject.data.background(TRAIN, np.random.default_rng(0)), subject.data.take(np.arange(TESTED))


def layers_of(model: ModelUnderTest, train: Rows, tested: Rows) -> tuple[LastLayer, LastLayer]:
    name = find_last_linear(model, train).name
    return last_layer(model, name, train, train.y_true), last_layer(model, name, tested, tested.y_true)


def loaded(module: nn.Module, state: dict[str, torch.Tensor]) -> float:
    """Captum asks for the step size of a checkpoint."""
    module.load_state_dict(state)
    return 1.0


def captum_of(kind: Any, model: ModelUnderTest, train: Rows, checkpoints: list[Any]) -> Any:
    module = copy.deepcopy(model.module).requires_grad_(True)
    data = TensorDataset(model.encode(train.inputs), torch.from_numpy(train.y_true))
    fast = kind is TracInCPFast
    where = {"final_fc_layer": "4"} if fast else {"layers": ["4"], "sample_wise_grads_per_batch": True}
    return kind(
        model=module,
        train_dataset=DataLoader(data, batch_size=32),
        checkpoints=checkpoints,
        checkpoints_load_func=loaded,
        loss_fn=Rowwise(model.facts.task),
        **where,
    )


def batch_of(model: ModelUnderTest, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    return model.encode(rows.inputs), torch.from_numpy(rows.y_true)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_influence_is_that_of_captum(task: Task, bias: bool) -> None:
    model, train, tested = made(task, network(OUTPUTS[task], bias=bias))
    of_train, of_tested = layers_of(model, train, tested)
    tracin = captum_of(TracInCP, model, train, [model.module.state_dict()])
    theirs = tracin.influence(batch_of(model, tested)).detach().numpy()
    assert np.abs(theirs).max() > 1e-3
    np.testing.assert_allclose(influences(of_tested, of_train), theirs, atol=2e-6 * np.abs(theirs).max())
    own = tracin.self_influence().detach().numpy()
    np.testing.assert_allclose(self_influence(of_train), own, rtol=2e-5, atol=1e-7 * own.max())


@pytest.mark.parametrize("task", TASKS)
def test_without_the_bias_it_is_the_fast_form_of_captum(task: Task) -> None:
    model, train, tested = made(task, network(OUTPUTS[task]))
    of_train, of_tested = (
        LastLayer(activations=part.activations[:, :-1], gradients=part.gradients)
        for part in layers_of(model, train, tested)
    )
    tracin = captum_of(TracInCPFast, model, train, [model.module.state_dict()])
    theirs = tracin.influence(batch_of(model, tested)).detach().numpy()
    np.testing.assert_allclose(influences(of_tested, of_train), theirs, atol=2e-6 * np.abs(theirs).max())
    np.testing.assert_allclose(self_influence(of_train), tracin.self_influence().detach().numpy(), rtol=2e-5, atol=1e-7)


def test_checkpoints_add_up_to_what_captum_gives() -> None:
    modules = [network(3, seed=seed) for seed in range(3)]
    parts = []
    for module in modules:
        model, train, tested = made("multiclass-classification", module)
        of_train, of_tested = layers_of(model, train, tested)
        parts.append(influences(of_tested, of_train))
    tracin = captum_of(TracInCP, model, train, [module.state_dict() for module in modules])
    theirs = tracin.influence(batch_of(model, tested)).detach().numpy()
    np.testing.assert_allclose(sum(parts), theirs, atol=2e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("task", TASKS)
def test_strongest_rows_are_those_of_captum(task: Task) -> None:
    model, train, tested = made(task, network(OUTPUTS[task]))
    of_train, of_tested = layers_of(model, train, tested)
    classes = train.y_true.astype(np.int64) if task != "regression" else np.zeros(TRAIN, dtype=np.int64)
    found = strongest(of_tested, of_train, classes, n_classes=3, count=4)
    tracin = captum_of(TracInCP, model, train, [model.module.state_dict()])
    for proponents, positions, sizes in (
        (True, found.supporters, found.support),
        (False, found.opponents, found.opposition),
    ):
        theirs = tracin.influence(batch_of(model, tested), k=4, proponents=proponents)
        np.testing.assert_array_equal(positions, theirs.indices.numpy())
        np.testing.assert_allclose(sizes, theirs.influence_scores.detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_top_share_and_classes_are_those_of_the_whole_matrix(task: Task) -> None:
    model, train, tested = made(task, network(OUTPUTS[task]))
    of_train, of_tested = layers_of(model, train, tested)
    classes = np.arange(TRAIN) % 3
    whole = influences(of_tested, of_train)
    found = strongest(of_tested, of_train, classes, n_classes=3, count=2)
    for at, row in enumerate(whole):
        assert found.top_share[at] == pytest.approx(np.abs(row).max() / np.abs(row).sum())  # 1 % of 70 rows is one row
        sums = [row[classes == index].sum() / np.abs(row).sum() for index in range(3)]
        np.testing.assert_allclose(found.by_class[at], sums)


@pytest.mark.parametrize(
    ("task", "output", "classes"),
    [
        ("binary-classification", "logit", 1),
        ("binary-classification", "probability", 1),
        ("multiclass-classification", "logit", 3),
        ("multiclass-classification", "probability", 3),
        ("regression", "value", 1),
    ],
)
def test_gradients_are_those_of_the_weights_for_every_scale(task: Task, output: OutputScale, classes: int) -> None:
    last: nn.Module = nn.Identity()
    if output == "probability":
        last = nn.Sigmoid() if classes == 1 else nn.Softmax(dim=1)
    module = nn.Sequential(*network(classes), last).eval()
    model, train, _ = made(task, module)
    model = dataclasses.replace(model, facts=dataclasses.replace(model.facts, output=output))
    found = last_layer(model, "4", train, train.y_true)
    weight, bias = module[4].weight, module[4].bias
    encoded, labels = batch_of(model, train)
    for at in range(0, TRAIN, 7):
        module.requires_grad_(True)
        loss = row_losses(module(encoded[at : at + 1]), labels[at : at + 1], task=task, output=output).sum()
        by_weight, by_bias = torch.autograd.grad(loss, (weight, bias))
        module.requires_grad_(False)
        outer = np.outer(found.gradients[at], found.activations[at])
        np.testing.assert_allclose(outer[:, :-1], by_weight.numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(outer[:, -1], by_bias.numpy(), rtol=1e-4, atol=1e-6)


def test_a_small_step_changes_the_loss_as_influence_says() -> None:
    """The definition itself: loss before - loss after a step of gradient descent on one training row."""
    module = network(3)
    model, train, tested = made("multiclass-classification", module)
    of_train, of_tested = layers_of(model, train, tested)
    expected = influences(of_tested, of_train)
    encoded, labels = batch_of(model, tested)
    step = 1e-5
    for at in (0, 11, 42):
        moved = copy.deepcopy(module).double()
        outer = np.outer(of_train.gradients[at], of_train.activations[at])
        moved[4].weight.data -= step * torch.from_numpy(outer[:, :-1])
        moved[4].bias.data -= step * torch.from_numpy(outer[:, -1].copy())
        losses = [
            nn.functional.cross_entropy(net(encoded.double()), labels, reduction="none")
            for net in (copy.deepcopy(module).double(), moved)
        ]
        np.testing.assert_allclose(
            ((losses[0] - losses[1]) / step).numpy(), expected[:, at], atol=1e-4 * np.abs(expected[:, at]).max()
        )


def test_self_influence_of_logistic_regression_is_the_closed_form() -> None:
    module = nn.Sequential(nn.Linear(WIDTH, 1)).eval().requires_grad_(False)
    model, train, _ = made("binary-classification", module)
    found = studied(model, train, find_last_linear(model, train), "last")
    encoded = model.encode(train.inputs).double().numpy()
    probability = 1 / (1 + np.exp(-found.outputs[:, 0]))
    expected = (probability - train.y_true) ** 2 * ((encoded**2).sum(axis=1) + 1)
    assert found.layer is not None
    np.testing.assert_allclose(self_influence(found.layer), expected, rtol=1e-5)


def crowded(rng: np.random.Generator, rows: int) -> Any:
    """Few places that are far apart, with rows very near to each other at each."""
    return 100.0 * np.eye(5)[rng.integers(0, 5, rows)] + 0.01 * rng.normal(size=(rows, 5))


def spaces() -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        pytest.param(rng.normal(size=(700, 12)), rng.normal(size=(600, 12)), id="more-than-a-block"),
        pytest.param(rng.normal(size=(40, 3)) + 1000, rng.normal(size=(30, 3)) + 1000, id="far-from-zero"),
        pytest.param(crowded(rng, 300), crowded(rng, 100), id="nearer-than-float32-tells"),
        pytest.param(np.maximum(rng.normal(size=(90, 60)), 0), np.maximum(rng.normal(size=(50, 60)), 0), id="relu"),
    ]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(("train", "rows"), spaces())
def test_neighbours_are_those_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, train: Any, rows: Any, distance: Any
) -> None:
    monkeypatch.setattr("auditbench_training_rows.neighbours._TRAIN_ROWS_AT_ONCE", 128)
    train, rows = train.astype(np.float32), rows.astype(np.float32)
    searched = NearestNeighbors(n_neighbors=6, metric=distance, algorithm="brute").fit(train.astype(np.float64))
    distances, positions = searched.kneighbors(rows.astype(np.float64))
    found = nearest(rows, train, 6, distance=distance)
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6, atol=1e-9)
    distances, positions = searched.kneighbors()  # of the training rows, each without itself
    found = nearest_others(train, 6, distance=distance)
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6, atol=1e-9)
    own = np.where(np.arange(len(train)) % 2, np.arange(len(train)), NOT_THERE)  # every second one is itself
    found = nearest(train, train, 6, own=own, distance=distance)
    np.testing.assert_array_equal(found.positions[1::2], positions[1::2])
    assert (found.positions[::2] == np.arange(0, len(train), 2)[:, None]).any(axis=1).all()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_neighbours_are_those_of_captum(tmp_path: Path, distance: Any) -> None:
    module = network(3)
    model, train, tested = made("multiclass-classification", module)
    metric = {"cosine": cosine_similarity, "euclidean": euclidean_distance}[distance]
    similarity = SimilarityInfluence(
        copy.deepcopy(module),
        ["1", "3"],  # captum fails with one layer alone
        TensorDataset(model.encode(train.inputs)),
        str(tmp_path),
        "toy",
        similarity_metric=metric,
        similarity_direction="max" if distance == "cosine" else "min",
        batch_size=TRAIN // 2,
    )
    positions, sizes = similarity.influence(model.encode(tested.inputs), top_k=5)["3"]
    linear = find_last_linear(model, train)
    places = [studied(model, rows, linear, "last").places for rows in (tested, train)]
    found = nearest(*places, 5, distance=distance)
    np.testing.assert_array_equal(found.positions, positions.numpy())
    theirs = 1 - sizes if distance == "cosine" else sizes
    np.testing.assert_allclose(
        found.distances, theirs.numpy(), atol=1e-5
    )  # theirs are differences of squares in float32


def test_equally_near_rows_are_all_at_their_distance() -> None:
    train = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = nearest_others(train, 3, distance="euclidean")
    assert (found.distances == 0).all()
    assert all(set(found.positions[at]) == set(range(4 * (at // 4), 4 * (at // 4) + 4)) - {at} for at in range(12))


def test_a_row_of_zeros_is_at_a_right_angle_to_all() -> None:
    found = nearest(np.zeros((1, 4), np.float32), np.eye(4, dtype=np.float32), 4, distance="cosine")
    assert (found.distances == 1).all()


def planted(seed: int) -> tuple[ModelUnderTest, Rows, np.ndarray[Any, np.dtype[np.bool_]]]:
    """A network that the product trains on three groups of points, a tenth of whose labels is wrong."""
    rng = np.random.default_rng(seed)
    rows, wrong = 600, np.zeros(600, dtype=np.bool_)
    wrong[rng.choice(rows, 60, replace=False)] = True
    truth = rng.integers(0, 3, rows)
    centres = 2.2 * np.eye(3, WIDTH)
    points = (centres[truth] + rng.normal(size=(rows, WIDTH))).astype(np.float32)
    labels = np.where(wrong, (truth + rng.integers(1, 3, rows)) % 3, truth)
    encoded = torch.from_numpy(points)
    module = network(3, seed=seed).requires_grad_(True)
    given = Examples(rows=encoded.__getitem__, targets=torch.from_numpy(labels), positions=torch.arange(rows))
    table = TrainTable(epochs=12, batch_size=32, learning_rate=0.01, patience=12)
    fitted = fit(
        module,
        given.at(np.arange(540)),
        given.at(np.arange(540, rows)),
        RowLoss(function=cross_entropy),
        table,
        seed=seed,
        progress=lambda *_: None,
    )
    module.load_state_dict(dict(fitted.weights))
    subject = toy_subject("multiclass")
    model = dataclasses.replace(
        subject.model, module=module.eval().requires_grad_(False), encoder=Unchanged(), inputs=subject.model.inputs
    )
    found = Rows(
        inputs={"features": points},
        y_true=labels.astype(np.int64),
        sensitive_features={},
        row_ids=tuple(map(str, range(rows))),
    )
    return model, found, wrong


class Unchanged(nn.Module):
    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return inputs["features"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_labels_head_every_ranking(seed: int) -> None:
    """60 of 600 labels are wrong, so that rows by chance would come to a precision of 0.1."""
    model, rows, wrong = planted(seed)
    found = studied(model, rows, find_last_linear(model, rows), "last")
    orders = rankings(found, nearest_others(found.places, 10, distance="cosine"))
    precision = {name: [float(wrong[order[:count]].mean()) for count in (6, 30, 60)] for name, order in orders.items()}
    for name, least in {
        "self_influence": (0.8, 0.8, 0.7),
        "loss": (0.8, 0.8, 0.7),
        "neighbours": (0.8, 0.8, 0.6),
        "margin": (0.8, 0.8, 0.7),
    }.items():
        assert all(value >= bound for value, bound in zip(precision[name], least, strict=True)), (name, precision)


def test_without_wrong_labels_planted_rows_are_not_found() -> None:
    """The precision above comes from the labels, not from the rows: of rows that are marked and right, few are first."""
    model, rows, wrong = planted(0)
    right = dataclasses.replace(rows, y_true=np.where(wrong, model.decisions(model.predict(rows.inputs)), rows.y_true))
    found = studied(model, right, find_last_linear(model, right), "last")
    orders = rankings(found, nearest_others(found.places, 10, distance="cosine"))
    assert max(wrong[order[:60]].mean() for order in orders.values()) < 0.3
