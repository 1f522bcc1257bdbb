"""What every service has in common; `test_voyage_reranker.py` has the failures in full, with a key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from model_stub import (
    Behaviour,
    ModelStub,
    Payload,
    Reply,
    Request,
    Waits,
    as_json,
    cut_off,
    silent,
    status,
)
from server_stubs import cohere_error, openai_error, tei_error
from vai.errors import InvalidSettings, RemoteRefused, RemoteUnavailable
from vai.models.remote.http import WORTH_ANOTHER_TRY, DeadlineReached, Hints, Patience, RemoteService
from vai.types import Json


def echo(request: Request, _: str | None) -> Reply:
    """Says what it was asked."""
    return Reply(200, as_json(method=request.method, path=request.path, payload=request.payload))


def as_it_is(answer: Json) -> Any:
    return answer


@pytest.fixture
def stub() -> Iterator[ModelStub]:
    with ModelStub(echo) as running:
        yield running


def service(stub: ModelStub, patience: Patience, **options: Any) -> RemoteService:
    return RemoteService("Echo", stub.address, None, patience=patience, **options)


def test_without_a_key_nothing_is_said_of_one(stub: ModelStub, patience: Patience) -> None:
    answer = service(stub, patience).post("/path", {"a": 1}, as_it_is)

    assert answer == {"method": "POST", "path": "/path", "payload": {"a": 1}}
    assert "authorization" not in stub.requests[0].headers


def test_a_page_can_be_asked_for(stub: ModelStub, patience: Patience) -> None:
    answer = service(stub, patience).get("/info", as_it_is)
    assert answer == {"method": "GET", "path": "/info", "payload": {}}


@pytest.mark.parametrize("behaviour", [status(429), status(503, None), cut_off()])
def test_asking_for_a_page_is_as_patient_as_sending(
    behaviour: Behaviour, stub: ModelStub, patience: Patience, waits: Waits
) -> None:
    stub.then(behaviour, behaviour)
    service(stub, patience).get("/info", as_it_is)
    assert waits.seconds == [0.5, 1.0]


def test_asking_for_a_page_ends_at_the_deadline(stub: ModelStub, patience: Patience) -> None:
    stub.then(silent())
    with pytest.raises(DeadlineReached):
        service(stub, patience).get("/info", as_it_is, deadline=patience.clock() + 0.1)


def test_a_request_can_have_a_patience_of_its_own(stub: ModelStub, patience: Patience, waits: Waits) -> None:
    stub.then(*[status(503)] * 9)
    with pytest.raises(RemoteUnavailable, match=r"^Echo failed after 6 attempts"):
        service(stub, patience).post("/", {}, as_it_is, patience=replace(patience, attempts=6))
    assert len(waits.seconds) == 5
    with pytest.raises(RemoteUnavailable, match=r"^Echo failed after 2 attempts"):
        service(stub, patience).get("/", as_it_is, patience=replace(patience, attempts=2))


def test_a_service_can_have_statuses_of_its_own_that_pass(
    stub: ModelStub, patience: Patience, waits: Waits
) -> None:
    stub.then(status(424))
    service(stub, patience, passing=WORTH_ANOTHER_TRY | {424}).get("/", as_it_is)
    assert waits.seconds == [0.5]

    stub.then(status(424))
    with pytest.raises(RemoteRefused, match=r"^Echo answered 424 "):
        service(stub, patience).get("/", as_it_is)


def test_connections_are_kept_but_not_those_of_the_process_that_was_forked(
    stub: ModelStub, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with one connection would be given each other's answers."""
    model = service(stub, patience)
    model.get("/", as_it_is)
    model.get("/", as_it_is)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    model.get("/", as_it_is)
    model.get("/", as_it_is)
    first, second, third, fourth = (request.client for request in stub.requests)
    assert first == second != third == fourth


def nested(detail: Any) -> Payload:
    return {"detail": {"error": {"message": detail}}}


@pytest.mark.parametrize(
    "body", [cohere_error, tei_error, openai_error, nested], ids=lambda body: body.__name__
)
def test_what_a_service_says_of_an_error_is_found_wherever_it_says_it(
    body: Any, stub: ModelStub, patience: Patience
) -> None:
    stub.then(status(400, "too  long.", body=body))
    with pytest.raises(RemoteRefused, match=r"^Echo answered 400 Bad Request: too long$"):
        service(stub, patience).get("/", as_it_is)


@pytest.mark.parametrize(
    "content", [{"error": 5}, {"error": ["a", 1]}, {"error": {"code": 3}}, {"error": {}}]
)
def test_an_error_that_says_nothing_legible_is_shown_as_it_is_or_left_out(
    content: Payload, stub: ModelStub, patience: Patience
) -> None:
    stub.then(status(400, content["error"], body=lambda detail: {"error": detail}))
    with pytest.raises(RemoteRefused, match=r"^Echo answered 400 Bad Request"):
        service(stub, patience).get("/", as_it_is)


def test_no_part_of_a_key_is_shown_where_a_message_is_cut_off(patience: Patience) -> None:
    key = "pa-0123456789-secret"
    with ModelStub(echo) as stub:
        stub.then(status(400, "x" * 385 + key))
        model = RemoteService("Echo", stub.address, key, patience=patience)
        with pytest.raises(RemoteRefused) as caught:
            model.get("/", as_it_is)
    assert "pa-01" not in caught.value.message


@pytest.mark.parametrize("address", ["http://example.org/v1", "http://10.0.0.1:8080", "http://host.local"])
def test_without_a_key_an_address_need_not_be_encrypted(address: str) -> None:
    assert RemoteService("Echo", address, None).base_url == address
    with pytest.raises(InvalidSettings, match="would carry the key unencrypted"):
        RemoteService("Echo", address, "key")


@pytest.mark.parametrize(
    "address",
    [
        "http://a..b", "http://" + "x" * 64 + ".example", "http://[::1]example.org", "http://[v1.x]",
        "http://256.256.256.256", "http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1\\@example.org",
        "http://exämple.org",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [None, "key"])
def test_an_address_that_no_host_can_have_is_refused_before_anything_is_sent(
    address: str, key: str | None
) -> None:
    with pytest.raises(InvalidSettings, match=r"^the address of Echo "):
        RemoteService("Echo", address, key)


def test_a_proxy_that_no_host_can_have_is_a_failure(
    patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://a..b:1")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(RemoteUnavailable, match="cannot be reached"):
        RemoteService("Echo", "http://example.org", None, patience=patience).get("/", as_it_is)


@pytest.mark.parametrize(
    "address", ["ftp://h", "file:///etc/passwd", "https://u:p@h", "https://h?x=1", "https://", "h", "//h"]
)
def test_an_address_has_to_be_one_of_the_web_even_without_a_key(address: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^the address of Echo ") as caught:
        RemoteService("Echo", address, None, hints=Hints(address="like this"))
    assert caught.value.hint == "like this"


def test_failures_have_the_hint_for_their_status_or_the_usual_one(
    stub: ModelStub, patience: Patience
) -> None:
    hints = Hints(unavailable="usual", by_status={401: "key", 429: "slow"})
    model = service(stub, replace(patience, attempts=1), hints=hints)
    for code, hint in ((401, "key"), (403, None), (429, "slow"), (503, "usual")):
        stub.then(status(code))
        with pytest.raises((RemoteRefused, RemoteUnavailable)) as caught:
            model.get("/", as_it_is)
        assert caught.value.hint == hint
