"""Requests to a server: what is tried again and when, what is given up, and that a credential is never repeated."""

from __future__ import annotations

import copy
import socket
import subprocess
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from urllib3.connection import HTTPConnection
from urllib3.util.connection import create_connection

from auditbench.errors import ModelError
from auditbench.models.endpoint import transport
from auditbench.models.endpoint.address import Address, parse_address
from auditbench.models.endpoint.client import Client
from auditbench.models.endpoint.credential import WITHHELD, Credential
from auditbench.models.endpoint.pace import asked_pause, pause
from auditbench.models.endpoint.params import EndpointParams
from auditbench.models.endpoint.protocol import read_outputs, request_body
from auditbench.models.endpoint.sent import sent_by_process
from tests.endpoint_models import Passed, small_network
from tests.inference_server import InferenceServer, serve_network

CREDENTIAL = "sk-live/Zq81+vTn03xWm77"
WITH_TOKEN = {"token_environment": "MODEL_TOKEN"}
WITH_KEY = {**WITH_TOKEN, "token_header": "X-Key"}
ROWS = [{"name": "rows", "shape": [2, 5], "datatype": "FP32", "data": [0.5] * 10}]


@pytest.fixture
def server() -> Iterator[InferenceServer]:
    with InferenceServer(serve_network(small_network(), 5)) as running:
        yield running


def client(server: InferenceServer, passed: Passed | None = None, **parameters: Any) -> Client:
    address = parse_address(server.url)
    assert isinstance(address, Address)
    return Client(address, EndpointParams.model_validate(parameters), base=Path(), clock=(passed or Passed()).clock())


def ask(one: Client) -> list[float]:
    identity, body = one.infer(lambda named: request_body(ROWS, None, named), rows=2, most=2**20)
    found = read_outputs(one, body, identity=identity, rows=2, output=None, most=2)
    return found.values.flatten().tolist()


def refused(one: Client) -> str:
    with pytest.raises(ModelError) as caught:
        ask(one)
    return caught.value.describe()


@pytest.mark.parametrize(
    ("faults", "slept"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["429"], [3.0], id="seconds"),
        pytest.param(["429-date"], [7.0], id="date"),
        pytest.param(["429-odd", "429-odd"], [0.5, 1.0], id="no-time-in-it"),
        pytest.param(["503", "500", "502-page"], [0.5, 1.0, 2.0], id="server-errors"),
        pytest.param(["drop", "drop-within"], [0.5, 1.0], id="dropped"),
        pytest.param(["no-http"], [0.5], id="no-http"),
        pytest.param(["429", "drop", "503"], [3.0, 1.0, 2.0], id="mixed"),
    ],
)
def test_what_may_pass_is_sent_again(server: InferenceServer, faults: Sequence[str], slept: list[float]) -> None:
    expected = ask(client(server))
    server.faults.extend(faults)
    passed = Passed()
    one = client(server, passed)
    assert ask(one) == expected
    assert passed.slept == slept
    assert [seen.fault for seen in server.inferences] == ["", *faults, ""]
    assert (one.sent.requests, one.sent.again, one.sent.rows) == (len(faults) + 1, len(faults), 2)
    assert len({seen.document["id"] for seen in server.inferences[1:]}) == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "said", "tries"),
    [
        pytest.param("503", "status 503", 3, id="busy"),
        pytest.param("drop", "the connection was dropped; 3 tries", 3, id="dropped"),
        pytest.param("drop-within", "the connection ended within the answer", 3, id="cut"),
        pytest.param("429-long", "86,400 seconds", 1, id="too-long-a-wait"),
        pytest.param("413", "rows_per_request, now 256; it is never changed by itself", 1, id="too-large"),
        pytest.param("400", "status 400 on purpose", 1, id="refused"),
        pytest.param("404", "no such model", 1, id="unknown"),
        pytest.param("redirect", "points to another address, which is not followed", 1, id="redirect"),
        pytest.param("page", "content type text/html", 1, id="page"),
        pytest.param("gzip", "application/json, gzip", 1, id="compressed"),
        pytest.param("huge", "an answer of 1099511627776 bytes", 1, id="announced-too-long"),
        pytest.param("endless", "an answer of more than 1,048,576 bytes", 1, id="endless"),
    ],
)
def test_what_is_given_up_says_why(server: InferenceServer, fault: str, said: str, tries: int) -> None:
    server.always = fault
    assert said in refused(client(server, retries=2))
    assert len(server.inferences) == tries


