"""Voyage's rerankers against a stand-in on a loopback address: good answers, bad ones, and none."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_stub import (
    Behaviour,
    Clock,
    Payload,
    Waits,
    cut_off,
    dripping,
    edited,
    faithful,
    first,
    hung_up,
    overlap,
    raw,
    silent,
    stalling,
    status,
)
from remote_samples import PASSAGES, QUERY, RELEVANCE, TOKENS
from vai._version import __version__
from vai.errors import InvalidSettings, KeyMissing, RemoteRefused, RemoteUnavailable, UnknownModel
from vai.models.access import Access
from vai.models.paying.spending import Purse
from vai.models.remote.exchange import BrokenAnswer
from vai.models.remote.http import Patience, RemoteService
from vai.models.remote.voyage import RERANK_MODELS, open_voyage_reranker
from vai.models.remote.voyage_reranker import VoyageReranker, read_scores
from vai.protocols import Reranker
from voyage_stub import MODELS, VoyageStub


def reranker(
    stub: VoyageStub, patience: Patience, name: str = "rerank-2.5", *, purse: Purse | None = None
) -> VoyageReranker:
    return VoyageReranker(name, key=stub.key, base_url=stub.base_url, patience=patience, purse=purse)


def failure(stub: VoyageStub, patience: Patience, *behaviours: Behaviour) -> RemoteUnavailable:
    """How a call ends in which every attempt goes wrong."""
    stub.then(*behaviours)
    with pytest.raises(RemoteUnavailable) as caught:
        reranker(stub, patience).score(QUERY, PASSAGES)
    return caught.value


# ── good answers ─────────────────────────────────────────────────────────────────────────────────


def test_relevances_come_back_in_the_order_of_the_passages(stub: VoyageStub, patience: Patience) -> None:
    reading = reranker(stub, patience).score(QUERY, PASSAGES)

    np.testing.assert_allclose(reading.values, RELEVANCE)
    assert reading.values.dtype == np.float32
    assert reading.logits is None
    assert reading.relevance is reading.values
    assert reading.tokens == TOKENS
    assert reading.seen.tolist() == [1, 1, 1, 1]
    assert (reading.reason, reading.query_seen) == (None, 1.0)


def test_the_request_is_what_the_contract_asks_for(stub: VoyageStub, patience: Patience) -> None:
    reranker(stub, patience, "rerank-2.5-lite").score(QUERY, PASSAGES)

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/rerank")
    assert request.payload == {
        "query": QUERY,
        "documents": list(PASSAGES),
        "model": "rerank-2.5-lite",
        "truncation": True,
    }
    assert request.headers["authorization"] == f"Bearer {stub.key}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"vai/{__version__}"


@pytest.mark.parametrize("name", RERANK_MODELS)
def test_every_model_of_the_table_is_one_that_the_service_has(
    name: str, stub: VoyageStub, patience: Patience
) -> None:
    model: Reranker = reranker(stub, patience, name)

    np.testing.assert_allclose(model.score(QUERY, PASSAGES).values, RELEVANCE)
    assert (model.name, model.calibration, model.languages, model.blend) == (name, None, (), 0.0)
    assert (model.revision, model.usd_per_million_tokens) == ("as served", RERANK_MODELS[name].price)
    assert (RERANK_MODELS[name].query_tokens, RERANK_MODELS[name].pair_tokens) == MODELS[name]


@given(order=st.permutations(range(len(PASSAGES))))
@example(order=[0, 1, 2, 3])
def test_results_are_put_back_by_index_whatever_their_order(order: list[int]) -> None:
    data = [{"index": index, "relevance_score": index / 10} for index in order]

    scored = read_scores({"data": data, "usage": {"total_tokens": 9}}, len(order))

    assert (list(scored.values), scored.tokens) == ([0.0, 0.1, 0.2, 0.3], 9)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(PASSAGES))))
def test_any_order_on_the_wire_gives_the_same_reading(
    order: list[int], stub: VoyageStub, patience: Patience
) -> None:
    stub.then(edited(lambda answer: answer.update(data=[answer["data"][place] for place in order])))

    reading = reranker(stub, patience).score(QUERY, PASSAGES)

    np.testing.assert_allclose(reading.values, RELEVANCE)


def test_no_passages_need_no_call(stub: VoyageStub, patience: Patience) -> None:
    reading = reranker(stub, patience).score(QUERY, [])

    assert (reading.values.shape, reading.seen.shape, reading.tokens) == ((0,), (0,), 0)
    assert stub.requests == []


def test_an_empty_passage_is_not_sent_and_answers_nothing(stub: VoyageStub, patience: Patience) -> None:
    reading = reranker(stub, patience).score(QUERY, ["a set", "", " ", "how to scale"])

    assert stub.requests[0].payload["documents"] == ["a set", " ", "how to scale"]
    assert reading.values.tolist() == pytest.approx([2 / 6, 0, 0, 3 / 6])
    assert reading.seen.tolist() == [1, 1, 1, 1]
    assert reading.reason is None


def test_text_that_is_not_utf_8_is_sent_with_question_marks(stub: VoyageStub, patience: Patience) -> None:
    reranker(stub, patience).score("größe \udcff", ["\ud800 ✓"])

    assert stub.requests[0].payload["query"] == "größe ?"
    assert stub.requests[0].payload["documents"] == ["? ✓"]


def test_connections_are_kept_and_can_be_closed_at_any_time(stub: VoyageStub, patience: Patience) -> None:
    model = reranker(stub, patience)
    model.close()
    model.score(QUERY, PASSAGES)
    model.close()
    model.score(QUERY, PASSAGES)
    model.score(QUERY, PASSAGES)

    clients = [request.client for request in stub.requests]
    assert clients[0] != clients[1] == clients[2]


def test_several_threads_may_ask_at_once(stub: VoyageStub, patience: Patience) -> None:
    model = reranker(stub, patience)

    with ThreadPoolExecutor(8) as threads:
        readings = list(threads.map(lambda passage: model.score(QUERY, [passage]), PASSAGES * 5))

    assert [reading.values[0] for reading in readings] == RELEVANCE.tolist() * 5


# ── batches ──────────────────────────────────────────────────────────────────────────────────────


def sizes(stub: VoyageStub) -> list[int]:
    return [len(request.payload["documents"]) for request in stub.requests]


def test_a_request_holds_at_most_a_thousand_documents(stub: VoyageStub, patience: Patience) -> None:
    passages = [f"w{number}" for number in range(2_001)]

    reading = reranker(stub, patience).score("w1500", passages)

    assert sizes(stub) == [1_000, 1_000, 1]
    assert np.flatnonzero(reading.values).tolist() == [1_500]
    assert reading.tokens == 2 * 2_001


def test_a_request_stays_under_the_advised_tokens_at_two_bytes_each(
    stub: VoyageStub, patience: Patience
) -> None:
    passages = ["x" * 39_998] * 25  # with the query's 2 bytes, 20,000 tokens each

    reranker(stub, patience).score("qq", passages)

    assert sizes(stub) == [10, 10, 5]


def test_windows_of_long_passages_are_requests_apart_where_they_have_to_be(
    stub: VoyageStub, patience: Patience
) -> None:
    passages = ["x" * 100_000] * 13  # 4 windows each, of 16,000 tokens that the model reads, with the query

    reranker(stub, patience, "rerank-2").score("q", passages)

    assert sizes(stub) == [12, 12, 12, 12, 4]


# ── long texts ───────────────────────────────────────────────────────────────────────────────────


def test_a_long_passage_is_read_in_windows_and_worth_what_the_best_is(
    stub: VoyageStub, patience: Patience
) -> None:
    long = "bread " * 4_000 + "how to scale " + "butter " * 4_000

    passages = ["a set", long, "butter " * 4_000]

    reading = reranker(stub, patience, "rerank-2-lite").score(QUERY, passages)

    window = reading.window(1)
    assert window is not None
    assert "how to scale" in long[slice(*window)]
    assert reading.values.tolist() == pytest.approx([2 / 6, 3 / 6, 0])
    assert reading.seen.tolist() == [1, 1, 1]
    assert reading.window(0) is None
    assert reading.window(2) is not None
    sent = [text for request in stub.requests for text in request.payload["documents"]]
    assert max(len(text.encode()) for text in sent) <= 16_000
    assert all(any(text in passage for passage in passages) for text in sent)


def test_a_passage_has_the_same_value_whatever_its_neighbours_windows(
    stub: VoyageStub, patience: Patience
) -> None:
    model = reranker(stub, patience, "rerank-2-lite")
    texts = ["scale " + "bread " * 3_000, "a set", "bread " * 9_000 + "how to"]

    together = model.score(QUERY, texts)

    for row, text in enumerate(texts):
        alone = model.score(QUERY, [text])
        assert (alone.values[0], alone.window(0)) == (together.values[row], together.window(row))


def test_what_lies_behind_the_last_window_is_not_seen(stub: VoyageStub, patience: Patience) -> None:
    reading = reranker(stub, patience, "rerank-2-lite").score("q", ["words " * 200_000, "short"])

    assert 0.5 < reading.seen[0] < 0.8
    assert reading.seen[1] == 1
    assert sum(sizes(stub)) == 64 + 1


def test_a_query_too_long_is_cut_and_the_reading_says_how_much_was_read(
    stub: VoyageStub, patience: Patience
) -> None:
    query = "word " * 1_600

    reading = reranker(stub, patience, "rerank-2-lite").score(query, ["word"])

    assert reading.query_seen == pytest.approx(0.5)
    assert stub.requests[0].payload["query"] == query[:4_000]


def test_a_passage_of_which_a_window_is_missing_is_unread(stub: VoyageStub, patience: Patience) -> None:
    clock = Clock()
    stub.then(first(clock.set(10.0)))
    passages = ["scale", *["bread " * 5_000] * 40]

    reading = reranker(stub, replace(patience, clock=clock), "rerank-2-lite").score(
        QUERY, passages, deadline=10.0
    )

    unread = np.flatnonzero(np.isnan(reading.values))
    assert len(stub.requests) == 1
    assert 0 < len(unread) < 40
    assert unread.tolist() == list(range(41 - len(unread), 41))
    assert reading.seen[unread].tolist() == [0] * len(unread)
    assert all(reading.window(int(row)) is None for row in unread)
    assert reading.stopped == "deadline"


# ── money ────────────────────────────────────────────────────────────────────────────────────────


def test_every_request_is_paid_for_by_the_tokens_that_the_service_counted(
    stub: VoyageStub, patience: Patience
) -> None:
    purse = Purse(max_usd=1.0)

    reading = reranker(stub, patience, purse=purse).score(QUERY, PASSAGES)

    assert purse.spent == pytest.approx(reading.tokens * 0.05 / 1_000_000)


def test_when_the_money_is_spent_the_rest_stays_unread(stub: VoyageStub, patience: Patience) -> None:
    """What a request may cost is told from bytes, of which a token has one at least; the first one costs less."""
    purse = Purse(max_usd=1_000 * 30 * 0.05 / 1_000_000)

    reading = reranker(stub, patience, purse=purse).score("how", ["how"] * 1_000 + ["how " * 10_000])

    assert reading.values[:1_000].tolist() == [1.0] * 1_000
    assert np.isnan(reading.values[1_000])
    assert reading.stopped == "spent"
    assert reading.reason is not None
    assert "rerank-2.5" in reading.reason
    assert len(stub.requests) == 1


def test_without_money_nothing_is_sent(stub: VoyageStub, patience: Patience) -> None:
    reading = reranker(stub, patience, purse=Purse(max_usd=0.0)).score(QUERY, PASSAGES)

    assert np.isnan(reading.values).all()
    assert (reading.stopped, reading.tokens) == ("spent", 0)
    assert stub.requests == []


# ── failures that may pass ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("detail", ["the rate limit was exceeded", None], ids=["detail", "gateway"])
def test_a_passing_failure_is_tried_again(
    code: int, detail: str | None, stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    stub.then(status(code, detail), status(code, detail))

    reading = reranker(stub, patience).score(QUERY, PASSAGES)

    np.testing.assert_allclose(reading.values, RELEVANCE)
    assert reading.reason is None
    assert len(stub.requests) == 3
    assert waits.seconds == [0.5, 1.0]


def test_after_the_last_attempt_the_error_says_how_often_and_why(
    stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    error = failure(stub, patience, *[status(503, "overloaded.")] * 4)

    assert error.message == "Voyage failed after 4 attempts: it answered 503 Service Unavailable: overloaded"
    assert error.hint == "try again later, or name a bundled model"
    assert error.exit_code == 3
    assert waits.seconds == [0.5, 1.0, 2.0]


def test_a_rate_limit_has_a_hint_of_its_own(stub: VoyageStub, patience: Patience) -> None:
    error = failure(stub, replace(patience, attempts=1), status(429))

    assert error.message.startswith("Voyage failed after 1 attempt: it answered 429 Too Many Requests")
    assert error.hint is not None
    assert "rate limit" in error.hint


def test_waits_are_drawn_from_nothing_up_to_a_ceiling_that_doubles_and_ends(
    stub: VoyageStub, waits: Waits
) -> None:
    patience = Patience(attempts=8, longest_wait_s=4.0, sleep=waits)

    failure(stub, patience, *[status(500)] * 8)

    ceilings = [0.5, 1, 2, 4, 4, 4, 4]
    assert len(waits.seconds) == len(ceilings)
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(waits.seconds, ceilings, strict=True))
    assert len(set(waits.seconds)) == len(ceilings)


DATE = "Wed, 30 Sep 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [
        ("7", 7.5),
        ("0", 0.5),
        ("1.5", 2.0),
        ("Wed, 30 Sep 2026 12:00:20 GMT", 20.5),
        ("Wed, 30 Sep 2026 11:00:00 GMT", 0.5),
        ("30", 30.5),
        ("-3", 0.5),
        ("soon", 0.5),
        ("nan", 0.5),
        ("Wed, 99 Sep 2026 12:00:20 GMT", 0.5),
    ],
)
def test_retry_after_is_honoured_where_it_can_be_read(
    retry_after: str, wait_s: float, stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    """In seconds or as a date, by the service's clock; a little jitter comes on top of it."""
    stub.then(status(429, headers={"Retry-After": retry_after, "Date": DATE}))

    reranker(stub, patience).score(QUERY, PASSAGES)

    assert waits.seconds == [wait_s]


