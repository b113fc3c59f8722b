"""Whether what an analyzer needs is there, as far as it is known: before an audit begins, and before the analyzer runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from auditbench.findings import Message
from auditbench.needs import Needs
from auditbench.run import Capability, Modality


def unmet_need(
    needs: Needs,
    *,
    modality: Modality,
    task: str,
    sensitive: bool,
    others: bool,
    training: bool,
    missing: Collection[str],
    install: str = "",
    capabilities: Iterable[Capability] | None = None,
) -> Message | None:
    """The first need that is not met, as the reason why the analyzer does not apply; None when all are.

    Args:
        sensitive: Whether there are sensitive features; `others` whether there are further models; `training` whether the
            audited network can be trained again.
        missing: Needed packages and programs that are not on this machine; `install` is what to do about it.
        capabilities: Of the model; None where they are not known yet.
    """
    if needs.modalities and modality not in needs.modalities:
        allowed = ", ".join(needs.modalities)
        if needs.tasks and task not in needs.tasks:
            allowed += f" ({', '.join(needs.tasks)})"
        return Message(key=f"core.not_applicable_modality_{modality}", values={"allowed": allowed})
    absent = [] if capabilities is None else _absent(needs.capabilities, tuple(capabilities), modality)
    if absent:
        return Message(key=f"core.not_applicable_capability_{absent[0]}")
    if needs.tasks and task not in needs.tasks:
        return Message(key="core.not_applicable_task", values={"found": task, "allowed": ", ".join(needs.tasks)})
    if needs.sensitive_features and not sensitive:
        return Message(key="core.not_applicable_sensitive")
    if needs.further_models and not others:
        return Message(key="core.not_applicable_models")
    if needs.training and not training:
        return Message(key="core.not_applicable_training")
    if missing:
        key = "core.not_applicable_package" if install else "core.not_applicable_absent"
        return Message(key=key, values={"package": ", ".join(missing), "install": install})
    return None


def _absent(needed: Iterable[Capability], held: tuple[Capability, ...], modality: Modality) -> list[Capability]:
    """What a model lacks; of texts gradients are taken at the embedding of their tokens."""
    given = {*held, "gradients"} if modality == "text" and "embeddings" in held else set(held)
    return [name for name in needed if name not in given]
