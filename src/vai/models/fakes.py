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
from vai.models.local.templates import READING, token_windows
from vai.types import Calibration, Reading, Span

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
    usd_per_million_tokens = 0.0

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension

    def token_ends(self, text: str) -> Sequence[int]:
        return array("q", (match.end() for match in _TOKEN.finditer(text)))

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.embed_query(text)
        return vectors

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        counts = np.zeros(self.dimension, dtype=np.float64)
        for word in words(text)[: self.max_tokens]:
            counts[zlib.crc32(word.encode("utf-8", "replace")) % self.dimension] += 1
        if not counts.any():
            counts[0] = 1
        unit: Vector = (counts / np.linalg.norm(counts)).astype(np.float32)
        return unit


class WordOverlapReranker:
    """Relevance is the share of the query's different words that the passage holds: 0 to 1.

    More than 256 words of a passage are read in windows (`vai.models.local.templates.token_windows`), of which the
    first that holds most of the query counts. Tokens are the words of passages, and for each window the query's.
    """

    name = "word-overlap"
    revision = f"1/{READING}"
    usd_per_million_tokens = 0.0
    blend = 0.0
    similarity_scale = 1.0
    calibration: Calibration | None = None
    languages: tuple[str, ...] = ()
    max_tokens = 256

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        asked = set(words(query))
        relevance = np.full(len(passages), np.nan, dtype=np.float32)
        seen = np.zeros(len(passages), dtype=np.float32)
        spans: list[Span | None] = [None] * len(passages)
        tokens = 0
        for row, passage in enumerate(passages):
            if deadline is not None and time.monotonic() >= deadline:
                break
            found = list(_TOKEN.finditer(passage))
            windows = token_windows(len(found), self.max_tokens)
            shares = [self._share(asked, found[start:stop]) for start, stop in windows]
            best = shares.index(max(shares))
            relevance[row] = shares[best]
            seen[row] = windows[-1][1] / len(found) if found else 1.0
            tokens += sum(len(asked) + stop - start for start, stop in windows)
            if len(windows) > 1:
                spans[row] = found[windows[best][0]].start(), found[windows[best][1] - 1].end()
        late = bool(np.isnan(relevance).any())
        return Reading(
            logits=None,
            relevance=relevance,
            tokens=tokens,
            seen=seen,
            stopped="deadline" if late else None,
            reason="the time was up" if late else None,
            windows=tuple(spans) if any(spans) else (),
        )

    def _share(self, asked: set[str], found: Sequence[re.Match[str]]) -> float:
        """The share of the query's words that are among these."""
        there = {match.group().lower() for match in found}
        return len(asked & there) / len(asked) if asked else 0.0
