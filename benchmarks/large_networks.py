"""Networks of published sizes, ResNet-50 and BERT-base, with random weights: what counts is what they cost.

ResNet-50: arXiv:1512.03385, table 1, with the stride in the middle convolution of a block, as the 25,557,032 parameters
of torchvision's have it. BERT-base: arXiv:1810.04805, section 3, by transformers, from a configuration.
"""

from __future__ import annotations

import torch
from torch import nn

EXPANSION = 4
"""Channels that a bottleneck gives, as a multiple of those of its middle convolution."""


class Bottleneck(nn.Module):
    """Three convolutions with batch norm, added to what they were given; arXiv:1512.03385, figure 5."""

    def __init__(self, taken: int, middle: int, stride: int) -> None:
        super().__init__()
        given = EXPANSION * middle
        self.convolutions = nn.Sequential(
            *_normed(taken, middle, 1),
            nn.ReLU(inplace=True),
            *_normed(middle, middle, 3, stride),
            nn.ReLU(inplace=True),
            *_normed(middle, given, 1),
        )
        alike = stride == 1 and taken == given
        self.shortcut = nn.Identity() if alike else nn.Sequential(*_normed(taken, given, 1, stride))
        self.rectified = nn.ReLU(inplace=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """From shape `(rows, taken, height, width)` to `(rows, 4 middle, height / stride, width / stride)`."""
        outputs: torch.Tensor = self.rectified(self.convolutions(maps) + self.shortcut(maps))
        return outputs


class BertClassifier(nn.Module):
    """A BERT with a linear head, from token ids to logits; id 0 is padding.

    Attributes:
        bert: A `BertForSequenceClassification`.
    """

    def __init__(self, *, layers: int, width: int, heads: int) -> None:
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        config = BertConfig(
            num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width
        )
        self.bert = BertForSequenceClassification(config)

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Logits, shape `(rows, 2)`, of ids of shape `(rows, length)`."""
        outputs: torch.Tensor = self.bert(input_ids=token_ids, attention_mask=(token_ids != 0).to(torch.int64)).logits
        return outputs


class BehindEmbedding(nn.Module):
    """The same BERT from the vectors of tokens, none of which is padding: what its gradients cost alone."""

    def __init__(self, classifier: BertClassifier) -> None:
        super().__init__()
        self.bert = classifier.bert
        self.eval()

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits, shape `(rows, 2)`, of vectors of shape `(rows, length, width)`."""
        counted = torch.ones(vectors.shape[:2], dtype=torch.int64, device=vectors.device)
        outputs: torch.Tensor = self.bert(inputs_embeds=vectors, attention_mask=counted).logits
        return outputs


def resnet(
    blocks: tuple[int, ...] = (3, 4, 6, 3), *, width: int = 64, classes: int = 1000, device: str = "cpu"
) -> nn.Sequential:
    """ResNet-50, or one with other numbers of bottlenecks in its stages; frozen, in evaluation mode, from seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stages: list[nn.Module] = []
        taken = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                stages.append(Bottleneck(taken, width << stage, stride=2 if stage and not block else 1))
                taken = EXPANSION * (width << stage)
        network = nn.Sequential(
            *_normed(3, width, 7, 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            *stages,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(taken, classes),
        )
    return network.to(device).eval().requires_grad_(False)


def bert(*, layers: int = 12, width: int = 768, heads: int = 12, device: str = "cpu") -> BertClassifier:
    """BERT-base, or a smaller one; frozen, in evaluation mode, from seed 0.

    Raises:
        ImportError: transformers is not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = BertClassifier(layers=layers, width=width, heads=heads)
    return network.to(device).eval().requires_grad_(False)


def _normed(taken: int, given: int, size: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """A convolution without a bias, and batch norm behind it."""
    convolution = nn.Conv2d(taken, given, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution, nn.BatchNorm2d(given)
