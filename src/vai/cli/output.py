"""How values look on a terminal, and as JSON: what all commands share."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence

import click

from vai.types import Json

WIDEST = 110
"""Columns beyond which lines of prose are hard to follow."""
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, which could make a terminal do or hide something, and those that turn text round."""


def print_json(value: dict[str, Json], *, lines: bool = False) -> None:
    """JSON on standard output: indented, or on one line; in ASCII where the output is not UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    click.echo(json.dumps(value, ensure_ascii=encoding != "utf8", indent=None if lines else 2))


def is_coloured() -> bool:
    """Whether standard output is a terminal that wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, *, coloured: bool, bold: bool = False, dim: bool = False, fg: str | None = None) -> str:
    """Text in a style, or as it is."""
    # None, because False is a code of its own that ends what the other one began.
    return click.style(text, bold=bold or None, dim=dim or None, fg=fg) if coloured else text


def line_width() -> int:
    """Columns to fill: the terminal's, within reason; in a pipe `COLUMNS`, if it is set."""
    return max(40, min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST))


def printable(text: str) -> str:
    """A line of text, or a name, with control characters as U+FFFD."""
    return _NOT_SHOWN.sub("\ufffd", text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_text(size: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def duration_text(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
