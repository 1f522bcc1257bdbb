"""A stand-in for Voyage's `POST /rerank` on a loopback address, which can also be told to misbehave.

    with VoyageStub() as stub:
        stub.then(status(503), dripping(), cut_off())     # one for each request to come, then it behaves again
        ...                                               # VOYAGE_BASE_URL=stub.base_url, VOYAGE_API_KEY=stub.key
        assert stub.requests[0].payload["model"] == "rerank-2.5"

A document's relevance is the share of the query's words that it holds, so that orders can be told by hand.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Payload = dict[str, Any]

MODELS = {
    "rerank-2": (4_000, 16_000),
    "rerank-2-lite": (2_000, 8_000),
    "rerank-2.5": (8_000, 32_000),
    "rerank-2.5-lite": (8_000, 32_000),
    "rerank-3": (8_000, 32_000),
    "rerank-3-lite": (8_000, 32_000),
}
"""Query tokens, and tokens of the query with one document."""
TOTAL_TOKENS = 600_000
DOCUMENTS = 1_000
_FIELDS = {
    "query": str,
    "documents": list,
    "model": str,
    "top_k": int | None,
    "truncation": bool,
    "return_documents": bool,
}
_INVALID = (
    "The request body is not valid JSON, or some arguments were not specified properly. In particular, "
)


@dataclass(frozen=True)
class Request:
    """What came from a client's port; `payload` is empty where the body was not a JSON object."""

    client: int
    method: str
    path: str
    headers: Mapping[str, str]
    payload: Payload


@dataclass(frozen=True)
class Reply:
    """What goes back, and how.

    Args:
        sent: how much of the body is sent though all of it is announced (None: all of it, -1: not even a head);
            where that is less the connection ends, or stays open and silent with `stall`.
        drip_s: each byte of the body comes that long after the last, and of the head too with `drip_head`.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    sent: int | None = None
    stall: bool = False
    drip_s: float = 0.0
    drip_head: bool = False


Behaviour = Callable[[Reply], Reply]
"""Turns the faithful reply into the one to send."""


# ── behaviours ───────────────────────────────────────────────────────────────────────────────────


def faithful(reply: Reply) -> Reply:
    """As the service would answer."""
    return reply


def status(
    code: int, detail: str | None = "as told by the test", *, headers: Mapping[str, str] | None = None
) -> Behaviour:
    """An error with the service's body for it; without a detail, what a gateway sends."""
    body, kind = (
        (b"<html>gateway</html>", "text/html")
        if detail is None
        else (_json(detail=detail), "application/json")
    )
    return lambda _: Reply(code, body, {"Content-Type": kind, **(headers or {})})


def edited(edit: Callable[[Payload], object]) -> Behaviour:
    """A good answer after `edit` has changed it in place."""

    def change(reply: Reply) -> Reply:
        answer = json.loads(reply.body)
        edit(answer)
        return replace(reply, body=json.dumps(answer).encode())

    return change


def raw(body: bytes, content_type: str | None = "application/json") -> Behaviour:
    """Any bytes with status 200."""
    return lambda _: Reply(200, body, {} if content_type is None else {"Content-Type": content_type})


def cut_off(sent: int = 20) -> Behaviour:
    """The connection ends in the middle of the body."""
    return lambda reply: replace(reply, sent=sent)


def silent() -> Behaviour:
    """The connection stays open and nothing comes."""
    return lambda reply: replace(reply, sent=-1, stall=True)


def stalling(sent: int = 20) -> Behaviour:
    """The head and the beginning of the body come, and then nothing."""
    return lambda reply: replace(reply, sent=sent, stall=True)


def dripping(every_s: float = 0.02, *, head: bool = False) -> Behaviour:
    """The body, or the head already, comes a byte at a time."""
    return lambda reply: replace(reply, drip_s=every_s, drip_head=head)


def hung_up() -> Behaviour:
    """The connection ends before anything comes."""
    return lambda reply: replace(reply, sent=-1)


def first(action: Callable[[], object], behaviour: Behaviour = faithful) -> Behaviour:
    """`behaviour`, after the test has done something in between."""

    def act(reply: Reply) -> Reply:
        action()
        return behaviour(reply)

    return act


# ── the service ──────────────────────────────────────────────────────────────────────────────────


def words(text: str) -> list[str]:
    """Words in lower case; also what counts as tokens here."""
    return re.findall(r"\w+", text.lower())


def overlap(query: str, document: str) -> float:
    """Share of the query's different words that are in the document."""
    wanted = set(words(query))
    return len(wanted & set(words(document))) / len(wanted) if wanted else 0.0


def judge(request: Request, key: str) -> Reply:
    """The service's answer to a request: relevances, or the error that the contract has for it."""
    authorization = request.headers.get("authorization", "")
    if request.path != "/v1/rerank":
        return _error(404, "Not Found")
    if request.method != "POST":
        return _error(405, "Method Not Allowed")
    if authorization.startswith("Bearer al-"):
        return _error(403, "This key is for https://ai.mongodb.com/v1.")
    if authorization != f"Bearer {key}":
        return _error(401, "Provided API key is invalid.")
    fault = _fault(request.payload)
    return _error(400, fault) if fault else Reply(200, _json(**_rerank(request.payload)))


