"""One search of the embedded engine: which rows stage 1 finds, in which order, and what it can say of each."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.engines.database import column
from vai.engines.fusion import Scored, Worded, by_both, by_vector, by_words, pooled
from vai.engines.index import AnnIndex, IndexDamagedError, IndexFile
from vai.engines.layout import generation_of, owners_name
from vai.engines.nearest import Allowed, Nearest, nearest, worthwhile
from vai.engines.rowfiles import OWNER_ROWS, map_rows, vector_rows
from vai.engines.vectors import similarities_of
from vai.engines.words import Words, best
from vai.types import PoolScores, Stage1

if TYPE_CHECKING:
    from vai.filters import Filter

FILTERS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for; see `vai.protocols.Engine.search`."""

    vector: Vector
    limit: int
    num_candidates: int
    exact: bool
    text: str
    stage1: Stage1
    filter: Filter | None

    @property
    def may_use_index(self) -> bool:
        """Whether vectors are to be found, and not by comparing them all."""
        return self.stage1.mode != "words" and not self.exact


@dataclass(frozen=True, slots=True)
class Result:
    """What was found, best first, and how; see `vai.types.Found`."""

    scored: list[Scored]
    exact: bool
    unindexed: int
    depth: int | None
    matched: int | None


@dataclass(frozen=True, slots=True)
class PooledRows:
    """What either search found, by rows int64 [n], ascending, and how; see `vai.types.Pool`."""

    rows: NDArray[np.int64]
    scores: PoolScores
    depth: int | None
    any_depth: bool
    any_limit: bool


class Rows:
    """The rows of a collection at one commit, whose `meta` is given; `words` keeps what it knows of earlier ones.

    Raises:
        FileNotFoundError: a file of rows is gone; a writer may have begun new ones.
        StoreCorrupt: a file of rows is too short.
        ValueError: what is stored makes no sense.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, meta: dict[str, str | int], words: Words
    ) -> None:
        count, vectors_name = int(meta["rows"]), str(meta["vectors"])
        self.dead = column(connection, "SELECT vector FROM dead")
        if not np.all((self.dead >= 0) & (self.dead < count)):
            raise ValueError(f"vectors are deleted that are none of the {count:,}")
        self.vectors: Matrix = map_rows(folder / vectors_name, count, vector_rows(int(meta["dimension"])))
        owners = map_rows(folder / owners_name(generation_of(vectors_name)), count, OWNER_ROWS)
        self.owners: NDArray[np.uint32] = owners.reshape(-1)
        self.live = _live(count, self.dead)
        self.index, self.index_fault = _open_index(folder, str(meta["index"]))
        self._words = words
        words.load(connection)
        self._allowed: dict[str, Allowed] = {}
        self.ids: dict[int, str] = {}

    def close(self) -> None:
        """Let go of the index; the mapped rows go with the last who looks at them."""
        if self.index is not None:
            self.index.close()

    def search(self, connection: sqlite3.Connection, asked: Search) -> Result:
        """Which chunks are found, by the rows of their vectors."""
        allowed = self.allowed(connection, asked.filter)
        found = self._nearest(asked, allowed) if asked.stage1.mode != "words" else None
        through_index = self.index if found is not None and found.depth is not None else None
        return Result(
            scored=self._in_order(connection, asked, allowed, found),
            exact=through_index is None,
            unindexed=self.live.after(through_index.watermark) if through_index else 0,
            depth=found.depth if found else None,
            matched=allowed.count if allowed.filtered else None,
        )

    def pool(self, connection: sqlite3.Connection, asked: Search) -> PooledRows:
        """All that both searches find, in no order of stage 1's."""
        allowed = self.allowed(connection, asked.filter)
        found = self._nearest(asked, allowed)
        scores = self._words_scores(connection, asked, allowed)
        rows, pool = pooled(
            found.similar,
            _worded(scores, asked.num_candidates),
            similarities=lambda some: similarities_of(self.vectors, asked.vector, some),
            words_scores=lambda some: scores[some],
        )
        return PooledRows(
            rows,
            pool,
            depth=found.depth,
            any_depth=worthwhile(self._index_for(asked), allowed) is None,
            any_limit=not found.deepened,
        )

    def allowed(self, connection: sqlite3.Connection, filter: Filter | None) -> Allowed:
        """The rows that may be found."""
        if filter is None:
            return self.live
        from vai.engines.selection import allowed_rows
        from vai.filters import filter_to_json

        key = json.dumps(filter_to_json(filter))
        if key not in self._allowed:
            while len(self._allowed) >= FILTERS_KEPT:
                del self._allowed[next(iter(self._allowed))]
            mask = allowed_rows(connection, filter, self.owners)
            mask[self.dead] = False
            self._allowed[key] = Allowed(mask, int(np.count_nonzero(mask)), filtered=True)
        return self._allowed[key]

    def _nearest(self, asked: Search, allowed: Allowed) -> Nearest:
        return nearest(
            self.vectors,
            asked.vector,
            index=self._index_for(asked),
            allowed=allowed,
            count=asked.limit if asked.stage1.mode == "vector" else asked.num_candidates,
            limit=asked.limit,
            depth=asked.num_candidates,
        )

    def _index_for(self, asked: Search) -> AnnIndex | None:
        return self.index if asked.may_use_index else None

    def _in_order(
        self, connection: sqlite3.Connection, asked: Search, allowed: Allowed, found: Nearest | None
    ) -> list[Scored]:
        if found is not None and asked.stage1.mode == "vector":
            return by_vector(found.similar, asked.limit)

        def similarities(rows: NDArray[np.int64]) -> Vector:
            return similarities_of(self.vectors, asked.vector, rows)

        scores = self._words_scores(connection, asked, allowed)
        worded = _worded(scores, asked.num_candidates)
        if found is None:
            return by_words(worded, asked.limit, similarities)
        return by_both(
            found.similar,
            worded,
            asked.stage1,
            asked.limit,
            similarities=similarities,
            words_scores=lambda rows: scores[rows],
        )

    def _words_scores(self, connection: sqlite3.Connection, asked: Search, allowed: Allowed) -> Vector:
        """BM25 of every row, float32 [rows]; 0 for those that may not be found."""
        scores = self._words.scores(connection, asked.text, len(self.vectors), self.dead)
        return allowed.within(scores) if allowed.filtered else scores  # dead rows have none anyway


def _live(count: int, dead: NDArray[np.int64]) -> Allowed:
    if not dead.size:
        return Allowed(None, count, filtered=False)
    mask = np.ones(count, dtype=np.bool_)
    mask[dead] = False
    return Allowed(mask, count - dead.size, filtered=False)


def _worded(scores: Vector, limit: int) -> Worded:
    rows = best(scores, limit)
    return Worded(rows, scores[rows])


def _open_index(folder: Path, described: str) -> tuple[AnnIndex | None, str | None]:
    """The index, if there is one; what is wrong with it, if something is."""
    if not described:
        return None, None
    try:
        return AnnIndex.open(folder, IndexFile.from_json(json.loads(described))), None
    except IndexDamagedError as damage:
        return None, f"{damage}: every vector was compared instead; `vai index` builds a new one"
