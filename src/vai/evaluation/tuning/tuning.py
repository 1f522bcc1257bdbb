"""`vai tune`: the settings that are best for the user's goal, on the user's own questions, and how sure that is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, Unpack

from vai.errors import InvalidSettings
from vai.evaluation.data.matching import Matched, Unit, match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.measures.intervals import Interval, interval, intervals
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Bench, Configuration, Progress
from vai.evaluation.tuning.choosing import cross_fitted_interval, held_out
from vai.evaluation.tuning.deciding import Decided, Goal, decide_for
from vai.evaluation.tuning.explaining import reason, warnings
from vai.evaluation.tuning.frontier import pareto_front
from vai.planning import QueryOptions
from vai.settings import MOST_CANDIDATES
from vai.types import Json, as_json

if TYPE_CHECKING:
    from vai.collection import Collection

DEFAULT_TARGET = "ndcg@10"
DEFAULT_MAX_LIMIT = 50
FEWEST_QUESTIONS = 10
"""With less there is nothing left to choose on, once some are held out."""

Decision = Literal["rerank", "no-rerank"]
Front = Literal["latency", "cost"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What tuning is worth on questions that it did not see.

    Args:
        queries: how many questions there are; each was held out once.
        metric: its name.
        quality: the mean over questions, each by the configuration that the others chose.
        baseline_mean: what the settings in force have on the same questions.
        gain: the paired difference between the two.
    """

    queries: int
    metric: str
    quality: Interval
    baseline_mean: float
    gain: Interval

    def to_dict(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "queries": self.queries,
            "metric": self.metric,
            **as_json(self.quality),
            "baseline_mean": self.baseline_mean,
            "gain": as_json(self.gain),
        }


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """A configuration than which none is better and faster, or none better and cheaper; over all questions.

    Args:
        quality: the metric, with its interval.
        p50_ms, p95_ms: milliseconds of a query; None where that is not known.
        usd_per_1k: US dollars of a thousand queries; None where nothing is paid, or not known what.
        by: which of the two fronts it is on, both or none.
    """

    settings: Configuration
    quality: Interval
    p50_ms: float | None
    p95_ms: float | None
    usd_per_1k: float | None
    by: tuple[Front, ...] = ("latency",)

    def to_dict(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "settings": self.settings.to_dict(),
            "metric": self.quality.mean,
            "low": self.quality.low,
            "high": self.quality.high,
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "usd_per_1k": self.usd_per_1k,
            "by": list(self.by),
        }


@dataclass(frozen=True, slots=True)
class Point:
    """One of the configurations that were compared, for the plot: the mean of the metric, and what it takes."""

    settings: Configuration
    mean: float
    p95_ms: float | None
    usd_per_1k: float | None


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What tuning found.

    Args:
        corpus: the name of the test set.
        unit: what was judged.
        target: the metric that was tuned for.
        budget_ms, max_usd_per_1k: what a query (p95), and a thousand of them, may take at most.
        decision: whether stage 2 earns its cost.
        reason: that in one sentence.
        best: the configuration chosen on all questions.
        baseline: the one in force.
        held_out: what the choice is worth on questions that it was not made on.
        rerank_gain: on such questions, the tuned best with a reranker less the tuned best without; None where none
            was tried.
        frontier: fastest first.
        configurations: how many were compared.
        best_row, baseline_row: the two configurations with what they take, whether on the frontier or not.
        points: every configuration that was compared; for the plot, and not in the JSON.
        not_reranked: orders of stage 1 of which none was reranked, because another is certainly better both as it is
            and in what a perfect reranker would make of it.
    """

    collection: str
    corpus: str
    unit: Unit
    target: str
    budget_ms: int | None
    max_usd_per_1k: float | None
    decision: Decision
    reason: str
    best: Configuration
    baseline: Configuration
    held_out: HeldOut
    rerank_gain: Interval | None
    frontier: tuple[FrontierRow, ...]
    configurations: int
    seconds: float
    warnings: tuple[str, ...] = ()
    best_row: FrontierRow | None = None
    baseline_row: FrontierRow | None = None
    points: tuple[Point, ...] = ()
    not_reranked: tuple[Configuration, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.tune/1`."""
        return {
            "schema": "vai.tune/1",
            "collection": self.collection,
            "corpus": self.corpus,
            "unit": self.unit,
            "target": self.target,
            "budget_ms": self.budget_ms,
            "max_usd_per_1k": self.max_usd_per_1k,
            "decision": self.decision,
            "reason": self.reason,
            "best": self.best.to_dict(),
            "baseline": self.baseline.to_dict(),
            "held_out": self.held_out.to_dict(),
            "rerank_gain": None if self.rerank_gain is None else as_json(self.rerank_gain),
            "frontier": [row.to_dict() for row in self.frontier],
            "not_reranked": [stage1.to_dict() for stage1 in self.not_reranked],
            "configurations": self.configurations,
            "seconds": self.seconds,
            "warnings": list(self.warnings),
        }


