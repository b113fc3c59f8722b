"""A server of the Open Inference Protocol v2 for one model: gradient-boosted trees of scikit-learn on the Adult data.

    INCOME_TOKEN=... python serve.py [PORT]

It fits the model to the training rows that come with Auditbench, which takes seconds, and then answers. It stands for the
server of somebody else: KServe, Triton, Seldon and MLServer speak the same protocol.
"""

from __future__ import annotations

import hmac
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

NAME, VERSION = "income", "1"
MODEL = f"/v2/models/{NAME}"
NUMBERS = ("age", "education_num", "capital_gain", "capital_loss", "hours_per_week")
CATEGORIES = ("workclass", "marital_status", "occupation", "relationship", "race", "sex", "native_country")
MOST_BYTES = 16 * 2**20


class IncomeModel:
    """Probability of an income above 50,000 dollars, from the columns of the data."""

    def __init__(self) -> None:
        with files("auditbench.data").joinpath("adult.parquet").open("rb") as file:
            rows = pd.read_parquet(file)
        rows = rows[rows["split"] == "train"]
        texts = rows[list(CATEGORIES)].astype("object").fillna("").astype(str)
        self._levels = {name: sorted(set(texts[name]) | {""}) for name in CATEGORIES}
        columns = {name: rows[name].to_list() for name in NUMBERS} | {
            name: texts[name].to_list() for name in CATEGORIES
        }
        self._trees = HistGradientBoostingClassifier(max_iter=150, categorical_features="from_dtype", random_state=0)
        self._trees.fit(self._frame(columns), rows["income"] == ">50K")

    def predict(self, columns: dict[str, list[Any]]) -> list[float]:
        """One probability a row."""
        scores: list[float] = self._trees.predict_proba(self._frame(columns))[:, 1].tolist()
        return scores

    def _frame(self, columns: dict[str, list[Any]]) -> pd.DataFrame:
        frame = {name: pd.Series(columns[name], dtype="float64") for name in NUMBERS}
        frame |= {name: pd.Categorical(columns[name], categories=self._levels[name]) for name in CATEGORIES}
        return pd.DataFrame(frame)


def description() -> dict[str, Any]:
    """What the server says of the model."""
    return {
        "name": NAME,
        "versions": [VERSION],
        "platform": "scikit-learn",
        "inputs": [
            *({"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in NUMBERS),
            *({"name": name, "datatype": "BYTES", "shape": [-1, 1]} for name in CATEGORIES),
        ],
        "outputs": [{"name": "probability", "datatype": "FP64", "shape": [-1, 1]}],
    }


def answer(model: IncomeModel, request: dict[str, Any]) -> dict[str, Any]:
    """The outputs that a request asks for.

    Raises:
        KeyError: It lacks a tensor.
        ValueError: Its tensors are of different lengths or hold other values.
    """
    columns = {tensor["name"]: tensor["data"] for tensor in request["inputs"]}
    scores = model.predict({name: columns[name] for name in (*NUMBERS, *CATEGORIES)})
    output = {"name": "probability", "datatype": "FP64", "shape": [len(scores), 1], "data": scores}
    return {"model_name": NAME, "model_version": VERSION, "id": request.get("id", ""), "outputs": [output]}


class Handler(BaseHTTPRequestHandler):
    """What answers the requests of one connection."""

    model: IncomeModel
    token: str
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Describe the model."""
        self._give(*self._page(), close=False)

    def do_POST(self) -> None:
        """Compute its outputs."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            self._give(413, {"error": f"at most {MOST_BYTES} bytes"}, close=True)
            return
        body = self.rfile.read(int(length))
        status, document = self._page() if self.path != f"{MODEL}/infer" else self._outputs(body)
        self._give(status, document, close=False)

    def log_message(self, *_: object) -> None:
        """Keep the terminal to the audit."""

    def _page(self) -> tuple[int, dict[str, Any]]:
        pages: dict[str, dict[str, Any]] = {MODEL: description(), f"{MODEL}/ready": {}, "/v2/health/ready": {}}
        if not self._known():
            return 401, {"error": "a token is needed"}
        return (200, pages[self.path]) if self.path in pages else (404, {"error": "there is no such page"})

    def _outputs(self, body: bytes) -> tuple[int, dict[str, Any]]:
        if not self._known():
            return 401, {"error": "a token is needed"}
        try:
            return 200, answer(self.model, json.loads(body))
        except (KeyError, TypeError, ValueError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"[:200]}

    def _known(self) -> bool:
        return hmac.compare_digest(self.headers.get("Authorization", "").encode(), f"Bearer {self.token}".encode())

    def _give(self, status: int, document: dict[str, Any], *, close: bool) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Fit the model, then answer until the process ends."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8310
    known = {"model": IncomeModel(), "token": os.environ["INCOME_TOKEN"]}
    with ThreadingHTTPServer(("127.0.0.1", port), type("IncomeHandler", (Handler,), known)) as server:
        print(f"{NAME} is served at http://127.0.0.1:{server.server_port}{MODEL}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
