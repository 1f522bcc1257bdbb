"""Exact search with NumPy over a memory-mapped file: the least that comparing every vector costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from peers import CATEGORIES, Answer, Matrix, Vector


class Peer:
    """See `peers.Peer`."""

    packages = ("numpy",)
    keeps = "vectors"
    searches = "every vector, float32"
    filters = True
    depths = False
    changes = False

    def __init__(self, folder: Path) -> None:
        self._file = folder / "vectors.npy"
        self._vectors: Matrix = np.empty((0, 0), dtype=np.float32)

    def build(self, vectors: Matrix, threads: int) -> None:
        np.save(self._file, vectors)

    def open(self) -> None:
        self._vectors = np.load(self._file, mmap_mode="r")

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        return _best(self._vectors @ vector, limit)

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        places, similarities = _best(self._vectors[category::CATEGORIES] @ vector, limit)
        return [place * CATEGORIES + category for place in places], similarities

    def add(self, first: int, vectors: Matrix) -> None:
        raise NotImplementedError

    def delete(self, rows: Sequence[int]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._vectors = np.empty((0, 0), dtype=np.float32)


def _best(similarities: Vector, limit: int) -> Answer:
    places = np.argpartition(similarities, -limit)[-limit:] if limit < len(similarities) else ...
    near = np.arange(len(similarities))[places]
    order = near[np.argsort(-similarities[near])]
    return order.tolist(), similarities[order].tolist()
