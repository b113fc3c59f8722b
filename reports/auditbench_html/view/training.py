"""How the model was trained: rows, settings and cost, and the losses of every epoch with what each took."""

from __future__ import annotations

import dataclasses
import math

from auditbench.findings import Message
from auditbench.results import Axis, Curve, Series
from auditbench.run import TrainingFacts
from auditbench_html.view.captions import caption
from auditbench_html.view.curves import TABLE_POINTS, curve_figure, thin
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading
from auditbench_html.view.numbers import DASH, decimals, fixed, short
from auditbench_html.view.page import Fact, FactList
from auditbench_html.view.record import digest_fact, duration
from auditbench_html.view.sections import parameter_facts
from auditbench_html.view.text import EMPTY, Text, words


def training_facts(draft: Draft) -> FactList:
    """Rows, epochs, settings and cost of a training; empty where the model does not record one."""
    say, training = draft.say, draft.run.model.training
    if training is None:
        return FactList(title=EMPTY, facts=())
    facts = [
        Fact(
            label=say.say("training.rows"),
            value=say.say("training.rows_value", train=training.train_rows, validation=training.validation_rows),
        ),
        Fact(
            label=say.say("training.epochs"),
            value=say.say("training.epochs_value", n=training.epochs, best=training.best_epoch),
        ),
        *_course(draft, training),
        *parameter_facts(draft, {**training.parameters, **training.settings}),
    ]
    return FactList(title=say.say("training.title"), facts=(*facts, *_training_cost(draft, training.epochs)))


def learning_figures(draft: Draft) -> tuple[tuple[Figure, ...], ...]:
    """The learning curve, with a table of the epochs; none where fewer than two are recorded."""
    training = draft.run.model.training
    if training is None or len(training.losses) < 2:
        return ()
    epochs = tuple(float(index) for index in range(1, len(training.losses) + 1))
    curve = Curve(
        name="learning",
        title=Message(key="training.curve", values={"best": training.best_epoch, "n": len(training.losses)}),
        kind="learning",
        x=Axis(label=Message(key="training.epoch")),
        y=Axis(label=Message(key="training.loss")),
        series=(
            Series(label="training", x=epochs, y=tuple(pair[0] for pair in training.losses)),
            Series(label="validation", x=epochs, y=tuple(pair[1] for pair in training.losses)),
        ),
    )
    note = caption(draft, [training.train_rows], drawn=True)
    figure = curve_figure(draft, None, curve, note=note, event=float(training.best_epoch))
    return ((dataclasses.replace(figure, data=_epochs(draft, training, figure.title)),),)


def _epochs(draft: Draft, training: TrainingFacts, title: Text) -> Grid:
    """Losses of the epochs, with the step size at the end of each and the seconds it took, where these are recorded."""
    say, cost = draft.say, draft.run.volatile.training
    n = len(training.losses)
    rates = training.learning_rates if len(training.learning_rates) == n else ()
    seconds = [cost.get(f"epoch.{number}.seconds") for number in range(1, n + 1)]
    timed = any(value is not None for value in seconds)
    names = ["training.epoch", "training.loss_training", "training.loss_validation"]
    names += ["training.rate"] * bool(rates) + ["training.seconds"] * timed
    shown = thin(n, TABLE_POINTS)
    digits = min(4, max(decimals(loss) for pair in training.losses for loss in pair))
    longest = max((value for value in seconds if value), default=1.0)
    rows = []
    for index in shown:
        losses = (Cell(text=words(fixed(loss, digits)), value=loss) for loss in training.losses[index])
        rate = (Cell(text=words(short(rate)), value=rate) for rate in rates[index : index + 1])
        time = (_time(seconds[index], max(0, 2 - math.floor(math.log10(longest)))) for _ in range(timed))
        epoch = Cell(text=say.say("count", n=index + 1), value=float(index + 1))
        rows.append((epoch, *losses, *rate, *time))
    more = say.say("table.thinned", shown=len(shown), total=n) if len(shown) < n else EMPTY
    columns = tuple(Heading(label=say.say(name), number=bool(place)) for place, name in enumerate(names))
    return Grid(caption=title, columns=columns, rows=tuple(rows), more=more)


def _time(seconds: float | None, digits: int) -> Cell:
    return Cell(text=DASH if seconds is None else words(fixed(seconds, digits)), value=seconds)


def _course(draft: Draft, training: TrainingFacts) -> list[Fact]:
    """Steps, step sizes, and what was trained and what was there before, as far as the model records it."""
    say, parameters = draft.say, draft.run.model.parameters
    facts = []
    if training.steps is not None:
        facts.append(Fact(label=say.say("training.steps"), value=say.say("count", n=training.steps)))
    rates = training.learning_rates
    if len(set(rates)) > 1:
        ends = say.say("training.rate_ends", first=words(short(rates[0])), last=words(short(rates[-1])))
        facts.append(Fact(label=say.say("training.rate"), value=ends))
    trained = training.trained_parameters
    if trained is not None and parameters is not None and trained < parameters:
        value = say.say("training.trained_value", n=trained, total=parameters)
        facts.append(Fact(label=say.say("training.trained"), value=value))
    if (initial := training.initial) is not None:
        taken, new = len(initial.loaded), len(initial.new)
        value = say.say("training.initial_value", file=initial.file, n=taken, new=new)
        facts.append(Fact(label=say.say("training.initial"), value=value))
        facts.append(digest_fact(draft, say.say("facts.file", file=initial.file), initial.sha256))
    return facts


def _training_cost(draft: Draft, epochs: int) -> list[Fact]:
    """What a clock and a meter said of training, as far as the model records it."""
    say, cost = draft.say, draft.run.volatile.training
    facts = []
    if (seconds := cost.get("seconds")) is not None:
        each = duration(draft, seconds / max(1, epochs))
        value = say.say("training.time_value", total=duration(draft, seconds), epoch=each)
        facts.append(Fact(label=say.say("training.time"), value=value))
    if (speed := cost.get("rows_per_second")) is not None:
        facts.append(Fact(label=say.say("training.speed"), value=say.say("training.speed_value", n=round(speed))))
    if (peak := cost.get("peak_memory_bytes")) is not None:
        value = say.say("training.memory_value", n=peak / 2**20)
        facts.append(Fact(label=say.say("training.memory"), value=value))
    return facts
