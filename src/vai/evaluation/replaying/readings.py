"""What a reranker makes of the candidates in the pools: read once, through the cache of scores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles, Vector
from vai.calibration import relevance_of
from vai.errors import BudgetSpent, RemoteUnavailable
from vai.evaluation.replaying.bench import Bench, Progress
from vai.evaluation.replaying.pools import Pools
from vai.protocols import Reranker
from vai.types import Reading


@dataclass(frozen=True, slots=True)
class Readings:
    """What one reranker says of candidates in pools; arrays [questions, n], NaN (0 in `seen`) where it was not asked.

    Args:
        model, revision, scale, usd_per_million_tokens: the reranker's.
        values: float64, what the order is by.
        relevance: float64, 0–1.
        seen: float32, the share of each passage that it read.
        characters: int32, the length of each passage.
        tokens_each: float64 [questions], tokens that a passage takes, with its share of the question.
        fresh, fresh_ms: float64 [questions], how many passages were read now and not found in the cache, and the
            milliseconds that took.
        gives: what `values` are.
    """

    model: str
    revision: str
    scale: float
    usd_per_million_tokens: float
    values: Doubles
    relevance: Doubles
    seen: Vector
    characters: NDArray[np.int32]
    tokens_each: Doubles
    fresh: Doubles
    fresh_ms: Doubles
    gives: Literal["logits", "relevance"] = "logits"


@contextmanager
def to_be_continued() -> Iterator[None]:
    """Errors half-way say what is left to do; here nobody can leave `--strict` out."""
    try:
        yield
    except (BudgetSpent, RemoteUnavailable) as error:
        spent = ", with a higher `--max-usd` or a lower `--limit`" if isinstance(error, BudgetSpent) else ""
        error.hint = f"what has been read is kept in the cache: run the same command again{spent}"
        raise


@to_be_continued()
def read_pools(
    bench: Bench,
    pools: Pools,
    reranker: Reranker,
    wanted: NDArray[np.bool_],
    *,
    progress: Progress | None = None,
) -> Readings:
    """Let a reranker read what is `wanted` of the pools, bool [questions, n].

    Raises:
        RemoteFailure, BudgetSpent: not everything could be read; what was is in the cache.
    """
    values, relevance = np.full(wanted.shape, np.nan), np.full(wanted.shape, np.nan)
    seen = np.zeros(wanted.shape, dtype=np.float32)
    characters = np.zeros(wanted.shape, dtype=np.int32)
    tokens_each, fresh, fresh_ms = (np.zeros(len(wanted)) for _ in range(3))
    gives: Literal["logits", "relevance"] = "logits"
    done, in_all = 0, int(wanted.sum())
    for number, text in enumerate(bench.texts):
        columns = np.flatnonzero(wanted[number])
        ids = [pools.ids[number][column] for column in columns]
        chunks = bench.chunks(ids)
        passages = [chunks[chunk].passage_to_rerank for chunk in ids]
        began = time.perf_counter()
        reading = reranker.score(text, passages)
        elapsed = (time.perf_counter() - began) * 1000
        _require_whole(reranker, reading, number, len(wanted))
        gives = "relevance" if reading.logits is None else "logits"
        is_number = np.isfinite(reading.values)
        values[number, columns] = np.where(is_number, reading.values, np.nan)
        relevance[number, columns] = np.where(is_number, relevance_of(reading, reranker.calibration), np.nan)
        seen[number, columns] = reading.seen
        characters[number, columns] = [len(passage) for passage in passages]
        tokens_each[number] = (reading.tokens + reading.tokens_cached) / max(len(ids), 1)
        fresh[number] = len(ids) - reading.cached
        fresh_ms[number] = elapsed if fresh[number] else 0.0
        if progress is not None:
            done += len(ids)
            progress("read", done, in_all)
    return Readings(
        model=reranker.name,
        revision=reranker.revision,
        scale=reranker.similarity_scale,
        usd_per_million_tokens=reranker.usd_per_million_tokens,
        values=values,
        relevance=relevance,
        seen=seen,
        characters=characters,
        tokens_each=tokens_each,
        fresh=fresh,
        fresh_ms=fresh_ms,
        gives=gives,
    )


def _require_whole(reranker: Reranker, reading: Reading, number: int, of: int) -> None:
    """An evaluation of what was read by chance would measure the chance."""
    if reading.stopped is not None:
        kind = RemoteUnavailable if reading.stopped == "failed" else BudgetSpent
        raise kind(
            f"{reranker.name} did not read every candidate of question {number + 1} of {of}: {reading.reason}"
        )