def test_a_service_that_asks_for_a_long_wait_is_given_up(
    stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    error = failure(stub, patience, status(429, "slow down", headers={"Retry-After": "3600"}))

    assert error.message == (
        "Voyage failed after 1 attempt: it answered 429 Too Many Requests: slow down and asks to wait 3600 s"
    )
    assert waits.seconds == []


def test_no_connection_is_a_failure_that_names_the_address(patience: Patience) -> None:
    with VoyageStub() as gone:
        model = reranker(gone, patience)

    with pytest.raises(
        RemoteUnavailable, match=r"after 4 attempts: `http://127.+/v1/rerank` cannot be reached"
    ):
        model.score(QUERY, PASSAGES)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (silent(), "no complete answer within 0.1 s"),
        (stalling(), "no complete answer within 0.1 s"),
        (dripping(), "no complete answer within 0.1 s"),
        (dripping(head=True), "no complete answer within 0.1 s"),
        (cut_off(), "its answer broke off or is not HTTP"),
        (cut_off(0), "its answer broke off or is not HTTP"),
        (hung_up(), "its answer broke off or is not HTTP"),
    ],
    ids=["silent", "stalling", "dripping", "dripping-head", "cut-off", "no-body", "hung-up"],
)
def test_an_answer_that_does_not_end_is_tried_again_and_then_a_failure(
    behaviour: Behaviour, message: str, stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    """No byte comes later than the last by a time-out, and still the whole has its limit."""
    began = time.monotonic()

    error = failure(stub, replace(patience, timeout_s=0.1, attempts=2), behaviour, behaviour)

    assert error.message.startswith(f"Voyage failed after 2 attempts: {message}")
    assert len(waits.seconds) == 1
    assert time.monotonic() - began < 2  # a whole drip would take four


def with_result(**fields: Any) -> Behaviour:
    """The first result is changed, or loses what is None."""

    def edit(answer: Payload) -> None:
        result = answer["data"][0]
        result.update(fields)
        for name in [name for name, value in result.items() if value is None]:
            del result[name]

    return edited(edit)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (raw(b"not json"), "its answer is not JSON"),
        (raw(b""), "its answer is not JSON"),
        (raw(b"\xff\xfe\xfa"), "its answer is not JSON"),
        (raw(b"[" * 200_000), "its answer is not JSON"),
        (raw(b'{"data": ['), "its answer is not JSON"),
        (raw(b"{}", "text/html; charset=utf-8"), "its answer is `text/html` instead of JSON"),
        (raw(b"{}", None), "its answer has no content type"),
        (raw(b"null"), "its answer lacks `data`"),
        (raw(b"[]"), "its answer lacks `data`"),
        (raw(b'{"data": {}}'), "its answer has results that are not a list: {}"),
        (raw(b'{"data": [1, 2, 3, 4]}'), "its answer lacks `index`"),
        (edited(lambda answer: answer["data"].pop()), "its answer has 3 results for 4 texts"),
        (edited(lambda answer: answer["data"].clear()), "its answer has 0 results for 4 texts"),
        (
            edited(lambda answer: answer["data"].append(answer["data"][0])),
            "its answer has 5 results for 4 texts",
        ),
        (with_result(index=1), "its answer has index 1 twice"),
        (with_result(index=4), "its answer has an index that is none of 0 to 3: 4"),
        (with_result(index=-1), "its answer has an index that is none of 0 to 3: -1"),
        (with_result(index="2"), "its answer has an index that is none of 0 to 3: '2'"),
        (with_result(index=True), "its answer has an index that is none of 0 to 3: True"),
        (with_result(index=None), "its answer lacks `index`"),
        (with_result(relevance_score=None), "its answer lacks `relevance_score`"),
        (with_result(relevance_score=math.nan), "its answer is not JSON"),
        (with_result(relevance_score=math.inf), "its answer is not JSON"),
        (with_result(relevance_score=1.01), "its answer has a relevance that is not in 0 to 1: 1.01"),
        (with_result(relevance_score=-0.1), "its answer has a relevance that is not in 0 to 1: -0.1"),
        (with_result(relevance_score="1"), "its answer has a relevance that is not in 0 to 1: '1'"),
        (with_result(relevance_score=False), "its answer has a relevance that is not in 0 to 1: False"),
        (edited(lambda answer: answer.pop("usage")), "its answer lacks `usage`"),
        (edited(lambda answer: answer.update(usage={})), "its answer lacks `total_tokens`"),
        (
            edited(lambda answer: answer.update(usage={"total_tokens": -1})),
            "its answer has a token count that is none: -1",
        ),
    ],
)
def test_a_broken_answer_is_tried_again_and_then_a_failure_that_says_what_is_wrong(
    behaviour: Behaviour, message: str, stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    error = failure(stub, patience, *[behaviour] * 4)

    assert error.message == f"Voyage failed after 4 attempts: {message}"
    assert len(stub.requests) == 4


def test_a_number_too_large_for_a_float_is_not_a_relevance(stub: VoyageStub, patience: Patience) -> None:
    results = '{"index": 0, "relevance_score": 1e999}'
    body = f'{{"data": [{results}], "usage": {{"total_tokens": 1}}}}'.encode()
    stub.then(raw(body))

    with pytest.raises(RemoteUnavailable, match=r"relevance that is not in 0 to 1: inf$"):
        reranker(stub, replace(patience, attempts=1)).score(QUERY, PASSAGES[:1])


def test_one_good_answer_after_a_broken_one_is_enough(stub: VoyageStub, patience: Patience) -> None:
    stub.then(with_result(index=1), cut_off(), raw(b"?"))

    np.testing.assert_allclose(reranker(stub, patience).score(QUERY, PASSAGES).values, RELEVANCE)


def test_an_answer_is_read_up_to_a_bound_only(stub: VoyageStub, patience: Patience) -> None:
    service = RemoteService(
        "Voyage", stub.base_url, stub.key, patience=replace(patience, attempts=1), max_answer_bytes=1_000
    )
    stub.then(raw(b" " * 1_001))

    with pytest.raises(RemoteUnavailable, match="its answer is longer than 1,000 bytes"):
        service.post("/rerank", {}, lambda answer: answer)


@given(
    answer=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["data", "x"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "usage", "total_tokens", "index", "relevance_score"]), inner
            )
        ),
        max_leaves=12,
    ),
    count=st.integers(1, 3),
)
def test_whatever_json_comes_back_is_read_rightly_or_said_to_be_broken(answer: Any, count: int) -> None:
    try:
        scored = read_scores(answer, count)
    except BrokenAnswer as fault:
        assert str(fault)
    else:
        assert len(scored.values) == count
        assert all(0 <= score <= 1 for score in scored.values)
        assert scored.tokens >= 0


