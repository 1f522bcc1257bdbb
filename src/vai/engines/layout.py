"""What the files of a collection are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

DATABASE = "collection.db"


def vectors_name(generation: int) -> str:
    """The vectors; compaction begins a new generation."""
    return f"vectors-{generation:04d}.f32"


def owners_name(generation: int) -> str:
    """The numbers of the documents that the vectors are of."""
    return f"owners-{generation:04d}.u32"


def index_name(generation: int, number: int) -> str:
    """The index over the vectors of a generation; each that is built has the next number."""
    return f"index-{generation:04d}-{number:04d}.ann"


def generation_of(name: str) -> int:
    """The generation in the name of a file."""
    return int(name.split("-")[1].split(".")[0])


def derived_files(folder: Path) -> Iterator[Path]:
    """All files that belong to one generation, of whatever one."""
    for pattern in ("vectors-*.f32*", "owners-*.u32*", "index-*.ann*"):
        yield from folder.glob(pattern)
