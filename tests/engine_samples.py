"""Small documents, chunks and vectors to store, and how to store them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vai.arrays import Matrix, Vector
from vai.engines.embedded import EmbeddedEngine
from vai.protocols import Engine, Writer
from vai.types import Chunk, Json, Provenance, SourceState, Stamp, StoredDocument

NAME = "default"
DIMENSION = 4
PROVENANCE = Provenance(embedder="hashing", revision="1", dimension=DIMENSION, chunk_tokens=200)


def unit(*numbers: float) -> Vector:
    """The vector of unit length in a direction, float32 [n]."""
    vector = np.array(numbers, dtype=np.float64)
    scaled: Vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return scaled


EAST, NORTH, UP, SOUTH = unit(1, 0, 0, 0), unit(0, 1, 0, 0), unit(0, 0, 1, 0), unit(0, -1, 0, 0)
NORTH_EAST = unit(1, 1, 0, 0)


def directions(count: int, seed: int = 0) -> Matrix:
    """Unit vectors float32 [count, DIMENSION] that point anywhere, the same for the same seed."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    scaled: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def document(
    document_id: str,
    source: str = "notes.md",
    *,
    digest: str = "1",
    title: str = "",
    metadata: Mapping[str, Json] | None = None,
) -> StoredDocument:
    """A document as a collection keeps it."""
    return StoredDocument(document_id, source, title, digest, metadata or {})


def chunk(of: StoredDocument, ordinal: int = 0, text: str = "words", *, line: int | None = 1) -> Chunk:
    """A chunk of a document."""
    return Chunk(
        document_id=of.id,
        ordinal=ordinal,
        source=of.source,
        title=of.title,
        text=text,
        start=10 * ordinal,
        end=10 * ordinal + len(text),
        start_line=line,
        end_line=line,
        page=None,
        heading=(),
        tokens=1,
        metadata=of.metadata,
    )


def state(name: str, *, content: str = "content", recipe: str = "recipe", size: int = 1) -> SourceState:
    """What was ingested of a source."""
    return SourceState(name, Stamp(size, mtime_ns=2, ctime_ns=3), read_ns=4, content=content, recipe=recipe)


def put(writer: Writer, of: StoredDocument, vectors: Sequence[Vector], text: str = "words") -> None:
    """Put a document with a chunk for each vector."""
    writer.put(of)
    if len(vectors):
        writer.add([chunk(of, ordinal, text) for ordinal in range(len(vectors))], np.array(vectors))


def store_documents(
    engine: Engine,
    vectors_by_id: Mapping[str, Sequence[Vector]],
    *,
    source: str = "notes.md",
    text: str = "words",
    collection: str = NAME,
) -> None:
    """Make the collection if need be, and commit these documents as all that the source holds."""
    engine.create(collection, PROVENANCE)
    with engine.writing(collection) as writer:
        for document_id, vectors in vectors_by_id.items():
            put(writer, document(document_id, source), vectors, text)
        writer.finish_source(state(source))
        writer.commit()


def found_ids(engine: Engine, query: Vector, limit: int = 100, *, collection: str = NAME) -> list[str]:
    """Ids of what a search finds, best first."""
    found = engine.search(collection, query, limit=limit, num_candidates=max(limit, 100))
    return [candidate.chunk.id for candidate in found.candidates]


def collection_folder(store: Path, collection: str = NAME) -> Path:
    """Where the embedded engine keeps a collection."""
    return store / "collections" / collection


def store_of(store: Path, vectors_by_id: Mapping[str, Sequence[Vector]]) -> Path:
    """A store on disk with these documents, which nobody has open; returns the collection's folder."""
    engine = EmbeddedEngine(store)
    store_documents(engine, vectors_by_id)
    engine.close()
    return collection_folder(store)