def test_looking_up_the_host_counts_towards_the_limit(
    patience: Patience, proxy: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def never(*_: object, **__: object) -> None:
        let_go.wait()
        raise OSError("not found after all")

    proxy("")
    monkeypatch.setattr(socket, "getaddrinfo", never)
    model = VoyageReranker("rerank-2.5", key="pa-key", patience=replace(patience, timeout_s=0.1, attempts=1))

    with pytest.raises(RemoteUnavailable, match=r"no complete answer within 0.1 s"):
        model.score(QUERY, PASSAGES)

    let_go.set()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 405, 413, 422])
def test_a_refusal_is_not_tried_again(code: int, stub: VoyageStub, patience: Patience, waits: Waits) -> None:
    stub.then(status(code, "The reason\n is this.", headers={"Retry-After": "1"}))

    with pytest.raises(RemoteRefused, match=rf"^Voyage answered {code} [A-Z].+: The reason is this$"):
        reranker(stub, patience).score(QUERY, PASSAGES)

    assert len(stub.requests) == 1
    assert waits.seconds == []


@pytest.mark.parametrize(("key", "code"), [("pa-another-key", 401), ("al-atlas-key", 403)])
def test_a_wrong_key_is_refused_with_a_hint_at_which_key_belongs_where(
    key: str, code: int, stub: VoyageStub, patience: Patience
) -> None:
    model = VoyageReranker("rerank-2.5", key=key, base_url=stub.base_url, patience=patience)

    with pytest.raises(RemoteRefused, match=f"^Voyage answered {code} ") as caught:
        model.score(QUERY, PASSAGES)

    assert caught.value.hint == (
        "a key that begins with `pa-` belongs to https://api.voyageai.com/v1, one with `al-` to "
        "https://ai.mongodb.com/v1: check VOYAGE_API_KEY, and VOYAGE_BASE_URL if it is set"
    )


