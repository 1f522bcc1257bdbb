"""Out of a collection: every chunk with its vector into files, as they are read.

    scan ─ one commit, some chunks at a time ─┬ lines of JSON, or a Parquet table      lines.py, table.py
                                              └ the vectors, if they go into a file of their own    arrays.py

What is written goes into files of passing names, which get their own at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeGuard

from vai.arrays import Matrix
from vai.documents.parquet import pyarrow_parquet
from vai.errors import InvalidSettings
from vai.exporting.arrays import ArrayWriter
from vai.exporting.lines import LineWriter
from vai.exporting.targets import NewFile, require_free
from vai.filters import Filter, field_warnings
from vai.protocols import Engine
from vai.types import Chunk, ExportReport, Provenance

STANDARD_OUTPUT = Path("-")
LINES = (".jsonl", ".ndjson", ".jsonlines")
TABLE = ".parquet"


def export(
    *,
    engine: Engine,
    collection: str,
    path: Path,
    vectors: Path | None = None,
    with_vectors: bool = True,
    filter: Filter | None = None,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ExportReport:
    """Write the chunks of a collection, as they are at one moment, with their vectors.

    Args:
        path: a file whose name ends in .jsonl or .parquet; `-` writes lines of JSON to standard output.
        vectors: a NumPy file for the vectors, row i of chunk i, which are then left out of `path`.
        with_vectors: whether vectors are written at all.
        filter: only chunks that it lets through.
        force: replace files that are there.
        progress: called with the number of chunks written so far.

    Raises:
        PathNotFound, InvalidSettings: the files cannot be written, or are there already; nothing was written.
        MissingPart: Parquet needs a package that is not installed.
        CollectionNotFound: there is no such collection.
    """
    began = time.monotonic()
    _require_targets(path, vectors, with_vectors=with_vectors, force=force)
    made_by = engine.provenance(collection)
    warnings = field_warnings(filter, engine.fields(collection)) if filter else []
    inside = with_vectors and vectors is None
    count = 0
    with ExitStack() as stack:
        files = [
            stack.enter_context(NewFile(place, force=force)) for place in (path, vectors) if _is_file(place)
        ]
        writer = _writer(path, files, made_by, inside)
        stack.callback(writer.close)
        beside = ArrayWriter(files[-1].file, made_by.dimension) if vectors else None
        for chunks, matrix in engine.scan(collection, filter):
            writer.write(chunks, matrix if inside else None)
            if beside is not None:
                beside.write(matrix)
            count += len(chunks)
            if progress is not None:
                progress(count)
        writer.finish()
        if beside is not None:
            beside.finish()
        size = sum(file.finish() for file in reversed(files)) + (0 if _is_file(path) else writer.bytes)
    return ExportReport(
        collection=collection,
        path=str(path),
        vectors=None if vectors is None else str(vectors),
        chunks=count,
        bytes=size,
        seconds=time.monotonic() - began,
        warnings=tuple(warnings),
    )


class _Writer(Protocol):
    """Writes chunks in one format; `close` lets go of it where `finish` was not reached."""

    bytes: int

    def write(self, chunks: Sequence[Chunk], vectors: Matrix | None) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


def _writer(path: Path, files: Sequence[NewFile], made_by: Provenance, with_vectors: bool) -> _Writer:
    if path == STANDARD_OUTPUT:
        return LineWriter(sys.stdout.buffer)
    if path.suffix.lower() == TABLE:
        from vai.exporting.table import TableWriter

        return TableWriter(files[0].file, made_by, with_vectors=with_vectors)
    return LineWriter(files[0].file)


def _is_file(path: Path | None) -> TypeGuard[Path]:
    return path is not None and path != STANDARD_OUTPUT


def _require_targets(path: Path, vectors: Path | None, *, with_vectors: bool, force: bool) -> None:
    """Refuse, before any work, what cannot be written."""
    if vectors is not None and not with_vectors:
        raise InvalidSettings(
            f"--vectors {vectors} and --no-vectors contradict each other", hint="leave one of the two out"
        )
    if path != STANDARD_OUTPUT and path.suffix.lower() not in (*LINES, TABLE):
        raise InvalidSettings(
            f"the name of an export says its format, and this one does not: {path}",
            hint="names end in `.jsonl` or `.parquet`; `-` writes lines of JSON to standard output",
        )
    if vectors is not None and vectors.suffix.lower() != ".npy":
        raise InvalidSettings(f"the name of a NumPy file ends in `.npy`, and this one does not: {vectors}")
    if path.suffix.lower() == TABLE:
        pyarrow_parquet()
    for place in (path, vectors):
        if _is_file(place):
            require_free(place, force=force)
