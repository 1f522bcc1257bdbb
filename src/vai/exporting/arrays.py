"""Vectors as a NumPy file whose number of rows is known only at the end."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from vai.arrays import Matrix


class ArrayWriter:
    """Writes float32 rows as `numpy.save` would, into a file that can be sought in."""

    def __init__(self, file: BinaryIO, dimension: int) -> None:
        self._file = file
        self._dimension = dimension
        self._rows = 0
        self._write_header()

    def write(self, vectors: Matrix) -> None:
        """Append rows, float32 [n, dimension]."""
        self._file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
        self._rows += len(vectors)

    def finish(self) -> None:
        """Say how many rows there are."""
        self._file.seek(0)
        self._write_header()
        self._file.seek(0, 2)

    def _write_header(self) -> None:
        """NumPy leaves room in it for any number of rows, so that it can be written over."""
        shape = (self._rows, self._dimension)
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": "<f4", "fortran_order": False, "shape": shape}
        )
