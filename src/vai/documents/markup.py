"""The little Markdown that is written here: what HTML, PDF and office files become."""

from __future__ import annotations

import re
from collections.abc import Sequence

_STRUCTURE = re.compile(r"^(?=#{1,6}(?:\s|$)|`{3}|~{3}|(?<=[^\n]\n)(?:=+|-+)[ \t]*$)", re.MULTILINE)
_BACKTICKS = re.compile(r"`{3,}")


def escaped(text: str) -> str:
    """Text with a backslash where a line of it would be read as a heading or the edge of a code block."""
    return _STRUCTURE.sub(r"\\", text)


def heading(level: int, text: str) -> str:
    """A heading on one line; level 1 to 6."""
    return f"{'#' * min(max(level, 1), 6)} {' '.join(text.split())}"


def code_block(text: str, language: str = "") -> str:
    """A fenced block, its fence longer than any run of backticks in it."""
    fence = "`" * max([3, *(len(run) + 1 for run in _BACKTICKS.findall(text))])
    return f"{fence}{language}\n{text}\n{fence}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its header; cells are written on one line."""
    lines = [f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in rows]
    return "\n".join([*lines[:1], f"|{' --- |' * len(rows[0])}", *lines[1:]]) if rows else ""
