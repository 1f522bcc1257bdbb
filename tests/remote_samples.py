"""Texts for models behind an address, and what the stand-ins of `model_stub.py` have to make of them."""

from __future__ import annotations

import numpy as np

QUERY = "how to scale a replica set"
PASSAGES = ("a set", "bread and butter", "scale a replica set", "how to scale")
RELEVANCE = np.array([2 / 6, 0, 4 / 6, 3 / 6], dtype=np.float32)
"""Share of the query's six words in each passage."""
TOKENS = 4 * 6 + 2 + 3 + 4 + 3
"""Words of the query with each passage."""

TEXTS = ("scale a replica set", "bread and butter", "how to scale")
