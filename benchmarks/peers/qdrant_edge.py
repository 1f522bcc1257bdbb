"""Qdrant Edge: one shard of Qdrant inside the process, with an index of the category."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as qdrant

from peers import EF_CONSTRUCTION, Answer, M, Matrix, Vector, batches, category_of, text_of


class Peer:
    """See `peers.Peer`. Its optimizer, which builds the index, is run after the build and after every change."""

    packages = ("qdrant-edge-py",)
    keeps = "vectors, texts, categories"
    searches = "HNSW, float32"
    filters = True
    depths = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._shard: Any = None

    def build(self, vectors: Matrix, threads: int) -> None:
        graph = qdrant.HnswIndexConfig(
            m=M, ef_construct=EF_CONSTRUCTION, full_scan_threshold=10_000, max_indexing_threads=threads
        )
        config = qdrant.EdgeConfig(
            vectors=qdrant.EdgeVectorParams(size=384, distance=qdrant.Distance.Dot, hnsw_config=graph),
            hnsw_config=graph,
            optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1),
        )
        self._shard = qdrant.EdgeShard.create(self._folder, config)
        self._shard.update(
            qdrant.UpdateOperation.create_field_index("category", qdrant.PayloadSchemaType.Integer)
        )
        for start, batch in batches(vectors):
            self._upsert(start, batch)
        self._finish()

    def open(self) -> None:
        self._shard = qdrant.EdgeShard.load(self._folder)

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        return self._query(vector, limit, depth, None)

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        condition = qdrant.FieldCondition("category", match=qdrant.MatchValue(category))
        return self._query(vector, limit, depth, qdrant.Filter(must=[condition]))

    def add(self, first: int, vectors: Matrix) -> None:
        self._upsert(first, vectors)
        self._finish()

    def delete(self, rows: Sequence[int]) -> None:
        self._shard.update(qdrant.UpdateOperation.delete_points(list(rows)))
        self._finish()

    def close(self) -> None:
        self._shard.close()

    def _upsert(self, first: int, vectors: Matrix) -> None:
        points = [
            qdrant.Point(row, vector, {"category": category_of(row), "text": text_of(row)})
            for row, vector in enumerate(vectors.tolist(), start=first)
        ]
        self._shard.update(qdrant.UpdateOperation.upsert_points(points))

    def _finish(self) -> None:
        self._shard.flush()
        self._shard.optimize()
        self._shard.flush()

    def _query(self, vector: Vector, limit: int, depth: int, condition: Any) -> Answer:
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(vector.tolist()),
            filter=condition,
            params=qdrant.SearchParams(hnsw_ef=max(depth, limit)),
            with_payload=["text"],
        )
        found = self._shard.query(request)
        return [int(point.id) for point in found], [point.score for point in found]