@pytest.mark.parametrize("fault", ["drip", "drip-head"])
def test_an_answer_that_only_drips_is_given_up(server: InferenceServer, fault: str) -> None:
    server.always = fault
    passed = Passed(step=1.0)  # each look at the clock is a second
    assert "no whole answer within 10 seconds; 1 try" in refused(client(server, passed, retries=0, timeout_seconds=10))


def test_silence_is_given_up(server: InferenceServer) -> None:
    server.always = "silence"
    assert "no whole answer within 0.1 seconds; 2 tries" in refused(client(server, retries=1, timeout_seconds=0.1))


def test_connecting_takes_of_the_time_of_a_try(server: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = Passed()

    def slowly(*args: Any, **named: Any) -> Any:
        passed.pass_by(11.0)
        return create_connection(*args, **named)

    monkeypatch.setattr(transport, "create_connection", slowly)
    assert "no whole answer within 10 seconds; 1 try" in refused(client(server, passed, retries=0, timeout_seconds=10))
    assert server.seen == []  # nothing was sent any more


def test_the_addresses_of_a_host_share_the_time_of_a_try(
    server: InferenceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, given = Passed(), []

    def silent(_: Any, seconds: float, **named: Any) -> Any:
        given.append(seconds)
        passed.pass_by(min(seconds, 6.0))
        raise TimeoutError

    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 80)) for number in (1, 2, 3)]
    monkeypatch.setattr(transport.socket, "getaddrinfo", lambda *_, **__: addresses)
    monkeypatch.setattr(transport, "create_connection", silent)
    assert "no whole answer within 10 seconds; 1 try" in refused(client(server, passed, retries=0, timeout_seconds=10))
    assert given == [10.0, 4.0]


