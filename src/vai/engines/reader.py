"""Reading a collection: one connection and one mapped vector file, always on a whole state.

Each method runs in a read transaction, so that what it sees is one commit, whatever a writer does meanwhile.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vai.arrays import Matrix
from vai.engines.database import connect_reader, contents_understood, has_pending_changes, read_meta
from vai.engines.indexing import Covering, covering
from vai.engines.layout import DATABASE
from vai.engines.searching import Rows, Search
from vai.engines.words import Words
from vai.types import Chunk, CollectionInfo, Found, IndexInfo, Pool, Provenance, SourceState, Stamp

if TYPE_CHECKING:
    from vai.filters import Filter

CHUNK = """
SELECT chunks.vector, documents.id, chunks.ordinal, sources.name, documents.title, chunks.text, chunks.first,
       chunks.last, chunks.start_line, chunks.end_line, chunks.page, chunks.heading, chunks.tokens, documents.metadata
FROM chunks JOIN documents ON documents.number = chunks.document JOIN sources ON sources.number = documents.source
"""
_AMONG_WANTED = "JOIN wanted ON wanted.id = documents.id AND wanted.ordinal = chunks.ordinal"
_IDS = """
SELECT chunks.vector, documents.id, chunks.ordinal FROM chunks JOIN documents ON documents.number = chunks.document
"""
_SOURCE = "SELECT name, size, mtime_ns, ctime_ns, read_ns, content, recipe FROM sources WHERE recipe <> ''"
SOURCE_BY_NAME = f"{_SOURCE} AND name = ?"
IDS_KEPT = 100_000
"""Of chunks, since the questions of an evaluation find the same ones again and again."""
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""Of which UTF-8 knows none, and so neither does SQLite."""
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
        try:
            with contents_understood(folder):
                read_meta(self._connection)  # which says no to the format of another version
        except BaseException:
            self._connection.close()
            raise
        self._meta: dict[str, str | int] = {}
        self._rows: Rows | None = None
        self._words = Words()

    def reads(self, database: Path) -> bool:
        """Whether the file of that name is still the one that this reader has open, as it takes it to be."""
        if self._immutable and (has_pending_changes(database) or _contents(database) != self._contents):
            return False
        return _identity(database) == self._identity

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[sqlite3.Connection, Rows]]:
        """A read transaction, with the rows of the same commit."""
        for attempt in range(3):
            self._connection.execute("BEGIN")
            try:
                # Where a file is gone, a writer may have made another since this transaction began.
                known = self._rows
                try:
                    rows = self._refresh()
                except FileNotFoundError:
                    if attempt == 2:
                        raise
                    continue
                if rows is not known and rows.index_fault and attempt < 2:
                    continue
                yield self._connection, rows
                return
            finally:
                if self._connection.in_transaction:  # a failing disk may have ended it
                    self._connection.execute("ROLLBACK")

    def _refresh(self) -> Rows:
        with contents_understood(self.folder):
            (changes,) = self._connection.execute("SELECT value FROM meta WHERE key = 'changes'").fetchone()
            if self._rows is not None and changes == self._meta.get("changes"):
                return self._rows
            meta = read_meta(self._connection)
            if self._rows is not None:
                self._rows.close()
                self._rows = None
            self._rows = Rows(self._connection, self.folder, meta, self._words)
            self._meta = meta
            return self._rows

    def search(self, asked: Search) -> Found:
        """See `vai.protocols.Engine.search`."""
        with self._snapshot() as (connection, rows):
            _require_shape(asked, rows)
            with contents_understood(self.folder):
                result = rows.search(connection, asked)
            chunks = dict(self._chunks(connection, "chunks.vector", [item.row for item in result.scored]))
        with contents_understood(self.folder):
            candidates = tuple(
                item.candidate(chunks[item.row], rank) for rank, item in enumerate(result.scored, start=1)
            )
        return Found(
            candidates,
            exact=result.exact,
            unindexed=result.unindexed,
            depth=result.depth,
            matched=result.matched,
            warnings=(rows.index_fault,) if rows.index_fault and asked.may_use_index else (),
        )

    def pool(self, asked: Search) -> Pool:
        """See `vai.protocols.Engine.pool`."""
        with self._snapshot() as (connection, rows):
            _require_shape(asked, rows)
            with contents_understood(self.folder):
                result = rows.pool(connection, asked)
                ids = self._ids(connection, rows.ids, result.rows.tolist())
        return Pool(
            ids,
            result.scores,
            exact=result.depth is None,
            depth=result.depth,
            any_depth=result.any_depth,
            any_limit=result.any_limit,
        )

    def fields(self) -> list[str]:
        """Names of the metadata fields that documents have."""
        from vai.engines.fields import field_names

        with self._snapshot() as (connection, _):
            return field_names(connection)

    def documents(self, filter: Filter | None) -> list[str]:
        """Ids of the documents that a filter lets through, or of all."""
        from vai.engines.selection import allowed_documents

        with self._snapshot() as (connection, _):
            stored = connection.execute("SELECT number, id FROM documents ORDER BY number")
            if filter is None:
                return [document_id for _, document_id in stored]
            wanted = set(allowed_documents(connection, filter).tolist())
            return [document_id for number, document_id in stored if number in wanted]

    def scan(self, filter: Filter | None) -> Iterator[tuple[Sequence[Chunk], Matrix]]:
        """Chunks that a filter lets through, with their vectors, some at a time."""
        with self._snapshot() as (connection, rows):
            wanted = rows.allowed(connection, filter).rows()
            for start in range(0, wanted.size, _PARAMETERS):
                group = wanted[start : start + _PARAMETERS]
                chunks = dict(self._chunks(connection, "chunks.vector", group.tolist()))
                with contents_understood(self.folder):
                    yield [chunks[row] for row in group.tolist()], np.asarray(rows.vectors[group])

    def chunks(self, ids: Sequence[str]) -> Mapping[str, Chunk]:
        """Those of the chunks with these ids that are stored."""
        places = [(document, int(ordinal)) for document, ordinal in map(_place_of, ids) if ordinal]
        stored: dict[str, Chunk] = {}
        with self._snapshot() as (connection, _):
            for start in range(0, len(places), _PARAMETERS // 2):
                group = places[start : start + _PARAMETERS // 2]
                values = [value for place in group for value in place]
                found = connection.execute(
                    f"{_wanted(len(group))} {CHUNK} {_AMONG_WANTED}", values
                ).fetchall()
                with contents_understood(self.folder):
                    stored |= {chunk.id: chunk for _, chunk in (numbered_chunk(*row) for row in found)}
        return {chunk_id: stored[chunk_id] for chunk_id in ids if chunk_id in stored}

    def source_states(self, names: Sequence[str] | None) -> list[SourceState]:
        """What was recorded of these sources, or of all, by name."""
        with self._snapshot() as (connection, _):
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
        with self._snapshot() as (connection, _):
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

    def sample(self, count: int) -> Matrix:
        """Vectors of some chunks, evenly spread over all."""
        with self._snapshot() as (_, rows):
            live = rows.live.rows()
            chosen = live if live.size <= count else live[np.arange(count) * live.size // count]
            return np.asarray(rows.vectors[chosen])

    def covering(self) -> Covering:
        """What the index covers, and what it does not."""
        with self._snapshot() as (_, rows):
            return covering(self.folder, self._meta, rows.vectors, rows.live.rows())

    def index(self, collection: str) -> IndexInfo:
        """What approximate index there is."""
        found, fault = self._confirmed(lambda covering: covering.fault)
        return found.info(collection, fault)

    def check(self) -> list[str]:
        """One sentence for each fault in what is stored."""
        from vai.engines.checking import faults

        with self._snapshot() as (connection, rows), contents_understood(self.folder):
            found = list(faults(connection, rows))
        _, fault = self._confirmed(lambda covering: covering.fault_inside)
        return [*found, f"{fault}: `vai index` builds a new one"] if fault else found

    def _confirmed(self, look: Callable[[Covering], str | None]) -> tuple[Covering, str | None]:
        """What the index covers, and the fault that a look at it finds: none if a writer has replaced it meanwhile."""
        while True:
            found = self.covering()
            fault = look(found)
            if fault is None or self.covering().described == found.described:
                return found, fault

    def _ids(
        self, connection: sqlite3.Connection, known: dict[int, str], rows: Sequence[int]
    ) -> tuple[str, ...]:
        """The ids of the chunks with these rows in the vector file; `known` are some, and learns of more."""
        if len(known) > IDS_KEPT:
            known.clear()
        for marks, group in in_groups([row for row in rows if row not in known]):
            found = connection.execute(f"{_IDS} WHERE chunks.vector IN ({marks})", group)
            known.update((row, f"{document}#{ordinal}") for row, document, ordinal in found)
        return tuple(known[row] for row in rows)

    def _chunks(
        self, connection: sqlite3.Connection, column: str, values: Sequence[str] | Sequence[int]
    ) -> Iterator[tuple[int, Chunk]]:
        """Stored chunks, each with its row in the vector file."""
        for marks, group in in_groups(values):
            found = connection.execute(f"{CHUNK} WHERE {column} IN ({marks})", group).fetchall()
            with contents_understood(self.folder):
                numbered = [numbered_chunk(*row) for row in found]
            yield from numbered


def _place_of(chunk_id: str) -> tuple[str, str]:
    """A chunk's document and its ordinal there, "" if it cannot be one."""
    document, _, ordinal = chunk_id.rpartition("#")
    is_number = ordinal.isascii() and ordinal.isdigit() and len(ordinal) < 10
    return document, ordinal if is_number and not _HALF_CHARACTER.search(document) else ""


def _wanted(count: int) -> str:
    return f"WITH wanted(id, ordinal) AS (VALUES {', '.join(['(?, ?)'] * count)})"


def _require_shape(asked: Search, rows: Rows) -> None:
    if asked.vector.shape != rows.vectors.shape[1:]:
        raise ValueError(f"a query of shape {asked.vector.shape} and vectors of {rows.vectors.shape[1:]}")


def numbered_chunk(
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
    """What `CHUNK` selects, as a chunk with its row in the vector file."""
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
        heading=() if heading == "[]" else tuple(json.loads(heading)),
        tokens=tokens,
        metadata={} if metadata == "{}" else json.loads(metadata),
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
