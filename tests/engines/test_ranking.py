"""How similarities become an order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from engine_samples import unit
from vai.arrays import Vector
from vai.engines import vectors as comparing
from vai.engines.ranking import best_rows, rows_near_best
from vai.engines.vectors import most_similar, most_similar_among

similarities = numpy_strategies.arrays(
    np.float32,
    st.integers(0, 40),
    elements=st.sampled_from([-np.inf, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0]) | st.floats(-1, 1, width=32),
)


@given(values=similarities, limit=st.integers(1, 50))
def test_the_best_rows_are_the_first_of_all_sorted_by_value_and_then_by_row(
    values: Vector, limit: int
) -> None:
    allowed = [row for row in range(len(values)) if values[row] > -np.inf]
    assert best_rows(values, limit).tolist() == sorted(allowed, key=lambda row: (-values[row], row))[:limit]


@given(values=similarities, limit=st.integers(1, 50), within=st.floats(0, 0.5))
def test_rows_near_the_best_hold_the_best_and_nothing_far_from_them(
    values: Vector, limit: int, within: float
) -> None:
    best, near = best_rows(values, limit), rows_near_best(values, limit, within=within)
    assert near.tolist() == sorted(set(near.tolist()))
    assert set(best.tolist()) <= set(near.tolist())
    least = min((float(values[row]) for row in best), default=0.0)
    assert all(values[row] >= least - within - 1e-6 for row in near)


def test_a_value_that_is_no_number_is_never_among_the_best() -> None:
    assert best_rows(np.array([np.nan, 0.5, np.nan], dtype=np.float32), 3).tolist() == [1]


def test_a_row_whose_product_is_no_number_is_passed_over_without_a_warning() -> None:
    """Whether the product says so by its value, or BLAS by a flag that it also raises without a reason."""
    vectors = np.array([[np.inf, 1, 0], [0, 1, 0], [0, 0.5, 0]], dtype=np.float32)
    query = np.array([0, 1, 0], dtype=np.float32)
    for found in (most_similar(vectors, query, 3), most_similar_among(vectors, query, 3, np.arange(3))):
        assert found.rows.tolist() == [1, 2]


@pytest.mark.parametrize("block", [1, 7, 1_000])
@given(data=st.data())
def test_the_most_similar_rows_are_those_of_one_product_after_another(
    block: int, data: st.DataObject
) -> None:
    palette = [unit(*numbers) for numbers in ((1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (1, -1, 1, -1, 1))]
    vectors = np.array([palette[index] for index in data.draw(st.lists(st.integers(0, 2), max_size=30))])
    vectors = vectors.astype(np.float32).reshape(-1, 5)
    without = data.draw(st.sets(st.integers(0, max(len(vectors) - 1, 0)), max_size=len(vectors)))
    limit = data.draw(st.integers(1, 10))
    query = unit(3, 1, 4, 1, 5)
    products = np.array([np.dot(vector, query) for vector in vectors], dtype=np.float32)
    products[list(without)] = -np.inf
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(comparing, "BLOCK", block)
        allowed = np.isfinite(products)
        found = most_similar(vectors, query, limit, allowed=allowed)
        picked = most_similar_among(vectors, query, limit, np.flatnonzero(allowed)[::-1])
        tail = data.draw(st.integers(0, len(vectors)))
        before = np.flatnonzero(allowed[:tail])
        joined = most_similar_among(vectors, query, limit, before, tail_from=tail, allowed=allowed)
    for similar in (found, picked, joined):
        assert similar.rows.tolist() == best_rows(products, limit).tolist()
        assert similar.similarities.tolist() == products[similar.rows].tolist()
