"""Attention as one operation, and rotation of queries and keys by their place."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Versions
from auditbench.models.operators.tensors import dtype_of


def _attention(
    node: GraphNode,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    lengths: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Scaled products of queries and keys weigh the values; a row that may look at nothing is 0.

    Args:
        lengths: Keys of each row that are no padding.
    """
    flat, given = query.dim() == 3, node.attributes
    if flat:
        query = _heads(query, given["q_num_heads"])
        key, value = _heads(key, given["kv_num_heads"]), _heads(value, given["kv_num_heads"])
    past = 0 if past_key is None else past_key.shape[2]
    present_key = key if past_key is None else torch.cat([past_key, key], dim=2)
    present_value = value if past_value is None else torch.cat([past_value, value], dim=2)
    times = query.shape[1] // present_key.shape[1]
    keys, values = (part.repeat_interleave(times, dim=1) for part in (present_key, present_value))
    scale = math.sqrt(given.get("scale") or 1 / math.sqrt(query.shape[-1]))
    scores = (query * scale) @ (keys.transpose(-1, -2) * scale)
    if cap := given.get("softcap", 0.0):
        scores = cap * torch.tanh(scores / cap)
    bias = _bias(node, mask, scores, past, lengths)
    biased = scores if bias is None else scores + bias
    precision = given.get("softmax_precision")
    weights = _weights(biased if precision is None else biased.to(dtype_of(precision))).to(query.dtype)
    found = weights @ values
    if flat:
        found = found.transpose(1, 2).flatten(2)
    shown = {2: biased, 3: weights}.get(given.get("qk_matmul_output_mode", 0), scores)
    return found, present_key, present_value, shown


def _weights(scores: Tensor) -> Tensor:
    """Softmax; a row of nothing but minus infinity has weights and gradients of 0, where softmax has NaN in both."""
    nothing = (scores == -math.inf).all(dim=-1, keepdim=True)
    return torch.softmax(scores.masked_fill(nothing, 0.0), dim=-1).masked_fill(nothing, 0.0)


def _heads(values: Tensor, count: int) -> Tensor:
    """Shape `(rows, heads, steps, size of a head)`, from the heads beside each other."""
    return values.reshape(*values.shape[:2], count, values.shape[2] // count).transpose(1, 2)


def _bias(node: GraphNode, mask: Tensor | None, scores: Tensor, past: int, lengths: Tensor | None) -> Tensor | None:
    """What is added to the scores: 0 where a step may be looked at, and minus infinity where not."""
    steps, keys = scores.shape[-2:]
    bias = None
    if mask is not None:
        missing = keys - mask.shape[-1]
        mask = F.pad(mask, (0, missing), value=0.0 if mask.dtype == torch.bool else -math.inf) if missing else mask
        bias = _blocked(~mask, scores) if mask.dtype == torch.bool else mask
    places = torch.arange(steps, device=scores.device)[:, None] - torch.arange(keys, device=scores.device)
    before = places + past
    if lengths is not None:
        before = (places + (lengths.reshape(-1, 1, 1) - steps))[:, None]
        padding = torch.arange(keys, device=scores.device) >= lengths.reshape(-1, 1, 1, 1)
        bias = _added(bias, _blocked(padding, scores))
    if node.attributes.get("is_causal", 0):
        bias = _added(bias, _blocked(before < 0, scores))
    left, right = node.attributes.get("left_window_size", -1), node.attributes.get("right_window_size", -1)
    if left >= 0:
        bias = _added(bias, _blocked(before > left, scores))
    return bias if right < 0 else _added(bias, _blocked(-before > right, scores))


def _blocked(hidden: Tensor, scores: Tensor) -> Tensor:
    return torch.zeros(hidden.shape, dtype=scores.dtype, device=scores.device).masked_fill(hidden, -math.inf)


def _added(bias: Tensor | None, more: Tensor) -> Tensor:
    return more if bias is None else bias + more


def _rotated(node: GraphNode, values: Tensor, cosines: Tensor, sines: Tensor, places: Tensor | None = None) -> Tensor:
    """Pairs of numbers turned by an angle that grows with the place; those behind the turned part stay."""
    flat, given = values.dim() == 3, node.attributes
    heads = _heads(values, given["num_heads"]) if flat else values
    turned = given.get("rotary_embedding_dim", 0) or heads.shape[-1]
    if places is not None:
        cosines, sines = cosines[places.to(torch.int64)], sines[places.to(torch.int64)]
    cosine, sine = cosines.unsqueeze(1), sines.unsqueeze(1)
    part, rest = heads[..., :turned], heads[..., turned:]
    if given.get("interleaved", 0):
        first, second = part[..., 0::2], part[..., 1::2]
    else:
        first, second = part.chunk(2, dim=-1)
    pair = (first * cosine - second * sine, first * sine + second * cosine)
    joined = torch.stack(pair, dim=-1).flatten(-2) if given.get("interleaved", 0) else torch.cat(pair, dim=-1)
    found = torch.cat([joined, rest], dim=-1)
    return found.transpose(1, 2).flatten(2) if flat else found


ATTENTION: Mapping[str, Versions] = {"Attention": {23: _attention}, "RotaryEmbedding": {23: _rotated}}
