"""What was audited, what it is for, and what it was measured on."""

from __future__ import annotations

from auditbench.run import FeatureFacts, InputFacts
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Grid, Heading
from auditbench_html.view.numbers import short
from auditbench_html.view.page import Fact, FactList, Section
from auditbench_html.view.record import digest_fact
from auditbench_html.view.scores import positive_class
from auditbench_html.view.text import Text, name_text, words
from auditbench_html.view.training import learning_figures, training_facts
from auditbench_html.view.verdict import model_name

_NOT_ENCODED = ("callable", "predictions")
"""Formats of models in whose series nothing is filled."""


def facts_section(draft: Draft) -> Section:
    """Two lists, how the model was trained, and the inputs one by one."""
    say, training = draft.say, draft.run.model.training
    lists = [_model(draft), _data(draft)]
    if training is not None:
        lists.append(training_facts(draft))
    return Section(
        id="facts",
        group="result",
        title=say.say("section.facts"),
        lead=say.say("facts.lead"),
        lists=tuple(lists),
        figures=learning_figures(draft),
        limits=(*map(say.tell, draft.run.model.limits), *_programs_limit(draft), say.say("facts.limit")),
        details=_inputs(draft),
    )


def _stated(draft: Draft, key: str, value: str) -> Fact:
    label = draft.say.say(key)
    if not value:
        return Fact(label=label, value=draft.say.say("value.not_stated"), missing=True)
    return Fact(label=label, value=name_text(value))


def _model(draft: Draft) -> FactList:
    say, run = draft.say, draft.run
    model = run.model
    facts = [
        Fact(label=say.say("facts.name"), value=model_name(draft)),
        _stated(draft, "facts.intended_use", run.audit.intended_use),
        _stated(draft, "facts.not_for", run.audit.not_for),
        _stated(draft, "facts.owner", run.audit.owner),
        Fact(label=say.say("facts.output"), value=_output(draft)),
        Fact(label=say.say("facts.architecture"), value=name_text(model.architecture)),
        *_parameters(draft),
        Fact(label=say.say("facts.format"), value=name_text(model.format)),
        digest_fact(draft, say.say("facts.digest"), model.digest),
    ]
    for program in model.programs:
        value = say.say("facts.program_value", file=program.name, kind=say.say(f"program.{program.kind}"))
        facts.append(Fact(label=say.say("facts.program"), value=value))
        facts.append(digest_fact(draft, say.say("facts.file", file=program.name), program.sha256))
    return FactList(title=say.say("facts.model"), facts=tuple(facts))


def _parameters(draft: Draft) -> tuple[Fact, ...]:
    """How many there are; nothing where the model does not tell."""
    say, parameters = draft.say, draft.run.model.parameters
    return (
        () if parameters is None else (Fact(label=say.say("facts.parameters"), value=say.say("count", n=parameters)),)
    )


def _programs_limit(draft: Draft) -> tuple[Text, ...]:
    """That code of the model ran, and what this leaves open; nothing where none did."""
    say, programs = draft.say, draft.run.model.programs
    if not programs:
        return ()
    files = say.series(
        say.say("facts.trusted_file", file=program.name, digest=program.sha256[:12]) for program in programs
    )
    return (say.say("facts.trusted", files=files),)


def _output(draft: Draft) -> Text:
    say, model = draft.say, draft.run.model
    scale = say.say(f"output.{model.output}")
    if model.task == "binary-classification" and model.threshold is not None:
        return say.say(
            "facts.output_binary",
            scale=scale,
            threshold=words(short(model.threshold)),
            positive=positive_class(draft.run),
        )
    if model.n_classes:
        return say.say("facts.output_classes", scale=scale, n=model.n_classes)
    return scale


def _data(draft: Draft) -> FactList:
    say, data = draft.say, draft.run.data
    facts = [
        Fact(label=say.say("facts.data_name"), value=name_text(data.name)),
        Fact(label=say.say("facts.rows"), value=say.say("count", n=data.rows)),
        *_window(draft),
        Fact(label=say.say("facts.split"), value=_split(draft)),
        Fact(label=say.say("facts.outcome"), value=_outcome(draft)),
        *_taken(draft),
        *_groups(draft),
        _stated(draft, "facts.licence", data.licence),
    ]
    for rule, n in data.dropped.items():
        why = say.first((f"facts.dropped_{rule}",)) or name_text(rule)
        facts.append(Fact(label=say.say("facts.dropped"), value=say.say("facts.dropped_rows", n=n, rule=why)))
    for path, digest in data.digests.items():
        facts.append(digest_fact(draft, say.say("facts.file", file=path), digest))
    return FactList(title=say.say("facts.data"), facts=tuple(facts))


