"""The structure of a document as the chunker needs it: sections with their paths, and blocks to keep whole."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST_NAME = 300
"""Characters of one heading that are kept: what a runaway line would put into every chunk below it."""

Span = tuple[int, int]
Path = tuple[str, ...]

_TEXT = re.compile(r"\S")


def first_text(text: str, start: int, end: int | None = None) -> int:
    """The offset of the first character from `start` that is not white space, or `end`."""
    stop = len(text) if end is None else end
    found = _TEXT.search(text, start, stop)
    return found.start() if found else stop


def is_blank(text: str, start: int, end: int) -> bool:
    """Whether there is only white space between two offsets."""
    return _TEXT.search(text, start, end) is None


def trimmed(text: str, start: int, end: int) -> Span:
    """A stretch without the white space at its edges."""
    return first_text(text, start, end), start + len(text[start:end].rstrip())


class Marks:
    """Finds where marks come next in a text. Asked with rising offsets, it reads the text once for each mark."""

    __slots__ = ("_found", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[str, int] = {}

    def after(self, mark: str, offset: int) -> int | None:
        """The offset after the next `mark` that begins at or after `offset`; None if there is none."""
        found = self._found.get(mark, 0)
        if mark not in self._found or 0 <= found < offset:
            found = self._found[mark] = self._text.find(mark, offset)
        return found + len(mark) if found >= 0 else None


def with_notes(lines: str, floor: int, start: int, note: re.Pattern[str]) -> int:
    """Where the lines directly above the line start `start` that match `note`, blank ones between, begin."""
    first = position = start
    while position > floor:
        above = lines.rfind("\n", floor, position - 1) + 1 or floor
        if note.match(lines, above, position):
            first = above
        elif not is_blank(lines, above, position):
            break
        position = above
    return first


def shortened(name: str) -> str:
    """A heading on one line, cut at `LONGEST_NAME`."""
    flat = " ".join(name[: 2 * LONGEST_NAME].split())
    return flat if len(flat) <= LONGEST_NAME else flat[: LONGEST_NAME - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Title:
    """A heading in a text: the lines it occupies, its level from 1 (outermost), and what it says."""

    start: int
    end: int
    level: int
    name: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition in source code: where it starts, where its body starts, where it ends, and its name."""

    start: int
    body: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """What lies between `start` and the next section's start, under the heading path `path`.

    `content` is where its own text begins, after the heading. `resumed` marks the rest of a section after
    something inside it, as the statements of a class after a method. Only the first section starts with white
    space.
    """

    start: int
    content: int
    path: Path
    level: int
    resumed: bool = False

    def holds(self, later: Section) -> bool:
        """Whether a later section, with none between that it does not hold, lies in this one."""
        return later.level > self.level or (later.level == self.level and later.resumed)

    @property
    def home(self) -> Path:
        """The path of the section that this one lies in."""
        return self.path if self.resumed else self.path[:-1]


class Outline:
    """A document's sections in order, and its code blocks and tables: what is better not cut.

    Args:
        text: the document's text.
        sections: in order; the first one, of level 0, holds all others.
        blocks: in order, not overlapping.
    """

    __slots__ = ("_starts", "blocks", "sections", "text")

    def __init__(self, text: str, sections: list[Section], blocks: Iterable[Span] = ()) -> None:
        self.text = text
        self.sections = sections
        self.blocks = [trimmed(text, *block) for block in blocks]
        self._starts = [section.start for section in sections]

    def end(self, index: int) -> int:
        """Where a section ends: at the start of the next, or of the text's end."""
        return self._starts[index + 1] if index + 1 < len(self._starts) else len(self.text)

    def is_bare(self, index: int) -> bool:
        """Whether a section has no text of its own but its heading."""
        return is_blank(self.text, self.sections[index].content, self.end(index))

    def parts_heading(self, offset: int) -> bool:
        """Whether a cut at `offset` would part a heading from the text that follows it."""
        index = bisect_left(self._starts, offset) - 1
        return index >= 0 and offset <= self.sections[index].content

    def heading(self, start: int, end: int) -> Path:
        """The path that is true for all text of a stretch.

        A bare heading that the stretch goes on below says nothing of its own, so the path is that of what follows.
        """
        paths = list(self._paths(start, end))
        first, *others = paths or [()]
        depth = len(first)
        for path in others:
            depth = _shared(first[:depth], path)
        return tuple(name for name in first[:depth] if name)

    def _paths(self, start: int, end: int) -> Iterator[Path]:
        first = bisect_right(self._starts, start) - 1
        last = bisect_left(self._starts, end)
        for index in range(first, last):
            section = self.sections[index]
            if is_blank(self.text, max(start, section.start), min(end, self.end(index))):
                continue
            leads_on = index + 1 < last and section.holds(self.sections[index + 1])
            if not (leads_on and start <= section.start and self.is_bare(index)):
                yield section.path


def _shared(one: Path, other: Path) -> int:
    """How many names two paths share from the outermost on."""
    for depth, (ours, theirs) in enumerate(zip(one, other, strict=False)):
        if ours != theirs:
            return depth
    return min(len(one), len(other))


def sections_under(text: str, titles: Iterable[Title], start: int = 0) -> list[Section]:
    """Sections that go from title to title, nested by level."""
    sections = [Section(start, start, (), 0)]
    opened: list[tuple[int, Path]] = [(0, ())]
    for title in titles:
        while opened[-1][0] >= title.level:
            opened.pop()
        path = (*opened[-1][1], shortened(title.name))
        opened.append((title.level, path))
        start = first_text(text, title.start)
        sections.append(Section(start, first_text(text, title.end), path, title.level))
    return sections


def sections_within(text: str, definitions: Iterable[Definition]) -> list[Section]:
    """Sections of definitions, given from first to last, outer before inner; the rest lies in what is around."""
    sections = [Section(0, 0, (), 0)]
    opened: list[tuple[int, Path]] = []

    def close(before: int | None) -> None:
        while opened and (before is None or opened[-1][0] <= before):
            end, path = opened.pop()
            start = first_text(text, end)
            sections.append(Section(start, start, path[:-1], len(opened), resumed=True))

    for definition in definitions:
        close(definition.start)
        path = (*(opened[-1][1] if opened else ()), shortened(definition.name))
        opened.append((definition.end, path))
        start = first_text(text, definition.start)
        sections.append(Section(start, first_text(text, definition.body), path, len(opened)))
    close(None)
    stops = [section.start for section in sections[1:]] + [len(text)]
    return [
        section
        for section, stop in zip(sections, stops, strict=True)
        if not section.resumed or not is_blank(text, section.start, stop)
    ]
