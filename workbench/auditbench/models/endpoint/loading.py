"""Opening a model behind an address: what the server says of it, which tensors it takes, and what it answers."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import torch

from auditbench.data.encoding import make_encoder
from auditbench.digests import digest_of
from auditbench.findings import Message
from auditbench.models.declared import declared_interface
from auditbench.models.description import output_count
from auditbench.models.endpoint.client import Client
from auditbench.models.endpoint.matching import WHOLE_NUMBERS, Slot, match, rows_at_a_time
from auditbench.models.endpoint.network import EndpointNetwork
from auditbench.models.endpoint.params import plain_parameters, read_table
from auditbench.models.endpoint.protocol import Description, describe
from auditbench.models.endpoint.tensors import made_up_rows
from auditbench.models.own_tokens import with_own_tokens
from auditbench.models.packing import UnpackedNetwork
from auditbench.models.raw_rows import raw_encoder, raw_inputs
from auditbench.models.wrapping import Interface, Origin, wrap_network
from auditbench.record import plain

if TYPE_CHECKING:
    from torch import nn

    from auditbench.models.endpoint.pace import Clock
    from auditbench.models.formats import ModelRequest
    from auditbench.models.subject import ModelUnderTest

_MADE_UP_ROWS = 16
_BATCH_ROWS = 1024


def load_endpoint(request: ModelRequest, *, clock: Clock | None = None) -> ModelUnderTest:
    """Open a model behind an address, and wrap it.

    Raises:
        DataError: The data do not give features or classes.
        ModelError: The address or a parameter is none, the server does not answer as the protocol says, or the model takes
            other rows.
    """
    address, params = read_table(request.table)
    interface = declared_interface(request)
    client = Client(address, params, base=request.base, clock=clock)
    description = describe(client)
    slots = match(description.inputs, interface.inputs, params, where="model")
    encoder: nn.Module = make_encoder(interface.inputs)
    if slots[0].column is not None:
        interface = dataclasses.replace(interface, inputs=raw_inputs(interface.inputs, request.source))
        slots = match(description.inputs, interface.inputs, params, where="model")
        encoder = raw_encoder(interface.inputs)
    network = EndpointNetwork(
        client,
        slots,
        rows_per_request=rows_at_a_time(slots, params.rows_per_request, where="model"),
        output=_output(client, description, params.output),
        most_outputs=max(2, output_count(interface.task, interface.classes)),
    )
    whole = with_own_tokens(network, interface.inputs)
    answers, varies = _answers(whole, interface, encoder)
    known = {
        "description": plain(description),
        "version": network.version,
        "sent": plain_parameters(params),
        "interface": plain(interface),
    }
    model = wrap_network(
        whole,
        interface,
        Origin(
            name=request.table.name,
            format="endpoint",
            architecture=_in_words(description, network.version or ""),
            digest=digest_of({**known, "answers": None if varies else answers}),
        ),
        device="cpu",
        capabilities=("black_box",),
        encoder=encoder,
        limits=_limits(address.server, slots, varies=varies),
    )
    return dataclasses.replace(
        model,
        facts=dataclasses.replace(model.facts, parameters=None),
        batch_rows=max(_BATCH_ROWS, 1 << (network.rows_per_request.bit_length() - 1)),
    )


def _output(client: Client, description: Description, wanted: str | None) -> str | None:
    """The output to ask for; None where the server does not say which there are, and none is named."""
    names = [port.name for port in description.outputs]
    if wanted is None and len(names) == 1:
        return names[0]
    if names and wanted not in names:
        client.refuse(
            "the model has several outputs" if wanted is None else "the model has no such output",
            found=", ".join(map(str, description.outputs)) if wanted is None else wanted,
            allowed=", ".join(names)[:300],
            fix="name the output to take in model.parameters.output",
        )
    return wanted


def _answers(network: nn.Module, interface: Interface, encoder: nn.Module) -> tuple[str, bool]:
    """sha256 of what the model gives for made-up rows, and whether it gives something else when it is asked again."""
    whole = UnpackedNetwork(network, interface.inputs) if len(interface.inputs) > 1 else network
    with torch.inference_mode():
        rows = encoder(made_up_rows(interface.inputs, _MADE_UP_ROWS))
        first, second = (whole(rows).numpy().tobytes() for _ in range(2))
    return hashlib.sha256(first).hexdigest(), first != second


def _limits(server: str, slots: tuple[Slot, ...], *, varies: bool) -> tuple[Message, ...]:
    rounded = {
        slot.feature.name: slot.port.datatype
        for slot in slots
        if slot.feature is not None and slot.port.datatype in WHOLE_NUMBERS
    }
    found = [Message(key="core.model_endpoint", values={"server": server, "rows": _MADE_UP_ROWS})]
    if varies:
        found.append(Message(key="core.model_endpoint_varies", values={"server": server}))
    if rounded:
        values = {"features": ", ".join(rounded)[:300], "types": ", ".join(sorted(set(rounded.values())))}
        found.append(Message(key="core.model_endpoint_rounded", values=values))
    if slots[0].column is not None:
        found.append(Message(key="core.model_endpoint_filled", values={}))
    return tuple(found)


def _in_words(description: Description, version: str) -> str:
    named = f"{description.name}, version {version}" if version else description.name
    return f"model {named}, served by {description.platform or 'a server that does not name itself'}"
