"""The graph in an index's file, as the library's: it trusts what it reads, so all that can be checked is before."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vai.engines.index.file import IndexDamagedError, IndexFile, open_intact
from vai.engines.index.numbers import bytes_per_vector, empty_index
from vai.engines.index.repeats import REPEAT_BYTES, Repeats

if TYPE_CHECKING:
    from usearch.compiled import Index


@dataclass(frozen=True, slots=True)
class Stored:
    """What is in an index's file. `mapped` has to stay open as long as `graph` is in use, if it was viewed."""

    graph: Index
    repeats: Repeats
    mapped: mmap.mmap


def view(folder: Path, file: IndexFile) -> Stored:
    """What is in an index's file, left there.

    Raises:
        IndexDamagedError: it is gone, cannot be read, or is not the one that was written.
    """
    graph = empty_index(file.dimension, file.precision)
    return _read(folder, file, graph, graph.view_index_from_buffer)


def load(folder: Path, file: IndexFile) -> Stored:
    """What is in an index's file, as a copy that rows can be added to. Raises as `view`."""
    graph = empty_index(file.dimension, file.precision, knows_rows=True)
    stored = _read(folder, file, graph, graph.load_index_from_buffer)
    stored.mapped.close()
    return stored


def _read(folder: Path, file: IndexFile, graph: Index, give: Callable[[memoryview], None]) -> Stored:
    mapped = open_intact(folder, file)
    kind = (graph.dtype, graph.ndim)
    start = REPEAT_BYTES * file.repeats
    try:
        _check_shape(mapped, start, file)
        with memoryview(mapped) as all_of_it, all_of_it[start:] as contents:
            give(contents)
        if (graph.dtype, graph.ndim) != kind:
            raise ValueError("it is of other vectors")
    except (RuntimeError, ValueError) as error:
        graph.reset()
        mapped.close()
        raise IndexDamagedError(f"the index `{folder / file.name}` cannot be used ({error})") from error
    repeats = np.frombuffer(mapped[:start], dtype="<i8").reshape(-1, 2).astype(np.int64)
    return Stored(graph, repeats, mapped)


def _check_shape(mapped: mmap.mmap, start: int, file: IndexFile) -> None:
    """A graph begins with how many vectors it holds, of how many bytes."""
    expected = (file.covered - file.repeats, bytes_per_vector(file.dimension, file.precision))
    header = mapped[start : start + 8]
    if len(header) < 8 or struct.unpack("<II", header) != expected:
        raise ValueError("it is of other vectors")
