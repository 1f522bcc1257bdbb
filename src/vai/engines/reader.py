"""Reading a collection: one connection and one mapped vector file, always on a whole state.

Each method runs in a read transaction, so that what it sees is one commit, whatever a writer does meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.engines.database import connect_reader, contents_understood, has_pending_changes, read_meta
from vai.engines.vectors import BLOCK, map_vectors, most_similar
from vai.types import Candidate, Chunk, CollectionInfo, Found, Provenance, SourceState, Stamp

DATABASE = "collection.db"

_CHUNK = """
SELECT chunks.vector, documents.id, chunks.ordinal, sources.name, documents.title, chunks.text, chunks.first,
       chunks.last, chunks.start_line, chunks.end_line, chunks.page, chunks.heading, chunks.tokens, documents.metadata
FROM chunks JOIN documents ON documents.number = chunks.document JOIN sources ON sources.number = documents.source
"""
_SOURCE = "SELECT name, size, mtime_ns, ctime_ns, read_ns, content, recipe FROM sources WHERE recipe <> ''"
SOURCE_BY_NAME = f"{_SOURCE} AND name = ?"
_PARAMETERS = 500
"""Values bound to one statement; every SQLite allows 999."""


def source_state(row: tuple[str, int, int, int, int, str, str]) -> SourceState:
    """A row of `sources` as a value."""
    name, size, mtime_ns, ctime_ns, read_ns, content, recipe = row
    return SourceState(name, Stamp(size, mtime_ns, ctime_ns), read_ns, content, recipe)


def in_groups(values: Sequence[str] | Sequence[int]) -> Iterator[tuple[str, Sequence[str] | Sequence[int]]]:
    """Groups small enough for one statement, each with its placeholders."""
    for start in range(0, len(values), _PARAMETERS):
        group = values[start : start + _PARAMETERS]
        yield ", ".join("?" * len(group)), group


class Reader:
    """One reader of one collection. Not for two threads at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._identity = _identity(folder / DATABASE)
        self._contents = _contents(folder / DATABASE)
        self._connection, self._immutable = connect_reader(folder / DATABASE)
        self._meta: dict[str, str | int] = {}
        self._vectors: Matrix = np.empty((0, 0), dtype=np.float32)
        self._dead: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def reads(self, database: Path) -> bool:
        """Whether the file of that name is still the one that this reader has open, as it takes it to be."""
        if self._immutable and (has_pending_changes(database) or _contents(database) != self._contents):
            return False
        return _identity(database) == self._identity

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()
        self._vectors = np.empty((0, 0), dtype=np.float32)

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A read transaction, in which the vectors are those of the same commit."""
        for attempt in range(3):
            self._connection.execute("BEGIN")
            try:
                try:
                    self._refresh()
                except FileNotFoundError:
                    # A writer has compacted the vectors into a new file since this transaction began.
                    if attempt == 2:
                        raise
                    continue
                yield self._connection
                return
            finally:
                if self._connection.in_transaction:  # a failing disk may have ended it
                    self._connection.execute("ROLLBACK")

    def _refresh(self) -> None:
        with contents_understood(self.folder):
            (changes,) = self._connection.execute("SELECT value FROM meta WHERE key = 'changes'").fetchone()
            if changes == self._meta.get("changes"):
                return
            meta = read_meta(self._connection)
            rows, dimension = int(meta["rows"]), int(meta["dimension"])
            self._vectors = map_vectors(self.folder / str(meta["vectors"]), rows, dimension)
            dead = self._connection.execute("SELECT vector FROM dead").fetchall()
            self._dead = np.array(dead, dtype=np.int64).reshape(-1)
            if not np.all((self._dead >= 0) & (self._dead < rows)):
                raise ValueError(f"vectors are deleted that are none of the {rows:,}")
            self._meta = meta

    def search(self, query: Vector, limit: int) -> Found:
        """The `limit` most similar chunks, by comparing every vector."""
        with self._snapshot() as connection:
            rows, values = most_similar(self._vectors, query, limit, without=self._dead)
            chunks = dict(self._chunks(connection, "chunks.vector", rows))
        with contents_understood(self.folder):
            candidates = tuple(
                Candidate(chunks[row], float(value), rank, float(value), vector_rank=rank)
                for rank, (row, value) in enumerate(zip(rows, values, strict=True), start=1)
            )
        return Found(candidates, exact=True)

    def chunks(self, ids: Sequence[str]) -> Mapping[str, Chunk]:
        """Those of the chunks with these ids that are stored."""
        documents = sorted({chunk_id.rpartition("#")[0] for chunk_id in ids})
        with self._snapshot() as connection:
            stored = {chunk.id: chunk for _, chunk in self._chunks(connection, "documents.id", documents)}
        return {chunk_id: stored[chunk_id] for chunk_id in ids if chunk_id in stored}

    def source_states(self, names: Sequence[str] | None) -> list[SourceState]:
        """What was recorded of these sources, or of all, by name."""
        with self._snapshot() as connection:
            if names is None:
                return [source_state(row) for row in connection.execute(f"{_SOURCE} ORDER BY name")]
            rows = (connection.execute(SOURCE_BY_NAME, (name,)).fetchone() for name in names)
            return [source_state(row) for row in rows if row]

    def provenance(self) -> Provenance:
        """What the vectors were made with."""
        with self._snapshot():
            meta = self._meta
        with contents_understood(self.folder):
            return _provenance(meta)

    def describe(self, name: str) -> CollectionInfo:
        """Counts, size and provenance."""
        with self._snapshot() as connection:
            sources, documents, chunks = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("sources WHERE recipe <> ''", "documents", "chunks")
            )
            meta = self._meta
        with contents_understood(self.folder):
            return CollectionInfo(
                name=name,
                sources=sources,
                documents=documents,
                chunks=chunks,
                bytes=_bytes_of_files(self.folder),
                updated=str(meta["updated"]),
                provenance=_provenance(meta),
            )

    def check(self) -> list[str]:
        """One sentence for each fault in what is stored."""
        with self._snapshot() as connection:
            faults = [
                f"SQLite: {fault}"
                for (fault,) in connection.execute("PRAGMA integrity_check")
                if fault != "ok"
            ]
            orphans = connection.execute("SELECT count(*) FROM pragma_foreign_key_check").fetchone()[0]
            if orphans:
                faults.append(f"{orphans:,} chunks or documents belong to nothing")
            rows = len(self._vectors)
            live = np.array(
                connection.execute("SELECT vector FROM chunks ORDER BY vector").fetchall(), dtype=np.int64
            )
            live = live.reshape(-1)
            accounted = np.union1d(live, self._dead)
            if accounted.size != live.size + self._dead.size or not np.array_equal(
                accounted, np.arange(rows)
            ):
                faults.append(
                    f"the vectors' {rows:,} rows are not those that chunks and deletions account for"
                )
                live = live[live < rows]
            crooked = 0
            for start in range(0, live.size, BLOCK):
                lengths = np.linalg.norm(self._vectors[live[start : start + BLOCK]], axis=1)
                crooked += int((~(np.abs(lengths - 1.0) < 1e-3)).sum())
            if crooked:
                faults.append(f"{crooked:,} vectors are not of unit length")
        return faults

    def _chunks(
        self, connection: sqlite3.Connection, column: str, values: Sequence[str] | Sequence[int]
    ) -> Iterator[tuple[int, Chunk]]:
        """Stored chunks, each with its row in the vector file."""
        for marks, group in in_groups(values):
            for row in connection.execute(f"{_CHUNK} WHERE {column} IN ({marks})", group):
                with contents_understood(self.folder):
                    numbered = _numbered_chunk(*row)
                yield numbered


def _numbered_chunk(
    vector: int,
    document_id: str,
    ordinal: int,
    source: str,
    title: str,
    text: str,
    first: int,
    last: int,
    start_line: int | None,
    end_line: int | None,
    page: int | None,
    heading: str,
    tokens: int,
    metadata: str,
) -> tuple[int, Chunk]:
    chunk = Chunk(
        document_id=document_id,
        ordinal=ordinal,
        source=source,
        title=title,
        text=text,
        start=first,
        end=last,
        start_line=start_line,
        end_line=end_line,
        page=page,
        heading=tuple(json.loads(heading)),
        tokens=tokens,
        metadata=json.loads(metadata),
    )
    return vector, chunk


def _provenance(meta: dict[str, str | int]) -> Provenance:
    return Provenance(
        embedder=str(meta["embedder"]),
        revision=str(meta["revision"]),
        dimension=int(meta["dimension"]),
        chunk_tokens=int(meta["chunk_tokens"]),
    )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _contents(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _bytes_of_files(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        with suppress(FileNotFoundError):  # a writer's passing files may be gone by now
            total += file.stat().st_size
    return total
