"""The numbers that an index compares, and the library's empty index for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.engines.index.library import compiled
from vai.types import Precision

if TYPE_CHECKING:
    from usearch.compiled import Index

CONNECTIVITY = 24
EXPANSION_ADD = 128
"""How a graph is built: neighbours of a node (M), and how deep a new one's are looked for (efConstruction)."""

INT8_SPAN = 5.0
"""Standard deviations of a unit vector's numbers, 1/√d, that int8 reaches; greater numbers are cut off.

The library's own conversion maps −1…1 to int8 and so leaves 384 numbers some three bits each.
"""


def quantised(vectors: Matrix, precision: Precision) -> NDArray[Any]:
    """Vectors as the index holds them: float32 or int8 [n, d], or their signs as bits, uint8 [n, ⌈d/8⌉]."""
    match precision:
        case "float32":
            return np.ascontiguousarray(vectors, dtype=np.float32)
        case "int8":
            scale = np.float32(127 * vectors.shape[1] ** 0.5 / INT8_SPAN)
            levels: NDArray[np.int8] = np.clip(np.rint(vectors * scale), -127, 127).astype(np.int8)
            return levels
        case "binary":
            return np.packbits(vectors > 0, axis=1)


def bytes_per_vector(dimension: int, precision: Precision) -> int:
    """What `quantised` makes of one vector."""
    match precision:
        case "float32":
            return 4 * dimension
        case "int8":
            return dimension
        case "binary":
            return -(-dimension // 8)


def empty_index(dimension: int, precision: Precision, *, knows_rows: bool = False) -> Index:
    """An index of the library without vectors; it searches as deep as it is asked for rows.

    It can say which rows it holds only if it `knows_rows`, which takes time when it is opened.
    """
    usearch = compiled()
    kinds = {
        "float32": (usearch.ScalarKind.F32, usearch.MetricKind.IP),
        "int8": (usearch.ScalarKind.I8, usearch.MetricKind.IP),
        "binary": (usearch.ScalarKind.B1, usearch.MetricKind.Hamming),
    }
    scalars, metric = kinds[precision]
    index: Index = usearch.Index(
        ndim=8 * bytes_per_vector(dimension, precision) if precision == "binary" else dimension,
        dtype=scalars,
        metric_kind=metric,
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=1,
        enable_key_lookups=knows_rows,
    )
    return index