def _split(draft: Draft) -> Text:
    data = draft.run.data
    key = "facts.split_rows" if draft.trained_here else "facts.split_given"
    return draft.say.say(key, train=data.train_rows, rows=data.rows)


def _window(draft: Draft) -> list[Fact]:
    """What a row of a language model is."""
    texts = [item for item in draft.run.data.inputs if item.modality == "text" and item.shape]
    if draft.run.model.task != "next-token" or not texts:
        return []
    value = draft.say.say(f"facts.window_{_unit(texts[0])}", length=texts[0].shape[0])
    return [Fact(label=draft.say.say("facts.window"), value=value)]


def _unit(item: InputFacts) -> str:
    return item.unit if item.unit in ("characters", "subwords") else "words"


def _outcome(draft: Draft) -> Text:
    say, data = draft.say, draft.run.data
    total = sum(data.outcomes.values())
    if data.positive and data.positive in data.outcomes and total:
        n = data.outcomes[data.positive]
        part = words(f"{100 * n / total:.1f}%")
        return say.say("facts.outcome_binary", target=data.target, positive=data.positive, n=n, part=part)
    if n := draft.run.model.n_classes or len(data.outcomes):
        return say.say("facts.outcome_classes", target=data.target, n=n)
    return name_text(data.target)


def _taken(draft: Draft) -> list[Fact]:
    """What the model takes, by name where there are several inputs, and what is missing in tables."""
    say, data = draft.say, draft.run.data
    if len(data.inputs) > 1:
        facts = [
            Fact(label=say.say("facts.input_named", name=item.name), value=_extent(draft, item)) for item in data.inputs
        ]
    elif data.features:
        label = "facts.columns" if draft.run.model.is_stored else "facts.inputs"
        facts = [Fact(label=say.say(label), value=_kinds(draft))]
    else:
        facts = [Fact(label=say.say("facts.inputs"), value=_extent(draft, item)) for item in data.inputs]
    if data.features or any(item.empty is not None for item in data.inputs):
        facts.append(Fact(label=say.say("facts.missing"), value=_missing(draft)))
    return facts


def _kinds(draft: Draft) -> Text:
    features = draft.run.data.features
    numbers = sum(feature.kind == "number" for feature in features)
    return draft.say.say("facts.input_kinds", numbers=numbers, categories=len(features) - numbers)


def _extent(draft: Draft, item: InputFacts) -> Text:
    """How large one row of an input is."""
    say = draft.say
    if item.modality == "image" and len(item.shape) == 3:
        return say.say("facts.input_image", n=item.shape[0], height=item.shape[1], width=item.shape[2])
    if item.modality == "series" and len(item.shape) == 2:
        return say.say("facts.input_series", n=item.shape[0], steps=item.shape[1])
    length = item.shape[0] if item.shape else 0
    if item.modality == "text":
        return say.say(f"facts.input_{_unit(item)}", n=item.vocabulary, length=length)
    return _kinds(draft)


def _missing(draft: Draft) -> Text:
    """Cells of tables, steps of series and texts that the evaluated rows lack; none only of what was counted."""
    say, inputs = draft.say, draft.run.data.inputs
    lacking = [
        say.say(f"facts.missing_{kind}", n=n, input=item.name)
        for item in inputs
        for kind, n in ((item.modality, item.empty), ("steps", item.incomplete))
        if n
    ]
    found = say.series((*_missing_cells(draft), *lacking))
    if not found:
        uncounted = any(item.modality in ("text", "series") and item.empty is None for item in inputs)
        return say.say("facts.missing_none_table" if uncounted else "facts.missing_none")
    encoded = draft.run.model.format not in _NOT_ENCODED
    filled = encoded and any(item.modality == "series" and (item.empty or item.incomplete) for item in inputs)
    return say.say("facts.missing_filled", missing=found) if filled else found


