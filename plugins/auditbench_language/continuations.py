"""Why a model continues a context as it does: contributions of the words of the context to what follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data import FIRST_TOKEN, TextInput
from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench.data.subwords import subwords_of
from auditbench.data.words import Words
from auditbench.errors import AnalyzerNotPossible
from auditbench.masking import Evaluator, MaskedModel, MaskToken, Prediction, chosen_targets, token_players
from auditbench.masking.explained_input import mask_token
from auditbench.models.following import following, text_input
from auditbench_language.context_players import context_players
from auditbench_language.path import embedding_of_path, integrated_row
from auditbench_language.scoring import ContinuationScores, evaluations, greedy
from auditbench_language.walks import RowValues, hidden_one_by_one, shapley_row

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_language.context_players import PlayerUnit
    from auditbench_language.params import Params

    Ids: TypeAlias = npt.NDArray[np.int64]
    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Continuation:
    """What is explained of one row.

    Attributes:
        context: Token ids, shape `(context tokens,)`.
        classes: Of the tokens that continue it, shape `(tokens,)`.
        foil: Class of the token that the first of these is set against.
    """

    context: Ids
    classes: Ids
    foil: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Contributions of the players of one context to the scores of `ContinuationScores`, in nats.

    Attributes:
        found: `values` has a row each score and a column each player.
        said: What each player says.
        owners: The player of each token of the context, -1 for special tokens.
        model_rows: Rows that the model evaluated.
    """

    found: RowValues
    said: tuple[str, ...]
    owners: Ids
    model_rows: int


def explain_chunk(
    rows: Rows, rng: np.random.Generator, *, model: ModelUnderTest, params: Params, shown: bool
) -> dict[str, npt.NDArray[np.generic]]:
    """Explanations of some rows as arrays; contributions of a player are shared out equally over its tokens.

    Continuations are shorter where the text before has fewer tokens; what is behind them is NaN, or -1 of classes. Rows whose
    context has no word have only NaN.

    Args:
        shown: Whether inputs may be shown; else no token is among the arrays, which are stored while an audit runs.
    """
    name, item = text_input(model)
    shape = (len(rows), params.tokens)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "values": np.full((len(rows), 2, item.length), np.nan),
        "error": np.full((len(rows), 2, item.length), np.nan),
        "token_values": np.full((*shape, item.length), np.nan),
        "base_values": np.full((len(rows), 2), np.nan),
        "outputs": np.full((len(rows), 2), np.nan),
        "log_probability": np.full(shape, np.nan),
        "entropy": np.full(shape, np.nan),
        "rank": np.full(shape, np.nan),
        "model_rows": np.zeros(len(rows), dtype=np.int64),
    }
    if shown:
        arrays |= {"classes": np.full(shape, -1), "foil": np.full(len(rows), -1)}
    for row, (ids, label) in enumerate(zip(rows.inputs[name], rows.y_true, strict=True)):
        seen = ids[ids != PADDING].astype(np.int64)
        with torch.no_grad():
            asked = continuation_of(model, seen, int(label), params)
            logs = _logs(model, asked)
        count, context = len(asked.classes), len(asked.context)
        own = logs[np.arange(count), asked.classes]
        arrays["log_probability"][row, :count] = own
        arrays["entropy"][row, :count] = -(np.exp(logs) * logs).sum(axis=1)
        arrays["rank"][row, :count] = 1 + (logs > own[:, np.newaxis]).sum(axis=1)
        if shown:
            arrays["classes"][row, :count], arrays["foil"][row] = asked.classes, asked.foil
        explanation = explain(model, asked, params, rng)
        spent = 1 + evaluations(model, count) + (count if params.continues == "model" else 0)
        arrays["model_rows"][row] = spent + explanation.model_rows
        if not explanation.said:
            continue
        shares = _shares(explanation.found.values, explanation.owners)
        arrays["values"][row], arrays["error"][row] = 0.0, 0.0
        arrays["token_values"][row, :count] = 0.0
        arrays["values"][row, :, :context] = shares[count:]
        arrays["token_values"][row, :count, :context] = shares[:count]
        arrays["error"][row, :, :context] = _shares(explanation.found.standard_error, explanation.owners)[count:]
        arrays["base_values"][row] = explanation.found.base_value[count:]
        arrays["outputs"][row] = explanation.found.output[count:]
    return arrays


def continuation_of(model: ModelUnderTest, seen: Ids, label: int, params: Params) -> Continuation:
    """Context, continuation and foil of one row.

    Args:
        seen: Its token ids, without padding.
        label: Class of the token that follows in the text.
    """
    context = context_of(text_input(model)[1], seen, params)
    if params.continues == "text":
        classes = np.append(seen, label + FIRST_TOKEN)[len(context) :] - FIRST_TOKEN
    else:
        classes = greedy(model, _tensor(model, context), params.tokens).cpu().numpy()
    logs = following(model, _tensor(model, context).unsqueeze(0), len(context) - 1)[0, 0]
    logs[classes[0]] = -torch.inf
    foil = int(logs.argmax())
    if params.foil == "text" and params.continues == "model" and label != classes[0]:
        foil = label
    return Continuation(context=context, classes=classes, foil=foil)


def contexts(model: ModelUnderTest, rows: Rows, params: Params) -> list[Ids]:
    """The context of each row, whatever continues it."""
    name, item = text_input(model)
    return [context_of(item, ids[ids != PADDING].astype(np.int64), params) for ids in rows.inputs[name]]


