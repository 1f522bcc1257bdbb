"""Which models can be named."""

from __future__ import annotations

import os

import pytest

from vai.errors import KeyMissing, UnknownModel
from vai.models.catalog import (
    DEFAULT_EMBEDDER,
    DEFAULT_RERANKER,
    bundled_manifests,
    core_count,
    is_remote,
    known_models,
    open_embedder,
    open_reranker,
)
from vai.models.voyage import RERANK_MODELS


def test_bundled_models_come_first_then_remote_ones_then_those_for_tests() -> None:
    places = [info.where for info in known_models()]
    assert places == ["bundled"] * 2 + ["Voyage"] * len(RERANK_MODELS) + ["for tests"] * 2
    assert {"rerank-2.5", "rerank-2.5-lite"} <= {info.name for info in known_models()}


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


@pytest.mark.parametrize("name", ["", "rerank", "RERANK-2.5", "all-MiniLM-L6-v2", "../rerank-2.5"])
def test_a_name_that_is_no_remote_models_is_not_remote(name: str) -> None:
    assert not is_remote(name)


def test_an_unknown_model_is_named_with_the_nearest_there_is() -> None:
    with pytest.raises(UnknownModel, match="no embedder called `all-minilm-l6`") as caught:
        open_embedder("all-minilm-l6")
    assert caught.value.hint == "did you mean `all-MiniLM-L6-v2`? `vai models` lists what can be named"
    with pytest.raises(UnknownModel, match=r"no reranker called `rerank-2\.6`") as caught:
        open_reranker("rerank-2.6")
    assert "did you mean `rerank-2" in str(caught.value.hint)
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
