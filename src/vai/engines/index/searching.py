"""Finding rows by an index: its file is mapped into memory, so that opening it takes milliseconds."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Vector
from vai.engines.index.file import IndexFile
from vai.engines.index.numbers import quantised
from vai.engines.index.repeats import with_repeats
from vai.engines.index.stored import Stored, view


class AnnIndex:
    """An index that is open. Several threads may search it; they take turns.

    The file may be removed while it is open, but not written to.
    """

    def __init__(self, stored: Stored, file: IndexFile) -> None:
        self._stored: Stored | None = stored
        self._file = file
        self._lock = Lock()

    @classmethod
    def open(cls, folder: Path, file: IndexFile) -> Self:
        """Open the index that `file` describes.

        Raises:
            IndexDamagedError: its file is gone, cannot be read, or is not the one that was written.
        """
        return cls(view(folder, file), file)

    @property
    def covered(self) -> int:
        """How many rows it covers."""
        return self._file.covered

    @property
    def watermark(self) -> int:
        """Rows before this one are covered, if they were alive when it was built."""
        return self._file.watermark

    def search(self, vector: Vector, depth: int) -> NDArray[np.int64]:
        """The rows found by keeping the best `depth` in sight (ef): int64 [≤ depth], the nearest about first."""
        query = quantised(vector[np.newaxis], self._file.precision)
        nodes = self._file.covered - self._file.repeats
        with self._lock:
            if self._stored is None:
                raise ValueError("the index is closed")
            if nodes == 0:
                return np.empty(0, dtype=np.int64)
            keys, _, counts, *_ = self._stored.graph.search_many(query, min(depth, nodes), threads=1)
            repeats = self._stored.repeats
        return with_repeats(keys[0, : counts[0]].astype(np.int64), repeats, depth)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._stored is not None:
                self._stored.graph.reset()  # before its memory goes
                self._stored.mapped.close()
                self._stored = None
