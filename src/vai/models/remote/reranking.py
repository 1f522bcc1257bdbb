"""Passages through a reranker behind an address: in windows, in requests, until the time or the money is up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from vai.errors import BudgetSpent, RemoteUnavailable
from vai.models.remote.http import DeadlineReached
from vai.models.remote.lengths import TEMPLATE_TOKENS, in_requests, utf8_length
from vai.models.remote.windows import best_window, cut_at, windows_of
from vai.types import Calibration, Reading, Stopped

if TYPE_CHECKING:
    from vai.models.remote.http import RemoteService
    from vai.types import Span

Scale = Literal["relevance", "logits"]
"""What a service's values are: relevance in 0–1, or numbers without bounds on the model's own scale."""

ADVISED_TOKENS = 200_000
"""Of one request: above it Voyage advises to split, for the sake of latency."""


class ServedReranker:
    """What rerankers behind an address have in common: nobody has measured what their values mean.

    `close` gives back connections; so does forgetting the reranker.
    """

    blend = 0.0
    similarity_scale = 1.0
    languages: tuple[str, ...] = ()
    calibration: Calibration | None = None

    _service: RemoteService

    def close(self) -> None:
        """Close connections that are kept for the next call."""
        self._service.close()


@dataclass(frozen=True, slots=True)
class PairLimits:
    """What a reranker reads at most, and what goes into one request.

    Args:
        query_tokens: of the query.
        pair_tokens: of the query with a passage.
        documents: in one request.
        bytes_per_token: for telling from its length that a text fits: fewer than text has of the sort that is meant.
        request_tokens: in one request, where the query counts with every document.
    """

    query_tokens: int
    pair_tokens: int
    documents: int
    bytes_per_token: int
    request_tokens: int = ADVISED_TOKENS

    @property
    def query_bytes(self) -> int:
        """How long a query may be."""
        return self.query_tokens * self.bytes_per_token

    def room_beside(self, query: str) -> int:
        """How long a passage may be, in bytes."""
        pair = (self.pair_tokens - TEMPLATE_TOKENS) * self.bytes_per_token
        return max(pair - utf8_length(query), self.bytes_per_token)


@dataclass(frozen=True, slots=True)
class Scored:
    """A service's values for the texts of one request, in the order they were sent, and the tokens it read."""

    values: Sequence[float]
    tokens: int


Ask = Callable[[str, Sequence[str], float | None], Scored]
"""One request: the query, the texts, and the deadline (a `time.monotonic()` time or None)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why reading came to an end early, and in words."""

    stopped: Stopped
    reason: str


def read_in_requests(
    ask: Ask, limits: PairLimits, scale: Scale, query: str, passages: Sequence[str], deadline: float | None
) -> Reading:
    """What a service makes of the passages, read in the order given.

    A passage that is the empty string is not sent, because services refuse the whole request for one: there is
    nothing in it that could answer, and it gets a relevance of 0, or the logit that belongs to it.

    Raises:
        RemoteRefused: the service said no.
        RemoteUnavailable: it failed before it had read anything.
    """
    asked = query[: cut_at(query, 0, limits.query_bytes)]
    room = limits.room_beside(asked)
    windows = [windows_of(passage, room) if passage else [] for passage in passages]
    texts = [
        passage[start:end] for passage, spans in zip(passages, windows, strict=True) for start, end in spans
    ]
    values, tokens, ending = _read(ask, limits, asked, texts, deadline)
    query_seen = len(asked) / len(query) if query else 1.0
    return _reading(scale, passages, windows, values, tokens, ending, query_seen)


def _read(
    ask: Ask, limits: PairLimits, query: str, texts: Sequence[str], deadline: float | None
) -> tuple[list[float], int, Ending | None]:
    """A value for each text, NaN for those that were not read; the tokens that it took; why it ended early."""
    values, tokens = [math.nan] * len(texts), 0
    for request in _requests(limits, query, texts):
        try:
            scored = ask(query, texts[request], deadline)
        except DeadlineReached as late:
            return values, tokens, Ending("deadline", late.message)
        except BudgetSpent as spent:
            return values, tokens, Ending("spent", spent.message)
        except RemoteUnavailable as failure:
            if request.start == 0:
                raise
            return values, tokens, Ending("failed", failure.message)
        values[request] = scored.values
        tokens += scored.tokens
    return values, tokens, None


def _requests(limits: PairLimits, query: str, texts: Sequence[str]) -> Iterator[slice]:
    """The texts of each request, where the query counts with every one."""
    beside = utf8_length(query)
    return in_requests(
        [beside + utf8_length(text) for text in texts],
        most=limits.documents,
        most_bytes=limits.request_tokens * limits.bytes_per_token,
    )


def _reading(
    scale: Scale,
    passages: Sequence[str],
    windows: Sequence[Sequence[Span]],
    values: Sequence[float],
    tokens: int,
    ending: Ending | None,
    query_seen: float,
) -> Reading:
    import numpy as np

    best = np.full(len(passages), _value_of_nothing(scale), dtype=np.float32)
    seen = np.ones(len(passages), dtype=np.float32)
    chosen: list[Span | None] = [None] * len(passages)
    rest = iter(values)
    for row, spans in enumerate(windows):
        if spans:
            best[row], chosen[row] = best_window(list(islice(rest, len(spans))), spans)
            seen[row] = 0.0 if math.isnan(best[row]) else spans[-1][1] / len(passages[row])
    return Reading(
        logits=best if scale == "logits" else None,
        relevance=best if scale == "relevance" else None,
        tokens=tokens,
        seen=seen,
        stopped=ending.stopped if ending else None,
        reason=ending.reason if ending else None,
        query_seen=query_seen,
        windows=tuple(chosen) if any(chosen) else (),
    )


def nothing_read(scale: Scale, passages: Sequence[str], ending: Ending) -> Reading:
    """The reading of a service that could not even be asked how much it reads."""
    unread = [[(0, len(passage))] for passage in passages]
    return _reading(scale, passages, unread, [math.nan] * len(passages), 0, ending, 1.0)


def _value_of_nothing(scale: Scale) -> float:
    """What an empty passage is worth."""
    from vai.calibration import logits_from

    return 0.0 if scale == "relevance" else float(logits_from([0.0])[0])
