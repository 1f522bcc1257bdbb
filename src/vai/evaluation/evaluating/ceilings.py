"""How good any reranker could be: what stage 1 hands on at each depth, in the best order there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vai.evaluation.evaluating.places import deep_order
from vai.evaluation.measures.metrics import Metric, Ranked
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.replaying.replay import Replay, unit_ranks

DEPTHS = (10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class DepthCeiling:
    """What is among the first `depth` candidates of stage 1; means over the questions.

    Args:
        recall: the share of what is relevant that is there.
        best: the metric, if a reranker put the units that are there in the order of their grades.
        gap: how far the configuration itself stays below that; below 0 where it reads deeper and does better.
    """

    depth: int
    recall: float
    best: float
    gap: float


def depth_table(
    replay: Replay, configuration: Configuration, metric: Metric, depths: Sequence[int] = DEPTHS
) -> tuple[DepthCeiling, ...]:
    """The ceilings of a configuration's stage 1; depths beyond its `num_candidates` are left out.

    Depth counts candidates, as `limit` does: where documents were judged, several can be of one document. No order of
    the candidates has a greater `metric` than that of grades, which holds for all but `judged`.
    """
    own = float(metric.values(replay.ranked(configuration), replay.bench.judgements).mean())
    ceilings = []
    for depth in depths:
        if depth <= configuration.num_candidates:
            perfect = perfectly_ranked(replay, configuration, depth)
            recall = Metric("recall").values(perfect, replay.bench.judgements).mean()
            best = metric.values(perfect, replay.bench.judgements).mean()
            ceilings.append(DepthCeiling(depth, float(recall), float(best), float(best) - own))
    return tuple(ceilings)


def perfectly_ranked(replay: Replay, configuration: Configuration, depth: int) -> Ranked:
    """The units among the first `depth` candidates of stage 1, ranked by their grades."""
    pools = replay.pools(configuration)
    columns = deep_order(pools, configuration).columns[:, :depth]
    is_first = unit_ranks(np.take_along_axis(pools.units, columns, axis=1), columns >= 0) > 0
    grades = np.where(is_first, np.take_along_axis(pools.grades, columns, axis=1), np.iinfo(np.int32).min)
    order = np.argsort(-grades.astype(np.int64), axis=1, kind="stable")
    there = np.take_along_axis(is_first, order, axis=1)
    return Ranked(
        grades=np.take_along_axis(grades, order, axis=1),
        ranks=np.where(there, np.arange(1, order.shape[1] + 1), 0).astype(np.int32),
        judged=there & np.take_along_axis(np.take_along_axis(pools.judged, columns, axis=1), order, axis=1),
    )
