"""What an approximate index misses: ANN recall against exact search, on a sample of a collection's own vectors.

Not to be confused with retrieval recall, which is against judgements of what is relevant.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vai.protocols import Engine
from vai.types import DepthRecall, IndexCheck

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector

SHALLOW, DEEP = 20, 100
"""The numbers of best chunks of which recall is measured."""
DEPTHS = (110, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 6400)
GOAL = 0.99
DEFAULT_SAMPLE = 200


def check_index(engine: Engine, collection: str, *, sample: int = DEFAULT_SAMPLE) -> IndexCheck:
    """Search for stored vectors with the index and without it, deeper and deeper until it finds enough.

    A chunk's recall leaves out the chunk itself, which any index finds. It is the share of the 20, or 100, chunks
    most similar to it by exact search that the index found too, where one that is as similar as the last of them
    counts as well: equal vectors are as good as each other.

    Args:
        sample: vectors to search for; all, if there are fewer.

    Raises:
        CollectionNotFound, StoreFailure: the collection cannot be read.
        UnsupportedByEngine: the engine has no index that could be checked.
    """
    info = engine.index(collection)
    if info.state != "fresh":
        return IndexCheck(info, sample=0, depths=(), depth_for_20=None, depth_for_100=None)
    queries = engine.sample(collection, sample)
    truths = [
        _similarities(engine, collection, query, DEEP + 1, num_candidates=DEEP + 1, exact=True)
        for query in queries
    ]
    measured: list[DepthRecall] = []
    for depth in DEPTHS:
        measured.append(_at_depth(engine, collection, queries, truths, depth))
        if measured[-1].recall_at_20 >= GOAL and measured[-1].recall_at_100 >= GOAL:
            break
    return IndexCheck(
        info,
        sample=len(queries),
        depths=tuple(measured),
        depth_for_20=next((at.depth for at in measured if at.recall_at_20 >= GOAL), None),
        depth_for_100=next((at.depth for at in measured if at.recall_at_100 >= GOAL), None),
    )


def _at_depth(
    engine: Engine, collection: str, queries: Matrix, truths: Sequence[Sequence[float]], depth: int
) -> DepthRecall:
    shallow, deep, times = [], [], []
    for query, truth in zip(queries, truths, strict=True):
        began = time.perf_counter()
        found = _similarities(engine, collection, query, DEEP + 1, num_candidates=depth, exact=False)
        times.append(time.perf_counter() - began)
        shallow.append(_recall(found, truth, SHALLOW))
        deep.append(_recall(found, truth, DEEP))
    return DepthRecall(
        depth=depth,
        recall_at_20=statistics.fmean(shallow),
        recall_at_100=statistics.fmean(deep),
        ms=round(statistics.median(times) * 1000, 3),
    )


def _similarities(
    engine: Engine, collection: str, query: Vector, limit: int, *, num_candidates: int, exact: bool
) -> list[float]:
    """Of what is found, but for the first, which is the query's own chunk or one with the same vector."""
    found = engine.search(collection, query, limit=limit, num_candidates=num_candidates, exact=exact)
    return [candidate.similarity for candidate in found.candidates][1:]


def _recall(found: Sequence[float], truth: Sequence[float], count: int) -> float:
    """The share of the `count` best that was found, by similarity, which both searches give exactly."""
    wanted = truth[:count]
    if not wanted:
        return 1.0
    return min(len(wanted), sum(similarity >= wanted[-1] for similarity in found)) / len(wanted)
