"""An exported program as nested modules again, so that layers and hooks work.

torch keeps where each operation of a program came from, and puts the modules together again (`torch.export.unflatten`). What
it makes interprets operations one by one, cannot be copied and is of no class of torch, while rules for layers, such as those
of DeepLift, go by class. So each module becomes one that runs the code of its graph, and activations and poolings, which have
no weights, are exchanged for torch's own modules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.models.packing import UnpackedNetwork
from auditbench.models.random_rows import packed, random_inputs

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput

_ROWS = (3, 1, 5)
_TOLERANCE = 1e-6
_aten = torch.ops.aten


def _max_pool(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """A pooling of torch made from the arguments of its operation, in whose order the class has one more."""

    def made(
        kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> nn.Module:
        return make(kernel, stride or None, padding, dilation, ceil_mode=ceil_mode)

    return made


_MODULES: Mapping[Any, Callable[..., nn.Module]] = {
    _aten.relu.default: nn.ReLU,
    _aten.relu_.default: nn.ReLU,
    _aten.tanh.default: nn.Tanh,
    _aten.sigmoid.default: nn.Sigmoid,
    _aten.silu.default: nn.SiLU,
    _aten.gelu.default: nn.GELU,
    _aten.elu.default: nn.ELU,
    _aten.leaky_relu.default: nn.LeakyReLU,
    _aten.softplus.default: nn.Softplus,
    _aten.softmax.int: nn.Softmax,
    _aten.max_pool1d.default: _max_pool(nn.MaxPool1d),
    _aten.max_pool2d.default: _max_pool(nn.MaxPool2d),
}
"""By the only operation of a module, what makes the module from the further arguments of the operation, in their order."""


def with_modules(
    flat: nn.Module, unflatten: Callable[[], nn.Module], inputs: Mapping[str, ModelInput], device: str
) -> tuple[nn.Module, str]:
    """The network as nested modules, and nothing; or where these are not the same network, the flat one and why.

    A flat program that does not take rows of these inputs is given back without a reason: what is wrong with it is no matter
    of modules.

    Args:
        unflatten: Makes the nested modules.
        inputs: What the network takes, by name.
    """
    batches = [packed(random_inputs(inputs, rows, seed=rows)).to(device) for rows in _ROWS]
    try:
        expected = [_outputs(flat, inputs, rows) for rows in batches]
    except Exception:  # noqa: BLE001 - whatever the code of a program raises; it is said where the rows are tried
        return flat, ""
    try:
        nested = _unflattened(unflatten)
        nested = _SortedInputs(nested) if len(inputs) > 1 else nested
        found = [_outputs(nested, inputs, rows) for rows in batches]
    except Exception as error:  # noqa: BLE001 - whatever torch raises about a program that it cannot take apart
        return flat, f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
    largest = max(_largest(one, other) for one, other in zip(expected, found, strict=True))
    if not largest <= _TOLERANCE:
        return flat, f"{largest:.2g} > {_TOLERANCE:g}"
    return nested, ""


class _SortedInputs(nn.Module):
    """A network that gets its inputs by name in the order of these: so they stand in the file of a program."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`."""
        outputs: torch.Tensor = self.network(*(inputs[name] for name in sorted(inputs)))
        return outputs


def _unflattened(unflatten: Callable[[], nn.Module]) -> nn.Module:
    """The nested modules, each of which runs the code of its own graph; inputs are taken one by one, in their order."""
    with warnings.catch_warnings():
        # torch's own way of comparing the arguments of its programs
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).* is deprecated")
        nested = unflatten()
    for name, module in reversed(list(nested.named_modules())):  # parts before what they are part of
        graph = getattr(module, "graph", None)
        if not isinstance(graph, torch.fx.Graph):
            continue
        for node in graph.nodes:
            node.meta.clear()  # shapes and places of the export, which cannot be copied
        if name:
            nested.set_submodule(name, _own_module(graph) or _compiled(module, graph))
    whole: Any = nested.graph
    end = whole.output_node()
    ((given,),) = end.args  # of the one output that a network here has
    end.args = (given,)
    return _compiled(nested, whole).eval()


def _compiled(module: nn.Module, graph: torch.fx.Graph) -> nn.Module:
    """A module that runs the code of its graph, with all that it holds: other modules may ask for parts that it does not."""
    made = torch.fx.GraphModule(module, graph)
    for name, part in module.named_children():
        if not hasattr(made, name):
            made.add_module(name, part)
    for name, parameter in module.named_parameters(recurse=False):
        if hasattr(made, name):
            delattr(made, name)  # to have them in the order of the module, and not of its graph
        made.register_parameter(name, parameter)
    for name, buffer in module.named_buffers(recurse=False):
        if not hasattr(made, name):
            made.register_buffer(name, buffer)
    return made


def _own_module(graph: torch.fx.Graph) -> nn.Module | None:
    """torch's own module for one that does a single operation without weights; None for any other."""
    nodes = list(graph.nodes)
    if [node.op for node in nodes] != ["placeholder", "call_function", "output"]:
        return None
    taken, operation, given = nodes
    make = _MODULES.get(operation.target)
    given_alone = given.args in ((operation,), ((operation,),))
    if make is None or operation.args[:1] != (taken,) or not given_alone:
        return None
    try:
        return make(*operation.args[1:], **operation.kwargs)
    except TypeError:  # an argument that the class does not take
        return None


def _outputs(network: nn.Module, inputs: Mapping[str, ModelInput], rows: torch.Tensor) -> torch.Tensor:
    whole = UnpackedNetwork(network, inputs) if len(inputs) > 1 else network
    with torch.no_grad():
        outputs: torch.Tensor = whole(rows)
    return outputs.double()


def _largest(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference, divided by the largest output where that is above 1; equal infinities and NaN are equal."""
    if one.shape != other.shape:
        return float("inf")
    same = (one == other) | (one.isnan() & other.isnan())
    apart = torch.where(same, 0.0, (one - other).abs()).nan_to_num(nan=torch.inf)
    size = max(1.0, float(torch.where(one.isfinite(), one.abs(), 0.0).max())) if one.numel() else 1.0
    return float(apart.max()) / size if one.numel() else 0.0
