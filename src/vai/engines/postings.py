"""Posting lists, in memory and as bytes: for every term the rows that it occurs in, and how often.

A block holds consecutive terms with about a thousand postings in all, or one more frequent term:

    length of the terms in bytes, uint32 · a line break, and every term with one behind it · sizes · gaps · counts

Rows are written as gaps to the row before, the first of a term as the gap to the segment's first row. The three
arrays are packed to whole bytes; the few numbers that need more follow apart (after PFOR: Zukowski et al. 2006,
"Super-Scalar RAM-CPU Cache Compression").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vai.engines.bm25 import MOST_COUNTED

Integers = NDArray[np.int64]

BLOCK_POSTINGS = 1024
"""A block is read whole to find one term in it: 10 kB, where most terms are rare."""

_NAMES = 4
"""Where a block's terms begin, behind their length in bytes."""
_WIDEST = 4
_HEADER_BYTES = 12
_EXCEPTION_BYTES = 8


@dataclass(frozen=True, slots=True)
class Postings:
    """Terms in order, and the postings of each, one after another.

    Args:
        terms: different ones, ascending.
        sizes: int64 [t], how many postings each term has; at least one.
        rows: int64 [p], ascending within a term.
        counts: int64 [p], at least 1.
    """

    terms: Sequence[str]
    sizes: Integers
    rows: Integers
    counts: Integers

    def part(self, start: int, stop: int) -> Self:
        """Those of some consecutive terms."""
        first, last = int(self.sizes[:start].sum()), int(self.sizes[:stop].sum())
        return type(self)(
            self.terms[start:stop], self.sizes[start:stop], self.rows[first:last], self.counts[first:last]
        )

    def moved(self, new_rows: Integers, first: int) -> Self:
        """With row `first + i` called `new_rows[i]`, and without those for which that is negative."""
        rows = new_rows[self.rows - first]
        kept = rows >= 0
        if kept.all():
            return type(self)(self.terms, self.sizes, rows, self.counts)
        owners = np.repeat(np.arange(len(self.terms)), self.sizes)
        sizes = np.bincount(owners[kept], minlength=len(self.terms))
        left = np.flatnonzero(sizes)
        names = [self.terms[index] for index in left.tolist()]
        return type(self)(names, sizes[left], rows[kept], self.counts[kept])


def count_terms(vocabulary: Mapping[str, int], numbers: Integers, lengths: Integers, first: int) -> Postings:
    """Postings of passages that are rows `first`, `first + 1`, …

    Args:
        vocabulary: every term with its number, from 0; each occurs.
        numbers: [sum of lengths], the terms of all passages one after another.
        lengths: [n], how many terms each passage has.
    """
    ordered = sorted(vocabulary)
    places = np.empty(len(ordered), dtype=np.int64)
    places[[vocabulary[term] for term in ordered]] = np.arange(len(ordered))
    passages = np.repeat(np.arange(lengths.size), lengths)
    pairs, counts = np.unique(places[numbers] * lengths.size + passages, return_counts=True)
    counts = np.minimum(counts, MOST_COUNTED)
    owners, rows = np.divmod(pairs, lengths.size)
    return Postings(ordered, np.bincount(owners, minlength=len(ordered)), rows + first, counts)


