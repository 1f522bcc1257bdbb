"""The oracle: collections in memory, every search by comparing every vector, nothing clever.

The other engines are judged by it. It is also an engine for a process that keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.engines.bm25 import score_texts
from vai.engines.fusion import Worded, by_both, by_vector, by_words, pooled
from vai.engines.ranking import best_rows
from vai.engines.vectors import Similar
from vai.errors import CollectionNotFound, StoreBusy, UnsupportedByEngine
from vai.filters import (
    Filter,
    FilterFields,
    field_names,
    filter_fields,
    matches,
    require_about_documents,
)
from vai.types import (
    BY_VECTOR,
    Chunk,
    Claim,
    CollectionInfo,
    Found,
    IndexCost,
    IndexInfo,
    IndexProgress,
    Pool,
    Precision,
    Provenance,
    SourceState,
    Stage1,
    StoredDocument,
)


@dataclass
class _State:
    """What a collection holds at one commit; chunks with their vectors, in the order in which they were added."""

    provenance: Provenance
    updated: str
    sources: dict[str, SourceState] = field(default_factory=dict)
    documents: dict[str, StoredDocument] = field(default_factory=dict)
    chunks: list[tuple[Chunk, Vector]] = field(default_factory=list)


class ExactEngine:
    """See `vai.protocols.Engine`."""

    name = "exact"

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._writing: set[str] = set()

    def close(self) -> None:
        """Nothing is held open."""

    def collections(self) -> Sequence[CollectionInfo]:
        return [self.describe(name) for name in sorted(self._states)]

    def describe(self, collection: str) -> CollectionInfo:
        state = self._state(collection)
        return CollectionInfo(
            name=collection,
            sources=len(state.sources),
            documents=len(state.documents),
            chunks=len(state.chunks),
            bytes=sum(vector.nbytes for _, vector in state.chunks),
            updated=state.updated,
            provenance=state.provenance,
        )

    def provenance(self, collection: str) -> Provenance:
        return self._state(collection).provenance

    def create(self, collection: str, provenance: Provenance) -> None:
        self._states.setdefault(collection, _State(provenance, _now()))

    def drop(self, collection: str) -> None:
        self._state(collection)
        self._refuse_second_writer(collection)
        del self._states[collection]

    @contextmanager
    def writing(self, collection: str) -> Iterator[ExactWriter]:
        state = self._state(collection)
        self._refuse_second_writer(collection)
        self._writing.add(collection)
        try:
            yield ExactWriter(self._states, collection, state)
        finally:
            self._writing.discard(collection)

    def search(
        self,
        collection: str,
        vector: Vector,
        *,
        limit: int,
        num_candidates: int,
        exact: bool = False,
        text: str = "",
        stage1: Stage1 = BY_VECTOR,
        filter: Filter | None = None,
    ) -> Found:
        state = self._state(collection)
        allowed = self._allowed(state, filter)

        def similarities(rows: NDArray[np.int64]) -> Vector:
            return _similarities(state, vector, rows)

        similar = _nearest(state, vector, allowed, num_candidates)
        if stage1.mode == "vector":
            scored = by_vector(similar, limit)
        else:
            words, worded = _worded(state, text, allowed, num_candidates)
            if stage1.mode == "words":
                scored = by_words(worded, limit, similarities)
            else:
                scored = by_both(
                    similar,
                    worded,
                    stage1,
                    limit,
                    similarities=similarities,
                    words_scores=lambda rows: words[rows],
                )
        return Found(
            tuple(
                item.candidate(state.chunks[item.row][0], rank) for rank, item in enumerate(scored, start=1)
            ),
            exact=True,
            matched=None if filter is None else int(allowed.sum()),
        )

    def pool(
        self,
        collection: str,
        vector: Vector,
        *,
        text: str,
        limit: int,
        num_candidates: int,
        exact: bool = False,
        filter: Filter | None = None,
    ) -> Pool:
        state = self._state(collection)
        allowed = self._allowed(state, filter)
        words, worded = _worded(state, text, allowed, num_candidates)
        rows, scores = pooled(
            _nearest(state, vector, allowed, num_candidates),
            worded,
            similarities=lambda some: _similarities(state, vector, some),
            words_scores=lambda some: words[some],
        )
        return Pool(tuple(state.chunks[row][0].id for row in rows), scores, exact=True)

    def fields(self, collection: str) -> Sequence[str]:
        documents = self._state(collection).documents.values()
        return sorted({name for document in documents for name in field_names(document.metadata)})

    def documents(self, collection: str, filter: Filter | None = None) -> Sequence[str]:
        state = self._state(collection)
        if filter is not None:
            require_about_documents(filter)
        return [
            document.id
            for document in state.documents.values()
            if filter is None or matches(filter, _fields(state, document, heading=()))
        ]

    def scan(self, collection: str, filter: Filter | None = None) -> Iterator[tuple[Sequence[Chunk], Matrix]]:
        state = self._state(collection)
        for chunk, vector in list(state.chunks):
            if self._lets_through(state, chunk, filter):
                yield [chunk], vector.reshape(1, -1)

    def sample(self, collection: str, count: int) -> Matrix:
        state = self._state(collection)
        stored = [vector for _, vector in state.chunks]
        chosen = stored if len(stored) <= count else [stored[n * len(stored) // count] for n in range(count)]
        return np.array(chosen, dtype=np.float32).reshape(-1, state.provenance.dimension)

    def index(self, collection: str) -> IndexInfo:
        raise _no_index()

    def index_cost(self, collection: str, precision: Precision | None = None) -> IndexCost:
        raise _no_index()

    def build_index(
        self,
        collection: str,
        precision: Precision | None = None,
        progress: Callable[[IndexProgress], None] | None = None,
    ) -> IndexInfo:
        raise _no_index()

    def chunks(self, collection: str, ids: Sequence[str]) -> Mapping[str, Chunk]:
        found = {chunk.id: chunk for chunk, _ in self._state(collection).chunks}
        return {chunk_id: found[chunk_id] for chunk_id in ids if chunk_id in found}

    def source_states(self, collection: str, names: Sequence[str] | None = None) -> Sequence[SourceState]:
        sources = self._state(collection).sources
        return [sources[name] for name in (sorted(sources) if names is None else names) if name in sources]

    def check(self, collection: str) -> Sequence[str]:
        state = self._state(collection)
        crooked = [
            chunk.id for chunk, vector in state.chunks if not abs(float(np.linalg.norm(vector)) - 1.0) < 1e-3
        ]
        return [f"{len(crooked):,} vectors are not of unit length"] if crooked else []

    def _allowed(self, state: _State, filter: Filter | None) -> NDArray[np.bool_]:
        """Which chunks may be found, bool [chunks]."""
        return np.array(
            [self._lets_through(state, chunk, filter) for chunk, _ in state.chunks], dtype=np.bool_
        )

    def _lets_through(self, state: _State, chunk: Chunk, filter: Filter | None) -> bool:
        if filter is None:
            return True
        document = state.documents[chunk.document_id]
        return matches(filter, _fields(state, document, heading=chunk.heading))

    def _state(self, collection: str) -> _State:
        if collection not in self._states:
            raise CollectionNotFound(f"there is no collection `{collection}` in memory")
        return self._states[collection]

    def _refuse_second_writer(self, collection: str) -> None:
        if collection in self._writing:
            raise StoreBusy(f"the collection `{collection}` is being written to by this process")


class ExactWriter:
    """See `vai.protocols.Writer`: works on a copy, which a commit puts in the original's place."""

    def __init__(self, states: dict[str, _State], collection: str, state: _State) -> None:
        self._states = states
        self._collection = collection
        self._state = deepcopy(state)
        self._current: set[str] = set()

    def note_chunk_tokens(self, chunk_tokens: int) -> None:
        self._state.provenance = replace(self._state.provenance, chunk_tokens=chunk_tokens)

    def source(self, name: str) -> SourceState | None:
        return self._state.sources.get(name)

    def sources_under(self, prefix: str) -> Sequence[str]:
        named = {*self._state.sources, *(document.source for document in self._state.documents.values())}
        return sorted(name for name in named if name.startswith(prefix))

    def claims(self, ids: Sequence[str]) -> Mapping[str, Claim]:
        stored = (self._state.documents.get(document_id) for document_id in ids)
        return {
            document.id: Claim(document.source, document.digest, document.id in self._current)
            for document in stored
            if document
        }

    def document_count(self, source: str) -> int:
        return len(self._documents_of(source))

    def put(self, document: StoredDocument) -> None:
        self.remove_document(document.id)
        self._state.documents[document.id] = document
        self._current.add(document.id)

    def add(self, chunks: Sequence[Chunk], vectors: Matrix) -> None:
        for chunk in chunks:
            if chunk.document_id not in self._state.documents:
                raise ValueError(f"the document `{chunk.document_id}` was not put")
        added = zip(chunks, vectors, strict=True)
        self._state.chunks.extend([(chunk, vector.copy()) for chunk, vector in added])

    def keep(self, lines: Mapping[str, int | None]) -> None:
        self._current.update(lines.keys() & self._state.documents.keys())
        self._state.chunks = [
            (chunk if line is None else replace(chunk, start_line=line, end_line=line), vector)
            for chunk, vector in self._state.chunks
            for line in [lines.get(chunk.document_id)]
        ]

    def finish_source(self, state: SourceState) -> int:
        gone = [
            document_id for document_id in self._documents_of(state.name) if document_id not in self._current
        ]
        for document_id in gone:
            self.remove_document(document_id)
        self._current.clear()
        self._state.sources[state.name] = state
        return len(gone)

    def note_source(self, state: SourceState) -> None:
        self._state.sources[state.name] = state

    def remove_source(self, name: str) -> int:
        documents = self._documents_of(name)
        for document_id in documents:
            self.remove_document(document_id)
        self._state.sources.pop(name, None)
        return len(documents)

    def remove_document(self, document_id: str) -> None:
        if self._state.documents.pop(document_id, None) is None:
            return
        self._state.chunks = [pair for pair in self._state.chunks if pair[0].document_id != document_id]
        self._current.discard(document_id)

    def settle(self, progress: Callable[[IndexProgress], None] | None = None) -> None:
        """Nothing is put off."""

    def commit(self) -> None:
        self._state.updated = _now()
        self._states[self._collection] = deepcopy(self._state)

    def _documents_of(self, source: str) -> list[str]:
        return [document.id for document in self._state.documents.values() if document.source == source]


