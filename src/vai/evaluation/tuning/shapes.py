"""What a picture is made of: escaped text, three shapes, and its styles in light and in dark.

Shapes say what colours say, and the colours are those of Okabe & Ito 2008, "Color Universal Design", somewhat darker
on white: people with any kind of colour vision tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LETTER = 0.54
"""Mean width of a letter, of the size of its font; only labels are placed by it."""
_NOT_SHOWN = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]"
)
"""What may not stand in XML, and what turns text round."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that a label has taken, or must keep clear of."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


def escaped(text: str) -> str:
    """Text for markup; what may not stand in XML, or turns text round, as U+FFFD."""
    return escape(_NOT_SHOWN.sub("\ufffd", text))


def width_of(text: str, size: float) -> float:
    """About how wide a text is."""
    return len(text) * size * LETTER


def text(x: float, y: float, said: str, *, anchor: str = "", style: str = "") -> str:
    """A line of text."""
    attributes = (f' text-anchor="{anchor}"' if anchor else "") + (f' class="{style}"' if style else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escaped(said)}</text>'


def disc(x: float, y: float, size: float, title: str | None) -> str:
    """A dot of stage 1 alone."""
    return _with_title(f'circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"', "circle", title)


def diamond(x: float, y: float, size: float, title: str | None) -> str:
    """A dot of something reranked."""
    path = f"M{x:.1f} {y - size:.1f}l{size:.1f} {size:.1f} {-size:.1f} {size:.1f} {-size:.1f} {-size:.1f}z"
    return _with_title(f'path d="{path}"', "path", title)


def pointing_down(x: float, y: float, size: float, title: str | None) -> str:
    """A dot that lies lower than the picture shows."""
    path = f"M{x - size:.1f} {y - size:.1f}h{2 * size:.1f}l{-size:.1f} {1.7 * size:.1f}z"
    return _with_title(f'path d="{path}"', "path", title)


def _with_title(element: str, name: str, title: str | None) -> str:
    return f"<{element}/>" if title is None else f"<{element}><title>{escaped(title)}</title></{name}>"


# ── styles ──

_LIGHT = ("#0072b2", "#c25100", "#00795a", "#a8487f")
_DARK = ("#56b4e9", "#f0a33c", "#3ccb9f", "#e3a5c7")
MOST_SERIES = len(_LIGHT)


def _coloured(colours: Sequence[str], ink: str, faint: str, paper: str) -> str:
    rules = [
        f".picture text{{fill:{ink}}} .picture .label{{stroke:{paper}}} .picture .number{{fill:{paper}}}",
        f".picture .axes text,.picture .label.more{{fill:{faint}}} .picture .axis{{stroke:{faint}}}",
        f".picture .grid{{stroke:{faint}}} .picture .front,.picture .bound{{stroke:{ink}}}",
        f".picture .ring,.picture .leader{{stroke:{ink}}}",
        f".picture .below,.picture .beyond{{fill:{ink}}} .paper{{fill:{paper}}}",
        f".picture .at>:not(text){{stroke:{paper}}}",
    ]
    rules += [
        f".picture .s{number}{{fill:{colour}}} .picture .w{number}{{stroke:{colour}}}"
        for number, colour in enumerate(colours)
    ]
    return "\n".join(rules)


STYLE = f"""
.picture {{ font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
.picture .name {{ font-size: 12.5px; }}
.picture .number {{ font-size: 10.5px; font-weight: 700; stroke: none; pointer-events: none; }}
.picture .label {{ font-size: 13px; font-weight: 700; paint-order: stroke; stroke-width: 4px; stroke-linejoin: round; }}
.picture .label.more {{ font-size: 12px; font-weight: 400; }}
.picture .grid {{ stroke-width: 1; stroke-opacity: .16; }}
.picture .axis {{ fill: none; stroke-width: 1; stroke-opacity: .6; }}
.picture .dots {{ fill-opacity: .28; }}
.picture .dots > *:hover {{ fill-opacity: 1; }}
.picture .front {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; }}
.picture .below {{ fill-opacity: .035; }}
.picture .beyond {{ fill-opacity: .07; }}
.picture .bound {{ stroke-width: 1.2; stroke-dasharray: 5 4; }}
.picture .whisker {{ fill: none; stroke-width: 2; }}
.picture .ring {{ fill: none; stroke-width: 2; }}
.picture .leader {{ stroke-width: 1; stroke-opacity: .5; }}
.picture .at > :not(text) {{ stroke-width: 1.5; }}
{_coloured(_LIGHT, "#1b1f24", "#59626e", "#ffffff")}
@media screen and (prefers-color-scheme: dark) {{
{_coloured(_DARK, "#e8ebee", "#a3adb8", "#15181c")}
}}
"""
"""For a picture in a page, or alone; every class is within `.picture`, but for the `.paper` behind it."""
