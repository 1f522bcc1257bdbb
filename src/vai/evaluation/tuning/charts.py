"""What the pictures of a tuning show: its report, as dots, a front and marks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.picture import Dot, Mark, OnFront, Picture
from vai.evaluation.tuning.shapes import MOST_SERIES
from vai.evaluation.tuning.tuning import FrontierRow, Point, TuneReport
from vai.evaluation.tuning.verdict import (
    decision_sentence,
    evidence,
    in_words,
    is_paid,
    milliseconds,
    price,
    price_of,
)


@dataclass(frozen=True, slots=True)
class Side:
    """What quality is drawn against: where that is in the report, and how it is said.

    Args:
        name: that of the front.
        title, x_name: what the picture and its axis are of.
        write, said: a number of it on the axis, and behind a quality.
        bound: the most that was allowed, with its name.
    """

    name: str
    title: str
    x_name: str
    of: Callable[[FrontierRow | Point], float | None]
    write: Callable[[float], str]
    said: Callable[[float], str]
    bound: tuple[float, str] | None


def sides_of(report: TuneReport) -> list[Side]:
    """Latency and, where something is paid, cost."""
    budget, most = report.budget_ms, report.max_usd_per_1k
    latency = Side(
        name="latency",
        title="Quality against latency",
        x_name="milliseconds of a query (p95)",
        of=lambda row: row.p95_ms,
        write=lambda value: f"{value:,.6g}",
        said=lambda value: f"in {milliseconds(value)}",
        bound=None if budget is None else (float(budget), f"budget: {budget:,} ms"),
    )
    cost = Side(
        name="cost",
        title="Quality against cost",
        x_name="US dollars of 1,000 queries",
        of=price_of,
        write=price,
        said=lambda value: f"for {price(value)}",
        bound=None if most is None else (most, f"at most {price(most)}"),
    )
    return [latency, cost] if is_paid(report) else [latency]


def picture_of(report: TuneReport, side: Side) -> Picture:
    """All that was compared, the front, the configuration in force and the chosen one."""
    drawn = _Drawn(report, side)
    return Picture(
        title=f"{side.title}: {report.target} of {report.corpus}",
        description=f"{decision_sentence(report)}. {evidence(report)}.",
        x_name=side.x_name,
        y_name=report.target,
        write_x=side.write,
        series=tuple(drawn.names()),
        dots=tuple(drawn.dots()),
        front=tuple(sorted(drawn.front(), key=lambda at: at.dot.x)),
        marks=tuple(drawn.marks()),
        bound=side.bound,
    )


def not_shown(report: TuneReport, side: Side) -> int:
    """How many configurations have no place in a picture, since it is not known what they take."""
    return sum(side.of(point) is None for point in report.points)


@dataclass
class _Drawn:
    """The parts of one picture."""

    report: TuneReport
    side: Side
    rerankers: list[str | None] = field(init=False)

    def __post_init__(self) -> None:
        named = [row.settings.reranker for row in self.report.points]
        named += [row.settings.reranker for row in self.report.frontier]
        named += [
            self.report.best.reranker,
            self.report.baseline.reranker,
        ]
        self.rerankers = [None, *(name for name in dict.fromkeys(named) if name is not None)]

    def names(self) -> Iterator[str]:
        """Of the series; the last one is of all models for which there is no colour of their own."""
        yield "stage 1 alone"
        alone = len(self.rerankers) <= MOST_SERIES
        for name in self.rerankers[1 : None if alone else MOST_SERIES - 1]:
            yield f"reranked by {name}"
        if not alone:
            yield f"reranked by one of {len(self.rerankers) - MOST_SERIES + 1} others"

    def dots(self) -> Iterator[Dot]:
        for point in self.report.points:
            x = self.side.of(point)
            if x is not None:
                yield self._dot(x, point.mean, point.settings)

    def front(self) -> Iterator[OnFront]:
        for number, row in enumerate(self.report.frontier, start=1):
            x = self.side.of(row)
            if x is not None and self.side.name in row.by:
                yield OnFront(self._dot(x, row.quality.mean, row.settings), number)

    def marks(self) -> Iterator[Mark]:
        best, baseline = self.report.best_row, self.report.baseline_row
        same = self.report.best.to_dict() == self.report.baseline.to_dict()
        for name, row in (("chosen", best), ("in force", baseline)):
            x = None if row is None else self.side.of(row)
            if row is None or x is None or (same and row is baseline):
                continue
            dot = self._dot(x, row.quality.mean, row.settings)
            title = f"{'chosen, and in force' if same else name}: {row.quality.mean:.3f} {self.side.said(x)}"
            yield Mark(dot, row.quality.low, row.quality.high, (title, in_words(row.settings)))
            if same:
                return

    def _dot(self, x: float, quality: float, settings: Configuration) -> Dot:
        said = f"{in_words(settings)}: {self.report.target} {quality:.3f} {self.side.said(x)}"
        series = min(self.rerankers.index(settings.reranker), MOST_SERIES - 1)
        return Dot(x, quality, series, said)
