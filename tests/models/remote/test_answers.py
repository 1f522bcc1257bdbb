"""Answers are read strictly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.models.remote.answers import field_of, in_order, number, relevance, token_count, total_tokens, vector
from vai.models.remote.exchange import BrokenAnswer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["index", "x"]), inner),
    max_leaves=8,
)


@given(order=st.permutations(range(5)))
def test_results_are_put_back_by_index(order: list[int]) -> None:
    results = [{"index": index, "x": index * 10} for index in order]
    assert in_order(results, 5, lambda result: field_of(result, "x")) == [0, 10, 20, 30, 40]


@given(value=json_values, count=st.integers(0, 3))
def test_whatever_json_comes_back_is_read_rightly_or_said_to_be_broken(value: Any, count: int) -> None:
    readers = (
        lambda: in_order(value, count, lambda result: number(field_of(result, "x"), "x")),
        lambda: number(value, "x"),
        lambda: relevance(value),
        lambda: token_count(value),
        lambda: total_tokens(value),
        lambda: vector(value, None),
    )
    for read in readers:
        try:
            assert read() is not None
        except BrokenAnswer as fault:
            assert str(fault)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, -(10**400), 1e39, -1e39, True, "1", None, [1]]
)
def test_what_is_no_finite_number_is_none(value: Any) -> None:
    with pytest.raises(BrokenAnswer, match=r"^has a score that is no number: "):
        number(value, "score")


@pytest.mark.parametrize("value", [0, 1, 0.5, 1e-300])
def test_numbers_are_floats(value: Any) -> None:
    assert isinstance(number(value, "score"), float)
    assert relevance(value) == value


def test_every_number_is_a_finite_float32() -> None:
    numbers = np.array([number(value, "score") for value in (3.4e38, -3.4e38)], dtype=np.float32)
    assert np.isfinite(numbers).all()


@pytest.mark.parametrize("value", [-1, 1.0, True, 1 << 41, 10**400, "1", None])
def test_what_can_be_no_count_of_tokens_is_none(value: Any) -> None:
    """Their price is counted in 64 bits."""
    with pytest.raises(BrokenAnswer, match=r"^has a token count that is none: "):
        token_count(value)


def test_messages_show_the_beginning_of_what_was_wrong() -> None:
    with pytest.raises(BrokenAnswer) as caught:
        number("x" * 1_000, "score")
    assert len(str(caught.value)) < 80
