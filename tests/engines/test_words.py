"""The index of words inside a collection's database, against BM25 by its definition."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from vai.arrays import Vector
from vai.engines import words as module
from vai.engines.bm25 import LONGEST, score_texts
from vai.engines.ranking import best_rows
from vai.engines.words import MERGE_FROM, WORDS_SCHEMA, Words, WordsWriter, best, lengths_of, segments_of

PASSAGES = ["red", "red green green", "", "blue num_candidates", "the grey", "red " * 300, "日本語 red"]
QUERIES = ["red", "green red blue", "num_candidates the", "日本", "violet", ""]


@dataclass
class Index:
    """A database with an index, and the passages that it should hold; None for a dead row."""

    database: sqlite3.Connection
    rows: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        for statement in WORDS_SCHEMA.split(";\n"):
            self.database.execute(statement)
        self.database.execute("CREATE TABLE dead (vector INTEGER PRIMARY KEY)")
        self.database.execute("BEGIN")
        self.writer = WordsWriter(self.database)
        self.words = Words()

    @property
    def dead(self) -> list[int]:
        return [row for row, passage in enumerate(self.rows) if passage is None]

    def add(self, *passages: str) -> None:
        self.writer.add(len(self.rows), passages)
        self.rows += passages

    def commit(self) -> None:
        self.writer.flush()
        self.database.execute("COMMIT")
        self.words.load(self.database)
        self.database.execute("BEGIN")

    def delete(self, row: int) -> None:
        if self.rows[row] is not None:
            self.database.execute("INSERT INTO dead VALUES (?)", (row,))
            self.rows[row] = None

    def compact(self) -> None:
        alive = np.array([passage is not None for passage in self.rows], dtype=np.bool_)
        self.writer.rewrite(np.where(alive, np.cumsum(alive) - 1, -1))
        self.database.execute("DELETE FROM dead")
        self.rows = [passage for passage in self.rows if passage is not None]

    def scores(self, query: str) -> list[float]:
        dead = np.array(self.dead, dtype=np.int64)
        scores = self.words.scores(self.database, query, len(self.rows), dead)
        assert scores.dtype == np.float32
        values: list[float] = scores.tolist()
        return values

    def covered(self) -> int:
        """How many rows the segments cover, one after another from 0 on."""
        end = 0
        for segment in segments_of(self.database):
            assert segment.first == end
            end = segment.last
        return end

    def expected(self, query: str) -> list[float]:
        """By definition, among the live passages alone."""
        live = iter(score_texts(query, [passage for passage in self.rows if passage is not None]).tolist())
        return [0.0 if passage is None else next(live) for passage in self.rows]

    def check(self) -> None:
        assert self.covered() == len(self.rows)
        for query in QUERIES:
            assert self.scores(query) == self.expected(query)


@pytest.fixture
def index() -> Iterator[Index]:
    """An index of nothing, in memory, within a transaction."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    yield Index(database)
    database.close()


STEPS = st.lists(
    st.tuples(st.just("add"), st.lists(st.sampled_from(PASSAGES), max_size=3))
    | st.tuples(st.just("delete"), st.integers(0, 30))
    | st.tuples(st.sampled_from(["commit", "compact", "roll back"]), st.none()),
    max_size=25,
)


@pytest.mark.parametrize("buffered", [3, 1_000])
@settings(max_examples=60)
@given(steps=STEPS)
def test_scores_are_those_of_the_definition_whatever_happened_before(
    buffered: int, steps: list[tuple[str, object]]
) -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "MERGE_FROM", 2)
        patched.setattr(module, "MOST_BUFFERED", buffered)
        patched.setattr(module, "_BLOCKS_AT_ONCE", 3)
        index = Index(database)
        committed: list[str | None] = []
        for action, argument in steps:
            if action == "add":
                assert isinstance(argument, list)
                index.add(*argument)
            elif action == "delete" and index.rows:
                assert isinstance(argument, int)
                index.delete(argument % len(index.rows))
            elif action == "roll back":
                index.database.execute("ROLLBACK")
                index.database.execute("BEGIN")
                index.writer.forget()
                index.rows = list(committed)
            else:
                if action == "compact":
                    index.compact()
                index.commit()
                committed = list(index.rows)
                index.check()
        index.commit()
        index.check()
    database.close()


def test_many_small_commits_become_few_segments(index: Index) -> None:
    for number in range(3 * MERGE_FROM):
        index.add(f"red number{number}")
        index.commit()
    assert len(segments_of(index.database)) < MERGE_FROM
    index.check()


