"""What a model's name says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.errors import InvalidSettings, UnknownModel
from vai.models.names import (
    HubName,
    Place,
    canonical_name,
    folder_path,
    hub_name,
    place_of,
    server_name,
)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("all-MiniLM-L6-v2", "known"),
        ("rerank-2.5", "known"),
        ("", "known"),
        ("a/b/c", "known"),
        ("owner/", "known"),
        ("cross-encoder/ms-marco-MiniLM-L6-v2", "hub"),
        ("owner/name@main", "hub"),
        ("owner/name@refs/pr/1", "hub"),
        ("./model", "folder"),
        ("../model", "folder"),
        ("~/model", "folder"),
        ("/models/one", "folder"),
        (".", "folder"),
        ("C:\\models\\one", "folder"),
        ("c:/models/one", "folder"),
        ("\\\\share\\one", "folder"),
        ("tei:http://127.0.0.1:8080", "server"),
        ("cohere:https://host/v2/rerank#name", "server"),
        ("openai:http://localhost:11434/v1#nomic-embed-text", "server"),
        ("https://host/v1", "server"),
        ("http://127.0.0.1:8080", "server"),
        ("HTTP://127.0.0.1:8080", "server"),
        ("openai:file:///etc/passwd", "server"),
        ("tei:", "server"),
    ],
)
def test_a_name_says_where_the_model_is(name: str, place: Place) -> None:
    assert place_of(name) == place


@given(name=st.text(max_size=30))
def test_any_text_is_a_name_of_some_place(name: str) -> None:
    assert place_of(name) in {"known", "folder", "hub", "server"}


def test_a_servers_name_has_a_format_an_address_parameters_and_a_model() -> None:
    server = server_name(
        "cohere:https://host:8443/v2/rerank?scale=logits&max_tokens=512#BAAI/bge", "reranker"
    )

    assert server.name == "cohere:https://host:8443/v2/rerank?scale=logits&max_tokens=512#BAAI/bge"
    assert (server.format, server.address, server.model) == (
        "cohere",
        "https://host:8443/v2/rerank",
        "BAAI/bge",
    )
    assert server.parameters == {"scale": "logits", "max_tokens": "512"}
    assert server.number("max_tokens", 4_096) == 512


def test_all_but_format_and_address_can_be_left_out() -> None:
    server = server_name("tei:http://127.0.0.1:8080", "reranker")
    assert (server.address, server.model, server.parameters) == ("http://127.0.0.1:8080", None, {})
    assert server.number("max_tokens", 7) == 7


def test_parameters_are_url_encoded_because_names_have_no_spaces() -> None:
    server = server_name(
        "openai:http://h/v1?query_prompt=search_query:%20&document_prompt=a+b%26c", "embedder"
    )
    assert server.parameters == {"query_prompt": "search_query: ", "document_prompt": "a b&c"}


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [
        ("openai:http://h/v1", "reranker", "write `cohere:https://host/path#model` or `tei:https://host"),
        ("tei:http://h", "embedder", "write `openai:https://host/path#model`"),
        ("http://127.0.0.1:8080", "reranker", "write `cohere:https://host/path#model` or `tei:https://host"),
        ("openai:file:///etc/passwd", "embedder", "write `openai:"),
        ("openai:ftp://h/v1", "embedder", "write `openai:"),
        ("tei:", "reranker", "write `cohere:"),
        ("tei:http://", "reranker", "write `cohere:"),
        ("tei:http://h/a b", "reranker", "write `cohere:"),
    ],
)
def test_what_is_no_servers_name_is_refused_with_how_to_write_one(name: str, kind: str, hint: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        server_name(name, kind)

    assert (
        caught.value.message == f"`{name}` is not the address of {'an' if kind == 'embedder' else 'a'} {kind}"
    )
    assert str(caught.value.hint).startswith(hint)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(UnknownModel, match=r"`openai:ftp://…@h/v1`") as caught:
        server_name("openai:ftp://user:secret@h/v1", "embedder")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (
            "cohere:http://h/r?max_token=5",
            "an address of the format `cohere` has no parameter `max_token`",
            "did you mean `max_tokens`?",
        ),
        (
            "cohere:http://h/r?api_key=secret",
            "an address of the format `cohere` has no parameter `api_key`",
            "it has max_tokens, scale",
        ),
        ("tei:http://h?x=1", "an address of the format `tei` has no parameter `x`", "it has none"),
        (
            "cohere:http://h/r?scale=logits&scale=relevance",
            "an address has the parameter `scale` twice",
            None,
        ),
    ],
)
def test_parameters_that_there_are_not_are_refused_without_their_values(
    name: str, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidSettings) as caught:
        server_name(name, "reranker")

    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "9999999999"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    server = server_name(f"cohere:http://h/r?max_tokens={value}", "reranker")
    with pytest.raises(InvalidSettings, match=r"`max_tokens` in `cohere:.*` must be a whole number from 1"):
        server.number("max_tokens", 1)


def test_a_parameter_can_be_added_to_a_name() -> None:
    assert server_name("cohere:http://h/r", "reranker").with_parameter("scale", "logits") == (
        "cohere:http://h/r?scale=logits"
    )
    assert server_name("cohere:http://h/r?max_tokens=5#m", "reranker").with_parameter("scale", "logits") == (
        "cohere:http://h/r?max_tokens=5&scale=logits#m"
    )


def test_a_name_on_the_hub_has_a_repository_and_perhaps_a_revision() -> None:
    assert hub_name("owner/name") == HubName("owner/name", None)
    assert hub_name("owner/name@v1.0") == HubName("owner/name", "v1.0")
    with pytest.raises(UnknownModel, match="`name` is no name on the hub"):
        hub_name("name")


def test_models_call_themselves_by_what_does_not_depend_on_where_one_stands() -> None:
    assert canonical_name("./model") == str(Path.cwd() / "model")
    assert folder_path("~/model") == Path.home() / "model"
    assert canonical_name("owner/name@main") == "owner/name"
    assert canonical_name("tei:http://127.0.0.1:8080") == "tei:http://127.0.0.1:8080"
    assert canonical_name("rerank-2.5") == "rerank-2.5"
