"""What is known of the methods: those of tables by the parameter that asks for them, and `masked` for parts of other inputs."""

from __future__ import annotations

from auditbench.contracts import MethodFacts

_MODALITIES: dict[str, tuple[str, ...]] = {
    "shared": ("tabular",),
    "independent": ("tabular",),
    "library": ("tabular",),
    "masked": ("image", "text", "series"),
}

FACTS = tuple(
    MethodFacts(name=f"lime.{name}", source=("arXiv:1602.04938, eq. 1–2",), modalities=modalities)
    for name, modalities in _MODALITIES.items()
)
