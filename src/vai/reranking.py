"""Stage 2: a reranker reads candidates, and what came of it is told in full.

`query.py` uses it on what stage 1 found; `rerank` is stage 2 alone, on texts of the user's own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from vai.errors import InvalidQuery, InvalidSettings, RemoteUnavailable
from vai.protocols import Reranker
from vai.types import Reading, RerankedText, RerankResponse, RerankStage

LONGEST_QUERY = 20_000
"""Characters; some thousand words, more than any of the models reads."""

MOST_TEXTS = 10_000


def checked_query(text: str) -> str:
    """The query without white space around it.

    Raises:
        InvalidQuery: nothing is left, it is longer than `LONGEST_QUERY`, or no Unicode text.
    """
    text = text.strip()
    if not text:
        raise InvalidQuery("the query is empty", hint="say in a few words what you look for")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidQuery("the query holds half a character: it is not UTF-8 text")
    if len(text) > LONGEST_QUERY:
        raise InvalidQuery(
            f"the query is longer than {LONGEST_QUERY:,} characters",
            hint="ask with a few sentences; to compare whole texts, use their beginning",
        )
    return text


def rerank(
    query: str, texts: Sequence[str], reranker: Reranker, *, top_k: int | None = None, strict: bool = False
) -> RerankResponse:
    """Stage 2 alone: the texts in the order in which they answer the query.

    Args:
        texts: at most `MOST_TEXTS`; equal values stay in their order.
        top_k: how many to return, all by default.
        strict: raise when the model fails while working; else what it did not read follows in the order given.

    Raises:
        InvalidQuery, InvalidSettings: the query is none; there are no or too many texts; `top_k` is below 1.
        RemoteRefused, RemoteUnavailable: as `read_passages`.
    """
    query = checked_query(query)
    if not texts:
        raise InvalidSettings(
            "there are no documents to rerank", hint="name some, or give a `--documents-file`"
        )
    if top_k is not None and top_k < 1:
        raise InvalidSettings(f"--top-k must be at least 1: {top_k}")
    if len(texts) > MOST_TEXTS:
        raise InvalidSettings(
            f"{len(texts):,} documents are more than the {MOST_TEXTS:,} that can be reranked at once",
            hint="`vai ingest` and `vai query` find the best candidates of any number first",
        )
    began = time.perf_counter()
    reading = read_passages(reranker, query, texts, strict=strict)
    ms = round((time.perf_counter() - began) * 1000, 3)
    values = values_of(reading)
    relevance = reading.relevance.tolist()
    order = sorted(range(len(texts)), key=lambda index: (math.isnan(values[index]), -values[index], index))
    return RerankResponse(
        query=query,
        rerank=stage_report(reranker, reading, ms),
        results=tuple(
            RerankedText(
                rank=rank,
                index=index,
                text=texts[index],
                relevance=None if math.isnan(relevance[index]) else relevance[index],
                score=None if math.isnan(values[index]) else values[index],
            )
            for rank, index in enumerate(order[:top_k], start=1)
        ),
        warnings=tuple(reading_warnings(reranker, reading)),
    )


def read_passages(reranker: Reranker, query: str, passages: Sequence[str], *, strict: bool) -> Reading:
    """What the reranker makes of the passages; nothing read, with the reason, if it failed while working.

    Raises:
        RemoteRefused: a remote model said no.
        RemoteUnavailable: `strict`, and not everything was read.
    """
    import numpy as np

    try:
        reading = reranker.score(query, passages)
    except RemoteUnavailable as failure:
        if strict:
            raise
        unread = np.full(len(passages), np.nan, dtype=np.float32)
        reading = Reading(None, unread, tokens=0, seen=np.zeros_like(unread), reason=failure.message)
    if strict and reading.reason:
        raise RemoteUnavailable(
            f"{reranker.name} read {read_count(reading)} of {len(passages)} candidates: {reading.reason}",
            hint="without `--strict` the rest follows in the order it came in",
        )
    return reading


def values_of(reading: Reading) -> list[float]:
    """What the order is by: logits, or relevances where the model gives no logits; NaN where unread."""
    values: list[float] = (reading.relevance if reading.logits is None else reading.logits).tolist()
    return values


def read_count(reading: Reading) -> int:
    """How many passages were read."""
    return sum(not math.isnan(value) for value in values_of(reading))


def truncated_count(reading: Reading) -> int:
    """How many passages were read, but not to their end."""
    pairs = zip(values_of(reading), reading.seen.tolist(), strict=True)
    return sum(not math.isnan(value) and share < 1.0 for value, share in pairs)


def stage_report(reranker: Reranker, reading: Reading, ms: float) -> RerankStage:
    """What stage 2 did."""
    return RerankStage(
        ms=ms,
        model=reranker.name,
        reranked=read_count(reading),
        of=len(reading.relevance),
        tokens=reading.tokens,
        truncated=truncated_count(reading),
        cached=0,
        calibrated=reranker.calibrated,
        reason=reading.reason,
    )


def reading_warnings(reranker: Reranker, reading: Reading) -> list[str]:
    """A sentence for everything that stage 2 did not read."""
    warnings = []
    read, of = read_count(reading), len(reading.relevance)
    if read < of:
        reason = reading.reason or "the model gave no number"
        warnings.append(f"reranked {read} of {of}, the rest follows in the order it came in: {reason}")
    if reading.query_seen < 1.0:
        warnings.append(f"{reranker.name} read the first {reading.query_seen:.0%} of the query")
    if truncated := truncated_count(reading):
        warnings.append(f"{reranker.name} did not read {truncated} of {of} passages to their end")
    return warnings
