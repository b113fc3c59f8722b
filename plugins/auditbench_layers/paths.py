"""Ways from a baseline to a row, and what layers give on them.

A table, an image or a series moves by itself. Token ids do not: of a text the output of the embedding of its tokens moves, and
all else that a network makes of ids, such as masks of padding and positions, stays that of the text.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from auditbench.models.layer_outputs import held_outputs, replaced_output


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Path:
    """From baselines to some rows; a network is evaluated at points between.

    Attributes:
        module: In evaluation mode.
        rows: Encoded, shape `(rows, *row shape)`; `starts` the baselines, of the same shape.
        embedding: Of the tokens, where the rows are token ids; None otherwise.
        ends: What moves, at the rows: they themselves, or what their embedding gives; `begins` at the baselines.
    """

    module: nn.Module
    rows: torch.Tensor
    starts: torch.Tensor
    embedding: nn.Module | None
    ends: torch.Tensor
    begins: torch.Tensor

    def outputs_at(self, share: float) -> torch.Tensor:
        """Outputs at `begin + share * (end - begin)`, with gradients, shape `(rows, outputs)`.

        Token ids without an embedding have no points between: `share` is 0 or 1.
        """
        outputs: torch.Tensor
        if not self.ends.is_floating_point():
            outputs = self.module(self.ends if share == 1 else self.begins)
        elif self.embedding is None:
            outputs = self.module(self._points(share))
        else:
            with replaced_output(self.embedding, self._points(share)):
                outputs = self.module(self.rows)
        return outputs

    def _points(self, share: float) -> torch.Tensor:
        return torch.lerp(self.begins, self.ends, share).requires_grad_()


def path_to(module: nn.Module, rows: torch.Tensor, starts: torch.Tensor, embedding: str | None = None) -> Path:
    """The path to encoded rows from baselines, one or as many.

    Args:
        embedding: Name of that of the tokens, where the rows are token ids.
    """
    starts = starts.expand_as(rows)
    if embedding is None:
        return Path(module=module, rows=rows, starts=starts, embedding=None, ends=rows, begins=starts)
    with torch.no_grad(), held_outputs(module, [embedding]) as held:
        module(starts)
        begins = held[embedding]
        module(rows)
    layer = module.get_submodule(embedding)
    return Path(module=module, rows=rows, starts=starts, embedding=layer, ends=held[embedding], begins=begins)
