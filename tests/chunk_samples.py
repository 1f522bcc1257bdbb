"""A measure that can be counted by eye, and short ways to chunk a text with it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vai.chunking import split
from vai.types import Chunk, Document, Format, Json

_TOKEN = re.compile(r"\w+|[^\w\s]")


def token_ends(text: str) -> Sequence[int]:
    """Words and single marks."""
    return [found.end() for found in _TOKEN.finditer(text)]


def tokens_in(text: str) -> int:
    return len(token_ends(text))


def words(count: int, name: str = "word") -> str:
    """`count` tokens without any mark between them."""
    return " ".join(f"{name}{number}" for number in range(count))


def sentence(count: int, name: str = "word") -> str:
    """`count` tokens, of which the last is the full stop."""
    return f"{words(count - 1, name).capitalize()}."


def document(
    text: str,
    format: Format = "text",  # noqa: A002
    *,
    language: str = "",
    pages: tuple[int, ...] = (),
    metadata: dict[str, Json] | None = None,
) -> Document:
    return Document("d", "d", text, format=format, language=language, pages=pages, metadata=metadata or {})


def chunked(
    text: str,
    format: Format = "text",  # noqa: A002
    *,
    limit: int = 40,
    language: str = "",
    pages: tuple[int, ...] = (),
) -> list[Chunk]:
    return split(document(text, format, language=language, pages=pages), token_ends, chunk_tokens=limit)


def texts(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def headings(chunks: Sequence[Chunk]) -> list[tuple[str, ...]]:
    return [chunk.heading for chunk in chunks]


def sizes(chunks: Sequence[Chunk]) -> list[int]:
    return [chunk.tokens for chunk in chunks]
