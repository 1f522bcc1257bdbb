"""Vectors as a NumPy file whose number of rows is known only at the end."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from vai.arrays import Matrix

HEADER = 128
"""Bytes before the numbers: a multiple of 64, as the format asks for (NEP 1), with room for any number of rows."""


class ArrayWriter:
    """Writes float32 rows as `numpy.save` would, into a file that can be sought in."""

    def __init__(self, file: BinaryIO, dimension: int) -> None:
        self._file = file
        self._dimension = dimension
        self._rows = 0
        self._file.write(self._header())

    def write(self, vectors: Matrix) -> None:
        """Append rows, float32 [n, dimension]."""
        self._file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
        self._rows += len(vectors)

    def finish(self) -> None:
        """Say how many rows there are."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)

    def _header(self) -> bytes:
        told = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self._rows}, {self._dimension}), }}"
        begin = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
        return begin + told.encode().ljust(HEADER - 11) + b"\n"
