"""Transformer layers, and how their weights begin."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from auditbench.models.architectures.networks.checkpointing import LayerStack

if TYPE_CHECKING:
    from auditbench.models.architectures.parameters import TransformerParams

_DEVIATION = 0.02


def transformer_layers(params: TransformerParams) -> LayerStack:
    """Layers of attention and feed-forward units, each behind its own normalisation, with GELU.

    They take a mask with every call: torch then computes them one way, with and without gradients.
    """
    return LayerStack(
        nn.TransformerEncoderLayer(
            params.width,
            params.heads,
            params.feedforward,
            params.dropout,
            # torch replaces a layer whose activation it knows by one fused operation, without its inner modules.
            activation=partial(functional.gelu),
            batch_first=True,
            norm_first=True,
        )
        for _ in range(params.layers)
    )


@torch.no_grad()
def begin_weights(network: nn.Module) -> None:
    """Draw the weights of a transformer: normal, deviation 0.02, those that end a residual branch smaller; biases 0.

    References: Language Models are Unsupervised Multitask Learners (Radford et al., 2019), section 2.3.
    """
    last_of_branches: list[nn.Linear] = []
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=_DEVIATION)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.normal_(module.in_proj_weight, std=_DEVIATION)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=_DEVIATION)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        if isinstance(module, nn.TransformerEncoderLayer):
            last_of_branches += [module.self_attn.out_proj, module.linear2]
    for linear in last_of_branches:
        linear.weight.div_(math.sqrt(len(last_of_branches)))
