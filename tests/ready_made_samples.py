"""Records and vectors in files, and how to bring them into a collection without a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vai.arrays import Matrix
from vai.documents import ReadOptions
from vai.ingest.naming import find_vector_files
from vai.ingest.ready_made import import_ready_made
from vai.protocols import Engine
from vai.types import Chunk, IngestReport, Provenance

DIMENSION = 8
MADE_BY = Provenance(embedder="hashing", revision="1", dimension=DIMENSION, chunk_tokens=200)
FIELDS = ReadOptions()


def records(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Records with ids, texts and a year each."""
    return [
        {"_id": f"r{number}", "text": f"the text of record {number}", "year": 2000 + number}
        for number in range(first, first + count)
    ]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """A JSONL file."""
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def directions(count: int, seed: int = 0) -> Matrix:
    """Unit vectors float32 [count, DIMENSION] that point anywhere, the same for the same seed."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    scaled: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def write_vectors(path: Path, vectors: Any) -> Path:
    """A NumPy file."""
    with path.open("wb") as file:
        np.save(file, vectors, allow_pickle=True)
    return path


def imported(
    engine: Engine,
    *paths: Path,
    vectors: Path | None = None,
    vector_field: str | None = None,
    collection: str = "default",
    options: ReadOptions = FIELDS,
) -> IngestReport:
    """Import files of records, whose names are relative to the folder of the first."""
    root = paths[0].parent
    files = find_vector_files(
        list(paths), root=root, options=options, vectors=vectors, vector_field=vector_field
    )
    assert files, "none of these files brings vectors"
    return import_ready_made(
        files, engine=engine, collection=collection, made_by=MADE_BY, root=root, options=options
    )


def stored(engine: Engine, collection: str = "default") -> list[tuple[Chunk, list[float]]]:
    """Every chunk with its vector, in order."""
    return [
        (chunk, vector)
        for chunks, vectors in engine.scan(collection)
        for chunk, vector in zip(chunks, vectors.tolist(), strict=True)
    ]


def ids(engine: Engine, collection: str = "default") -> list[str]:
    """Ids of all chunks, in order."""
    return [chunk.id for chunk, _ in stored(engine, collection)]


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    """Documents added, changed, unchanged, removed."""
    return report.added, report.changed, report.unchanged, report.removed


def as_table(
    path: Path, rows: Sequence[Mapping[str, Any]], vectors: Any = None, column: str = "vector"
) -> Path:
    """A Parquet file, with a column of vectors if there are any."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist([dict(row) for row in rows])
    if vectors is not None:
        table = table.append_column(column, [vectors])
    parquet.write_table(table, path)
    return path
