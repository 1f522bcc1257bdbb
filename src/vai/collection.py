"""The object that users hold: a collection, joined to its models and settings."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from vai.errors import CollectionNotFound, InvalidSettings, StoreFailure
from vai.parts import Parts
from vai.planning import IngestOptions, QueryOptions, filter_of, plan_query
from vai.protocols import Embedder, Engine, Reranker
from vai.reranking import price
from vai.settings import (
    DEFAULT_CHUNK_TOKENS,
    DEFAULT_MAX_FILE_MB,
    STORE_FOLDER,
    Settings,
    find_store,
    load_settings,
)
from vai.types import (
    WHOLE,
    Chunk,
    CollectionInfo,
    DamagedCollection,
    DeleteReport,
    Estimate,
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
    from vai.documents import ReadOptions
    from vai.filters import Filter

SMALLEST_CHUNK = 16
CONTEXT_TOKENS = 24
"""Left free beside a chunk for its title and headings."""


class Collection:
    """Documents that can be searched in two stages. Use `Collection.open`.

    Models are loaded when they are first needed and kept. Not for two threads at a time.
    """

    def __init__(self, engine: Engine, name: str, root: Path, settings: Settings, parts: Parts) -> None:
        self._engine = engine
        self._name = name
        self._root = root
        self._settings = settings
        self._parts = parts

    @classmethod
    def open(
        cls,
        store: str | Path = STORE_FOLDER,
        name: str | None = None,
        *,
        create: bool = True,
        embedder: str | Embedder | None = None,
        reranker: str | Reranker | None = None,
        dimension: int | None = None,
        query_embedder: str | None = None,
        max_usd: float | None = None,
        settings: Settings | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Self:
        """Open a collection of a store on this machine.

        Args:
            store: the store's folder; the default, like the command line, takes `VAI_STORE` or looks for the
                nearest `.vai` upward and ends at one in the working directory.
            name: the collection; `default` unless the settings say otherwise.
            create: the first ingest makes the store and the collection where they are not there yet.
            embedder: its name, or an object; for a collection that exists it must be the one it was made with.
            reranker: its name, or an object, for queries that name none.
            dimension: of the vectors of a collection still to be made, where the embedder offers several.
            query_embedder: embeds queries, where it shares the embedder's space.
            max_usd: US dollars that models may cost as long as the collection is open.
            settings: instead of those in the settings files and the environment.
            say: is told in a sentence what takes long, such as fetching a model.

        Raises:
            StoreNotFound, CollectionNotFound: `create` is false and there is none.
            InvalidSettings: a settings file or variable is wrong.
            StoreFailure: the store cannot be used.
        """
        from vai.engines.embedded import EmbeddedEngine

        folder = located_store(store)
        in_force = load_settings(folder, os.environ) if settings is None else settings
        engine = EmbeddedEngine(folder, create=create)
        parts = Parts(
            in_force,
            folder,
            embedder=embedder,
            reranker=reranker,
            dimension=dimension,
            query_embedder=query_embedder,
            max_usd=max_usd,
            say=say,
        )
        named = in_force.collection if name is None else name
        collection = cls(engine, named, folder.parent, in_force, parts)
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
        self._parts.close()
        self._engine.close()

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._name

    @property
    def root(self) -> Path:
        """The folder that holds the store, which the names of sources are relative to."""
        return self._root

    @property
    def engine(self) -> Engine:
        """Where it lives; its methods take the collection's name."""
        return self._engine

    @property
    def settings(self) -> Settings:
        """The settings in force, where a query or an ingest says nothing else."""
        return self._settings

    def open_query_embedder(self) -> Embedder:
        """The model that embeds queries, loaded.

        Raises:
            CollectionNotFound: nothing has been ingested yet.
            EmbedderMismatch, UnknownModel, KeyMissing: there is no such model.
        """
        return self._parts.query_embedder(self._name, self._engine.provenance(self._name))

    def open_reranker(self, name: str | None = None, *, cache: bool = True) -> Reranker:
        """The reranker of that name, or the one that queries use, with what `vai calibrate` has measured of it.

        Args:
            cache: whether what it has read earlier is used again, and kept; not for one that was given as an object.

        Raises:
            UnknownModel, KeyMissing, UnsupportedModel: there is no such model.
        """
        plan = plan_query(self._settings, rerank=True, rerank_model=name, cache=cache)
        opening = self._parts.start_opening_reranker(plan)
        assert opening is not None, "the plan is to rerank"
        return self._parts.stage2(opening.result(), plan).reranker

    def chunks(self, ids: Sequence[str]) -> Mapping[str, Chunk]:
        """Those of the chunks with these ids that are stored; a document that is there has the chunk `<id>#0`.

        Raises:
            CollectionNotFound: nothing has been ingested yet.
        """
        return self._engine.chunks(self._name, ids)

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
        vectors: str | Path | None = None,
        vector_field: str | None = None,
        progress: Callable[[IngestProgress], None] | None = None,
        index_progress: Callable[[IndexProgress], None] | None = None,
        **options: Unpack[IngestOptions],
    ) -> IngestReport:
        """Bring the collection up to date with files and folders: what has not changed costs nothing.

        Args:
            paths: folders also lose the documents of files that are gone from them.
            vectors: a NumPy file with ready-made vectors for the one file of records in `paths`, row i for
                record i. No model is asked then, and each record is one chunk.
            vector_field: the field of records, or column of a Parquet file, that holds ready-made vectors; a
                Parquet file's column `vector` is taken for that without being named.
            progress: called now and then with how far it has come.
            index_progress: called while the index is brought up to date, at the end.
            options: what `vai.planning.IngestOptions` lists.

        Raises:
            EmbedderMismatch: the collection was made with another embedder.
            and all that `vai.ingest.ingest` or `vai.ingest.ready_made` raises.
        """
        from vai.ingest import ingest
        from vai.ingest.naming import find_vector_files
        from vai.ingest.ready_made import import_ready_made

        reading, chunk_tokens, chunking = _reading(**options)
        named = _named(paths)
        ready_made = find_vector_files(
            named,
            root=self._root,
            options=reading,
            vectors=None if vectors is None else Path(vectors),
            vector_field=vector_field,
        )
        known = self._known()
        embedder = self._parts.embedder(self._name, known)
        size = self._chunk_size(known, chunk_tokens, chunking, embedder)
        if ready_made:
            if chunk_tokens is not None or chunking is not None:
                flag = "--no-chunking" if chunk_tokens is None else f"--chunk-tokens {chunk_tokens}"
                raise InvalidSettings(
                    f"{flag} has no meaning for ready-made vectors: each is of a whole record"
                )
            return import_ready_made(
                ready_made,
                engine=self._engine,
                collection=self._name,
                made_by=Provenance(embedder.name, embedder.revision, embedder.dimension, size),
                root=self._root,
                options=reading,
                progress=progress,
                index_progress=index_progress,
            )
        report = ingest(
            named,
            engine=self._engine,
            collection=self._name,
            embedder=embedder,
            root=self._root,
            read_options=reading,
            chunk_tokens=size,
            progress=progress,
            index_progress=index_progress,
        )
        return replace(
            report,
            usd=price(report.tokens, embedder.usd_per_million_tokens),
            warnings=(*report.warnings, *self._parts.purse.warnings),
        )

    def estimate_ingest(self, *paths: str | Path, **options: Unpack[IngestOptions]) -> Estimate:
        """What an ingest of the same would cost: files are read and chunked, and no model is called.

        Raises:
            PathNotFound, InvalidSettings, StoreFailure: as `ingest` does.
            UnknownModel: the embedder is none.
        """
        from vai.estimating import estimate_ingest

        reading, chunk_tokens, chunking = _reading(**options)
        known = self._known()
        embedding = self._parts.embedding_tariff(known)
        embedder = self._parts.embedder(self._name, known) if embedding.runs_here else None
        return estimate_ingest(
            _named(paths),
            engine=self._engine,
            collection=self._name,
            embedding=embedding,
            embedder=embedder,
            root=self._root,
            read_options=reading,
            chunk_tokens=self._chunk_size(known, chunk_tokens, chunking, embedder),
        )

    def query(self, text: str, **options: Unpack[QueryOptions]) -> QueryResponse:
        """Both stages for one query; see `vai.query.query` for what they do.

        Args:
            options: what `vai.planning.QueryOptions` lists, named as the flags are.

        Raises:
            InvalidQuery, InvalidSettings: the request cannot be carried out.
            StoreNotFound, CollectionNotFound, EmbedderMismatch, UnknownModel, KeyMissing: a part is missing.
            RemoteFailure: a remote model did not do its work.
            BudgetSpent: the money does not reach, or `strict` and time or money did not.
        """
        return next(self.query_many([text], **options))

    def query_many(self, texts: Iterable[str], **options: Unpack[QueryOptions]) -> Iterator[QueryResponse]:
        """One response after another, models loaded once. Options and errors as for `query`."""
        from vai.query import query

        plan = plan_query(self._settings, **options)
        known = self._engine.provenance(self._name)
        began, before = time.perf_counter(), self._parts.opened_count
        loading = self._parts.start_opening_reranker(plan)
        embedder = self._parts.query_embedder(self._name, known)
        stage2 = self._parts.stage2(loading.result(), plan) if loading else None
        load = self._parts.opened_since(before, began)
        for text in texts:
            yield query(
                text,
                engine=self._engine,
                collection=self._name,
                embedder=embedder,
                stage2=stage2,
                plan=plan,
                root=self._root,
                load=load,
            )
            load = None

    def estimate_query(self, texts: Sequence[str], **options: Unpack[QueryOptions]) -> Estimate:
        """What these queries would cost: stage 1 runs if it needs no remote model, and no paid model is called.

        Raises:
            InvalidQuery, InvalidSettings, CollectionNotFound, UnknownModel: as `query` does.
        """
        from vai.estimating import estimate_query

        plan = plan_query(self._settings, **options)
        known = self._engine.provenance(self._name)
        embedding, reranking = self._parts.embedding_tariff(known, of_queries=True), None
        if plan.rerank:
            reranking = self._parts.reranking_tariff(plan)
        return estimate_query(
            texts,
            engine=self._engine,
            collection=self._name,
            plan=plan,
            embedding=embedding,
            embedder=self._parts.query_embedder(self._name, known) if embedding.runs_here else None,
            reranking=reranking,
            unread=self._parts.unread(plan, reranking) if reranking else None,
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the models that were used, such as that spending could not be recorded."""
        return self._parts.purse.warnings

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
            filter=filter_of(filter),
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
            filter=filter_of(filter),
            force=force,
            progress=progress,
        )

    # ── the parts ──

    def _chunk_size(
        self, known: Provenance | None, asked: int | None, chunking: bool | None, embedder: Embedder | None
    ) -> int:
        """The size that was asked for, the collection's, the settings', or the default where the model reads as much.

        It is `WHOLE` where there is to be no chunking, and where the collection has none and nothing was asked for.

        Raises:
            InvalidSettings: the embedder, if it is open, does not read so much.
        """
        is_whole = known is not None and known.chunk_tokens == WHOLE
        if chunking is False or (is_whole and chunking is None and asked is None):
            return WHOLE
        made_with = known.chunk_tokens if known and not is_whole else self._settings.chunk_tokens
        wished = made_with if asked is None else asked
        if embedder is None:
            return wished or DEFAULT_CHUNK_TOKENS
        most = embedder.max_tokens - 2 - CONTEXT_TOKENS
        size = min(DEFAULT_CHUNK_TOKENS, most) if wished is None else wished
        if not SMALLEST_CHUNK <= size <= most:
            raise InvalidSettings(
                f"--chunk-tokens must be from {SMALLEST_CHUNK} to {most:,} for {embedder.name}, which reads "
                f"{embedder.max_tokens:,} tokens, headings included: {size}"
            )
        return size

    def _known(self) -> Provenance | None:
        try:
            return self._engine.provenance(self._name)
        except CollectionNotFound:
            return None


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


def _named(paths: Sequence[str | Path]) -> list[Path]:
    if not paths:
        raise InvalidSettings("there is nothing to ingest", hint="name files or folders: `vai ingest PATH`")
    return [Path(path) for path in paths]


def _reading(
    *,
    chunk_tokens: int | None = None,
    chunking: bool | None = None,
    text_field: str | None = None,
    title_field: str | None = None,
    id_field: str | None = None,
    max_file_mb: float = DEFAULT_MAX_FILE_MB,
) -> tuple[ReadOptions, int | None, bool | None]:
    """How files are read, and what was asked for of chunks, size and whether there are any: `IngestOptions`."""
    from vai.documents import ReadOptions

    if chunking is False and chunk_tokens is not None:
        raise InvalidSettings(
            f"--no-chunking and --chunk-tokens {chunk_tokens} contradict each other: a whole document has no size",
            hint="leave one of them out",
        )
    if not 0 < max_file_mb < math.inf:
        raise InvalidSettings(f"--max-file-mb must be a number of megabytes above 0: {max_file_mb:g}")
    reading = ReadOptions(
        text_field=text_field,
        title_field=title_field,
        id_field=id_field,
        max_file_bytes=int(max_file_mb * 2**20),
    )
    return reading, chunk_tokens, chunking
