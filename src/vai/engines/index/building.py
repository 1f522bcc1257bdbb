"""Building an index, and adding rows to one: always into a new file, which is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.engines.index.file import IndexFile, digest_of
from vai.engines.index.numbers import empty_index, quantised
from vai.engines.index.repeats import Repeats, in_order, repeats_among
from vai.engines.index.stored import load
from vai.types import IndexProgress, Precision

if TYPE_CHECKING:
    from usearch.compiled import Index

BLOCK = 2_048
"""Rows added at a time, between which progress is told and the user heard: under a second."""

_INTERRUPTED = "Operation has been terminated"

Progress = Callable[[IndexProgress], None] | None


def build(
    path: Path,
    vectors: Matrix,
    rows: NDArray[np.int64],
    precision: Precision,
    threads: int,
    progress: Progress = None,
) -> IndexFile:
    """Write an index over `rows`, int64 [n], of vectors float32 [m, d]. On one thread it is the same every time.

    Raises:
        OSError: it could not be written.
        KeyboardInterrupt: the user stopped it; no file is left.
    """
    repeats = repeats_among(rows, vectors, precision)
    graph = empty_index(vectors.shape[1], precision)
    _add(graph, vectors, rows, repeats, precision, threads, progress)
    return _save(path, graph, repeats, vectors, precision)


def extend(
    folder: Path,
    old: IndexFile,
    path: Path,
    vectors: Matrix,
    rows: NDArray[np.int64],
    threads: int,
    progress: Progress = None,
) -> IndexFile:
    """Write an index over what `old` in `folder` covers, and over `rows`, int64 [n], that come after it.

    Rows that have died since stay in it: the library would use their places for others, to which the links of
    their old neighbours then lead.

    Raises:
        IndexDamagedError: the old one cannot be used.
        OSError, KeyboardInterrupt: as `build`.
    """
    stored = load(folder, old)
    in_graph = np.sort(stored.graph.get_keys_in_slice().astype(np.int64))
    repeats = repeats_among(np.concatenate([in_graph, rows]), vectors, old.precision)
    _add(stored.graph, vectors, rows, repeats, old.precision, threads, progress)
    repeats = in_order(np.concatenate([stored.repeats, repeats]))
    return _save(path, stored.graph, repeats, vectors, old.precision)


def _add(
    graph: Index,
    vectors: Matrix,
    rows: NDArray[np.int64],
    repeats: Repeats,
    precision: Precision,
    threads: int,
    progress: Progress,
) -> None:
    distinct = np.setdiff1d(rows, repeats[:, 1])
    for start in range(0, distinct.size, BLOCK):
        block = distinct[start : start + BLOCK]
        try:
            graph.add_many(block.astype(np.uint64), quantised(vectors[block], precision), threads=threads)
        except RuntimeError as error:
            if str(error) == _INTERRUPTED:  # what the signal's handler raised is lost in the library
                raise KeyboardInterrupt from error
            raise
        if progress is not None:
            left = distinct.size - start - block.size
            progress(IndexProgress(rows.size - left, rows.size))


def _save(path: Path, graph: Index, repeats: Repeats, vectors: Matrix, precision: Precision) -> IndexFile:
    """Write it by way of memory: when the library itself writes a file, it may not notice that it fails."""
    parts = (repeats.astype("<i8").tobytes(), graph.save_index_to_buffer())
    unfinished = path.with_name(f"{path.name}.new")
    try:
        with unfinished.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return IndexFile(
        name=path.name,
        precision=precision,
        dimension=vectors.shape[1],
        watermark=len(vectors),
        covered=len(graph) + len(repeats),
        repeats=len(repeats),
        bytes=sum(map(len, parts)),
        mtime_ns=path.stat().st_mtime_ns,
        digest=digest_of(*parts),
    )