def test_a_path_that_is_not_there_is_refused_with_a_hint_at_the_address(
    stub: VoyageStub, patience: Patience
) -> None:
    model = VoyageReranker("rerank-2.5", key=stub.key, base_url=stub.base_url[:-3], patience=patience)

    with pytest.raises(RemoteRefused, match=r"^Voyage answered 404 Not Found$") as caught:
        model.score(QUERY, PASSAGES)

    assert caught.value.hint is not None
    assert "VOYAGE_BASE_URL names what comes before `/rerank`" in caught.value.hint


def test_an_empty_query_is_left_to_the_service_to_refuse(stub: VoyageStub, patience: Patience) -> None:
    with pytest.raises(RemoteRefused, match=r"400 Bad Request: .+ Cannot be empty list or empty string"):
        reranker(stub, patience).score("", PASSAGES)


def test_redirects_are_refused_rather_than_followed_with_the_key(
    stub: VoyageStub, patience: Patience
) -> None:
    stub.then(status(307, None, headers={"Location": f"{stub.base_url}/elsewhere"}))

    with pytest.raises(RemoteRefused, match=r"^Voyage answered 307 Temporary Redirect$") as caught:
        reranker(stub, patience).score(QUERY, PASSAGES)

    assert caught.value.hint is not None
    assert "could carry the key elsewhere" in caught.value.hint
    assert len(stub.requests) == 1