def _missing_cells(draft: Draft) -> tuple[Text, ...]:
    say, data = draft.say, draft.run.data
    missing = sum(feature.missing_test for feature in data.features)
    if not missing or not data.rows:
        return ()
    worst = max(data.features, key=lambda feature: feature.missing_test)
    part = 100 * missing / (data.rows * len(data.features))
    worst_part = words(f"{100 * worst.missing_test / data.rows:.1f}%")
    return (
        say.say("facts.missing_cells", n=missing, part=words(f"{part:.1f}%"), worst=worst.name, worst_part=worst_part),
    )


def _groups(draft: Draft) -> list[Fact]:
    """Protected attributes, apart from them groups that say something of the inputs alone, and what else concerns groups."""
    say, data = draft.say, draft.run.data
    stated = [name for name in data.sensitive if name not in data.computed]
    computed = [name for name in data.sensitive if name in data.computed]
    facts = [_protected(draft, stated)] if stated or not computed else []
    if computed:
        names = say.series(_computed_name(draft, name) for name in computed)
        value = say.say("facts.computed_value", names=names, n=len(computed))
        facts.append(Fact(label=say.say("facts.computed"), value=value))
    if data.control:
        control = say.series(_computed_name(draft, name) for name in data.control)
        facts.append(Fact(label=say.say("facts.control"), value=say.say("facts.control_value", names=control)))
    if data.weights:
        facts.append(Fact(label=say.say("facts.weights"), value=say.say("facts.weights_value", name=data.weights)))
    return facts


def _computed_name(draft: Draft, name: str) -> Text:
    """A computed feature in words, with what the audit file calls it where that is another word."""
    word = draft.say.feature(name)
    return word if word == name_text(name) else draft.say.say("facts.computed_name", word=word, name=name)


def _protected(draft: Draft, stated: list[str]) -> Fact:
    say, data = draft.say, draft.run.data
    label = say.say("facts.protected")
    if not stated:
        return Fact(label=label, value=say.say("value.not_stated"), missing=True)
    names = say.series(name_text(name) for name in stated)
    if draft.run.model.is_stored:
        return Fact(label=label, value=say.say("facts.protected_unknown", names=names))
    known = {feature.name for feature in data.features}
    inputs = [name for name in stated if name in known]
    if not inputs:
        key = "facts.protected_held" if data.features else "facts.protected_apart"
        return Fact(label=label, value=say.say(key, names=names))
    if len(inputs) == len(stated):
        return Fact(label=label, value=say.say("facts.protected_all", names=names, n=len(inputs)))
    also = say.series(name_text(name) for name in inputs)
    return Fact(label=label, value=say.say("facts.protected_inputs", names=names, inputs=also, n=len(inputs)))


def _inputs(draft: Draft) -> Grid | None:
    say, features = draft.say, draft.run.data.features
    if not features:
        return None
    run = draft.run
    alone = "inputs" if len(run.data.inputs) < 2 else "columns"
    caption = f"facts.{'stored' if run.model.is_stored else alone}_caption"
    ruled = any(feature.missing_rule for feature in features)
    names = (
        "column.input",
        "column.kind",
        "column.levels",
        "column.missing_test",
        "column.missing_train",
        *(["column.rule"] if ruled else []),
    )
    columns = tuple(Heading(label=say.say(name), number=2 <= index <= 4) for index, name in enumerate(names))
    rows = tuple(
        (
            Cell(text=name_text(feature.name)),
            Cell(text=say.say(f"kind.{feature.kind}")),
            Cell(text=say.say("count", n=feature.levels) if feature.levels is not None else say.say("value.dash")),
            Cell(text=say.say("count", n=feature.missing_test), value=float(feature.missing_test)),
            Cell(text=say.say("count", n=feature.missing_train), value=float(feature.missing_train)),
            *([_rule(draft, feature)] if ruled else []),
        )
        for feature in features[:50]
    )
    return Grid(
        caption=say.say(caption, n=len(features)),
        columns=columns,
        rows=rows,
        more=draft.more(50, len(features)),
    )


def _rule(draft: Draft, feature: FeatureFacts) -> Cell:
    """What a missing cell becomes."""
    rule = feature.missing_rule
    return Cell(text=draft.say.first((f"missing_rule.{rule}",)) or name_text(rule))
