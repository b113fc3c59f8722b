"""`Evaluator`: outputs of some rows where players are hidden, block by block, in reused buffers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import torch

from auditbench.masking.block_sizes import block_rows, rows_together
from auditbench.masking.coalitions import Coalitions
from auditbench.masking.factored_by_row import FactoredByRow
from auditbench.masking.first_layer import FirstLayer, cut_first_layer
from auditbench.masking.in_place import InPlace
from auditbench.masking.players import NOBODY, check_players
from auditbench.masking.prediction import all_finite
from auditbench.models.batching import fitting

if TYPE_CHECKING:
    from auditbench.masking.maskers import Masker
    from auditbench.masking.players import Players
    from auditbench.masking.prediction import Prediction
    from auditbench.masking.targets import Targets

    Fill: TypeAlias = Callable[[slice, torch.Tensor], None]
    """Writes a block, shape `(halves, rows, coalitions, ...)`, for some of the rows."""

_TRIED_ROWS = 4
_PAIRS = 3072
"""Most pairs of coalitions a block has before it takes further rows: what the pairs share is then made rarely, and a
product of matrices is large."""

_BYTES_A_PAIR = 32
"""What explainers make of each output of a pair: both halves, their difference in float64, and steps between these."""

_MOST_SUMS = 8 << 20
"""Most numbers of what rows and replacements add up to that are kept for all rows; above, each block makes its own."""

_ROWS_OF_BLOCK, _SMALLER = 5, 4
"""Rows from which on a block has few operations a row; where a block on a CPU would hold more, it is up to so many
times smaller, and stays nearer to the processor."""

_FAR = 32.0
"""Largest contribution over usual pre-activation from which complements are computed by themselves: twice the work of a
cheap first layer, for five bits of rounding."""


class MaskedModel:
    """A prediction, its players and what hides them: what does not depend on the rows to explain.

    Attributes:
        replacements: How many the masker has for each row.
        shared: These, shape `(replacements, *row shape)`, where all rows share them, else None.
        outputs_of_shared: Outputs of the replacements, shape `(replacements, outputs)`, where all rows share them and
            no entry is nobody's.
        keeps_some: Whether an entry is nobody's.
        far_apart: Whether numbers of a row or a replacement are so large that the pre-activations of a complement are
            not taken as a difference, see `_Factored`.
        pairs_together: Pairs of coalitions that an `Evaluator` is best given at once.
        rows_together: Rows that an `Evaluator` may hold at once.
    """

    def __init__(
        self,
        prediction: Prediction,
        players: Players,
        masker: Masker,
        sample: torch.Tensor,
        *,
        targets: int,
        factor: bool = True,
    ) -> None:
        """Look at the model on a few rows.

        Args:
            sample: The rows to explain.
            targets: Outputs that are explained for a row.
            factor: Whether the first layer is computed once where the module begins with a linear one.

        Raises:
            ValueError: The players or the replacements are not those of such rows, or a replacement is NaN or infinite.
        """
        check_players(players, sample)
        tried = sample[:_TRIED_ROWS]
        self.prediction = prediction
        self.players = players
        self.masker = masker
        self.first: FirstLayer | None = None
        replaced = masker.replacements(tried, players.of_rows(slice(0, len(tried))))
        _check_replacements(replaced, tried)
        self.replacements = replaced.shape[1]
        self.shared = replaced[0] if len(replaced) == 1 else None
        self.keeps_some = bool((players.groups == NOBODY).any())
        self.outputs_of_shared = prediction.of_all(replaced[0]) if len(replaced) == 1 and not self.keeps_some else None
        widest = prediction.widest(tried)
        if prediction.module is not None:
            module, ran = prediction.module, prediction.note
            alike = len(replaced) == 1 and (self.replacements == 1 or not players.per_row)
            if factor and alike:
                self.first = fitting(
                    lambda few: cut_first_layer(module, tried[:few], ran=ran), prediction.batch, most=len(tried)
                )
        whole = prediction.module is not None and self.first is None
        self.block_rows = block_rows(widest, str(prediction.device), whole=whole)
        self.far_apart = self.first is not None and _far_apart(self.first, sample, replaced[0])
        self.pairs_together = max(1, min(_PAIRS // targets, self.block_rows // 2))
        kept = 0 if self.first is None else (len(players) + 1) * self.first.hidden * self.first.weight.element_size()
        kept *= 2 if players.per_row else 1
        self.rows_together = rows_together(max(kept, _BYTES_A_PAIR * self.pairs_together * targets))

    def rows_now(self, batch_rows: int) -> int:
        """Masked rows a block, where memory allows so many rows a batch: fewer than the table's once it ran out."""
        batch = self.prediction.batch
        return self.block_rows if not batch.halvings else min(self.block_rows, batch_rows)


