"""What is known of an index's file, and whether the file is still that one.

It holds first the rows that are not in the graph, int64 [repeats, 2], and then the graph as the library writes it.
The library trusts the offsets in a file and crashes on wrong ones: it is only given a file that has been checked.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from vai.types import Precision

_BLOCK = 1 << 20


class IndexDamagedError(Exception):
    """An index cannot be used, and says why: its file is gone, or not the one that was written.

    Not an error for users: every vector can still be compared.
    """


@dataclass(frozen=True, slots=True)
class IndexFile:
    """What a collection remembers of its index.

    Args:
        name: of the file, in the collection's folder.
        precision: of the numbers in it.
        dimension: of the vectors.
        watermark: rows before this one are covered, if they were alive.
        covered: how many rows that are; some may have died since.
        repeats: how many of them equal another, and so are not in the graph.
        bytes: the file's size.
        mtime_ns: when it was written, as the file system says.
        digest: CRC-32 of its contents. It is to reveal damage, not malice, and is the fastest there is.
    """

    name: str
    precision: Precision
    dimension: int
    watermark: int
    covered: int
    repeats: int
    bytes: int
    mtime_ns: int
    digest: str

    def to_json(self) -> dict[str, str | int]:
        """All of it, for a collection to keep."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**stored)


def verify(folder: Path, file: IndexFile) -> None:
    """Read all of an index.

    Raises:
        IndexDamagedError: it is not the one that was written.
    """
    open_intact(folder, replace(file, mtime_ns=-1)).close()


def stamped(folder: Path, file: IndexFile) -> IndexFile:
    """What should be remembered of an index that is intact, so that opening it need not read it: its time as it is.

    The time of a copy is not that of the original.
    """
    return replace(file, mtime_ns=(folder / file.name).stat().st_mtime_ns)


def open_intact(folder: Path, file: IndexFile) -> mmap.mmap:
    """An index, mapped into memory. All of it is read if its time is not the one that was noted.

    Raises:
        IndexDamagedError: it is not the one that was written, or cannot be read.
    """
    path = folder / file.name
    try:
        with path.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_size != file.bytes:
                raise IndexDamagedError(
                    f"the index `{path}` has {found.st_size:,} bytes where {file.bytes:,} were written"
                )
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise IndexDamagedError(f"the index `{path}` is gone") from None
    except OSError as error:
        raise IndexDamagedError(f"the index `{path}` cannot be read ({error.strerror})") from error
    if found.st_mtime_ns != file.mtime_ns and digest_of(mapped) != file.digest:
        mapped.close()
        raise IndexDamagedError(f"the index `{path}` has other contents than were written")
    return mapped


def digest_of(*parts: mmap.mmap | bytes | bytearray) -> str:
    """See `IndexFile.digest`; the parts follow each other."""
    value = 0
    for part in parts:
        with memoryview(part) as view:
            for start in range(0, len(view), _BLOCK):
                value = zlib.crc32(view[start : start + _BLOCK], value)
    return f"{value:08x}"
