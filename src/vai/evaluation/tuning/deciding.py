"""Comparing every configuration of a grid, and deciding between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vai.arrays import Doubles
from vai.errors import InvalidSettings
from vai.evaluation.measures.costs import Cost, Costs
from vai.evaluation.measures.intervals import Interval
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.announcing import announce_reading
from vai.evaluation.replaying.bench import Bench, Configuration, Progress
from vai.evaluation.replaying.replay import Replay
from vai.evaluation.tuning.choosing import Choice, Contest, cross_fitted_interval, decide
from vai.evaluation.tuning.grid import Grid, fixed_by, is_exact
from vai.evaluation.tuning.promising import deepest_of_each, hopeless_orders, without_reading
from vai.planning import QueryOptions
from vai.protocols import Reranker


@dataclass(frozen=True, slots=True)
class Goal:
    """What the user wants.

    Args:
        metric: is to be high.
        budget_ms, max_usd_per_1k: what a query may take, by the 95th percentile, and a thousand of them may cost.
    """

    metric: Metric
    budget_ms: int | None = None
    max_usd_per_1k: float | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A choice with all that it came from; the configuration in force is the first.

    Args:
        not_reranked: orders of stage 1, as configurations without a reranker, that were not read for being hopeless.
        warnings: of what the costs could not be told of.
    """

    goal: Goal
    configurations: Sequence[Configuration]
    costs: Sequence[Cost]
    contest: Contest
    choice: Choice
    not_reranked: tuple[Configuration, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> Configuration:
        """The configuration that was chosen."""
        return self.configurations[self.choice.chosen]

    @property
    def in_force(self) -> Configuration:
        """What a query does now."""
        return self.configurations[0]

    @property
    def rerank_gain(self) -> Interval | None:
        """What reranking is worth on questions that were held out; None if that was not compared."""
        return None if self.choice.rerank_gain is None else cross_fitted_interval(self.choice.rerank_gain)


def decide_for(
    bench: Bench,
    goal: Goal,
    *,
    rerank_models: Sequence[str],
    max_limit: int,
    options: QueryOptions,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Decided:
    """Search and read as deep as any configuration of the grid does, replay them all, and choose.

    Raises:
        InvalidSettings: no configuration is within the budgets.
        and all that opening models, searching and reading raises.
    """
    rerankers = opened_rerankers(bench, rerank_models, options)
    in_force = bench.configured(bench.plan)
    grid = Grid.around(in_force, rerankers, goal.metric, max_limit=max_limit, exact=is_exact(bench))
    configurations = grid.configurations(fixed_by(options))
    replay = Replay.searched(bench, configurations, progress=progress)
    hopeless = hopeless_orders(replay, configurations, goal.metric)
    configurations = without_reading(configurations, hopeless)
    if say is not None:
        announce_reading(replay, deepest_of_each(configurations), say)
    replay.read(configurations, progress=progress)
    measured = Costs.measure(replay, configurations, progress=progress)
    costs = [measured.of(configuration) for configuration in configurations]
    contest = Contest.of(
        configurations,
        replayed(replay, configurations, goal.metric, progress=progress),
        costs,
        budget_ms=goal.budget_ms,
        max_usd_per_1k=goal.max_usd_per_1k,
    )
    require_allowed(configurations, contest, goal)
    choice = decide(contest, contest.all_questions)
    return Decided(goal, configurations, costs, contest, choice, hopeless, measured.warnings)


def opened_rerankers(bench: Bench, named: Sequence[str], options: QueryOptions) -> list[Reranker]:
    """The models to try, each once: what queries use, also where they do without it now, and those named.

    Raises:
        UnknownModel, KeyMissing: as a query does.
    """
    if options.get("rerank") is False:
        return []
    found = [bench.opened(name) for name in (bench.plan.rerank_model, *named)]
    return list({reranker.name: reranker for reranker in found}.values())


def replayed(
    replay: Replay,
    configurations: Sequence[Configuration],
    metric: Metric,
    *,
    progress: Progress | None = None,
) -> Doubles:
    """The metric of all, float64 [configurations, questions]."""
    values = np.empty((len(configurations), len(replay.bench.texts)))
    for number, configuration in enumerate(configurations):
        values[number] = metric.values(replay.ranked(configuration), replay.bench.judgements)
        if progress is not None:
            progress("replay", number + 1, len(configurations))
    return values


def require_allowed(configurations: Sequence[Configuration], contest: Contest, goal: Goal) -> None:
    """Raises `InvalidSettings` if no configuration is within the budgets; it names what comes nearest."""
    if contest.allowed.any():
        return
    fastest = int(np.argmin(contest.p95_ms))
    if goal.budget_ms is not None and contest.p95_ms[fastest] > goal.budget_ms:
        raise InvalidSettings(
            f"no configuration answers within --budget-ms {goal.budget_ms} (p95): the fastest, "
            f"{_named(configurations[fastest])}, takes {contest.p95_ms[fastest]:,.1f} ms",
            hint="allow more time",
        )
    cheapest = int(np.argmin(contest.usd_per_1k))
    raise InvalidSettings(
        f"no configuration costs at most {goal.max_usd_per_1k} USD for 1,000 queries: the cheapest, "
        f"{_named(configurations[cheapest])}, costs {contest.usd_per_1k[cheapest]:.2g}",
        hint="allow more money, or a longer time",
    )


def _named(configuration: Configuration) -> str:
    reranker = "no reranker" if configuration.reranker is None else configuration.reranker
    return f"by {configuration.stage1.mode} with {configuration.limit} candidates and {reranker}"
