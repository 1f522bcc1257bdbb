"""A Pareto front as SVG: every configuration a faint dot, the front a numbered line, two of them marked.

It needs no script, no font and no file but itself. Shapes say what colours say, and the colours are those of
Okabe & Ito 2008, "Color Universal Design", which people with any kind of colour vision tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vai.evaluation.tuning.axes import axis_between, axis_of_costs, decimals_of
from vai.evaluation.tuning.shapes import Box, diamond, disc, escaped, pointing_down, text, width_of

LEFT, RIGHT, BOTTOM = 50.0, 22.0, 46.0
SHOWN_BELOW = 0.4
"""How far below what matters dots are still shown in their place, as a share of the height of what matters."""
DISC, DIAMOND, RING = 8.5, 12.5, 16.0
"""Half the size of a numbered configuration, and the radius of the ring around one that is pointed out."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A configuration: where it is, which of the series it belongs to, and what its tooltip says."""

    x: float
    y: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class OnFront:
    """A configuration on the front, under the number that it has in the table."""

    dot: Dot
    number: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A configuration that is pointed out, with the interval of its quality and the lines of its label."""

    dot: Dot
    low: float
    high: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn.

    Args:
        title, description: for whoever has it read out.
        x_name, y_name: what the axes are of.
        write_x: a number of the x axis as text.
        series: names, of which the first is stage 1 alone.
        front: from left to right.
        bound: the most that was allowed on the x axis, with its name.
    """

    title: str
    description: str
    x_name: str
    y_name: str
    write_x: Callable[[float], str]
    series: tuple[str, ...]
    dots: tuple[Dot, ...]
    front: tuple[OnFront, ...]
    marks: tuple[Mark, ...]
    bound: tuple[float, str] | None = None


def draw(picture: Picture, width: int, height: int, *, linked: str = "") -> str:
    """The picture as an `<svg>` element without styles; see `STYLE`.

    Args:
        width, height: of its own pixels; it takes the width that it is given.
        linked: if given, numbers link to the element of this name followed by the number.
    """
    return _Drawing(picture, width, height, linked).svg()


