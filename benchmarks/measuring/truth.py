"""What exact search finds in the first rows of a collection, computed once and kept beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measuring.report import say
from peers import CATEGORIES, Matrix, Vector

DEEPEST = 100
BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Vectors:
    """Files of float32 [n, d]: the collection, of which the first `rows` are used, and the queries."""

    collection: Path
    queries: Path
    rows: int

    @property
    def digest(self) -> str:
        """Tells other vectors from these, by a hundred of them and the queries."""
        stored, queries = np.load(self.collection, mmap_mode="r"), np.load(self.queries)
        sample = np.array(stored[np.linspace(0, self.rows - 1, 100, dtype=np.int64)])
        return hashlib.sha256(sample.tobytes() + queries.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Truth:
    """int64 [q, 100]: the rows most similar to each query, best first, and to query i among category i mod 100."""

    rows: NDArray[np.int64]
    category_rows: NDArray[np.int64]

    def recall(self, found: Sequence[Sequence[int]], limit: int, *, by_category: bool = False) -> float:
        """Mean share of the true `limit` rows that were found, over the first queries."""
        truth = self.category_rows if by_category else self.rows
        shares = [
            len(set(rows) & set(best)) / len(best)
            for rows, best in zip(found, truth[:, :limit].tolist(), strict=False)
        ]
        return float(np.mean(shares))


def exact_truth(vectors: Vectors) -> Truth:
    """Read it, or find it and keep it."""
    kept = vectors.collection.with_name(f"truth-{vectors.rows}-{vectors.digest}.npz")
    if not kept.is_file():
        say(f"exact search over {vectors.rows:,} rows")
        rows, category_rows = _found(np.load(vectors.collection, mmap_mode="r")[: vectors.rows], vectors)
        np.savez(kept, rows=rows, category_rows=category_rows)
    with np.load(kept) as arrays:
        return Truth(arrays["rows"], arrays["category_rows"])


def _found(stored: Matrix, vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    queries = np.load(vectors.queries)
    everywhere = [_Best() for _ in queries]
    in_category = [_Best() for _ in queries]
    for start in range(0, len(stored), BLOCK):
        similarities = queries @ stored[start : start + BLOCK].T
        for number, values in enumerate(similarities):
            everywhere[number].see(values, start, 1)
            first = (number - start) % CATEGORIES
            in_category[number].see(values[first::CATEGORIES], start + first, CATEGORIES)
    return np.array([best.rows for best in everywhere]), np.array([best.rows for best in in_category])


class _Best:
    """The best rows among those seen so far."""

    def __init__(self) -> None:
        self.rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._values: Vector = np.empty(0, dtype=np.float32)

    def see(self, values: Vector, first: int, step: int) -> None:
        """Values of the rows first, first + step, …"""
        rows = np.concatenate([self.rows, first + step * np.arange(len(values))])
        values = np.concatenate([self._values, values])
        near = (
            np.argpartition(values, -DEEPEST)[-DEEPEST:] if len(values) > DEEPEST else np.arange(len(values))
        )
        order = near[np.lexsort((rows[near], -values[near]))]
        self.rows, self._values = rows[order], values[order]
