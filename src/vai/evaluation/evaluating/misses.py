"""Where relevant passages are lost: for each that a configuration does not show, the step that lost it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from vai.arrays import Doubles
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.evaluating.places import Place, exact_ranks, places_of
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.pools import unit_of
from vai.evaluation.replaying.replay import Replay
from vai.filters import is_about_documents

Reason = Literal[
    "not ingested",
    "filtered out",
    "cut by the index",
    "below relevance",
    "tied",
    "truncated",
    "below limit",
    "demoted",
    "not promoted",
]
"""Where a relevant unit was lost, the first of these that holds. Of a document, its best chunk is meant.

    not ingested        its id is not in the collection
    filtered out        the filter lets nothing of it through
    cut by the index    exact search has it among the candidates, the approximate index does not
    below relevance     `min_relevance` threw it out; without that it would be shown
    tied                its score equals that of the last that is shown
    truncated           the model that lost it did not read all of it: the embedder, where it is below limit, or where
                        there is no stage 2; the reranker, where it was a candidate
    below limit         it is not among the candidates; the rank says how much deeper it lies, null where neither
                        search found it within `num_candidates`
    demoted             stage 1 alone would have shown it, the final order does not
    not promoted        a candidate, and too low in both orders
"""

REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Miss:
    """A relevant unit that is not among the first `top_k` hits; ranks are of units, from 1.

    Args:
        stage1_rank: in stage 1's order, as deep as it searched; None where it was not found.
        exact_rank: where the index cut it off, its rank in exact search.
        final_rank: among the hits; None where it is none.
        similarity, relevance, seen: of the chunk that counts, None where they are not known.
        chunk: the one that counts: the first of the unit's in the final order, else in stage 1's, else its only one.
    """

    query_id: str
    query: str
    unit: str
    grade: int
    reason: Reason
    stage1_rank: int | None = None
    exact_rank: int | None = None
    final_rank: int | None = None
    similarity: float | None = None
    relevance: float | None = None
    seen: float | None = None
    chunk: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A relevant unit that is shown, and would not be if stage 1's order were the final one."""

    query_id: str
    query: str
    unit: str
    grade: int
    stage1_rank: int
    final_rank: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many units were lost for a reason, and for which questions, by id."""

    reason: Reason
    misses: int
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Misses:
    """All relevant units that are not among the first `top_k` hits of a configuration.

    Args:
        relevant: how many units are relevant, those that were not ingested among them.
        reasons: those that occur, in the order of `Reason`.
        promoted: what stage 2 has won.
        displaced: how many stage 2 has lost: shown by stage 1 alone, and not in the end.
    """

    top_k: int
    relevant: int
    reasons: tuple[ReasonCount, ...]
    misses: tuple[Miss, ...]
    promoted: tuple[Promotion, ...]
    displaced: int

    @property
    def summary(self) -> str:
        """In a sentence: `of 41 misses: 23 below limit, 9 demoted, …`, the most frequent first."""
        if not self.misses:
            return f"no misses: all that is relevant, {self.relevant:,}, is in the top {self.top_k}"
        counts = sorted(self.reasons, key=lambda count: -count.misses)
        said = ", ".join(f"{count.misses:,} {count.reason}" for count in counts)
        return f"of {len(self.misses):,} miss{'' if len(self.misses) == 1 else 'es'}: {said}"


def attribute(
    replay: Replay, configuration: Configuration, *, top_k: int, original: TestSet | None = None
) -> Misses:
    """Where the relevant units were lost that are not among the first `top_k` units of the hits.

    Args:
        original: the test set before it was matched with the collection, so that what was not ingested is counted too,
            with the questions that were left out for it.

    Raises:
        CollectionNotFound, StoreFailure: the collection cannot be searched.
    """
    places = places_of(replay, configuration)
    lost = _with_chunks(replay.bench, [place for place in places if not 0 < place.final_rank <= top_k])
    judge = _Judge.of(replay, configuration, top_k, lost)
    misses = (*_not_ingested(replay.bench, original), *map(judge.miss, lost))
    return Misses(
        top_k=top_k,
        relevant=len(places) + len(misses) - len(lost),
        reasons=_counted(misses),
        misses=misses,
        promoted=tuple(
            _promotion(replay.bench, place)
            for place in places
            if 0 < place.final_rank <= top_k < place.stage1_rank
        ),
        displaced=sum(place.order_rank > 0 and place.stage1_rank <= top_k for place in lost),
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """What is needed to say where a unit was lost.

    Args:
        last_scores: of the last unit that is shown for each question, NaN where fewer are shown than could be.
        exact: of questions that were searched again, what exact search has as candidates; see `exact_ranks`.
        cut_off: the chunks that the embedder has not read to their end.
        barred: the units of which the filter lets nothing through.
    """

    bench: Bench
    configuration: Configuration
    top_k: int
    last_scores: Doubles
    exact: Mapping[int, Mapping[str, int]]
    cut_off: Set[str]
    barred: Set[str]

    @classmethod
    def of(cls, replay: Replay, configuration: Configuration, top_k: int, lost: Sequence[Place]) -> _Judge:
        """Search exactly again where the index may have lost something, and measure what the embedder read."""
        bench, stage1 = replay.bench, configuration.stage1
        below = [place for place in lost if not place.order_rank]
        may_be_cut = stage1.mode != "words" and not replay.pools(configuration).exact
        again = sorted({place.number for place in below}) if may_be_cut else []
        embedded = lost if configuration.reranker is None else below
        return cls(
            bench=bench,
            configuration=configuration,
            top_k=top_k,
            last_scores=_last_scores(replay, configuration, top_k),
            exact=exact_ranks(bench, configuration, again),
            cut_off=set() if stage1.mode == "words" else _cut_off(bench, embedded),
            barred=_barred(bench, {place.unit for place in lost if not place.stage1_rank}),
        )

    def miss(self, place: Place) -> Miss:
        """The unit with the reason why it is not shown."""
        exact_rank = None if place.order_rank else self.exact.get(place.number, {}).get(place.unit)
        return Miss(
            query_id=self.bench.queries[place.number],
            query=self.bench.texts[place.number],
            unit=place.unit,
            grade=place.grade,
            reason="cut by the index" if exact_rank else self._reason(place),
            stage1_rank=place.stage1_rank or None,
            exact_rank=exact_rank,
            final_rank=place.final_rank or None,
            similarity=place.similarity,
            relevance=place.relevance,
            seen=place.seen,
            chunk=place.chunk,
        )

    def _reason(self, place: Place) -> Reason:
        if place.unit in self.barred:
            return "filtered out"
        if not place.order_rank:
            return "truncated" if place.chunk in self.cut_off else "below limit"
        if not place.final_rank and place.order_rank <= self.top_k:
            return "below relevance"
        if place.final_rank and place.score == self.last_scores[place.number]:
            return "tied"
        if (place.chunk in self.cut_off) if place.seen is None else place.seen < 1:
            return "truncated"
        return "demoted" if place.stage1_rank <= self.top_k else "not promoted"


def _last_scores(replay: Replay, configuration: Configuration, top_k: int) -> Doubles:
    """The scores of the last units that are shown, float64 [questions]; NaN where there are not so many."""
    last = replay.ranked(configuration).ranks == top_k
    scores = np.where(last, replay.final(configuration).scores, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(last.any(axis=1), scores, np.nan)


def _barred(bench: Bench, unfound: Set[str]) -> set[str]:
    """Those of the units that no search found of which the filter lets nothing through."""
    if (filter := bench.plan.filter) is None or not unfound:
        return set()
    name, unit = bench.collection.name, bench.matched.unit
    if not is_about_documents(filter):
        scanned = bench.engine.scan(name, filter)
        return set(unfound) - {unit_of(chunk.id, unit) for chunks, _ in scanned for chunk in chunks}
    allowed = set(bench.engine.documents(name, filter))
    return {
        judged
        for judged in unfound
        if (unit_of(judged, "document") if unit == "chunk" else judged) not in allowed
    }


# ── what the embedder has not read ──


def _with_chunks(bench: Bench, places: Sequence[Place]) -> list[Place]:
    """The places, those that neither search found with the only chunk that their unit has, if it has only one."""
    unknown = [place.unit for place in places if place.chunk is None]
    if bench.matched.unit == "chunk":
        only = {unit: unit for unit in unknown}
    else:
        stored = bench.collection.chunks([f"{unit}#{ordinal}" for unit in unknown for ordinal in (0, 1)])
        first = {unit: f"{unit}#0" for unit in unknown if f"{unit}#1" not in stored}
        only = {unit: chunk for unit, chunk in first.items() if chunk in stored}
    return [replace(place, chunk=place.chunk or only.get(place.unit)) for place in places]


def _cut_off(bench: Bench, places: Sequence[Place]) -> set[str]:
    """Those of the chunks that count that are longer than what the embedder reads, by id."""
    embedder = bench.embedder
    chunks = bench.chunks(sorted({place.chunk for place in places if place.chunk is not None}))
    special = 2  # tokens before and after the text
    return {
        name
        for name, chunk in chunks.items()
        if len(embedder.token_ends(chunk.passage)) + special > embedder.max_tokens
    }


# ── the whole ──


def _not_ingested(bench: Bench, original: TestSet | None) -> list[Miss]:
    missing = set(bench.matched.missing)
    if original is None or not missing:
        return []
    return [
        Miss(query, original.queries[query], unit, grade, "not ingested")
        for query, grades in original.grades.items()
        for unit, grade in grades.items()
        if grade > 0 and unit in missing
    ]


def _promotion(bench: Bench, place: Place) -> Promotion:
    return Promotion(
        query_id=bench.queries[place.number],
        query=bench.texts[place.number],
        unit=place.unit,
        grade=place.grade,
        stage1_rank=place.stage1_rank,
        final_rank=place.final_rank,
    )


def _counted(misses: Sequence[Miss]) -> tuple[ReasonCount, ...]:
    behind: dict[Reason, list[str]] = {}
    for miss in misses:
        behind.setdefault(miss.reason, []).append(miss.query_id)
    return tuple(
        ReasonCount(reason, len(behind[reason]), tuple(dict.fromkeys(behind[reason])))
        for reason in REASONS
        if reason in behind
    )
