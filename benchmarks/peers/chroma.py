"""Chroma: a collection in a folder, with hnswlib inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings

from peers import EF_CONSTRUCTION, Answer, M, Matrix, Vector, batches, category_of, text_of

SAVED_AFTER = 100_000
"""Rows after which a build saves the index; Chroma's 1,000 would save all of it again for every batch."""


class Peer:
    """See `peers.Peer`. How deep it searches is part of the collection's configuration, not of a query."""

    packages = ("chromadb",)
    keeps = "vectors, texts, categories"
    searches = "HNSW, float32, all in memory"
    filters = True
    depths = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._collection: Any = None
        self._depth = 0

    def build(self, vectors: Matrix, threads: int) -> None:
        client = self._client()
        self._collection = client.create_collection(
            "rows",
            embedding_function=None,
            configuration={
                "hnsw": {
                    "space": "ip",
                    "ef_construction": EF_CONSTRUCTION,
                    "max_neighbors": M,
                    "num_threads": threads,
                    "sync_threshold": SAVED_AFTER,
                }
            },
        )
        size = client.get_max_batch_size()
        *most, last = range(0, len(vectors), size)
        for start in most:
            self._add(start, np.array(vectors[start : start + size]))
        self._configure(
            {"sync_threshold": 1}
        )  # so that the last rows are saved, and opening need not index them
        self._add(last, np.array(vectors[last:]))
        self._query(vectors[0], 1, None)
        self._configure({"sync_threshold": 1_000, "num_threads": 1})

    def open(self) -> None:
        self._collection = self._client().get_collection("rows", embedding_function=None)
        self._depth = self._collection.configuration["hnsw"]["ef_search"]

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        self._search_at(depth)
        return self._query(vector, limit, None)

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        self._search_at(depth)
        return self._query(vector, limit, {"category": category})

    def add(self, first: int, vectors: Matrix) -> None:
        for start, batch in batches(vectors, 5_000):
            self._add(first + start, batch)

    def delete(self, rows: Sequence[int]) -> None:
        for start in range(0, len(rows), 5_000):
            self._collection.delete(ids=[str(row) for row in rows[start : start + 5_000]])

    def close(self) -> None:
        self._collection = None

    def _client(self) -> Any:
        return chromadb.PersistentClient(self._folder, Settings(anonymized_telemetry=False))

    def _search_at(self, depth: int) -> None:
        if depth != self._depth:
            self._configure({"ef_search": depth})

    def _configure(self, changed: dict[str, int]) -> None:
        """Change the configuration, which holds from the next opening on."""
        self._collection.modify(configuration={"hnsw": changed})
        chromadb.api.client.SharedSystemClient.clear_system_cache()
        self.open()

    def _query(self, vector: Vector, limit: int, where: dict[str, int] | None) -> Answer:
        found = self._collection.query(
            query_embeddings=[vector], n_results=limit, where=where, include=["documents", "distances"]
        )
        return [int(row) for row in found["ids"][0]], [1.0 - distance for distance in found["distances"][0]]

    def _add(self, first: int, vectors: Matrix) -> None:
        rows = range(first, first + len(vectors))
        self._collection.add(
            ids=[str(row) for row in rows],
            embeddings=vectors,
            documents=[text_of(row) for row in rows],
            metadatas=[{"category": category_of(row)} for row in rows],
        )
