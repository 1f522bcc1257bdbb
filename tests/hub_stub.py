"""A stand-in for the Hugging Face hub on a loopback address; `model_stub.py` says how to make it misbehave.

    with HubStub() as hub:
        commit = hub.put("owner/name", {"config.json": b"{}", "onnx/model.onnx": b"..."})
        hub.then("model.onnx", status(503), cut_off(2))    # for requests whose path ends so; then it behaves again
        ...                                                # HF_ENDPOINT=hub.endpoint
        assert hub.requests[0].path == "/api/models/owner/name/revision/main?blobs=true"

What it answers is what the library was seen to ask for: `GET /api/models/<repository>/revision/<revision>`,
`HEAD` and `GET /<repository>/resolve/<commit>/<file>`. As on the hub, small files are redirected to a path of the same
host, and large ones (`LARGE` bytes and more) to another host, which must never be sent the user's token; metadata of
gated models is public and their files are not; a private model is not there for who may not see it. What is missing is
the hub's own protocol for large files (Xet).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest

from model_stub import Behaviour, Reply, head

LARGE = 4_096
"""Bytes from which a file lies on the other host."""


@dataclass(frozen=True)
class Request:
    """What a client asked; `host` is "hub" or "storage"."""

    host: str
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Repository:
    """A model: its commits, and what its branches and tags point at."""

    card: Mapping[str, Any]
    gated: bool
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)


def status(code: int, message: str = "", *, headers: Mapping[str, str] | None = None) -> Behaviour:
    """An error as the hub sends it."""
    body = json.dumps({"error": message}).encode() if message else b""
    return lambda _: Reply(code, body, {"Content-Type": "application/json", **(headers or {})})


def hub_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Where models of the hub are kept: nothing of the outer environment, and nothing fetched yet."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_", "XDG_CACHE")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    # The library read these when it was imported, in the environment of whoever runs the tests.
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))
    return folder / "hf"


@contextmanager
def hub_in_use(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    """The hub, where the library looks for it."""
    with HubStub() as stub:
        monkeypatch.setenv("HF_ENDPOINT", stub.endpoint)
        yield stub
        huggingface_hub.close_session()


# ── the service ──────────────────────────────────────────────────────────────────────────────────


class HubStub:
    """The servers, in threads of their own from `with` to its end; records every request they get."""

    def __init__(self, token: str = "hf_stubtoken0123456789") -> None:
        self.token = token
        self.requests: list[Request] = []
        self.repositories: dict[str, Repository] = {}
        self.closing = threading.Event()
        self._behaviours: defaultdict[str, deque[Behaviour]] = defaultdict(deque)
        self._servers = {host: _Server(self, host) for host in ("hub", "storage")}
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.01,), name=f"{host}-stub")
            for host, server in self._servers.items()
        ]

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT has to be."""
        return self.address("hub")

    def address(self, host: str) -> str:
        """Where one of the two hosts is."""
        return f"http://127.0.0.1:{self._servers[host].server_address[1]}"

    def put(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        branch: str = "main",
        card: Mapping[str, Any] | None = None,
        gated: bool = False,
        private: bool = False,
    ) -> str:
        """Commit all files of a model to a branch; returns the commit."""
        repository = self.repositories.setdefault(name, Repository(card or {}, gated, private))
        content = b"".join(b"%s\0%s\0" % (key.encode(), value) for key, value in sorted(files.items()))
        commit = hashlib.sha1(name.encode() + content).hexdigest()
        repository.commits[commit] = dict(files)
        repository.refs[branch] = commit
        return commit

    def then(self, end: str, *behaviours: Behaviour) -> None:
        """How to answer requests whose path, without its query, ends in `end`, in order."""
        self._behaviours[end].extend(behaviours)

    def behave(self) -> None:
        """From now on, whatever was said before."""
        self._behaviours.clear()

    def asked_for(self, method: str) -> list[str]:
        """The last part of the path of each request with this method, in order."""
        return [
            urlsplit(asked.path).path.rpartition("/")[2] for asked in self.requests if asked.method == method
        ]

    def reply(self, request: Request) -> Reply:
        """Record a request and decide on the answer."""
        self.requests.append(request)
        path = urlsplit(request.path).path
        for end, behaviours in self._behaviours.items():
            if behaviours and path.endswith(end):
                return behaviours.popleft()(self._faithful(request, path))
        return self._faithful(request, path)

    def _faithful(self, request: Request, path: str) -> Reply:
        if request.host == "storage":
            return self._stored(request, path)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._information(request, match[1], unquote(match[2] or "main"))
        if match := re.fullmatch(r"/api/resolve-cache/models/([^/]+/[^/]+)/([^/]+)/(.+)", path):
            return self._file(request, match[1], match[2], unquote(match[3]))
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolved(request, match[1], unquote(match[2]), unquote(match[3]))
        return _error(404, "EntryNotFound", "Not found")

    def _authorized(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    def _commit(self, request: Request, name: str, revision: str) -> tuple[str, dict[str, bytes]] | Reply:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not self._authorized(request)):
            code = 404 if self._authorized(request) else 401
            return _error(code, "RepoNotFound", "Repository not found")
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repository.commits[commit]

    def _information(self, request: Request, name: str, revision: str) -> Reply:
        found = self._commit(request, name, revision)
        if isinstance(found, Reply):
            return found
        commit, files = found
        repository = self.repositories[name]
        answer = {
            "_id": "0",
            "id": name,
            "modelId": name,
            "sha": commit,
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "cardData": dict(repository.card),
            "siblings": [
                {"rfilename": file, "size": len(content), "blobId": _git_id(content)}
                for file, content in files.items()
            ],
        }
        return Reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _resolved(self, request: Request, name: str, revision: str, file: str) -> Reply:
        found = self._commit(request, name, revision)
        if isinstance(found, Reply):
            return found
        commit, files = found
        if self.repositories[name].gated and not self._authorized(request):
            return _error(401, "GatedRepo", f"Access to model {name} is restricted.")
        if file not in files:
            return _error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        content = files[file]
        if len(content) < LARGE:
            location = f"/api/resolve-cache/models/{name}/{commit}/{file}"
            return Reply(307, b"", {"Location": location, "X-Repo-Commit": commit})
        digest = hashlib.sha256(content).hexdigest()
        headers = {
            "Location": f"{self.address('storage')}/{digest}?signature=0",
            "X-Repo-Commit": commit,
            "X-Linked-Size": str(len(content)),
            "X-Linked-ETag": f'"{digest}"',
        }
        return Reply(302, b"", headers)

    def _file(self, request: Request, name: str, commit: str, file: str) -> Reply:
        found = self._commit(request, name, commit)
        if isinstance(found, Reply):
            return found
        content = found[1][file]
        headers = {"ETag": f'"{_git_id(content)}"', "X-Repo-Commit": commit}
        return _content(request, content, headers)

    def _stored(self, request: Request, path: str) -> Reply:
        for repository in self.repositories.values():
            for files in repository.commits.values():
                for content in files.values():
                    if hashlib.sha256(content).hexdigest() == path[1:]:
                        return _content(request, content, {"ETag": '"of the storage"'})
        return Reply(404, b"", {})

    def __enter__(self) -> HubStub:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in self._servers.values():
            server.shutdown()
        for thread in self._threads:
            thread.join()
        for server in self._servers.values():
            server.server_close()


