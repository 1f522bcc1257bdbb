"""The configurations that `vai tune` compares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from vai.errors import UnsupportedByEngine
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.planning import QueryOptions
from vai.protocols import Reranker
from vai.types import Stage1

WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0)
LIMITS = (5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1_000)
BLENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
EXACT_DEPTHS = (100, 400)
INDEX_DEPTHS = (50, 100, 200, 400, 800)
FEWEST_CANDIDATES = 10
"""Where the metric has no cut-off."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What can be chosen. What is in force is among it everywhere, however odd it is.

    Args:
        baseline: the configuration in force.
        rerankers: models of stage 2 to try, beside doing without.
        limits: how many candidates, at most as many as are wanted and at least as many as the metric looks at.
        exact: whether every vector is compared. Then `num_candidates` decides only what a hybrid search joins.
    """

    baseline: Configuration
    rerankers: tuple[Reranker, ...]
    limits: tuple[int, ...]
    exact: bool

    @classmethod
    def around(
        cls,
        baseline: Configuration,
        rerankers: Sequence[Reranker],
        metric: Metric,
        *,
        max_limit: int,
        exact: bool,
    ) -> Grid:
        """The grid of a metric; `max_limit` gives way where the metric looks deeper."""
        least = metric.cutoff or min(FEWEST_CANDIDATES, max_limit)
        most = max(max_limit, least)
        limits = {limit for limit in (*LIMITS, baseline.limit) if least <= limit <= most}
        return cls(plain(baseline), tuple(rerankers), tuple(sorted({*limits, least, most})), exact)

    def configurations(self, fixed: Collection[str] = ()) -> list[Configuration]:
        """All of them, the one in force first; the settings that `fixed` names stay as they are in force."""
        kept = (item for item in self._all() if _agrees(item, self.baseline, fixed))
        return list(dict.fromkeys((self.baseline, self.baseline.without_reranker, *kept)))

    def _all(self) -> Iterator[Configuration]:
        for stage1 in self._stage1():
            for limit in self.limits:
                for depth in self._depths(stage1, limit):
                    alone = Configuration(stage1, limit, depth)
                    yield alone
                    yield from self._reranked(alone)

    def _stage1(self) -> Iterable[Stage1]:
        in_force = self.baseline.stage1
        weights = sorted({*WEIGHTS, in_force.words_weight})
        return dict.fromkeys(
            (
                in_force,
                Stage1("vector"),
                Stage1("words"),
                Stage1("hybrid", "ranks"),
                *(Stage1("hybrid", "scores", weight) for weight in weights),
            )
        )

    def _depths(self, stage1: Stage1, limit: int) -> Sequence[int]:
        """Values of `num_candidates` between which there is a difference."""
        in_force = max(limit, self.baseline.num_candidates)
        if stage1.mode == "words" or (self.exact and stage1.mode == "vector"):
            return (in_force,)
        depths = EXACT_DEPTHS if self.exact else INDEX_DEPTHS
        return sorted({in_force, *(depth for depth in depths if depth >= limit)})

    def _reranked(self, alone: Configuration) -> Iterator[Configuration]:
        for reranker in self.rerankers:
            blends = {*BLENDS, reranker.blend}
            if reranker.name == self.baseline.reranker:
                blends.add(self.baseline.blend)
            for blend in sorted(blends - {1.0}):
                yield replace(
                    alone, reranker=reranker.name, blend=blend, min_relevance=self.baseline.min_relevance
                )


def plain(configuration: Configuration) -> Configuration:
    """The same, with nothing said of what has no meaning in it, so that equal ones are equal."""
    stage1 = configuration.stage1
    if stage1.mode != "hybrid":
        stage1 = Stage1(stage1.mode)
    elif stage1.fusion == "ranks":
        stage1 = Stage1("hybrid", "ranks")
    return replace(configuration, stage1=stage1)


def fixed_by(options: QueryOptions) -> tuple[str, ...]:
    """The settings that were asked for in so many words, and are therefore not to be tuned."""
    return tuple(name for name in _TUNED if options.get(name) is not None)


_TUNED = ("stage1", "fusion", "words_weight", "limit", "num_candidates", "blend")


def _agrees(configuration: Configuration, baseline: Configuration, fixed: Iterable[str]) -> bool:
    """Whether it has what is fixed as it is in force; a blend is nothing to what has no reranker."""
    mine, in_force = configuration.to_dict(), baseline.to_dict()
    free = {"blend"} if configuration.reranker is None else set()
    return all(mine[name] == in_force[name] for name in fixed if name not in free)


def is_exact(bench: Bench) -> bool:
    """Whether every search compares every vector, so that how deep it is decides little."""
    if bench.plan.exact:
        return True
    try:
        return bench.engine.index(bench.collection.name).state != "fresh"
    except UnsupportedByEngine:  # then it may have one that it does not speak of
        return False
