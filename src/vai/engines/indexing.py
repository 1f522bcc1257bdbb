"""When a collection gets an approximate index, and over which rows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.engines.index import (
    EXACT_BELOW,
    AnnIndex,
    IndexDamagedError,
    IndexFile,
    build,
    expected_cost,
    extend,
    needs_rebuild,
    stamped,
    verify,
)
from vai.engines.layout import generation_of, index_name
from vai.types import IndexCost, IndexInfo, IndexProgress, Precision

DEFAULT_PRECISION: Precision = "int8"

Progress = Callable[[IndexProgress], None] | None


@dataclass(frozen=True, slots=True)
class Covering:
    """Rows of a collection's vectors, and the index that covers some of them, if there is one.

    Args:
        vectors: float32 [rows, d], of the files' `generation`.
        live: int64, ascending: the rows that belong to chunks.
        described: the index that the collection names.
    """

    folder: Path
    generation: int
    vectors: Matrix
    live: NDArray[np.int64]
    described: IndexFile | None

    @property
    def fault(self) -> str | None:
        """What keeps the index from being opened, if something does."""
        return self._fault_of(lambda described: AnnIndex.open(self.folder, described).close())

    @property
    def fault_inside(self) -> str | None:
        """What is wrong with the index, if something is: all of it is read."""
        return self._fault_of(lambda described: verify(self.folder, described))

    def _fault_of(self, look: Callable[[IndexFile], object]) -> str | None:
        if self.described is None:
            return None
        try:
            look(self.described)
        except IndexDamagedError as damage:
            return str(damage)
        return None

    @property
    def tail(self) -> NDArray[np.int64]:
        """The live rows that the index does not cover."""
        return self.live if self.described is None else self.live[self.live >= self.described.watermark]

    def brought_up_to_date(self, progress: Progress) -> IndexFile | None:
        """The index that should serve from now on: the one there is, if it does; None if none is worth it."""
        if self.described is None or self.fault is not None:
            return self.built(None, progress) if self.live.size >= EXACT_BELOW else None
        covered = self.live.size - self.tail.size
        dead = self.described.covered - covered
        match needs_rebuild(self.described.covered, self.tail.size, dead):
            case "no":
                return stamped(self.folder, self.described)
            case "extend":
                path = self.folder / self._next_name()
                return extend(
                    self.folder, self.described, path, self.vectors, self.tail, _threads(), progress
                )
            case "rebuild":
                return self.built(None, progress)

    def built(self, precision: Precision | None, progress: Progress) -> IndexFile:
        """A new index over all live rows; None keeps the precision of the last one."""
        chosen = precision or (self.described.precision if self.described else DEFAULT_PRECISION)
        return build(self.folder / self._next_name(), self.vectors, self.live, chosen, _threads(), progress)

    def cost(self, precision: Precision | None) -> IndexCost:
        """What `built` is expected to take."""
        chosen = precision or (self.described.precision if self.described else DEFAULT_PRECISION)
        memory, disk, seconds = expected_cost(self.live.size, self.vectors.shape[1], chosen, _threads())
        return IndexCost(self.live.size, chosen, memory, disk, seconds)

    def info(self, collection: str, fault: str | None) -> IndexInfo:
        """What index there is, or why there is none; `fault` is what is wrong with it."""
        if self.described is None:
            small = self.live.size < EXACT_BELOW
            return IndexInfo(collection, "none" if small else "missing", None, 0, self.live.size, 0)
        tail = int(self.tail.size)
        return IndexInfo(
            collection=collection,
            state="fresh" if fault is None else "damaged",
            precision=self.described.precision,
            covered=self.live.size - tail,
            unindexed=tail,
            bytes=self.described.bytes,
        )

    def _next_name(self) -> str:
        number = int(self.described.name.split("-")[2].split(".")[0]) if self.described else 0
        return index_name(self.generation, number + 1)


def covering(folder: Path, meta: dict[str, str | int], vectors: Matrix, live: NDArray[np.int64]) -> Covering:
    """How things stand at the commit whose `meta` this is."""
    described = str(meta["index"])
    return Covering(
        folder=folder,
        generation=generation_of(str(meta["vectors"])),
        vectors=vectors,
        live=live,
        described=IndexFile.from_json(json.loads(described)) if described else None,
    )


def _threads() -> int:
    return os.cpu_count() or 1
