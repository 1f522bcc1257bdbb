"""Lengths in tokens, for any stretch of a document, from one tokenisation of all of it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence

CHARACTERS_PER_TOKEN = 32
"""A chunk may have at most this many characters for each token of its limit.

A tokenizer may make one token of a word of any length (WordPiece does beyond 100 characters), and none of white
space; without a bound a megabyte of either would be one chunk.
"""


class Measure:
    """Counts tokens between two offsets and says how far a chunk can reach.

    A stretch has the tokens whose last character lies in it. That is what tokenising the stretch by itself would
    give, but for a token that is cut in two or that spans white space at its edges.
    """

    __slots__ = ("_ends", "_limit", "_longest", "small")

    def __init__(self, ends: Sequence[int], limit: int) -> None:
        self._ends = array("q", ends)  # a tenth of a list's memory: a long document has millions
        self._limit = limit
        self._longest = limit * CHARACTERS_PER_TOKEN
        self.small = limit // 8
        """Tokens up to which a stretch is too small to be worth a chunk of its own."""

    def count(self, start: int, end: int) -> int:
        """Tokens that end in (start, end]."""
        return bisect_right(self._ends, end) - bisect_right(self._ends, start)

    def fits(self, start: int, end: int) -> bool:
        """Whether the stretch can be one chunk."""
        return end - start <= self._longest and self.count(start, end) <= self._limit

    def reach(self, start: int) -> int:
        """The furthest offset at which a chunk from `start` can end, at least `start + 1`."""
        beyond = bisect_right(self._ends, start) + self._limit
        furthest = start + self._longest
        if beyond < len(self._ends):
            furthest = min(furthest, self._ends[beyond] - 1)
        return max(furthest, start + 1)

    def balanced(self, start: int, end: int) -> int:
        """Where the first of the fewest, equally long chunks of a stretch would end."""
        first, last = bisect_right(self._ends, start), bisect_right(self._ends, end)
        by_tokens = -(-(last - first) // self._limit)
        by_length = -(-(end - start) // self._longest)
        if by_tokens < by_length:
            return start + (end - start) // by_length
        return self._ends[first + (last - first) // by_tokens - 1]

    def margins(self, start: int, end: int) -> tuple[int, int]:
        """The cuts, first and last, that leave no small stretch on either side."""
        first, last = bisect_right(self._ends, start), bisect_right(self._ends, end)
        if last - first <= max(self._limit, 2 * self.small) or not self.small:
            return start, end
        return self._ends[first + self.small - 1], self._ends[last - self.small] - 1
