"""Structure of reStructuredText: section titles, literal blocks, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vai.chunking.outline import LONGEST_NAME, Outline, Span, Title, sections_under, with_notes

_ADORNMENT = re.compile(r"^([!-/:-@\[-`{-~])\1*+[ \t]*+$", re.MULTILINE)
_BLOCK = re.compile(
    r"""^(?P<indent>[ \t]*+)\.\.[ ](?:code|code-block|sourcecode|parsed-literal|testcode|doctest|prompt)::[^\n]*$
    |(?P<literal>::)[ \t]*+$
    |^[ \t]*+(?P<grid>\+-[-+]*\+)[ \t]*+$
    |^[ \t]*+(?P<simple>=++[ ]++=[ =]*+)$""",
    re.VERBOSE | re.MULTILINE,
)
_EXPLICIT = re.compile(r"[ \t]*+\.\.[ ]")
_LABEL = re.compile(r"\.\.[ ]_[^\n]*:[ \t]*$", re.MULTILINE)
"""Names the title below it."""
_NOT_GRID = re.compile(r"^[ \t]*+(?![+|])", re.MULTILINE)
_LAST_BORDER = re.compile(r"^[ \t]*+=++[ ]++=[ =]*+(?=\n[ \t]*+(?:\n|\Z)|\Z)", re.MULTILINE)
_LONGEST_BLOCK = 16_000
"""Characters within which the end of a block is looked for: a longer one fits in no chunk anyway."""

_INLINE = (
    (re.compile(r":[\w:+.-]+:`~?!?([^`<]*?)(?:[ \t]*<[^`>]*>)?`"), r"\1"),  # roles
    (re.compile(r"`([^`<]*?)[ \t]*<[^`>]*>`_{1,2}"), r"\1"),  # links
    (re.compile(r"`+([^`]*)`+_{0,2}"), r"\1"),
    (re.compile(r"(\*{1,2})(?=\S)([^*]*)(?<=\S)\1"), r"\2"),
)


def restructured_outline(text: str, lines: str) -> Outline:
    """Sections by title, literal blocks and tables.

    `lines` is the text with every line end made a line feed, of the same length. Levels follow the order in
    which the styles of adornment first appear, as in docutils.
    """
    levels: dict[str, int] = {}
    titles = [
        Title(start, end, levels.setdefault(style, len(levels) + 1), name)
        for start, end, style, name in _titles(lines)
    ]
    return Outline(text, sections_under(text, titles), _blocks(lines))


def _titles(lines: str) -> Iterator[tuple[int, int, str, str]]:
    """Start, end, style of adornment and name of each title."""
    floor = 0
    for adornment in _ADORNMENT.finditer(lines):
        if adornment.start() < floor:
            continue
        title = _overlined(lines, adornment) or _underlined(lines, floor, adornment)
        if title is not None:
            start, end, style, name = title
            yield with_notes(lines, floor, start, _LABEL), end, style, name
            floor = end


def _overlined(lines: str, over: re.Match[str]) -> tuple[int, int, str, str] | None:
    """A line between two rows of the same mark."""
    if not _after_blank(lines, over.start()):
        return None
    start, stop = over.end() + 1, _line_end(lines, over.end() + 1)
    under = _ADORNMENT.match(lines, stop + 1)
    name = lines[start:stop].strip()
    if not name or under is None or under[1] != over[1] or not _long_enough(over, name):
        return None
    return over.start(), under.end(), over[1] * 2, plain_title(name)


def _underlined(lines: str, floor: int, under: re.Match[str]) -> tuple[int, int, str, str] | None:
    """A line by itself, not indented, with a row of marks below."""
    if under.start() <= floor:
        return None
    start = lines.rfind("\n", floor, under.start() - 1) + 1 or floor
    name = lines[start : under.start()].rstrip()
    if not name or name[0].isspace() or not _after_blank(lines, start) or not _long_enough(under, name):
        return None
    if name.startswith(".. ") or _ADORNMENT.match(name):
        return None
    return start, under.end(), under[1], plain_title(name)


def _long_enough(adornment: re.Match[str], name: str) -> bool:
    """Docutils takes shorter rows, with a warning, from four marks on."""
    marks = len(adornment[0].rstrip())
    return marks >= min(len(name), 4)


def _after_blank(lines: str, start: int) -> bool:
    """Whether the line before the line start `start` is blank, or there is none."""
    if start == 0:
        return True
    return not lines[lines.rfind("\n", 0, start - 1) + 1 : start].strip()


def _line_end(lines: str, start: int) -> int:
    found = lines.find("\n", start)
    return found if found >= 0 else len(lines)


def _blocks(lines: str) -> Iterator[Span]:
    position = 0
    while found := _BLOCK.search(lines, position):
        start = lines.rfind("\n", 0, found.start()) + 1
        if found["literal"] and _EXPLICIT.match(lines, start):
            position = found.end()
            continue
        end = (
            _table_end(lines, found)
            if found["grid"] or found["simple"]
            else _indented_end(lines, start, found)
        )
        if end is not None:
            yield start, end
        position = max(found.end() + 1, end or 0)


def _indented_end(lines: str, start: int, opened: re.Match[str]) -> int | None:
    """The end of the lines below that are indented more than the one that opens the block."""
    line = lines[start : opened.end()]
    indent = len(line) - len(line.lstrip())
    outside = re.compile(rf"\n(?=[ \t]{{0,{min(indent, 99)}}}[^ \t\n])")
    return _end_within(lines, outside, opened.end())


def _table_end(lines: str, opened: re.Match[str]) -> int | None:
    if opened["grid"]:
        return _end_within(lines, _NOT_GRID, opened.end() + 1)
    stop = min(len(lines), opened.end() + _LONGEST_BLOCK)
    found = _LAST_BORDER.search(lines, opened.end(), stop)
    return found.end() if found else None


def _end_within(lines: str, outside: re.Pattern[str], position: int) -> int | None:
    """Where the block that goes on until `outside` ends; None if that is too far away to matter."""
    stop = min(len(lines), position + _LONGEST_BLOCK)
    found = outside.search(lines, position, stop)
    if found:
        return found.start()
    return stop if stop == len(lines) else None


def plain_title(name: str) -> str:
    """What a title says, without roles, links, code marks and emphasis."""
    said = name[: 2 * LONGEST_NAME].strip()
    for markup, replacement in _INLINE:
        said = markup.sub(replacement, said)
    return said.strip()
