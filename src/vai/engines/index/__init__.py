"""The approximate index (HNSW): an immutable file derived from the vectors, which can be thrown away and built anew.

It finds rows by small numbers; whoever asks compares what it found with the vectors themselves.
"""

from vai.engines.index.building import build, extend
from vai.engines.index.costs import EXACT_BELOW, expected_cost, needs_rebuild
from vai.engines.index.file import IndexDamagedError, IndexFile, stamped, verify
from vai.engines.index.searching import AnnIndex

__all__ = [
    "EXACT_BELOW",
    "AnnIndex",
    "IndexDamagedError",
    "IndexFile",
    "build",
    "expected_cost",
    "extend",
    "needs_rebuild",
    "stamped",
    "verify",
]
