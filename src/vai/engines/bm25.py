"""BM25: how much a passage is about the words of a query.

    Σ over the query's terms   idf · tf / (tf + K1 · (1 − B + B · length / average length))

Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", 3.4.1, without the constant factor
K1 + 1; `idf` is Lucene's, ln(1 + (N − df + ½) / (df + ½)), which is never negative. A length is a number of terms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Vector
from vai.engines.analysis import query_terms, terms

K1 = 0.9
"""How soon another occurrence of a term adds nothing."""

B = 0.4
"""How much long passages are held to be merely wordy: 0 not at all, 1 in full."""

MOST_COUNTED = 255
"""More occurrences of a term in one passage count as that many."""

LONGEST = 65_535
"""Terms; a longer passage counts as that long."""


def idf(passages_with_term: int, passages: int) -> float:
    """How rare a term is."""
    return math.log1p((passages - passages_with_term + 0.5) / (passages_with_term + 0.5))


def length_norms(lengths: NDArray[np.integer], average: float) -> Vector:
    """float32 [n]: what the lengths of passages add to the denominator; `average` is greater than 0."""
    return lengths.astype(np.float32) * np.float32(K1 * B / average) + np.float32(K1 * (1 - B))


def weights(counts: NDArray[np.integer], norms: Vector, rarity: float) -> Vector:
    """float32 [n]: what a term of that idf adds to passages that it occurs in so often."""
    frequencies = counts.astype(np.float32)
    return frequencies / (frequencies + norms) * np.float32(rarity)


def score_texts(query: str, passages: Sequence[str]) -> Vector:
    """float32 [n]: BM25 of every passage among these, 0 where no term of the query occurs."""
    texts = [terms(passage) for passage in passages]
    lengths = np.array([min(len(text), LONGEST) for text in texts], dtype=np.int64)
    occurrences = [Counter(text) for text in texts]
    scores = np.zeros(len(passages), dtype=np.float32)
    for term in query_terms(query):
        counts = np.array([min(counter[term], MOST_COUNTED) for counter in occurrences], dtype=np.int64)
        found = np.flatnonzero(counts)
        if found.size:
            norms = length_norms(lengths[found], int(lengths.sum()) / len(passages))
            scores[found] += weights(counts[found], norms, idf(found.size, len(passages)))
    return scores
