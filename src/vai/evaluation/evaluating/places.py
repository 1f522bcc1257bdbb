"""Where each relevant unit stands in every order that a configuration makes, from stage 1's search to its hits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles, Ranks
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.pools import Pools, Stage1Order, pools_of, stage1_order, unit_of
from vai.evaluation.replaying.readings import Readings
from vai.evaluation.replaying.replay import Replay, unit_ranks

AT_ONCE = 100
"""Questions that are searched exactly again before what they found is let go."""


@dataclass(frozen=True, slots=True)
class Place:
    """A relevant unit in the orders of one question; ranks are of units, from 1, and 0 where it is not there.

    Args:
        number: of the question, from 0.
        stage1_rank: in stage 1's order, as deep as it searches, beyond the candidates too.
        order_rank: among the candidates in the final order, before anything is thrown out.
        final_rank: among the hits.
        score: what the final order is by, NaN where there is none.
        similarity, relevance, seen: of the chunk that counts; None where they are not known.
        chunk: the one that counts: the first of the unit's in the final order, else in stage 1's; None if neither
            search found one.
    """

    number: int
    unit: str
    grade: int
    stage1_rank: int
    order_rank: int
    final_rank: int
    score: float = math.nan
    similarity: float | None = None
    relevance: float | None = None
    seen: float | None = None
    chunk: str | None = None


def places_of(replay: Replay, configuration: Configuration) -> list[Place]:
    """The place of every relevant unit, by question, in the order of the test set."""
    orders = _Orders.of(replay, configuration)
    unit = replay.bench.matched.unit
    places = []
    for number, grades in enumerate(replay.bench.matched.test_set.grades.values()):
        found: dict[str, list[int]] = {}
        for column in np.flatnonzero(orders.pools.grades[number] > 0).tolist():
            found.setdefault(unit_of(orders.pools.ids[number][column], unit), []).append(column)
        places += [
            orders.place(number, name, grade, found.get(name, []))
            for name, grade in grades.items()
            if grade > 0
        ]
    return places


def deep_order(pools: Pools, configuration: Configuration) -> Stage1Order:
    """Stage 1's order beyond the candidates, as far as `num_candidates`: [questions, num_candidates].

    With an approximate index it is the order of what this one search has found. A search with a greater `limit` may
    find more where the index went on until it had enough.
    """
    depth = configuration.num_candidates
    return stage1_order(pools, configuration.stage1, num_candidates=depth, limit=depth)


def exact_ranks(
    bench: Bench, configuration: Configuration, numbers: list[int]
) -> dict[int, Mapping[str, int]]:
    """What the candidates of these questions, by number, would be if every vector were compared: units with ranks.

    Raises:
        CollectionNotFound, StoreFailure: the collection cannot be searched.
    """
    ranks: dict[int, Mapping[str, int]] = {}
    for start in range(0, len(numbers), AT_ONCE):
        ranks |= _exact_ranks_of(bench, configuration, numbers[start : start + AT_ONCE])
    return ranks


def _exact_ranks_of(
    bench: Bench, configuration: Configuration, numbers: list[int]
) -> dict[int, Mapping[str, int]]:
    found = [
        bench.engine.pool(
            bench.collection.name,
            bench.vectors[number],
            text=bench.texts[number],
            limit=configuration.limit,
            num_candidates=configuration.num_candidates,
            exact=True,
            filter=bench.filter_of(number),
        )
        for number in numbers
    ]
    depth, unit = configuration.num_candidates, bench.matched.unit
    pools = pools_of(found, [{}] * len(found), unit=unit, num_candidates=depth, limit=configuration.limit)
    order = stage1_order(pools, configuration.stage1, num_candidates=depth, limit=configuration.limit)
    ranks = _ranks_by_place(pools, order.columns, order.columns >= 0)
    return {
        number: {
            unit_of(pools.ids[row][column], unit): int(ranks[row, column])
            for column in np.flatnonzero(ranks[row]).tolist()
        }
        for row, number in enumerate(numbers)
    }


@dataclass(frozen=True, slots=True)
class _Orders:
    """Ranks of units and final scores, by place in the pools: arrays [questions, n], 0 and NaN where there is none."""

    pools: Pools
    readings: Readings | None
    stage1: Ranks
    order: Ranks
    final: Ranks
    scores: Doubles

    @classmethod
    def of(cls, replay: Replay, configuration: Configuration) -> _Orders:
        pools, final = replay.pools(configuration), replay.final(configuration)
        deep = deep_order(pools, configuration)
        there = final.columns >= 0
        scores = np.full(pools.units.shape, np.nan)
        rows = np.nonzero(there)[0]
        scores[rows, final.columns[there]] = final.scores[there]
        return cls(
            pools=pools,
            readings=replay.readings(configuration),
            stage1=_ranks_by_place(pools, deep.columns, deep.columns >= 0),
            order=_ranks_by_place(pools, final.columns, there),
            final=_ranks_by_place(pools, final.columns, final.kept),
            scores=scores,
        )

    def place(self, number: int, unit: str, grade: int, columns: Sequence[int]) -> Place:
        """That of a unit whose chunks are in these columns of the pools."""
        first = [_first(ranks[number], columns) for ranks in (self.final, self.order, self.stage1)]
        column = next((column for column, rank in first if rank), None)
        (_, final_rank), (_, order_rank), (_, stage1_rank) = first
        known = Place(number, unit, grade, stage1_rank, order_rank, final_rank)
        if column is None:
            return known
        known = replace(
            known,
            chunk=self.pools.ids[number][column],
            similarity=float(self.pools.scores.similarities[number, column]),
        )
        if not order_rank:
            return known
        known = replace(known, score=float(self.scores[number, column]))
        if self.readings is None:
            return known
        relevance, seen = self.readings.relevance[number, column], self.readings.seen[number, column]
        return replace(known, relevance=_number(relevance), seen=float(seen))


def _ranks_by_place(pools: Pools, columns: NDArray[np.intp], counts: NDArray[np.bool_]) -> Ranks:
    """The ranks of units in an order of `columns`, int32 [questions, n]."""
    ranks = unit_ranks(np.take_along_axis(pools.units, columns, axis=1), counts)
    by_place = np.zeros(pools.units.shape, dtype=np.int32)
    rows = np.nonzero(counts)[0]
    by_place[rows, columns[counts]] = ranks[counts]
    return by_place


def _first(ranks: Ranks, columns: Sequence[int]) -> tuple[int, int]:
    """The one of these columns that stands for its unit in an order, with its rank; 0 as the rank if none does."""
    return max(((column, int(ranks[column])) for column in columns), key=lambda pair: pair[1], default=(0, 0))


def _number(value: float) -> float | None:
    return None if value != value else float(value)
