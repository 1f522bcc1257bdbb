"""A front holds what nothing else beats both in quality and in what it takes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vai.evaluation.tuning.frontier import pareto_front

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30)


@given(pairs)
def test_nothing_on_the_front_is_beaten_and_of_what_is_not_beaten_one_is_on_it(
    given_pairs: list[tuple[int, int]],
) -> None:
    quality, costs = (np.array(column, dtype=float) for column in zip(*given_pairs, strict=True))
    front = pareto_front(quality, costs, np.zeros(len(given_pairs)))
    for q, c in given_pairs:
        beaten = ((quality > q) & (costs <= c)) | ((quality >= q) & (costs < c))
        twins = np.flatnonzero((quality == q) & (costs == c)).tolist()
        assert sum(twin in front for twin in twins) == (0 if beaten.any() else 1)


@given(pairs)
def test_a_front_rises_in_quality_with_what_it_takes(given_pairs: list[tuple[int, int]]) -> None:
    quality, costs = (np.array(column, dtype=float) for column in zip(*given_pairs, strict=True))
    front = pareto_front(quality, costs, np.zeros(len(given_pairs)))
    assert (np.diff(quality[front]) > 0).all()
    assert (np.diff(costs[front]) > 0).all()


def test_of_those_equal_in_both_the_one_stands_there_where_the_tie_is_lowest() -> None:
    assert pareto_front(np.ones(3), np.ones(3), np.array([2.0, 1.0, 3.0])) == [1]


def test_what_takes_nobody_knows_how_much_is_on_no_front() -> None:
    assert pareto_front(np.array([1.0, 2.0]), np.array([1.0, np.inf]), np.zeros(2)) == [0]