def concatenate(parts: Sequence[Postings]) -> Postings:
    """Several as one, where the terms of each come before those of the next."""
    return Postings(
        list(chain.from_iterable(part.terms for part in parts)),
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


def join(parts: Sequence[Postings]) -> Postings:
    """Several as one; what a part has of a term comes before what later parts have of it."""
    if len(parts) == 1:
        return parts[0]
    ordered = sorted(set(chain.from_iterable(part.terms for part in parts)))
    places = {term: place for place, term in enumerate(ordered)}
    owners = np.concatenate(
        [np.repeat([places[term] for term in part.terms], part.sizes) for part in parts]
    ).astype(np.int64)
    order = np.argsort(owners, kind="stable")
    return Postings(
        ordered,
        np.bincount(owners, minlength=len(ordered)),
        np.concatenate([part.rows for part in parts])[order],
        np.concatenate([part.counts for part in parts])[order],
    )


def merge(streams: Iterable[Iterator[Postings]]) -> Iterator[Postings]:
    """Streams of postings in the order of terms as one; rows of a stream come before those of later streams."""
    heads = [(head, stream) for stream in streams if (head := next(stream, None))]
    while heads:
        bound = min(head.terms[-1] for head, _ in heads)
        taken = []
        waiting = []
        for head, stream in heads:
            cut = bisect_right(head.terms, bound)
            taken.append(head.part(0, cut))
            rest = head.part(cut, len(head.terms)) if cut < len(head.terms) else next(stream, None)
            if rest:
                waiting.append((rest, stream))
        yield join(taken)
        heads = waiting


# ── as bytes ──


def blocks(postings: Postings, first: int) -> Iterator[tuple[str, bytes]]:
    """The blocks of some postings, each with its first term; no row is below `first`."""
    ends = np.cumsum(postings.sizes)
    starts = ends - postings.sizes
    gaps = np.diff(postings.rows, prepend=first)
    gaps[starts] = postings.rows[starts] - first
    start = 0
    while start < len(postings.terms):
        room = int(np.searchsorted(ends, starts[start] + BLOCK_POSTINGS, side="right"))
        stop = max(start + 1, room)
        inside = slice(int(starts[start]), int(ends[stop - 1]))
        names = "\n".join(["", *postings.terms[start:stop], ""]).encode()
        arrays = (postings.sizes[start:stop] - 1, gaps[inside], postings.counts[inside] - 1)
        yield (
            postings.terms[start],
            b"".join([len(names).to_bytes(_NAMES, "little"), names, *map(pack, arrays)]),
        )
        start = stop


def read_block(block: bytes, first: int) -> Postings:
    """All postings of a block. Raises ValueError or IndexError if it is damaged."""
    names, more, gaps, counts = _parts(block)
    sizes = more + 1
    starts = np.cumsum(sizes) - sizes
    sums = np.cumsum(gaps)
    rows = sums - np.repeat(sums[starts] - gaps[starts], sizes) + first
    return Postings(names[1:-1].decode().split("\n"), sizes, rows, counts + 1)


def read_term(block: bytes, term: str, first: int) -> tuple[Integers, Integers] | None:
    """Rows and counts of one term of a block; None if it is not there. Raises as `read_block` does."""
    position = block.find(f"\n{term}\n".encode(), _NAMES, _names_end(block))
    if position < 0:
        return None
    _, more, gaps, counts = _parts(block)
    place = block.count(b"\n", _NAMES, position)
    start = int(more[:place].sum()) + place
    stop = start + int(more[place]) + 1
    return gaps[start:stop].cumsum() + first, counts[start:stop] + 1


def _parts(block: bytes) -> tuple[bytes, Integers, Integers, Integers]:
    """Terms, then how many postings each has beyond the first, gaps, and occurrences beyond the first."""
    end = _names_end(block)
    more, start = unpack(block, end)
    gaps, start = unpack(block, start)
    counts, start = unpack(block, start)
    if start != len(block) or not gaps.size == counts.size == int(more.sum()) + more.size:
        raise ValueError("a block of postings is not as it was written")
    return block[_NAMES:end], more, gaps, counts


def _names_end(block: bytes) -> int:
    return _NAMES + int.from_bytes(block[:_NAMES], "little")


def pack(numbers: Integers) -> bytes:
    """Numbers from 0 to 2³² − 1 in few bytes."""
    costs = [
        numbers.size * width + _EXCEPTION_BYTES * int(np.count_nonzero(numbers >> 8 * width))
        for width in range(_WIDEST + 1)
    ]
    width = int(np.argmin(costs))
    narrow = numbers.astype("<u4").view(np.uint8).reshape(-1, _WIDEST)[:, :width]
    large = np.flatnonzero(numbers >> 8 * width)
    header, exceptions = [numbers.size, width, large.size], [large, numbers[large] >> 8 * width]
    return b"".join(
        [
            np.array(header, "<u4").tobytes(),
            narrow.tobytes(),
            np.concatenate(exceptions).astype("<u4").tobytes(),
        ]
    )


def unpack(data: bytes, start: int) -> tuple[Integers, int]:
    """The numbers packed from `start` on, and where they end. Raises ValueError or IndexError if damaged."""
    size, width, large = np.frombuffer(data, "<u4", 3, start).tolist()
    start += _HEADER_BYTES
    numbers = _widened(np.frombuffer(data, np.uint8, size * width, start), width, size)
    start += size * width
    if large:
        positions = np.frombuffer(data, "<u4", large, start)
        numbers[positions] += (
            np.frombuffer(data, "<u4", large, start + 4 * large).astype(np.int64) << 8 * width
        )
    return numbers, start + _EXCEPTION_BYTES * large


def _widened(narrow: NDArray[np.uint8], width: int, size: int) -> Integers:
    if width == 1:
        return narrow.astype(np.int64)
    wide = np.zeros((size, _WIDEST), dtype=np.uint8)
    wide[:, :width] = narrow.reshape(size, width)
    return wide.view("<u4").reshape(-1).astype(np.int64)
