"""What is known of the methods: by the parameter that asks for them, and `masked` for what comes of parts of images, texts and series."""

from __future__ import annotations

from auditbench.contracts import MethodFacts

_PARTS = ("image", "text", "series")
_MODALITIES: dict[str, tuple[str, ...]] = {
    "shared": ("tabular", *_PARTS),
    "independent": ("tabular", *_PARTS),
    "library": ("tabular",),
    "masked": _PARTS,
}

FACTS = tuple(
    MethodFacts(name=f"lime.{name}", source=("arXiv:1602.04938, eq. 1–2",), modalities=modalities)
    for name, modalities in _MODALITIES.items()
)
