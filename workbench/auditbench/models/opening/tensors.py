"""Weights: tensors by name, from safetensors or from what torch.save wrote of a state dict or a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.errors import ModelError
from auditbench.models.opening.checkpoints import only_place
from auditbench.models.opening.content import Content, compression, look_into_whole
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.pickles import is_surely_pickle
from auditbench.models.opening.programs import PROGRAMS, unwanted_program
from auditbench.models.opening.safetensors_header import check_header
from auditbench.models.opening.state_dicts import Layout, MoreThanTensors, View, check_copies, read_layout

if TYPE_CHECKING:
    import torch


WeightsKind: TypeAlias = Literal["safetensors", "state-dict"]

_NAMES = {
    "compressed": "a file compressed with",
    "empty": "nothing",
    "html": "an HTML page, such as a server sends in place of a file",
    "polyglot": "two files in one, of which each reader sees another",
    "unknown": "content of no kind that is known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedWeights:
    """The weights of a file that holds one set of them.

    Attributes:
        tensors: On the CPU, contiguous, by name.
        sha256: Of the bytes that were parsed.
        taken: The key of the file under which the weights stood; empty if they stood at its top.
        left: The keys of the file that are no weights and were not used.
    """

    tensors: dict[str, torch.Tensor]
    kind: WeightsKind
    sha256: str
    taken: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """A file of weights, of which any set of tensors can be taken.

    Attributes:
        shapes: Of the tensors of each place, by name; a place is the keys of the file that lead to a dict of tensors,
            joined by dots, and empty at its top.
        keys: At the top of a checkpoint; empty for safetensors.
        sha256: Of the bytes that were parsed.
        tensors: Gives tensors of a place on the CPU, contiguous, by name. Raises ModelError where they are larger than the
            file.
    """

    kind: WeightsKind
    sha256: str
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]]
    keys: tuple[str, ...]
    tensors: Callable[[str, Iterable[str]], dict[str, torch.Tensor]]


def open_weights(path: Path, *, most: int | None = None) -> WeightsFile:
    """A file of weights; nothing in it is ever imported or run.

    Args:
        most: Largest size of the file in bytes.

    Raises:
        ModelError: It is neither safetensors nor a state dict, or it does not hold what it says.
    """
    content = read_file(path, most=most)
    with refusing(path):
        found, sha256 = look_into_whole(content), sha256_of(content)
        if found.kind == "safetensors":
            tensors = parse_tensors(content, path)
            return WeightsFile(
                kind="safetensors",
                sha256=sha256,
                shapes={"": {name: tuple(tensor.shape) for name, tensor in tensors.items()}},
                keys=(),
                tensors=lambda _, names: {name: tensors[name] for name in names},
            )
        if found.kind == "state-dict":
            layout = read_layout(content, found.walks)

            def taken(place: str, names: Iterable[str]) -> dict[str, torch.Tensor]:
                with refusing(path):
                    return _tensors(content, layout, {name: layout.places[place][name] for name in names})

            return WeightsFile(
                kind="state-dict",
                sha256=sha256,
                shapes={
                    place: {name: view.size for name, view in views.items()} for place, views in layout.places.items()
                },
                keys=layout.keys,
                tensors=taken,
            )
        raise no_weights(path, content, found)


def read_weights(path: Path, *, most: int | None = None) -> OpenedWeights:
    """The tensors of a file that holds one set of weights, under a key that trainers use or at its top.

    Args:
        most: Largest size of the file in bytes.

    Raises:
        ModelError: It is neither safetensors nor a state dict, does not hold what it says, or holds several sets.
    """
    opened = open_weights(path, most=most)
    with refusing(path):
        place = only_place(opened.shapes)
    first = place.partition(".")[0]
    return OpenedWeights(
        tensors=opened.tensors(place, opened.shapes[place]),
        kind=opened.kind,
        sha256=opened.sha256,
        taken=place,
        left=tuple(key for key in opened.keys if key != first and key not in opened.shapes[place]),
    )


def parse_tensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    """The tensors in the bytes of a safetensors file, on the CPU.

    Raises:
        ModelError: It is not a complete safetensors file.
    """
    from safetensors.torch import load

    with refusing(path):
        check_header(content)
        try:
            return load(content)
        except Exception as error:
            raise Damage(
                "is not a complete safetensors file",
                found=f"{len(content):,} bytes: {str(error)[:160]}",
                allowed="what safetensors writes",
            ) from error


def no_weights(path: Path, content: bytes, looked: Content) -> ModelError:
    """Why a file is no weights, as exactly as its content tells."""
    kind = looked.kind
    if kind in ("torchscript", "exported"):
        return unwanted_program(path, kind, PROGRAMS[kind], content)
    if kind in ("pickle", "zip") or (kind == "polyglot" and is_surely_pickle(content)):
        try:
            with refusing(path):
                read_layout(content, looked.walks)
        except ModelError as error:
            if isinstance(error.__cause__, MoreThanTensors):
                what = "two files in one; as a pickle " if kind == "polyglot" else "a pickle; "
                return unwanted_program(path, kind, what + error.__cause__.found, content)
            return error
    return ModelError(
        f"{path.name} is no file of weights",
        where=str(path),
        found=f"{_NAMES.get(kind, kind)} {compression(content)}".rstrip() + f", {len(content):,} bytes",
        allowed="safetensors, or a state dict as torch.save writes it",
        fix="save the weights with safetensors.torch.save_file(model.state_dict(), FILE)",
    )


def _tensors(content: bytes, layout: Layout, views: Mapping[str, View]) -> dict[str, torch.Tensor]:
    """Tensors as torch would make them of these bytes, each contiguous; those of one storage share its memory."""
    import torch

    check_copies(views.values(), len(content))
    storages: dict[tuple[str, str], torch.UntypedStorage] = {}
    tensors = {}
    for name, view in views.items():
        key = (view.storage, view.dtype if layout.swapped else "")
        if key not in storages:
            storages[key] = _storage(content, layout, view)
        dtype = getattr(torch, view.dtype)
        empty = torch.empty(0, dtype=dtype)
        tensors[name] = empty.set_(storages[key], view.offset, view.size, view.stride).contiguous()
    return tensors


def _storage(content: bytes, layout: Layout, view: View) -> torch.UntypedStorage:
    """The bytes of a storage, with the numbers of a view in the order of bytes that this machine has."""
    import torch

    start, size = layout.storages.get(view.storage, (0, 0))
    if not size:
        return torch.empty(0, dtype=torch.uint8).untyped_storage()
    storage = torch.frombuffer(
        bytearray(memoryview(content)[start : start + size]), dtype=torch.uint8
    ).untyped_storage()
    if layout.swapped:
        storage.byteswap(getattr(torch, view.dtype))  # type: ignore[no-untyped-call]
    return storage
