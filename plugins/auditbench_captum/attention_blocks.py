"""The `captum` analyzer with `method = "attention"`: rollout over words, weights of the cases, and what each head does."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data.inputs import PADDING
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking import explained, shared_out
from auditbench.masking.drawn import drawn_cases
from auditbench.models import in_batches
from auditbench.results import AnalysisResult, Attribution, Column, Note, Table
from auditbench_captum.attention import Attention, attention

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_captum.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]

CHUNK_ROWS = 1
"""Weights of one text of 512 tokens in 12 layers of 12 heads are 0.15 GB, and what is computed of them several times that."""
MOST_WEIGHTS = 2**22
"""Numbers of attention weights of the cases that a result holds."""
_HABITS = ("entropy", "itself", "before", "first")
UNIT = "share of attention"


def analyze_attention(context: AuditContext, params: Params) -> AnalysisResult:
    """Attention rollout of the rows that all explainers explain, a table of the heads, and the weights of the cases.

    Raises:
        AnalyzerNotPossible: The network has no attention over the tokens of its texts.
    """
    task = explained(context, rows=params.rows, background=1)
    arrays = context.map_rows(partial(attend_chunk, model=context.model), task.rows, chunk_rows=CHUNK_ROWS)
    shares = arrays["values"].astype(np.float32)
    rollout = _shares("rollout", shares, ("attention rollout",), task.rows.row_ids, int(arrays["model_rows"].sum()))
    drawn = drawn_cases(context, rollout, task.rows)
    values = {"rows": len(task.rows), "model_rows": rollout.model_rows}
    return AnalysisResult(
        tables=(_heads(arrays["habits"][task.counted]),),
        attributions=(rollout, *_weights(context, task.rows)),
        token_attributions=tuple(
            replace(block, title=Message(key="captum.attention_drawn", values={"row": block.row_id}))
            for block in drawn.token_attributions
        ),
        notes=(
            Note(kind="method", text=Message(key="captum.method_attention", values=values)),
            Note(kind="assumption", text=Message(key="captum.attention_residual")),
            Note(kind="limit", text=Message(key="captum.attention_is_not_attribution")),
            Note(kind="how_to_read", text=Message(key="captum.how_to_read_attention")),
        ),
    )


def attend_chunk(rows: Rows, _rng: np.random.Generator, *, model: ModelUnderTest) -> dict[str, npt.NDArray[np.generic]]:
    """Rollout over the tokens of one chunk of rows, shape `(rows, 1, tokens)`, and the habits of each head in each row.

    Habits are those of `_HABITS`, shape `(rows, layers, heads, 4)`.
    """
    encoded = model.encode(rows.inputs)
    parts: list[Attention] = in_batches(lambda part: attention(model.module, encoded[part]), len(encoded), model.batch)
    found = Attention(
        weights=torch.cat([part.weights for part in parts]), read=torch.cat([part.read for part in parts])
    )
    return {
        "values": found.rollout()[:, np.newaxis, _own_tokens(found, encoded) :],
        "habits": head_habits(found, encoded),
        "model_rows": shared_out(len(rows), len(rows)),
    }


def _own_tokens(found: Attention, encoded: torch.Tensor) -> int:
    """Tokens that the network puts in front of each text."""
    own = found.read.shape[1] - encoded.shape[1]
    if own not in (0, 1):
        raise AnalyzerNotPossible(
            "attention is drawn on the tokens of a text, and this network attends over other places",
            where="analyzers.captum.method",
            found=f"{found.read.shape[1]} places for {encoded.shape[1]} tokens",
            allowed="a place for each token, and one in front of them",
            fix='set method = "integrated_gradients", which asks for gradients alone',
        )
    return own


def head_habits(found: Attention, encoded: torch.Tensor) -> Numbers:
    """What each head does in each text, a mean over its tokens, shape `(texts, layers, heads, 4)`; NaN for a text of one token.

    Entropy as a share of that of equal weights on all tokens, and the attention of a token to itself, to the one before
    it, and to the first one.
    """
    there = encoded != PADDING
    own = _own_tokens(found, encoded)
    there = torch.cat([torch.ones_like(there[:, :own]), there], dim=1).view(len(encoded), 1, 1, -1)
    weights = found.weights.double()
    count = there.sum(dim=-1)
    entropy = -(weights * weights.clamp(min=1e-30).log()).sum(dim=-1)
    before = torch.cat([torch.zeros_like(entropy[..., :1]), weights.diagonal(offset=-1, dim1=-2, dim2=-1)], dim=-1)
    each = (entropy / count.log().unsqueeze(-1), weights.diagonal(dim1=-2, dim2=-1), before, weights[..., 0])
    means = [(habit * there).sum(dim=-1) / count for habit in each]
    several = (count > 1).unsqueeze(-1)
    return np.asarray(torch.where(several, torch.stack(means, dim=-1), torch.nan).cpu().numpy())


def _heads(habits: Numbers) -> Table:
    """What each head does, a mean over the counted rows that have two tokens or more."""
    known = ~np.isnan(habits).any(axis=(1, 2, 3))
    layers, heads, _ = habits.shape[1:]
    means = habits[known].mean(axis=0) if known.any() else np.full((layers, heads, len(_HABITS)), np.nan)
    columns = [
        Column(name=name, label=Message(key=f"captum.attention_{name}"), kind="count") for name in ("layer", "head")
    ]
    columns += [Column(name=name, label=Message(key=f"captum.attention_{name}"), kind="percent") for name in _HABITS]
    return Table(
        name="attention-heads",
        title=Message(key="captum.attention_heads", values={"rows": int(known.sum())}),
        columns=tuple(columns),
        rows=tuple(
            (layer + 1, head + 1, *(None if np.isnan(value) else float(value) for value in means[layer, head]))
            for layer in range(layers)
            for head in range(heads)
        ),
    )


def _weights(context: AuditContext, rows: Rows) -> tuple[Attribution, ...]:
    """The weights of each layer and head in the first cases, shape `(cases, layers x heads, tokens, tokens)`, as many as fit."""
    cases = rows.take(np.arange(min(len(context.case_indices), len(rows))))
    if not len(cases):
        return ()
    encoded, module = context.model.encode(cases.inputs), context.model.module
    fit = min(len(cases), MOST_WEIGHTS // attention(module, encoded[:1]).weights.numel())
    if not fit:
        return ()
    found = torch.cat(in_batches(lambda part: attention(module, encoded[part]).weights, fit, context.model.batch))
    layers, heads = found.shape[1:3]
    names = tuple(f"layer {layer + 1}, head {head + 1}" for layer in range(layers) for head in range(heads))
    weights = found.flatten(1, 2).float().cpu().numpy()
    return (_shares("attention weights", weights, names, cases.row_ids[:fit], 1 + fit),)


def _shares(
    name: str,
    values: npt.NDArray[np.float32],
    targets: tuple[str, ...],
    row_ids: tuple[str, ...],
    model_rows: int,
) -> Attribution:
    """A block of shares of attention: they start from nothing, and are shares of all attention, which is 1."""
    return Attribution(
        name=name,
        method="captum.attention",
        values=values,
        player_names=(),
        target_names=targets,
        base_values=np.zeros(values.shape[:2]),
        outputs=np.ones(values.shape[:2]),
        row_ids=row_ids,
        additive=False,
        unit=UNIT,
        model_rows=model_rows,
    )
