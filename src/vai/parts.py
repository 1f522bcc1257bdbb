"""The models that a collection works with: opened when they are first needed, and kept."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vai.background import in_background
from vai.errors import InvalidSettings, UnknownModel, VaiError
from vai.models.access import Access
from vai.models.catalog import (
    DEFAULT_EMBEDDER,
    DEFAULT_RERANKER,
    open_embedder,
    open_reranker,
    require_same_space,
)
from vai.models.fitting import (
    absent_embedder,
    is_asked_elsewhere,
    other_embedder,
    require_kind,
    require_trusted,
)
from vai.models.names import canonical_name
from vai.models.paying.spending import Purse
from vai.planning import QueryPlan
from vai.protocols import Embedder, Reranker
from vai.reranking import Stage2
from vai.settings import DEFAULT_CACHE_MB, Settings
from vai.types import LoadStage, Provenance

if TYPE_CHECKING:
    from vai.models.paying.prices import Tariff
    from vai.scores import ScoreStore

LONGEST_LOAD = 1.0
"""Seconds that closing waits for a model that is being loaded; a download is not waited for."""


class Parts:
    """An embedder and rerankers, named or given.

    Args:
        settings: name what was not named otherwise.
        store: the folder of the store, which keeps scores and calibrations; None keeps and knows none.
        embedder: its name, or an object.
        reranker: its name, or an object, for queries that name none.
        dimension: of the vectors of the collection.
        query_embedder: embeds queries; it has to share the embedder's space.
        max_usd: what may be spent in all.
        say: is told in a sentence what takes long, such as a download.
    """

    def __init__(
        self,
        settings: Settings,
        store: Path | None,
        *,
        embedder: str | Embedder | None = None,
        reranker: str | Reranker | None = None,
        dimension: int | None = None,
        query_embedder: str | None = None,
        max_usd: float | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._embedder_name = embedder if isinstance(embedder, str) else None
        self._embedder = None if isinstance(embedder, str) else embedder
        self._reranker_name = reranker if isinstance(reranker, str) else None
        self._given = None if isinstance(reranker, str) else reranker
        self._dimension = dimension
        self._query_embedder = query_embedder
        self._for_queries: Embedder | None = None
        self._access = Access.configured(
            settings, os.environ, purse=Purse.configured(settings, os.environ, max_usd=max_usd), say=say
        )
        self._rerankers: dict[str, Future[Reranker]] = {}
        self._scores: ScoreStore | None = None
        self._opened: list[str] = []

    @property
    def purse(self) -> Purse:
        """What may be spent."""
        return self._access.purse

    def embedder(self, collection: str, known: Provenance | None) -> Embedder:
        """The embedder that was named, else the collection's, else the settings', else the bundled one.

        Args:
            collection: its name, for messages.
            known: what the collection was made with; None if it is still to be made.

        Raises:
            EmbedderMismatch: it is not the one that the collection was made with.
        """
        if self._embedder is None:
            self._embedder = self._open_embedder(collection, known)
            self._opened.append(self._embedder.name)
        embedder = self._embedder
        if known is not None and (embedder.name, embedder.revision) != (known.embedder, known.revision):
            raise other_embedder(collection, known, embedder.name, revision=embedder.revision)
        if known is not None and self._dimension not in {None, known.dimension}:
            raise other_embedder(collection, known, embedder.name, dimension=self._dimension)
        return embedder

    def query_embedder(self, collection: str, known: Provenance) -> Embedder:
        """What embeds queries: the embedder, or the model of the same space that was named for it.

        Raises:
            InvalidSettings: the model makes other vectors.
            EmbedderMismatch: as `embedder`.
        """
        name = self._query_embedder_to_open(known)
        if name is None:
            return self.embedder(collection, known)
        if self._for_queries is None:
            self._for_queries = open_embedder(
                name, threads=self._settings.threads, dimension=known.dimension, access=self._access
            )
            self._opened.append(name)
        return self._for_queries

    def _query_embedder_to_open(self, known: Provenance) -> str | None:
        """The model that embeds queries in the embedder's stead; the one in the settings where it can, if any."""
        if self._query_embedder is not None and self._query_embedder != known.embedder:
            require_same_space(known.embedder, self._query_embedder)
            return self._query_embedder
        wished = self._settings.query_embedder
        if self._query_embedder is None and wished is not None and wished != known.embedder:
            # The setting is for all collections; it says nothing of one whose space is another.
            with suppress(InvalidSettings):
                require_same_space(known.embedder, wished)
                return wished
        return None

    def embedding_tariff(self, known: Provenance | None, *, of_queries: bool = False) -> Tariff:
        """What the embedder costs; with `of_queries`, the one that embeds queries.

        Raises:
            UnknownModel: there is none of that name.
            InvalidSettings: as `query_embedder`.
        """
        from vai.models.paying.prices import Tariff, tariff_of

        other = self._query_embedder_to_open(known) if known and of_queries else None
        if other is None and self._embedder is not None:
            return Tariff(self._embedder.name, self._embedder.usd_per_million_tokens)
        name = other or self._embedder_to_open(known)
        require_kind(name, "embedder")
        return tariff_of(name)

    def _embedder_to_open(self, known: Provenance | None) -> str:
        made_with = known.embedder if known else self._settings.embedder
        return (made_with or DEFAULT_EMBEDDER) if self._embedder_name is None else self._embedder_name

    def _open_embedder(self, collection: str, known: Provenance | None) -> Embedder:
        name = self._embedder_to_open(known)
        if known is not None and canonical_name(name) != known.embedder:
            raise other_embedder(collection, known, name)
        if name not in {self._embedder_name, self._query_embedder, self._settings.embedder}:
            require_trusted(collection, name)
        try:
            return open_embedder(
                name,
                threads=self._settings.threads,
                dimension=known.dimension if known else self._dimension_of(name),
                access=self._access,
            )
        except UnknownModel as error:
            raise (error if known is None else absent_embedder(collection, known)) from error

    def _dimension_of(self, name: str) -> int | None:
        """The dimension that was asked for; the one in the settings where the model offers several."""
        wished = self._settings.dimension if is_asked_elsewhere(name) else None
        return wished if self._dimension is None else self._dimension

    # ── stage 2 ──

    def start_opening_reranker(self, plan: QueryPlan) -> Future[Reranker] | None:
        """Begin to load the reranker, while the caller loads the embedder; None if stage 2 is not to run."""
        if not plan.rerank:
            return None
        if plan.rerank_model is None and self._given is not None:
            given: Future[Reranker] = Future()
            given.set_result(self._given)
            return given
        return self._start_opening(self._reranker_to_open(plan))

    def open_reranker(self, plan: QueryPlan) -> Reranker:
        """The reranker that the plan names, else the settings, else the bundled one. Raises as the catalog does."""
        return self._start_opening(self._reranker_to_open(plan)).result()

    def _reranker_to_open(self, plan: QueryPlan) -> str:
        wished = (plan.rerank_model, self._reranker_name, self._settings.rerank_model, DEFAULT_RERANKER)
        return next(name for name in wished if name is not None)

    def reranking_tariff(self, plan: QueryPlan) -> Tariff:
        """What stage 2 costs."""
        from vai.models.paying.prices import Tariff, tariff_of

        if plan.rerank_model is None and self._given is not None:
            return Tariff(self._given.name, self._given.usd_per_million_tokens)
        name = self._reranker_to_open(plan)
        require_kind(name, "reranker")
        return tariff_of(name)

    def unread(self, plan: QueryPlan, tariff: Tariff) -> Callable[[str, Sequence[str]], Sequence[str]] | None:
        """Tells which passages a paid model has not read with a query yet; None where that is not kept."""
        scores = self._kept_scores(plan)
        if scores is None or tariff.runs_here:
            return None
        from vai.models.remote.http import AS_SERVED
        from vai.scores import ModelId

        model = ModelId(tariff.model, AS_SERVED)

        def unread(query: str, passages: Sequence[str]) -> Sequence[str]:
            values = scores.lookup(query, passages, model).values.tolist()
            return [passage for passage, value in zip(passages, values, strict=True) if math.isnan(value)]

        return unread

    def stage2(self, reranker: Reranker, plan: QueryPlan) -> Stage2:
        """Stage 2 with that reranker, its scores kept unless it is an object of the caller's own.

        Raises:
            InvalidSettings: the fallback is a remote model.
            UnknownModel: there is none of its name.
        """
        name, fallback = self._settings.rerank_fallback, None
        if name is not None and is_asked_elsewhere(name):
            raise InvalidSettings(
                f"`rerank_fallback` has to run on this machine, and `{name}` does not",
                hint=f"name a local model, such as {DEFAULT_RERANKER}",
            )
        if name is not None and canonical_name(name) != reranker.name:
            with _said_of_fallback():
                require_kind(name, "reranker")
            fallback = partial(self._open_fallback, name, plan)
        if reranker is not self._given:
            reranker = self._kept(reranker, plan)
        return Stage2(reranker, fallback=fallback, strict=plan.strict)

    def _open_fallback(self, name: str, plan: QueryPlan) -> Reranker:
        with _said_of_fallback():
            return self._kept(self._start_opening(name).result(), plan)

    def _start_opening(self, name: str) -> Future[Reranker]:
        if name not in self._rerankers or _has_failed(self._rerankers[name]):
            self._opened.append(canonical_name(name))
            self._rerankers[name] = in_background(
                lambda: self._calibrated(self._open_reranker(name)), "vai-load"
            )
        return self._rerankers[name]

    def _open_reranker(self, name: str) -> Reranker:
        return open_reranker(name, threads=self._settings.threads, access=self._access)

    def _calibrated(self, reranker: Reranker) -> Reranker:
        """The reranker with what `vai calibrate` has measured of it in this store."""
        if self._store is None:
            return reranker
        from vai.calibrations import Calibrated, read_calibrations

        found = read_calibrations(self._store).get((reranker.name, reranker.revision))
        return Calibrated(reranker, found) if found else reranker

    def _kept(self, reranker: Reranker, plan: QueryPlan) -> Reranker:
        """The reranker with the cache of its scores before it."""
        scores = self._kept_scores(plan)
        if scores is None:
            return reranker
        from vai.scores import CachedReranker

        return CachedReranker(reranker, scores)

    def _kept_scores(self, plan: QueryPlan) -> ScoreStore | None:
        """The cache of scores; None where there is no store, or the plan is to go without."""
        if self._store is None or not plan.cache:
            return None
        if self._scores is None:
            from vai.scores import SCORES_FILE, ScoreStore

            megabytes = self._settings.cache_mb or DEFAULT_CACHE_MB
            self._scores = ScoreStore(self._store / SCORES_FILE, most_bytes=megabytes * 1_000_000)
        return self._scores

    # ── what it took ──

    def opened_since(self, count: int, began: float) -> LoadStage | None:
        """What opening the models after the first `count` took, since a `time.perf_counter()` time."""
        models = tuple(self._opened[count:])
        return LoadStage(round((time.perf_counter() - began) * 1000, 3), models) if models else None

    @property
    def opened_count(self) -> int:
        """How many models have been opened."""
        return len(self._opened)

    def close(self) -> None:
        """Let go of files.

        A model that is still being loaded, as after an error elsewhere, is waited for: the end of the interpreter
        would abort native code (before Python 3.14).
        """
        wait(self._rerankers.values(), timeout=LONGEST_LOAD)
        if self._scores is not None:
            self._scores.close()
            self._scores = None


def _has_failed(opening: Future[Reranker]) -> bool:
    """Whether a model could not be opened; the hub, or the disk, may be there the next time."""
    return opening.done() and opening.exception() is not None


@contextmanager
def _said_of_fallback() -> Iterator[None]:
    """Errors say which setting names the model: who asked a question has not."""
    try:
        yield
    except VaiError as error:
        error.hint = "; ".join(filter(None, ["the setting `rerank_fallback` names it", error.hint]))
        raise
