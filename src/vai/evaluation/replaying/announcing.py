"""Saying how much is to be read before that begins, where it takes long or is paid for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.replay import Replay
from vai.protocols import Reranker
from vai.scores import CachedReranker, ModelId

LONG = 500
"""Passages that take some seconds on a small machine."""


def announce_reading(
    replay: Replay, configurations: Sequence[Configuration], say: Callable[[str], None]
) -> None:
    """Say how many passages are to be read for these configurations, unless they are few, or known already."""
    bench = replay.bench
    for name in dict.fromkeys(configuration.reranker for configuration in configurations):
        if name is None:
            continue
        reranker = bench.rerankers[name]
        asked = [configuration for configuration in configurations if configuration.reranker == name]
        unread = _unread(bench, reranker, _candidates(replay, asked))
        if unread >= LONG or (unread and reranker.usd_per_million_tokens):
            say(f"{name} is to read {unread:,} passages{_paid(reranker)}; {_kept(reranker)}")


def _kept(reranker: Reranker) -> str:
    if isinstance(reranker, CachedReranker):
        return "what it has read is kept, and is not read again"
    return "without a cache, nothing of it is kept"


def _paid(reranker: Reranker) -> str:
    if not reranker.usd_per_million_tokens:
        return ""
    return f", for {reranker.usd_per_million_tokens:g} USD a million tokens"


def _candidates(replay: Replay, configurations: Sequence[Configuration]) -> list[set[str]]:
    """The chunks that any of them has among its candidates, for each question."""
    found: list[set[str]] = [set() for _ in replay.bench.texts]
    for configuration in configurations:
        ids, order = replay.pools(configuration).ids, replay.stage1(configuration).columns
        for number, columns in enumerate(order):
            found[number].update(ids[number][column] for column in columns[columns >= 0].tolist())
    return found


def _unread(bench: Bench, reranker: Reranker, candidates: Sequence[set[str]]) -> int:
    """How many of them are not in the cache of scores."""
    if not isinstance(reranker, CachedReranker):
        return sum(map(len, candidates))
    model, unread = ModelId(reranker.name, reranker.revision), 0
    for text, ids in zip(bench.texts, candidates, strict=True):
        chunks = bench.chunks(sorted(ids))
        known = reranker.store.lookup(text, [chunk.passage_to_rerank for chunk in chunks.values()], model)
        unread += int(np.isnan(known.values).sum())
    return unread
