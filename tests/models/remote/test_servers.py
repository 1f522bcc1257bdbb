"""Rerankers behind an address, against stand-ins on this machine."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_stub import (
    Behaviour,
    Clock,
    ModelStub,
    Payload,
    Serve,
    Waits,
    cut_off,
    dripping,
    edited,
    faithful,
    first,
    hung_up,
    raw,
    silent,
    stalling,
    status,
)
from remote_samples import PASSAGES, QUERY, RELEVANCE, TOKENS
from server_stubs import Cohere, Tei, cohere_error, logit, tei_error
from vai.errors import (
    InvalidSettings,
    RemoteRefused,
    RemoteUnavailable,
    UnknownModel,
    UnsupportedModel,
)
from vai.models.access import Access
from vai.models.remote.http import Patience
from vai.models.remote.servers import CohereReranker, TeiReranker, open_server_reranker
from vai.protocols import Reranker

LOGITS = [logit(QUERY, passage) for passage in PASSAGES]


def cohere(
    stub: ModelStub, patience: Patience, rest: str = "#rerank-v3.5", path: str = "/v2/rerank"
) -> Reranker:
    name = f"cohere:{stub.address}{path}{rest}"
    return open_server_reranker(name, access=Access(rerank_key=stub.key, patience=patience))


def tei(stub: ModelStub, patience: Patience, rest: str = "") -> Reranker:
    return open_server_reranker(
        f"tei:{stub.address}{rest}", access=Access(rerank_key=stub.key, patience=patience)
    )


# ── Cohere's format ──────────────────────────────────────────────────────────────────────────────


def test_cohere_gets_what_its_contract_asks_for_at_exactly_the_address(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(Cohere(), "c-key-123456")

    reading = cohere(stub, patience).score(QUERY, PASSAGES)

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v2/rerank")
    assert request.payload == {
        "model": "rerank-v3.5",
        "query": QUERY,
        "documents": list(PASSAGES),
        "top_n": 4,
    }
    assert request.headers["authorization"] == "Bearer c-key-123456"
    assert reading.values.tolist() == pytest.approx(RELEVANCE)
    assert reading.relevance is not None
    assert (reading.stopped, reading.seen.tolist(), reading.query_seen) == (None, [1.0] * 4, 1.0)


def test_a_slash_at_the_end_of_the_address_stays(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere())
    cohere(stub, patience, path="/v1/rerank/").score(QUERY, PASSAGES)
    assert stub.requests[0].path == "/v1/rerank/"


def test_without_a_model_or_a_key_neither_is_sent(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere(model=None))

    reading = cohere(stub, patience, rest="").score(QUERY, PASSAGES)

    assert "model" not in stub.requests[0].payload
    assert "authorization" not in stub.requests[0].headers
    assert reading.values.tolist() == pytest.approx(RELEVANCE)


def test_it_is_called_as_it_was_named_and_nothing_is_known_of_it(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere())
    model = cohere(stub, patience)

    assert model.name == f"cohere:{stub.address}/v2/rerank#rerank-v3.5"
    assert (model.revision, model.calibration, model.languages) == ("as served", None, ())
    assert (model.blend, model.usd_per_million_tokens) == (0.0, 0.0)
    assert stub.requests == []


@pytest.mark.parametrize("says", ["cohere", "jina", "litellm"])
def test_tokens_are_read_where_each_kind_of_server_says_them(
    says: str, serve: Serve, patience: Patience
) -> None:
    reading = cohere(serve(Cohere(says=says)), patience).score(QUERY, PASSAGES)
    assert reading.tokens == TOKENS


def test_where_a_server_does_not_say_tokens_they_are_four_bytes_each(
    serve: Serve, patience: Patience
) -> None:
    reading = cohere(serve(Cohere(says="nothing")), patience).score("12345678", ["1234", "12345"])
    assert reading.tokens == 3 + 4


@pytest.mark.parametrize(
    "answer",
    [
        {"usage": {"total_tokens": -3}},
        {"usage": 7},
        {"usage": None, "meta": {"tokens": {"input_tokens": True}}},
    ],
)
def test_a_count_of_tokens_that_is_none_is_as_if_nothing_were_said(
    answer: Payload, serve: Serve, patience: Patience
) -> None:
    stub = serve(Cohere(says="nothing"))
    stub.then(edited(lambda good: good.update(answer)))
    assert cohere(stub, patience).score("12345678", ["1234"]).tokens == 3


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(PASSAGES))))
def test_any_order_on_the_wire_gives_the_same_reading(
    order: list[int], serve: Serve, patience: Patience
) -> None:
    stub = serve(Cohere())
    stub.then(edited(lambda answer: answer.update(results=[answer["results"][place] for place in order])))
    assert cohere(stub, patience).score(QUERY, PASSAGES).values.tolist() == pytest.approx(RELEVANCE)


# scales


def test_logits_are_logits_where_the_address_says_so(serve: Serve, patience: Patience) -> None:
    reading = cohere(serve(Cohere(logits=True)), patience, rest="?scale=logits#rerank-v3.5").score(
        QUERY, PASSAGES
    )

    assert reading.logits is not None
    assert reading.relevance is None
    assert reading.logits.tolist() == pytest.approx(LOGITS)


def test_values_that_are_no_relevance_are_an_error_that_says_how_to_name_the_server(
    serve: Serve, patience: Patience
) -> None:
    """They are not guessed to be logits, and the error is not one that degrades."""
    stub = serve(Cohere(logits=True))

    with pytest.raises(InvalidSettings) as caught:
        cohere(stub, patience).score(QUERY, PASSAGES)

    address = f"cohere:{stub.address}/v2/rerank"
    assert caught.value.message.startswith(f"{address}#rerank-v3.5 gives ")
    assert caught.value.message.endswith(" as a relevance, which is not in 0 to 1")
    assert caught.value.hint == f"if it gives logits, say so: `{address}?scale=logits#rerank-v3.5`"
    assert len(stub.requests) == 1


def test_relevance_on_a_scale_of_logits_is_taken_for_logits(serve: Serve, patience: Patience) -> None:
    """The user has said so."""
    reading = cohere(serve(Cohere()), patience, rest="?scale=logits#rerank-v3.5").score(QUERY, PASSAGES)
    assert reading.logits is not None
    assert reading.logits.tolist() == pytest.approx(RELEVANCE)


def test_an_empty_passage_is_not_sent_and_worth_nothing_on_either_scale(
    serve: Serve, patience: Patience
) -> None:
    relevance = cohere(serve(Cohere()), patience).score(QUERY, ["", "a set"])
    stub = serve(Cohere(logits=True))
    logits = cohere(stub, patience, rest="?scale=logits#rerank-v3.5").score(QUERY, ["", "a set"])

    assert relevance.values[0] == 0.0
    assert logits.values[0] == pytest.approx(-13.8, abs=0.1)
    assert relevance.seen.tolist() == logits.seen.tolist() == [1.0, 1.0]
    assert stub.requests[0].payload["documents"] == ["a set"]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("?scale=logit", "`scale` must be one of relevance, logits: logit"),
        ("?max_tokens=none", "must be a whole number from 1: none"),
    ],
)
def test_parameters_with_impossible_values_are_refused_when_it_is_opened(rest: str, message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        open_server_reranker(f"cohere:https://h/rerank{rest}#m", access=Access())
    assert message in caught.value.message


# lengths


def test_long_passages_are_read_in_windows_that_fit_the_model(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere(model=None, max_tokens=64))
    long = "bread " * 60 + "how to scale " + "bread " * 60

    reading = cohere(stub, patience, rest="?max_tokens=64").score("how to scale", ["how", long])

    window = reading.window(1)
    assert window is not None
    assert "how to scale" in long[slice(*window)]
    assert reading.values.tolist() == pytest.approx([1 / 3, 1.0])
    assert reading.seen.tolist() == [1.0, 1.0]
    assert reading.window(0) is None
    sent = [text for request in stub.requests for text in request.payload["documents"]]
    assert max(map(len, sent)) <= (64 - 16) * 3


def test_what_fits_the_usual_4096_tokens_is_read_at_once(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere())
    reading = cohere(stub, patience).score("q", ["x" * 12_000, "x" * 13_000])
    assert (reading.window(0), len(stub.requests[0].payload["documents"])) == (None, 3)


def test_a_query_has_half_of_what_the_model_reads(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere(model=None))
    reading = cohere(stub, patience, rest="?max_tokens=64").score("word " * 40, ["word"])
    assert stub.requests[0].payload["query"] == ("word " * 40)[:95]
    assert reading.query_seen == pytest.approx(95 / 200)


def test_a_request_holds_a_hundred_documents_in_the_order_given(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere())
    passages = [f"w{number}" for number in range(250)]

    reading = cohere(stub, patience).score("w170", passages)

    sent = [request.payload["documents"] for request in stub.requests]
    assert [len(documents) for documents in sent] == [100, 100, 50]
    assert [text for documents in sent for text in documents] == passages
    assert np.flatnonzero(reading.values).tolist() == [170]


# failures


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("retry_after", [None, "2"])
def test_a_passing_failure_of_cohere_is_tried_again(
    code: int, retry_after: str | None, serve: Serve, patience: Patience, waits: Waits
) -> None:
    stub = serve(Cohere())
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    stub.then(status(code, "busy", headers=headers, body=cohere_error))

    assert cohere(stub, patience).score(QUERY, PASSAGES).values.tolist() == pytest.approx(RELEVANCE)
    assert waits.seconds == [0.5 if retry_after is None else 2.5]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 413, 422, 424])
def test_a_refusal_of_cohere_is_not_and_is_shown_with_what_to_do(
    code: int, serve: Serve, patience: Patience, waits: Waits
) -> None:
    stub = serve(Cohere())
    stub.then(status(code, "no such luck", body=cohere_error))

    with pytest.raises(RemoteRefused, match=rf"^cohere:http.+ answered {code} .*: no such luck$") as caught:
        cohere(stub, patience).score(QUERY, PASSAGES)

    hints = {
        **dict.fromkeys((400, 413, 422), "max_tokens"),
        401: "rerank_api_key",
        403: "VAI_RERANK_API_KEY",
        404: "model behind `#`",
    }
    assert hints.get(code, "None") in str(caught.value.hint)
    assert (len(stub.requests), waits.seconds) == (1, [])


def test_a_wrong_key_and_a_wrong_model_are_refusals(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere(), "right-key-123")
    name = f"cohere:{stub.address}/v2/rerank"
    with pytest.raises(RemoteRefused, match="401 Unauthorized: invalid api token"):
        open_server_reranker(name, access=Access(rerank_key="wrong-key-123")).score(QUERY, PASSAGES)
    with pytest.raises(RemoteRefused, match="401 Unauthorized: invalid api token"):
        open_server_reranker(name, access=Access()).score(QUERY, PASSAGES)
    with pytest.raises(RemoteRefused, match="404 Not Found: model 'other' not found"):
        cohere(stub, patience, rest="#other").score(QUERY, PASSAGES)


def result(**fields: Any) -> Behaviour:
    return edited(lambda answer: answer["results"][0].update(fields))


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (raw(b"?"), "is not JSON"),
        (raw(b"[]"), "lacks `results`"),
        (raw(b'{"results": {}}'), "has results that are not a list"),
        (edited(lambda answer: answer["results"].pop()), "has 3 results for 4 texts"),
        (edited(lambda answer: answer["results"].append(answer["results"][0])), "has 5 results for 4 texts"),
        (result(index=1), "has index 1 twice"),
        (result(index=4), "has an index that is none of 0 to 3: 4"),
        (result(relevance_score=None), "has a relevance that is no number: None"),
        (result(relevance_score="1"), "has a relevance that is no number: '1'"),
        (result(relevance_score=float("nan")), "is not JSON"),
        (cut_off(), "broke off"),
        (hung_up(), "broke off"),
    ],
)
def test_a_broken_answer_of_cohere_is_tried_again_and_then_a_failure(
    behaviour: Behaviour, message: str, serve: Serve, patience: Patience
) -> None:
    stub = serve(Cohere())
    stub.then(*[behaviour] * 4)
    with pytest.raises(RemoteUnavailable, match=rf"failed after 4 attempts: its answer {message}"):
        cohere(stub, patience).score(QUERY, PASSAGES)


@pytest.mark.parametrize("behaviour", [silent(), stalling(), dripping()])
def test_a_deadline_ends_the_wait_for_cohere(behaviour: Behaviour, serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere())
    stub.then(behaviour)
    began = time.monotonic()

    reading = cohere(stub, patience).score(QUERY, PASSAGES, deadline=began + 0.1)

    assert time.monotonic() - began < 2
    assert np.isnan(reading.values).all()
    assert reading.stopped == "deadline"


def test_what_was_read_before_a_failure_counts(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere())
    stub.then(faithful, *[status(500, body=cohere_error)] * 4)

    reading = cohere(stub, patience).score("how", ["how"] * 101)

    assert reading.values[:100].tolist() == [1.0] * 100
    assert np.isnan(reading.values[100])
    assert reading.stopped == "failed"


# ── Text Embeddings Inference ────────────────────────────────────────────────────────────────────


def test_tei_is_asked_what_it_serves_once_and_then_for_logits(serve: Serve, patience: Patience) -> None:
    stub = serve(Tei(), "t-key-123456")
    model = tei(stub, patience)
    assert stub.requests == []

    reading = model.score(QUERY, PASSAGES)
    model.score(QUERY, PASSAGES[:1])

    info, request, _ = stub.requests
    assert (info.method, info.path, request.method, request.path) == ("GET", "/info", "POST", "/rerank")
    assert request.payload == {"query": QUERY, "texts": list(PASSAGES), "truncate": True, "raw_scores": True}
    assert info.headers["authorization"] == request.headers["authorization"] == "Bearer t-key-123456"
    assert reading.logits is not None
    assert reading.logits.tolist() == pytest.approx(LOGITS)
    assert reading.tokens > 0


def test_its_revision_is_all_that_its_values_depend_on(serve: Serve, patience: Patience) -> None:
    model = tei(serve(Tei(sha="abc")), patience)
    assert model.name.startswith("tei:http://127.0.0.1:")
    assert model.revision == "BAAI/bge-reranker-base@abc/512"
    assert tei(serve(Tei(sha=None)), patience).revision == "BAAI/bge-reranker-base@unknown/512"
    assert tei(serve(Tei(sha="abc", max_tokens=256)), patience).revision == "BAAI/bge-reranker-base@abc/256"


def test_the_revision_of_a_server_that_does_not_answer_is_like_no_other(
    serve: Serve, patience: Patience
) -> None:
    """So nothing that was kept of another reading is taken for its own."""
    stub = serve(Tei())
    stub.then(*[status(503, None)] * 8)
    model = tei(stub, patience)

    first_time, second_time = model.revision, model.revision

    assert first_time.startswith("not known")
    assert first_time != second_time


def test_a_server_that_did_not_say_what_it_serves_is_asked_again_only_within_a_deadline(
    serve: Serve, patience: Patience
) -> None:
    """Its revision is asked for around every reading, where nothing bounds how long it may take."""
    stub = serve(Tei())
    stub.then(*[status(503, None)] * 4)
    model = tei(stub, patience)

    assert [model.revision.startswith("not known") for _ in range(3)] == [True] * 3
    assert len(stub.requests) == 4
    assert model.score("q", ["a"]).stopped is None
    assert model.revision.startswith("BAAI/bge-reranker-base@")


def test_its_limits_are_those_that_it_says(serve: Serve, patience: Patience) -> None:
    stub = serve(Tei(max_tokens=64, texts=3))
    long = "bread " * 60 + "how to scale " + "bread " * 60

    reading = tei(stub, patience).score("how to scale", ["how", long, "", "how to"])

    sent = [request.payload["texts"] for request in stub.requests[1:]]
    assert {len(texts) for texts in sent[:-1]} == {3}
    assert max(len(text) for texts in sent for text in texts) <= (64 - 16) * 3
    window = reading.window(1)
    assert window is not None
    assert "how to scale" in long[slice(*window)]
    assert reading.values[1] == pytest.approx(5.0)
    assert reading.seen.tolist() == [1.0] * 4


def test_a_server_that_serves_no_reranker_cannot_be_used_as_one(serve: Serve, patience: Patience) -> None:
    stub = serve(Tei(model="thenlper/gte-base", kind="embedding"))
    with pytest.raises(UnsupportedModel, match="serves `thenlper/gte-base`, which is no reranker"):
        tei(stub, patience).score(QUERY, PASSAGES)
    assert len(stub.requests) == 1


def test_a_model_that_is_named_has_to_be_the_one_it_serves(serve: Serve, patience: Patience) -> None:
    stub = serve(Tei())
    assert tei(stub, patience, "#BAAI/bge-reranker-base").score(QUERY, PASSAGES).stopped is None
    with pytest.raises(UnsupportedModel, match="serves `BAAI/bge-reranker-base`, not `BAAI/other`"):
        tei(stub, patience, "#BAAI/other").score(QUERY, PASSAGES)


def test_no_passages_are_read_without_asking_for_more_than_what_is_served(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(Tei())
    assert tei(stub, patience).score(QUERY, []).values.shape == (0,)
    assert [request.path for request in stub.requests] == ["/info"]


@pytest.mark.parametrize("code", [424, 429, 500, 503])
def test_a_passing_failure_of_tei_is_tried_again(
    code: int, serve: Serve, patience: Patience, waits: Waits
) -> None:
    """424 is how it says that the network failed."""
    stub = serve(Tei())
    stub.then(faithful, status(code, "Model is overloaded", body=tei_error))

    assert tei(stub, patience).score(QUERY, PASSAGES).values.tolist() == pytest.approx(LOGITS)
    assert waits.seconds == [0.5]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
def test_a_refusal_of_tei_is_not(code: int, serve: Serve, patience: Patience) -> None:
    stub = serve(Tei())
    stub.then(faithful, status(code, "batch size 99", body=tei_error))
    with pytest.raises(RemoteRefused, match=rf"^tei:http.+ answered {code} .*: batch size 99$"):
        tei(stub, patience).score(QUERY, PASSAGES)
    assert len(stub.requests) == 2


def test_a_wrong_key_is_refused_when_it_is_asked_what_it_serves(serve: Serve, patience: Patience) -> None:
    stub = serve(Tei(), "right-key-123")
    model = open_server_reranker(f"tei:{stub.address}", access=Access(patience=patience))
    with pytest.raises(RemoteRefused, match="401 Unauthorized: no access"):
        model.score(QUERY, PASSAGES)


def rank(**fields: Any) -> Behaviour:
    def change(answer: Any) -> None:
        answer[0].update(fields)

    return edited(change)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (raw(b'{"error": "x"}'), "has results that are not a list"),
        (raw(b"[]"), "has 0 results for 4 texts"),
        (rank(index=9), "has an index that is none of 0 to 3: 9"),
        (rank(index=1), "has index 1 twice"),
        (rank(score=None), "has a score that is no number: None"),
        (raw(b'[{"index": 0}, {"index": 1}, {"index": 2}, {"index": 3}]'), "lacks `score`"),
    ],
)
def test_a_broken_answer_of_tei_is_tried_again_and_then_a_failure(
    behaviour: Behaviour, message: str, serve: Serve, patience: Patience
) -> None:
    stub = serve(Tei())
    stub.then(faithful, *[behaviour] * 4)
    with pytest.raises(RemoteUnavailable, match=rf"failed after 4 attempts: its answer {message}"):
        tei(stub, patience).score(QUERY, PASSAGES)


@pytest.mark.parametrize(
    "info",
    [
        {},
        {
            "model_id": 3,
            "model_sha": None,
            "model_type": {},
            "max_input_length": 5,
            "max_client_batch_size": 5,
        },
        {
            "model_id": "m",
            "model_sha": None,
            "model_type": {},
            "max_input_length": "5",
            "max_client_batch_size": 5,
        },
    ],
)
def test_a_server_that_does_not_say_what_it_serves_is_a_failure(
    info: Payload, serve: Serve, patience: Patience
) -> None:
    stub = serve(Tei())
    stub.then(*[raw(json.dumps(info).encode())] * 4)
    with pytest.raises(RemoteUnavailable, match=r"failed after 4 attempts: its answer (lacks|does not say)"):
        tei(stub, patience).score(QUERY, PASSAGES)


@pytest.mark.parametrize("asked", [0, 1], ids=["info", "rerank"])
@pytest.mark.parametrize("behaviour", [silent(), dripping()])
def test_a_deadline_ends_the_wait_for_tei(
    asked: int, behaviour: Behaviour, serve: Serve, patience: Patience
) -> None:
    stub = serve(Tei())
    stub.then(*[faithful] * asked, behaviour)
    began = time.monotonic()

    reading = tei(stub, patience).score(QUERY, [*PASSAGES, ""], deadline=began + 0.1)

    assert time.monotonic() - began < 2
    assert np.isnan(reading.values[:4]).all()
    assert (reading.stopped, reading.tokens) == ("deadline", 0)
    assert reading.seen[:4].tolist() == [0.0] * 4


def test_what_was_read_before_the_deadline_counts(serve: Serve, patience: Patience) -> None:
    clock = Clock()
    stub = serve(Tei())
    stub.then(faithful, first(clock.set(10.0)))

    reading = tei(stub, replace(patience, clock=clock)).score("how", ["how"] * 40, deadline=10.0)

    assert np.flatnonzero(np.isnan(reading.values)).tolist() == list(range(32, 40))
    assert reading.stopped == "deadline"


# ── names, keys, addresses ───────────────────────────────────────────────────────────────────────


def test_each_format_opens_its_own_reranker() -> None:
    assert isinstance(open_server_reranker("tei:http://h", access=Access()), TeiReranker)
    assert isinstance(open_server_reranker("cohere:https://h/r#m", access=Access()), CohereReranker)
    with pytest.raises(UnknownModel, match="`openai:http://h` is not the address of a reranker"):
        open_server_reranker("openai:http://h", access=Access())


@pytest.mark.parametrize("name", ["cohere:http://example.org/rerank", "tei:http://10.0.0.1:8080"])
def test_a_key_goes_over_https_only_except_on_this_machine(name: str) -> None:
    assert open_server_reranker(name, access=Access()).name == name
    with pytest.raises(InvalidSettings, match="would carry the key unencrypted"):
        open_server_reranker(name, access=Access(rerank_key="secret-123"))
    for allowed in (name.replace("http:", "https:"), "tei:http://127.0.0.1:1", "tei:http://localhost:1"):
        assert open_server_reranker(allowed, access=Access(rerank_key="secret-123")).name == allowed


@pytest.mark.parametrize("name", ["cohere:https://user:secret@h/rerank", "tei:http://user:secret@h"])
def test_an_address_with_a_password_is_refused_without_showing_it(name: str) -> None:
    with pytest.raises(InvalidSettings, match="holds a user name or password") as caught:
        open_server_reranker(name, access=Access())
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


def test_redirects_are_not_followed(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere(), "c-key-123456")
    stub.then(status(307, None, headers={"Location": f"{stub.address}/elsewhere"}))
    with pytest.raises(RemoteRefused, match=r"answered 307 Temporary Redirect$"):
        cohere(stub, patience).score(QUERY, PASSAGES)
    assert len(stub.requests) == 1


def test_a_key_that_the_server_repeats_is_not_shown(serve: Serve, patience: Patience) -> None:
    stub = serve(Cohere(), "c-key-123456")
    stub.then(status(400, "the key c-key-123456 is no good", body=cohere_error))
    with pytest.raises(RemoteRefused, match="the key … is no good"):
        cohere(stub, patience).score(QUERY, PASSAGES)


def test_proxies_are_not_used_for_this_machine(
    serve: Serve, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert tei(serve(Tei()), patience).score(QUERY, PASSAGES).values.tolist() == pytest.approx(LOGITS)
