"""A sample that is spread, bounded, and the same for a seed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.evaluation.questions import sampling
from vai.evaluation.questions.sampling import Reservoir, Sightings, prioritised, random_number, shares, spread


def test_random_numbers_depend_on_the_seed_and_on_every_name_and_on_nothing_else() -> None:
    assert random_number(1, "a", "b") == random_number(1, "a", "b")
    others = [random_number(2, "a", "b"), random_number(1, "ab"), random_number(1, "b", "a")]
    assert len({random_number(1, "a", "b"), *others}) == 4


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=3_000), st.integers(1, 20))
def test_a_reservoir_keeps_the_smallest_whatever_their_order(
    priorities: list[tuple[int, int]], room: int
) -> None:
    one, other = Reservoir[int](room), Reservoir[int](room)
    for item, priority in enumerate(priorities):
        one.add(priority, item)
    for item, priority in reversed(list(enumerate(priorities))):
        other.add(priority, item)
    kept = [priority for priority, _ in one.items()]
    assert kept == sorted(priorities)[:room]
    assert kept == [priority for priority, _ in other.items()]


def test_a_reservoir_holds_little_more_than_it_has_room_for() -> None:
    reservoir = Reservoir[int](10)
    for number in range(100_000):
        reservoir.add((0, -number), number)
    assert len(reservoir._kept) <= 2 * 10 + 1_000
    assert [number for _, number in reservoir.items()] == list(range(99_999, 99_989, -1))


def test_what_was_met_once_is_told_from_what_was_met_more_often() -> None:
    met = Sightings()
    for key in (5, 7, 7, 9, 9, 9):
        met.add(key)
    assert [met.is_single(key) for key in (5, 7, 9, 11)] == [True, False, False, False]


def test_keys_that_share_a_slot_both_count_as_met_more_often() -> None:
    met = Sightings()
    met.add(3)
    met.add(3 + sampling.SLOTS)
    assert not met.is_single(3)


def test_the_items_of_a_document_are_numbered_in_a_random_order_of_their_own() -> None:
    items = [f"item {number}" for number in range(50)]
    one = dict(prioritised(items, 1, str))
    assert [level for level, _ in one] == list(range(50))
    assert list(one.values()) != items
    assert dict(prioritised(reversed(items), 1, str)) == one
    assert list(dict(prioritised(items, 2, str)).values()) != list(one.values())


@pytest.mark.parametrize(
    ("count", "available", "taken"),
    [
        (10, {"a": 100, "b": 100}, {"a": 5, "b": 5}),
        (10, {"a": 2, "b": 100}, {"a": 2, "b": 8}),
        (10, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        (10, {"a": 0, "b": 0}, {"a": 0, "b": 0}),
        (3, {"a": 9, "b": 9}, {"a": 2, "b": 1}),
        (1, {"a": 9, "b": 9, "c": 9}, {"a": 1, "b": 0, "c": 0}),
        (10, {}, {}),
    ],
)
def test_kinds_share_evenly_and_stand_in_for_each_other(
    count: int, available: dict[str, int], taken: dict[str, int]
) -> None:
    assert shares(count, available) == taken


@given(st.integers(0, 200), st.dictionaries(st.integers(), st.integers(0, 100), max_size=5))
def test_shares_are_all_that_there_is_or_all_that_was_asked_for(
    count: int, available: dict[int, int]
) -> None:
    taken = shares(count, available)
    assert sum(taken.values()) == min(count, sum(available.values()))
    assert all(0 <= taken[kind] <= most for kind, most in available.items())


def test_documents_that_were_used_least_are_used_next() -> None:
    items = [
        ((level, number), f"{document}{level}") for number, document in enumerate("abc") for level in range(5)
    ]
    used = Counter({"a": 2})
    chosen = spread(items, 7, document=lambda item: item[0], used=used)
    assert chosen[:4] == ["b0", "c0", "b1", "c1"]
    assert used == {"a": 3, "b": 3, "c": 3}


@given(
    st.lists(st.tuples(st.tuples(st.integers(0, 9), st.integers()), st.sampled_from("abcdef")), max_size=60),
    st.integers(0, 70),
)
def test_no_document_gets_a_second_turn_before_the_others_had_one(
    items: list[tuple[tuple[int, int], str]], count: int
) -> None:
    used: Counter[str] = Counter()
    chosen = spread(items, count, document=str, used=used)
    assert len(chosen) == min(count, len(items))
    available = Counter(document for _, document in items)
    most = max(used.values(), default=0)
    assert all(used[document] >= min(most - 1, available[document]) for document in available)
