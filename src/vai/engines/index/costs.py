"""When an index is worth having, and what having it costs: measured, see `benchmarks/index.py`."""

from __future__ import annotations

import math
from typing import Literal

from vai.engines.index.numbers import bytes_per_vector
from vai.types import Precision

EXACT_BELOW = 50_000
"""Chunks below which comparing every vector takes less time than opening an index."""

LINK_BYTES = 149
"""Of one row's links in the graph, by `CONNECTIVITY`."""

TAIL_SHARE, TAIL_LEAST = 0.02, 10_000
DEAD_SHARE = 0.2


def expected_cost(chunks: int, dimension: int, precision: Precision, threads: int) -> tuple[int, int, float]:
    """What building an index takes: bytes of memory, bytes on disk, seconds."""
    disk = chunks * (bytes_per_vector(dimension, precision) + LINK_BYTES)
    seconds = (
        chunks * math.log2(chunks + 2) * (2e-5 + 6e-8 * bytes_per_vector(dimension, precision)) / threads
    )
    return int(2.2 * disk), disk, seconds


def needs_rebuild(covered: int, unindexed: int, dead: int) -> Literal["no", "extend", "rebuild"]:
    """What an index of `covered` rows needs, of which `dead` are so by now, beside which there are others."""
    if dead > DEAD_SHARE * covered:
        return "rebuild"
    return "extend" if unindexed > max(TAIL_LEAST, TAIL_SHARE * covered) else "no"
