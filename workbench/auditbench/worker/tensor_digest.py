"""The digest of a tensor of any layout: type, shape and every bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_PART_BYTES = 64 * 2**20


def tensor_digest(tensor: torch.Tensor) -> str:
    """SHA-256 over type, shape, device and content.

    Two tensors of one digest agree in every bit, signs of zero and payloads of NaN included. On a GPU the content is
    copied in parts, never whole. A tensor whose content torch does not give counts by its place and version.
    """
    import torch

    digest = hashlib.sha256(f"{tensor.dtype} {tensor.device} {tensor.layout}".encode())
    with torch.no_grad():
        try:
            digest.update(b"nested" if tensor.is_nested else f" {tuple(tensor.shape)}".encode())
            for name, part in _plain_parts(tensor.detach()):
                digest.update(f" {name} {part.dtype} {tuple(part.shape)} ".encode())
                for content in _contents(part):
                    digest.update(content)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError):
            digest.update(f" {id(tensor)} {getattr(tensor, '_version', None)}".encode())
    return digest.hexdigest()


def _plain_parts(tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """The strided tensors that a tensor consists of."""
    import torch

    if tensor.is_meta:
        return
    if tensor.is_quantized:
        yield "codes", tensor.int_repr()
        yield from _quantization(tensor)
    elif tensor.layout == torch.sparse_coo:
        yield "indices", tensor._indices()  # noqa: SLF001 - the public one refuses what is not coalesced
        yield "values", tensor._values()  # noqa: SLF001 - as above
    elif tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        yield from (("rows", tensor.crow_indices()), ("columns", tensor.col_indices()), ("values", tensor.values()))
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        yield from (("columns", tensor.ccol_indices()), ("rows", tensor.row_indices()), ("values", tensor.values()))
    elif tensor.is_nested:
        yield from ((str(number), part) for number, part in enumerate(tensor.unbind()))
    elif tensor.layout != torch.strided:
        yield "values", tensor.to_dense()
    else:
        yield "values", tensor.resolve_conj().resolve_neg()


def _quantization(tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        yield "scale", torch.tensor([tensor.q_scale(), tensor.q_zero_point()], dtype=torch.float64, device="cpu")
        return
    yield "scales", tensor.q_per_channel_scales()
    yield "zero points", tensor.q_per_channel_zero_points()


def _contents(tensor: torch.Tensor) -> Iterator[Any]:
    """The bytes of a strided tensor, at most 64 MiB at a time, as arrays that a hash takes without a copy."""
    import torch

    if not tensor.numel():
        return
    flat = tensor.contiguous().reshape(-1).view(torch.uint8)
    for start in range(0, flat.numel(), _PART_BYTES):
        yield flat[start : start + _PART_BYTES].cpu().numpy()
