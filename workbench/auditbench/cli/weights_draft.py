"""The network of a file of weights in a first configuration: an architecture that has such tensors, else a factory to fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from auditbench.cli.toml_words import quoted
from auditbench.run import Modality, Task
from auditbench.safe_text import safe_text

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Of tensors, by name."""

_SHOWN = 4


def draft_network(shapes: Shapes, task: Task, modality: Modality) -> list[str]:
    """Lines of `[model]` that name the network of these weights."""
    widths = hidden_widths(shapes, task, modality)
    if widths is None:
        named = [f"{safe_text(name)} {list(shape)}" for name, shape in list(shapes.items())[:_SHOWN]]
        more = f" and {len(shapes) - _SHOWN:,} more" if len(shapes) > _SHOWN else ""
        return [
            f"# The weights: {', '.join(named)}{more}. No architecture was recognised by them. TO DO: fill in",
            '# factory = "network.py:build"  # a file beside this one, and its function, which returns the network',
            "# parameters = {}               # what the function is called with, by name",
            '# trust = ["SHA256"]            # of that file, whose code runs; `auditbench check` prints it',
            '# or, where Auditbench trained it, `architecture = "..."` and `parameters` as its [train] has them.',
        ]
    if not widths:
        return ['architecture = "linear"       # by the names and shapes of the weights']
    dropout = ", dropout = 0.1" if _step(shapes) == 3 else ""
    return [
        'architecture = "mlp"          # by the names and shapes of the weights; their activation is not in the file:',
        f'parameters = {{ hidden = {list(widths)}, activation = "relu"{dropout} }}  # or "gelu", "tanh"',
    ]


def draft_sets(shapes: Shapes, sets: Sequence[str]) -> str:
    """A commented line of `[model]` that chooses one of several sets of weights, all with these shapes."""
    beginning = next(iter(shapes)).split(".")[:-2] if _layers(shapes) else []
    first, *others = [quoted(".".join((place, *beginning))) for place in sets]
    return f"# weights_in = {first}        # which of the sets of weights in the file; or {', '.join(others[:_SHOWN])}"


def hidden_widths(shapes: Shapes, task: Task, modality: Modality) -> tuple[int, ...] | None:
    """Units of the hidden layers of the `mlp` that has these tensors, none for `linear`; None where neither has them."""
    layers = _layers(shapes)
    if not layers or next(iter(layers)) != (0 if modality == "tabular" else 1) or _step(shapes) is None:
        return None
    sizes = list(layers.values())
    fits = all(before[0] == after[1] for before, after in pairwise(sizes))
    outputs = sizes[-1][0]
    most = 2 if task == "binary-classification" else 1
    expected = outputs > 2 if task == "multiclass-classification" else outputs <= most
    return tuple(size[0] for size in sizes[:-1]) if fits and expected else None


def _layers(shapes: Shapes) -> dict[int, tuple[int, int]]:
    """Outputs and inputs of each linear layer by its number; empty where there are other tensors than theirs."""
    found: dict[int, tuple[int, int]] = {}
    parts = [name.split(".") for name in shapes]
    if any(len(part) < 2 or not part[-2].isdecimal() or part[:-2] != parts[0][:-2] for part in parts):
        return {}
    named = {(int(part[-2]), part[-1]): shape for part, shape in zip(parts, shapes.values(), strict=True)}
    for number in sorted({number for number, _ in named}):
        weight, bias = named.pop((number, "weight"), ()), named.pop((number, "bias"), ())
        if len(weight) != 2 or bias != weight[:1]:
            return {}
        found[number] = (weight[0], weight[1])
    return {} if named else found


def _step(shapes: Shapes) -> int | None:
    """How far the numbers of the linear layers lie apart: 2 with an activation between them, 3 with dropout as well."""
    numbers: Sequence[int] = list(_layers(shapes))
    steps = {after - before for before, after in pairwise(numbers)} or {2}
    return steps.pop() if len(steps) == 1 and steps <= {2, 3} else None