@pytest.mark.parametrize("code", [400, 401, 503])
def test_a_key_that_the_service_repeats_is_not_shown(code: int, stub: VoyageStub, patience: Patience) -> None:
    stub.then(status(code, f"the key {stub.key} is no good"))

    with pytest.raises((RemoteRefused, RemoteUnavailable), match="the key … is no good") as caught:
        reranker(stub, replace(patience, attempts=1)).score(QUERY, PASSAGES)

    assert stub.key not in repr(caught.value)


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("red \x1b[31m alert\x07", "red [31m alert"),
        ("a" * 5_000, "a" * 400 + "…"),
        ([{"msg": "field required"}], '[{"msg": "field required"}]'),
        ("", None),
    ],
)
def test_what_the_service_says_is_made_fit_for_a_terminal(
    detail: Any, shown: str | None, stub: VoyageStub, patience: Patience
) -> None:
    stub.then(status(400, detail))

    with pytest.raises(RemoteRefused) as caught:
        reranker(stub, patience).score(QUERY, PASSAGES)

    colon = "" if shown is None else f": {shown}"
    assert caught.value.message == f"Voyage answered 400 Bad Request{colon}"


# ── deadlines and part answers ───────────────────────────────────────────────────────────────────

TWO_BATCHES = ["w0 how", *[f"w{number}" for number in range(1, 1_002)]]