def tune(
    collection: Collection,
    test_set: TestSet,
    *,
    target: str = DEFAULT_TARGET,
    max_usd_per_1k: float | None = None,
    rerank_models: Sequence[str] = (),
    max_limit: int = DEFAULT_MAX_LIMIT,
    ignore_missing: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    **options: Unpack[QueryOptions],
) -> TuneReport:
    """Find the settings that are best for a goal, by replaying every configuration of a grid.

    Args:
        target: the metric that is to be high.
        max_usd_per_1k: what a thousand queries may cost, in US dollars.
        rerank_models: models of stage 2 to try beside the one that queries use, by name.
        max_limit: candidates that are read for a question at most, but for what is in force and what the metric
            looks at.
        ignore_missing: leave out judged ids that are not in the collection.
        progress: is told how far it has come.
        say: is told in a sentence what takes long.
        options: of a query. Those that say what tuning could are kept as they are, and `rerank=False` tries no
            reranker; `budget_ms`, or that of the settings, is what a query may take, by the 95th percentile.

    Raises:
        InvalidSettings: there are too few questions, options contradict each other, ids are missing, or no
            configuration is within the budgets.
        RemoteFailure, BudgetSpent: not every candidate could be read; what was read is in the cache of scores.
        and all that opening models raises.
    """
    began = time.monotonic()
    metric = _checked_target(target)
    matched = match(test_set, collection, ignore_missing=ignore_missing)
    _require_questions(matched)
    matched.require_answers()
    _require_bounds(max_limit, max_usd_per_1k, rerank_models, options)
    bench = Bench.open(collection, matched, progress=progress, **options)
    decided = decide_for(
        bench,
        Goal(metric, bench.plan.budget_ms, max_usd_per_1k),
        rerank_models=rerank_models,
        max_limit=max_limit,
        options=options,
        progress=progress,
        say=say,
    )
    return replace(_report(bench, decided), seconds=round(time.monotonic() - began, 3))


def _checked_target(target: str) -> Metric:
    metric = Metric.parse(target)
    if metric.kind == "judged":
        raise InvalidSettings(
            f"`{target}` says how much of the answers was judged, and not how good they are",
            hint="tune for another metric, such as ndcg@10",
        )
    return metric


def _require_questions(matched: Matched) -> None:
    if (count := len(matched.test_set.queries)) < FEWEST_QUESTIONS:
        raise InvalidSettings(
            f"`{matched.test_set.name}` has {count:,} question{'' if count == 1 else 's'} to tune on, and it takes at "
            f"least {FEWEST_QUESTIONS}",
            hint="add more, best those that people have asked; `vai judge` helps to find what answers them",
        )


def _require_bounds(
    max_limit: int, max_usd_per_1k: float | None, rerank_models: Sequence[str], options: QueryOptions
) -> None:
    if not 1 <= max_limit <= MOST_CANDIDATES:
        raise InvalidSettings(f"--max-limit must be from 1 to {MOST_CANDIDATES:,}: {max_limit}")
    if max_usd_per_1k is not None and not 0 <= max_usd_per_1k < math.inf:
        raise InvalidSettings(f"--max-usd-per-1k must be at least 0: {max_usd_per_1k:g}")
    if rerank_models and options.get("rerank") is False:
        raise InvalidSettings(
            f"--no-rerank and --rerank-models {','.join(rerank_models)} contradict each other",
            hint="leave one of them out",
        )


def _report(bench: Bench, decided: Decided) -> TuneReport:
    goal = decided.goal
    best, in_force, *front = _rows(decided)
    return TuneReport(
        collection=bench.collection.name,
        corpus=bench.matched.test_set.name,
        unit=bench.matched.unit,
        target=str(goal.metric),
        budget_ms=goal.budget_ms,
        max_usd_per_1k=goal.max_usd_per_1k,
        decision="rerank" if decided.choice.reranks else "no-rerank",
        reason=reason(decided),
        best=decided.best,
        baseline=decided.in_force,
        held_out=_held_out(decided),
        rerank_gain=decided.rerank_gain,
        frontier=tuple(front),
        configurations=len(decided.configurations),
        seconds=0.0,
        warnings=(*warnings(decided, bench.matched), *bench.filter_warnings, *bench.collection.remarks),
        best_row=best,
        baseline_row=in_force,
        points=tuple(_points(decided)),
        not_reranked=decided.not_reranked,
    )


def _held_out(decided: Decided) -> HeldOut:
    contest = decided.contest
    values, in_force = held_out(contest), contest.values[0]
    gain = cross_fitted_interval(values - in_force)
    return HeldOut(len(values), str(decided.goal.metric), interval(values), float(in_force.mean()), gain)


def _rows(decided: Decided) -> list[FrontierRow]:
    """The configuration that was chosen, the one in force, and then those on the fronts."""
    contest = decided.contest
    means, changes = contest.values.mean(axis=1), contest.changes.sum(axis=1)
    fronts: dict[Front, list[int]] = {"latency": pareto_front(means, contest.p95_ms, changes)}
    if contest.usd_per_1k.any():
        fronts["cost"] = pareto_front(means, contest.usd_per_1k, changes)
    listed = sorted({*chain(*fronts.values())}, key=lambda number: (contest.p95_ms[number], means[number]))
    numbers = [decided.choice.chosen, 0, *listed]
    qualities = intervals([contest.values[number] for number in numbers])
    return [
        FrontierRow(
            settings=decided.configurations[number],
            quality=quality,
            p50_ms=decided.costs[number].p50_ms,
            p95_ms=decided.costs[number].p95_ms,
            usd_per_1k=decided.costs[number].usd_per_1k,
            by=tuple(name for name, front in fronts.items() if number in front),
        )
        for number, quality in zip(numbers, qualities, strict=True)
    ]


def _points(decided: Decided) -> Iterator[Point]:
    means = decided.contest.values.mean(axis=1).tolist()
    for settings, mean, cost in zip(decided.configurations, means, decided.costs, strict=True):
        yield Point(settings, mean, cost.p95_ms, cost.usd_per_1k)
