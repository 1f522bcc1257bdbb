"""The score cache of one store: it looks up, keeps, describes and clears what rerankers have read."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vai.errors import StoreBusy, StoreFailure
from vai.scores.contents import (
    CachedModel,
    KnownQuery,
    find,
    forget_all,
    forget_model,
    list_models,
    note_use,
    nothing_of,
    put,
    today,
)
from vai.scores.database import failures_named, make_room, set_aside_path
from vai.scores.file import ScoresFile
from vai.scores.rows import Kind, ModelId, Score, passage_digest, query_digest
from vai.settings import DEFAULT_CACHE_MB

if TYPE_CHECKING:
    from vai.arrays import Vector
    from vai.types import Reading, Span

Result = TypeVar("Result")

READ_PATIENCE = 0.05
WRITE_PATIENCE = 0.2
"""Seconds that a query waits at most for other processes."""

USER_PATIENCE = 5.0
"""Seconds to wait where a user has asked for the cache itself."""

BUSY_PAUSE = 2.0
"""Seconds for which nothing is kept after others had the file for too long: waiting once more would be in vain."""

MOST_TOKENS = 1 << 40
"""Of one reading; what a server says beyond it is nonsense."""


@dataclass(frozen=True, slots=True)
class KnownScores:
    """What is known of some passages, in the order they were asked for.

    Args:
        kind: what `values` are; None if none is known.
        values: float32 [n], bit for bit as the model gave them; NaN where nothing is known.
        seen: float32 [n], the share of each passage that the model saw; 0 where nothing is known.
        windows: for each passage that was read in several windows the one that scored best, else None.
        query_seen: the share of the query that the model saw.
        tokens_each: tokens that a passage took when they were read, in the mean over all known ones of the query.
    """

    kind: Kind | None
    values: Vector
    seen: Vector
    windows: tuple[Span | None, ...]
    query_seen: float
    tokens_each: float


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """A cache as it is.

    Args:
        path: the file.
        bytes: on disk, together with the file set aside.
        most_bytes: the bound; a little more can lie there while it is written to.
        models: what is kept, by name and revision.
        set_aside: a damaged file that was put out of the way, None if there is none.
        fault: why the cache cannot be used, or not be written to; None if it can. `hint` says what to do.
    """

    path: str
    bytes: int
    most_bytes: int
    models: tuple[CachedModel, ...]
    set_aside: str | None
    fault: str | None
    hint: str | None


class ScoreStore:
    """Scores by query, passage, model and revision, in a file of their own.

    Nothing that goes wrong with the file reaches who looks up or keeps: what cannot be read is unknown, what
    cannot be written is not kept. `fault` says what the last such thing was.

    Args:
        path: of the file, which is made when something is kept.
        most_bytes: what it may take; beyond it the queries used least recently are forgotten.
    """

    def __init__(self, path: Path, *, most_bytes: int = DEFAULT_CACHE_MB * 1_000_000) -> None:
        self.path = path
        self.fault: str | None = None
        self._most_bytes = most_bytes
        self._file = ScoresFile(path)
        self._not_before = -math.inf

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._file.close()

    # ── what never fails ──

    def lookup(self, query: str, passages: Sequence[str], model: ModelId) -> KnownScores:
        """What is known of the passages, read together with the query by that model."""
        digest = query_digest(model, query)
        digests = [passage_digest(passage) for passage in passages]
        found = self._tried(
            lambda: self._file.read(lambda tables: find(tables, digest, digests), patience=READ_PATIENCE)
        )
        if found is None:
            return _as_arrays(None, [None] * len(digests))
        known, scores = found
        if known.used < today():
            self._tried(lambda: self._file.write(lambda tables: note_use(tables, digest), patience=0.0))
        return _as_arrays(known, [scores.get(digest) for digest in digests])

    def keep(
        self,
        query: str,
        passages: Sequence[str],
        model: ModelId,
        reading: Reading,
        *,
        patience: float = WRITE_PATIENCE,
    ) -> None:
        """Keep what was read of the passages; waits at most `patience` seconds for other processes."""
        scores = {
            passage_digest(passages[index]): score for index, score in enumerate(_scores_of(reading)) if score
        }
        if not scores or not math.isfinite(reading.query_seen) or time.monotonic() < self._not_before:
            return
        digest = query_digest(model, query)

        def write(tables: sqlite3.Connection) -> None:
            put(
                tables,
                digest,
                model,
                kind=kind_of(reading),
                query_seen=float(reading.query_seen),
                tokens=max(0, min(int(reading.tokens), MOST_TOKENS)),
                scores=scores,
            )
            make_room(tables, self._most_bytes)

        def keep() -> None:
            try:
                self._file.write(write, patience=patience)
            except StoreBusy:
                self._not_before = time.monotonic() + BUSY_PAUSE
                raise

        self._tried(keep)

    def _tried(self, work: Callable[[], Result]) -> Result | None:
        """What `work` returns; None, with the fault noted, if the file cannot be used."""
        try:
            result = work()
        except StoreFailure as failure:
            self.fault = failure.message
            return None
        self.fault = None
        return result

    # ── what a user asks for ──

    def describe(self) -> CacheInfo:
        """What is kept, and what is wrong with the cache if anything is; raises nothing."""
        models: tuple[CachedModel, ...] = ()
        fault = hint = None
        try:
            models = self._file.read(list_models, patience=USER_PATIENCE) or ()
            self._file.probe(patience=WRITE_PATIENCE)
        except StoreFailure as failure:
            fault, hint = failure.message, failure.hint
        aside = set_aside_path(self.path)
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"), aside)
        sizes = [_size(path) for path in files]
        return CacheInfo(
            path=str(self.path),
            bytes=sum(sizes),
            most_bytes=self._most_bytes,
            models=models,
            set_aside=str(aside) if sizes[-1] else None,
            fault=fault,
            hint=hint,
        )

    def clear(self, model: str | None = None) -> int:
        """Forget all scores, or those of a model in every revision; returns how many.

        Raises:
            UnknownModel: nothing is kept of that model.
            StoreFailure: the file cannot be written to; the class says why.
        """
        if not self.path.exists():
            if model is not None:
                raise nothing_of(model)
            removed = 0
        elif model is None:
            removed = self._file.write(forget_all, patience=USER_PATIENCE)
            self._file.shorten()
        else:
            removed = self._file.write(lambda tables: forget_model(tables, model), patience=USER_PATIENCE)
            self._file.shorten()
        if model is None:
            with failures_named(self.path):
                set_aside_path(self.path).unlink(missing_ok=True)
        return removed


def _as_arrays(query: KnownQuery | None, scores: Sequence[Score | None]) -> KnownScores:
    import numpy as np

    known = any(score is not None for score in scores)
    return KnownScores(
        kind=query.kind if query and known else None,
        values=np.array([math.nan if score is None else score.value for score in scores], dtype=np.float32),
        seen=np.array([0.0 if score is None else score.seen for score in scores], dtype=np.float32),
        windows=tuple(None if score is None else score.window for score in scores),
        query_seen=query.query_seen if query else 1.0,
        tokens_each=query.tokens / max(query.passages, 1) if query else 0.0,
    )


def kind_of(reading: Reading) -> Kind:
    """What the model gave."""
    return "relevance" if reading.logits is None else "logits"


def _scores_of(reading: Reading) -> Iterator[Score | None]:
    """The score of each passage; None for one that was not read."""
    pairs = zip(reading.values.tolist(), reading.seen.tolist(), strict=True)
    for index, (value, seen) in enumerate(pairs):
        yield None if math.isnan(value) else Score(value, seen, reading.window(index))


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
