"""Posting lists as bytes and back, and several of them as one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.engines import postings as module
from vai.engines.postings import (
    Integers,
    Postings,
    blocks,
    count_terms,
    merge,
    pack,
    read_block,
    read_term,
    unpack,
)

Lists = dict[str, dict[int, int]]
"""For each term, how often it occurs in each row."""

TERMS = st.text(st.sampled_from("abéß日🙂.'+"), min_size=1, max_size=4)
ROWS = st.dictionaries(
    st.integers(0, 40) | st.integers(0, 2**32 - 101), st.integers(1, 255), min_size=1, max_size=9
)
LISTS = st.dictionaries(TERMS, ROWS, max_size=12)


def postings_of(lists: Lists, first: int = 0) -> Postings:
    """Lists with rows counted from `first` as arrays."""
    entries = [(term, sorted(rows.items())) for term, rows in sorted(lists.items())]
    flat = np.array([pair for _, pairs in entries for pair in pairs], dtype=np.int64).reshape(-1, 2)
    sizes = np.array([len(pairs) for _, pairs in entries], dtype=np.int64)
    return Postings([term for term, _ in entries], sizes, flat[:, 0] + first, flat[:, 1])


def lists_of(postings: Postings) -> Lists:
    """Arrays as lists, which are in order."""
    lists: Lists = {}
    start = 0
    for term, size in zip(postings.terms, postings.sizes.tolist(), strict=True):
        rows, counts = (
            postings.rows[start : start + size].tolist(),
            postings.counts[start : start + size].tolist(),
        )
        assert rows == sorted(set(rows))
        lists[term] = dict(zip(rows, counts, strict=True))
        start += size
    assert list(postings.terms) == sorted(set(postings.terms))
    return lists


@given(numbers=st.lists(st.integers(0, 3) | st.integers(0, 300) | st.integers(0, 2**32 - 1), max_size=60))
def test_numbers_survive_being_packed(numbers: list[int]) -> None:
    packed = pack(np.array(numbers, dtype=np.int64))
    unpacked, end = unpack(b"before" + packed + b"behind", len("before"))
    assert unpacked.tolist() == numbers
    assert end == len("before") + len(packed)


def test_small_numbers_take_a_byte_and_few_large_ones_cost_only_themselves() -> None:
    numbers = np.ones(1000, dtype=np.int64)
    assert len(pack(numbers - 1)) < 20
    assert len(pack(numbers)) < 1020
    numbers[500] = 2**31
    assert len(pack(numbers)) < 1030


@pytest.mark.parametrize("size", [1, 3, 1024])
@given(lists=LISTS, first=st.integers(0, 100))
def test_postings_survive_being_written_in_blocks_of_any_size(size: int, lists: Lists, first: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "BLOCK_POSTINGS", size)
        written = list(blocks(postings_of(lists, first), first))
    assert [name for name, _ in written] == sorted(name for name, _ in written)
    read: Lists = {}
    for name, block in written:
        postings = read_block(block, first)
        assert postings.terms[0] == name
        read |= lists_of(postings)
        for term in postings.terms:
            found = read_term(block, term, first)
            assert found is not None
            assert dict(zip(found[0].tolist(), found[1].tolist(), strict=True)) == read[term]
    assert read == {term: {row + first: count for row, count in rows.items()} for term, rows in lists.items()}


@given(lists=LISTS, term=TERMS)
def test_a_term_that_a_block_does_not_have_is_not_found_in_it(lists: Lists, term: str) -> None:
    lists.pop(term, None)
    for _, block in blocks(postings_of(lists), 0):
        assert read_term(block, term, 0) is None


def test_a_block_that_is_cut_off_or_has_bytes_too_many_is_refused() -> None:
    ((_, block),) = blocks(postings_of({"red": {1: 1, 70_000: 2}, "rose": {3: 1}}), 0)
    for damaged in [*(block[:end] for end in range(len(block))), block + b"\0"]:
        with pytest.raises((ValueError, IndexError)):
            read_block(damaged, 0)


@given(passages=st.lists(st.lists(TERMS, max_size=6), min_size=1, max_size=6), first=st.integers(0, 9))
def test_terms_of_passages_are_counted(passages: list[list[str]], first: int) -> None:
    vocabulary: dict[str, int] = {}
    numbers = [vocabulary.setdefault(term, len(vocabulary)) for passage in passages for term in passage]
    postings = count_terms(
        vocabulary, integers(numbers), integers([len(passage) for passage in passages]), first
    )
    expected: Lists = {}
    for row, passage in enumerate(passages, start=first):
        for term, count in Counter(passage).items():
            expected.setdefault(term, {})[row] = count
    assert lists_of(postings) == expected


@given(streams=st.lists(st.lists(LISTS.filter(bool), max_size=3), max_size=4), data=st.data())
def test_merged_streams_hold_what_all_of_them_held(streams: list[list[Lists]], data: st.DataObject) -> None:
    merged: Lists = {}
    sources = []
    for number, parts in enumerate(streams):
        together = {term: rows for part in parts for term, rows in part.items()}
        moved = {
            term: {number * 2**32 + row: count for row, count in rows.items()}
            for term, rows in together.items()
        }
        for term, rows in moved.items():
            merged.setdefault(term, {}).update(rows)
        size = data.draw(st.integers(1, 4))
        names = sorted(moved)
        groups = [names[start : start + size] for start in range(0, len(names), size)]
        sources.append(iter([postings_of({term: moved[term] for term in group}) for group in groups]))
    found: Lists = {}
    for part in merge(sources):
        assert not found or max(found) < part.terms[0]
        found |= lists_of(part)
    assert found == merged


@given(lists=LISTS, data=st.data())
def test_moved_postings_have_new_rows_and_no_dead_ones(lists: Lists, data: st.DataObject) -> None:
    lists = {term: {row % 41: count for row, count in rows.items()} for term, rows in lists.items()}
    alive = data.draw(st.lists(st.booleans(), min_size=41, max_size=41))
    new_rows = np.where(alive, np.cumsum(alive) + 6, -1)
    moved = {
        term: {int(new_rows[row]): count for row, count in rows.items() if alive[row]}
        for term, rows in lists.items()
    }
    found = lists_of(postings_of(lists, 100).moved(new_rows, 100))
    assert found == {term: rows for term, rows in moved.items() if rows}


def integers(numbers: list[int]) -> Integers:
    """int64 [n]."""
    return np.array(numbers, dtype=np.int64)
