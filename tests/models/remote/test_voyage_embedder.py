"""Voyage's embedders against a stand-in on a loopback address."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

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
    raw,
    silent,
    status,
)
from remote_samples import TEXTS
from vai.errors import (
    BudgetSpent,
    InvalidSettings,
    KeyMissing,
    RemoteRefused,
    RemoteUnavailable,
    UnknownModel,
)
from vai.models.access import Access
from vai.models.paying.spending import Purse
from vai.models.remote import voyage_embedder
from vai.models.remote.embedding import IN_FLIGHT
from vai.models.remote.http import DeadlineReached, Patience
from vai.models.remote.voyage import DIMENSIONS, EMBEDDING_MODELS, mates_of, open_voyage_embedder
from vai.models.remote.voyage_embedder import VoyageEmbedder
from vai.protocols import Embedder
from voyage_stub import EMBEDDERS, VoyageStub


def embedder(stub: VoyageStub, patience: Patience, name: str = "voyage-4", **options: Any) -> VoyageEmbedder:
    return VoyageEmbedder(name, key=stub.key, base_url=stub.base_url, patience=patience, **options)


# ── good answers ─────────────────────────────────────────────────────────────────────────────────


def test_the_request_is_what_the_contract_asks_for(stub: VoyageStub, patience: Patience) -> None:
    model = embedder(stub, patience, dimension=512)
    model.embed_documents(TEXTS)
    model.embed_query("how")

    documents, query = stub.requests
    assert (documents.method, documents.path) == ("POST", "/v1/embeddings")
    assert documents.headers["authorization"] == f"Bearer {stub.key}"
    assert documents.payload == {
        "input": list(TEXTS),
        "model": "voyage-4",
        "input_type": "document",
        "truncation": True,
        "output_dimension": 512,
        "output_dtype": "float",
    }
    assert query.payload == {**documents.payload, "input": ["how"], "input_type": "query"}


def test_vectors_are_float32_of_unit_length_in_the_order_of_the_texts(
    stub: VoyageStub, patience: Patience
) -> None:
    model = embedder(stub, patience)

    vectors = model.embed_documents(TEXTS)

    assert (vectors.shape, vectors.dtype) == ((3, 1_024), np.dtype(np.float32))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    best = np.argmax(vectors @ model.embed_query("bread"))
    assert best == 1


@pytest.mark.parametrize("name", EMBEDDING_MODELS)
def test_every_model_of_the_table_is_one_that_the_service_has(
    name: str, stub: VoyageStub, patience: Patience
) -> None:
    model: Embedder = embedder(stub, patience, name)

    assert model.embed_documents(TEXTS).shape == (3, 1_024)
    assert (model.name, model.revision, model.languages) == (name, "as served", ())
    assert model.usd_per_million_tokens == EMBEDDING_MODELS[name].price > 0
    assert EMBEDDING_MODELS[name].request_tokens == EMBEDDERS[name][0]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_dimension_can_be_asked_for(dimension: int, stub: VoyageStub, patience: Patience) -> None:
    assert embedder(stub, patience, dimension=dimension).embed_query("how").shape == (dimension,)


def test_results_are_put_back_by_index_whatever_their_order(stub: VoyageStub, patience: Patience) -> None:
    model = embedder(stub, patience)
    expected = model.embed_documents(TEXTS)
    stub.then(edited(lambda answer: answer["data"].reverse()))

    np.testing.assert_array_equal(model.embed_documents(TEXTS), expected)


def test_no_texts_need_no_call(stub: VoyageStub, patience: Patience) -> None:
    assert embedder(stub, patience).embed_documents([]).shape == (0, 1_024)
    assert stub.requests == []


@pytest.mark.parametrize("blank", ["", " \t\n"])
def test_a_text_of_white_space_is_not_sent_and_has_a_vector_that_means_nothing(
    blank: str, stub: VoyageStub, patience: Patience
) -> None:
    model = embedder(stub, patience)

    vectors = model.embed_documents(["how", blank, "scale"])

    assert stub.requests[0].payload["input"] == ["how", "scale"]
    assert vectors[1].tolist() == [1.0] + [0.0] * 1_023
    assert model.embed_query(blank).tolist() == vectors[1].tolist()
    assert len(stub.requests) == 1


def test_lengths_are_in_the_bundled_embedders_tokens(stub: VoyageStub, patience: Patience) -> None:
    model = embedder(stub, patience)

    assert list(model.token_ends("how to exit")) == [3, 6, 11]
    assert model.max_tokens == 32_000
    assert stub.requests == []


# ── requests ─────────────────────────────────────────────────────────────────────────────────────


def sizes(stub: VoyageStub) -> list[int]:
    return sorted(len(request.payload["input"]) for request in stub.requests)


def test_many_texts_are_asked_for_in_several_requests_at_a_time_and_come_in_order(
    stub: VoyageStub, patience: Patience
) -> None:
    model = embedder(stub, patience, dimension=256)
    texts = [f"w{number}" for number in range(1_000)]
    others, waited = threading.Event(), []
    stub.then(first(lambda: waited.append(others.wait(10))), faithful, first(others.set))

    vectors = model.embed_documents(texts)

    assert waited == [True]  # the first was answered after the third had come
    assert sizes(stub) == [104, *[128] * 7]
    alone = np.stack([model.embed_query(text) for text in texts[::250]])
    assert (np.einsum("nd,nd->n", vectors[::250], alone) > 0.95).all()
    assert len({request.client for request in stub.requests[:8]}) > 1


def test_fewer_texts_are_spread_over_the_requests_that_are_made_at_a_time(
    stub: VoyageStub, patience: Patience
) -> None:
    embedder(stub, patience).embed_documents(["text"] * 128)
    assert sizes(stub) == [128 // IN_FLIGHT] * IN_FLIGHT


def test_few_texts_are_one_request(stub: VoyageStub, patience: Patience) -> None:
    embedder(stub, patience).embed_documents(["text"] * 16)
    assert sizes(stub) == [16]


def test_a_request_has_no_more_bytes_than_the_model_takes_tokens(
    stub: VoyageStub, patience: Patience
) -> None:
    embedder(stub, patience, "voyage-4-large").embed_documents(["a " * 25_000] * 5)
    assert sizes(stub) == [1, 2, 2]


def test_a_text_longer_than_a_request_may_be_goes_alone_and_is_cut_off_there(
    stub: VoyageStub, patience: Patience
) -> None:
    embedder(stub, patience, "voyage-4-large").embed_documents(["word " * 30_000, "short"])
    assert sizes(stub) == [1, 1]


# ── models that share a space ────────────────────────────────────────────────────────────────────


def test_queries_can_be_embedded_by_another_model_of_the_same_space(stub: VoyageStub) -> None:
    purse = Purse()
    access = Access(voyage_key=stub.key, voyage_url=stub.base_url, purse=purse)
    documents = open_voyage_embedder("voyage-4-large", dimension=None, access=access)
    queries = open_voyage_embedder("voyage-4-lite", dimension=None, access=access)

    right, wrong = documents.embed_documents(["scale a set", "bread"]) @ queries.embed_query("scale")

    assert [request.payload["model"] for request in stub.requests] == ["voyage-4-large", "voyage-4-lite"]
    assert right > wrong
    assert purse.spent == pytest.approx((4 * 0.12 + 1 * 0.02) / 1_000_000)


@pytest.mark.parametrize(
    ("name", "mates"),
    [
        ("voyage-4", ("voyage-4-large", "voyage-4", "voyage-4-lite")),
        ("voyage-code-4", ("voyage-code-4",)),
        ("voyage-3.5", ("voyage-3.5",)),
        ("all-MiniLM-L6-v2", ("all-MiniLM-L6-v2",)),
    ],
)
def test_which_models_share_a_space_is_known(name: str, mates: tuple[str, ...]) -> None:
    assert mates_of(name) == mates


# ── names, keys, dimensions ──────────────────────────────────────────────────────────────────────


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownModel, match="Voyage has no embedder of that name: `voyage-9`") as caught:
        open_voyage_embedder("voyage-9", dimension=None, access=Access(voyage_key="pa-1"))

    assert "voyage-4-lite" in str(caught.value.hint)


def test_without_a_key_nothing_is_opened() -> None:
    with pytest.raises(KeyMissing, match="`voyage-4` is a model of Voyage"):
        open_voyage_embedder("voyage-4", dimension=None, access=Access())


@pytest.mark.parametrize("dimension", [1, 384, 4_096])
def test_a_dimension_that_there_is_not_is_refused(dimension: int) -> None:
    with pytest.raises(InvalidSettings, match=f"`voyage-4` has no {dimension} dimensions") as caught:
        open_voyage_embedder("voyage-4", dimension=dimension, access=Access(voyage_key="pa-1"))

    assert caught.value.hint == "it has 256, 512, 1024, 2048; 1024 unless you say otherwise"


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("behaviour", [status(429), status(503, None), cut_off(), raw(b"?")])
def test_a_passing_failure_is_tried_again(
    behaviour: Behaviour, stub: VoyageStub, patience: Patience, waits: Waits
) -> None:
    stub.then(behaviour)

    assert embedder(stub, patience).embed_query("how").shape == (1_024,)
    assert waits.seconds == [0.5]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
def test_a_refusal_is_not(code: int, stub: VoyageStub, patience: Patience) -> None:
    stub.then(status(code, "no"))

    with pytest.raises(RemoteRefused, match=rf"Voyage answered {code} .+: no"):
        embedder(stub, patience).embed_documents(TEXTS)

    assert len(stub.requests) == 1


def with_first(**fields: Any) -> Behaviour:
    def edit(answer: Payload) -> None:
        answer["data"][0].update(fields)

    return edited(edit)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (with_first(embedding=[1.0] * 3), "has a vector of 3 numbers instead of 256"),
        (with_first(embedding=[0.0] * 256), "has a vector of zeros"),
        (with_first(embedding=["1"] * 256), "has a coordinate that is no number: '1'"),
        (with_first(embedding=[True] * 256), "has a coordinate that is no number: True"),
        (with_first(embedding=[]), r"has a vector that is no list of numbers: \[\]"),
        (with_first(embedding="AACAPw=="), "has a vector that is no list of numbers: 'AACAPw=='"),
        (with_first(embedding=None), "has a vector that is no list of numbers: None"),
        (with_first(index=1), "has index 1 twice"),
        (with_first(index=9), "has an index that is none of 0 to 2: 9"),
        (edited(lambda answer: answer["data"].pop()), "has 2 results for 3 texts"),
        (edited(lambda answer: answer["data"][0].pop("embedding")), "lacks `embedding`"),
        (edited(lambda answer: answer.pop("data")), "lacks `data`"),
        (edited(lambda answer: answer.pop("usage")), "lacks `usage`"),
    ],
)
def test_a_broken_answer_is_a_failure_that_says_what_is_wrong(
    behaviour: Behaviour, message: str, stub: VoyageStub, patience: Patience
) -> None:
    stub.then(behaviour)

    with pytest.raises(RemoteUnavailable, match=f"its answer {message}"):
        embedder(stub, replace(patience, attempts=1), dimension=256).embed_documents(TEXTS)


def test_huge_and_tiny_numbers_still_make_unit_length(stub: VoyageStub, patience: Patience) -> None:
    stub.then(
        edited(lambda answer: answer["data"][0].update(embedding=[1e308] * 256)),
        edited(lambda answer: answer["data"][0].update(embedding=[1e-300] * 256)),
    )
    model = embedder(stub, patience, dimension=256)

    for _ in range(2):
        assert np.linalg.norm(model.embed_query("how")) == pytest.approx(1, abs=1e-6)


def test_one_failed_request_of_several_fails_the_whole(stub: VoyageStub, patience: Patience) -> None:
    stub.then(status(400, "one of them"))

    with pytest.raises(RemoteRefused, match="one of them"):
        embedder(stub, patience).embed_documents(["text"] * 128)


@pytest.mark.parametrize("behaviour", [silent(), dripping()])
def test_a_query_gives_up_at_its_deadline(behaviour: Behaviour, stub: VoyageStub, patience: Patience) -> None:
    stub.then(behaviour)
    began = time.monotonic()

    with pytest.raises(DeadlineReached, match="the deadline came before Voyage had answered"):
        embedder(stub, patience).embed_query("how", deadline=began + 0.1)

    assert time.monotonic() - began < 2


def test_documents_wait_for_the_next_minute_of_a_rate_limit_and_queries_do_not(
    stub: VoyageStub, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = status(429, headers={"Retry-After": "59"})
    monkeypatch.setattr(voyage_embedder, "STEADY", replace(voyage_embedder.STEADY, sleep=waits))
    model = VoyageEmbedder("voyage-4", key=stub.key, base_url=stub.base_url)
    stub.then(busy, faithful, busy)

    assert model.embed_documents(["text"]).shape == (1, 1_024)
    with pytest.raises(RemoteUnavailable, match="and asks to wait 59 s"):
        model.embed_query("text")

    assert len(waits.seconds) == 1
    assert 59 <= waits.seconds[0] <= 60


# ── money ────────────────────────────────────────────────────────────────────────────────────────


def test_every_request_is_paid_for_by_the_tokens_that_the_service_counted(
    stub: VoyageStub, patience: Patience
) -> None:
    purse = Purse(max_usd=1.0)
    embedder(stub, patience, "voyage-4-large", purse=purse).embed_documents(["two words"] * 200)

    assert purse.spent == pytest.approx(400 * 0.12 / 1_000_000)


def test_when_the_money_is_spent_that_is_an_error(stub: VoyageStub, patience: Patience) -> None:
    model = embedder(stub, patience, purse=Purse(max_usd=0.000001))

    with pytest.raises(BudgetSpent, match="voyage-4"):
        model.embed_documents(["word " * 100])
    with pytest.raises(BudgetSpent, match="voyage-4"):
        model.embed_query("word")

    assert stub.requests == []


def test_a_deadline_between_two_attempts_ends_a_query(stub: VoyageStub, patience: Patience) -> None:
    clock = Clock()
    stub.then(first(clock.set(5.0), status(503, "busy")))

    with pytest.raises(DeadlineReached, match=r"before that: it answered 503 .+ busy"):
        embedder(stub, replace(patience, clock=clock, sleep=lambda _: clock.set(9.0)())).embed_query(
            "how", deadline=8.0
        )