class _Drawing:
    """One picture in one size."""

    def __init__(self, picture: Picture, width: int, height: int, linked: str) -> None:
        self.picture, self.width, self.height, self.linked = picture, width, height, linked
        self.legend, top = _legend(picture, width)
        allowed = [] if picture.bound is None else [picture.bound[0]]
        self.x = axis_of_costs([*(dot.x for dot in self._dots()), *allowed], LEFT, width - RIGHT)
        self.y = axis_between(*self._range(), height - BOTTOM, top + 14.0)
        self.boxes: list[Box] = []
        self.dot_boxes = [
            Box(self.x.at(dot.x) - 3, self.y.at(dot.y) - 3, self.x.at(dot.x) + 3, self.y.at(dot.y) + 3)
            for dot in picture.dots
        ]

    def _dots(self) -> list[Dot]:
        marked = [mark.dot for mark in self.picture.marks]
        return [*self.picture.dots, *(at.dot for at in self.picture.front), *marked]

    def _range(self) -> tuple[float, float]:
        """From somewhat below what matters to the best, so that the front is not flattened by bad configurations."""
        values = [dot.y for dot in self._dots()]
        matter = [at.dot.y for at in self.picture.front]
        matter += [bound for mark in self.picture.marks for bound in (mark.low, mark.high)]
        if not values:
            return 0.0, 1.0
        low, high = min(matter or values), max([*values, *matter])
        return max(min([*values, *matter]), low - SHOWN_BELOW * (high - low)), high

    def svg(self) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 {self.width} {self.height}" '
            f'role="img" aria-label="{escaped(self.picture.title)}">',
            f"<title>{escaped(self.picture.title)}</title><desc>{escaped(self.picture.description)}</desc>",
            self.legend,
            *self._bound(),
            *self._axes(),
            *self._every_dot(),
            *self._front_line(),
            *self._whiskers(),
            *self._front_dots(),
            *self._marked_dots(),
            *self._labels(),
            "</svg>",
        ]
        return "\n".join(parts)

    # ── what lies behind ──

    def _axes(self) -> Iterator[str]:
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        y_ticks = self.y.ticks(6)
        decimals = max(2, decimals_of(y_ticks))
        yield '<g class="axes">'
        for tick in y_ticks:
            place = self.y.at(tick)
            yield f'<path class="grid" d="M{left:.1f} {place:.1f}H{right:.1f}"/>'
            yield text(left - 7, place + 4, f"{tick:.{decimals}f}", anchor="end")
        for tick in self.x.ticks(max(4, self.width // 90)):
            place = self.x.at(tick)
            yield f'<path class="grid" d="M{place:.1f} {bottom:.1f}V{top:.1f}"/>'
            yield text(place, bottom + 17, self.picture.write_x(tick), anchor="middle")
        scale = ", logarithmic" if self.x.logarithmic else ""
        yield text(right, bottom + 37, f"{self.picture.x_name}{scale} →", anchor="end", style="name")
        yield text(LEFT - 42, top - 10, f"↑ {self.picture.y_name}", style="name")
        yield f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>'
        yield "</g>"

    def _bound(self) -> Iterator[str]:
        if self.picture.bound is None:
            return
        value, name = self.picture.bound
        place, top = self.x.at(value), self.y.end
        yield (
            f'<rect class="beyond" x="{place:.1f}" y="{top:.1f}" width="{max(0.0, self.x.end - place):.1f}" '
            f'height="{self.y.start - top:.1f}"/>'
        )
        yield f'<path class="bound" d="M{place:.1f} {self.y.start:.1f}V{top:.1f}"/>'
        yield text(place - 5, self.y.start - 7, name, anchor="end")
        self.boxes.append(Box(place - width_of(name, 12) - 5, self.y.start - 20, place, self.y.start))

    # ── configurations ──

    def _every_dot(self) -> Iterator[str]:
        """Dots too low to be shown in their place lie on the lower edge, and point down."""
        for series in range(len(self.picture.series)):
            yield f'<g class="dots s{series}">'
            for dot in self.picture.dots:
                if dot.series == series:
                    below = dot.y < self.y.low
                    shape = pointing_down if below else disc if series == 0 else diamond
                    yield shape(self.x.at(dot.x), self.y.at(dot.y), 3.2, dot.title)
            yield "</g>"

    def _front_line(self) -> Iterator[str]:
        """Stairs: between two of its configurations, the best that is to be had is the one on the left."""
        if not self.picture.front:
            return
        places = [(self.x.at(at.dot.x), self.y.at(at.dot.y)) for at in self.picture.front]
        stairs = "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
        first = f"M{places[0][0]:.1f} {self.y.start:.1f}V{places[0][1]:.1f}"
        yield f'<path class="below" d="{first}{stairs}H{self.x.end:.1f}V{self.y.start:.1f}Z"/>'
        yield f'<path class="front" d="M{places[0][0]:.1f} {places[0][1]:.1f}{stairs}H{self.x.end:.1f}"/>'

    def _front_dots(self) -> Iterator[str]:
        """Numbered where there is room, and above the others, which are in the table too."""
        numbered: list[tuple[float, float]] = []
        small: list[str] = []
        large: list[str] = []
        for at in self._marked_first():
            x, y = self.x.at(at.dot.x), self.y.at(at.dot.y)
            crowded = any(abs(x - other_x) < 18 and abs(y - other_y) < 18 for other_x, other_y in numbered)
            (small if crowded else large).append(self._front_dot(at, x, y, crowded=crowded))
            if not crowded:
                numbered.append((x, y))
            self.boxes.append(Box(x - 10, y - 10, x + 10, y + 10))
        yield from [*small, *reversed(large)]

    def _marked_first(self) -> list[OnFront]:
        places = {(mark.dot.x, mark.dot.y) for mark in self.picture.marks}
        return sorted(self.picture.front, key=lambda at: (at.dot.x, at.dot.y) not in places)

    def _front_dot(self, at: OnFront, x: float, y: float, *, crowded: bool) -> str:
        size = (DISC if at.dot.series == 0 else DIAMOND) * (0.5 if crowded else 1.0)
        shape = disc if at.dot.series == 0 else diamond
        number = "" if crowded else text(x, y + 3.6, str(at.number), anchor="middle", style="number")
        drawn = (
            f'<g class="at s{at.dot.series}">{shape(x, y, size, f"{at.number}: {at.dot.title}")}{number}</g>'
        )
        return f'<a href="#{self.linked}{at.number}">{drawn}</a>' if self.linked else drawn

    # ── what is pointed out ──

    def _whiskers(self) -> Iterator[str]:
        for mark in self.picture.marks:
            x, low, high = self.x.at(mark.dot.x), self.y.at(mark.low), self.y.at(mark.high)
            self.boxes.append(Box(x - 3, high, x + 3, low))
            yield (
                f'<path class="whisker w{mark.dot.series}" d="M{x:.1f} {low:.1f}V{high:.1f}'
                f'M{x - 6:.1f} {low:.1f}h12M{x - 6:.1f} {high:.1f}h12"/>'
            )

    def _marked_dots(self) -> Iterator[str]:
        """A ring around each, and the dot itself where it is not on the front."""
        front = {(at.dot.x, at.dot.y) for at in self.picture.front}
        for mark in self.picture.marks:
            x, y = self.x.at(mark.dot.x), self.y.at(mark.dot.y)
            if (mark.dot.x, mark.dot.y) not in front:
                shape = disc if mark.dot.series == 0 else diamond
                yield f'<g class="at s{mark.dot.series}">{shape(x, y, 6.0, mark.dot.title)}</g>'
            self.boxes.append(Box(x - RING, y - RING, x + RING, y + RING))
            yield f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{RING:.0f}"/>'

    def _labels(self) -> Iterator[str]:
        for mark in self.picture.marks:
            x, y = self.x.at(mark.dot.x), self.y.at(mark.dot.y)
            lines = mark.lines if self.width > 600 else mark.lines[:1]
            box = self._free_place(x, y, lines)
            self.boxes.append(box)
            yield _leader(x, y, box)
            anchor, at = ("start", box.left) if box.left > x else ("end", box.right)
            for number, line in enumerate(lines):
                style = "label" if number == 0 else "label more"
                yield text(at, box.top + 13 + 15 * number, line, anchor=anchor, style=style)

    def _free_place(self, x: float, y: float, lines: Sequence[str]) -> Box:
        """On one side of a mark, where it covers the least."""
        width, height = max(width_of(line, 13) for line in lines), 15.0 * len(lines) + 4
        return min(
            (
                Box(left, top, left + width, top + height)
                for away in (RING + 5, 36.0, 60.0, 90.0, 130.0)
                for left in (x + away, x - away - width)
                for top in (y + away * 0.6, y - height / 2, y - away * 0.6 - height)
            ),
            key=self._covered,
        )

    def _covered(self, box: Box) -> float:
        inside = Box(self.x.start + 2, self.y.end + 2, self.x.end, self.y.start - 2)
        whole = (box.right - box.left) * (box.bottom - box.top)
        outside = whole - box.overlap(inside)
        line = sum(box.overlap(step) for step in self._steps()) * 2
        dots = sum(box.overlap(dot) for dot in self.dot_boxes) * 3
        return sum(box.overlap(other) for other in self.boxes) + 20 * outside + line + dots

    def _steps(self) -> Iterator[Box]:
        """The front's line, as narrow boxes."""
        places = [(self.x.at(at.dot.x), self.y.at(at.dot.y)) for at in self.picture.front]
        ends = [*places[1:], *((self.x.end, y) for _, y in places[-1:])]
        for (x, y), (next_x, next_y) in zip(places, ends, strict=True):
            yield Box(x, y - 2, next_x, y + 2)
            yield Box(next_x - 2, min(y, next_y), next_x + 2, max(y, next_y))


def _legend(picture: Picture, width: int) -> tuple[str, float]:
    """The names of the series in rows, and where what is below begins."""
    x, y = LEFT - 42.0, 16.0
    drawn = ['<g class="legend">']
    for number, name in enumerate(picture.series):
        wide = 18 + width_of(name, 13) + 18
        if x + wide > width and x > LEFT:
            x, y = LEFT - 42.0, y + 20
        shape = (disc if number == 0 else diamond)(x + 6, y - 4, 5.5, None)
        drawn.append(f'<g class="at s{number}">{shape}</g>{text(x + 17, y, name)}')
        x += wide
    return "\n".join([*drawn, "</g>"]), y + 26


def _leader(x: float, y: float, box: Box) -> str:
    """A thin line from a mark's ring to its label."""
    to_x, to_y = (box.left - 3 if box.left > x else box.right + 3), (box.top + box.bottom) / 2
    away = math.hypot(to_x - x, to_y - y)
    from_x, from_y = x + (to_x - x) * RING / away, y + (to_y - y) * RING / away
    return f'<path class="leader" d="M{from_x:.1f} {from_y:.1f}L{to_x:.1f} {to_y:.1f}"/>'
