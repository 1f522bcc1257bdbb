"""Which models can be named."""

from __future__ import annotations

import os
import re

import pytest

from vai.errors import InvalidSettings, KeyMissing, UnknownModel
from vai.models.access import Access
from vai.models.catalog import (
    DEFAULT_EMBEDDER,
    DEFAULT_RERANKER,
    bundled_manifests,
    core_count,
    is_remote,
    known_models,
    open_embedder,
    open_reranker,
    require_same_space,
)
from vai.models.remote.voyage import EMBEDDING_MODELS, RERANK_MODELS


def test_bundled_models_come_first_then_remote_ones_then_those_for_tests() -> None:
    places = [info.where for info in known_models()]
    remote = len(EMBEDDING_MODELS) + len(RERANK_MODELS)
    assert places == ["bundled"] * 2 + ["Voyage"] * remote + ["for tests"] * 2
    assert {"rerank-2.5", "rerank-2.5-lite", "voyage-4"} <= {info.name for info in known_models()}


def test_no_name_stands_for_two_models() -> None:
    names = [info.name for info in known_models()]
    assert len(names) == len(set(names))


def test_every_model_that_is_listed_can_be_opened_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-none")
    monkeypatch.setenv("VOYAGE_BASE_URL", "http://127.0.0.1:9/v1")
    for info in known_models():
        if info.kind == "embedder":
            embedder = open_embedder(info.name)
            assert (embedder.name, embedder.dimension) == (info.name, info.dimension)
            assert (embedder.max_tokens, embedder.languages) == (info.max_tokens, info.languages)
        else:
            reranker = open_reranker(info.name)
            assert (reranker.name, reranker.languages) == (info.name, info.languages)
            assert info.dimension is None


def test_the_defaults_are_the_bundled_models() -> None:
    assert [manifest.name for manifest in bundled_manifests()] == [DEFAULT_EMBEDDER, DEFAULT_RERANKER]
    assert [info.name for info in known_models()[:2]] == [DEFAULT_EMBEDDER, DEFAULT_RERANKER]


def test_models_that_run_here_cost_nothing_and_need_nothing_and_the_others_do() -> None:
    for info in known_models():
        assert (info.usd_per_million_tokens > 0) == (info.needs is not None) == is_remote(info.name)


@pytest.mark.parametrize(
    "name",
    ["", "rerank", "RERANK-2.5", "all-MiniLM-L6-v2", "../rerank-2.5", "./model", "/models/one", "hashing"],
)
def test_a_name_that_is_no_remote_models_is_not_remote(name: str) -> None:
    assert not is_remote(name)


@pytest.mark.parametrize(
    "name",
    [
        *EMBEDDING_MODELS,
        *RERANK_MODELS,
        "cross-encoder/ms-marco-MiniLM-L6-v2",
        "tei:http://127.0.0.1:8080",
        "cohere:https://host/v2/rerank#m",
        "openai:http://localhost:11434/v1#m",
        "https://host/rerank",
        "openai:file:///etc/passwd",
    ],
)
def test_whatever_is_reached_over_a_network_is_remote_however_badly_it_is_named(name: str) -> None:
    assert is_remote(name)


def test_servers_are_opened_by_their_names_without_being_asked() -> None:
    embedder = open_embedder("openai:http://127.0.0.1:9/v1#m", dimension=7, access=Access())
    assert (embedder.name, embedder.dimension) == ("openai:http://127.0.0.1:9/v1#m", 7)
    for name in ("tei:http://127.0.0.1:9", "cohere:http://127.0.0.1:9/rerank"):
        assert open_reranker(name, access=Access()).name == name


def test_voyages_embedders_have_dimensions_and_may_share_their_space() -> None:
    access = Access(voyage_key="pa-none")
    assert open_embedder("voyage-4-large", dimension=2_048, access=access).dimension == 2_048
    require_same_space("voyage-4-large", "voyage-4-lite")
    require_same_space("all-MiniLM-L6-v2", "all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    ("embedder", "other", "hint"),
    [
        ("voyage-4", "voyage-code-4", "voyage-4-large, voyage-4, voyage-4-lite share a space"),
        ("voyage-4", "all-MiniLM-L6-v2", "voyage-4-large, voyage-4, voyage-4-lite share a space"),
        ("voyage-3.5", "voyage-3.5-lite", "`voyage-3.5` shares its space with no other model"),
        ("all-MiniLM-L6-v2", "voyage-4", "`all-MiniLM-L6-v2` shares its space with no other model"),
    ],
)
def test_a_model_of_another_space_cannot_embed_the_queries(embedder: str, other: str, hint: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        require_same_space(embedder, other)
    assert caught.value.message == (
        f"`{other}` makes other vectors than `{embedder}`, so it cannot embed queries for it"
    )
    assert str(caught.value.hint).startswith(hint)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("all-minilm-l6", "all-MiniLM-L6-v2"),
        ("voyage-4-larg", "voyage-4-large"),
        ("voyage4", "voyage-4"),
        ("voyage-code-5", "voyage-code-"),
    ],
)
def test_an_unknown_embedder_is_named_with_the_nearest_there_is(name: str, guess: str) -> None:
    with pytest.raises(UnknownModel, match=f"no embedder called `{name}`") as caught:
        open_embedder(name)
    assert str(caught.value.hint).startswith(f"did you mean `{guess}")
    assert str(caught.value.hint).endswith("? `vai models` lists what can be named")


@pytest.mark.parametrize(
    ("name", "guess"), [("rerank-2.6", "rerank-2"), ("vai-reranker", "vai-reranker-mini")]
)
def test_an_unknown_reranker_is_named_with_the_nearest_there_is(name: str, guess: str) -> None:
    with pytest.raises(UnknownModel, match=f"no reranker called `{re.escape(name)}`") as caught:
        open_reranker(name)
    assert f"did you mean `{guess}" in str(caught.value.hint)


def test_a_name_like_no_other_has_no_guess() -> None:
    with pytest.raises(UnknownModel, match="no reranker called `qqq`") as caught:
        open_reranker("qqq")
    assert caught.value.hint == "`vai models` lists what can be named"


def test_an_embedder_is_no_reranker_and_the_other_way_round() -> None:
    with pytest.raises(UnknownModel, match="no reranker called `all-MiniLM-L6-v2`"):
        open_reranker("all-MiniLM-L6-v2")
    with pytest.raises(UnknownModel, match="no embedder called `vai-reranker-mini`"):
        open_embedder("vai-reranker-mini")


def test_a_remote_model_without_a_key_is_a_missing_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    with pytest.raises(KeyMissing, match=r"`rerank-2\.5`.*VOYAGE_API_KEY is not set"):
        open_reranker("rerank-2.5")


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert core_count() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert core_count() == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert core_count() == 1
