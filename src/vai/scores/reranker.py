"""A reranker with the score cache before it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vai.errors import RemoteUnavailable
from vai.scores.rows import ModelId
from vai.scores.store import WRITE_PATIENCE, KnownScores, ScoreStore, kind_of
from vai.types import Reading
from vai.wrapping import RerankerWrapper

if TYPE_CHECKING:
    from vai.types import Calibration, Span


@dataclass(frozen=True, slots=True)
class CachedReranker(RerankerWrapper):
    """A `Reranker` that gives the one inside it only what it has not read before.

    Values are the same as without the cache, to the last bit. A passage that occurs several times is read once.
    Where all is known the reranker is not called at all. For any number of threads, if the reranker is.
    """

    store: ScoreStore

    @property
    def calibration(self) -> Calibration | None:
        return self.reranker.calibration

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """See `Reranker.score`; `tokens` counts what was read now, `cached` what was known.

        Raises:
            RemoteRefused: a remote model said no.
            RemoteUnavailable: a remote model failed before it had read anything, and nothing was known.
        """
        known = self.store.lookup(query, passages, self._model())
        places = _places_of_unknown(passages, known)
        if passages and not places:
            return _what_is_known(known, passages)
        try:
            fresh = self.reranker.score(query, list(places), deadline=deadline)
        except RemoteUnavailable as failure:
            if known.kind is None:
                raise
            return replace(_what_is_known(known, passages), stopped="failed", reason=failure.message)
        model = self._model()  # a server that said nothing of itself before may have by now
        self.store.keep(query, list(places), model, fresh, patience=_patience(deadline))
        if known.kind is None or _agree(known, fresh):
            return _joined(known, passages, places, fresh)
        # Under the same name and revision it reads otherwise than it did: what was known is of another model.
        whole = self.reranker.score(query, passages, deadline=deadline)
        self.store.keep(query, passages, model, whole, patience=_patience(deadline))
        return replace(whole, tokens=fresh.tokens + whole.tokens)

    def _model(self) -> ModelId:
        return ModelId(self.reranker.name, self.reranker.revision)


def _places_of_unknown(passages: Sequence[str], known: KnownScores) -> dict[str, int]:
    """The passages that have to be read, each once and in order, with their places among themselves."""
    places: dict[str, int] = {}
    for passage, value in zip(passages, known.values.tolist(), strict=True):
        if math.isnan(value):
            places.setdefault(passage, len(places))
    return places


def _patience(deadline: float | None) -> float:
    """Seconds that keeping scores may wait for other processes."""
    return WRITE_PATIENCE if deadline is None else min(WRITE_PATIENCE, max(0.0, deadline - time.monotonic()))


def _agree(known: KnownScores, fresh: Reading) -> bool:
    """Whether what was read now can stand beside what was known."""
    if all(math.isnan(value) for value in fresh.values.tolist()):
        return True
    return known.kind == kind_of(fresh) and known.query_seen == fresh.query_seen


def _what_is_known(known: KnownScores, passages: Sequence[str]) -> Reading:
    cached = [
        passage
        for passage, value in zip(passages, known.values.tolist(), strict=True)
        if not math.isnan(value)
    ]
    return Reading(
        logits=known.values if known.kind == "logits" else None,
        relevance=known.values if known.kind == "relevance" else None,
        tokens=0,
        seen=known.seen,
        query_seen=known.query_seen,
        windows=_windows(known.windows),
        cached=len(cached),
        tokens_cached=_tokens_cached(known, cached),
    )


def _joined(
    known: KnownScores, passages: Sequence[str], places: Mapping[str, int], fresh: Reading
) -> Reading:
    """What was known and what was read now, in the order of the passages."""
    values, seen, windows = known.values.copy(), known.seen.copy(), list(known.windows)
    for index, passage in enumerate(passages):
        place = places.get(passage)
        if place is not None:
            values[index], seen[index] = fresh.values[place], fresh.seen[place]
            windows[index] = fresh.window(place)
    kind = known.kind or kind_of(fresh)
    cached = [passage for passage in passages if passage not in places]
    return replace(
        fresh,
        logits=values if kind == "logits" else None,
        relevance=values if kind == "relevance" else None,
        seen=seen,
        query_seen=known.query_seen if known.kind else fresh.query_seen,
        windows=_windows(windows),
        cached=len(cached),
        tokens_cached=_tokens_cached(known, cached),
    )


def _tokens_cached(known: KnownScores, cached: Sequence[str]) -> int:
    """About how many tokens they took, each text once."""
    return round(len(set(cached)) * known.tokens_each)


def _windows(windows: Sequence[Span | None]) -> tuple[Span | None, ...]:
    return tuple(windows) if any(windows) else ()
