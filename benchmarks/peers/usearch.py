"""usearch alone: an index in one file, memory-mapped for searching; vectors and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from usearch.index import Index

from peers import EF_CONSTRUCTION, Answer, M, Matrix, Vector, batches


class Peer:
    """See `peers.Peer`. A mapped index cannot be changed, so that a change loads it, saves it and maps it again."""

    packages = ("usearch",)
    keeps = "vectors"
    searches = "HNSW, float32, memory-mapped"
    filters = False
    depths = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "index.usearch"
        self._index: Any = _empty()

    def build(self, vectors: Matrix, threads: int) -> None:
        for start, batch in batches(vectors):
            self._index.add(np.arange(start, start + len(batch)), batch, threads=threads)
        self._save(self._index)

    def open(self) -> None:
        self._index = _empty()
        self._index.view(self._file)

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        self._index.expansion_search = max(depth, limit)
        found = self._index.search(vector, limit, threads=1)
        return found.keys.tolist(), (1.0 - found.distances).tolist()

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        raise NotImplementedError

    def add(self, first: int, vectors: Matrix) -> None:
        index = self._loaded()
        index.add(np.arange(first, first + len(vectors)), vectors, threads=1)
        self._save(index)
        self.open()

    def delete(self, rows: Sequence[int]) -> None:
        index = self._loaded()
        index.remove(np.array(rows), threads=1)
        self._save(index)
        self.open()

    def close(self) -> None:
        self._index.reset()

    def _loaded(self) -> Any:
        index = _empty()
        index.load(self._file)
        return index

    def _save(self, index: Any) -> None:
        unfinished = self._file.with_suffix(".new")
        index.save(unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(self._file)


def _empty() -> Any:
    return Index(ndim=384, metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION)
