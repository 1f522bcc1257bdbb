"""Arrays of numbers as vectors: read from NumPy's files in pieces, and brought to unit length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.errors import InvalidSettings
from vai.freshness import stamp_of
from vai.types import Stamp

BLOCK_ROWS = 1024
ROUNDING = 1e-5
"""A length this near to 1 is float32's rounding, and left as it is: what was exported comes back bit by bit."""
CROOKED = 1e-3
"""A length further than this from 1 was not meant to be 1 (float16 rounds by less), and is worth a word."""


@dataclass(frozen=True, slots=True)
class NpyFile:
    """A NumPy file of vectors, read in pieces: `offset` is where the numbers begin."""

    path: Path
    stamp: Stamp
    rows: int
    dimension: int
    kind: np.dtype[Any]
    offset: int

    @classmethod
    def open(cls, path: Path) -> NpyFile:
        """Read what the file says of itself; nothing in it is ever run (NumPy's own would unpickle objects).

        Raises:
            InvalidSettings: it is not there, or no table of floating-point numbers, row after row.
        """
        try:
            stamp = stamp_of(path)
            _require_npy(path)
            mapped = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError) as error:
            raise _unfit(path, f"is not a NumPy file of vectors that can be read ({error})") from error
        except OSError as error:
            raise _unfit(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from error
        if mapped.ndim != 2 or mapped.dtype.kind != "f" or mapped.dtype.itemsize not in {2, 4, 8}:
            raise _unfit(
                path, f"holds {mapped.dtype} of shape {mapped.shape}, not rows of floating-point numbers"
            )
        if not mapped.flags.c_contiguous:
            raise InvalidSettings(
                f"`{path}` holds its numbers column after column (Fortran order)",
                hint="write it with `numpy.save(FILE, numpy.ascontiguousarray(array))`",
            )
        rows, dimension = mapped.shape
        return cls(path, stamp, rows, dimension, mapped.dtype, int(mapped.offset))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Some rows at a time, each with the number of the first.

        They are read, not mapped: a file that is cut off meanwhile is then an error, and not the end of the process.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for start in range(0, self.rows, BLOCK_ROWS):
                count = min(BLOCK_ROWS, self.rows - start)
                data = file.read(count * self.dimension * self.kind.itemsize)
                if len(data) != count * self.dimension * self.kind.itemsize:
                    raise _unfit(self.path, "changed while it was read")
                yield start, np.frombuffer(data, dtype=self.kind).reshape(count, self.dimension)
        if stamp_of(self.path) != self.stamp:
            raise _unfit(self.path, "changed while it was read")

    def place_after(self, start: int) -> Callable[[int], str]:
        """How messages call the rows of a block that begins at `start`."""
        return lambda row: f"in row {start + row:,} (from 0) of `{self.path}`"


def _require_npy(path: Path) -> None:
    """Refuse what does not begin as a NumPy file of one array does; OSError if it cannot be read."""
    with path.open("rb") as file:
        beginning = file.read(len(np.lib.format.MAGIC_PREFIX))
    if beginning.startswith(b"PK\x03\x04"):
        raise InvalidSettings(
            f"`{path}` is an archive, as `numpy.savez` writes it", hint="save the array alone: `numpy.save`"
        )
    if beginning != np.lib.format.MAGIC_PREFIX:
        raise _unfit(path, "is not a NumPy file" if beginning else "is empty")


def _unfit(path: Path, reason: str) -> InvalidSettings:
    return InvalidSettings(
        f"`{path}` {reason}",
        hint="vectors are read from what `numpy.save` writes of a two-dimensional array of float32, float16 or "
        "float64 in C order",
    )


def unit_rows(block: NDArray[Any], place: Callable[[int], str]) -> tuple[Matrix, int]:
    """The rows at unit length, float32 [n, d], and how many were further from it than rounding explains.

    Raises:
        InvalidSettings: a row has no direction: it holds NaN or an infinity, or only zeros.
    """
    numbers = block.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", numbers, numbers))
    for fault, wrong in (("is not finite", ~np.isfinite(lengths)), ("is all zeros", lengths == 0)):
        if wrong.any():
            raise InvalidSettings(
                f"the vector {place(int(np.argmax(wrong)))} {fault}",
                hint="a text that has no vector cannot be found by one: leave its record and its row out",
            )
    off = np.abs(lengths - 1.0)
    numbers /= np.where(off <= ROUNDING, 1.0, lengths)[:, np.newaxis]
    return numbers.astype(np.float32), int((off > CROOKED).sum())
