"""When an index is worth having, and what having it costs: measured, see `benchmarks/index.py`."""

from __future__ import annotations

from typing import Literal

from vai.engines.index.numbers import bytes_per_vector
from vai.types import Precision

EXACT_BELOW = 50_000
"""Chunks below which comparing every vector takes less time than importing the library and opening an index.

Of 50,000 vectors with 384 numbers each, comparing all takes 3.4 ms; an index takes 12 until its first answer in a new
process, and 0.5 for each that follows (`benchmarks/README.md`).
"""

LINK_BYTES = 212
"""Of one row's links in the graph, by `CONNECTIVITY`."""

TAIL_LEAST, TAIL_SHARE = 10_000, 0.02
"""Comparing the rows of a tail one after another takes about 1 ms for every 10,000."""
DEAD_SHARE = 0.2
"""Where one row in five is dead, a search has to go a quarter deeper for as many live ones."""

_PER_ROW = 0.11
_PER_NUMBER: dict[Precision, float] = {"float32": 1.0e-3, "int8": 1.8e-4, "binary": 2e-5}
"""Milliseconds of one thread to add a row to an index of 50,000, in all and by its numbers."""


def expected_cost(chunks: int, dimension: int, precision: Precision, threads: int) -> tuple[int, int, float]:
    """What building an index takes: bytes of memory, bytes on disk, seconds.

    All of it is once in memory as a graph, and once as the file to be written. The time for a row grows with how many
    there are (measured from 20,000 to 400,000), and a tenth of it is not shared among threads.
    """
    disk = chunks * (bytes_per_vector(dimension, precision) + LINK_BYTES)
    growth = (chunks / 50_000) ** 0.28
    one_thread = chunks * growth * (_PER_ROW + _PER_NUMBER[precision] * dimension) / 1000
    return 2 * disk + 15_000_000, disk, one_thread * (0.1 + 0.9 / threads)


def needs_rebuild(covered: int, unindexed: int, dead: int) -> Literal["no", "extend", "rebuild"]:
    """What an index of `covered` rows needs, of which `dead` are so by now, beside which there are others."""
    if dead > DEAD_SHARE * covered:
        return "rebuild"
    return "extend" if unindexed > max(TAIL_LEAST, TAIL_SHARE * covered) else "no"
