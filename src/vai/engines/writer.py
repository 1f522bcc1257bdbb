"""Writing to a collection: everything since the last commit is one SQLite transaction.

Vectors are appended and synced before the transaction that makes their rows visible is committed, so a crash at any
instant leaves the last commit.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from itertools import takewhile
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.engines.database import column, connect_writer, contents_understood, failures_named, read_meta
from vai.engines.fields import FieldsWriter
from vai.engines.index import IndexFile
from vai.engines.indexing import Covering, covering
from vai.engines.layout import DATABASE, derived_files, generation_of, owners_name, vectors_name
from vai.engines.migration import migrate
from vai.engines.reader import SOURCE_BY_NAME, in_groups, source_state
from vai.engines.rowswriter import RowsWriter
from vai.engines.words import WordsWriter
from vai.types import Chunk, Claim, IndexProgress, Precision, SourceState, StoredDocument

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_NO_SOURCE: tuple[str | None, int] = (None, 0)
COMPACT_FROM = 10_000
"""Dead rows from which compaction is worth its time, if they are also as many as the live ones."""


def _named(
    method: Callable[Concatenate[EmbeddedWriter, Parameters], Result],
) -> Callable[Concatenate[EmbeddedWriter, Parameters], Result]:
    """Give failures of the disk or the database inside a method their names."""

    @wraps(method)
    def guarded(writer: EmbeddedWriter, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with failures_named(writer.folder):
            return method(writer, *args, **kwargs)

    return guarded


def _undivided(
    method: Callable[Concatenate[EmbeddedWriter, Parameters], Result],
) -> Callable[Concatenate[EmbeddedWriter, Parameters], Result]:
    """As `_named`, for a change of which a part must never be committed: if it is broken off, so is the session."""
    named = _named(method)

    @wraps(method)
    def guarded(writer: EmbeddedWriter, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        writer.require_unbroken()
        try:
            return named(writer, *args, **kwargs)
        except BaseException:
            writer.break_off()
            raise

    return guarded


class EmbeddedWriter:
    """See `vai.protocols.Writer`. The one who makes it holds the collection's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers: dict[str, int] = {}
        self._last_source = _NO_SOURCE
        self._broken = False
        self._database = connect_writer(folder / DATABASE)
        try:
            self._database.execute("CREATE TEMP TABLE current (document INTEGER PRIMARY KEY)")
            with contents_understood(folder):
                migrate(self._database, folder)
                meta = read_meta(self._database)
                generation, count = generation_of(str(meta["vectors"])), int(meta["rows"])
                dimension = int(meta["dimension"])
            self._words = WordsWriter(self._database)
            self._fields = FieldsWriter(self._database)
            self._remove_files_but(generation)
            self._rows = RowsWriter(folder, generation, count, dimension)
            self._committed_rows = count
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Forget what was not committed and let go of the files."""
        self._rows.close()
        self._database.close()  # which rolls back

    def require_unbroken(self) -> None:
        """Raises RuntimeError if a change was broken off before."""
        if self._broken:
            raise RuntimeError("a change was broken off, and all that was not committed is forgotten")

    def break_off(self) -> None:
        """Forget what was not committed, and take no more."""
        self._broken = True
        with suppress(sqlite3.Error):
            self._database.rollback()

    # ── looking up ──

    @_named
    def source(self, name: str) -> SourceState | None:
        row = self._database.execute(SOURCE_BY_NAME, (name,)).fetchone()
        return source_state(row) if row else None

    @_named
    def sources_under(self, prefix: str) -> Sequence[str]:
        rows = self._database.execute("SELECT name FROM sources WHERE name >= ? ORDER BY name", (prefix,))
        return list(takewhile(lambda name: name.startswith(prefix), (name for (name,) in rows)))

    @_named
    def claims(self, ids: Sequence[str]) -> Mapping[str, Claim]:
        found: dict[str, Claim] = {}
        for marks, group in in_groups(ids):
            rows = self._database.execute(
                "SELECT documents.id, sources.name, documents.digest, current.document IS NOT NULL FROM documents"
                " JOIN sources ON sources.number = documents.source"
                " LEFT JOIN current ON current.document = documents.number"
                f" WHERE documents.id IN ({marks})",
                group,
            )
            found.update(
                (document_id, Claim(source, digest, bool(current)))
                for document_id, source, digest, current in rows
            )
        return found

    @_named
    def document_count(self, source: str) -> int:
        return int(
            self._database.execute(
                "SELECT count(*) FROM documents WHERE source = (SELECT number FROM sources WHERE name = ?)",
                (source,),
            ).fetchone()[0]
        )

    # ── changing ──

    @_undivided
    def note_chunk_tokens(self, chunk_tokens: int) -> None:
        if read_meta(self._database)["chunk_tokens"] != chunk_tokens:
            self._begin()
            self._set_meta(chunk_tokens=chunk_tokens)

    @_undivided
    def put(self, document: StoredDocument) -> None:
        self._begin()
        self.remove_document(document.id)
        cursor = self._database.execute(
            "INSERT INTO documents (id, source, title, digest, metadata) VALUES (?, ?, ?, ?, ?)",
            (
                document.id,
                self._source_number(document.source),
                document.title,
                document.digest,
                json.dumps(document.metadata, ensure_ascii=False),
            ),
        )
        number = cursor.lastrowid or 0
        self._numbers[document.id] = number
        self._fields.put(number, document)
        self._database.execute("INSERT OR IGNORE INTO current VALUES (?)", (number,))

    @_named
    def add(self, chunks: Sequence[Chunk], vectors: Matrix) -> None:
        if len(chunks) != len(vectors):
            raise ValueError(f"{len(chunks)} chunks cannot have {len(vectors)} vectors")
        self._rows.require_fitting(vectors)
        self._append([self._document_number(chunk.document_id) for chunk in chunks], chunks, vectors)

    @_undivided
    def _append(self, documents: Sequence[int], chunks: Sequence[Chunk], vectors: Matrix) -> None:
        self._begin()
        first = self._rows.count
        self._rows.append(vectors, documents)
        with contents_understood(self.folder):
            self._words.add(first, [chunk.passage for chunk in chunks])
        self._database.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    first + position,
                    document,
                    chunk.ordinal,
                    chunk.text,
                    chunk.start,
                    chunk.end,
                    chunk.start_line,
                    chunk.end_line,
                    chunk.page,
                    json.dumps(chunk.heading, ensure_ascii=False),
                    chunk.tokens,
                )
                for position, (document, chunk) in enumerate(zip(documents, chunks, strict=True))
            ),
        )

    @_undivided
    def keep(self, lines: Mapping[str, int | None]) -> None:
        self._begin()
        self._database.executemany(
            "INSERT OR IGNORE INTO current SELECT number FROM documents WHERE id = ?",
            ((document_id,) for document_id in lines),
        )
        self._database.executemany(
            "UPDATE chunks SET start_line = :line, end_line = :line"
            " WHERE (start_line IS NOT :line OR end_line IS NOT :line)"
            " AND document = (SELECT number FROM documents WHERE id = :id)",
            ({"line": line, "id": document_id} for document_id, line in lines.items() if line is not None),
        )

    @_undivided
    def finish_source(self, state: SourceState) -> int:
        self._begin()
        number = self._source_number(state.name)
        gone = self._database.execute(
            "SELECT id FROM documents WHERE source = ? AND number NOT IN (SELECT document FROM current)",
            (number,),
        ).fetchall()
        for (document_id,) in gone:
            self.remove_document(document_id)
        self._database.execute("DELETE FROM current")
        self.note_source(state)
        return len(gone)

    @_undivided
    def note_source(self, state: SourceState) -> None:
        self._begin()
        stamp = state.stamp
        self._database.execute(
            "UPDATE sources SET size = ?, mtime_ns = ?, ctime_ns = ?, read_ns = ?, content = ?, recipe = ?"
            " WHERE name = ?",
            (
                stamp.size,
                stamp.mtime_ns,
                stamp.ctime_ns,
                state.read_ns,
                state.content,
                state.recipe,
                state.name,
            ),
        )

    @_undivided
    def remove_source(self, name: str) -> int:
        self._begin()
        documents = self._database.execute(
            "SELECT id FROM documents WHERE source = (SELECT number FROM sources WHERE name = ?)", (name,)
        ).fetchall()
        for (document_id,) in documents:
            self.remove_document(document_id)
        self._database.execute("DELETE FROM sources WHERE name = ?", (name,))
        self._last_source = _NO_SOURCE
        return len(documents)

    @_undivided
    def remove_document(self, document_id: str) -> None:
        self._begin()
        stored = self._database.execute(
            "SELECT number FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        if stored is None:
            return
        (number,) = stored
        self._fields.remove(number)
        self._database.execute("INSERT INTO dead SELECT vector FROM chunks WHERE document = ?", (number,))
        self._database.execute("DELETE FROM chunks WHERE document = ?", (number,))
        self._database.execute("DELETE FROM documents WHERE number = ?", (number,))
        self._database.execute("DELETE FROM current WHERE document = ?", (number,))
        self._numbers.pop(document_id, None)

    @_undivided
    def commit(self) -> None:
        if not self._database.in_transaction:
            return
        if self._rows.count > self._committed_rows:
            self._rows.sync()
        with contents_understood(self.folder):
            self._words.flush()
        self._fields.flush()
        self._set_meta(rows=self._rows.count, vectors=vectors_name(self._rows.generation))
        self._database.execute("COMMIT")
        self._committed_rows = self._rows.count
        self._numbers.clear()

    # ── what is put off ──

    @_named
    def settle(self, progress: Callable[[IndexProgress], None] | None = None) -> None:
        self.compact()
        if not self._has_changes():
            self._record_index(self._covering().brought_up_to_date(progress))

    @_named
    def build_index(
        self, precision: Precision | None, progress: Callable[[IndexProgress], None] | None
    ) -> None:
        """Build the index anew over all that is committed; None keeps the precision it has."""
        self._record_index(self._covering().built(precision, progress))

    def _covering(self) -> Covering:
        """Of what is committed."""
        return covering(self.folder, read_meta(self._database), self._rows.vectors(), self._live_rows())

    def _live_rows(self) -> NDArray[np.int64]:
        """Of those that are committed, in order."""
        live = np.ones(self._rows.count, dtype=np.bool_)
        live[column(self._database, "SELECT vector FROM dead")] = False
        return np.flatnonzero(live)

    @_undivided
    def _record_index(self, index: IndexFile | None) -> None:
        """Make an index the one that readers open."""
        described = json.dumps(index.to_json()) if index else ""
        if described == read_meta(self._database)["index"]:
            return
        self._begin()
        self._database.execute("UPDATE meta SET value = ? WHERE key = 'index'", (described,))
        self._database.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")
        self._database.execute("COMMIT")
        self._remove_files_but(self._rows.generation)

    @_named
    def compact(self) -> None:
        """Copy the live rows into new files when half of them or more are dead, and many.

        Nothing happens where something was not committed: it is to be forgotten.
        """
        if self._has_changes():
            return
        (dead,) = self._database.execute("SELECT count(*) FROM dead").fetchone()
        if dead >= COMPACT_FROM and dead >= self._rows.count - dead:
            self._give_up_dead_rows()

    def _has_changes(self) -> bool:
        """Whether there are some that were not committed, also such as never will be."""
        return self._broken or self._database.in_transaction

    @_undivided
    def _give_up_dead_rows(self) -> None:
        self._begin()
        live = self._live_rows()
        numbers = _numbers_after(live, self._rows.count)
        self._rows = self._rows.copied(live)
        # Ascending and never above the old number, so a row never meets one that is still to move.
        self._database.executemany(
            "UPDATE chunks SET vector = ? WHERE vector = ?",
            ((new, int(old)) for new, old in enumerate(live) if new != old),
        )
        with contents_understood(self.folder):
            self._words.rewrite(numbers)
        self._database.execute("DELETE FROM dead")
        self._set_meta(index="")  # it speaks of the old rows
        self._committed_rows = -1
        self.commit()
        self._remove_files_but(self._rows.generation)

    # ── inside ──

    def _begin(self) -> None:
        if not self._database.in_transaction:
            self._database.execute("BEGIN IMMEDIATE")

    def _document_number(self, document_id: str) -> int:
        if document_id not in self._numbers:
            row = self._database.execute(
                "SELECT number FROM documents WHERE id = ?", (document_id,)
            ).fetchone()
            if row is None:
                raise ValueError(f"the document `{document_id}` was not put")
            self._numbers[document_id] = int(row[0])
        return self._numbers[document_id]

    def _source_number(self, name: str) -> int:
        if self._last_source[0] != name:
            self._last_source = name, self._stored_source_number(name)
        return self._last_source[1]

    def _stored_source_number(self, name: str) -> int:
        row = self._database.execute("SELECT number FROM sources WHERE name = ?", (name,)).fetchone()
        if row:
            with contents_understood(self.folder):
                return int(row[0])
        cursor = self._database.execute("INSERT INTO sources VALUES (NULL, ?, 0, 0, 0, 0, '', '')", (name,))
        return cursor.lastrowid or 0

    def _set_meta(self, **values: str | int) -> None:
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        self._database.executemany(
            "UPDATE meta SET value = ? WHERE key = ?", ((value, key) for key, value in values.items())
        )
        self._database.execute("UPDATE meta SET value = ? WHERE key = 'updated'", (updated,))
        self._database.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")

    def _remove_files_but(self, generation: int) -> None:
        """Remove files of other generations, and indexes that are not in use."""
        index = str(read_meta(self._database)["index"])
        in_use = {
            vectors_name(generation),
            owners_name(generation),
            *([json.loads(index)["name"]] if index else []),
        }
        for path in derived_files(self.folder):
            if path.name not in in_use:
                try:
                    path.unlink()
                except OSError:  # a reader on a system that keeps mapped files; the next writer tries again
                    continue


def _numbers_after(live: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """For each of `rows` rows its number when only the live ones are left; −1 for the others."""
    numbers = np.full(rows, -1, dtype=np.int64)
    numbers[live] = np.arange(live.size)
    return numbers
