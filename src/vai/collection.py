"""The object that users hold: a collection, joined to its models and settings."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vai.errors import CollectionNotFound, EmbedderMismatch, InvalidSettings, StoreFailure, UnknownModel
from vai.models.catalog import (
    DEFAULT_EMBEDDER,
    DEFAULT_RERANKER,
    open_embedder,
    open_reranker,
)
from vai.protocols import Embedder, Engine, Reranker
from vai.settings import (
    DEFAULT_CHUNK_TOKENS,
    DEFAULT_MAX_FILE_MB,
    STORE_FOLDER,
    Settings,
    find_store,
    load_settings,
    resolve_depths,
    resolve_stage1,
)
from vai.types import (
    CollectionInfo,
    DamagedCollection,
    DeleteReport,
    ExportReport,
    Freshness,
    IndexCheck,
    IndexCost,
    IndexInfo,
    IndexProgress,
    IngestProgress,
    IngestReport,
    Json,
    Precision,
    Provenance,
    QueryResponse,
)

if TYPE_CHECKING:
    from vai.filters import Filter

SMALLEST_CHUNK = 16
CONTEXT_TOKENS = 24
"""Left free beside a chunk for its title and headings."""


class Collection:
    """Documents that can be searched in two stages. Use `Collection.open`.

    Models are loaded when they are first needed and kept. Not for two threads at a time.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        root: Path,
        settings: Settings,
        *,
        embedder: str | Embedder | None = None,
        reranker: str | Reranker | None = None,
    ) -> None:
        self._engine = engine
        self._name = name
        self._root = root
        self._settings = settings
        self._embedder_name = embedder if isinstance(embedder, str) else None
        self._embedder = None if isinstance(embedder, str) else embedder
        self._reranker_name = reranker if isinstance(reranker, str) else None
        self._reranker = None if isinstance(reranker, str) else reranker
        self._rerankers: dict[str, Future[Reranker]] = {}

    @classmethod
    def open(
        cls,
        store: str | Path = STORE_FOLDER,
        name: str | None = None,
        *,
        create: bool = True,
        embedder: str | Embedder | None = None,
        reranker: str | Reranker | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """Open a collection of a store on this machine.

        Args:
            store: the store's folder; the default, like the command line, takes `VAI_STORE` or looks for the
                nearest `.vai` upward and ends at one in the working directory.
            name: the collection; `default` unless the settings say otherwise.
            create: the first ingest makes the store and the collection where they are not there yet.
            embedder: its name, or an object; for a collection that exists it must be the one it was made with.
            reranker: its name, or an object, for queries that name none.
            settings: instead of those in the settings files and the environment.

        Raises:
            StoreNotFound, CollectionNotFound: `create` is false and there is none.
            InvalidSettings: a settings file or variable is wrong.
            StoreFailure: the store cannot be used.
        """
        from vai.engines.embedded import EmbeddedEngine

        folder = located_store(store)
        in_force = load_settings(folder, os.environ) if settings is None else settings
        engine = EmbeddedEngine(folder, create=create)
        collection = cls(
            engine,
            in_force.collection if name is None else name,
            folder.parent,
            in_force,
            embedder=embedder,
            reranker=reranker,
        )
        if not create:
            engine.provenance(collection.name)
        return collection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store's files."""
        self._engine.close()

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._name

    def describe(self) -> CollectionInfo:
        """What the collection holds and what its vectors were made with.

        Raises:
            CollectionNotFound: nothing has been ingested yet.
        """
        return self._engine.describe(self._name)

    def freshness(self) -> Freshness:
        """How far the files have moved on since they were ingested; looks at every one of them.

        Raises:
            CollectionNotFound: nothing has been ingested yet.
        """
        from vai.query import is_stale

        stale = [state for state in self._engine.source_states(self._name) if is_stale(state, self._root)]
        gone = sum(not (self._root / state.name).exists() for state in stale)
        return Freshness(changed=len(stale) - gone, gone=gone)

    def index(self) -> IndexInfo:
        """What approximate index there is.

        Raises:
            CollectionNotFound: nothing has been ingested yet.
            UnsupportedByEngine: the engine has none.
        """
        return self._engine.index(self._name)

    def index_cost(self, precision: Precision | None = None) -> IndexCost:
        """What `build_index` is expected to take. Raises as `index` does."""
        return self._engine.index_cost(self._name, precision)

    def build_index(
        self,
        precision: Precision | None = None,
        *,
        progress: Callable[[IndexProgress], None] | None = None,
    ) -> IndexInfo:
        """Build the index anew, whatever the size of the collection.

        Args:
            precision: of the numbers that it compares; what it has, else "int8".
            progress: called now and then with how far it has come.

        Raises:
            StoreBusy, StoreFull, StoreReadOnly: it cannot be written; the one there was stays.
            CollectionNotFound, UnsupportedByEngine: as `index`.
        """
        return self._engine.build_index(self._name, precision, progress)

    def check_index(self, *, sample: int = 200) -> IndexCheck:
        """What the index misses, on a sample of the collection's own vectors. Raises as `index` does."""
        from vai.recall import check_index

        return check_index(self._engine, self._name, sample=sample)

    def check(self) -> tuple[str, ...]:
        """One sentence for each fault found in what is stored; reads all of it."""
        return tuple(self._engine.check(self._name))

    def ingest(
        self,
        *paths: str | Path,
        chunk_tokens: int | None = None,
        text_field: str | None = None,
        title_field: str | None = None,
        id_field: str | None = None,
        max_file_mb: float = DEFAULT_MAX_FILE_MB,
        vectors: str | Path | None = None,
        vector_field: str | None = None,
        progress: Callable[[IngestProgress], None] | None = None,
        index_progress: Callable[[IndexProgress], None] | None = None,
    ) -> IngestReport:
        """Bring the collection up to date with files and folders: what has not changed costs nothing.

        Args:
            paths: folders also lose the documents of files that are gone from them.
            chunk_tokens: the size of chunks in the embedder's tokens; what the collection has, else 200.
            text_field, title_field, id_field: the fields of records (JSONL, CSV), where not the usual ones.
            max_file_mb: larger files are skipped, and named; records are read whatever the size of their file.
            vectors: a NumPy file with ready-made vectors for the one file of records in `paths`, row i for
                record i. No model is asked then, and each record is one chunk.
            vector_field: the field of records, or column of a Parquet file, that holds ready-made vectors; a
                Parquet file's column `vector` is taken for that without being named.
            progress: called now and then with how far it has come.
            index_progress: called while the index is brought up to date, at the end.

        Raises:
            EmbedderMismatch: the collection was made with another embedder.
            and all that `vai.ingest.ingest` or `vai.ingest.ready_made` raises.
        """
        from vai.documents import ReadOptions
        from vai.ingest import ingest
        from vai.ingest.naming import find_vector_files
        from vai.ingest.ready_made import import_ready_made

        if not paths:
            raise InvalidSettings(
                "there is nothing to ingest", hint="name files or folders: `vai ingest PATH`"
            )
        if not 0 < max_file_mb < math.inf:
            raise InvalidSettings(f"--max-file-mb must be a number of megabytes above 0: {max_file_mb:g}")
        options = ReadOptions(
            text_field=text_field,
            title_field=title_field,
            id_field=id_field,
            max_file_bytes=int(max_file_mb * 2**20),
        )
        named = [Path(path) for path in paths]
        ready_made = find_vector_files(
            named,
            root=self._root,
            options=options,
            vectors=None if vectors is None else Path(vectors),
            vector_field=vector_field,
        )
        known = self._known()
        embedder = self._open_embedder(known)
        made_with = known.chunk_tokens if known else self._settings.chunk_tokens
        size = (made_with or DEFAULT_CHUNK_TOKENS) if chunk_tokens is None else chunk_tokens
        _check_chunk_tokens(size, embedder)
        if ready_made:
            if chunk_tokens is not None:
                raise InvalidSettings(
                    f"--chunk-tokens {chunk_tokens} has no meaning for ready-made vectors: each is of a whole record"
                )
            return import_ready_made(
                ready_made,
                engine=self._engine,
                collection=self._name,
                made_by=Provenance(embedder.name, embedder.revision, embedder.dimension, size),
                root=self._root,
                options=options,
                progress=progress,
                index_progress=index_progress,
            )
        return ingest(
            named,
            engine=self._engine,
            collection=self._name,
            embedder=embedder,
            root=self._root,
            read_options=options,
            chunk_tokens=size,
            progress=progress,
            index_progress=index_progress,
        )

    def query(
        self,
        text: str,
        *,
        limit: int | None = None,
        top_k: int | None = None,
        num_candidates: int | None = None,
        stage1: str | None = None,
        fusion: str | None = None,
        words_weight: float | None = None,
        filter: Filter | Mapping[str, Json] | Sequence[str] | None = None,
        rerank_model: str | None = None,
        rerank: bool | None = None,
        blend: float | None = None,
        exact: bool = False,
        strict: bool | None = None,
        explain: bool = False,
    ) -> QueryResponse:
        """Both stages for one query; see `vai.query.query` for what they do.

        Args:
            limit: candidates that stage 1 keeps; 20.
            top_k: hits; 5.
            num_candidates: how deep an approximate index is searched, and how many of each search a hybrid one
                joins; 20 × limit.
            stage1: what finds candidates: "vector", "words" or "hybrid".
            fusion: how a hybrid search joins the two: by "scores" or by "ranks".
            words_weight: what the best BM25 score counts beside a similarity of 1, in a fusion of scores.
            filter: only chunks that it lets through: in MongoDB's notation, as conditions that all have to hold
                (["year>=2024", "path~docs/*"]), or as a value of `vai.filters`.
            rerank_model: the model of stage 2, by name.
            rerank: whether stage 2 runs; it does unless the settings say otherwise.
            blend: share of stage 1 in the final order: 0 is stage 2 alone, 1 is stage 1 alone.
            exact: compare every vector, whatever index there is.
            strict: an error when stage 2 fails while working, instead of stage 1's order.
            explain: list the candidates that did not become hits too.

        Raises:
            InvalidQuery, InvalidSettings: the request cannot be carried out.
            StoreNotFound, CollectionNotFound, EmbedderMismatch, UnknownModel, KeyMissing: a part is missing.
            RemoteFailure: a remote model did not do its work.
        """
        return next(
            self.query_many(
                [text],
                limit=limit,
                top_k=top_k,
                num_candidates=num_candidates,
                stage1=stage1,
                fusion=fusion,
                words_weight=words_weight,
                filter=filter,
                rerank_model=rerank_model,
                rerank=rerank,
                blend=blend,
                exact=exact,
                strict=strict,
                explain=explain,
            )
        )

    def query_many(
        self,
        texts: Iterable[str],
        *,
        limit: int | None = None,
        top_k: int | None = None,
        num_candidates: int | None = None,
        stage1: str | None = None,
        fusion: str | None = None,
        words_weight: float | None = None,
        filter: Filter | Mapping[str, Json] | Sequence[str] | None = None,
        rerank_model: str | None = None,
        rerank: bool | None = None,
        blend: float | None = None,
        exact: bool = False,
        strict: bool | None = None,
        explain: bool = False,
    ) -> Iterator[QueryResponse]:
        """One response after another, models loaded once. Arguments and errors as for `query`."""
        from vai.query import query

        depths = resolve_depths(self._settings, top_k=top_k, limit=limit, num_candidates=num_candidates)
        share = self._settings.blend if blend is None else blend
        if share is not None and not 0.0 <= share <= 1.0:
            raise InvalidSettings(f"--blend must be from 0 to 1: {share:g}")
        found_by = resolve_stage1(self._settings, mode=stage1, fusion=fusion, words_weight=words_weight)
        let_through = _as_filter(filter)
        known = self._engine.provenance(self._name)
        loading = self._start_opening_reranker(rerank_model, rerank)
        embedder = self._open_embedder(known)
        reranker = loading.result() if loading else None
        for text in texts:
            yield query(
                text,
                engine=self._engine,
                collection=self._name,
                embedder=embedder,
                reranker=reranker,
                depths=depths,
                root=self._root,
                stage1=found_by,
                filter=let_through,
                blend=share,
                exact=exact,
                strict=self._settings.strict if strict is None else strict,
                explain=explain,
            )

    def delete(
        self,
        *,
        ids: Sequence[str] = (),
        paths: Sequence[str | Path] = (),
        filter: Filter | Mapping[str, Json] | Sequence[str] | None = None,
        dry_run: bool = False,
        index_progress: Callable[[IndexProgress], None] | None = None,
    ) -> DeleteReport:
        """Remove documents, in one of three ways; the files that they came from are left alone.

        Files that are still there come back with the next ingest that meets them, unless `.vaiignore` names them.

        Args:
            ids: of documents.
            paths: files, and folders below which files are, whether or not they are there still.
            filter: documents that it lets through, written as for `query`.
            dry_run: say what would be removed, and change nothing.
            index_progress: called while the index is brought up to date.

        Raises:
            InvalidSettings: not exactly one way was named, or the filter is about passages.
            CollectionNotFound: nothing has been ingested yet.
            StoreFailure: the collection cannot be written to.
        """
        from vai.ingest.removing import remove

        return remove(
            engine=self._engine,
            collection=self._name,
            root=self._root,
            ids=ids,
            paths=[Path(path) for path in paths],
            filter=_as_filter(filter),
            dry_run=dry_run,
            index_progress=index_progress,
        )

    def export(
        self,
        path: str | Path,
        *,
        vectors: str | Path | None = None,
        with_vectors: bool = True,
        filter: Filter | Mapping[str, Json] | Sequence[str] | None = None,
        force: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> ExportReport:
        """Write every chunk, with its vector, into a file that `ingest` reads back under the same ids.

        Args:
            path: a file whose name ends in `.jsonl` or `.parquet`; `-` for lines of JSON on standard output.
            vectors: a NumPy file for the vectors, row i of chunk i, which are then not in `path`.
            with_vectors: whether vectors are written at all.
            filter: only chunks that it lets through, written as for `query`.
            force: replace files that are there already.
            progress: called with the number of chunks written so far.

        Raises:
            and all that `vai.exporting.export` raises.
        """
        from vai.exporting import export

        return export(
            engine=self._engine,
            collection=self._name,
            path=Path(path),
            vectors=None if vectors is None else Path(vectors),
            with_vectors=with_vectors,
            filter=_as_filter(filter),
            force=force,
            progress=progress,
        )

    # ── the parts ──

    def _known(self) -> Provenance | None:
        try:
            return self._engine.provenance(self._name)
        except CollectionNotFound:
            return None

    def _open_embedder(self, known: Provenance | None) -> Embedder:
        """The embedder that was named, else the collection's, else the settings', else the bundled one.

        Raises:
            EmbedderMismatch: it is not the one that the collection was made with.
        """
        if self._embedder is None:
            made_with = known.embedder if known else self._settings.embedder
            name = (made_with or DEFAULT_EMBEDDER) if self._embedder_name is None else self._embedder_name
            if known is not None and name != known.embedder:
                raise _mismatch(self._name, known, name)
            try:
                self._embedder = open_embedder(name, threads=self._settings.threads)
            except UnknownModel as error:
                raise (error if known is None else _not_here(self._name, known)) from error
        embedder = self._embedder
        if known is not None and (embedder.name, embedder.revision) != (known.embedder, known.revision):
            raise _mismatch(self._name, known, embedder.name, embedder.revision)
        return embedder

    def _start_opening_reranker(self, named: str | None, rerank: bool | None) -> Future[Reranker] | None:
        """Begin to load the reranker, while the caller loads the embedder; None if stage 2 is not to run."""
        if named is not None and rerank is False:
            raise InvalidSettings(
                f"--no-rerank and --rerank-model {named} contradict each other", hint="leave one of them out"
            )
        if rerank is False or (rerank is None and named is None and not self._settings.rerank):
            return None
        if named is None and self._reranker is not None:
            given: Future[Reranker] = Future()
            given.set_result(self._reranker)
            return given
        wished = (named, self._reranker_name, self._settings.rerank_model, DEFAULT_RERANKER)
        name = next(name for name in wished if name is not None)
        if name not in self._rerankers:
            self._rerankers[name] = _in_background(
                lambda: open_reranker(name, threads=self._settings.threads)
            )
        return self._rerankers[name]


def list_collections(store: str | Path = STORE_FOLDER) -> tuple[CollectionInfo, ...]:
    """What a store holds, by name; the store is found as by `Collection.open`.

    Raises:
        StoreNotFound: there is none.
        StoreFailure: it cannot be read.
    """
    from vai.engines.embedded import EmbeddedEngine

    engine = EmbeddedEngine(located_store(store), create=False)
    try:
        return tuple(engine.collections())
    finally:
        engine.close()


def survey_collections(
    store: str | Path = STORE_FOLDER,
) -> tuple[tuple[CollectionInfo, ...], tuple[DamagedCollection, ...]]:
    """What a store holds, by name, and the collections in it that cannot be read.

    Raises:
        StoreNotFound: there is none.
        StoreFailure: the store itself cannot be read.
    """
    from vai.engines.embedded import EmbeddedEngine

    engine = EmbeddedEngine(located_store(store), create=False)
    whole: list[CollectionInfo] = []
    damaged: list[DamagedCollection] = []
    try:
        for name in engine.names():
            try:
                whole.append(engine.describe(name))
            except StoreFailure as error:
                damaged.append(DamagedCollection(name, error.message, error.hint))
    finally:
        engine.close()
    return tuple(whole), tuple(damaged)


def drop_collection(name: str, store: str | Path = STORE_FOLDER) -> None:
    """Remove a collection with all it holds, also one that cannot be read; the files it was made from stay.

    Raises:
        StoreNotFound, CollectionNotFound: there is none.
        StoreBusy, StoreReadOnly: it cannot be removed.
    """
    from vai.engines.embedded import EmbeddedEngine

    engine = EmbeddedEngine(located_store(store), create=False)
    try:
        engine.drop(name)
    finally:
        engine.close()


def located_store(store: str | Path = STORE_FOLDER) -> Path:
    """The folder of the store that is meant, whether or not it is there yet."""
    named = None if str(store) == STORE_FOLDER else Path(store)
    return find_store(named, os.environ, Path.cwd())


def _as_filter(given: Filter | Mapping[str, Json] | Sequence[str] | None) -> Filter | None:
    if given is None:
        return None
    from vai.filter_syntax import as_filter

    return as_filter(given)


def _in_background(work: Callable[[], Reranker]) -> Future[Reranker]:
    future: Future[Reranker] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            future.set_exception(error)

    Thread(target=run, name="vai-load", daemon=True).start()
    return future


def _mismatch(collection: str, known: Provenance, name: str, revision: str = "") -> EmbedderMismatch:
    """Another embedder, or the same one in another revision, which makes other vectors."""
    other = f"revision `{revision}` of it" if name == known.embedder else f"`{name}`"
    elsewhere = "ingest into another collection with `--collection NAME`"
    return EmbedderMismatch(
        f"the collection `{collection}` was made with the embedder `{known.embedder}` (revision "
        f"`{known.revision}`), not with {other}",
        hint=elsewhere if name == known.embedder else f"leave `--embedder` out, or {elsewhere}",
    )


def _not_here(collection: str, known: Provenance) -> EmbedderMismatch:
    return EmbedderMismatch(
        f"the collection `{collection}` was made with the embedder `{known.embedder}`, which cannot be named here",
        hint="open it with `Collection.open(…, embedder=…)` from Python, or ingest into another collection with "
        "`--collection NAME`",
    )


def _check_chunk_tokens(size: int, embedder: Embedder) -> None:
    most = embedder.max_tokens - 2 - CONTEXT_TOKENS
    if not SMALLEST_CHUNK <= size <= most:
        raise InvalidSettings(
            f"--chunk-tokens must be from {SMALLEST_CHUNK} to {most:,} for {embedder.name}, which reads "
            f"{embedder.max_tokens:,} tokens, headings included: {size}"
        )
