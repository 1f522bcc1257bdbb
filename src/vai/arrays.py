"""The arrays that parts pass to each other. Apart from `types`, so that those can be imported without NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""float32 [n]; of a text, [d] and of unit length."""

Matrix = NDArray[np.float32]
"""float32 [n, d], rows of unit length."""

Ranks = NDArray[np.int32]
"""int32, from 1; 0 for what has no rank."""

Doubles = NDArray[np.float64]
"""float64."""
