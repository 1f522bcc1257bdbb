"""Stage 2 alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.errors import InvalidQuery, InvalidSettings
from vai.models.fakes import WordOverlapReranker
from vai.reranking import MOST_TEXTS, rerank

RERANKER = WordOverlapReranker()


def test_texts_come_back_in_order_with_where_they_stood() -> None:
    response = rerank("red apple", ["a banana", "a red car", "a red apple"], RERANKER)
    assert [(result.rank, result.index, result.relevance) for result in response.results] == [
        (1, 2, 1.0),
        (2, 1, 0.5),
        (3, 0, 0.0),
    ]
    assert response.results[0].text == "a red apple"


def test_top_k_cuts_the_answer_and_not_the_reading() -> None:
    response = rerank("red apple", ["a banana", "a red car", "a red apple"], RERANKER, top_k=1)
    assert len(response.results) == 1
    assert (response.rerank.reranked, response.rerank.of) == (3, 3)


@given(st.lists(st.sampled_from(["red", "apple", "red apple", "pear"]), min_size=1, max_size=20))
def test_equal_texts_keep_their_order_and_none_is_lost(texts: list[str]) -> None:
    results = rerank("red apple", texts, RERANKER).results
    assert sorted(result.index for result in results) == list(range(len(texts)))
    keys = [(-(result.score or 0.0), result.index) for result in results]
    assert keys == sorted(keys)


def test_wrong_use_is_said() -> None:
    with pytest.raises(InvalidQuery, match="empty"):
        rerank(" ", ["text"], RERANKER)
    with pytest.raises(InvalidSettings, match="no documents"):
        rerank("query", [], RERANKER)
    with pytest.raises(InvalidSettings, match="10,001 documents"):
        rerank("query", ["text"] * (MOST_TEXTS + 1), RERANKER)


def test_a_text_that_was_cut_off_is_a_warning() -> None:
    response = rerank("word", ["word " * 300 * 100, "word"], RERANKER)
    assert response.rerank.truncated == 1
    assert response.warnings == ("word-overlap did not read 1 of 2 passages to their end",)


def test_a_long_text_is_read_in_windows_and_the_best_is_named() -> None:
    text = "pear " * 400 + "red apple " + "pear " * 400
    (result,) = rerank("red apple", [text], RERANKER).results
    assert result.relevance == 1.0
    assert result.seen == 1.0
    assert result.window is not None
    assert "red apple" in text[slice(*result.window)]
    assert len(text[slice(*result.window)]) < len(text)


def test_what_is_less_relevant_than_asked_is_left_out() -> None:
    response = rerank("red apple", ["a pear", "a red car", "a red apple"], RERANKER, min_relevance=0.5)
    assert [result.index for result in response.results] == [2, 1]
    assert rerank("red apple", ["a pear"], RERANKER, min_relevance=0.5).results == ()


def test_a_budget_bounds_the_reading() -> None:
    """What is not read follows in the order given."""
    response = rerank("red apple", ["red apple"] * 10_000, RERANKER, budget_ms=1)
    assert 0 <= response.rerank.reranked < 10_000
    assert [result.index for result in response.results] == list(range(10_000))
    assert response.warnings[0].startswith(f"reranked {response.rerank.reranked} of 10000, the rest follows")


def test_the_response_is_json() -> None:
    value = rerank("word", ["word"], RERANKER).to_dict()
    assert value["schema"] == "vai.rerank/1"
    assert json.loads(json.dumps(value)) == value
