"""The files of rows that a writer appends to: the vectors, and beside them the documents that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.engines.layout import owners_name, vectors_name
from vai.engines.rowfiles import BLOCK, OWNER_ROWS, RowAppender, map_rows, sync_folder, vector_rows


class RowsWriter:
    """Appends behind the first `count` rows of a generation's files, which are made if there are none yet.

    Raises:
        FileNotFoundError: a file is not there.
        StoreCorrupt: it is shorter than that.
    """

    def __init__(self, folder: Path, generation: int, count: int, dimension: int) -> None:
        self.generation = generation
        self.count = count
        self._folder = folder
        self._dimension = dimension
        self._vectors = RowAppender(folder / vectors_name(generation), count, vector_rows(dimension))
        try:
            self._owners = RowAppender(folder / owners_name(generation), count, OWNER_ROWS)
        except BaseException:
            self._vectors.close()
            raise

    def close(self) -> None:
        """Let go of the files."""
        self._vectors.close()
        self._owners.close()

    def require_fitting(self, vectors: Matrix) -> None:
        """Raises ValueError for vectors of another dimension."""
        self._vectors.require_fitting(vectors)

    def append(self, vectors: Matrix, owners: Sequence[int] | NDArray[np.uint32]) -> None:
        """Write vectors float32 [n, dimension], each with the number of its document, behind what is there."""
        self._vectors.append(vectors)
        self._owners.append(np.asarray(owners, dtype=np.uint32).reshape(-1, 1))
        self.count += len(vectors)

    def sync(self) -> None:
        """Return when what was appended would survive a loss of power."""
        self._vectors.sync()
        self._owners.sync()

    def vectors(self) -> Matrix:
        """All vectors that were written, mapped."""
        mapped: Matrix = map_rows(
            self._folder / vectors_name(self.generation), self.count, vector_rows(self._dimension)
        )
        return mapped

    def copied(self, live: NDArray[np.int64]) -> Self:
        """The next generation, which holds only these rows, in order; this one is closed."""
        vectors = self.vectors()
        owners = map_rows(self._folder / owners_name(self.generation), self.count, OWNER_ROWS)
        self.close()
        copy = type(self)(self._folder, self.generation + 1, 0, self._dimension)
        try:
            for start in range(0, live.size, BLOCK):
                rows = live[start : start + BLOCK]
                copy.append(vectors[rows], owners[rows])
            sync_folder(self._folder)
        except BaseException:
            copy.close()
            raise
        return copy