class Evaluator:
    """Outputs of coalitions for up to `MaskedModel.rows_together` rows.

    Args:
        rows: Rows to explain, as `Prediction.as_rows` gives them; the players are those of these rows.
        targets: Which outputs, for these rows.
    """

    def __init__(self, model: MaskedModel, rows: torch.Tensor, players: Players, targets: Targets) -> None:
        self._model = model
        self._rows = rows
        self._players = players.to(rows.device)
        self._targets = targets
        self._replacements = model.masker.replacements(rows, players)
        if len(self._replacements) > 1:
            _check_replacements(self._replacements, rows)
        self._buffer = torch.empty(0)
        self._blocks: InPlace | _Factored | FactoredByRow
        if model.first is None:
            self._blocks = InPlace(rows, self._replacements, self._players, keeps_some=model.keeps_some)
        else:
            factored = FactoredByRow if players.per_row else _Factored
            self._blocks = factored(model.first, rows, self._replacements[0], self._players, far_apart=model.far_apart)

    @property
    def device(self) -> torch.device:
        """Of the rows; coalitions must be there too."""
        return self._rows.device

    @property
    def replacements(self) -> int:
        """Replacements of each row."""
        return self._replacements.shape[1]

    def pairs_together(self) -> int:
        """Pairs of coalitions that are best handed over at once."""
        return self._model.pairs_together

    def outputs_of_replacements(self) -> torch.Tensor:
        """Outputs where everybody is hidden, shape `(rows, replacements, targets)`."""
        outputs = self._model.outputs_of_shared
        if outputs is not None:
            return self._targets.select(outputs.expand(len(self._rows), *outputs.shape))
        nobody = torch.zeros((self.replacements, 1, len(self._players)), dtype=torch.bool, device=self._rows.device)
        every = torch.arange(self.replacements, device=self._rows.device)
        return self.outputs(Coalitions(kept=nobody, replacements=every)).squeeze(2)

    def replacement_columns(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Numbers of each replacement, shape `(replacements, columns)`, and the player of each column.

        No columns where a row has one replacement, or its own ones, or players of its own.
        """
        if self.replacements == 1 or len(self._replacements) > 1 or self._players.per_row:
            none = torch.zeros((self.replacements, 0), device=self._rows.device)
            return none, torch.zeros(0, dtype=torch.int64, device=self._rows.device)
        owners = self._players.groups.flatten().to(self._rows.device)
        return self._replacements[0].flatten(1)[:, owners >= 0], owners[owners >= 0]

    def differences(self, coalitions: Coalitions) -> torch.Tensor:
        """Output of each coalition minus that of its complement, on the same replacement.

        Shape `(rows, replacements here, coalitions, targets)`, in the dtype of the model.
        """
        return self._evaluate(coalitions, halves=2)

    def outputs(self, coalitions: Coalitions) -> torch.Tensor:
        """Output of each coalition; shape `(rows, replacements here, coalitions, targets)`."""
        return self._evaluate(coalitions, halves=1)

    def _evaluate(self, coalitions: Coalitions, *, halves: int) -> torch.Tensor:
        if not len(coalitions):
            shape = (len(self._rows), *coalitions.kept.shape[:2], self._targets.count)
            return self._blocks.like.new_empty(shape)

        def evaluate(batch_rows: int) -> torch.Tensor:
            most = max(1, self._model.rows_now(batch_rows) // halves)
            lines = [_joined([self._block(part, halves) for part in line], dim=2) for line in _lines(coalitions, most)]
            return _joined(lines, dim=1)

        return fitting(evaluate, self._model.prediction.batch)

    def _block(self, coalitions: Coalitions, halves: int) -> torch.Tensor:
        """All rows of coalitions that fit into one block with at least one row."""
        fill = self._blocks.of(coalitions, halves)

        def parts() -> Iterator[torch.Tensor]:
            start = 0
            while start < len(self._rows):
                found = fitting(functools.partial(evaluate, start), self._model.prediction.batch)
                start += found.shape[1]
                yield found

        def evaluate(start: int, batch_rows: int) -> torch.Tensor:
            most = self._model.rows_now(batch_rows)
            held = max(1, most // (halves * len(coalitions)))
            if self._rows.device.type == "cpu":
                held = min(held, max(_ROWS_OF_BLOCK, held // _SMALLER))
            part = slice(start, min(start + held, len(self._rows)))
            return self._outputs(fill, part, len(coalitions), halves, most)

        whole = self._model.first is None
        outputs = _gathered(parts(), len(self._rows)) if whole else _joined(list(parts()), dim=1)
        values = outputs[0] if halves == 1 else outputs[0] - outputs[1]
        return values.view(len(self._rows), *coalitions.kept.shape[:2], -1)

    def _outputs(self, fill: Fill, part: slice, coalitions: int, halves: int, most: int) -> torch.Tensor:
        """Outputs of some rows, so many at a time at most; shape `(halves, rows, coalitions, targets)`."""
        count = part.stop - part.start
        block = self._reused(halves * count * coalitions)
        with torch.no_grad():
            fill(part, block.view(halves, count, coalitions, *block.shape[1:]))
            parts = [block] if len(block) <= most else [block[i : i + most] for i in range(0, len(block), most)]
            outputs = _joined([self._of_block(few) for few in parts], dim=0)
        if outputs.untyped_storage().data_ptr() == block.untyped_storage().data_ptr():
            outputs = outputs.clone()  # a view of the buffer, which the next block overwrites
        given = outputs.view(halves, count, coalitions, -1)
        return self._targets.of_rows(part).select(given.transpose(0, 1)).transpose(0, 1)

    def _of_block(self, block: torch.Tensor) -> torch.Tensor:
        prediction, first = self._model.prediction, self._model.first
        return prediction(block) if first is None else prediction.count(first.tail(block), len(block))

    def _reused(self, rows: int) -> torch.Tensor:
        """The first rows of one buffer, made anew only where it is too small."""
        if len(self._buffer) < rows:
            self._buffer = self._blocks.like.new_empty((rows, *self._blocks.row_shape))
        return self._buffer[:rows]


class _Factored:
    """Fills blocks with pre-activations of masked rows.

    With `P` the contributions of a row and `R` those of a replacement, by player, those of a coalition `Z` are `Z P +
    (1 - Z) R + bias`; they and those of the complement add up to what the whole row and the whole replacement give. The
    difference is not taken where numbers are far apart, since it would have the rounding error of the largest of them.
    """

    def __init__(
        self, first: FirstLayer, rows: torch.Tensor, replacements: torch.Tensor, players: Players, *, far_apart: bool
    ) -> None:
        self._first = first
        self._replacements = replacements
        self._players = players
        self._far_apart = far_apart
        with torch.no_grad():
            self._kept = first.contributions(rows, players)
        self._of_row = self._kept.sum(dim=1) + self._kept[:, -1] + first.bias
        self.row_shape = torch.Size((first.hidden,))
        self.like = first.weight

    def of(self, coalitions: Coalitions, halves: int) -> Fill:
        """Fills a block of these coalitions, and their complements where there are two halves."""
        count, each, _ = coalitions.kept.shape
        with torch.no_grad():
            hidden = self._first.contributions(self._replacements[coalitions.replacements], self._players)
        first = _side(coalitions.kept, hidden, self._first.bias)
        if self._far_apart and halves == 2:
            second = _side(~coalitions.kept, hidden, self._first.bias)
        else:
            others = hidden[:, :-1].sum(dim=1) + self._first.bias
            once = len(self._of_row) * others.numel() <= _MOST_SUMS
            both = self._of_row.unsqueeze(1) + others if once else None

        def fill(part: slice, block: torch.Tensor) -> None:
            _product(first, self._kept[part], block[0])
            if len(block) == 2 and self._far_apart:
                _product(second, self._kept[part], block[1])
            elif len(block) == 2:
                shape = (part.stop - part.start, count, each, -1)
                sums = self._of_row[part].unsqueeze(1) + others if both is None else both[part]
                torch.sub(sums.unsqueeze(2), block[0].view(shape), out=block[1].view(shape))

        return fill


def _side(kept: torch.Tensor, hidden: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What rows share in a product: ones for kept players and nobody, and what the hidden ones and the bias add."""
    signs = hidden.new_ones((*kept.shape[:2], kept.shape[2] + 1))
    signs[..., :-1] = kept
    return signs.flatten(0, 1), torch.baddbmm(bias, 1 - signs, hidden).flatten(0, 1)


def _product(side: tuple[torch.Tensor, torch.Tensor], rows: torch.Tensor, out: torch.Tensor) -> None:
    signs, shared = (part.expand(len(rows), *part.shape) for part in side)
    torch.baddbmm(shared, signs, rows, out=out)


def _far_apart(first: FirstLayer, rows: torch.Tensor, replacements: torch.Tensor) -> bool:
    """Whether the largest contribution of an entry is far above a usual pre-activation; False behind an embedding.

    Usual is what as many entries as there are would add up to, if all contributed as the median entry that varies from
    0.
    """
    if first.embedding is not None:
        return False
    sizes = torch.cat([rows.flatten(1), replacements.flatten(1)]).to(first.weight.dtype).abs()
    weights = first.weight.abs()
    largest = (sizes.amax(dim=0) * weights.amax(dim=1)).amax()
    each = (sizes.square().mean(dim=0) * weights.square().mean(dim=1)).sqrt()
    varying = each[each > 0]
    return len(varying) > 0 and bool(largest > _FAR * varying.median() * len(each) ** 0.5)


def _joined(parts: list[torch.Tensor], dim: int) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=dim)


