"""How vectors and words are joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.engines.fusion import Scored, Worded, by_both, by_vector, by_words
from vai.engines.vectors import Similar
from vai.types import Stage1

SIMILARITIES = np.array([0.9, 0.8, 0.5, 0.1], dtype=np.float32)
WORDS = np.array([0.0, 2.0, 8.0, 4.0], dtype=np.float32)


def similar(*rows: int) -> Similar:
    return Similar(np.array(rows, dtype=np.int64), SIMILARITIES[list(rows)])


def worded(*rows: int) -> Worded:
    return Worded(np.array(rows, dtype=np.int64), WORDS[list(rows)])


def joined(stage1: Stage1, by_similarity: Similar, by_bm25: Worded, limit: int = 10) -> list[Scored]:
    return by_both(
        by_similarity,
        by_bm25,
        stage1,
        limit,
        similarities=lambda rows: SIMILARITIES[rows],
        words_scores=lambda rows: WORDS[rows],
    )


def test_by_vector_the_score_is_the_similarity() -> None:
    found = by_vector(similar(0, 1, 2), limit=2)
    assert [(item.row, item.vector_rank) for item in found] == [(0, 1), (1, 2)]
    assert [item.score for item in found] == pytest.approx([0.9, 0.8])
    assert all(item.words_score is None and item.words_rank is None for item in found)


def test_by_words_the_score_is_the_share_of_the_greatest_and_the_similarity_is_told() -> None:
    found = by_words(worded(2, 3, 1), limit=10, similarities=lambda rows: SIMILARITIES[rows])
    assert [(item.row, item.score, item.words_score, item.words_rank) for item in found] == [
        (2, 1.0, 8.0, 1),
        (3, 0.5, 4.0, 2),
        (1, 0.25, 2.0, 3),
    ]
    assert [item.similarity for item in found] == pytest.approx([0.5, 0.1, 0.8])


def test_scores_are_added_with_the_words_weight() -> None:
    found = joined(Stage1("hybrid", "scores", 0.8), similar(0, 1, 2, 3), worded(2, 3, 1))
    assert [item.row for item in found] == [2, 1, 0, 3]
    assert [item.score for item in found] == pytest.approx([1.3, 1.0, 0.9, 0.5])


def test_a_row_that_only_one_search_found_has_the_other_score_too() -> None:
    found = {item.row: item for item in joined(Stage1("hybrid", "scores", 1.0), similar(0), worded(2))}
    assert (found[0].words_score, found[0].words_rank, found[0].vector_rank) == (0.0, None, 1)
    assert (found[2].similarity, found[2].words_rank, found[2].vector_rank) == (0.5, 1, None)
    assert found[2].score == pytest.approx(0.5 + 1.0)


def test_ranks_are_added_as_reciprocals_and_first_in_both_has_1() -> None:
    found = joined(Stage1("hybrid", "ranks"), similar(2, 0), worded(2, 3))
    assert [item.row for item in found] == [2, 0, 3]
    assert [item.score for item in found] == pytest.approx([1.0, 61 / 2 / 62, 61 / 2 / 62])


def test_without_any_word_a_hybrid_search_has_the_order_of_the_vectors() -> None:
    for fusion in ("scores", "ranks"):
        found = by_both(
            similar(0, 1, 2, 3),
            worded(),
            Stage1("hybrid", "ranks" if fusion == "ranks" else "scores"),
            10,
            similarities=lambda rows: SIMILARITIES[rows],
            words_scores=lambda rows: np.zeros(rows.size, dtype=np.float32),
        )
        assert [item.row for item in found] == [0, 1, 2, 3]


rows_found = st.lists(st.sampled_from(range(4)), unique=True)


@given(
    rows_found,
    rows_found,
    st.sampled_from(["scores", "ranks"]),
    st.floats(0, 10),
    st.integers(1, 5),
)
def test_every_row_is_found_once_best_first_and_equal_ones_by_row(
    by_similarity: list[int], by_bm25: list[int], fusion: str, weight: float, limit: int
) -> None:
    first = similar(*sorted(by_similarity, key=lambda row: -SIMILARITIES[row]))
    second = worded(*sorted((row for row in by_bm25 if WORDS[row]), key=lambda row: -WORDS[row]))
    stage1 = Stage1("hybrid", "ranks" if fusion == "ranks" else "scores", weight)
    found = joined(stage1, first, second, limit)
    keys = [(-item.score, item.row) for item in found]
    assert keys == sorted(keys)
    union = {*by_similarity, *second.rows.tolist()}
    assert len({item.row for item in found}) == len(found) == min(limit, len(union))


def test_greatest_of_no_words_is_1() -> None:
    assert worded().greatest == 1.0
