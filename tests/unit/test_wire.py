"""Messages between processes: whole or an error, never something in between."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.errors import AuditbenchError, MissingDependencyError, Problem, WorkerError, error_classes
from auditbench.wire import MAX_BYTES, Channel, encode, error_document, error_from

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture
def line() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield Channel(ours), theirs
    ours.close()
    theirs.close()


def received(content: bytes) -> dict[str, Any] | None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content)
        theirs.close()
        return Channel(ours).receive(1.0)


@given(content=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON))
def test_what_was_sent_arrives(content: dict[str, Any]) -> None:
    message = {**content, "kind": "event"}
    assert received(encode(message)) == message


@given(data=st.data())
def test_no_flipped_byte_goes_unseen(data: st.DataObject) -> None:
    frame = bytearray(encode({"kind": "answer", "value": "twelve"}))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((WorkerError, EOFError)):
        received(bytes(frame))


@pytest.mark.parametrize("length", [0, 1, 8, 39, 40, 45])
def test_a_part_of_a_message_is_none(length: int) -> None:
    with pytest.raises(EOFError):
        received(encode({"kind": "answer", "value": "twelve"})[:length])


def test_parts_are_joined_and_followers_kept(line: tuple[Channel, socket.socket]) -> None:
    channel, other = line
    frames = encode({"kind": "a"}) + encode({"kind": "b"})
    other.sendall(frames[:60])
    assert channel.receive(0) == {"kind": "a"}
    assert channel.receive(0) is None
    other.sendall(frames[60:])
    assert channel.receive(1.0) == {"kind": "b"}


def test_messages_longer_than_the_buffers_pass(line: tuple[Channel, socket.socket]) -> None:
    channel, other = line
    message = {"kind": "answer", "text": "x" * 3_000_000}
    sender = threading.Thread(target=Channel(other).send, args=(message,))
    sender.start()
    assert channel.receive(10.0) == message
    sender.join()


@pytest.mark.parametrize(
    "message",
    [{"kind": "a", "x": float("nan")}, {"kind": "a", "x": object()}, {"kind": "a", "x": {1, 2}}],
    ids=["nan", "object", "set"],
)
def test_what_json_has_no_word_for_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(WorkerError, match="JSON"):
        encode(message)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[1]", id="list"),
        pytest.param(b'{"no": "kind"}', id="no-kind"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"kind": "answer", "x": NaN}', id="nan"),
        pytest.param(b'{"kind": "answer", "x": -Infinity}', id="infinity"),
        pytest.param(b'{"kind": "answer", "x": 1e999}', id="overflow"),
        pytest.param(b'{"kind": "answer", "x": ' + b"9" * 5000 + b"}", id="digits"),
        pytest.param(b'{"kind": "answer", "kind": "event"}', id="key-twice"),
        pytest.param(b'{"kind": "answer", "x": [{"y": 1, "y": 1}]}', id="inner-key-twice"),
        pytest.param(b'{"kind": "answer", "x": "\\udc80"}', id="half-a-character"),
        pytest.param(b'{"kind": "answer", "x": "\xff"}', id="no-utf-8"),
        pytest.param(b'{"kind": 7}', id="kind-is-no-text"),
        pytest.param(b"", id="empty"),
    ],
)
def test_other_json_is_no_message(body: bytes) -> None:
    import hashlib

    with pytest.raises(WorkerError, match="no message"):
        received(len(body).to_bytes(8, "big") + hashlib.sha256(body).digest() + body)


def test_halves_of_characters_become_question_marks() -> None:
    assert received(encode({"kind": "a", "x": "1\udc802", "y": "\U0001f600"})) == {
        "kind": "a", "x": "1?2", "y": "\U0001f600",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"message": 7}, {"details": ["x"]}, {"code": ["AB100"]}, {"problems": None}, {"problems": [None]},
        {"problems": [{"message": None}]}, {"problems": [{"where": "w"}]}, {"problems": [{"message": "m", "own": "x"}]},
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_without_its_parts_is_refused(change: dict[str, Any]) -> None:
    document = {**error_document(WorkerError("head", found="f")), **change}
    with pytest.raises(WorkerError, match="without its parts"):
        error_from(document)


def test_a_length_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(WorkerError, match="no message"):
        received((MAX_BYTES + 1).to_bytes(8, "big") + bytes(32))


def test_nobody_listens(line: tuple[Channel, socket.socket]) -> None:
    channel, other = line
    other.close()
    with pytest.raises(WorkerError):
        channel.send({"kind": "a"})


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_error_travels(code: str) -> None:
    kind = error_classes()[code]
    problem = Problem(message="m", where="w", found="f", allowed="a", fix="x")
    error = kind.__new__(kind)
    AuditbenchError.__init__(error, "head", problems=(problem, problem))
    again = error_from(error_document(error))
    assert (type(again), again.args, again.problems) == (kind, ("head",), (problem, problem))


def test_an_error_with_its_own_constructor_travels() -> None:
    error = MissingDependencyError("keras", extra="keras", where="plugin keras")
    again = error_from(error_document(error))
    assert isinstance(again, MissingDependencyError)
    assert again.problems == error.problems
