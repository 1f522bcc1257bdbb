"""The words of a collection: an inverted index inside its database, as a log-structured merge tree.

What is added becomes visible with the transaction it is part of. Every transaction writes one segment more, which
covers the rows that it added; segments are never changed, and merged eight at a time (O'Neil et al. 1996, "The
Log-Structured Merge-Tree"). Rows are those of the vector file: they only grow, and cover no gap but of dead ones.
Postings of dead rows stay until their segment is merged; what is read takes them out, so that a score depends on
what is stored, never on how it came to be.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Vector
from vai.engines.analysis import query_terms, terms
from vai.engines.bm25 import LONGEST, idf, length_norms, weights
from vai.engines.postings import (
    Integers,
    Postings,
    blocks,
    concatenate,
    count_terms,
    merge,
    pack,
    read_block,
    read_term,
    unpack,
)
from vai.engines.ranking import best_rows

WORDS_SCHEMA = """
CREATE TABLE word_segments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, so that readers may keep what they know of it
    first INTEGER NOT NULL, last INTEGER NOT NULL,  -- rows from `first` to before `last`
    lengths BLOB NOT NULL  -- terms of each row, packed
);
CREATE TABLE word_blocks (
    segment INTEGER NOT NULL REFERENCES word_segments,
    term TEXT NOT NULL,  -- the first in the block
    postings BLOB NOT NULL
);
CREATE UNIQUE INDEX word_blocks_by_term ON word_blocks (segment, term);
"""

MERGE_FROM = 8
"""Segments of a level that become one of the next."""

TOP_LEVEL = 4
"""Segments of this level, a quarter of a million rows and more, are merged no further: it would take much memory."""

MOST_BUFFERED = 2_000_000
"""Terms that wait in memory to be written, 8 bytes each, and ten times that while they are sorted."""

POSTINGS_KEPT = 1_000_000
"""Rows of terms that were read, 16 bytes each: the questions of an evaluation have many words in common."""

_BLOCKS_AT_ONCE = 256
"""Blocks that a merge holds in memory, of all its segments together."""
_GROUP = 64

_BLOCKS_FOR_TERM = """
SELECT word_segments.first, word_blocks.postings FROM word_segments JOIN word_blocks ON word_blocks.rowid = (
    SELECT rowid FROM word_blocks WHERE segment = word_segments.number AND term <= ? ORDER BY term DESC LIMIT 1
) ORDER BY word_segments.first
"""


Lengths = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the index: rows from `first` to before `last`."""

    number: int
    first: int
    last: int

    @property
    def level(self) -> int:
        """0 below 512 rows, and one more for every eightfold."""
        return max(0, (self.last - self.first).bit_length() - 7) // 3


def segments_of(database: sqlite3.Connection) -> list[Segment]:
    """The index's segments in the order of rows."""
    rows = database.execute("SELECT number, first, last FROM word_segments ORDER BY first")
    return [Segment(*row) for row in rows]


def lengths_of(database: sqlite3.Connection, segment: Segment) -> Integers:
    """int64 [rows of the segment]: how many terms each has."""
    (packed,) = database.execute(
        "SELECT lengths FROM word_segments WHERE number = ?", (segment.number,)
    ).fetchone()
    lengths, _ = unpack(packed, 0)
    if lengths.size != segment.last - segment.first:
        raise ValueError(f"{segment.last - segment.first:,} rows have {lengths.size:,} lengths")
    return lengths


# ── writing ──


class _Vocabulary(dict[str, int]):
    """Numbers for terms, in the order in which they are first asked for."""

    def __missing__(self, term: str) -> int:
        self[term] = number = len(self)
        return number