def test_segments_of_a_level_wait_for_each_other(index: Index) -> None:
    index.add(*["red"] * 600)
    index.commit()
    for _ in range(MERGE_FROM - 1):
        index.add("green")
        index.commit()
    assert [segment.level for segment in segments_of(index.database)] == [1, *[0] * (MERGE_FROM - 1)]
    index.add("blue")
    index.commit()
    assert [(segment.first, segment.last) for segment in segments_of(index.database)] == [
        (0, 600),
        (600, 608),
    ]
    index.check()


def test_the_largest_segments_are_left_as_they_are(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOP_LEVEL", 1)
    for _ in range(MERGE_FROM + 1):
        index.add(*["red"] * 512)
        index.commit()
    assert len(segments_of(index.database)) == MERGE_FROM + 1


def test_a_merge_drops_what_is_dead(index: Index) -> None:
    for number in range(MERGE_FROM):
        index.add(f"unique{number}")
        index.delete(number)
        index.commit()
    (segment,) = segments_of(index.database)
    assert (segment.first, segment.last) == (0, MERGE_FROM)
    assert index.database.execute("SELECT count(*) FROM word_blocks").fetchone() == (0,)


def test_rows_that_were_left_out_have_no_words(index: Index) -> None:
    index.writer.add(2, ["red"])
    index.writer.add(5, ["green"])
    index.rows = [None, None, "red", None, None, "green"]
    index.commit()
    assert index.scores("red green") == index.expected("red green")
    (segment,) = segments_of(index.database)
    assert (segment.first, segment.last) == (2, 6)
    assert lengths_of(index.database, segment).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("flushed", [False, True])
def test_a_row_is_indexed_once(index: Index, flushed: bool) -> None:
    index.add("red", "green")
    if flushed:
        index.writer.flush()
    with pytest.raises(ValueError, match="row 1 has words already"):
        index.writer.add(1, ["blue"])


def test_a_passage_longer_than_lengths_can_be_counts_as_the_longest(index: Index) -> None:
    index.add("red " * (LONGEST + 10) + "green", "green", "red")
    index.commit()
    index.check()


def test_words_can_be_removed_and_added_anew(index: Index) -> None:
    index.add("red", "green")
    index.commit()
    index.add("blue")
    index.writer.clear()
    index.rows = []
    index.add("green", "red red", "blue")
    index.commit()
    index.check()


def test_only_segments_that_are_new_are_read_anew(index: Index) -> None:
    index.add("red")
    index.commit()
    index.scores("red")
    index.add("red red")
    index.commit()
    read: list[str] = []
    index.database.set_trace_callback(read.append)
    index.check()
    assert sum("SELECT lengths" in statement for statement in read) == 1


def test_the_rows_of_a_term_are_read_once_in_a_commit(index: Index) -> None:
    index.add(*PASSAGES)
    index.commit()
    read: list[str] = []
    index.database.set_trace_callback(read.append)
    scores = [index.scores("red green") for _ in range(3)]
    assert scores == [index.expected("red green")] * 3
    of_terms = [statement for statement in read if "word_blocks" in statement]
    assert len(of_terms) == 2
    index.add("red")
    index.commit()
    index.check()


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_however_few_rows_of_terms_are_kept_scores_are_those_of_the_definition(
    index: Index, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POSTINGS_KEPT", kept)
    index.add(*PASSAGES, *PASSAGES)
    index.commit()
    for _ in range(2):
        index.check()
        assert index.words._known_rows <= kept + 2 * len(PASSAGES)
    index.delete(0)
    index.check()


def test_an_index_that_is_damaged_is_not_searched(index: Index) -> None:
    index.add("red green")
    index.commit()
    index.database.execute("UPDATE word_blocks SET postings = substr(postings, 1, length(postings) - 1)")
    with pytest.raises((ValueError, LookupError)):
        index.scores("red")


def test_an_index_of_more_rows_than_there_are_is_not_searched(index: Index) -> None:
    index.add("red", "green")
    index.commit()
    with pytest.raises(ValueError, match="2 rows"):
        index.words.scores(index.database, "red", 1, np.empty(0, dtype=np.int64))


@given(
    scores=numpy_strategies.arrays(
        np.float32,
        st.integers(0, 300),
        elements=st.sampled_from([0.0, 0.5, 1.0, 1.5]) | st.floats(0, 2, width=32),
    ),
    limit=st.integers(1, 40),
)
def test_the_best_are_the_first_of_all_that_have_a_word(scores: Vector, limit: int) -> None:
    expected = [row for row in best_rows(scores, scores.size + 1).tolist() if scores[row] > 0]
    assert best(scores, limit).tolist() == expected[:limit]
