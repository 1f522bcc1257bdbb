"""What a reranker makes of stage 1's candidates, beside what was judged of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vai.calibration import Doubles, logits_from
from vai.collection import Collection
from vai.errors import BudgetSpent, InvalidSettings, RemoteUnavailable
from vai.evaluation.matching import Matched, Unit
from vai.types import Hit, QueryResponse

ALL_THE_TIME = 3_600_000
"""Milliseconds for one query: whatever budget the settings have, every candidate is to be read."""


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """Pairs of a question and a passage, with what the model made of them and what was judged; all arrays are [n].

    Args:
        logits: float32.
        relevant: whether the passage is; what nobody has judged counts as not relevant.
        query: the number of the question, from 0.
        judged: whether somebody has.
    """

    logits: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    query: NDArray[np.intp]
    judged: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Iterable[tuple[float, bool, int, bool]]) -> Self:
        """Pairs of logit, relevant, query and judged, at least one."""
        logits, relevant, query, judged = zip(*rows, strict=True)
        return cls(
            logits=np.array(logits, dtype=np.float32),
            relevant=np.array(relevant, dtype=bool),
            query=np.array(query, dtype=np.intp),
            judged=np.array(judged, dtype=bool),
        )

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def queries(self) -> int:
        """How many questions there are pairs of."""
        return len(np.unique(self.query))

    @property
    def answered(self) -> int:
        """How many questions have a relevant passage among theirs."""
        return len(np.unique(self.query[self.relevant]))

    @property
    def weights(self) -> Doubles:
        """What each pair counts: those of one question together as much as those of another."""
        weights: Doubles = 1.0 / np.bincount(self.query)[self.query]
        return weights

    def part(self, chosen: NDArray[np.bool_]) -> JudgedPairs:
        """Some of the pairs."""
        return JudgedPairs(
            self.logits[chosen], self.relevant[chosen], self.query[chosen], self.judged[chosen]
        )


@dataclass(frozen=True, slots=True)
class Gathered:
    """Judged pairs, who read them, and how many candidates of each question at most."""

    pairs: JudgedPairs
    model: str
    revision: str
    limit: int


@contextmanager
def _to_be_continued() -> Iterator[None]:
    """Errors half-way say what is left to do; here nobody can leave `--strict` out."""
    try:
        yield
    except (BudgetSpent, RemoteUnavailable) as error:
        spent = ", with a higher `--max-usd` or a lower `--limit`" if isinstance(error, BudgetSpent) else ""
        error.hint = f"what has been read is kept in the cache: run the same command again{spent}"
        raise


@_to_be_continued()
def gather(
    collection: Collection,
    matched: Matched,
    *,
    rerank_model: str | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Gathered:
    """Every question of a test set through both stages.

    Where documents were judged, the best chunk of each counts, as in evaluation.

    Args:
        rerank_model: by name; the collection's own by default.
        limit: candidates of each question; as many as a query has by default.
        progress: called with the number of questions asked so far.

    Raises:
        InvalidSettings: no question has a candidate.
        RemoteFailure, BudgetSpent: not every candidate could be read.
    """
    test_set = matched.test_set
    responses = collection.query_many(
        test_set.queries.values(),
        limit=limit,
        rerank_model=rerank_model,
        rerank=True,
        blend=0.0,
        min_relevance=0.0,
        budget_ms=ALL_THE_TIME,
        strict=True,
        explain=True,
    )
    rows: list[tuple[float, bool, int, bool]] = []
    stage, depth = None, 0
    for number, (query, response) in enumerate(zip(test_set.queries, responses, strict=True)):
        stage, depth = response.stages.rerank or stage, response.settings.limit
        grades = test_set.grades[query]
        rows += [
            (score, grades.get(unit, 0) > 0, number, unit in grades)
            for unit, score in _scores(response, matched.unit).items()
        ]
        if progress is not None:
            progress(number + 1)
    if stage is None or not rows:
        raise InvalidSettings(f"stage 1 found nothing for the questions of `{test_set.name}`")
    pairs = JudgedPairs.of(rows)
    if stage.gives == "relevance":
        pairs = replace(pairs, logits=logits_from(pairs.logits))
    return Gathered(pairs, stage.model, stage.revision or "", depth)


def _scores(response: QueryResponse, unit: Unit) -> Mapping[str, float]:
    """What the model said of each chunk, or of each document's best one."""
    best: dict[str, float] = {}
    hits: tuple[Hit, ...] = (*response.hits, *(response.dropped or ()))
    for hit in hits:
        judged = hit.id if unit == "chunk" else hit.document_id
        if hit.score is not None and hit.score > best.get(judged, float("-inf")):
            best[judged] = hit.score
    return best