def _content(request: Request, content: bytes, headers: Mapping[str, str]) -> Reply:
    """A file, or what is left of it from where the client has it."""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if asked is None:
        return Reply(200, content, headers)
    begin = int(asked[1])
    if begin >= len(content):
        return Reply(416, b"", {"Content-Range": f"bytes */{len(content)}"})
    part = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
    return Reply(206, content[begin:], {**headers, **part})


def _error(code: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    about = {"X-Error-Code": error, "X-Error-Message": message, "Content-Type": "application/json"}
    return Reply(code, json.dumps({"error": message}).encode(), {**about, **(headers or {})})


def _git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


# ── the servers ──────────────────────────────────────────────────────────────────────────────────


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, stub: HubStub, host: str) -> None:
        self.stub, self.host = stub, host
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.stub.reply(Request(self.server.host, self.command, self.path, headers))
        with suppress(ConnectionError):  # the client may have lost patience
            self._send(reply)
        self.close_connection = True  # so that no thread waits for another request when the stub is closed

    def _send(self, reply: Reply) -> None:
        body = b"" if self.command == "HEAD" else reply.body[: reply.sent]
        if reply.sent != -1:
            self.wfile.write(head(reply, {"Connection": "close"}) + body)
        if reply.stall:
            self.server.stub.closing.wait()
