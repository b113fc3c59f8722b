"""Token ids of the product as those of a tokenizer, in front of a network that knows the tokenizer's alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from auditbench.data.inputs import PADDING, UNKNOWN, ModelInput, TextInput
from auditbench.data.subwords import FIRST_ID, subwords_of


class OwnTokenIds(nn.Module):
    """Takes back that ids of the product begin behind padding and unknown, and puts the network's own padding in place.

    Attributes:
        padding: The network's own id where a text has ended; `unknown` what stands for a token that it does not have.
    """

    def __init__(self, item: TextInput, *, padding: int | None = None) -> None:
        """From the tokenizer of an input of subwords.

        Args:
            padding: The network's own id for padding; when absent the tokenizer's, or 0 where it names none.
        """
        super().__init__()
        subwords = subwords_of(item.tokenizer)
        self.padding = next((each for each in (padding, subwords.padding) if each is not None), 0)
        self.unknown = self.padding if subwords.unknown is None else subwords.unknown
        self.eval()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Own ids of the tokenizer; both of shape `(rows, length)`, int64."""
        own = torch.where(ids >= FIRST_ID, ids - FIRST_ID, self.unknown * (ids == UNKNOWN))
        return torch.where(ids == PADDING, self.padding, own)


def as_made(network: nn.Module, inputs: Mapping[str, ModelInput], *, exported_here: bool) -> nn.Module:
    """The network behind the ids that it was made for: those of the product in an export of a bundle, else the tokenizer's own."""
    return network if exported_here else with_own_tokens(network, inputs)


def own_padding(inputs: Mapping[str, ModelInput]) -> int | None:
    """The id that stands behind a text where a network is given a tokenizer's own ids; None where that names none."""
    for item in inputs.values():
        if isinstance(item, TextInput) and item.unit == "subwords":
            return subwords_of(item.tokenizer).padding
    return PADDING


def with_own_tokens(network: nn.Module, inputs: Mapping[str, ModelInput]) -> nn.Module:
    """The network itself, or where an input is cut by a tokenizer one that gets that tokenizer's own ids.

    Args:
        network: Made elsewhere: takes encoded rows, of several inputs a tensor each, by name.
    """
    own = {
        name: OwnTokenIds(item)
        for name, item in inputs.items()
        if isinstance(item, TextInput) and item.unit == "subwords"
    }
    return _OwnTokensNetwork(network, own) if own else network


class _OwnTokensNetwork(nn.Module):
    def __init__(self, network: nn.Module, own: Mapping[str, OwnTokenIds]) -> None:
        super().__init__()
        self.network, self.own = network, nn.ModuleDict(own)
        self.training = network.training

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What the network gives for the rows."""
        outputs: torch.Tensor
        if isinstance(encoded, torch.Tensor):
            (own,) = self.own.values()
            outputs = self.network(own(encoded))
        else:
            outputs = self.network(
                {name: self.own[name](ids) if name in self.own else ids for name, ids in encoded.items()}
            )
        return outputs
