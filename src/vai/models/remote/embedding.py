"""Texts through an embedder behind an address: several requests at a time, in order, vectors of unit length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from vai.background import in_background
from vai.models.remote.lengths import in_requests, utf8_length

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from vai.arrays import Matrix, Vector

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 4
"""Requests at a time: most of their time is spent on the way."""

FEWEST_TEXTS = 16
"""Of one request, where there are as many; fewer are not worth a request of their own."""

Rows = Sequence[Sequence[float]]
"""A vector for each text."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may hold: texts, and bytes of them in all."""

    texts: int
    bytes: int


def embed_in_requests(
    ask: Callable[[Sequence[str]], Rows], limits: RequestLimits, texts: Sequence[str], dimension: int
) -> Matrix:
    """Vectors float32 [n, d] of unit length, in the order of the texts.

    A text without anything but white space is not sent, because services refuse the whole request for one. Its
    vector is (1, 0, 0, …), which means nothing.
    """
    import numpy as np

    vectors = np.zeros((len(texts), dimension), dtype=np.float32)
    vectors[:, :1] = 1.0
    asked = [row for row, text in enumerate(texts) if text.strip()]
    requests = list(_requests(limits, texts, asked))
    answers = in_flight(lambda rows: ask([texts[row] for row in rows]), requests)
    for rows, answer in zip(requests, answers, strict=True):
        vectors[rows] = unit_length(answer)
    return vectors


def embed_one(ask: Callable[[Sequence[str]], Rows], text: str, dimension: Callable[[], int]) -> Vector:
    """The vector float32 [d] of one text, asked for by itself; of white space it is as in `embed_in_requests`."""
    import numpy as np

    if text.strip():
        vector: Vector = unit_length(ask([text]))[0]
    else:
        vector = np.eye(1, dimension(), dtype=np.float32)[0]
    return vector


def unit_length(rows: Rows) -> Matrix:
    """Rows float32 [n, d] in the same directions; none may be all zeros."""
    import numpy as np

    exact = np.asarray(rows, dtype=np.float64)
    exact /= np.abs(exact).max(axis=1, keepdims=True)  # so that no square is too large or too small
    unit: Matrix = (exact / np.linalg.norm(exact, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _requests(limits: RequestLimits, texts: Sequence[str], rows: Sequence[int]) -> Iterator[list[int]]:
    """The rows of each request: spread over those in flight."""
    most = min(limits.texts, max(FEWEST_TEXTS, -(-len(rows) // IN_FLIGHT)))
    for request in in_requests([utf8_length(texts[row]) for row in rows], most=most, most_bytes=limits.bytes):
        yield list(rows[request])


def in_flight(work: Callable[[T], R], items: Iterable[T], most: int = IN_FLIGHT) -> Iterator[R]:
    """What `work` makes of each item, in order, of which `most` are worked on at a time.

    After the first failure nothing is begun any more, and nobody waits for what is still on its way: the threads are
    daemons, so that they keep no program from ending.
    """
    begun: deque[Future[R]] = deque()
    for item in items:
        if len(begun) == most:
            yield begun.popleft().result()
        begun.append(in_background(partial(work, item), "vai-embed"))
    while begun:
        yield begun.popleft().result()


# ── lengths ──────────────────────────────────────────────────────────────────────────────────────


def token_ends(text: str) -> Sequence[int]:
    """For each token of a text, the offset of the character after it, in tokens of the bundled embedder.

    A service's own tokenizer is not here. Chunks are cut by these lengths, so the size of chunks is in these tokens,
    of which prose has about as many as of any other model's.
    """
    from vai.models.local import encoder

    return encoder.token_ends(_tokenizer(), text)


@cache
def _tokenizer() -> Tokenizer:
    from vai.models.local.encoder import load_tokenizer
    from vai.models.manifest import BUNDLED, read_manifest

    return load_tokenizer(read_manifest(BUNDLED / "all-MiniLM-L6-v2").tokenizer)


def within_tokens(text: str, most: int) -> str:
    """The text up to so many tokens of `token_ends`."""
    if len(text) * 3 <= most:  # a character is three tokens at most, the parts of a Korean syllable
        return text
    ends = token_ends(text)
    return text if len(ends) <= most else text[: ends[most - 1]] if most > 0 else ""