def test_a_deadline_that_has_passed_leaves_everything_unread(stub: VoyageStub, patience: Patience) -> None:
    reading = reranker(stub, patience).score(QUERY, PASSAGES, deadline=time.monotonic() - 1)

    assert np.isnan(reading.values).all()
    assert reading.seen.tolist() == [0, 0, 0, 0]
    assert (reading.tokens, reading.reason) == (0, "the deadline came before Voyage had answered")
    assert reading.stopped == "deadline"
    assert stub.requests == []


@pytest.mark.parametrize(
    "behaviour", [silent(), stalling(), dripping()], ids=["silent", "stalling", "dripping"]
)
def test_a_deadline_ends_the_wait_for_an_answer(
    behaviour: Behaviour, stub: VoyageStub, patience: Patience
) -> None:
    stub.then(behaviour)
    began = time.monotonic()

    reading = reranker(stub, patience).score(QUERY, PASSAGES, deadline=began + 0.1)

    assert time.monotonic() - began < 2
    assert np.isnan(reading.values).all()
    assert reading.reason == "the deadline came before Voyage had answered"


def test_what_was_read_before_the_deadline_counts(stub: VoyageStub, patience: Patience) -> None:
    clock = Clock()
    stub.then(first(clock.set(10.0)))

    reading = reranker(stub, replace(patience, clock=clock)).score("how", TWO_BATCHES, deadline=10.0)

    assert reading.values[0] == 1
    assert np.flatnonzero(np.isnan(reading.values)).tolist() == [1_000, 1_001]
    assert reading.seen.tolist() == [1.0] * 1_000 + [0.0] * 2
    assert reading.tokens == 2_001
    assert reading.reason == "the deadline came before Voyage had answered"
    assert len(stub.requests) == 1


