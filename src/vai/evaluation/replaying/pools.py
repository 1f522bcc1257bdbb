"""Everything that stage 1 can find for the questions of a test set, as arrays, from which its every order follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles, Ranks
from vai.engines.fusion import joined_scores
from vai.evaluation.data.matching import Unit
from vai.evaluation.measures.metrics import Grades
from vai.evaluation.replaying.bench import Bench, Progress
from vai.types import Pool, PoolScores, Stage1

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of all questions; the arrays are [questions, n], beyond a question's own pool filled up with 0.

    Args:
        ids: of the chunks of each question, in the collection's order.
        num_candidates, limit: what was asked for.
        exact: whether every vector was compared.
        any_depth, any_limit: whether what a smaller `num_candidates`, or `limit`, finds follows too.
        scores: what the two searches say.
        greatest: the greatest BM25 of each question, [questions, 1]; 1 if no word occurs.
        units: int32, the number of the document (or chunk, where these were judged), the same for the same one.
        grades, judged: what was judged of it.
    """

    ids: tuple[tuple[str, ...], ...]
    num_candidates: int
    limit: int
    exact: bool
    any_depth: bool
    any_limit: bool
    scores: PoolScores
    greatest: Doubles
    units: NDArray[np.int32]
    grades: Grades
    judged: NDArray[np.bool_]

    def reach(self, num_candidates: int) -> bool:
        """Whether what a search so deep finds follows from these."""
        return num_candidates == self.num_candidates or (
            self.any_depth and num_candidates < self.num_candidates
        )

    def hold(self, num_candidates: int, limit: int) -> bool:
        """Whether that follows also for the best `limit`, for which an index may be searched otherwise."""
        as_wide = self.any_depth or limit == self.limit or (self.any_limit and limit < self.limit)
        return as_wide and self.reach(num_candidates)


@dataclass(frozen=True, slots=True)
class Stage1Order:
    """Stage 1's order of all questions; both arrays are [questions, limit].

    `columns` are places in the pools, -1 where there is nothing more; `scores` are stage 1's, NaN there.
    """

    columns: NDArray[np.intp]
    scores: Doubles


def gather_pools(
    bench: Bench, *, num_candidates: int, limit: int, exact: bool, progress: Progress | None = None
) -> Pools:
    """Search for every question once, as deep as asked. Raises as `Engine.pool`."""
    found: list[Pool] = []
    known: dict[str, str] = {}
    for number, text in enumerate(bench.texts):
        pool = bench.engine.pool(
            bench.collection.name,
            bench.vectors[number],
            text=text,
            limit=limit,
            num_candidates=num_candidates,
            exact=exact,
            filter=bench.filter_of(number),
        )
        ids = tuple(known.setdefault(chunk, chunk) for chunk in pool.ids)  # held once, not for each question
        found.append(replace(pool, ids=ids))
        if progress is not None:
            progress("search", number + 1, len(bench.texts))
    return pools_of(
        found,
        list(bench.matched.test_set.grades.values()),
        unit=bench.matched.unit,
        num_candidates=num_candidates,
        limit=limit,
    )


def pools_of(
    found: Sequence[Pool],
    judgements: Sequence[Mapping[str, int]],
    *,
    unit: Unit,
    num_candidates: int,
    limit: int,
) -> Pools:
    """Pools, with what was judged of each question's, as arrays."""
    numbers: dict[str, int] = {}
    units: list[Ranks] = []
    grades: list[Grades] = []
    judged: list[NDArray[np.bool_]] = []
    for pool, given in zip(found, judgements, strict=True):
        named = [unit_of(chunk, unit) for chunk in pool.ids]
        units.append(np.array([numbers.setdefault(name, len(numbers)) for name in named], dtype=np.int32))
        grades.append(np.array([given.get(name, 0) for name in named], dtype=np.int32))
        judged.append(np.array([name in given for name in named], dtype=np.bool_))
    words = _filled((pool.scores.words_scores for pool in found), np.float32)
    ranks = _filled((pool.scores.words_ranks for pool in found), np.int32)
    greatest = np.where(ranks == 1, words, 0.0).max(axis=1, initial=0.0, keepdims=True)
    return Pools(
        ids=tuple(pool.ids for pool in found),
        num_candidates=num_candidates,
        limit=limit,
        exact=all(pool.exact for pool in found),
        any_depth=all(pool.any_depth for pool in found),
        any_limit=all(pool.any_limit for pool in found),
        scores=PoolScores(
            similarities=_filled((pool.scores.similarities for pool in found), np.float32),
            words_scores=words,
            vector_ranks=_filled((pool.scores.vector_ranks for pool in found), np.int32),
            words_ranks=ranks,
        ),
        greatest=np.where(greatest > 0, greatest, 1.0).astype(np.float64),
        units=_filled(units, np.int32),
        grades=_filled(grades, np.int32),
        judged=_filled(judged, np.bool_),
    )


def unit_of(chunk_id: str, unit: Unit) -> str:
    """What was judged of a chunk: its document, or itself."""
    return chunk_id if unit == "chunk" else chunk_id.rpartition("#")[0]


def stage1_order(pools: Pools, stage1: Stage1, *, num_candidates: int, limit: int) -> Stage1Order:
    """The first `limit` of stage 1's order, just as `Engine.search` has it.

    Raises:
        ValueError: that does not follow from these pools.
    """
    if not pools.reach(num_candidates):
        raise ValueError(
            f"a search {num_candidates} deep does not follow from one {pools.num_candidates} deep"
        )
    scores, found = _scored(pools, stage1, num_candidates)
    keys = np.where(found, -scores, np.inf)
    columns = np.argsort(keys, axis=1, kind="stable")[:, :limit]
    there = np.take_along_axis(found, columns, axis=1)
    return Stage1Order(
        columns=np.where(there, columns, -1),
        scores=np.where(there, np.take_along_axis(scores, columns, axis=1), np.nan),
    )


def _scored(pools: Pools, stage1: Stage1, num_candidates: int) -> tuple[Doubles, NDArray[np.bool_]]:
    """Stage 1's score of everything, and what it finds at all."""
    known = pools.scores
    by_vector, by_words = (_cut(ranks, num_candidates) for ranks in (known.vector_ranks, known.words_ranks))
    cosines, words = known.similarities.astype(np.float64), known.words_scores.astype(np.float64)
    if stage1.mode == "vector":
        return cosines, by_vector > 0
    if stage1.mode == "words":
        return words / pools.greatest, by_words > 0
    scores = joined_scores(stage1, cosines, words, pools.greatest, by_vector, by_words)
    return scores, (by_vector > 0) | (by_words > 0)


def _cut(ranks: Ranks, depth: int) -> Ranks:
    return np.where(ranks <= depth, ranks, 0)


def _filled(rows: Iterable[NDArray[np.generic]], kind: type[Number]) -> NDArray[Number]:
    """Rows of different lengths in one array, behind their ends 0."""
    listed = list(rows)
    array = np.zeros((len(listed), max(map(len, listed), default=0)), dtype=kind)
    for number, row in enumerate(listed):
        array[number, : len(row)] = row
    return array
