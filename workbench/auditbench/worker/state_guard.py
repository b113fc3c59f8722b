"""Whether an analyzer left the model as it found it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.worker.tensor_digest import tensor_digest

if TYPE_CHECKING:
    import torch
    from torch import nn

_OWN_TABLES = frozenset(
    {"training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_is_full_backward_hook"}
)
"""Attributes of a module that are looked at one by one; the last stays behind when a hook has been removed."""
_SIMPLE = (bool, int, float, complex, str, bytes, type(None))
_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """State of some modules at one moment.

    Attributes:
        kinds: What there is of each kind of state, by the kind's name. Weights, buffers and tensors that layers keep are
            digests; objects that count by identity are there by `id`.
        held: Those objects, so that no other takes the place of one that is gone.
    """

    kinds: dict[str, Any]
    held: tuple[Any, ...]

    def changes(self, now: ModelState) -> tuple[str, ...]:
        """Kinds of state that are not the same at another moment."""
        return tuple(name for name, content in now.kinds.items() if self.kinds[name] != content)


def model_state(*modules: nn.Module) -> ModelState:
    """The state of some modules.

    `structure` is which modules there are, of which class, in which order; `settings of layers` all that they keep beside
    tensors and hooks, such as a dropout rate. Weights that are equal in every bit are the same, whatever object holds
    them.
    """
    view = _View()
    for number, module in enumerate(modules):
        for name, part in module.named_modules(prefix=str(number), remove_duplicate=False):
            view.add(name, part)
    return ModelState(kinds=view.kinds, held=tuple(view.held))


class _View:
    """Collects the state of one module after the other."""

    def __init__(self) -> None:
        self.held: list[Any] = []
        self.kinds: dict[str, list[Any]] = {
            "weights": [],
            "buffers": [],
            "requires_grad": [],
            "gradients": [],
            "modes": [],
            "hooks": [],
            "structure": [],
            "settings of layers": [],
        }
        self._seen: dict[int, str] = {}

    def add(self, name: str, part: nn.Module) -> None:
        """Look at one module, without its children."""
        self.kinds["modes"].append((name, getattr(part, "training", None)))  # a frozen script has no mode
        self.kinds["structure"].append((name, self._object(part), self._object(type(part)), part.extra_repr()))
        for kind, table in (("weights", part._parameters), ("buffers", part._buffers)):  # noqa: SLF001 - in their order, absent ones too
            for key, tensor in table.items():
                self._tensor(kind, f"{name}.{key}", tensor)
        self.kinds["structure"].append(sorted(part._non_persistent_buffers_set))  # noqa: SLF001 - torch has no public way
        for key, value in vars(part).items():
            if key in _OWN_TABLES:
                continue
            if "hooks" in key and isinstance(value, dict):
                self.kinds["hooks"].append((name, key, self._hooks(value)))
            elif callable(getattr(type(part), key, None)):  # it stands before a method of the class
                self.kinds["structure"].append((name, key, self._object(value)))
            else:
                self.kinds["settings of layers"].append((name, key, self._value(f"{name}.{key}", value, _DEPTH)))

    def _tensor(self, kind: str, name: str, tensor: torch.Tensor | None) -> None:
        if tensor is None:
            self.kinds[kind].append((name, None))
            return
        known = self._seen.get(id(tensor))
        if known is not None:
            self.kinds[kind].append((name, "is", known))
            return
        self._seen[id(tensor)] = name
        self.held.append(tensor)
        self.kinds[kind].append((name, tensor_digest(tensor)))
        self.kinds["requires_grad"].append((name, tensor.requires_grad))
        self.kinds["gradients"].append((name, tensor.is_leaf and tensor.grad is not None))
        for table in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            hooks = getattr(tensor, table, None)
            if hooks:
                self.kinds["hooks"].append((name, table, self._hooks(hooks)))

    def _value(self, name: str, value: Any, depth: int) -> Any:
        """What an attribute is: numbers and text by value, tensors by digest, containers by content, others by identity."""
        import torch

        if isinstance(value, torch.Tensor):
            return tensor_digest(value)
        if type(value) in _SIMPLE:
            return type(value).__name__, repr(value)
        if depth and type(value) in (list, tuple):
            return [self._value(name, item, depth - 1) for item in value]
        if depth and isinstance(value, dict):
            return [(repr(key)[:200], self._value(name, item, depth - 1)) for key, item in value.items()]
        if depth and type(value) in (set, frozenset):
            return sorted(repr(item)[:200] for item in value)
        array = getattr(value, "__array_interface__", None)
        if array is not None:
            return hashlib.sha256(repr((array["typestr"], array["shape"])).encode() + value.tobytes()).hexdigest()
        return self._object(value)

    def _hooks(self, table: Any) -> list[tuple[Any, int]]:
        return [(key, self._object(hook)) for key, hook in table.items()]

    def _object(self, value: Any) -> int:
        self.held.append(value)
        return id(value)