def _fault(payload: Payload) -> str:
    """What the service would refuse, "" if nothing."""
    if not payload:
        return _INVALID + "Invalid JSON"
    for name in payload:
        if name not in _FIELDS:
            return f"{_INVALID}Argument '{name}' is not supported by our API"
    for name in ("query", "documents", "model"):
        if name not in payload:
            return f"{_INVALID}Missing argument '{name}'"
    for name, value in payload.items():
        if not isinstance(value, _FIELDS[name]) or (name == "top_k" and value is True):
            return f"{_INVALID}Value '{value!r:.40}' supplied for argument '{name}' is not valid"
    if payload["model"] not in MODELS:
        return f"Model {payload['model']} is not supported. Supported models are {sorted(MODELS)}."
    return _fault_in_texts(payload)


def _fault_in_texts(payload: Payload) -> str:
    documents, query = payload["documents"], payload["query"]
    if not query or not documents:
        return f"{_INVALID}Value error, Cannot be empty list or empty string"
    if not all(isinstance(document, str) and document for document in documents):
        return f"{_INVALID}Error for argument 'documents': Value error, Input cannot contain empty strings"
    if len(documents) > DOCUMENTS:
        return f"{_INVALID}the number of documents, {len(documents)}, is above {DOCUMENTS}"
    query_tokens, pairs = _token_counts(payload)
    query_limit, pair_limit = MODELS[payload["model"]]
    too_long = query_tokens > query_limit or max(pairs) > pair_limit
    if too_long and not payload.get("truncation", True):
        return f"{_INVALID}the query or a document is too long for {payload['model']}"
    if _tokens_read(payload) > TOTAL_TOKENS:
        return f"{_INVALID}the total number of tokens is above {TOTAL_TOKENS}"
    return ""


def _token_counts(payload: Payload) -> tuple[int, list[int]]:
    query_tokens = len(words(payload["query"]))
    return query_tokens, [query_tokens + len(words(document)) for document in payload["documents"]]


def _tokens_read(payload: Payload) -> int:
    return sum(min(pair, MODELS[payload["model"]][1]) for pair in _token_counts(payload)[1])


def _rerank(payload: Payload) -> Payload:
    documents: Sequence[str] = payload["documents"]
    data: list[Payload] = [
        {"object": "rerank", "index": index, "relevance_score": overlap(payload["query"], document)}
        for index, document in enumerate(documents)
    ]
    if payload.get("return_documents"):
        data = [{**result, "document": documents[result["index"]]} for result in data]
    data.sort(key=lambda result: -result["relevance_score"])
    return {
        "object": "list",
        "data": data[: payload.get("top_k")],
        "model": payload["model"],
        "usage": {"total_tokens": _tokens_read(payload)},
    }


def _error(code: int, detail: str) -> Reply:
    return Reply(code, _json(detail=detail))


def _json(**content: Any) -> bytes:
    return json.dumps(content).encode()


# ── the server ───────────────────────────────────────────────────────────────────────────────────


class VoyageStub:
    """The server, in threads of its own from `with` to its end; records every request it gets."""

    def __init__(self, key: str = "pa-stub-key") -> None:
        self.key = key
        self.requests: list[Request] = []
        self.behaviours: deque[Behaviour] = deque()
        self.closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="voyage-stub")

    @property
    def base_url(self) -> str:
        """What VOYAGE_BASE_URL has to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send `vai` here."""
        return {"VOYAGE_API_KEY": self.key, "VOYAGE_BASE_URL": self.base_url}

    def then(self, *behaviours: Behaviour) -> None:
        """How to answer the requests to come, in order; those after are answered faithfully."""
        self.behaviours.extend(behaviours)

    def reply(self, request: Request) -> Reply:
        """Record a request and decide on the answer."""
        self.requests.append(request)
        behaviour = self.behaviours.popleft() if self.behaviours else faithful
        return behaviour(judge(request, self.key))

    def __enter__(self) -> VoyageStub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, stub: VoyageStub) -> None:
        self.stub = stub
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Wake the threads that wait for another request on a connection that a client keeps."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as the service's are
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.client_address[1], self.command, self.path, headers, _object(body))
        reply = self.server.stub.reply(request)
        with suppress(ConnectionError):  # the client may have lost patience
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        headers = {"Date": self.date_time_string(), "Content-Length": str(len(reply.body)), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
        for part in _parts(reply, head):
            self.wfile.write(part)
            if reply.drip_s and self.server.stub.closing.wait(reply.drip_s):
                break
        if reply.stall:
            self.server.stub.closing.wait()
        if reply.sent is not None:
            self.close_connection = True


def _object(body: bytes) -> Payload:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _parts(reply: Reply, head: bytes) -> list[bytes]:
    """The pieces that are written one after the other."""
    if reply.sent == -1:
        return []
    body = reply.body[: reply.sent]
    if not reply.drip_s:
        return [head + body]
    return [*(_bytes(head) if reply.drip_head else [head]), *_bytes(body)]


def _bytes(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]
