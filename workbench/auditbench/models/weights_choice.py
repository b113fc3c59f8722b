"""Which tensors of a checkpoint are those of a network: decided by their names and shapes, and never by a guess.

Trainers put the weights under a key of their own and in front of every name what they call the network:
`state_dict` of `model.0.weight`. Both are taken off where what is left are exactly the tensors of the network.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditbench.errors import ModelError
from auditbench.models.opening.checkpoints import WEIGHT_KEYS
from auditbench.safe_text import safe_text

if TYPE_CHECKING:
    import torch

    from auditbench.models.opening import WeightsFile

_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""What torch's own wrappers (compilation, sharding, checkpointing) add to names, wherever they stand."""

_COUNTERS = frozenset({"n_averaged"})
"""Tensors beside the weights that torch's own averaging of models counts with."""

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsChoice:
    """The tensors of a file that go into a network.

    Attributes:
        tensors: By their names in the network, as far as they fit.
        below: The keys, and the beginning of the names, that were taken off, joined by dots; empty if nothing was.
        left: What else the file holds: its other keys, and the other tensors beside those that were taken.
    """

    tensors: dict[str, torch.Tensor]
    below: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """Some tensors of one place of a file, by the names that they would have in the network.

    Attributes:
        names: Name in the file, by that in the network.
    """

    place: str
    prefix: str
    names: Mapping[str, str]
    fits: bool
    common: int

    @property
    def below(self) -> str:
        """The keys and the beginning of the names, joined by dots."""
        return ".".join(part for part in (self.place, self.prefix) if part)


def choose_weights(
    file: WeightsFile, expected: Mapping[str, torch.Tensor], *, weights_in: str, path: Path
) -> WeightsChoice:
    """The tensors that are those of a network, or where none are, those that come nearest.

    Args:
        expected: Tensors of the network; only their names and shapes count.
        weights_in: Which are meant, where several fit: keys and the beginning of the names, joined by dots; empty where
            the config does not say.

    Raises:
        ModelError: Several sets of tensors fit, others stand beside the only one, or none stands where `weights_in` says.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    candidates = [one for place, found in file.shapes.items() for one in _candidates(place, found, shapes)]
    if weights_in:
        meant = [one for one in candidates if one.below == weights_in]
        if not meant:
            raise _nothing_there(file, candidates, weights_in, path)
        return _taken(file, max(meant, key=_nearness))
    fitting = [one for one in candidates if one.fits]
    if len(fitting) > 1:
        raise _several(fitting, path)
    if fitting and fitting[0].prefix and (beside := set(_beside(file, fitting[0])) - _COUNTERS):
        raise _others_beside(fitting[0], sorted(beside), path)
    return _taken(file, fitting[0] if fitting else max(candidates, key=_nearness))


def _candidates(
    place: str, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> Iterator[_Candidate]:
    """All tensors of a place, and those below each beginning of names behind which names of the network stand."""
    plain = {name: name for name in found}
    unwrapped = {_unwrapped(name): name for name in found}
    if len(unwrapped) == len(found):
        plain = unwrapped
    ordered = sorted(plain)
    longest = max(map(len, expected), default=0)
    beginnings = (one for name in plain for one in _beginnings(name, expected, longest))
    for prefix in ("", *dict.fromkeys(beginnings)):
        names = plain
        if (
            prefix
        ):  # what begins with it and a dot stands together, up to what begins with it and the sign behind the dot
            below = ordered[bisect_left(ordered, f"{prefix}.") : bisect_left(ordered, f"{prefix}/")]
            names = {name[len(prefix) + 1 :]: plain[name] for name in below}
        yield _Candidate(
            place=place,
            prefix=prefix,
            names=names,
            fits=names.keys() == expected.keys()
            and all(found[original] == expected[name] for name, original in names.items()),
            common=len(names.keys() & expected.keys()),
        )


def _beginnings(name: str, expected: Mapping[str, tuple[int, ...]], longest: int) -> Iterator[str]:
    """What stands in front of a dot behind which a name of the network stands, none of which is longer than `longest`."""
    at = name.rfind(".")
    while at > 0 and len(name) - at - 1 <= longest:
        if name[at + 1 :] in expected:
            yield name[:at]
        at = name.rfind(".", 0, at)


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _nearness(one: _Candidate) -> tuple[bool, int, bool, int]:
    """Larger for what is more likely meant."""
    return one.fits, one.common, one.place in WEIGHT_KEYS, -len(one.prefix)


def _taken(file: WeightsFile, one: _Candidate) -> WeightsChoice:
    tensors = file.tensors(one.place, one.names.values())
    first = one.place.partition(".")[0]
    keys = [key for key in file.keys if key != first and (one.place or key not in file.shapes[one.place])]
    return WeightsChoice(
        tensors={name: tensors[original] for name, original in one.names.items()},
        below=one.below,
        left=(*keys, *_beside(file, one)),
    )


def _beside(file: WeightsFile, one: _Candidate) -> Iterator[str]:
    """The names of its place that are none of its own."""
    own = set(one.names.values())
    return (name for name in file.shapes[one.place] if name not in own)


def _several(fitting: list[_Candidate], path: Path) -> ModelError:
    names = [safe_text(one.below) or "the top of the file" for one in fitting]
    example = next(one.below for one in fitting if one.below)
    return ModelError(
        f"{path.name} holds several sets of weights that fit the network",
        where=str(path),
        found=", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""),
        allowed="one, since they are different models, such as the last one and its average",
        fix=f'say which is meant, such as model.weights_in = "{example}"',
    )


def _others_beside(one: _Candidate, beside: list[str], path: Path) -> ModelError:
    more = f" and {len(beside) - _SHOWN:,} more" if len(beside) > _SHOWN else ""
    return ModelError(
        f"{path.name} holds the weights of the network among other tensors",
        where=str(path),
        found=f"those below {safe_text(one.below)} fit; beside them: {', '.join(map(safe_text, beside[:_SHOWN]))}{more}",
        allowed="tensors of the network alone, since what the others do to its outputs is not known",
        fix=f'if they take no part, such as those of a loss, say so: model.weights_in = "{one.below}"',
    )


def _nothing_there(file: WeightsFile, candidates: list[_Candidate], weights_in: str, path: Path) -> ModelError:
    ordered = sorted(candidates, key=_nearness, reverse=True)
    near = [one.below for one in ordered if one.below and (one.common or one.place in WEIGHT_KEYS)]
    return ModelError(
        f"{path.name} has no tensors where model.weights_in says",
        where="model.weights_in",
        found=weights_in,
        allowed=", ".join(map(safe_text, dict.fromkeys(near[:_SHOWN]))) or "no key, since all tensors stand at the top",
        fix="correct it, or remove it where the file holds one set of weights",
    )
