"""Long texts in windows: where they are cut, and what the best of them says of the whole.

A passage that a reranker cannot read at once is read in overlapping windows, each with the whole query, and is worth
what its best window is (MaxP; Dai and Callan 2019, "Deeper Text Understanding for IR with Contextual Neural Language
Modeling"). Services count in tokens of their own, so lengths here are bytes of UTF-8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vai.models.local.templates import MOST_WINDOWS, OVERLAP
from vai.types import Span


def windows_of(text: str, room: int) -> list[Span]:
    """Spans of at most `room` bytes that cover the text from its beginning, one where all of it fits.

    They end and begin at white space where there is some nearby, each within the last quarter of the one before, and
    there are at most `MOST_WINDOWS`.
    """
    windows = [(0, cut_at(text, 0, room))]
    while windows[-1][1] < len(text) and len(windows) < MOST_WINDOWS:
        start, end = windows[-1]
        start = _next_word(text, end - (end - start) // OVERLAP, end)
        windows.append((start, cut_at(text, start, room)))
    return windows


def cut_at(text: str, start: int, room: int) -> int:
    """Where a stretch of at most `room` bytes from `start` on ends: behind a word, or at the end of the text.

    It has a character at least, and is cut inside a word only where the last half of it is a single one.
    """
    encoded = text[start : start + room].encode("utf-8", "replace")[: max(room, 0)]
    end = min(start + max(len(encoded.decode("utf-8", "ignore")), 1), len(text))
    if end == len(text) or text[end].isspace():
        return end
    for place in range(end, (start + end) // 2, -1):
        if text[place - 1].isspace():
            return place
    return end


def _next_word(text: str, place: int, end: int) -> int:
    """The first beginning of a word from `place` to `end`; `end` if no word goes on there, else `place` itself."""
    begins = next((at for at in range(place, end + 1) if text[at - 1].isspace()), None)
    if begins is not None:
        return begins
    return end if text[end].isspace() else place


def best_window(values: Sequence[float], windows: Sequence[Span]) -> tuple[float, Span | None]:
    """The greatest value and the window it belongs to; NaN where a window was not read.

    A text of one window was read at once, and has no window to name.
    """
    if any(math.isnan(value) for value in values):
        return math.nan, None
    best = max(range(len(values)), key=lambda place: (values[place], -place))
    return values[best], windows[best] if len(windows) > 1 else None
