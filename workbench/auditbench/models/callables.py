"""Any Python function as a black box: from a file that is trusted by its sha256."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.inputs import ModelInput, TableInput, table_features
from auditbench.data.modalities import code_inputs
from auditbench.data.stored import StoredArray
from auditbench.digests import digest_of
from auditbench.findings import Message
from auditbench.models.black_box import BlackBoxNetwork, wrap_black_box
from auditbench.models.declared import declared_interface
from auditbench.models.description import output_count
from auditbench.models.formats import USUAL_FUNCTION
from auditbench.models.frames import columns_form
from auditbench.models.opening import load_factory
from auditbench.models.opening.programs import FUNCTION
from auditbench.models.raw_rows import lacking_numbers, missing_kept, raw_encoder, raw_inputs
from auditbench.models.wrapping import Interface, Origin
from auditbench.record import plain
from auditbench.run import ProgramFacts

if TYPE_CHECKING:
    from auditbench.models.formats import ModelRequest
    from auditbench.models.subject import ModelUnderTest

_TRIED_ROWS = 16


def load_callable(request: ModelRequest) -> ModelUnderTest:
    """Run the file of a function, and wrap the function; see `function_of_rows` for what it is called with.

    Raises:
        DataError: The rows do not give features or classes.
        UntrustedModelError: The file is not trusted by its sha256; it has not run.
        ModelError: It has no such function, or the function does not take the rows, gives other outputs than the task has,
            or another output for a row that stands among others.
    """
    table, source = request.table, request.source
    declared = declared_interface(request)
    interface = dataclasses.replace(declared, inputs=raw_inputs(declared.inputs, source))
    name = table.function or USUAL_FUNCTION
    function, sha256 = load_factory(
        request.path,
        name,
        trust=table.trust,
        what=FUNCTION,
    )
    description = {"callable": sha256, "function": name, "interface": plain(interface)}
    part = source.test.take(np.arange(min(_TRIED_ROWS, len(source.test))))
    raw = {key: _in_memory(array) for key, array in code_inputs(part, interface.inputs, source.table).items()}
    return wrap_function(
        function,
        interface,
        Origin(
            name=table.name,
            format="callable",
            architecture=f"{request.path.name}:{name}",
            digest=digest_of(description),
            programs=(ProgramFacts(name=request.path.name, sha256=sha256, kind="callable"),),
        ),
        raw,
        lacking=lacking_numbers(interface.inputs, source),
        where=f"{request.path}:{name}",
    )


def wrap_function(
    function: Callable[..., Any],
    interface: Interface,
    origin: Origin,
    rows: Mapping[str, Any],
    *,
    lacking: tuple[str, ...] = (),
    where: str,
) -> ModelUnderTest:
    """A model under test around a function.

    Args:
        rows: A few raw rows by name, to try it with.
        lacking: Numbers of tables that the data lack somewhere; they reach it as missing.

    Raises:
        ModelError: It does not take the rows, gives other outputs than the task has, or depends on other rows.
    """
    network = BlackBoxNetwork(
        function_of_rows(function, interface.inputs),
        outputs=output_count(interface.task, interface.classes),
        where=where,
        logits=interface.output == "logit" if interface.task == "binary-classification" else None,
    )
    encoder = raw_encoder(interface.inputs, frozenset(feature.name for feature in table_features(interface.inputs)))
    limits = (*_limits(interface), *missing_kept(lacking))
    return wrap_black_box(network, interface, origin, encoder, rows, limits=limits, where=where)


def function_of_rows(function: Callable[..., Any], inputs: Mapping[str, ModelInput]) -> Callable[[Any], Any]:
    """The function, called with what the inputs are.

    A table is a pandas DataFrame of raw columns: numbers in float64, categories as text, NaN where missing. Images are
    float32 of shape `(rows, channels, height, width)` in their own unit, series float64 of shape `(rows, channels, steps)`
    with NaN where missing, texts token ids of shape `(rows, length)`, since masked texts have no other form. Several inputs
    come as a dictionary by name.
    """
    forms = {name: columns_form(item.features) for name, item in inputs.items() if isinstance(item, TableInput)}

    def taken(name: str, array: Any) -> Any:
        return forms[name].table(array.astype(np.float64)) if name in forms else array

    def called(given: Any) -> Any:
        if isinstance(given, Mapping):
            return function({name: taken(name, array) for name, array in given.items()})
        return function(taken(next(iter(inputs)), given))

    return called


def _limits(interface: Interface) -> tuple[Message, ...]:
    texts = [name for name, item in interface.inputs.items() if item.modality == "text"]
    return (Message(key="core.model_callable_tokens", values={"inputs": ", ".join(texts)}),) if texts else ()


def _in_memory(array: Any) -> Any:
    return array[np.arange(len(array))] if isinstance(array, StoredArray) else array
