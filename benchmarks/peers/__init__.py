"""The engines that are compared, each behind the same few calls, and what they are given to store.

One module an engine, named as on the command line; its `Peer` is made with a folder. Rows are numbered from 0, and
an engine finds rows again by these numbers. Engines that keep more than vectors keep a text and a category of every
row, give the text back with what they find, and can be asked for one category alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]
Answer = tuple[Sequence[int], Sequence[float]]
"""Rows, best first, and their cosine similarities."""

ENGINES = ("ours", "exact", "hnswlib", "usearch", "lancedb", "chroma", "sqlite_vec", "qdrant_edge")
CATEGORIES = 100
M, EF_CONSTRUCTION = 16, 128
"""The graph's parameters, wherever an engine has them."""
BATCH = 10_000
"""Rows read and handed over at a time, where the engine says nothing else."""


class Peer(Protocol):
    """One collection of an engine in one folder, which is empty before `build`.

    `packages` are the distributions it is made of; `keeps` says what it stores, `searches` how; an engine without
    `filters` cannot be asked for a category, one without `depths` compares every vector, and one without `changes`
    is only built.
    """

    packages: tuple[str, ...]
    keeps: str
    searches: str
    filters: bool
    depths: bool
    changes: bool

    def build(self, vectors: Matrix, threads: int) -> None:
        """Store vectors float32 [n, d] as rows 0 … n − 1, searchable and durable."""
        ...

    def open(self) -> None:
        """Get ready to search what was built."""
        ...

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        """The `limit` best rows; `depth` is how deep an index is searched (ef)."""
        ...

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        """The `limit` best rows of one category."""
        ...

    def add(self, first: int, vectors: Matrix) -> None:
        """Store more rows, from number `first` on; when it returns they are durable, and found."""
        ...

    def delete(self, rows: Sequence[int]) -> None:
        """Remove rows; when it returns that is durable, and they are not found any more."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def make(engine: str, folder: Path) -> Peer:
    """The engine of that name; only its own library is imported."""
    peer: Peer = import_module(f"peers.{engine}").Peer(folder)
    return peer


def category_of(row: int) -> int:
    """Each category has 1 % of the rows."""
    return row % CATEGORIES


def text_of(row: int) -> str:
    """A short text, of twelve words that occur as often as words do (Zipf) and of two numbers; always the same."""
    sentences = _sentences()
    return f"{sentences[row % len(sentences)]} {row // 1000} {row % 1000}"


@cache
def _sentences() -> tuple[str, ...]:
    generator = random.Random(20261124)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ["".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(5_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return tuple(" ".join(generator.choices(words, weights, k=12)) for _ in range(4_096))


def batches(vectors: Matrix, size: int = BATCH) -> Iterator[tuple[int, Matrix]]:
    """Stretches of the vectors, copied into memory, each with the number of its first row."""
    for start in range(0, len(vectors), size):
        yield start, np.array(vectors[start : start + size])
