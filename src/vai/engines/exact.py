"""The oracle: collections in memory, every search by comparing every vector, nothing clever.

The other engines are judged by it. It is also an engine for a process that keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from vai.arrays import Matrix, Vector
from vai.engines.ranking import best_rows
from vai.errors import CollectionNotFound, StoreBusy
from vai.types import Candidate, Chunk, Claim, CollectionInfo, Found, Provenance, SourceState, StoredDocument


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
        self, collection: str, vector: Vector, *, limit: int, num_candidates: int, exact: bool = False
    ) -> Found:
        stored = self._state(collection).chunks
        values = np.array([np.dot(stored_vector, vector) for _, stored_vector in stored], dtype=np.float32)
        return Found(
            tuple(
                Candidate(stored[row][0], float(values[row]), rank, float(values[row]), vector_rank=rank)
                for rank, row in enumerate(best_rows(values, limit), start=1)
            ),
            exact=True,
        )

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

    def commit(self) -> None:
        self._state.updated = _now()
        self._states[self._collection] = deepcopy(self._state)

    def _documents_of(self, source: str) -> list[str]:
        return [document.id for document in self._state.documents.values() if document.source == source]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
