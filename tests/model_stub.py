"""A stand-in for a model's service on a loopback address, which can also be told to misbehave.

    with ModelStub(judge) as stub:
        stub.then(status(503), dripping(), cut_off())     # one for each request to come, then it behaves again
        ...
        assert stub.requests[0].payload["model"] == "rerank-2.5"

`judge` is the service: `voyage_stub.py` has Voyage's, `server_stubs.py` those of servers named by address. Their values
can be told by hand: a document is worth the share of the query's words that it holds, a vector counts words.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self

from vai.models.remote.http import Patience

Payload = dict[str, Any]


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
    code: int,
    detail: Any = "as told by the test",
    *,
    headers: Mapping[str, str] | None = None,
    body: Callable[[Any], Payload] = lambda detail: {"detail": detail},
) -> Behaviour:
    """An error with the service's body for it; without a detail, what a gateway sends."""
    content, kind = (
        (b"<html>gateway</html>", "text/html")
        if detail is None
        else (as_json(**body(detail)), "application/json")
    )
    return lambda _: Reply(code, content, {"Content-Type": kind, **(headers or {})})


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


# ── waiting without waiting ──────────────────────────────────────────────────────────────────────


class Waits:
    """Stands in for sleeping: remembers how long it should have taken."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Clock:
    """Tells the time that the test says it is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def set(self, now: float) -> Callable[[], None]:
        """What makes it that late when it is called."""
        return lambda: setattr(self, "now", now)


def unhurried(waits: Waits) -> Patience:
    """Waits are as long as their ceiling, and take no time."""
    return Patience(sleep=waits, jitter=lambda ceiling: ceiling)


# ── values that can be told by hand ──────────────────────────────────────────────────────────────


def words(text: str) -> list[str]:
    """Words in lower case; also what counts as tokens here."""
    return re.findall(r"\w+", text.lower())


def overlap(query: str, document: str) -> float:
    """Share of the query's different words that are in the document."""
    wanted = set(words(query))
    return len(wanted & set(words(document))) / len(wanted) if wanted else 0.0


def word_counts(text: str, dimension: int, *, salt: str = "") -> list[float]:
    """Each word adds 3 at a place of its own; the first place is 0.5, so that no vector is all zeros."""
    vector = [0.5] + [0.0] * (dimension - 1)
    for word in words(text):
        vector[1 + zlib.crc32(f"{salt}{word}".encode()) % (dimension - 1)] += 3.0
    return vector


def as_json(**content: Any) -> bytes:
    """The body of an answer."""
    return json.dumps(content).encode()


# ── the server ───────────────────────────────────────────────────────────────────────────────────


Judge = Callable[[Request, str | None], Reply]
"""A service: its answer to a request, given the key that it knows (None: it asks for none)."""


class ModelStub:
    """The server, in threads of its own from `with` to its end; records every request it gets."""

    def __init__(self, judge: Judge, key: str | None = None) -> None:
        self.key = key
        self.requests: list[Request] = []
        self.behaviours: deque[Behaviour] = deque()
        self.closing = threading.Event()
        self._judge = judge
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="model-stub")

    @property
    def address(self) -> str:
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def then(self, *behaviours: Behaviour) -> None:
        """How to answer the requests to come, in order; those after are answered faithfully."""
        self.behaviours.extend(behaviours)

    def reply(self, request: Request) -> Reply:
        """Record a request and decide on the answer."""
        self.requests.append(request)
        behaviour = self.behaviours.popleft() if self.behaviours else faithful
        return behaviour(self._judge(request, self.key))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class Serve(Protocol):
    """Starts a service; see the fixture of that name."""

    def __call__(self, judge: Judge, key: str | None = None) -> ModelStub: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, stub: ModelStub) -> None:
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
        for part in _parts(reply, head(reply, {"Date": self.date_time_string()})):
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


def head(reply: Reply, headers: Mapping[str, str]) -> bytes:
    """What comes before the body; the reply's own headers count before these."""
    given = {"Content-Length": str(len(reply.body)), **headers, **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def _parts(reply: Reply, beginning: bytes) -> list[bytes]:
    """The pieces that are written one after the other."""
    if reply.sent == -1:
        return []
    body = reply.body[: reply.sent]
    if not reply.drip_s:
        return [beginning + body]
    return [*(_bytes(beginning) if reply.drip_head else [beginning]), *_bytes(body)]


def _bytes(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]
