"""How long searching takes, and reading: timed on some of the questions of a bench."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from vai.arrays import Doubles
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.readings import Readings
from vai.evaluation.replaying.replay import Replay
from vai.models.names import place_of
from vai.protocols import Reranker
from vai.scores import CachedReranker
from vai.types import Candidate, Stage1, Stage1Mode

SEARCHES = 30
SEARCH_SECONDS = 0.5
FEWEST_SEARCHES = 5
"""Of each kind of search so many are timed, or as many as there is time for, but not fewer than the last."""
DEPTHS = (5, 15, 30)
READING_SECONDS = 2.5
FEWEST_TIMES = 5


# ── searching ──


def timed_searches(bench: Bench, mode: Stage1Mode, *, num_candidates: int, limit: int) -> Doubles:
    """Milliseconds of some searches, float64 [n]. How a hybrid one joins the two makes no difference to them."""
    kind = Configuration(Stage1(mode), limit, num_candidates)
    times: list[float] = []
    began = time.perf_counter()
    for number in _spread(len(bench.texts)):
        before = time.perf_counter()
        _searched(bench, kind, number)
        after = time.perf_counter()
        times.append((after - before) * 1000)
        if len(times) >= FEWEST_SEARCHES and after - began > SEARCH_SECONDS:
            break
    return np.array(times)


def _searched(bench: Bench, configuration: Configuration, number: int) -> Sequence[Candidate]:
    """The candidates of a question, found anew."""
    found = bench.engine.search(
        bench.collection.name,
        bench.vectors[number],
        limit=configuration.limit,
        num_candidates=configuration.num_candidates,
        exact=bench.plan.exact,
        text=bench.texts[number],
        stage1=configuration.stage1,
        filter=bench.filter_of(number),
    )
    return found.candidates


def _spread(count: int) -> list[int]:
    """At most `SEARCHES` of the first `count` numbers, far from each other and in no order."""
    places = np.linspace(0, count - 1, min(count, SEARCHES)).round().astype(int)
    return [int(place) for place in np.random.default_rng(0).permutation(places)]


# ── reading ──


@dataclass(frozen=True, slots=True)
class ReadingTime:
    """How long a reranker takes: `fixed_ms`, and `character_ms` for every character.

    Characters are those of the passages, and of the question as often as there are passages: it is read with each.
    """

    fixed_ms: float
    character_ms: float

    @classmethod
    def fitted(cls, characters: Doubles, ms: Doubles) -> Self:
        """To what was timed, both [n], by least squares of the relative errors; neither part is below 0."""
        weights = 1.0 / np.maximum(ms, 1e-3)
        columns = np.stack([weights, characters * weights])
        target = ms * weights
        both = np.linalg.lstsq(columns.T, target, rcond=None)[0].tolist()
        if min(both) >= 0.0:
            return cls(*both)
        fixed, each = (float(column @ target / max(column @ column, 1e-12)) for column in columns)
        misfits = [
            float(((part * column - target) ** 2).sum())
            for part, column in zip((fixed, each), columns, strict=True)
        ]
        return cls(fixed, 0.0) if misfits[0] < misfits[1] else cls(0.0, each)

    def of(self, characters: Doubles) -> Doubles:
        """Milliseconds for so many characters; none for none."""
        return np.where(characters > 0, self.fixed_ms + self.character_ms * characters, 0.0)


def reading_time(replay: Replay, chosen: Sequence[Configuration]) -> ReadingTime | None:
    """What the reranker of these configurations takes; None if it runs elsewhere, and too little was read now to tell.

    A model that runs here reads some passages again for that, past the cache, and each time right after a search, as
    in a query: what a search leaves behind, such as threads that wait for more work, makes a difference to it.
    """
    deepest = max(chosen, key=lambda configuration: configuration.limit)
    reranker = replay.bench.rerankers[deepest.reranker or ""]
    runs_here = is_asked_for_free(reranker)
    times = list(_times_of_sample(replay.bench, deepest, reranker)) if runs_here else []
    if len(times) < FEWEST_TIMES:
        times += _times_of_fresh(replay, chosen)
    if not times:
        return ReadingTime(0.0, 0.0) if runs_here else None
    if len(times) < FEWEST_TIMES and not runs_here:
        return None
    characters, ms = np.array(times).T
    return ReadingTime.fitted(characters, ms)


def is_asked_for_free(reranker: Reranker) -> bool:
    """Whether the model runs here, so that asking it once more costs nothing but time."""
    return not reranker.usd_per_million_tokens and place_of(reranker.name) != "server"


def _times_of_fresh(replay: Replay, chosen: Iterable[Configuration]) -> Iterator[tuple[float, float]]:
    """Characters and milliseconds of the questions of which nothing was in the cache."""
    found: dict[int, Readings] = {}
    for configuration in chosen:
        readings = replay.readings(configuration)
        if readings is not None:
            found[id(readings)] = readings
    lengths = np.array([len(text) for text in replay.bench.texts])
    for readings in found.values():
        read = (readings.characters > 0).sum(axis=1)
        whole = (read > 0) & (readings.fresh == read)
        characters = readings.characters.sum(axis=1) + read * lengths
        yield from zip(characters[whole].tolist(), readings.fresh_ms[whole].tolist(), strict=True)


def _times_of_sample(
    bench: Bench, configuration: Configuration, reranker: Reranker
) -> Iterator[tuple[float, float]]:
    """Characters and milliseconds of readings made for that, of few candidates and of more, past the cache."""
    plain = reranker.reranker if isinstance(reranker, CachedReranker) else reranker
    until = time.perf_counter() + READING_SECONDS
    for number in _spread(len(bench.texts)):
        text, depths = bench.texts[number], {min(depth, configuration.limit) for depth in DEPTHS}
        for depth in sorted(depths):
            candidates = _searched(bench, configuration, number)[:depth]
            passages = [candidate.chunk.passage_to_rerank for candidate in candidates]
            before = time.perf_counter()
            plain.score(text, passages)
            after = time.perf_counter()
            if passages:
                yield float(sum(map(len, passages)) + len(passages) * len(text)), (after - before) * 1000
            if after > until:
                return