def test_a_deadline_after_failures_says_what_they_were(stub: VoyageStub, patience: Patience) -> None:
    clock = Clock()
    stub.then(status(503, "overloaded"))

    reading = reranker(stub, replace(patience, clock=clock, sleep=lambda _: clock.set(10.0)())).score(
        QUERY, PASSAGES, deadline=10.0
    )

    assert reading.reason == (
        "the deadline came before Voyage had answered "
        "(before that: it answered 503 Service Unavailable: overloaded)"
    )


def test_a_wait_that_the_deadline_would_cut_short_is_not_begun(
    stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    stub.then(status(503, "overloaded", headers={"Retry-After": "20"}))

    with pytest.raises(RemoteUnavailable, match="overloaded, and the deadline leaves no time to try again"):
        reranker(stub, patience).score(QUERY, PASSAGES, deadline=time.monotonic() + 15)

    assert waits.seconds == []


def test_a_failure_after_a_part_was_read_keeps_the_part(stub: VoyageStub, patience: Patience) -> None:
    stub.then(faithful, *[status(500, "oh no")] * 4)

    reading = reranker(stub, patience).score("how", TWO_BATCHES)

    assert reading.values[0] == 1
    assert np.flatnonzero(np.isnan(reading.values)).tolist() == [1_000, 1_001]
    assert reading.stopped == "failed"
    assert reading.reason == "Voyage failed after 4 attempts: it answered 500 Internal Server Error: oh no"


def test_a_refusal_after_a_part_was_read_is_still_a_refusal(stub: VoyageStub, patience: Patience) -> None:
    stub.then(faithful, status(401))

    with pytest.raises(RemoteRefused):
        reranker(stub, patience).score("how", TWO_BATCHES)


# ── keys and addresses ───────────────────────────────────────────────────────────────────────────


def test_key_and_address_are_those_that_models_are_reached_with(stub: VoyageStub, patience: Patience) -> None:
    access = Access(
        voyage_key=stub.key, voyage_url=stub.base_url, patience=patience, purse=Purse(max_usd=0.0)
    )
    model = open_voyage_reranker("rerank-2.5", access=access)

    assert model.base_url == stub.base_url
    assert model.score(QUERY, PASSAGES).stopped == "spent"


@pytest.mark.parametrize("key", [None, "", " "])
def test_without_a_key_the_error_says_which_variable_is_not_set(key: str | None) -> None:
    with pytest.raises(KeyMissing) as caught:
        open_voyage_reranker("rerank-2.5", access=Access(voyage_key=key))

    assert caught.value.message == (
        "`rerank-2.5` is a model of Voyage and needs a key: VOYAGE_API_KEY is not set"
    )
    assert caught.value.hint == (
        "set it in the environment: `export VOYAGE_API_KEY=…`, or as `voyage_api_key` in your own settings"
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("key", "address"),
    [("pa-1", "https://api.voyageai.com/v1"), ("al-1", "https://ai.mongodb.com/v1")],
)
def test_without_an_address_it_is_the_one_that_the_key_belongs_to(key: str, address: str) -> None:
    assert open_voyage_reranker("rerank-3", access=Access(voyage_key=key)).base_url == address


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownModel, match="`rerank-9`") as caught:
        open_voyage_reranker("rerank-9", access=Access())

    assert caught.value.hint is not None
    assert "rerank-2.5-lite" in caught.value.hint


