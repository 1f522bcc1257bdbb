"""hnswlib alone: an index in memory, saved as one file; vectors and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import hnswlib
import numpy as np

from peers import EF_CONSTRUCTION, Answer, M, Matrix, Vector, batches, category_of


class Peer:
    """See `peers.Peer`. The category is told by the row's number, since nothing is stored with it."""

    packages = ("hnswlib",)
    keeps = "vectors"
    searches = "HNSW, float32, all in memory"
    filters = True
    depths = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "index.bin"
        self._index = hnswlib.Index(space="ip", dim=384)

    def build(self, vectors: Matrix, threads: int) -> None:
        self._index.init_index(len(vectors), M=M, ef_construction=EF_CONSTRUCTION, random_seed=1)
        for start, batch in batches(vectors):
            self._index.add_items(batch, np.arange(start, start + len(batch)), num_threads=threads)
        self._save()

    def open(self) -> None:
        self._index.load_index(str(self._file))
        self._index.set_num_threads(1)

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        self._index.set_ef(max(depth, limit))
        labels, distances = self._index.knn_query(vector, k=limit)
        return labels[0].tolist(), (1.0 - distances[0]).tolist()

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        self._index.set_ef(max(depth, limit))
        labels, distances = self._index.knn_query(
            vector, k=limit, filter=lambda row: category_of(row) == category
        )
        return labels[0].tolist(), (1.0 - distances[0]).tolist()

    def add(self, first: int, vectors: Matrix) -> None:
        self._index.resize_index(self._index.get_current_count() + len(vectors))
        self._index.add_items(vectors, np.arange(first, first + len(vectors)), num_threads=1)
        self._save()

    def delete(self, rows: Sequence[int]) -> None:
        for row in rows:
            self._index.mark_deleted(row)
        self._save()

    def close(self) -> None:
        del self._index

    def _save(self) -> None:
        unfinished = self._file.with_suffix(".new")
        self._index.save_index(str(unfinished))
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(self._file)