def tokens_read(model: ModelUnderTest, rows: Rows, params: Params) -> Ids:
    """How many tokens of each row explain a continuation of the model's own, and how many the row has, shape `(rows, 2)`.

    The first ones are left out where the continuation would not fit in; what stands in front of every row does not count.
    """
    name, item = text_input(model)
    total = (rows.inputs[name] != PADDING).sum(axis=1) - len(_leading(item))
    if params.continues == "text":
        return np.stack([total, total], axis=1)
    kept = [len(context) - len(_leading(item)) for context in contexts(model, rows, params)]
    return np.stack([np.asarray(kept, dtype=np.int64), total], axis=1)


def context_of(item: TextInput, seen: Ids, params: Params) -> Ids:
    """What stands before the continuation of one row.

    Args:
        seen: Its token ids, without padding; the one that follows them is known.

    Raises:
        AnalyzerNotPossible: The model reads too few tokens for a continuation of its own behind a context.
    """
    lead = len(_leading(item))
    if params.continues == "text":
        unknown = np.flatnonzero(seen[max(lead, 1) :] == UNKNOWN)
        first = max(lead, 1) + (int(unknown[-1]) + 1 if len(unknown) else 0)
        return seen[: max(first, len(seen) + 1 - params.tokens)]
    if lead + params.tokens > item.length:
        raise AnalyzerNotPossible(
            "continuations of so many tokens leave no room for a context",
            where="analyzers.language.tokens",
            found=f"{params.tokens} tokens, of a model that reads {item.length}",
            allowed=f"at most {item.length - lead}",
            fix='lower `tokens`, or set continues = "text", which stops where the context begins',
        )
    over = max(0, len(seen) + params.tokens - 1 - item.length)
    return np.concatenate([seen[:lead], seen[lead + over :]])


def explain(model: ModelUnderTest, asked: Continuation, params: Params, rng: np.random.Generator) -> Explanation:
    """Contributions of the players of the context by the method of the parameters; none where it has no word."""
    _, item = text_input(model)
    words = players_in(item, asked.context, params.players)
    owners = np.asarray([-1 if word is None else word for word in words.index], dtype=np.int64)
    if not words.said:
        none = np.zeros((len(asked.classes) + 2, 0))
        empty = RowValues(values=none, standard_error=none, base_value=none[:, 0:0], output=none[:, 0:0])
        return Explanation(found=empty, said=(), owners=owners, model_rows=0)
    whole = np.concatenate([asked.context, asked.classes[:-1] + FIRST_TOKEN])
    ids = _tensor(model, whole).unsqueeze(0)
    classes = _tensor(model, asked.classes)
    scores = ContinuationScores(model, classes, asked.foil, context=len(asked.context))
    each = evaluations(model, len(asked.classes))
    if params.method == "integrated_gradients":
        found = _integrated(model, scores, ids, owners, params)
        return Explanation(found=found, said=words.said, owners=owners, model_rows=each * (params.n_steps + 3) + 2)
    prediction = Prediction(scores, batch=model.batch)
    behind: list[int | None] = [None] * (len(whole) - len(owners))
    players = token_players(ids, words=[[*words.index, *behind]])
    masker = MaskToken(token_id=mask_token(item))
    targets = chosen_targets(None, prediction(ids))
    masked = MaskedModel(prediction, players, masker, ids, targets=targets.count, factor=False)
    evaluator = Evaluator(masked, ids, players, targets)
    count = len(words.said)
    if params.method == "occlusion":
        found = hidden_one_by_one(evaluator, count)
    else:
        found = shapley_row(evaluator, count, budget=params.budget, rng=rng)
    return Explanation(found=found, said=words.said, owners=owners, model_rows=each * prediction.rows)


def _integrated(
    model: ModelUnderTest, scores: ContinuationScores, ids: torch.Tensor, owners: Ids, params: Params
) -> RowValues:
    """Integrated gradients of the tokens of each player added up, from the text with all players hidden."""
    _, item = text_input(model)
    hidden = ids.clone()
    hidden[0, : len(owners)][_tensor(model, owners) >= 0] = mask_token(item)
    embedding = embedding_of_path(model, ids)
    found = integrated_row(scores, ids, hidden, embedding, steps=params.n_steps, batch=model.batch)
    member = (owners[:, np.newaxis] == np.arange(owners.max() + 1)).astype(np.float64)
    values = found.values[:, : len(owners)] @ member
    return replace(found, values=values, standard_error=np.zeros_like(values))


def players_in(item: TextInput, context: Ids, unit: PlayerUnit) -> Words:
    """The players of a context; special tokens in front of it belong to nobody."""
    front = _leading(item)
    lead = len(front) if tuple(context[: len(front)].tolist()) == front else 0
    words = context_players(item, context[lead:].tolist(), unit)
    before: tuple[int | None, ...] = (None,) * lead
    return Words(index=(*before, *words.index), said=words.said)


def _leading(item: TextInput) -> tuple[int, ...]:
    """Ids that stand in front of every row."""
    return subwords_of(item.tokenizer).leading if item.unit == "subwords" else ()


def _logs(model: ModelUnderTest, asked: Continuation) -> Numbers:
    """Log-probabilities at each token of the continuation, shape `(tokens, classes)`, float64."""
    whole = np.concatenate([asked.context, asked.classes[:-1] + FIRST_TOKEN])
    logs = following(model, _tensor(model, whole).unsqueeze(0), len(asked.context) - 1)[0]
    return np.asarray(logs.double().cpu().numpy())


def _shares(values: Numbers, owners: Ids) -> Numbers:
    """Each token's equal share of the contribution of its player, 0 where it has none; shape `(scores, tokens)`."""
    sizes = np.bincount(owners[owners >= 0], minlength=values.shape[1])
    each = np.append(values / np.maximum(sizes, 1), np.zeros((len(values), 1)), axis=1)
    return each[:, owners]


def _tensor(model: ModelUnderTest, ids: Ids) -> torch.Tensor:
    return torch.as_tensor(ids, dtype=torch.int64, device=model.device)
