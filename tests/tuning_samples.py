"""What tuning may report, made of formulas: no corpus, no model, and some hundred configurations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vai.evaluation.measures.intervals import Interval
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.tuning import FrontierRow, HeldOut, Point, TuneReport
from vai.types import Stage1

LOCAL, PAID = "vai-reranker-mini", "rerank-2.5"
STAGE1 = (Stage1("words"), Stage1("vector"), Stage1("hybrid"), Stage1("hybrid", "ranks"))
BASELINE = Configuration(Stage1("hybrid"), 20, 400, LOCAL, 0.5)


def configurations(rerankers: Sequence[str | None] = (None, LOCAL)) -> Iterator[Configuration]:
    """A small grid."""
    for stage1 in STAGE1:
        for limit in (5, 10, 20, 30, 50):
            alone = Configuration(stage1, limit, limit * 20)
            for reranker in rerankers:
                blends = (1.0,) if reranker is None else (0.0, 0.25, 0.5, 0.75)
                yield from (replace(alone, reranker=reranker, blend=blend) for blend in blends)


def point(settings: Configuration, *, paid: bool = False) -> Point:
    """A configuration with a quality and a price that are made up, and the same each time."""
    stage1 = 0.61 + 0.05 * (settings.stage1.mode == "hybrid") - 0.2 * (settings.stage1.mode == "words")
    depth = 0.02 * (1 - 5 / settings.limit)
    gain = {None: 0.0, PAID: 0.07}.get(settings.reranker, 0.03)
    wrong_blend = 0.3 * (settings.blend - 0.4) ** 2 if settings.reranker else 0.0
    a_read = {None: 0.0, PAID: 2.5}.get(settings.reranker, 7.3)
    begin = {None: 4.0, PAID: 180.0}.get(settings.reranker, 9.0)
    price = 0.00025 * settings.limit * 20 if settings.reranker == PAID else 0.0
    return Point(
        settings,
        stage1 + depth + gain - wrong_blend,
        begin + 1.5 * (settings.stage1.mode == "hybrid") + settings.limit * (0.01 + a_read),
        price if paid else None,
    )


def row(at: Point, *by: str) -> FrontierRow:
    """The same with an interval."""
    assert at.p95_ms is not None
    interval = Interval(at.mean, at.mean - 0.021, at.mean + 0.019)
    return FrontierRow(
        at.settings,
        interval,
        at.p95_ms * 0.8,
        at.p95_ms,
        at.usd_per_1k,
        by or ("latency",),  # type: ignore[arg-type]
    )


def front(points: Sequence[Point]) -> tuple[FrontierRow, ...]:
    """Those than which none is better and as fast."""
    best, kept = 0.0, []
    for at in sorted(points, key=lambda at: (at.p95_ms, -at.mean)):
        if at.mean > best:
            best = at.mean
            kept.append(row(at))
    return tuple(kept)


def tune_report(
    *,
    best: Configuration | None = None,
    baseline: Configuration = BASELINE,
    rerankers: Sequence[str | None] = (None, LOCAL),
    paid: bool = False,
    corpus: str = "questions",
    budget_ms: int | None = None,
    warnings: tuple[str, ...] = (),
) -> TuneReport:
    """A report in which `best` was chosen; the last one of the front if nothing is said."""
    points = [point(settings, paid=paid) for settings in configurations(rerankers)]
    frontier = front(points)
    if paid:
        frontier = tuple(replace(at, by=("latency", "cost")) for at in frontier)
    chosen = frontier[-1].settings if best is None else best
    rows = {name: row(point(settings, paid=paid)) for name, settings in (("best", chosen), ("old", baseline))}
    reranked = chosen.reranker is not None
    return TuneReport(
        collection="default",
        corpus=corpus,
        unit="document",
        target="ndcg@10",
        budget_ms=budget_ms,
        max_usd_per_1k=None,
        decision="rerank" if reranked else "no-rerank",
        reason="a reranker is worth +0.028 [+0.011, +0.046] on questions that the choice was not made on"
        if reranked
        else "what the best reranker adds may be chance: +0.002 [-0.006, +0.010]",
        best=chosen,
        baseline=baseline,
        held_out=HeldOut(300, "ndcg@10", Interval(0.698, 0.655, 0.741), 0.675, Interval(0.023, 0.006, 0.041)),
        rerank_gain=Interval(0.028, 0.011, 0.046),
        frontier=frontier,
        configurations=len(points),
        seconds=3.2,
        warnings=warnings,
        best_row=rows["best"],
        baseline_row=rows["old"],
        points=tuple(points),
        not_reranked=(Configuration(Stage1("words"), 50, 1000),),
    )
