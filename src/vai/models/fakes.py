"""Models whose every number can be computed by hand, for tests: yours and ours.

They take no time to load, need no file and are deterministic, so that a test can assert an order.
"""

from __future__ import annotations

import re
import time
import zlib
from array import array
from collections.abc import Sequence

import numpy as np

from vai.arrays import Matrix, Vector
from vai.types import Reading

_TOKEN = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """The lower-cased words and punctuation marks of a text, which these models take for tokens."""
    return [token.lower() for token in _TOKEN.findall(text)]


class HashingEmbedder:
    """A bag of words: each word adds 1 at its CRC-32 modulo the dimension, then the vector is scaled to unit length.

    Texts that share words are similar. A text without words is the vector (1, 0, 0, …).
    """

    name = "hashing"
    revision = "1"
    max_tokens = 256
    languages: tuple[str, ...] = ()

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension

    def token_ends(self, text: str) -> Sequence[int]:
        return array("q", (match.end() for match in _TOKEN.finditer(text)))

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.embed_query(text)
        return vectors

    def embed_query(self, text: str) -> Vector:
        counts = np.zeros(self.dimension, dtype=np.float64)
        for word in words(text)[: self.max_tokens]:
            counts[zlib.crc32(word.encode("utf-8", "replace")) % self.dimension] += 1
        if not counts.any():
            counts[0] = 1
        unit: Vector = (counts / np.linalg.norm(counts)).astype(np.float32)
        return unit


class WordOverlapReranker:
    """Logit and relevance are the share of the query's different words that the passage holds: 0 to 1."""

    name = "word-overlap"
    blend = 0.0
    similarity_scale = 1.0
    calibrated = False
    languages: tuple[str, ...] = ()
    max_tokens = 256

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        asked = set(words(query))
        logits = np.full(len(passages), np.nan, dtype=np.float32)
        seen = np.zeros(len(passages), dtype=np.float32)
        tokens = 0
        for row, passage in enumerate(passages):
            if deadline is not None and time.monotonic() >= deadline:
                break
            read = words(passage)
            kept = read[: self.max_tokens]
            logits[row] = len(asked.intersection(kept)) / len(asked) if asked else 0.0
            seen[row] = len(kept) / len(read) if read else 1.0
            tokens += len(asked) + len(kept)
        reason = "the deadline came first" if np.isnan(logits).any() else None
        return Reading(logits=logits, relevance=logits, tokens=tokens, seen=seen, reason=reason)
