"""A passage on a terminal: its heading not said twice, wrapped, cut to the best lines, the query's words marked."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from vai.cli.output import printable, styled
from vai.languages import FUNCTION_WORDS

SNIPPET_LINES = 8
_WORD = re.compile(r"\w+")
_SMALL = frozenset(FUNCTION_WORDS["en"].split())
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "e", "y")
_FORMS = "|".join((*_ENDINGS, "ion", "ions", "er", "ers", "ying", "ied", "d"))


def marker(query: str) -> re.Pattern[str] | None:
    """What matches the query's words in whatever form they stand; None if all of them are among the smallest."""
    stems = sorted({_stem(word) for word in _WORD.findall(query.lower()) if word not in _SMALL}, key=len)
    if not stems:
        return None
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, reversed(stems)))})(?:{_FORMS})?\b", re.IGNORECASE)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= max(3, len(ending)):
            return word.removesuffix(ending)
    return word


def passage_lines(
    text: str,
    *,
    heading: Sequence[str],
    words: re.Pattern[str] | None,
    width: int,
    whole: bool,
    coloured: bool,
) -> list[str]:
    """The passage, indented: all of it, or the lines that hold most of the query's words.

    Args:
        heading: what has been said above the passage, and is not said again.
        words: what to mark.
    """
    lines: list[str] = []
    for line in _without_heading(text.expandtabs(4).splitlines(), heading):
        lines += _wrapped(printable(line), width - 4) or ([""] if lines and lines[-1] else [])
    shown, cut_before, cut_after = lines, False, False
    if not whole and len(lines) > SNIPPET_LINES:
        start = _best_window(lines, words)
        shown = lines[start : start + SNIPPET_LINES]
        cut_before, cut_after = start > 0, start + SNIPPET_LINES < len(lines)
    marked = [_marked(line, words, coloured=coloured) for line in shown]
    return [f"   {line}".rstrip() for line in [*["…"] * cut_before, *marked, *["…"] * cut_after]]


def _without_heading(lines: Sequence[str], heading: Sequence[str]) -> Sequence[str]:
    """The lines without those at the beginning that only repeat a heading, and what underlines it."""
    said = {_bare(name) for name in heading}
    start = 0
    while start < len(lines) and (not _bare(lines[start]) or _bare(lines[start]) in said):
        start += 1
    return lines[start:] or lines


def _bare(line: str) -> str:
    """What is left of a line without markup, for comparing."""
    return "".join(_WORD.findall(line)).strip("_")


def _wrapped(line: str, width: int) -> list[str]:
    indent = line[: min(len(line) - len(line.lstrip()), width // 2)]
    return textwrap.wrap(indent + line.lstrip(), width, subsequent_indent=indent, break_on_hyphens=False)


def _best_window(lines: Sequence[str], words: re.Pattern[str] | None) -> int:
    """Where the lines to show begin: those with most different query words, the first of equals."""
    found = [{match.lower()[:4] for match in words.findall(line)} if words else set() for line in lines]

    def worth(start: int) -> int:
        return len(set().union(*found[start : start + SNIPPET_LINES]))

    return max(range(len(lines) - SNIPPET_LINES + 1), key=lambda start: (worth(start), -start))


def _marked(line: str, words: re.Pattern[str] | None, *, coloured: bool) -> str:
    if words is None:
        return line

    def marked(match: re.Match[str]) -> str:
        return styled(match[0], coloured=True, bold=True, fg="green") if coloured else f"**{match[0]}**"

    return words.sub(marked, line)
