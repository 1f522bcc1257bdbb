"""Where a stretch that is too long for one chunk is cut: at the strongest boundary within reach.

What reaches furthest into the structure comes first; among equals, what makes chunks of equal length:

    page break · blank line (the less the next line is indented, the better) · list item · line of code, of a
    table or of a list · end of a sentence · line inside a paragraph · word · character

A fence or table that fits in a chunk is never cut; a heading is not parted from its text, and no small rest is
left, as long as there is another boundary. Only what lies within one chunk's reach is looked at, so the work
grows with the length of the text and no faster.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vai.chunking.measure import Measure
from vai.chunking.outline import Outline, Span, first_text, trimmed

_LINE = re.compile(r"(?<=\S)[^\S\n]*+\n\s*+")
_SENTENCE = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+\s++(?![a-z])|(?<![。！？｡])[。！？｡]++[”’」』）]*+\s*+"""
)
_WORD = re.compile(r"\s++")
_PART_OF_WORD = re.compile(r"[,;:/&|)\]}>，、；：](?=\S)")
_ITEM = re.compile(r"(?:[-*+•]|\d{1,4}[.)]|[a-z][.)])[ \t]")
_CLOSING_MARKS = "\"'”’»)]」』）*_`"
_ENDS_BLOCK = re.compile(r"[)\]}]|(?:else|elif|except|finally|catch|end)\b")
_MOST_INDENTED = 90
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")

# How strong a boundary is: the lower, the better. Fractions tell how far the next line is indented.
_PAGE, _BLANK, _ITEMS, _LINES, _SENTENCES, _WRAPPED, _WORDS, _WORD_PARTS = range(1, 9)


class _Cut(NamedTuple):
    rank: float
    offset: int


@dataclass(frozen=True, slots=True)
class _Window:
    """Cuts lie after `start` and at or before `reach`, best near `target`; `low` to `high` leave no small rest."""

    start: int
    reach: int
    target: int
    low: int
    high: int

    def best(self, cuts: Iterable[_Cut]) -> int | None:
        """The strongest cut, nearest to the target."""
        found = min(cuts, key=lambda cut: (cut.rank, abs(cut.offset - self.target)), default=None)
        return found.offset if found else None

    def leaves_enough(self, cut: _Cut) -> bool:
        return self.low <= cut.offset <= self.high


class Cutter:
    """Cuts stretches of one document.

    Args:
        outline: the document's structure.
        lines: its text with every line end made a line feed, of the same length.
        measure: its lengths.
        pages: the offsets at which pages begin.
        is_code: whether each line stands for itself, as it does in code.
    """

    def __init__(
        self, outline: Outline, lines: str, measure: Measure, pages: Sequence[int], *, is_code: bool
    ) -> None:
        self._outline = outline
        self._text = lines
        self._measure = measure
        self._pages = pages
        self._is_code = is_code
        self._solid = [block for block in outline.blocks if measure.fits(*block)]

    def divided(self, start: int, end: int) -> Iterator[Span]:
        """The stretch as one piece if it fits, else as pieces that do; without white space at their edges."""
        start, end = trimmed(self._text, start, end)
        while not self._measure.fits(start, end):
            cut = self._cut(start, end)
            yield trimmed(self._text, start, cut)
            start = first_text(self._text, cut, end)
        if start < end:
            yield start, end

    def _cut(self, start: int, end: int) -> int:
        """The best place to end the first piece of a stretch that does not fit."""
        window = self._window(start, end)
        whole = [cut for cut in self._structural(window) if not self._in_block(cut, self._solid)]
        choices: tuple[Callable[[], Iterable[_Cut]], ...] = (
            lambda: filter(window.leaves_enough, filter(self._keeps_heading, whole)),
            lambda: filter(self._keeps_heading, whole),
            lambda: filter(window.leaves_enough, filter(self._keeps_heading, self._words(window))),
            lambda: whole,
            lambda: self._words(window),
        )
        for choice in choices:
            offset = window.best(choice())
            if offset is not None:
                return offset
        return self._character(window)

    def _window(self, start: int, end: int) -> _Window:
        low, high = self._measure.margins(start, end)
        reach = min(self._measure.reach(start), end)
        target = min(max(self._measure.balanced(start, end), start + 1), reach)
        return _Window(start, reach, target, low, high)

    def _keeps_heading(self, cut: _Cut) -> bool:
        return not self._outline.parts_heading(cut.offset)

    def _in_block(self, cut: _Cut, blocks: Sequence[Span]) -> bool:
        index = bisect_left(blocks, (cut.offset,)) - 1
        return index >= 0 and cut.offset < blocks[index][1]

    def _structural(self, window: _Window) -> list[_Cut]:
        """Cuts at pages, lines and sentences."""
        first, last = bisect_right(self._pages, window.start), bisect_right(self._pages, window.reach)
        cuts = [_Cut(_PAGE, page) for page in self._pages[first:last]]
        cuts += self._line_cuts(window)
        if not self._is_code:
            found = _SENTENCE.finditer(self._text, window.start, window.reach)
            cuts += [_Cut(_SENTENCES, sentence.end()) for sentence in found]
        return cuts

    def _line_cuts(self, window: _Window) -> list[_Cut]:
        breaks = list(_LINE.finditer(self._text, window.start, min(window.reach + 1, len(self._text))))
        breaks = [found for found in breaks if found.end() <= window.reach]
        stands_alone = self._is_code or self._looks_listed(breaks)
        return [_Cut(self._line_rank(found, stands_alone), found.end()) for found in breaks]

    def _looks_listed(self, breaks: Sequence[re.Match[str]]) -> bool:
        """Whether lines begin as those of lists, logs, verse and tables do, not as a wrapped paragraph's."""
        wrapped = sum(self._text[found.end()].islower() for found in breaks)
        return 4 * wrapped <= len(breaks)

    def _line_rank(self, found: re.Match[str], stands_alone: bool) -> float:
        space, after = found[0], found.end()
        before = self._text[max(found.start() - 3, 0) : found.start()].rstrip(_CLOSING_MARKS)[-1:]
        indent = min(len(space.rpartition("\n")[2].expandtabs(4)), _MOST_INDENTED) / 100
        in_block = self._in_block(_Cut(0, after), self._outline.blocks)
        if (self._is_code or in_block) and _ENDS_BLOCK.match(self._text, after):
            return _WRAPPED + indent
        if space.count("\n") > 1:
            rank = _ITEMS if in_block else _BLANK
        elif not self._is_code and _ITEM.match(self._text, after):
            rank = _ITEMS
        elif stands_alone or in_block:
            rank = _LINES
        else:
            return _WRAPPED
        return (max(rank, _LINES) if before == ":" else rank) + indent

    def _words(self, window: _Window) -> Iterator[_Cut]:
        for rank, pattern in ((_WORDS, _WORD), (_WORD_PARTS, _PART_OF_WORD)):
            for found in pattern.finditer(self._text, window.start, window.reach):
                cut = _Cut(rank, found.end())
                if not self._in_block(cut, self._solid):
                    yield cut

    def _character(self, window: _Window) -> int:
        """At the target, or a little before it where a character is made of several code points."""
        for offset in range(window.target, max(window.start, window.target - 16), -1):
            if not self._joins(offset):
                return offset
        return window.target

    def _joins(self, offset: int) -> bool:
        """Whether the code points around an offset belong to one character as the reader sees it."""
        if offset >= len(self._text):
            return False
        before, after = self._text[offset - 1], self._text[offset]
        return (
            after in _JOINERS
            or before == "\u200d"
            or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
            or unicodedata.category(after).startswith("M")
        )
