"""The YAML block that a Markdown file may begin with."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, time

from vai.documents.decoding import mended
from vai.types import Json

_BLOCK = re.compile(r"---[ \t]*\r?\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"\s*[\w-]+:(?:\s|\Z)")
MAX_CHARACTERS = 2**16
MAX_VALUES = 10_000
"""Aliases let a few lines of YAML stand for billions of values; what holds more than this is left as text."""


def front_matter(text: str) -> tuple[Mapping[str, Json], int]:
    """The front matter as JSON values, and the offset at which the text proper begins.

    ({}, 0) if there is none, or none that is a mapping in YAML. Dates and times become ISO 8601 strings.
    """
    if not text.startswith("---") or (match := _BLOCK.match(text, 0, MAX_CHARACTERS)) is None:
        return {}, 0
    value = _values(match["yaml"])
    return (value, match.end()) if isinstance(value, Mapping) else ({}, 0)


def is_unread_front_matter(text: str) -> bool:
    """Whether a text begins with what was meant for front matter, a block of fields, and is no YAML."""
    match = _BLOCK.match(text, 0, MAX_CHARACTERS) if text.startswith("---") else None
    return bool(match and _FIELD.match(match["yaml"]) and _values(match["yaml"]) is None)


def _values(block: str) -> Json:
    """What a block of YAML holds; None if it cannot be read."""
    import yaml

    try:
        loaded = yaml.load(block, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        return _Plain().of(loaded)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


class _Plain:
    """Turns what YAML can hold into what JSON can, counting as it goes."""

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def of(self, value: object) -> Json:
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many values")
        match value:
            case dict():
                return {str(self.of(key)): self.of(item) for key, item in value.items()}
            case list() | tuple():
                return [self.of(item) for item in value]
            case set():
                return sorted(mended(str(item)) for item in value)
            case date() | time():  # a datetime is a date
                return value.isoformat()
            case float():
                return value if math.isfinite(value) else None
            case None | bool() | int():
                return value
            case _:
                return mended(str(value))