@pytest.mark.parametrize("key", ["", "pa-with space", "pa-line\nbreak", "pa-ключ"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        VoyageReranker("rerank-2.5", key=key)

    assert caught.value.message == "the key for Voyage is empty or holds a character that no key has"


def test_white_space_around_a_key_is_no_part_of_it(stub: VoyageStub, patience: Patience) -> None:
    model = VoyageReranker("rerank-2.5", key=f" {stub.key}\n", base_url=stub.base_url, patience=patience)

    np.testing.assert_allclose(model.score(QUERY, PASSAGES).values, RELEVANCE)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/v1",
        "https://example.org/v1/",
        "http://127.0.0.1:9000/v1",
        "http://localhost:9000/v1",
        "http://[::1]:9000/v1",
        " https://example.org ",
    ],
)
def test_addresses_with_https_or_on_this_machine_will_do(address: str) -> None:
    model = VoyageReranker("rerank-2.5", key="pa-key", base_url=address)

    assert model.base_url == address.strip().rstrip("/")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("http://example.org/v1", "would carry the key unencrypted"),
        ("http://127.0.0.1.example.org/v1", "would carry the key unencrypted"),
        ("http://10.0.0.1/v1", "would carry the key unencrypted"),
        ("ftp://example.org/v1", "is not like `https://host/path`"),
        ("example.org/v1", "is not like `https://host/path`"),
        ("https:///v1", "is not like `https://host/path`"),
        ("", "is not like `https://host/path`"),
        ("https://example.org/v1?key=1", "is not like `https://host/path`"),
        ("https://example.org/v1#x", "is not like `https://host/path`"),
        ("https://user:secret@example.org/v1", "holds a user name or password"),
        ("http://127.0.0.1:80@example.org/v1", "holds a user name or password"),
        ("https://example.org:port/v1", "cannot be read"),
        ("https://exa mple.org/v1", "holds a character that no address has"),
        ("http://127.0.0.1\\.example.org/v1", "holds a character that no address has"),
    ],
)
def test_an_address_that_a_key_must_not_go_to_is_refused(address: str, fault: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^the address of Voyage ") as caught:
        VoyageReranker("rerank-2.5", key="pa-key", base_url=address)

    assert fault in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.hint is not None
    assert "VOYAGE_BASE_URL" in caught.value.hint


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Names a proxy in the environment, for every address."""

    def name(address: str) -> None:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, address)
            monkeypatch.setenv(variable.lower(), address)

    return name


def test_a_proxy_of_the_environment_is_not_asked_for_loopback_addresses(
    stub: VoyageStub, patience: Patience, proxy: Callable[[str], None]
) -> None:
    proxy("http://127.0.0.1:9")

    np.testing.assert_allclose(reranker(stub, patience).score(QUERY, PASSAGES).values, RELEVANCE)


def test_a_proxy_of_the_environment_is_asked_for_other_addresses(
    patience: Patience, proxy: Callable[[str], None]
) -> None:
    with VoyageStub() as gone:
        proxy(gone.base_url)
    model = VoyageReranker("rerank-2.5", key="pa-key", patience=replace(patience, attempts=1))

    with pytest.raises(RemoteUnavailable, match=r"cannot be reached .+ refused"):
        model.score(QUERY, PASSAGES)


def test_a_proxy_of_the_environment_that_cannot_be_one_is_named(proxy: Callable[[str], None]) -> None:
    proxy("gopher://127.0.0.1:9")

    with pytest.raises(InvalidSettings, match=r"^the proxy named in the environment cannot be used: "):
        VoyageReranker("rerank-2.5", key="pa-key").score(QUERY, PASSAGES)


# ── the stand-in itself ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        ({"top_n": 3}, "Argument 'top_n' is not supported"),
        ({"model": "rerank-9"}, "Model rerank-9 is not supported"),
        ({"documents": "a"}, "supplied for argument 'documents' is not valid"),
        ({"documents": ["a", ""]}, "cannot contain empty strings"),
        ({"documents": []}, "Cannot be empty list"),
        ({"documents": ["a"] * 1_001}, "above 1000"),
        ({"query": "w " * 8_001, "truncation": False}, "too long for rerank-2.5"),
        ({"query": "w " * 700, "documents": ["a"] * 1_000}, "above 600000"),
    ],
)
def test_the_stand_in_refuses_what_the_service_refuses(
    payload: dict[str, Any], detail: str, stub: VoyageStub, patience: Patience
) -> None:
    service = RemoteService("Voyage", stub.base_url, stub.key, patience=patience)
    whole: Payload = {"query": "a", "documents": ["a"], "model": "rerank-2.5", **payload}

    with pytest.raises(RemoteRefused, match="400 Bad Request: ") as caught:
        service.post("/rerank", whole, lambda answer: answer)

    assert detail in caught.value.message


def test_the_stand_in_sorts_by_relevance_and_cuts_at_top_k(stub: VoyageStub, patience: Patience) -> None:
    service = RemoteService("Voyage", stub.base_url, stub.key, patience=patience)
    request: Payload = {"query": "a b", "documents": ["c", "a", "b a"], "model": "rerank-3", "top_k": 2}

    answer: Any = service.post("/rerank", {**request, "return_documents": True}, lambda answer: answer)

    assert [(item["index"], item["relevance_score"], item["document"]) for item in answer["data"]] == [
        (2, 1.0, "b a"),
        (1, 0.5, "a"),
    ]
    assert overlap("a b", "b a") == 1.0
