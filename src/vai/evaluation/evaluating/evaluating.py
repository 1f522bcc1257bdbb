"""`vai eval`: what each stage is worth on the user's own questions, side by side.

questions → pools → readings → runs → metrics with their intervals, misses, latency and price
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, Unpack

from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import Matched, match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.data.trec import Run
from vai.evaluation.evaluating.ceilings import DEPTHS, DepthCeiling, depth_table
from vai.evaluation.evaluating.foreign import ForeignRun, judged_run, read_foreign
from vai.evaluation.evaluating.misses import attribute
from vai.evaluation.evaluating.reporting import EvalReport, QuestionReport, RunReport
from vai.evaluation.measures.costs import Costs
from vai.evaluation.measures.means import Intervals, PerQuery, differences, means
from vai.evaluation.measures.metrics import DEEPEST_CUTOFF, Metric, Ranked
from vai.evaluation.replaying.announcing import announce_reading
from vai.evaluation.replaying.bench import Bench, Progress
from vai.evaluation.replaying.configurations import STAGE1, SideBySide, side_by_side
from vai.evaluation.replaying.replay import Replay
from vai.evaluation.replaying.specs import Spec, parse_spec
from vai.planning import QueryOptions

DEFAULT_METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@20", "map", "precision@5", "judged@10")


def evaluate(
    collection: Collection,
    test_set: TestSet,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    baseline: str | None = None,
    compare: Iterable[Spec] = (),
    runs: Iterable[Path] = (),
    ignore_missing: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    **options: Unpack[QueryOptions],
) -> EvalReport:
    """Measure the two stages on questions of which the answers are known.

    Stage 1 alone, stage 2 alone and both as queries have them are always measured, each by the hits that a query with
    `top_k` = `limit` has. Every candidate is read, whatever budget queries have.

    Args:
        metrics: by name, as in `ndcg@10`.
        baseline: the run that comes first and that the others are compared with; stage 1 alone.
        compare: further configurations.
        runs: files of runs in TREC's form.
        ignore_missing: leave out ids that are not in the collection.
        progress: is told how far it has come.
        say: is told in a sentence what takes long.
        options: of a query; `top_k` says how far a relevant passage may stand without being a miss.

    Raises:
        InvalidSettings: a name is none of those there are, options contradict each other, or ids are missing.
        PathNotFound: there is no such run.
        RemoteFailure, BudgetSpent: not every candidate could be read; what was read is in the cache of scores.
        and all that opening models raises.
    """
    asked = Asked(metrics, baseline, tuple(compare), tuple(runs), ignore_missing)
    return Evaluation.of(collection, test_set, asked, progress=progress, say=say, **options).report()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured besides the two stages; see `evaluate`."""

    metrics: Sequence[str] = DEFAULT_METRICS
    baseline: str | None = None
    compare: tuple[Spec, ...] = ()
    runs: tuple[Path, ...] = ()
    ignore_missing: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that an evaluation was made of; `evaluate` is its report.

    Args:
        original: the test set, with what is missing.
        order: the names of all runs; the first is the baseline.
    """

    original: TestSet
    bench: Bench
    replay: Replay
    ours: SideBySide
    foreign: Mapping[str, ForeignRun]
    order: tuple[str, ...]
    metrics: tuple[Metric, ...]
    costs: Costs
    began: float

    @classmethod
    def of(
        cls,
        collection: Collection,
        test_set: TestSet,
        asked: Asked,
        *,
        progress: Progress | None = None,
        say: Callable[[str], None] | None = None,
        **options: Unpack[QueryOptions],
    ) -> Self:
        """Ask every question, and let stage 2 read what it has not read before. Raises as `evaluate`."""
        began = time.monotonic()
        metrics = parsed_metrics(asked.metrics)
        matched = _matched(test_set, collection, asked)
        bench = Bench.open(collection, matched, progress=progress, **options)
        ours = side_by_side(bench, options, asked.compare)
        foreign = _foreign(bench, set(ours.named), asked)
        order = _baseline_first([*ours.named, *foreign], asked.baseline)
        configurations = list(ours.named.values())
        replay = Replay.searched(bench, configurations, progress=progress)
        if say is not None:
            announce_reading(replay, configurations, say)
        replay.read(configurations, progress=progress)
        costs = Costs.measure(replay, configurations, progress=progress)
        return cls(test_set, bench, replay, ours, foreign, order, metrics, costs, began)

    # ── what was found ──

    def report(self) -> EvalReport:
        """Means with their intervals, differences to the first run, misses, latency and price."""
        values = self.values()
        absolute, against = means(values), differences(values, self.order[0])
        matched = self.bench.matched
        return EvalReport(
            corpus=self.original.name,
            collection=self.bench.collection.name,
            unit=matched.unit,
            queries=len(self.bench.texts),
            runs=tuple(self._run(name, absolute[name], against.get(name)) for name in self.order),
            in_force=self.ours.in_force,
            top_k=self.bench.plan.depths.top_k,
            depth_metric=str(self._depth_metric),
            depths=self._depths(),
            missing=len(matched.missing),
            left_out=matched.left_out,
            warnings=tuple(self._warnings()),
            questions=tuple(self._questions(values)),
            seconds=round(time.monotonic() - self.began, 3),
        )

    def values(self) -> PerQuery:
        """Every metric of every question, by run."""
        return {
            name: {str(metric): metric.values(ranked, self.bench.judgements) for metric in self.metrics}
            for name, ranked in self._ranked()
        }

    def run(self, name: str) -> Run:
        """One of our runs, as it can be written into a file."""
        configuration = self.ours.named[name]
        rankings = {
            query: self.replay.ranking(configuration, number)
            for number, query in enumerate(self.bench.queries)
        }
        return Run(name, rankings)

    # ── parts of it ──

    def _ranked(self) -> Iterator[tuple[str, Ranked]]:
        for name in self.order:
            other = self.foreign.get(name)
            yield name, self.replay.ranked(self.ours.named[name]) if other is None else other.ranked

    def _run(self, name: str, found: Intervals, against: Intervals | None) -> RunReport:
        if name in self.foreign:
            return RunReport(name, None, self.foreign[name].file, found, against, None, None, None)
        configuration = self.ours.named[name]
        cost = self.costs.of(configuration)
        return RunReport(
            name=name,
            configuration=configuration,
            file=None,
            metrics=found,
            against=against,
            cost=cost,
            usd=cost.usd_per_1k * len(self.bench.texts) / 1_000 if cost.usd_per_1k else None,
            misses=attribute(
                self.replay, configuration, top_k=self.bench.plan.depths.top_k, original=self.original
            ),
        )

    def _depths(self) -> tuple[DepthCeiling, ...]:
        current = self.ours.named[self.ours.in_force]
        depths = sorted({*DEPTHS, current.limit})
        return depth_table(self.replay, current, self._depth_metric, depths)

    @property
    def _depth_metric(self) -> Metric:
        """The first nDCG that was asked for."""
        return next((metric for metric in self.metrics if metric.kind == "ndcg"), Metric("ndcg", 10))

    def _questions(self, values: PerQuery) -> Iterator[QuestionReport]:
        listed = {
            name: {metric: column.tolist() for metric, column in columns.items()}
            for name, columns in values.items()
        }
        for number, (query, text) in enumerate(zip(self.bench.queries, self.bench.texts, strict=True)):
            runs = {
                name: {metric: column[number] for metric, column in columns.items()}
                for name, columns in listed.items()
            }
            yield QuestionReport(query, text, runs)

    # ── what to know beside the figures ──

    def _warnings(self) -> Iterator[str]:
        matched, plan = self.bench.matched, self.bench.plan
        yield from matched.remarks
        yield from matched.unanswered_remarks
        yield from self.bench.filter_warnings
        yield from self.ours.warnings
        for other in self.foreign.values():
            yield from other.warnings
        yield from self._cut_short()
        yield from self.costs.warnings
        if plan.budget_ms is not None:
            yield (
                f"a query has {plan.budget_ms:,} ms in your settings; here every candidate was read, however long that "
                "took"
            )
        yield from self.bench.collection.remarks

    def _cut_short(self) -> Iterator[str]:
        """Metrics that look deeper than our runs go, or deeper into a file than into them."""
        limits = sorted({configuration.limit for configuration in self.ours.named.values()})
        beyond = [str(metric) for metric in self.metrics if metric.cutoff and metric.cutoff > limits[0]]
        if beyond:
            kept = f"{limits[0]:,}" if len(limits) == 1 else f"{limits[0]:,} to {limits[-1]:,}"
            candidates = "candidate that is" if limits == [1] else "candidates that are"
            yield f"{', '.join(beyond)} can count no more than the {kept} {candidates} kept (--limit)"
        deep = [metric for metric in self.metrics if (metric.cutoff or DEEPEST_CUTOFF) > limits[-1]]
        for other in self.foreign.values():
            if deep and other.deepest > limits[-1]:
                yield (
                    f"`{other.name}` ranks up to {other.deepest:,} for a question, and ours {limits[-1]:,} at most, "
                    f"which {', '.join(map(str, deep))} can tell"
                )


# ── before anything is asked ──


def parsed_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """Metrics by name, each once. Raises `InvalidSettings` if one is none, or there is none at all."""
    metrics = tuple(dict.fromkeys(map(Metric.parse, names)))
    if not metrics:
        raise InvalidSettings("no metric was named", hint="there are ndcg@10, mrr@10, recall@50, map, …")
    return metrics


def _matched(test_set: TestSet, collection: Collection, asked: Asked) -> Matched:
    matched = match(test_set, collection, ignore_missing=asked.ignore_missing)
    if not matched.test_set.queries:
        raise InvalidSettings(
            f"no question of `{test_set.name}` is left: nothing that is relevant is in the collection "
            f"`{collection.name}`",
            hint="ingest the corpus that it is about, or name its collection with `--collection NAME`",
        )
    matched.require_answers()
    return matched


def _foreign(bench: Bench, taken: set[str], asked: Asked) -> dict[str, ForeignRun]:
    found: dict[str, ForeignRun] = {}
    for path in asked.runs:
        name, run = read_foreign(path, taken=taken | set(found))
        found[name] = judged_run(
            name, path, run, bench.matched, bench.collection, ignore_missing=asked.ignore_missing
        )
    return found


def _baseline_first(names: Sequence[str], baseline: str | None) -> tuple[str, ...]:
    first = STAGE1 if baseline is None else baseline
    if first not in names:
        with suppress(InvalidSettings):  # a configuration can be written in several ways
            first = parse_spec(first).name
    if first not in names:
        raise InvalidSettings(
            f"there is no run called `{first}` to compare with", hint=f"there are {', '.join(names)}"
        )
    return (first, *(name for name in names if name != first))
