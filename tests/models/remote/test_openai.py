"""Embedders behind an address, against a stand-in on this machine."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model_stub import (
    Behaviour,
    ModelStub,
    Serve,
    Waits,
    cut_off,
    dripping,
    edited,
    hung_up,
    raw,
    silent,
    stalling,
    status,
)
from remote_samples import TEXTS
from server_stubs import OpenAI, openai_error
from vai.errors import InvalidSettings, RemoteRefused, RemoteUnavailable, UnknownModel
from vai.models.access import Access
from vai.models.remote.http import DeadlineReached, Patience
from vai.models.remote.openai import OpenAIEmbedder, open_openai_embedder
from vai.protocols import Embedder


def embedder(
    stub: ModelStub, patience: Patience, rest: str = "#nomic-embed-text", dimension: int | None = None
) -> OpenAIEmbedder:
    access = Access(embeddings_key=stub.key, patience=patience)
    return open_openai_embedder(f"openai:{stub.address}/v1{rest}", dimension=dimension, access=access)


# ── good answers ─────────────────────────────────────────────────────────────────────────────────


def test_the_request_is_what_the_contract_asks_for(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI(), "e-key-123456")

    embedder(stub, patience, dimension=64).embed_documents(TEXTS)

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/embeddings")
    assert request.payload == {"model": "nomic-embed-text", "input": list(TEXTS), "encoding_format": "float"}
    assert request.headers["authorization"] == "Bearer e-key-123456"


def test_without_a_model_or_a_key_neither_is_sent(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI(model=None))
    embedder(stub, patience, rest="").embed_query("how")
    assert "model" not in stub.requests[0].payload
    assert "authorization" not in stub.requests[0].headers


def test_vectors_are_float32_of_unit_length_in_the_order_of_the_texts(
    serve: Serve, patience: Patience
) -> None:
    model: Embedder = embedder(serve(OpenAI()), patience)

    vectors = model.embed_documents(TEXTS)

    assert (vectors.shape, vectors.dtype) == ((3, 64), np.dtype(np.float32))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert np.argmax(vectors @ model.embed_query("bread")) == 1


def test_it_is_called_as_it_was_named_and_nothing_is_asked_before_it_is_needed(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(OpenAI())
    model = embedder(stub, patience)

    assert model.name == f"openai:{stub.address}/v1#nomic-embed-text"
    assert (model.revision, model.languages, model.max_tokens) == ("as served", (), 512)
    assert model.usd_per_million_tokens == 0.0
    assert list(model.token_ends("how to exit")) == [3, 6, 11]
    assert stub.requests == []


def test_results_are_put_back_by_index_whatever_their_order(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    model = embedder(stub, patience)
    expected = model.embed_documents(TEXTS)
    stub.then(edited(lambda answer: answer["data"].reverse()))
    np.testing.assert_array_equal(model.embed_documents(TEXTS), expected)


def test_requests_hold_32_texts_and_come_in_order(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    model = embedder(stub, patience, dimension=64)

    vectors = model.embed_documents([f"w{number % 7}" for number in range(200)])

    assert sorted(len(request.payload["input"]) for request in stub.requests) == [8, *[32] * 6]
    assert all(np.array_equal(vectors[row], vectors[row % 7]) for row in range(200))


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_text_of_white_space_is_not_sent(blank: str, serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    model = embedder(
        stub, patience, rest="?query_prompt=q:+&document_prompt=d:+#nomic-embed-text", dimension=64
    )

    assert model.embed_documents([blank])[0].tolist() == [1.0] + [0.0] * 63
    assert model.embed_query(blank).tolist() == [1.0] + [0.0] * 63
    assert stub.requests == []


# ── prompts and lengths ──────────────────────────────────────────────────────────────────────────


def test_prompts_come_before_queries_and_documents(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    rest = "?query_prompt=search_query:%20&document_prompt=search_document:%20#nomic-embed-text"
    model = embedder(stub, patience, rest=rest, dimension=64)

    model.embed_query("how")
    model.embed_documents(["this", "that"])

    assert [request.payload["input"] for request in stub.requests] == [
        ["search_query: how"],
        ["search_document: this", "search_document: that"],
    ]
    assert model.name.endswith(rest)


def test_texts_are_cut_off_at_what_the_model_reads(serve: Serve, patience: Patience) -> None:
    """Prompt and special tokens are counted in; servers such as Ollama refuse what is longer."""
    stub = serve(OpenAI(max_tokens=30))
    rest = "?max_tokens=30&query_prompt=one+two+#nomic-embed-text"
    model = embedder(stub, patience, rest=rest, dimension=64)
    assert model.max_tokens == 30

    model.embed_documents(["word " * 100, "short"])
    model.embed_query("word " * 100)

    documents, query = (request.payload["input"] for request in stub.requests)
    assert documents == [("word " * 28).strip(), "short"]
    assert query == ["one two " + ("word " * 26).strip()]


def test_a_text_that_the_server_finds_too_long_is_refused_with_what_to_do(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(OpenAI(max_tokens=10))
    with pytest.raises(
        RemoteRefused, match="400 Bad Request: the input length exceeds the context"
    ) as caught:
        embedder(stub, patience).embed_query("word " * 20)
    assert "max_tokens" in str(caught.value.hint)


# ── dimensions ───────────────────────────────────────────────────────────────────────────────────


def test_the_dimension_is_that_of_the_first_answer(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI(dimension=48))
    model = embedder(stub, patience)

    assert model.dimension == 48
    assert model.embed_documents(TEXTS).shape == (3, 48)
    assert model.dimension == 48
    assert len(stub.requests) == 2

    another = embedder(stub, patience)
    another.embed_query("how")
    assert (another.dimension, len(stub.requests)) == (48, 3)


@pytest.mark.parametrize("cuts", ["cuts", "refuses", "ignores"])
def test_a_dimension_that_the_server_has_anyway_is_never_asked_for(
    cuts: str, serve: Serve, patience: Patience
) -> None:
    """Many servers refuse to be asked for any."""
    stub = serve(OpenAI(cuts=cuts))
    assert embedder(stub, patience, dimension=64).embed_documents(TEXTS).shape == (3, 64)
    assert all("dimensions" not in request.payload for request in stub.requests)


def test_another_dimension_is_asked_for_from_then_on(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    model = embedder(stub, patience, dimension=16)

    assert model.embed_documents(TEXTS).shape == (3, 16)
    assert model.embed_query("how").shape == (16,)

    asked = [request.payload.get("dimensions") for request in stub.requests]
    assert asked == [None, 16, 16]
    assert np.linalg.norm(model.embed_query("how")) == pytest.approx(1, abs=1e-6)


def test_several_requests_at_a_time_learn_of_it_together(serve: Serve, patience: Patience) -> None:
    model = embedder(serve(OpenAI()), patience, dimension=16)
    assert model.embed_documents(["text"] * 300).shape == (300, 16)


def test_a_dimension_that_the_server_cannot_give_is_an_error_that_names_both(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(OpenAI(cuts="ignores"))
    with pytest.raises(InvalidSettings, match=r"`openai:.+` has 64 dimensions, not 16$"):
        embedder(stub, patience, dimension=16).embed_query("how")
    with pytest.raises(RemoteRefused, match="does not support matryoshka"):
        embedder(serve(OpenAI(cuts="refuses")), patience, dimension=16).embed_query("how")
    with pytest.raises(InvalidSettings, match="cannot have -1 dimensions"):
        embedder(stub, patience, dimension=-1)


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("retry_after", [None, "2"])
def test_a_passing_failure_is_tried_again(
    code: int, retry_after: str | None, serve: Serve, patience: Patience, waits: Waits
) -> None:
    stub = serve(OpenAI())
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    stub.then(status(code, "loading the model", headers=headers, body=openai_error))

    assert embedder(stub, patience).embed_query("how").shape == (64,)
    assert waits.seconds == [0.5 if retry_after is None else 2.5]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422, 424])
def test_a_refusal_is_not_and_is_shown_with_what_to_do(
    code: int, serve: Serve, patience: Patience, waits: Waits
) -> None:
    stub = serve(OpenAI())
    stub.then(status(code, "no such luck", body=openai_error))

    with pytest.raises(RemoteRefused, match=rf"^openai:http.+ answered {code} .*: no such luck$") as caught:
        embedder(stub, patience).embed_query("how")

    hints = {
        **dict.fromkeys((400, 413, 422), "max_tokens"),
        401: "embeddings_api_key",
        403: "VAI_EMBEDDINGS_API_KEY",
        404: "what comes before `/embeddings`",
    }
    assert hints.get(code, "None") in str(caught.value.hint)
    assert (len(stub.requests), waits.seconds) == (1, [])


def test_a_wrong_key_and_a_wrong_model_are_refusals(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI(), "right-key-123")
    access = Access(embeddings_key="wrong-key-123", patience=patience)
    with pytest.raises(RemoteRefused, match="401 Unauthorized: Incorrect API key"):
        open_openai_embedder(f"openai:{stub.address}/v1#m", dimension=None, access=access).embed_query("how")
    with pytest.raises(RemoteRefused, match='404 Not Found: model "other" not found'):
        embedder(stub, patience, rest="#other").embed_query("how")


def item(**fields: Any) -> Behaviour:
    return edited(lambda answer: answer["data"][0].update(fields))


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (raw(b"?"), "is not JSON"),
        (raw(b"[]"), "lacks `data`"),
        (raw(b'{"data": 3}'), "has results that are not a list: 3"),
        (item(index=9), "has an index that is none of 0 to 2: 9"),
        (item(index=1), "has index 1 twice"),
        (edited(lambda answer: answer["data"].pop()), "has 2 results for 3 texts"),
        (item(embedding="AACAPw=="), "has a vector that is no list of numbers"),
        (item(embedding=[1.0, None]), "has a coordinate that is no number: None"),
        (item(embedding=[0.0] * 64), "has a vector of zeros"),
        (item(embedding=[1.0]), "has vectors of several dimensions"),
        (cut_off(), "broke off"),
        (hung_up(), "broke off"),
    ],
)
def test_a_broken_answer_is_tried_again_and_then_a_failure(
    behaviour: Behaviour, message: str, serve: Serve, patience: Patience
) -> None:
    stub = serve(OpenAI())
    stub.then(*[behaviour] * 4)
    with pytest.raises(RemoteUnavailable, match=rf"failed after 4 attempts: its answer {message}"):
        embedder(stub, patience, dimension=64).embed_documents(TEXTS)


@pytest.mark.parametrize("behaviour", [silent(), stalling(), dripping()])
def test_a_query_gives_up_at_its_deadline(behaviour: Behaviour, serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    stub.then(behaviour)
    began = time.monotonic()

    with pytest.raises(DeadlineReached):
        embedder(stub, patience).embed_query("how", deadline=began + 0.1)

    assert time.monotonic() - began < 2


def test_documents_are_given_up_after_as_many_attempts_as_patience_has(
    serve: Serve, patience: Patience, waits: Waits
) -> None:
    stub = serve(OpenAI())
    stub.then(*[silent()] * 2)
    with pytest.raises(RemoteUnavailable, match=r"failed after 2 attempts: no complete answer within 0.1 s"):
        embedder(stub, replace(patience, timeout_s=0.1, attempts=2), dimension=64).embed_documents(["how"])
    assert len(waits.seconds) == 1


# ── names, keys, addresses ───────────────────────────────────────────────────────────────────────


def test_only_openais_format_is_an_embedders() -> None:
    with pytest.raises(UnknownModel, match="`tei:http://h` is not the address of an embedder"):
        open_openai_embedder("tei:http://h", dimension=None, access=Access())


def test_a_key_goes_over_https_only_except_on_this_machine() -> None:
    name = "openai:http://example.org/v1#m"
    assert open_openai_embedder(name, dimension=None, access=Access()).name == name
    with pytest.raises(InvalidSettings, match="would carry the key unencrypted"):
        open_openai_embedder(name, dimension=None, access=Access(embeddings_key="secret-123"))


def test_redirects_are_not_followed(serve: Serve, patience: Patience) -> None:
    stub = serve(OpenAI())
    stub.then(status(302, None, headers={"Location": f"{stub.address}/v1/embeddings"}))
    with pytest.raises(RemoteRefused, match=r"answered 302 Found$"):
        embedder(stub, patience).embed_query("how")
    assert len(stub.requests) == 1


def test_connections_can_be_closed_at_any_time(serve: Serve, patience: Patience) -> None:
    model = embedder(serve(OpenAI()), patience)
    model.close()
    model.embed_query("how")
    model.close()
    assert model.embed_query("how").shape == (64,)