def _gathered(parts: Iterator[torch.Tensor], rows: int) -> torch.Tensor:
    """Parts of so many rows in all, shape `(halves, rows, ...)`, as they come.

    For models that make their activations anew: what is kept goes to one place, since small tensors among freed
    activations leave gaps that are too small for the next ones, and memory would grow by the activations of each block.
    """
    first = next(parts)
    whole = first.new_empty((first.shape[0], rows, *first.shape[2:]))
    start = 0
    for part in itertools.chain([first], parts):
        whole[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return whole


def _check_replacements(replaced: torch.Tensor, rows: torch.Tensor) -> None:
    if replaced.shape[0] not in (1, len(rows)) or replaced.shape[2:] != rows.shape[1:] or not replaced.shape[1]:
        expected = f"({len(rows)} or 1, replacements, *{tuple(rows.shape[1:])})"
        raise ValueError(f"expected replacements of shape {expected}, got {tuple(replaced.shape)}")
    if replaced.is_floating_point() and not all_finite(replaced):
        raise ValueError("expected replacements of finite numbers, got NaN or infinity")


def _lines(coalitions: Coalitions, most: int) -> Iterator[list[Coalitions]]:
    """The coalitions in parts of at most so many: some replacements each, or one replacement in several parts."""
    count, each, _ = coalitions.kept.shape
    together = max(1, most // each)
    for start in range(0, count, together):
        replacements = slice(start, start + together)
        yield [coalitions.part(replacements, slice(i, i + most)) for i in range(0, each, most)]
