"""Addresses and settings of endpoints: what is refused before anything is sent, and that no secret is repeated."""

from __future__ import annotations

from typing import Any

import pytest

from auditbench.cli.model_profile import profile_address
from auditbench.config import ModelTable
from auditbench.errors import ModelError, Problem
from auditbench.models.endpoint.address import Address, parse_address
from auditbench.models.endpoint.params import endpoint_problems, environment_of

HIDDEN = "hunter2hunter2"
WITH_TOKEN = {"token_environment": "TOKEN"}


def table(path: str = "https://models.example/v2/models/tiny", **parameters: Any) -> ModelTable:
    return ModelTable(format="endpoint", path=path, task="regression", output="value", parameters=parameters)


def told(problems: tuple[Problem, ...]) -> str:
    return "\n".join(line for problem in problems for line in problem.lines())


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "model", "version"),
    [
        ("http://127.0.0.1:8080/v2/models/tiny", "127.0.0.1", 8080, "/v2/models/tiny", "tiny", ""),
        ("https://a.example/v2/models/tiny/versions/3/", "a.example", 443, "/v2/models/tiny/versions/3", "tiny", "3"),
        ("http://[::1]/v2/models/t-1.x", "::1", 80, "/v2/models/t-1.x", "t-1.x", ""),
        ("https://a.example/seldon/ns/v2/models/t", "a.example", 443, "/seldon/ns/v2/models/t", "t", ""),
    ],
)
def test_parts_of_an_address(text: str, host: str, port: int, path: str, model: str, version: str) -> None:
    found = parse_address(text)
    assert isinstance(found, Address)
    assert (found.host, found.port, found.path, found.model, found.version) == (host, port, path, model, version)


@pytest.mark.parametrize(
    "text",
    ["model", "ftp://a/v2/models/t", "http:///v2/models/t", "http://a/v1/models/t", "http://a/v2/models/", "http://a/",
     "http://a/v2/models/t/infer", "http://a:x/v2/models/t", "http://a:99999/v2/models/t", "http://a b/v2/models/t",
     "http://a/v2/models/t/versions/", "http://a/../v2/models/t/..", "http://a\n/v2/models/../x", "http://[::1/v2/models/t",
     "http://a:0/v2/models/t", "http://a..b/v2/models/t", "http://a\n/v2/models/t", " http://a/v2/models/t", "http://a/v2/mo\tdels/t",
     "http://a/v2/models/t\u200b", f"http://{'a' * 64}/v2/models/t", f"http://{'a.' * 127}/v2/models/t"],
)  # fmt: skip
def test_what_is_no_address_of_a_model(text: str) -> None:
    (problem,) = endpoint_problems(table(text))
    assert problem.where == "model.path"
    assert problem.allowed == "http(s)://host[:port]/v2/models/NAME[/versions/VERSION]"


@pytest.mark.parametrize(
    "text",
    [f"https://me:{HIDDEN}@a.example/v2/models/t", f"https://{HIDDEN}@a.example/v2/models/t",
     f"https://a.example/v2/models/t?key={HIDDEN}", f"https://a.example/v2/models/t#{HIDDEN}"],
)  # fmt: skip
def test_an_address_with_a_secret_is_refused_without_it(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        profile_address(text)
    for said in (told(endpoint_problems(table(text))), caught.value.describe()):
        assert "an address holds no" in said
        assert HIDDEN not in said


@pytest.mark.parametrize(
    "parameters",
    [{"token": HIDDEN}, {"headers": {"Authorization": HIDDEN}}, {"password": HIDDEN}, {"token_environment": f"{HIDDEN}-1"},
     {"token_environment": [HIDDEN]}, {"token_header": f"X: {HIDDEN}"}],
)  # fmt: skip
def test_a_secret_in_the_settings_is_refused_without_it(parameters: dict[str, Any]) -> None:
    said = told(endpoint_problems(table(**parameters)))
    assert "model.parameters." in said
    assert "a value that is not shown" in said
    assert HIDDEN not in said


@pytest.mark.parametrize(
    ("parameters", "where"),
    [({"retries": -1}, "retries"), ({"timeout_seconds": 0.0}, "timeout_seconds"), ({"rows_per_request": 0}, "rows_per_request"),
     ({"requests_per_second": 0.0}, "requests_per_second"), ({"input": "raw"}, "input"), ({"retrys": 3}, "retrys"),
     ({"retries": True}, "retries"), ({"names": {"a": ""}}, "names.a")],
)  # fmt: skip
def test_settings_that_are_none(parameters: dict[str, Any], where: str) -> None:
    (problem,) = endpoint_problems(table(**parameters))
    assert problem.where == f"model.parameters.{where}"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("127.8.8.8", True), ("10.0.0.1", False), ("a.example", False),
     ("127.0.0.1.a.example", False), ("localhost.a.example", False), ("0.0.0.1", False), ("127.1", False)],
)  # fmt: skip
def test_a_credential_over_http_stays_on_this_machine(host: str, allowed: bool) -> None:
    address = f"http://{host}/v2/models/t"
    said = told(endpoint_problems(table(address, **WITH_TOKEN)))
    assert ("can be read on the way" in said) is not allowed
    assert endpoint_problems(table(address)) == ()
    assert endpoint_problems(table(address, **WITH_TOKEN, allow_plain_http=True)) == ()
    assert endpoint_problems(table(address.replace("http:", "https:"), **WITH_TOKEN)) == ()


def test_workers_see_the_variables_of_endpoints_alone() -> None:
    other = ModelTable(task="regression", parameters={"token_environment": "OTHER"}, format="state-dict")
    assert environment_of([table(**WITH_TOKEN), other, table()]) == ("TOKEN",)
