"""Which of stage 1's orders are worth reading: reading is what tuning takes its time for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles
from vai.evaluation.evaluating.ceilings import perfectly_ranked
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.replaying.replay import Replay
from vai.types import Stage1

CERTAIN = 1.96
"""Standard errors that the 95 % interval of a mean is wide to either side."""

Order = tuple[Stage1, int]
"""How candidates are found, and how deep: `num_candidates`."""


def hopeless_orders(
    replay: Replay, configurations: Sequence[Configuration], metric: Metric
) -> tuple[Configuration, ...]:
    """Orders of stage 1 that need not be read, because another is certainly better in both of two ways.

    That is, better as it stands, and better if a perfect reranker read the same number of candidates. What a real one
    makes of an order lies between the two. Certain is what the 95 % interval of the paired difference says, over all
    questions. Both follow from the judgements, without reading anything. A kind of search is left out as a whole or
    not at all, since the orders of one kind have most of their candidates in common.

    Args:
        configurations: the first is in force, and its kind of search is never hopeless.

    Returns:
        The orders as configurations without a reranker.
    """
    orders = list(dict.fromkeys(item.without_reranker for item in deepest_of_each(configurations)))
    if not orders:
        return ()
    judgements, depth = replay.bench.judgements, min(order.limit for order in orders)
    within = replace(metric, cutoff=min(metric.cutoff or depth, depth))
    alone = np.stack([within.values(replay.ranked(item), judgements) for item in orders])
    best = [perfectly_ranked(replay, item, depth) for item in orders]
    perfect = np.stack([within.values(ranked, judgements) for ranked in best])
    hopeless = np.zeros(len(orders), dtype=np.bool_)
    for better in range(len(orders)):
        hopeless |= _certainly_below(alone, better) & _certainly_below(perfect, better)
    pairs = list(zip(orders, hopeless.tolist(), strict=True))
    hopeful = {_kind(item) for item, is_hopeless in pairs if not is_hopeless} | {_kind(configurations[0])}
    return tuple(item for item in orders if _kind(item) not in hopeful)


def without_reading(
    configurations: Sequence[Configuration], hopeless: Sequence[Configuration]
) -> list[Configuration]:
    """Those of which a reranker reads none of these orders."""
    orders = {order_of(item) for item in hopeless}
    return [item for item in configurations if item.reranker is None or order_of(item) not in orders]


def deepest_of_each(configurations: Sequence[Configuration]) -> list[Configuration]:
    """For each order, and each reranker of it, the configuration that reads all that any of them does."""
    deepest: dict[tuple[Order, str], Configuration] = {}
    for item in configurations:
        if item.reranker is not None:
            key = order_of(item), item.reranker
            if key not in deepest or item.limit > deepest[key].limit:
                deepest[key] = item
    return list(deepest.values())


def order_of(configuration: Configuration) -> Order:
    """How it finds its candidates."""
    return configuration.stage1, configuration.num_candidates


def _kind(configuration: Configuration) -> tuple[str, str]:
    return configuration.stage1.mode, configuration.stage1.fusion


def _certainly_below(values: Doubles, better: int) -> NDArray[np.bool_]:
    """Which rows of [n, questions] have a mean certainly below that of the row `better`."""
    differences = values[better] - values
    errors = differences.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    below: NDArray[np.bool_] = differences.mean(axis=1) > CERTAIN * errors
    return below
