"""Rows of numbers in a file, one after another, addressed by row number, only ever appended to.

A row becomes visible when the database that counts the rows says so. What lies behind the last counted row is left
over from a write that never was committed, and is overwritten by the next.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vai.errors import StoreCorrupt

BLOCK = 65_536
"""Rows compared, or copied, at a time: 100 MB of 384-wide vectors."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """What the rows of a file are: `width` numbers of a type, called `what` where something is missing."""

    dtype: str
    width: int
    what: str

    @property
    def bytes(self) -> int:
        """Of one row."""
        return np.dtype(self.dtype).itemsize * self.width


def vector_rows(dimension: int) -> RowFormat:
    """Vectors: float32 [rows, dimension]."""
    return RowFormat("<f4", dimension, "vectors")


OWNER_ROWS = RowFormat("<u4", 1, "owners of vectors")
"""The number of the document that each vector is of: uint32 [rows, 1]."""


def map_rows(path: Path, rows: int, form: RowFormat) -> NDArray[Any]:
    """The first `rows` rows of a file, [rows, width], mapped into memory.

    Raises:
        FileNotFoundError: the file is not there.
        StoreCorrupt: it is shorter than that.
    """
    _require_rows(path, rows, form)
    if rows == 0:
        return np.empty((0, form.width), dtype=form.dtype)
    # As a plain array: NumPy's own class for mapped files costs a microsecond for every row that is looked at.
    return np.asarray(np.memmap(path, dtype=form.dtype, mode="r", shape=(rows, form.width)))


def _require_rows(path: Path, rows: int, form: RowFormat) -> None:
    size = path.stat().st_size
    if size < rows * form.bytes:
        raise StoreCorrupt(
            f"`{path}` holds {size // form.bytes:,} {form.what} where {rows:,} were stored",
            hint=f"delete the folder `{path.parent}` and ingest again",
        )


def sync_folder(folder: Path) -> None:
    """Return when files that are new in a folder would still be there after a loss of power."""
    if os.name != "nt":  # where a folder cannot be opened, and need not be
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class RowAppender:
    """Appends rows behind the first `rows` of a file, which is made if there are none yet.

    Raises:
        FileNotFoundError: the file is not there.
        StoreCorrupt: it is shorter than that.
    """

    def __init__(self, path: Path, rows: int, form: RowFormat) -> None:
        self._form = form
        if rows:
            _require_rows(path, rows, form)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._file.seek(rows * form.bytes)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def require_fitting(self, rows: NDArray[Any]) -> None:
        """Raises ValueError for rows that are not [n, width]."""
        if rows.shape[1:] != (self._form.width,):
            raise ValueError(
                f"{self._form.what} of {self._form.width} numbers belong here, not of shape {rows.shape}"
            )

    def append(self, rows: NDArray[Any]) -> None:
        """Write [n, width] behind what is there."""
        self.require_fitting(rows)
        remaining = memoryview(np.ascontiguousarray(rows, dtype=self._form.dtype).tobytes())
        while remaining:
            remaining = remaining[self._file.write(remaining) :]

    def sync(self) -> None:
        """Return when what was appended would survive a loss of power."""
        os.fsync(self._file.fileno())
