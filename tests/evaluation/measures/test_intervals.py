"""How sure a mean is: the percentile bootstrap holds what it promises, pairs what is compared, and never varies."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vai.arrays import Doubles
from vai.evaluation.measures import intervals as module
from vai.evaluation.measures.intervals import CONFIDENCE, Interval, interval, intervals


def normal(count: int, columns: int, seed: int = 0) -> Doubles:
    """Values of mean 0 and deviation 1, float64 [questions, columns]."""
    return np.random.default_rng(seed).standard_normal((count, columns))


def test_about_95_of_100_intervals_of_samples_hold_the_mean_that_these_are_drawn_from() -> None:
    values = normal(100, 1_000)
    found = intervals(list(values.T))
    held = np.mean([one.low <= 0.0 <= one.high for one in found])
    assert 0.925 <= held <= 0.965
    below = np.mean([one.high < 0.0 for one in found])
    assert abs(below - (1 - held) / 2) < 0.015


def test_an_interval_is_as_wide_as_the_normal_one() -> None:
    values = normal(400, 1)[:, 0]
    found = interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((half, half), rel=0.03)
    assert found.mean == values.mean()


def test_no_difference_is_exactly_none() -> None:
    assert interval(np.zeros(300)) == Interval(0.0, 0.0, 0.0)
    assert not interval(np.zeros(300)).certain


@given(st.floats(-1, 1), st.integers(1, 40))
def test_what_is_the_same_for_every_question_is_certain_to_a_few_last_bits(value: float, count: int) -> None:
    found = interval(np.full(count, value))
    assert (found.mean, found.low, found.high) == pytest.approx((value, value, value), rel=1e-14)


def test_one_question_is_its_own_interval() -> None:
    assert interval(np.array([0.25])) == Interval(0.25, 0.25, 0.25)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.floats(0, 1)))
def test_bounds_lie_within_the_values_around_the_mean(values: Doubles) -> None:
    for column, found in zip(values.T, intervals(list(values.T)), strict=True):
        assert found.mean == pytest.approx(column.mean(), abs=1e-15)
        assert column.min() - 1e-12 <= found.low <= found.mean + 1e-12
        assert found.mean - 1e-12 <= found.high <= column.max() + 1e-12


def test_the_same_questions_are_drawn_for_every_column() -> None:
    noise = normal(200, 1)[:, 0]
    first, second, difference = intervals([noise, noise + 0.01, noise + 0.01 - noise])
    assert (second.low, second.high) == pytest.approx((first.low + 0.01, first.high + 0.01), abs=1e-12)
    assert first.high > second.low
    assert difference.certain


def test_a_column_has_the_interval_that_it_has_alone() -> None:
    columns = list(normal(50, 4).T)
    together, alone = intervals(columns), [interval(column) for column in columns]
    for one, other in zip(together, alone, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


def test_the_draws_are_always_the_same() -> None:
    values = list(normal(60, 2).T)
    np.random.default_rng().random(5)
    assert intervals(values) == intervals([column.copy() for column in values])


@pytest.mark.parametrize("cells", [1, 59, 60, 61, 7_777, 10**9])
def test_in_how_many_blocks_is_drawn_makes_no_difference(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 500)
    values = list(normal(60, 2).T)
    whole = intervals(values)
    monkeypatch.setattr(module, "_CELLS", cells)
    for one, other in zip(intervals(values), whole, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


def test_memory_does_not_grow_with_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 400)
    monkeypatch.setattr(module, "_CELLS", 20_000)
    peaks = []
    for count in (500, 10_000):
        values = np.zeros(count)
        tracemalloc.start()
        interval(values)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_of_several_columns_are_as_many_intervals_and_of_no_columns_none() -> None:
    assert intervals([]) == []
    assert [found.mean for found in intervals([np.full(9, 1.0), np.full(9, 2.0)])] == [1.0, 2.0]


def test_no_questions_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no questions"):
        interval(np.array([]))


@pytest.mark.parametrize(
    ("low", "high", "certain"), [(0.1, 0.2, True), (-0.2, -0.1, True), (0.0, 0.1, False), (-0.1, 0.1, False)]
)
def test_a_difference_is_certain_on_one_side_of_0(low: float, high: float, certain: bool) -> None:
    assert Interval(0.0, low, high).certain is certain
    assert CONFIDENCE == 95.0
