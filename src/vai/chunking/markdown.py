"""Structure of Markdown (CommonMark with GitHub's tables and front matter): titles, fences, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vai.chunking.outline import LONGEST_NAME, Marks, Outline, Span, Title, sections_under, with_notes

_FRONT_MATTER = re.compile(
    r"""---[ \t]*\n
    (?=(?:[ \t]*+(?:\#[^\n]*)?\n)*+["']?[^\W\d][^\n:]*+:(?:[ \t]|\n))  # a mapping, not text between two rules
    (?:[^\n]*\n)*?(?:---|\.\.\.)[ \t]*+(?:\n|\Z)""",
    re.VERBOSE,
)
_NOTABLE = re.compile(
    r"""^[ ]{0,3}(?P<atx>\#{1,6})(?=[ \t\n]|\Z)(?P<name>[^\n]*)
    |^(?P<indent>[ \t]*+(?P<inside>(?:>[ ]?|(?:[-*+]|\d{1,9}[.)])[ \t]++)*))(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})
    |^[ ]{0,3}<(?P<raw>!--|(?:pre|script|style|textarea)\b)
    |^(?P<rule>[ \t|:=-]++)$""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_NOT_PARAGRAPH = re.compile(r"[ ]{4}|\t| {0,3}(?:[-*+][ \t]|[>|#]|\d{1,9}[.)][ \t]|`{3}|~{3})")
_WITHOUT_BAR = re.compile(r"^[^|\n]*+$", re.MULTILINE)
_ANCHOR = re.compile(r"[ ]{0,3}<a[ ]+(?:id|name)=[^<>]*>(?:</a>)?[ \t]*$", re.MULTILINE)
"""Names the title below it."""
_LONGEST_TITLE = 3
"""Lines of text that a row of dashes makes a heading of; below a longer paragraph it is meant as a rule."""

_CLOSING = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_INLINE = (
    (re.compile(r"[ \t]*\{[ \t]*[#.:][^{}]*\}$"), ""),  # {#anchor}
    (re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])"), r"\1"),  # links, images
    (re.compile(r"</?(?:a|b|br|code|em|i|img|kbd|small|span|strong|sub|sup)\b[^<>]*>", re.IGNORECASE), ""),
    (re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*]+)(?<=[^\s*])\1(?![\w*])"), r"\2"),  # not f(*a, **b)
    (re.compile(r"`+"), ""),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


def markdown_outline(text: str, lines: str, *, front_matter: bool) -> Outline:
    """Sections by heading, fences and tables of a Markdown text.

    `lines` is the text with every line end made a line feed, of the same length. `front_matter` says whether a
    block of YAML at the start is not part of the text, because it was understood and is metadata.
    """
    start = front_matter_end(lines) if front_matter else 0
    titles: list[Title] = []
    blocks: list[Span] = []
    for found in _scan(lines, start):
        if isinstance(found, Title):
            titles.append(found)
        else:
            blocks.append(found)
    return Outline(text, sections_under(text, titles, start), blocks)


def front_matter_end(lines: str) -> int:
    """The offset after a block of YAML between `---` lines at the very start, else 0."""
    found = _FRONT_MATTER.match(lines)
    return found.end() if found else 0


def _scan(lines: str, start: int) -> Iterator[Title | Span]:
    """Titles and blocks in order. Inside a block nothing is a title, so the scan goes on after it."""
    floor, marks = start, Marks(lines)
    while found := _NOTABLE.search(lines, floor):
        if found["atx"]:
            start = with_notes(lines, floor, found.start(), _ANCHOR)
            yield Title(start, found.end(), len(found["atx"]), plain_heading(found["name"]))
            floor = found.end()
        elif found["fence"]:
            floor = _fence_end(lines, found)
            yield found.start(), floor
        elif found["raw"]:
            floor = _raw_end(marks, found)
        else:
            below = _ruled(lines, floor, found)
            if below is not None:
                yield below
            floor = found.end() if below is None or isinstance(below, Title) else below[1]
        if floor >= len(lines):
            return


def _fence_end(lines: str, opened: re.Match[str]) -> int:
    """After the closing fence; one inside a quotation or a list also ends where that does."""
    fence, indent = opened["fence"], len(opened["indent"].expandtabs(4))
    closing = rf"^[ \t>]*+{fence[0]}{{{len(fence)},}}[ \t]*+$"
    if ">" in opened["inside"]:
        closing += r"|^(?![ \t]*+>)"
    elif opened["inside"] or indent > 3:
        closing += rf"|^(?=[ ]{{0,{min(indent, 99) - 1}}}[^ \t\n])"
    found = re.compile(closing, re.MULTILINE).search(lines, opened.end())
    return found.end() if found else len(lines)


def _raw_end(marks: Marks, opened: re.Match[str]) -> int:
    """After an HTML comment or an element whose content is not Markdown; after its start if it never ends."""
    closing = "-->" if opened["raw"] == "!--" else f"</{opened['raw'].lower()}>"
    return marks.after(closing, opened.end()) or opened.end()


def _ruled(lines: str, floor: int, rule: re.Match[str]) -> Title | Span | None:
    """What a line of dashes, equals signs or bars makes of the lines above it: a title, a table, or nothing."""
    marks = rule["rule"].strip()
    if "|" in marks and "-" in marks and "=" not in marks:
        return _table(lines, floor, rule)
    indented = len(rule["rule"]) - len(rule["rule"].lstrip()) > 3 or rule["rule"].startswith("\t")
    if not marks or indented or set(marks) not in ({"="}, {"-"}):
        return None
    start = _paragraph_start(lines, floor, rule.start())
    if start is None:
        return None
    name = " ".join(lines[start : rule.start()].split())
    start = with_notes(lines, floor, start, _ANCHOR)
    return Title(start, rule.end(), 1 if marks[0] == "=" else 2, plain_heading(name))


def _paragraph_start(lines: str, floor: int, end: int) -> int | None:
    """Where the short paragraph that ends at the line start `end` begins; None if there is none."""
    start = end
    for _ in range(_LONGEST_TITLE + 1):
        before = lines.rfind("\n", floor, max(start - 1, floor)) + 1 or floor
        line = lines[before:start]
        if start <= floor or not line.strip():
            return start if start < end else None
        if _NOT_PARAGRAPH.match(line):
            return None
        start = before
    return None


def _table(lines: str, floor: int, rule: re.Match[str]) -> Span | None:
    """From the line above the row of dashes to the last line that has a bar."""
    start = lines.rfind("\n", floor, max(rule.start() - 1, floor)) + 1 or floor
    if "|" not in lines[start : rule.start()]:
        return None
    after = _WITHOUT_BAR.search(lines, rule.end() + 1) if rule.end() < len(lines) else None
    return start, max(after.start() - 1, rule.end()) if after else len(lines)


def plain_heading(name: str) -> str:
    """What a heading says, without closing marks, links, code marks and emphasis."""
    said = _CLOSING.sub("", name[: 2 * LONGEST_NAME].strip()).strip()
    for markup, replacement in _INLINE:
        said = markup.sub(replacement, said)
    return said.strip()
