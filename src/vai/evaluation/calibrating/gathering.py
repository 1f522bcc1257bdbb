"""What a reranker makes of stage 1's candidates, beside what was judged of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from vai.calibration import Doubles, logits_from
from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import Matched
from vai.evaluation.replaying.bench import Bench, Configuration, Progress
from vai.evaluation.replaying.replay import Replay


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
    bench = Bench.open(collection, matched)
    asked = bench.configuration(limit=limit, rerank_model=rerank_model, rerank=True)
    stage2_alone = replace(asked, blend=0.0, min_relevance=None)
    replay = Replay.of(bench, [stage2_alone], progress=_by_question(progress))
    readings = replay.readings(stage2_alone)
    pairs = _judged_pairs(replay, stage2_alone)
    if readings is None or not len(pairs):
        raise InvalidSettings(f"stage 1 found nothing for the questions of `{matched.test_set.name}`")
    if readings.gives == "relevance":
        pairs = replace(pairs, logits=logits_from(pairs.logits))
    return Gathered(pairs, readings.model, readings.revision, asked.limit)


def _judged_pairs(replay: Replay, stage2_alone: Configuration) -> JudgedPairs:
    """Each unit once, by its best chunk, which is the first in the order of stage 2 alone."""
    ranked, scores = replay.ranked(stage2_alone), replay.final(stage2_alone).scores
    best = (ranked.ranks > 0) & np.isfinite(scores)
    return JudgedPairs(
        logits=scores[best].astype(np.float32),
        relevant=ranked.grades[best] > 0,
        query=np.nonzero(best)[0],
        judged=ranked.judged[best],
    )


def _by_question(progress: Callable[[int], None] | None) -> Progress | None:
    """What is told of reading, as a number of questions."""
    if progress is None:
        return None
    questions = count(1)

    def tell(step: str, done: int, of: int) -> None:
        if step == "read":
            progress(next(questions))

    return tell
