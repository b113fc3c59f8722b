"""Weights: tensors by name, from safetensors or from what torch.save wrote of a state dict."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from auditbench.errors import ModelError
from auditbench.models.opening.content import Content, compression, look_into
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.pickles import is_surely_pickle
from auditbench.models.opening.programs import PROGRAMS, unwanted_program
from auditbench.models.opening.safetensors_header import check_header
from auditbench.models.opening.state_dicts import Layout, MoreThanTensors, read_layout

if TYPE_CHECKING:
    import torch


_NAMES = {
    "compressed": "a file compressed with",
    "empty": "nothing",
    "html": "an HTML page, such as a server sends in place of a file",
    "polyglot": "two files in one, of which each reader sees another",
    "unknown": "content of no kind that is known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedWeights:
    """What a weights file holds.

    Attributes:
        tensors: On the CPU, contiguous, by name.
        sha256: Of the bytes that were parsed.
        taken: The key of the file under which the weights stood; empty if they stood at its top.
        left: The keys of the file that are no weights and were not used.
    """

    tensors: dict[str, torch.Tensor]
    kind: Literal["safetensors", "state-dict"]
    sha256: str
    taken: str = ""
    left: tuple[str, ...] = ()


def read_weights(path: Path, *, most: int | None = None) -> OpenedWeights:
    """The tensors of a file of weights; nothing in it is ever run.

    Args:
        most: Largest size of the file in bytes.

    Raises:
        ModelError: It is neither safetensors nor a state dict, or it does not hold what it says.
    """
    content = read_file(path, most=most)
    with refusing(path):
        found, sha256 = look_into(content), sha256_of(content)
        if found.kind == "safetensors":
            return OpenedWeights(tensors=parse_tensors(content, path), kind="safetensors", sha256=sha256)
        if found.kind == "state-dict":
            layout = read_layout(content, found.walks)
            return OpenedWeights(
                tensors=_load(content, layout),
                kind="state-dict",
                sha256=sha256,
                taken=layout.taken,
                left=layout.left,
            )
        raise no_weights(path, content, found)


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


def _load(content: bytes, layout: Layout) -> dict[str, torch.Tensor]:
    import torch

    try:
        document = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return _checked(dict.__getitem__(document, layout.taken) if layout.taken else document, layout)
    except (Damage, MemoryError):
        raise
    except Exception as error:
        raise Damage(
            "is no state dict that torch opens with weights_only=True",
            found=str(error).partition("\n")[0][:160],
            allowed="what torch.save writes",
            fix="save model.state_dict() again, best as safetensors",
        ) from error


def _checked(found: dict[str, Any], layout: Layout) -> dict[str, torch.Tensor]:
    """The tensors as the layout promised them, each contiguous and without history."""
    import torch

    tensors = {}
    for name, view in layout.tensors.items():
        tensor: Any = dict.get(found, name)
        if (
            type(tensor) not in (torch.Tensor, torch.nn.Parameter)
            or tensor.layout != torch.strided
            or tensor.device.type != "cpu"
            or tensor.is_quantized
            or tuple(tensor.shape) != view.size
            or tensor.element_size() != view.itemsize
        ):
            raise Damage("opens as something else than its pickle says", found=repr(name[:80]), allowed="plain tensors")
        tensors[name] = tensor.detach().contiguous()
    return tensors
