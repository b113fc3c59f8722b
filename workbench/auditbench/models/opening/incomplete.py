"""Files that were cut off: a zip archive or a pickle without its end, and what such an archive was by its first members."""

from __future__ import annotations

from itertools import islice

from auditbench.models.opening.archives import first_names, has_end
from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_MEMBERS

_STOP = b"."
_COMPLETE = "copy the file again from where it was made, or save the model again"


def incomplete_archive(content: bytes) -> Damage | None:
    """Why bytes that begin as a zip archive are no complete one; None if they end as one does."""
    if has_end(content):
        return None
    names = list(islice(first_names(content), MAX_MEMBERS))
    return Damage(
        "is damaged or cut off",
        found=f"{_by_names(names)} by its first members, without the directory at its end; {len(content):,} bytes",
        allowed="a complete file",
        fix=_COMPLETE,
    )


def incomplete_pickle(content: bytes, found: str) -> Damage | None:
    """Why bytes that begin as a pickle are no complete one; None if they end as one does.

    Args:
        found: What walking or reading it ended with.
    """
    if content.endswith(_STOP):
        return None
    return Damage(
        "is damaged or cut off",
        found=f"a pickle without its end, {len(content):,} bytes: {found}",
        allowed="a complete file",
        fix=_COMPLETE,
    )


def _by_names(names: list[str]) -> str:
    """What an archive is by some of its members; torch and Keras write those that tell it first."""
    inner = [name.partition("/")[2] for name in names]
    if any(name.startswith(("data/weights/", "data/constants/", "models/")) for name in inner):
        return "an exported program (.pt2)"
    if inner[:1] == ["data/0"] or any(name.startswith("code/") or name == "constants.pkl" for name in inner):
        return "a TorchScript program"
    if "data.pkl" in inner:
        return "what torch.save writes"
    if {"metadata.json", "config.json"} & set(names[:2]):
        return "a Keras model"
    arrays = [name.rpartition(".")[0] for name in names if name.endswith((".npy", ".npz", ".bin"))]
    if "schema.json" in names or (names and len(arrays) == len(names) and all(map(str.isdecimal, arrays))):
        return "a skops file"
    if names and len(arrays) == len(names):
        return "an archive of NumPy arrays"
    return "a zip archive"
