"""`check_architecture`: whether an architecture keeps what its contract promises, on small inputs of every modality."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.contracts import Architecture
from auditbench.errors import AuditbenchError, Problem
from auditbench.run import Modality
from auditbench.testing.conformance.promises import Conformance, Promise, demand
from auditbench.testing.conformance.trying import Check, NotTried, conformance_of_record
from auditbench.testing.subjects import toy_subject

if TYPE_CHECKING:
    import torch
    from torch import nn

KIND = "architecture"
_ROWS = 6
_OUTPUTS = (1, 3)


def check_architecture(architecture: Architecture) -> Conformance:
    """Pass when an architecture keeps every promise that could be tried.

    It is built with its default parameters for small inputs of each modality that it declares: those of `toy_subject`.

    Raises:
        BrokenPromisesError: With every promise that is broken.
    """
    __tracebackhide__ = True
    return demand(architecture_conformance(architecture))


def architecture_conformance(architecture: Architecture) -> Conformance:
    """Which promises an architecture keeps; raises nothing."""
    return conformance_of_record(
        KIND, architecture, (Architecture, "auditbench_architectures"), _Building(architecture=architecture), CHECKS
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Building:
    """An architecture and the networks that it makes."""

    architecture: Architecture

    def params(self) -> Any:
        """The default parameters; None where there are none."""
        return None if self.architecture.Params is None else self.architecture.Params()

    def network(self, modality: Modality, *, outputs: int = 3, seed: int = 0) -> nn.Module:
        """A network for the small inputs of a modality, in training mode, as the trainer makes one."""
        from auditbench.models.network import build_network
        from auditbench.models.packing import UnpackedNetwork

        inputs = toy_subject(modality=modality).model.inputs
        network = build_network(self.architecture, self.params(), inputs=inputs, outputs=outputs, seed=seed)
        return UnpackedNetwork(network, inputs) if len(inputs) > 1 else network

    @functools.cached_property
    def failures(self) -> dict[Modality, BaseException]:
        """What was raised for a modality that it declares."""
        found: dict[Modality, BaseException] = {}
        for modality in self.architecture.modalities:
            try:
                self.network(modality)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - told by the promise that it builds
                found[modality] = error
        return found

    def built(self) -> Iterator[Modality]:
        """The modalities that it builds networks for; raises NotTried where there is none."""
        built = [modality for modality in self.architecture.modalities if modality not in self.failures]
        if not built:
            said = "; ".join(f"{modality}: {error}" for modality, error in self.failures.items())
            raise NotTried(f"with its default parameters it builds no network ({said or 'it declares no modality'})")
        yield from built


def _has_defaults(building: _Building) -> Problem | None:
    building.params()
    return None


def _explains_parameters(building: _Building) -> Problem | None:
    params = building.architecture.Params
    unexplained = (
        [] if params is None else [name for name, field in params.model_fields.items() if not field.description]
    )
    if not unexplained:
        return None
    return Problem(
        message="a parameter has no help",
        where="Params",
        found=", ".join(unexplained),
        allowed="a sentence for each",
        fix='write `Field(..., description="...")`',
    )


def _builds(building: _Building) -> Problem | None:
    from torch import nn

    for error in building.failures.values():
        if not isinstance(error, AuditbenchError) or not all(problem.fix for problem in error.problems):
            raise error
    for modality in building.built():
        network: object = building.network(modality)
        if not isinstance(network, nn.Module):
            return Problem(
                message="what it built is no network",
                where=modality,
                found=type(network).__name__,
                allowed="torch.nn.Module",
                fix="return the module",
            )
    return None


def _gives_its_outputs(building: _Building) -> Problem | None:
    for modality in building.built():
        for outputs in _OUTPUTS:
            for rows in (1, _ROWS):
                given: Any = building.network(modality, outputs=outputs).eval()(_encoded(modality, rows))
                shape = tuple(getattr(given, "shape", ()))
                if shape != (rows, outputs) or not given.isfinite().all():
                    return Problem(
                        message="the outputs are not what is asked for",
                        where=modality,
                        found=f"shape {shape}" if shape != (rows, outputs) else "outputs that are not finite",
                        allowed=f"finite outputs of shape {(rows, outputs)} for {rows} rows and {outputs} outputs",
                        fix="end with a layer of `outputs` units, one row of outputs for each row",
                    )
    return None


def _follows_the_seed(building: _Building) -> Problem | None:
    for modality in building.built():
        first, second = (building.network(modality, seed=7).state_dict() for _ in range(2))
        differing = [name for name in {**first, **second} if not _equal(first.get(name), second.get(name))]
        if differing:
            return Problem(
                message="the same seed gives other weights",
                where=modality,
                found=", ".join(differing[:5]),
                allowed="equal weights: they come from torch's generator, which the host seeds",
                fix="draw weights with torch alone, without a generator or seed of your own",
            )
    return None


def _learns(building: _Building) -> Problem | None:
    for modality in building.built():
        network = building.network(modality).train()
        network(_encoded(modality, _ROWS)).square().sum().backward()
        untouched = [name for name, one in network.named_parameters() if one.requires_grad and one.grad is None]
        if untouched or not list(network.parameters()):
            return Problem(
                message="training does not reach every parameter",
                where=modality,
                found=", ".join(untouched[:5]) or "no parameters",
                allowed="a gradient for each parameter",
                fix="use every parameter in `forward`, without detaching, and keep none that is not used",
            )
    return None


def _is_restored(building: _Building) -> Problem | None:
    import torch

    for modality in building.built():
        trained, fresh = building.network(modality, seed=1), building.network(modality, seed=2)
        fresh.load_state_dict(trained.state_dict())
        encoded = _encoded(modality, _ROWS)
        with torch.no_grad():
            same = torch.allclose(trained.eval()(encoded), fresh.eval()(encoded), rtol=1e-5, atol=1e-6)
        if not same:
            return Problem(
                message="a network with the saved weights gives other outputs",
                where=modality,
                found="other outputs after `load_state_dict`",
                allowed="the same outputs: a bundle holds the state and nothing else",
                fix="keep all that decides the outputs in parameters and buffers, and draw nothing in evaluation mode",
            )
    return None


def _encoded(modality: Modality, rows: int) -> torch.Tensor:
    subject = toy_subject(modality=modality)
    return subject.model.encode(next(subject.data.batches(rows)).inputs)


def _equal(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    return first is not None and second is not None and first.shape == second.shape and bool((first == second).all())


CHECKS: tuple[Check[_Building], ...] = (
    (Promise(key="defaults-are-valid", sentence="Has a default for every parameter."), _has_defaults),
    (Promise(key="parameters-have-help", sentence="Says what each parameter is."), _explains_parameters),
    (Promise(key="builds", sentence="Builds a network for every modality that it declares, or says why not."), _builds),
    (Promise(key="gives-its-outputs", sentence="Gives as many finite outputs a row as are asked for."), _gives_its_outputs),
    (Promise(key="seeded", sentence="Begins with the same weights under one seed."), _follows_the_seed),
    (Promise(key="learns", sentence="Lets training reach every parameter."), _learns),
    (Promise(key="is-restored", sentence="Gives the same outputs once its saved weights are loaded."), _is_restored),
)  # fmt: skip
"""Every promise of an architecture with what tries it."""
