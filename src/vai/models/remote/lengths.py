"""How long texts are for services, whose tokenizers are not here: in bytes of UTF-8, which bound their tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

TEMPLATE_TOKENS = 16
"""What a service puts around a text, or around a query and a passage: special tokens, a prompt."""

BYTES_PER_TOKEN_OF_PROSE = 4
"""Prose has four to five, program text three to four."""


def utf8_length(text: str) -> int:
    """Bytes of a text as it is sent."""
    return len(text.encode("utf-8", "replace"))


def most_tokens(texts: Sequence[str], limit: int, *, query: str = "") -> int:
    """No request for these texts, each read together with the query, has more tokens: a token has a byte at least.

    Args:
        limit: tokens that the service reads of one of them, with the query, at most.
    """
    beside = utf8_length(query) + TEMPLATE_TOKENS
    return sum(min(beside + utf8_length(text), limit) for text in texts)


def likely_tokens(texts: Sequence[str], *, query: str = "") -> int:
    """About how many tokens these texts have, each read together with the query, if they are prose."""
    beside = utf8_length(query)
    return sum(math.ceil((beside + utf8_length(text)) / BYTES_PER_TOKEN_OF_PROSE) for text in texts)


def in_requests(lengths: Sequence[int], *, most: int, most_bytes: int) -> Iterator[slice]:
    """Texts of these lengths shared out among requests, in order: as many to each as it may hold, and at least one.

    Args:
        most: texts of one request.
        most_bytes: of all texts of one request.
    """
    first, total = 0, 0
    for place, length in enumerate(lengths):
        if place > first and (place - first == most or total + length > most_bytes):
            yield slice(first, place)
            first, total = place, 0
        total += length
    if lengths:
        yield slice(first, len(lengths))