def _similarities(state: _State, vector: Vector, rows: NDArray[np.int64]) -> Vector:
    return np.array([np.dot(state.chunks[row][1], vector) for row in rows], dtype=np.float32)


def _nearest(state: _State, vector: Vector, allowed: NDArray[np.bool_], count: int) -> Similar:
    every = np.flatnonzero(allowed)
    return Similar(*_best(every, _similarities(state, vector, every), count))


def _worded(state: _State, text: str, allowed: NDArray[np.bool_], count: int) -> tuple[Vector, Worded]:
    """BM25 of every chunk, and the best of those that may be found."""
    words = score_texts(text, [chunk.passage for chunk, _ in state.chunks])
    some = np.flatnonzero(allowed & (words > 0))
    return words, Worded(*_best(some, words[some], count))


def _best(rows: NDArray[np.int64], values: Vector, limit: int) -> tuple[NDArray[np.int64], Vector]:
    """The rows with the greatest values, and these: best first, equal ones by row."""
    best = best_rows(values, limit)
    return rows[best], values[best]


def _fields(state: _State, document: StoredDocument, *, heading: tuple[str, ...]) -> FilterFields:
    source = state.sources.get(document.source)
    return filter_fields(
        document_id=document.id,
        source=document.source,
        title=document.title,
        mtime_ns=source.stamp.mtime_ns if source else 0,
        heading=heading,
        metadata=document.metadata,
    )


def _no_index() -> UnsupportedByEngine:
    return UnsupportedByEngine("the engine `exact` compares every vector and has no index")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
