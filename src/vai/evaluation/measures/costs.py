"""What configurations take: milliseconds of a query, and US dollars of a thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from vai.arrays import Doubles
from vai.evaluation.measures.timing import ReadingTime, reading_time, timed_searches
from vai.evaluation.replaying.bench import Bench, Configuration, Progress
from vai.evaluation.replaying.replay import Replay
from vai.models.names import place_of
from vai.types import Stage1, Stage1Mode

QUERIES = 1_000
TOKENS_PRICED = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a configuration takes.

    Args:
        p50_ms, p95_ms: over the questions, with models open and nothing in the cache of scores; None if not known.
        usd_per_1k: of a thousand queries; None where nothing is paid.
    """

    p50_ms: float | None
    p95_ms: float | None
    usd_per_1k: float | None


@dataclass
class Costs:
    """What configurations of a replay take. Use `Costs.measure`.

    The latency of a question is the sum of three parts: embedding it, as it was timed; searching, timed on some
    questions for each kind of search, which stand for the others in turn; and reading, by a `ReadingTime`, applied to
    the question's own candidates. Laid beside live queries without the cache (two test sets, the bundled models, two
    cores), p50 was within an eighth for 10 and 20 candidates and p95 within a fifth; for 5 the p95 was a third too low
    and more, since one long passage keeps a core busy while the others wait. Ordering the hits and looking at their
    files is not in it: 2 ms, and more where a large file has to be compared by its content.
    """

    replay: Replay
    searching: Mapping[tuple[Stage1Mode, int], Doubles]
    reading: Mapping[str, ReadingTime | None]
    warnings: tuple[str, ...] = ()
    _known: dict[tuple[Stage1, int, int, str | None], Cost] = field(default_factory=dict)
    _characters: dict[tuple[Stage1, int, str], Doubles] = field(default_factory=dict)

    @classmethod
    def measure(
        cls, replay: Replay, configurations: Iterable[Configuration], *, progress: Progress | None = None
    ) -> Self:
        """Time what these configurations are made of, on some of the questions.

        A model that is paid for, or runs elsewhere, is not asked again only to be timed: where its scores came from
        the cache, how long it takes is not known, which `warnings` say.

        Raises as `Engine.search`, and as a reranker that runs here.
        """
        chosen = list(configurations)
        searches, readers = _searches(chosen), _by_reranker(chosen)
        searching: dict[tuple[Stage1Mode, int], Doubles] = {}
        reading: dict[str, ReadingTime | None] = {}
        for (mode, depth), limit in searches.items():
            searching[mode, depth] = timed_searches(replay.bench, mode, num_candidates=depth, limit=limit)
            if progress is not None:
                progress("time", len(searching), len(searches) + len(readers))
        for name, among in readers.items():
            reading[name] = reading_time(replay, among)
            if progress is not None:
                progress("time", len(searches) + len(reading), len(searches) + len(readers))
        return cls(replay, searching, reading, tuple(_warnings(replay.bench, reading)))

    def of(self, configuration: Configuration) -> Cost:
        """What one of the configurations takes."""
        key = configuration.stage1, configuration.num_candidates, configuration.limit, configuration.reranker
        if key not in self._known:
            self._known[key] = self._cost(configuration)
        return self._known[key]

    def _cost(self, configuration: Configuration) -> Cost:
        usd, latencies = self._usd_per_1k(configuration), self.latencies(configuration)
        if latencies is None:
            return Cost(None, None, usd)
        p50, p95 = np.percentile(latencies, [50, 95]).tolist()
        return Cost(round(p50, 3), round(p95, 3), usd)

    def latencies(self, configuration: Configuration) -> Doubles | None:
        """Milliseconds of each question, float64 [questions]; None where the reranker's are not known."""
        bench = self.replay.bench
        searching = self.searching[configuration.stage1.mode, configuration.num_candidates]
        stage1: Doubles = bench.embed_ms + np.resize(searching, len(bench.texts))
        if configuration.reranker is None:
            return stage1
        reading = self.reading[configuration.reranker]
        return None if reading is None else stage1 + reading.of(self._read(configuration))

    def _read(self, configuration: Configuration) -> Doubles:
        """Characters that the reranker reads for each question, float64 [questions]."""
        key = configuration.stage1, configuration.num_candidates, configuration.reranker or ""
        known = self._characters.get(key)
        if known is None or known.shape[1] < configuration.limit:
            known = self._characters[key] = np.cumsum(_characters(self.replay, configuration), axis=1)
        in_all: Doubles = known[:, : configuration.limit].max(axis=1, initial=0.0)
        return in_all

    def _usd_per_1k(self, configuration: Configuration) -> float | None:
        bench, readings = self.replay.bench, self.replay.readings(configuration)
        usd = bench.tokens * bench.embedder.usd_per_million_tokens
        is_paid = bench.embedder.usd_per_million_tokens > 0
        if readings is not None:
            candidates = (self.replay.stage1(configuration).columns >= 0).sum(axis=1)
            usd = usd + readings.tokens_each * candidates * readings.usd_per_million_tokens
            is_paid = is_paid or readings.usd_per_million_tokens > 0
        return round(float(usd.mean()) / TOKENS_PRICED * QUERIES, 6) if is_paid else None


def _searches(chosen: Sequence[Configuration]) -> dict[tuple[Stage1Mode, int], int]:
    """The kinds of searches there are, each with the greatest number of candidates that is asked of it."""
    deepest: dict[tuple[Stage1Mode, int], int] = {}
    for configuration in chosen:
        key = configuration.stage1.mode, configuration.num_candidates
        deepest[key] = max(deepest.get(key, 0), configuration.limit)
    return deepest


def _by_reranker(chosen: Sequence[Configuration]) -> dict[str, list[Configuration]]:
    groups: dict[str, list[Configuration]] = {}
    for configuration in chosen:
        if configuration.reranker is not None:
            groups.setdefault(configuration.reranker, []).append(configuration)
    return groups


def _characters(replay: Replay, configuration: Configuration) -> Doubles:
    """Characters of each candidate in stage 1's order, with those of its question; [questions, limit]."""
    readings = replay.readings(configuration)
    assert readings is not None, "it has a reranker"
    columns = replay.stage1(configuration).columns
    questions = np.array([len(text) for text in replay.bench.texts], dtype=np.float64)
    passages = np.take_along_axis(readings.characters, columns, axis=1)
    return np.where(columns >= 0, passages + questions[:, None], 0.0)


def _warnings(bench: Bench, reading: Mapping[str, ReadingTime | None]) -> Iterator[str]:
    for name, known in reading.items():
        if known is None:
            yield (
                f"how long {name} takes is not known: its scores came from the cache, and it is not asked again only "
                "to be timed"
            )
        if place_of(name) == "server" and not bench.rerankers[name].usd_per_million_tokens:
            yield f"what {name} costs is not known, and counts as nothing"
