"""LanceDB: a table with an HNSW index over numbers of 8 bits, and an index of the category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow
from lancedb.index import Bitmap, BTree, HnswSq

from peers import EF_CONSTRUCTION, Answer, M, Matrix, Vector, batches, category_of, text_of

SCHEMA = pyarrow.schema(
    [
        ("row", pyarrow.int64()),
        ("category", pyarrow.int32()),
        ("text", pyarrow.string()),
        ("vector", pyarrow.list_(pyarrow.float32(), 384)),
    ]
)


class Peer:
    """See `peers.Peer`.

    What the index finds is compared again in float32, as many as the depth, or recall would end at what 8 bits tell
    apart.
    """

    packages = ("lancedb", "pyarrow")
    keeps = "vectors, texts, categories"
    searches = "HNSW, 8 bits, compared again in float32"
    filters = True
    depths = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self._database = lancedb.connect(folder)
        self._table: Any = None

    def build(self, vectors: Matrix, threads: int) -> None:
        table = self._database.create_table("rows", _records(vectors), schema=SCHEMA)
        table.create_index(
            "vector",
            config=HnswSq(distance_type="dot", num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION),
        )
        table.create_index("category", config=Bitmap())
        table.create_index("row", config=BTree())

    def open(self) -> None:
        self._table = self._database.open_table("rows")

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        return _answer(self._query(vector, limit, depth))

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        return _answer(self._query(vector, limit, depth).where(f"category = {category}", prefilter=True))

    def add(self, first: int, vectors: Matrix) -> None:
        self._table.add(_batch(first, vectors))

    def delete(self, rows: Sequence[int]) -> None:
        self._table.delete(f"row IN ({', '.join(map(str, rows))})")

    def close(self) -> None:
        self._table = None

    def _query(self, vector: Vector, limit: int, depth: int) -> Any:
        compared_again = max(1, min(depth // limit, 10))
        query = (
            self._table.search(vector).distance_type("dot").limit(limit).select(["row", "text", "_distance"])
        )
        return query.ef(max(depth, limit * compared_again)).refine_factor(compared_again)


def _answer(query: Any) -> Answer:
    found = query.to_arrow()
    found["text"].to_pylist()
    return found["row"].to_pylist(), (1.0 - found["_distance"].to_numpy()).tolist()


def _records(vectors: Matrix) -> Iterator[pyarrow.RecordBatch]:
    for start, batch in batches(vectors):
        yield _batch(start, batch)


def _batch(first: int, vectors: Matrix) -> pyarrow.RecordBatch:
    rows = range(first, first + len(vectors))
    return pyarrow.record_batch(
        [
            pyarrow.array(rows, pyarrow.int64()),
            pyarrow.array(map(category_of, rows), pyarrow.int32()),
            pyarrow.array(map(text_of, rows), pyarrow.string()),
            pyarrow.FixedSizeListArray.from_arrays(np.ascontiguousarray(vectors).reshape(-1), 384),
        ],
        schema=SCHEMA,
    )
