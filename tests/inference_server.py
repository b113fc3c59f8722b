"""A server of the Open Inference Protocol v2 in this process, which computes with a real model and fails as it is told."""

from __future__ import annotations

import json
import math
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

TYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "INT32": np.int32, "BYTES": np.object_}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    document: Any
    fault: str = ""


@dataclass(kw_only=True)
class Served:
    """The model that is served.

    Attributes:
        predict: From arrays by name of the tensor to an array of shape `(rows, outputs)`.
    """

    predict: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    name: str = "tiny"
    version: str = "1"
    platform: str = "torch"


def serve_network(network: nn.Module, width: int, *, datatype: str = "FP32", outputs: int = 1) -> Served:
    """A torch network that takes one matrix of encoded rows."""

    def predict(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        (rows,) = tensors.values()
        with torch.inference_mode():
            return network(torch.from_numpy(rows)).numpy()

    return Served(
        predict=predict,
        inputs=[{"name": "rows", "datatype": datatype, "shape": [-1, width]}],
        outputs=[{"name": "scores", "datatype": datatype, "shape": [-1, outputs]}],
    )


class InferenceServer:
    """Runs in a thread of its own while the block lasts.

    Attributes:
        seen: Every request, in order.
        faults: What to do wrong with the next requests for outputs, by name; `""` stands for nothing.
        always: What to do wrong with all others.
        token: Credential that is asked for.
        elsewhere: Address that a redirect points to.
    """

    def __init__(
        self,
        served: Served,
        *,
        faults: Iterable[str] = (),
        always: str = "",
        token: str = "",
        certificate: Path | None = None,
    ) -> None:
        self.served = served
        self.seen: list[Seen] = []
        self.faults = deque(faults)
        self.always = always
        self.token = token
        self.elsewhere = ""
        self.ready = True
        self.released = threading.Event()
        self.lock = threading.Lock()
        self._secure = certificate is not None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        scheme = "https" if self._secure else "http"
        return f"{scheme}://127.0.0.1:{self.port}/v2/models/{self.served.name}"

    @property
    def inferences(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith("/infer")]

    def __enter__(self) -> InferenceServer:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: InferenceServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # head and body are written one after the other

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Always the same, so that what a `Retry-After` comes to is."""
        return "Fri, 20 Nov 2026 09:00:00 GMT"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def _answer(self, document: Any) -> None:
        infer = self.path.endswith("/infer")
        with self.owner.lock:
            fault = (self.owner.faults.popleft() if self.owner.faults else self.owner.always) if infer else ""
            self.owner.seen.append(
                Seen(method=self.command, path=self.path, headers=dict(self.headers), document=document, fault=fault)
            )
        if self.owner.token and self.headers.get("Authorization") != f"Bearer {self.owner.token}":
            self.give(401, {"error": f"not {self.headers.get('Authorization')}"})
        elif not infer:
            self._describe()
        else:
            FAULTS[fault](self, outputs_of(self.owner.served, document))

    def _describe(self) -> None:
        served = self.owner.served
        model = f"/v2/models/{served.name}"
        if self.path.removesuffix("/ready") not in (model, f"{model}/versions/{served.version}"):
            self.give(404, {"error": "Model not found"})
        elif self.path.endswith("/ready"):
            self.give(200 if self.owner.ready else 503, {})
        else:
            self.give(
                200,
                {
                    "name": served.name,
                    "versions": [served.version],
                    "platform": served.platform,
                    "inputs": served.inputs,
                    "outputs": served.outputs,
                },
            )

    def give(self, status: int, document: Any, **headers: str) -> None:
        self.give_bytes(status, json.dumps(document).encode(), **headers)

    def give_bytes(self, status: int, content: bytes, *, length: int | str | None = None, **headers: str) -> None:
        headers = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def wait(self) -> None:
        """Say nothing until the test is over."""
        self.owner.released.wait(30)
        self.close_connection = True

    def token_seen(self) -> str:
        return self.headers.get("Authorization", "")


def outputs_of(served: Served, document: Any) -> dict[str, Any]:
    """The answer of an honest server."""
    tensors = {}
    for tensor in document["inputs"]:
        assert len(tensor["data"]) == math.prod(tensor["shape"]), tensor["name"]
        tensors[tensor["name"]] = np.array(tensor["data"], dtype=TYPES[tensor["datatype"]]).reshape(tensor["shape"])
    scores = served.predict(tensors)
    output = served.outputs[0] if served.outputs else {"name": "scores", "datatype": "FP64"}
    return {
        "model_name": served.name,
        "model_version": served.version,
        "id": document["id"],
        "outputs": [
            {
                "name": output["name"],
                "datatype": output["datatype"],
                "shape": list(scores.shape),
                "data": scores.astype(np.float64).flatten().tolist(),
            }
        ],
    }


def _changed(**changes: Any) -> Callable[[Any, dict[str, Any]], None]:
    return lambda handler, answer: handler.give(200, {**answer, **changes})


def _other_output(change: Callable[[dict[str, Any]], None]) -> Callable[[Any, dict[str, Any]], None]:
    def give(handler: Any, answer: dict[str, Any]) -> None:
        change(answer["outputs"][0])
        handler.give(200, answer)

    return give


def _drop(handler: Any, _: Any) -> None:
    handler.close_connection = True


def _drop_within(handler: Any, answer: Any) -> None:
    content = json.dumps(answer).encode()
    handler.give_bytes(200, content[: len(content) // 2], length=len(content))
    handler.close_connection = True


def _odd_length(handler: Any, answer: Any) -> None:
    """A length that Python takes for a digit and for no number."""
    handler.give_bytes(200, json.dumps(answer).encode(), length="\N{SUPERSCRIPT TWO}")
    handler.close_connection = True


def _drip(handler: Any, _: Any) -> None:
    """A byte now and then, for as long as somebody listens."""
    handler.give_bytes(200, b"", length=900_000)
    with suppress(OSError):
        for _number in range(900_000):
            handler.wfile.write(b" ")
            time.sleep(0.001)
    handler.close_connection = True


def _drip_head(handler: Any, _: Any) -> None:
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _number in range(60_000):
            handler.wfile.write(b"x")
            time.sleep(0.001)
    handler.close_connection = True


def _endless(handler: Any, _: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    part = b" " * 65_536
    with suppress(OSError):
        while True:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))


def _status(status: int, **headers: str) -> Callable[[Any, Any], None]:
    return lambda handler, _: handler.give(status, {"error": f"status {status} on purpose"}, **headers)


def _page(status: int) -> Callable[[Any, Any], None]:
    page = b"<!DOCTYPE html><html><body>no model here</body></html>"
    return lambda handler, _: handler.give_bytes(status, page, Content_Type="text/html")


def _echo(status: int) -> Callable[[Any, Any], None]:
    """The credential in the body, in a header and where a redirect points to."""

    def give(handler: Any, _: Any) -> None:
        token = handler.token_seen()
        host = "http://127.0.0.1:9" if status < 400 else ""
        handler.give(
            status, {"error": f"refused: {token}", "part": token[7:19]}, X_Token=token, Location=f"{host}/?{token[7:]}"
        )

    return give


FAULTS: Mapping[str, Callable[[Any, dict[str, Any]], None]] = {
    "": lambda handler, answer: handler.give(200, answer),
    "429": _status(429, Retry_After="3"),
    "429-date": _status(429, Retry_After="Fri, 20 Nov 2026 09:00:07 GMT"),
    "429-long": _status(429, Retry_After="86400"),
    "429-odd": _status(429, Retry_After="soon"),
    "500": _status(500),
    "502-page": _page(502),
    "503": _status(503),
    "413": _status(413),
    "400": _status(400),
    "404": _status(404),
    "page": _page(200),
    "drop": _drop,
    "drop-within": _drop_within,
    "drip": _drip,
    "drip-head": _drip_head,
    "silence": lambda handler, _: handler.wait(),
    "endless": _endless,
    "huge": lambda handler, answer: handler.give_bytes(200, json.dumps(answer).encode(), length=2**40),
    "odd-length": _odd_length,
    "no-http": lambda handler, _: handler.wfile.write(b"hello\r\n\r\n") and _drop(handler, _),
    "cut-json": lambda handler, answer: handler.give_bytes(200, json.dumps(answer).encode()[:-9]),
    "twice": lambda handler, answer: handler.give_bytes(200, b'{"id":"x",' + json.dumps(answer).encode()[1:]),
    "list": lambda handler, _: handler.give(200, []),
    "gzip": lambda handler, answer: handler.give(200, answer, Content_Encoding="gzip"),
    "other-id": _changed(id="auditbench-0"),
    "no-id": _changed(id=None),
    "other-model": _changed(model_name="huge"),
    "other-version": _changed(model_version="2"),
    "no-outputs": _changed(outputs=[]),
    "odd-outputs": _changed(outputs="none"),
    "other-output": _other_output(lambda output: output.update(name="labels")),
    "labels": _other_output(lambda output: output.update(datatype="INT64")),
    "texts": _other_output(lambda output: output.update(data=[str(one) for one in output["data"]])),
    "truths": _other_output(lambda output: output.update(data=[True for _ in output["data"]])),
    "null": _other_output(lambda output: output["data"].__setitem__(0, None)),
    "long-number": _other_output(lambda output: output["data"].__setitem__(0, 10**30)),
    "nan": _other_output(lambda output: output["data"].__setitem__(0, math.nan)),
    "overflow": _other_output(lambda output: output["data"].__setitem__(0, 1e300)),
    "fewer-rows": _other_output(lambda output: output.update(shape=[output["shape"][0] - 1, *output["shape"][1:]])),
    "more-rows": _other_output(
        lambda output: output.update(shape=[output["shape"][0] + 1, *output["shape"][1:]], data=[*output["data"], 0.5])
    ),
    "fewer-values": _other_output(lambda output: output["data"].pop()),
    "wide": _other_output(lambda output: output.update(shape=[output["shape"][0], 9], data=output["data"] * 9)),
    "deep": _other_output(lambda output: output.update(shape=[1, *output["shape"]])),
    "no-shape": _other_output(lambda output: output.pop("shape")),
    "echo-401": _echo(401),
    "echo-500": _echo(500),
    "redirect": _echo(307),
    "redirect-away": lambda handler, _: handler.give(308, {}, Location=f"{handler.owner.elsewhere}/infer"),
    "echo-version": lambda handler, answer: handler.give(200, {**answer, "model_version": handler.token_seen()}),
}
