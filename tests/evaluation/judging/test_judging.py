"""Which passages tell configurations apart, and what judgements change."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.evaluation.judging.judging import (
    DEPTH,
    Contenders,
    Pair,
    discount,
    most_disputed,
    standings,
    weights,
)

RANKING = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16)
QUESTIONS = st.integers(1, 4).flatmap(
    lambda count: st.lists(st.lists(RANKING, min_size=count, max_size=count), min_size=1, max_size=4)
)
"""Rankings of several configurations for the same questions."""


def dcg(ranking: list[str], grades: dict[str, int]) -> float:
    return sum(grades.get(unit, 0) / math.log2(place + 2) for place, unit in enumerate(ranking[:DEPTH]))


# ── weights ──


def test_a_weight_is_how_much_a_judgement_can_change_the_difference() -> None:
    found = weights([["a", "b", "c"], ["b", "a", "d"]])
    assert found["a"] == pytest.approx(discount(0) - discount(1))
    assert found["b"] == pytest.approx(discount(0) - discount(1))
    assert found["c"] == found["d"] == pytest.approx(discount(2))


@given(RANKING, RANKING)
def test_a_weight_is_the_change_of_the_difference_in_dcg(one: list[str], other: list[str]) -> None:
    for unit, weight in weights([one, other]).items():
        assert weight == pytest.approx(abs(dcg(one, {unit: 1}) - dcg(other, {unit: 1})))


def test_what_all_rank_alike_and_what_stands_below_the_depth_tells_nothing() -> None:
    deep = [f"x{number}" for number in range(DEPTH)]
    assert weights([["a", "b"], ["a", "c"]])["a"] == 0.0
    assert "late" not in weights([[*deep, "late"], [*deep, "other"]])


def test_several_configurations_are_compared_two_by_two() -> None:
    lists = [["a", "b"], ["b", "a"], ["c", "a"]]
    pairs = [weights([one, other]) for one, other in combinations(lists, 2)]
    assert weights(lists)["a"] == pytest.approx(sum(pair.get("a", 0.0) for pair in pairs))


# ── choosing ──


def chosen(
    rankings: list[list[list[str]]], judged: list[dict[str, int]] | None = None, count: int = 99
) -> list[Pair]:
    return most_disputed(rankings, judged or [{} for _ in rankings[0]], count=count)


def units(pairs: list[Pair]) -> list[tuple[int, str]]:
    return [(pair.question, pair.unit) for pair in pairs]


def test_the_most_disputed_of_each_question_come_first() -> None:
    one = [["a", "b", "c"], ["a", "b", "c"]]
    other = [["a", "c", "b"], ["x", "b", "c"]]
    assert units(chosen([one, other], count=1)) == [(1, "a")]
    assert units(chosen([one, other], count=2)) == [(1, "a"), (1, "x")]
    assert units(chosen([one, other])) == [(1, "a"), (1, "x"), (0, "b"), (0, "c")]


def test_further_pairs_of_a_question_count_for_less() -> None:
    """Else both would be of the first question, of which two weigh as much."""
    one = [["a", "b"], ["c"]]
    other = [["e", "f"], ["d"]]
    assert units(chosen([one, other], count=2)) == [(0, "a"), (1, "c")]
    assert units(chosen([one, other], count=4)) == [(0, "a"), (0, "e"), (1, "c"), (1, "d")]


def test_what_is_judged_is_not_shown_again() -> None:
    rankings = [[["a", "b"]], [["b", "a"]]]
    assert units(chosen(rankings, [{"a": 0}])) == [(0, "b")]
    assert chosen(rankings, [{"a": 0, "b": 2}]) == []


def test_where_all_agree_there_is_nothing_to_judge() -> None:
    assert chosen([[["a", "b"]], [["a", "b"]], [["a", "b"]]]) == []
    assert chosen([[["a", "b"]]]) == []
    assert chosen([[], []]) == []


@given(QUESTIONS, st.integers(0, 20))
def test_pairs_are_the_same_each_time_unjudged_once_each_and_together(
    rankings: list[list[list[str]]], count: int
) -> None:
    judged = [{"a": 1, "b": 0} for _ in rankings[0]]
    pairs = most_disputed(rankings, judged, count=count)
    assert pairs == most_disputed(rankings, judged, count=count)
    assert len(pairs) <= count
    assert len(set(units(pairs))) == len(pairs)
    assert all(pair.unit not in judged[pair.question] and pair.weight > 0 for pair in pairs)
    questions = [pair.question for pair in pairs]
    assert len(list(dict.fromkeys(questions))) == sum(
        one != before for one, before in zip(questions, [None, *questions], strict=False)
    )


@given(QUESTIONS, st.integers(0, 20))
def test_a_shorter_quiz_asks_for_a_part_of_a_longer_one(rankings: list[list[list[str]]], count: int) -> None:
    longer = set(units(chosen(rankings, count=count + 1)))
    assert set(units(chosen(rankings, count=count))) <= longer


@given(QUESTIONS)
def test_the_order_of_the_configurations_does_not_matter(rankings: list[list[list[str]]]) -> None:
    turned = list(reversed(rankings))
    assert {pair.unit: pytest.approx(pair.weight) for pair in chosen(rankings) if pair.question == 0} == {
        pair.unit: pair.weight for pair in chosen(turned) if pair.question == 0
    }


# ── what it changes ──


def test_standings_are_means_over_what_is_answered_and_shares_of_what_is_judged() -> None:
    contenders = Contenders({"one": [["a", "b"], ["c"], []], "other": [["b", "a"], ["d"], []]}, [{}, {}, {}])
    now = standings(contenders, [{"a": 2, "b": 0}, {"d": 0}, {}])
    assert now["one"].ndcg == 1.0
    assert now["other"].ndcg == pytest.approx(discount(1), abs=1e-4)
    assert now["one"].judged == pytest.approx(1 / 3, abs=1e-4)
    assert now["other"].judged == pytest.approx(2 / 3, abs=1e-4)


def test_without_anything_relevant_there_is_no_ndcg() -> None:
    contenders = Contenders({"one": [["a"]]}, [{}])
    assert standings(contenders, [{"a": 0}])["one"].ndcg is None
    assert standings(contenders, [{}])["one"].judged == 0.0