class WordsWriter:
    """Adds the words of passages, within transactions that its user begins and ends.

    A writer that was not told of a rollback (`forget`) would write what was rolled back.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.forget()

    def forget(self) -> None:
        """Drop what was added and not flushed."""
        self._first = 0
        self._vocabulary = _Vocabulary()
        self._numbers = array("I")
        self._lengths = array("I")

    def add(self, first_row: int, passages: Sequence[str]) -> None:
        """Index passages as rows `first_row`, `first_row + 1`, … Rows that were left out before them are dead.

        Raises:
            ValueError: there is such a row already.
        """
        self._go_to(first_row)
        for passage in passages:
            found = terms(passage)
            self._numbers.extend(map(self._vocabulary.__getitem__, found))
            self._lengths.append(len(found))
            if len(self._numbers) >= MOST_BUFFERED:
                self._write_segment()

    def flush(self) -> None:
        """Write what was added; to be called before the transaction is committed."""
        if self._lengths:
            self._write_segment()
        self._merge()

    def rewrite(self, new_rows: NDArray[np.int64]) -> None:
        """Rename all rows: row i becomes `new_rows[i]`, which ascend, or is gone if that is negative."""
        if self._lengths:
            self._write_segment()
        for segment in segments_of(self._database):
            named = new_rows[segment.first : segment.last]
            live = named[named >= 0]
            if live.size:
                self._write_combined([segment], named, int(live[0]), int(live[-1]) + 1)
            self._remove([segment])

    def clear(self) -> None:
        """Remove all words, so that they can be added anew."""
        self.forget()
        self._database.execute("DELETE FROM word_blocks")
        self._database.execute("DELETE FROM word_segments")

    def _go_to(self, row: int) -> None:
        if not self._lengths:
            self._first = self._database.execute(
                "SELECT coalesce(max(last), 0) FROM word_segments"
            ).fetchone()[0]
        left_out = row - self._first - len(self._lengths)
        if left_out < 0:
            raise ValueError(f"row {row:,} has words already")
        if self._lengths:
            self._lengths.extend([0] * left_out)
        else:
            self._first = row

    def _write_segment(self) -> None:
        numbers, lengths = (
            np.frombuffer(values, dtype=np.uintc).astype(np.int64)
            for values in (self._numbers, self._lengths)
        )
        segment = self._new_segment(self._first, lengths)
        self._write_blocks(segment, count_terms(self._vocabulary, numbers, lengths, segment.first))
        self.forget()
        self._first = segment.last

    def _new_segment(self, first: int, lengths: Integers) -> Segment:
        last = first + lengths.size
        cursor = self._database.execute(
            "INSERT INTO word_segments (first, last, lengths) VALUES (?, ?, ?)",
            (first, last, pack(np.minimum(lengths, LONGEST))),
        )
        return Segment(cursor.lastrowid or 0, first, last)

    def _write_blocks(self, segment: Segment, postings: Postings) -> None:
        self._database.executemany(
            "INSERT INTO word_blocks VALUES (?, ?, ?)",
            ((segment.number, term, block) for term, block in blocks(postings, segment.first)),
        )

    def _merge(self) -> None:
        while segments := _to_merge(segments_of(self._database)):
            first, last = segments[0].first, segments[-1].last
            rows = np.arange(first, last)
            dead = self._database.execute(
                "SELECT vector FROM dead WHERE vector >= ? AND vector < ?", (first, last)
            )
            rows[[vector - first for (vector,) in dead]] = -1
            self._write_combined(segments, rows, first, last)
            self._remove(segments)

    def _write_combined(self, segments: Sequence[Segment], new_rows: Integers, first: int, last: int) -> None:
        """Write consecutive segments as one that covers rows from `first` to before `last`.

        Row i of theirs becomes `new_rows[i]`, or is gone if that is negative.
        """
        live = new_rows >= 0
        lengths = np.zeros(last - first, dtype=np.int64)
        lengths[new_rows[live] - first] = _lengths(self._database, segments)[live]
        combined = self._new_segment(first, lengths)
        at_once = max(1, _BLOCKS_AT_ONCE // len(segments))
        for postings in merge([_stream(self._database, segment, at_once) for segment in segments]):
            self._write_blocks(combined, postings.moved(new_rows, segments[0].first))

    def _remove(self, segments: Sequence[Segment]) -> None:
        numbers = [(segment.number,) for segment in segments]
        self._database.executemany("DELETE FROM word_blocks WHERE segment = ?", numbers)
        self._database.executemany("DELETE FROM word_segments WHERE number = ?", numbers)


def _to_merge(segments: list[Segment]) -> list[Segment]:
    """The fewest of the last segments that hold enough of one level, and smaller ones."""
    for level in range(TOP_LEVEL):
        larger = [index for index, segment in enumerate(segments, start=1) if segment.level > level]
        tail = segments[larger[-1] if larger else 0 :]
        if sum(segment.level == level for segment in tail) >= MERGE_FROM:
            return tail
    return []


def _lengths(database: sqlite3.Connection, segments: Sequence[Segment]) -> Integers:
    """Of consecutive segments, with 0 for rows between them."""
    first = segments[0].first
    lengths = np.zeros(segments[-1].last - first, dtype=np.int64)
    for segment in segments:
        lengths[segment.first - first : segment.last - first] = lengths_of(database, segment)
    return lengths


def _stream(database: sqlite3.Connection, segment: Segment, at_once: int) -> Iterator[Postings]:
    """A segment's postings, some blocks at a time. No cursor stays open while the table is written to."""
    statement = "SELECT term, postings FROM word_blocks WHERE segment = ? AND term > ? ORDER BY term LIMIT ?"
    after = ""
    while found := database.execute(statement, (segment.number, after, at_once)).fetchall():
        after = found[-1][0]
        yield concatenate([read_block(block, segment.first) for _, block in found])


