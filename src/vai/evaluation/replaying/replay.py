"""Replay: the hits of any configuration, from pools and readings, without a call of a model.

It has the same orders and scores as `vai.query`, to the last digit: the same formulas over the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles, Ranks
from vai.evaluation.measures.metrics import Ranked
from vai.evaluation.replaying.bench import Bench, Configuration, Progress
from vai.evaluation.replaying.pools import Pools, Stage1Order, gather_pools, stage1_order, unit_of
from vai.evaluation.replaying.readings import Readings, read_pools
from vai.query import blended
from vai.types import Stage1


@dataclass(frozen=True, slots=True)
class Final:
    """The final order of all questions; the arrays are [questions, limit].

    Args:
        columns: places in the pools, best first; -1 where there is nothing more.
        scores: what the order is by, NaN where there is none.
        kept: whether it becomes a hit; what is below the least relevance does not.
        stage1_ranks: int32 from 1, in stage 1's order of chunks; 0 where there is nothing.
    """

    columns: NDArray[np.intp]
    scores: Doubles
    kept: NDArray[np.bool_]
    stage1_ranks: Ranks


class Replay:
    """Pools and readings of a bench, gathered for the configurations that are to be replayed. Use `Replay.of`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._pools: list[Pools] = []
        self._wanted: dict[tuple[int, str], NDArray[np.bool_]] = {}
        self._readings: dict[tuple[int, str], Readings] = {}
        self._orders: dict[tuple[int, Stage1, int], Stage1Order] = {}
        self._deepest = 0

    @classmethod
    def of(
        cls, bench: Bench, configurations: Iterable[Configuration], *, progress: Progress | None = None
    ) -> Replay:
        """Search and read all that these configurations ask for.

        Raises:
            CollectionNotFound, StoreFailure, UnsupportedByEngine: the collection cannot be searched.
            RemoteFailure, BudgetSpent: not everything could be read.
        """
        chosen = list(configurations)
        replay = cls.searched(bench, chosen, progress=progress)
        replay.read(chosen, progress=progress)
        return replay

    @classmethod
    def searched(
        cls, bench: Bench, configurations: Iterable[Configuration], *, progress: Progress | None = None
    ) -> Replay:
        """Search all that these configurations ask for, and read nothing yet. Raises as `of`."""
        replay = cls(bench)
        chosen = list(configurations)
        replay._deepest = max(configuration.limit for configuration in chosen)
        replay._search(chosen, progress)
        return replay

    def read(self, configurations: Iterable[Configuration], *, progress: Progress | None = None) -> None:
        """Read all that these configurations ask for, which were among those that it searched for.

        Raises:
            RemoteFailure, BudgetSpent: not everything could be read.
        """
        chosen = list(configurations)
        for reranker in dict.fromkeys(configuration.reranker for configuration in chosen):
            if reranker is not None:
                self._read(reranker, chosen, progress)

    # ── gathering ──

    def _search(self, chosen: Sequence[Configuration], progress: Progress | None) -> None:
        """The deepest search holds for all; where there is an index, others may find something else."""
        searches = {(configuration.num_candidates, configuration.limit) for configuration in chosen}
        for num_candidates, limit in sorted(searches, reverse=True):
            if self._holding(num_candidates, limit) is None:
                pools = gather_pools(
                    self.bench,
                    num_candidates=num_candidates,
                    limit=limit,
                    exact=self.bench.plan.exact,
                    progress=progress,
                )
                self._pools.append(pools)

    def _holding(self, num_candidates: int, limit: int) -> Pools | None:
        return next((pools for pools in self._pools if pools.hold(num_candidates, limit)), None)

    def _read(self, reranker: str, chosen: Sequence[Configuration], progress: Progress | None) -> None:
        """Read what any configuration with this reranker has among its candidates."""
        for pools in self._pools:
            widest = {
                (configuration.stage1, configuration.num_candidates): configuration
                for configuration in sorted(chosen, key=lambda configuration: configuration.limit)
                if configuration.reranker == reranker and self.pools(configuration) is pools
            }
            key = id(pools), reranker
            known = self._wanted.get(key, np.zeros(pools.units.shape, dtype=np.bool_))
            wanted = known.copy()
            for configuration in widest.values():
                _mark(wanted, self.stage1(configuration).columns)
            if widest and (key not in self._readings or (wanted & ~known).any()):
                self._readings[key] = read_pools(
                    self.bench, pools, self.bench.rerankers[reranker], wanted, progress=progress
                )
                self._wanted[key] = wanted

    # ── what was gathered ──

    def pools(self, configuration: Configuration) -> Pools:
        """The pools that a configuration's candidates are in.

        Raises:
            ValueError: that was not searched for.
        """
        found = self._holding(configuration.num_candidates, configuration.limit)
        if found is None or configuration.limit > self._deepest:
            raise ValueError(f"nobody has searched for {configuration}")
        return found

    def readings(self, configuration: Configuration) -> Readings | None:
        """What its reranker read; None if it has none."""
        if configuration.reranker is None:
            return None
        return self._readings[id(self.pools(configuration)), configuration.reranker]

    def stage1(self, configuration: Configuration) -> Stage1Order:
        """Its candidates in stage 1's order."""
        pools = self.pools(configuration)
        key = id(pools), configuration.stage1, configuration.num_candidates
        if key not in self._orders:
            self._orders[key] = stage1_order(
                pools,
                configuration.stage1,
                num_candidates=configuration.num_candidates,
                limit=min(self._deepest, configuration.num_candidates) if pools.any_depth else pools.limit,
            )
        order = self._orders[key]
        return Stage1Order(order.columns[:, : configuration.limit], order.scores[:, : configuration.limit])

    # ── replay ──

    def final(self, configuration: Configuration) -> Final:
        """The order that its hits have, as `vai.query` has it."""
        order, readings = self.stage1(configuration), self.readings(configuration)
        there = order.columns >= 0
        self._require_read(configuration, order.columns)
        ranks = np.where(there, np.arange(1, there.shape[1] + 1, dtype=np.int32), 0).astype(np.int32)
        if readings is None:
            return Final(order.columns, order.scores, there, ranks)
        values = np.take_along_axis(readings.values, order.columns, axis=1)
        scores = blended(values, order.scores, share=configuration.blend, scale=readings.scale)
        scores[~there] = np.nan
        by_score = np.argsort(
            -scores, axis=1, kind="stable"
        )  # NaN, what was not read, stays last, in its order
        columns = np.take_along_axis(order.columns, by_score, axis=1)
        kept = np.take_along_axis(there, by_score, axis=1)
        if configuration.min_relevance is not None:
            relevance = np.take_along_axis(readings.relevance, columns, axis=1)
            kept = kept & (relevance >= configuration.min_relevance)
        return Final(
            columns,
            np.take_along_axis(scores, by_score, axis=1),
            kept,
            np.take_along_axis(ranks, by_score, axis=1),
        )

    def _require_read(self, configuration: Configuration, columns: NDArray[np.intp]) -> None:
        """What nobody has read would look like what a model could not read."""
        if configuration.reranker is None:
            return
        read = self._wanted[id(self.pools(configuration)), configuration.reranker]
        if not np.take_along_axis(read, columns, axis=1)[columns >= 0].all():
            raise ValueError(f"not all candidates were read of {configuration}")

    def ranked(self, configuration: Configuration) -> Ranked:
        """Its hits, as metrics see them: the ranks of documents are those of their best chunks."""
        final, pools = self.final(configuration), self.pools(configuration)
        return Ranked(
            grades=np.take_along_axis(pools.grades, final.columns, axis=1),
            ranks=unit_ranks(np.take_along_axis(pools.units, final.columns, axis=1), final.kept),
            judged=np.take_along_axis(pools.judged, final.columns, axis=1),
        )

    def ranking(self, configuration: Configuration, number: int) -> list[tuple[str, float | None]]:
        """The units of one question's hits, best first, each with the score of its best chunk."""
        final, ids = self.final(configuration), self.pools(configuration).ids[number]
        best: dict[str, float | None] = {}
        rows = zip(
            final.columns[number].tolist(), final.scores[number].tolist(), final.kept[number], strict=True
        )
        for column, score, kept in rows:
            if kept:
                best.setdefault(
                    unit_of(ids[column], self.bench.matched.unit), None if score != score else score
                )
        return list(best.items())


def _mark(mask: NDArray[np.bool_], columns: NDArray[np.intp]) -> None:
    """Set the places of a mask, [questions, n], that are in the columns, [questions, limit]; -1 is none."""
    rows = np.broadcast_to(np.arange(len(columns))[:, None], columns.shape)
    there = columns >= 0
    mask[rows[there], columns[there]] = True


def unit_ranks(units: NDArray[np.int32], counts: NDArray[np.bool_]) -> Ranks:
    """The rank of each place's unit, int32 [questions, places] from 1; 0 for a unit that stood there before.

    Args:
        units: int32, what stands there, best first.
        counts: whether it counts.
    """
    keys = np.where(counts, units, -1)
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    is_first = np.ones(keys.shape, dtype=np.bool_)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.zeros(keys.shape, dtype=np.bool_)
    np.put_along_axis(first, order, is_first, axis=1)
    first &= counts
    return np.where(first, np.cumsum(first, axis=1), 0).astype(np.int32)