def test_sending_takes_of_the_time_of_a_try(server: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, waits = Passed(), []

    def slowly(*args: Any, **named: Any) -> Any:
        made = create_connection(*args, **named)
        passed.pass_by(9.75)
        return made

    def sent(connection: Any, data: bytes) -> None:
        real(connection, data)
        waits.append(connection.sock.gettimeout())

    real = HTTPConnection.send
    monkeypatch.setattr(HTTPConnection, "send", sent)
    monkeypatch.setattr(transport, "create_connection", slowly)
    one = client(server, passed, timeout_seconds=10)
    assert len(ask(one)) == 2
    one.close()
    assert waits
    assert set(waits) == {0.25}


def test_nobody_listens() -> None:
    with InferenceServer(serve_network(small_network(), 5)) as gone:
        pass
    passed = Passed()
    assert "no connection; 4 tries" in refused(client(gone, passed, retries=3))
    assert passed.slept == [0.5, 1.0, 2.0]


def test_requests_never_come_closer_than_the_rate(server: InferenceServer) -> None:
    passed = Passed()
    one = client(server, passed, requests_per_second=4.0)
    for _ in range(3):
        ask(one)
    assert passed.slept == pytest.approx([0.25, 0.25])
    ask(client(server, passed, requests_per_second=4.0))  # another client of the same server has no bucket of its own
    assert passed.slept == pytest.approx([0.25, 0.25, 0.25])


def test_a_date_to_wait_for_is_by_the_clock_of_the_server(server: InferenceServer) -> None:
    server.faults.append("429-date")
    passed = Passed(date=1_795_165_200.0 - 3600)  # ours is an hour behind
    ask(client(server, passed))
    assert passed.slept == [7.0]


def test_waits_double_up_to_the_longest() -> None:
    assert [pause(tries, longest=5.0) for tries in range(1, 7)] == [0.5, 1, 2, 4, 5, 5]
    assert pause(10_000, longest=60.0) == 60.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), (" 12 ", 12.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
     ("", None), ("-3", None), ("1.5", None), ("²", None), ("Thu, 99 Jan", None), ("9" * 40, 999999999999.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert asked_pause(text, 10.0) == seconds


def test_the_credential_goes_into_its_header_and_nowhere_else(
    server: InferenceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_TOKEN", CREDENTIAL)
    server.token = CREDENTIAL
    one = client(server, **WITH_TOKEN)
    ask(one)
    assert server.inferences[0].headers["Authorization"] == f"Bearer {CREDENTIAL}"
    for text in (repr(one), repr(vars(one)), repr(one.credential), repr(one.__getstate__())):
        assert CREDENTIAL not in text
    other = client(server, **WITH_KEY)
    server.token = ""
    ask(other)
    assert server.inferences[-1].headers["X-Key"] == CREDENTIAL
    assert "Authorization" not in server.inferences[-1].headers


@pytest.mark.parametrize("fault", ["echo-401", "echo-500", "redirect"])
def test_a_credential_that_comes_back_is_not_shown(
    server: InferenceServer, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("MODEL_TOKEN", CREDENTIAL)
    server.always = fault
    one = client(server, **WITH_TOKEN, retries=1)
    with pytest.raises(ModelError) as caught:
        ask(one)
    said = "".join(traceback.format_exception(caught.value)) + caught.value.describe() + repr(caught.value.__dict__)
    assert not any(CREDENTIAL[start : start + 6].lower() in said.lower() for start in range(len(CREDENTIAL) - 5))
    assert WITHHELD in said


def test_a_redirect_takes_neither_rows_nor_credential_elsewhere(
    server: InferenceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_TOKEN", CREDENTIAL)
    with InferenceServer(serve_network(small_network(), 5)) as other:
        server.always, server.elsewhere = "redirect-away", other.url
        assert "points to another address, which is not followed" in refused(client(server, **WITH_TOKEN))
        assert other.seen == []


@pytest.mark.parametrize(
    "text",
    [CREDENTIAL, f"x{CREDENTIAL}x", CREDENTIAL.upper(), CREDENTIAL[4:12], CREDENTIAL[::-1], CREDENTIAL.encode().hex(), "sk-live%2FZq81%2BvTn03xWm77",
     CREDENTIAL.replace("/", "\\/"), "c2stbGl2ZS9acTgxK3ZUbjAzeFdtNzc=", "QmVhcmVyIHNrLWxpdmUvWnE4MSt2VG4wM3hXbTc3",
     "sk-l\nive/Zq\t81"],
)  # fmt: skip
def test_every_form_of_a_credential_is_withheld(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_TOKEN", CREDENTIAL)
    assert Credential(variable="MODEL_TOKEN").safe(f"said {text} here") == WITHHELD
    assert Credential(variable="MODEL_TOKEN").safe("the model is not ready") == "the model is not ready"
    assert Credential().safe(text) == " ".join(text.split())


@pytest.mark.parametrize("value", ["", "two words", "line\nend", "ключ", "a\x00b", "x" * 20_000])
def test_a_value_that_no_header_may_have_is_refused_unseen(
    server: InferenceServer, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    if "\x00" not in value:
        monkeypatch.setenv("MODEL_TOKEN", value)
    said = refused(client(server, **WITH_TOKEN))
    assert "the variable that holds the credential cannot be used" in said
    assert not value or value[:20] not in said
    assert server.seen == []


def test_proxies_of_the_environment_are_not_used(server: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    ask(client(server, retries=0))
    assert len(server.inferences) == 1


def test_a_connection_is_kept_and_copies_make_their_own(server: InferenceServer) -> None:
    one = client(server)
    first = ask(one)
    again = copy.copy(one)
    assert ask(again) == first
    assert again._transport is not one._transport
    assert (one.sent.requests, again.sent.requests) == (1, 1)


def test_no_two_requests_have_one_id(server: InferenceServer) -> None:
    """Else an answer to another client, or to an earlier run, could be taken for the answer to this request."""
    one, other = client(server), client(server)
    for each in (one, other, copy.copy(one), one):
        ask(each)
    assert len({seen.document["id"] for seen in server.inferences}) == 4


def test_the_sum_of_a_process_keeps_what_clients_sent_that_are_gone(server: InferenceServer) -> None:
    before = sent_by_process()
    server.faults.append("503")
    ask(client(server))
    ask(client(server))
    after = sent_by_process()
    counts = (after.requests - before.requests, after.again - before.again, after.rows - before.rows)
    assert counts == (3, 1, 4)
    assert len(server.inferences) == 3


def test_an_answer_of_no_length_is_read_to_its_end(server: InferenceServer) -> None:
    expected = ask(client(server))
    server.faults.append("odd-length")
    assert ask(client(server, retries=0)) == expected


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "cert"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    (folder / "both").write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return folder


def test_the_certificate_of_the_server_is_checked(certificate: Path) -> None:
    with InferenceServer(serve_network(small_network(), 5), certificate=certificate / "both") as secure:
        address = parse_address(secure.url)
        assert isinstance(address, Address)
        unknown = Client(address, EndpointParams(), base=certificate, clock=Passed().clock())
        said = f"the certificate of the server is refused: self-signed certificate; 1 try at {address.server}"
        assert said in refused(unknown)
        known = Client(address, EndpointParams(ca_file="cert"), base=certificate, clock=Passed().clock())
        assert len(ask(known)) == 2
        with pytest.raises(ModelError, match="the certificates cannot be read"):
            Client(address, EndpointParams(ca_file="none"), base=certificate)