# ── reading ──


class Words:
    """What BM25 makes of the rows of a collection, as of one commit. Not for two threads at a time."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._lengths: dict[int, Lengths] = {}
        self._forget_postings()
        self._forget_sums()

    def load(self, database: sqlite3.Connection) -> None:
        """Notice another commit; little is read before it is needed."""
        self._segments = segments_of(database)
        numbers = {segment.number for segment in self._segments}
        self._lengths = {number: known for number, known in self._lengths.items() if number in numbers}
        self._forget_postings()
        self._forget_sums()

    def _forget_postings(self) -> None:
        self._known: dict[str, tuple[Integers, Integers]] = {}
        self._known_rows = 0

    def _forget_sums(self) -> None:
        self._row_lengths: Lengths = np.empty(0, dtype=np.uint16)
        self._total_length = 0
        self._average = 0.0
        self._norms: Vector = np.empty(0, dtype=np.float32)

    def scores(self, database: sqlite3.Connection, text: str, rows: int, dead: NDArray[np.int64]) -> Vector:
        """float32 [rows]: BM25 of every row among the live ones, 0 where no term of `text` occurs and for dead rows.

        Args:
            database: in a transaction that sees what was loaded.
            dead: different rows.

        Raises:
            ValueError, LookupError, ArithmeticError: what is stored is damaged.
        """
        scores = np.zeros(rows, dtype=np.float32)
        norms = self._length_norms(database, rows, dead)
        is_dead = np.zeros(rows, dtype=np.bool_)
        is_dead[dead] = True
        for term in query_terms(text):
            found, counts = self._postings(database, term)
            live = found.size - (int(np.count_nonzero(is_dead[found])) if dead.size else 0)
            if live:
                scores[found] += weights(counts, norms[found], idf(live, rows - dead.size))
        scores[dead] = 0.0
        return scores

    def _postings(self, database: sqlite3.Connection, term: str) -> tuple[Integers, Integers]:
        """Rows with a term, dead ones too, and how often they have it; what was read is kept, up to a bound."""
        if term not in self._known:
            if self._known_rows > POSTINGS_KEPT:
                self._forget_postings()
            self._known[term] = self._read_postings(database, term)
            self._known_rows += self._known[term][0].size
        return self._known[term]

    def _read_postings(self, database: sqlite3.Connection, term: str) -> tuple[Integers, Integers]:
        none = np.empty(0, dtype=np.int64)
        found = [
            read_term(block, term, first) or (none, none)
            for first, block in database.execute(_BLOCKS_FOR_TERM, (term,))
        ]
        rows, counts = zip((none, none), *found, strict=True)
        return np.concatenate(rows), np.concatenate(counts)

    def _length_norms(self, database: sqlite3.Connection, rows: int, dead: NDArray[np.int64]) -> Vector:
        """float32 [rows]; they change with the average, and that with the dead rows."""
        if self._row_lengths.size != rows:
            self._row_lengths = self._read_lengths(database, rows)
            self._total_length, self._average = int(self._row_lengths.sum(dtype=np.int64)), 0.0
        total = self._total_length - int(self._row_lengths[dead].sum(dtype=np.int64))
        average = total / (rows - dead.size) if total else 1.0
        if average != self._average:
            self._average, self._norms = average, length_norms(self._row_lengths, average)
        return self._norms

    def _read_lengths(self, database: sqlite3.Connection, rows: int) -> Lengths:
        """How many terms every row has; of segments that were there before, they are known."""
        lengths = np.zeros(rows, dtype=np.uint16)
        for segment in self._segments:
            if segment.last > rows:
                raise ValueError(f"there are words of {segment.last:,} rows, and only {rows:,} rows")
            if segment.number not in self._lengths:
                self._lengths[segment.number] = lengths_of(database, segment).astype(np.uint16)
            lengths[segment.first : segment.last] = self._lengths[segment.number]
        return lengths


def best(scores: Vector, limit: int) -> NDArray[np.int64]:
    """Rows of the `limit` greatest scores above 0, greatest first, equal ones by row.

    The least of the `limit` greatest maxima of groups is no greater than what is sought; few values reach it.
    """
    groups = scores[: scores.size // _GROUP * _GROUP].reshape(_GROUP, -1).max(axis=0)
    bound = np.partition(groups, groups.size - limit)[groups.size - limit] if groups.size >= limit else 0.0
    near = np.flatnonzero(scores >= bound) if bound > 0.0 else np.flatnonzero(scores > 0.0)
    found: NDArray[np.int64] = near[best_rows(scores[near], limit)]
    return found
