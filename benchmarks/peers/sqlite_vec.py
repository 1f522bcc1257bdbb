"""sqlite-vec: a virtual table in SQLite that compares every vector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pysqlite3 as sqlite3  # the standard library's loads no extensions in many builds of Python
import sqlite_vec

from peers import Answer, Matrix, Vector, batches, category_of, text_of


class Peer:
    """See `peers.Peer`. Distances are Euclidean: of unit vectors they give the same order, and are cheaper."""

    packages = ("sqlite-vec", "pysqlite3-binary")
    keeps = "vectors, texts, categories"
    searches = "every vector, float32"
    filters = True
    depths = False
    changes = True

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "rows.db")
        self._database.enable_load_extension(True)
        sqlite_vec.load(self._database)
        self._database.enable_load_extension(False)

    def build(self, vectors: Matrix, threads: int) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "CREATE VIRTUAL TABLE vectors USING vec0"
            " (row INTEGER PRIMARY KEY, category INTEGER, vector FLOAT[384] DISTANCE_METRIC=L2)"
        )
        self._database.execute("CREATE TABLE texts (row INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        for start, batch in batches(vectors):
            self.add(start, batch)
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def open(self) -> None:
        self._database.execute("PRAGMA synchronous = FULL")

    def search(self, vector: Vector, limit: int, depth: int) -> Answer:
        return self._found("", (vector.tobytes(), limit))

    def search_category(self, vector: Vector, limit: int, depth: int, category: int) -> Answer:
        return self._found(" AND category = ?", (vector.tobytes(), limit, category))

    def add(self, first: int, vectors: Matrix) -> None:
        with self._database:
            self._database.executemany(
                "INSERT INTO vectors VALUES (?, ?, ?)",
                (
                    (first + place, category_of(first + place), vector.tobytes())
                    for place, vector in enumerate(vectors)
                ),
            )
            self._database.executemany(
                "INSERT INTO texts VALUES (?, ?)",
                ((row, text_of(row)) for row in range(first, first + len(vectors))),
            )

    def delete(self, rows: Sequence[int]) -> None:
        with self._database:
            for table in ("vectors", "texts"):
                self._database.executemany(f"DELETE FROM {table} WHERE row = ?", ((row,) for row in rows))

    def close(self) -> None:
        self._database.close()

    def _found(self, condition: str, parameters: tuple[bytes | int, ...]) -> Answer:
        found = self._database.execute(
            "SELECT found.row, found.distance, texts.text FROM"
            f" (SELECT row, distance FROM vectors WHERE vector MATCH ? AND k = ?{condition}) AS found"
            " JOIN texts ON texts.row = found.row ORDER BY found.distance",
            parameters,
        ).fetchall()
        return [row for row, _, _ in found], [1.0 - distance * distance / 2 for _, distance, _ in found]
