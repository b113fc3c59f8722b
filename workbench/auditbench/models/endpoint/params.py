"""`model.parameters` of an endpoint, and what is wrong with them or the address. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from auditbench.config_base import Table
from auditbench.errors import ModelError, Problem
from auditbench.models.endpoint.address import Address, parse_address
from auditbench.models.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditbench.config import ModelTable

_Name = Annotated[str, Field(min_length=1, max_length=256)]


class EndpointParams(Table):
    """Parameters of `endpoint`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="Seconds for one try of a request, from connecting to the last byte of the answer."
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        5, description="How often a request is sent again where the connection fails or the server is busy."
    )
    longest_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        60.0, description="Longest wait between two tries; a server that asks for a longer one is given up."
    )
    requests_per_second: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None, description="Most requests a second, of all that this process sends to the server; no limit when absent."
    )
    rows_per_request: Annotated[int, Field(ge=1, le=65_536)] = Field(
        256, description="Rows of a request; the last of a batch may have fewer."
    )
    token_environment: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")] | None = Field(
        None, description="Environment variable that holds the credential; its value is never written."
    )
    token_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] = Field(
        "Authorization", description="Header that carries it: as `Bearer VALUE` in `Authorization`, else as it is."
    )
    allow_plain_http: bool = Field(
        False, description="Whether the credential may go over `http` to another machine, where anybody may read it."
    )
    ca_file: str | None = Field(
        None, description="Certificates (PEM) that the server's is checked against, relative to the audit's file."
    )
    input: Literal["encoded", "columns"] | None = Field(
        None,
        description="How a table is sent: `encoded`, one tensor of numbers (categories one-hot), or `columns`, one tensor a "
        "feature with its values as they are; by what the server describes when absent.",
    )
    names: Mapping[str, _Name] = Field(
        default_factory=dict,
        description="Tensor of an input or feature, by its name, where the server calls it otherwise.",
    )
    datatype: Literal["FP32", "FP64"] = Field(
        "FP32", description="Type of the numbers that are sent, where the server does not describe its inputs."
    )
    output: _Name | None = Field(
        None, description="Name of the output to take; needed where the server has several or describes none."
    )


def environment_of(tables: Iterable[ModelTable]) -> tuple[str, ...]:
    """Names of the variables that hold credentials of endpoints, which a worker must see."""
    found = (table.parameters.get("token_environment") for table in tables if FORMATS.get(table.format) == "endpoint")
    return tuple(name for name in found if isinstance(name, str))


def read_table(table: ModelTable, *, where: str = "model") -> tuple[Address, EndpointParams]:
    """Address and parameters of an endpoint.

    Args:
        where: Key path of the table.

    Raises:
        ModelError: With everything that is wrong with them.
    """
    address = parse_address(table.path, where=f"{where}.path")
    problems = [address] if isinstance(address, Problem) else []
    try:
        params = EndpointParams.model_validate(dict(table.parameters))
    except ValidationError as error:
        problems += _parameter_problems(error, f"{where}.parameters")
    else:
        if not isinstance(address, Problem):
            problems += _credential_problems(address, params, where)
            if not problems:
                return address, params
    raise ModelError("the endpoint cannot be used as it is described", problems=tuple(problems)) from None


def endpoint_problems(table: ModelTable, *, where: str = "model") -> tuple[Problem, ...]:
    """What is wrong with the table of an endpoint."""
    try:
        read_table(table, where=where)
    except ModelError as error:
        return error.problems
    return ()


def _parameter_problems(error: ValidationError, where: str) -> list[Problem]:
    """What pydantic found, without the values of keys that nobody knows: one of them may be a secret."""
    from auditbench.config_problems import problems_of

    found = problems_of(error, EndpointParams, where)
    secret = {"token", "token_environment", "token_header"}
    return [
        dataclasses.replace(problem, found="a value that is not shown")
        if problem.where.rpartition(".")[2] not in EndpointParams.model_fields
        or problem.where.rpartition(".")[2] in secret
        else problem
        for problem in found
    ]


def _credential_problems(address: Address, params: EndpointParams, where: str) -> Iterator[Problem]:
    plain = address.scheme == "http" and not address.is_this_machine
    if params.token_environment is not None and plain and not params.allow_plain_http:
        yield Problem(
            message="a credential over http to another machine can be read on the way",
            where=f"{where}.path",
            found=address.server,
            allowed="https, or a server on this machine",
            fix="use https; where the network is your own, set model.parameters.allow_plain_http = true",
        )
    if params.ca_file is not None and address.scheme == "http":
        yield Problem(
            message="over http there is no certificate to check",
            where=f"{where}.parameters.ca_file",
            found=address.server,
            fix="use https, or remove the key",
        )


def plain_parameters(params: EndpointParams) -> dict[str, Any]:
    """The parameters that decide what is sent and taken, as JSON types."""
    return params.model_dump(mode="json", include={"input", "names", "datatype", "output"})
