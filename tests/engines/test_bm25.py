"""BM25 against its definition and against what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.engines.analysis import query_terms, terms
from vai.engines.bm25 import K1, B, idf, length_norms, score_texts, weights

PASSAGES = st.lists(
    st.lists(st.sampled_from(["red", "green", "blue", "grey", "the"]), max_size=8).map(" ".join), max_size=8
)


@given(passages=PASSAGES, query=st.sampled_from(["red", "red blue", "green the grey", "violet", ""]))
def test_scores_are_those_of_the_formula(passages: list[str], query: str) -> None:
    texts = [terms(passage) for passage in passages]
    average = sum(map(len, texts)) / max(1, len(texts))
    expected = []
    for text in texts:
        score = 0.0
        for term in query_terms(query):
            if tf := text.count(term):
                df = sum(term in other for other in texts)
                rarity = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
                score += rarity * tf / (tf + K1 * (1 - B + B * len(text) / average))
        expected.append(score)
    scores = score_texts(query, passages)
    assert scores.dtype == np.float32
    assert scores.tolist() == pytest.approx(expected, rel=1e-5)


def test_a_rarer_term_counts_for_more() -> None:
    scores = score_texts("common rare", ["common word", "common word", "rare word", "common word"])
    assert scores.argmax() == 2


def test_the_whole_of_a_name_counts_for_more_than_its_parts() -> None:
    passages = [
        "num_candidates is a name",
        "num and candidates are parts",
        "num is a part",
        "so are candidates",
    ]
    scores = score_texts("num_candidates", passages)
    assert scores.argmax() == 0
    assert scores[1] > max(scores[2:])


def test_the_shorter_of_two_passages_with_a_term_scores_higher() -> None:
    short, long = score_texts("norm", ["the norm", "the norm and much else that has little to do with it"])
    assert short > long > 0


@given(df=st.integers(1, 1000), more=st.integers(0, 1000))
def test_idf_is_never_negative(df: int, more: int) -> None:
    assert idf(df, df + more) > 0


@given(count=st.integers(1, 254), length=st.integers(1, 60_000))
def test_more_occurrences_never_score_lower_and_longer_passages_never_higher(count: int, length: int) -> None:
    norms = length_norms(np.array([length, length, length + 1]), 120.0)
    few, many, longer = weights(np.array([count, count + 1, count]), norms, 2.0)
    assert longer <= few <= many < 2.0


def test_more_occurrences_than_are_counted_score_alike() -> None:
    filler = "grey " * 300
    first, second = score_texts("red", ["red " * 255 + filler, "red " * 300 + filler[: -45 * 5]])
    assert first == second
