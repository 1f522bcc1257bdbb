"""vai's embedded engine, as an ingest and a query use it, without the models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from peers import Answer, Matrix, Vector, batches, category_of, text_of
from vai.engines.embedded import EmbeddedEngine
from vai.filters import Condition
from vai.protocols import Writer
from vai.types import Chunk, Found, Provenance, SourceState, Stamp, StoredDocument

COLLECTION = "rows"
IN_SOURCE = 1_000
"""Documents of one source."""


class Peer:
    """See `peers.Peer`. Every row is a document of one chunk: the most that so many vectors can cost."""

    packages = ("vai-retrieval", "usearch", "numpy")
    keeps = "vectors, texts, categories, index of words"
    searches = "HNSW, compared again in float32; small collections every vector"
    filters = True
    depths = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self._engine = EmbeddedEngine(folder)

    def build(self, vectors: Matrix, threads: int) -> None:
        self._engine.create(COLLECTION, Provenance("all-MiniLM-L6-v2", "none", vectors.shape[1], 200))
        with self._engine.writing(COLLECTION) as writer:
            for start, batch in batches(vectors):
                _put(writer, start, batch)
                writer.commit()
            writer.settle()

    def open(self) -> None:
        """Nothing: the first search opens the collection."""

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        return _answer(self._engine.search(COLLECTION, vector, limit=limit, num_candidates=max(depth, limit)))

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        only = Condition("category", metadata=True, operator="eq", value=category)
        return _answer(
            self._engine.search(
                COLLECTION, vector, limit=limit, num_candidates=max(depth, limit), filter=only
            )
        )

    def add(self, first: int, vectors: Matrix) -> None:
        with self._engine.writing(COLLECTION) as writer:
            _put(writer, first, vectors)
            writer.commit()
            writer.settle()

    def delete(self, rows: Sequence[int]) -> None:
        with self._engine.writing(COLLECTION) as writer:
            for row in rows:
                writer.remove_document(str(row))
            writer.commit()
            writer.settle()

    def close(self) -> None:
        self._engine.close()


def _put(writer: Writer, first: int, vectors: Matrix) -> None:
    for start in range(0, len(vectors), IN_SOURCE):
        some = vectors[start : start + IN_SOURCE]
        rows = range(first + start, first + start + len(some))
        source = f"{rows[0]}.jsonl"
        for row in rows:
            writer.put(StoredDocument(str(row), source, "", "none", {"category": category_of(row)}))
        writer.add([_chunk(row, source) for row in rows], some)
        writer.finish_source(SourceState(source, Stamp(0, 0, 0), 0, "none", "none"))


def _chunk(row: int, source: str) -> Chunk:
    text = text_of(row)
    return Chunk(
        document_id=str(row),
        ordinal=0,
        source=source,
        title="",
        text=text,
        start=0,
        end=len(text),
        start_line=1,
        end_line=1,
        page=None,
        heading=(),
        tokens=20,
    )


def _answer(found: Found) -> Answer:
    return (
        [int(candidate.chunk.document_id) for candidate in found.candidates],
        [candidate.similarity for candidate in found.candidates],
    )
