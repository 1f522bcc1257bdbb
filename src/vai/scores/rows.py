"""What a score is found by, and how it lies in the file.

Texts are not kept, only digests of them: who holds the file can tell whether a text he guesses was read, and
cannot read any. A score is found by the digests of query and passage; that of the query covers the model's name
and revision, and by contract a revision covers the template and the length that is read at once.

Every score is sealed with a checksum over itself and all it is found by. SQLite has no checksums of its own, and
a flipped bit must make a score unknown, never another one.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from vai.types import Span

Kind = Literal["logits", "relevance"]
"""What a model gives."""

_DIGEST_BYTES = 16
_BODY = struct.Struct("<ffii")
_SEAL = struct.Struct("<I")
_AT_ONCE = (-1, -1)


@dataclass(frozen=True, slots=True)
class ModelId:
    """A reranker's name and revision: together they decide every value."""

    name: str
    revision: str


@dataclass(frozen=True, slots=True)
class Score:
    """One passage's value and the share of it that was seen, both float32; the window that scored best, if any."""

    value: float
    seen: float
    window: Span | None


def query_digest(model: ModelId, query: str) -> bytes:
    """16 bytes that stand for a model and a query."""
    return _digest(model.name, model.revision, query)


def passage_digest(passage: str) -> bytes:
    """16 bytes that stand for a passage."""
    return _digest(passage)


def _digest(*texts: str) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))  # so that no other texts end and begin like these
        digest.update(data)
    return digest.digest()


def seal_of(kind: object, query_seen: object, query: bytes) -> int:
    """The checksum of what the scores of one query have in common; anything but what was written has another."""
    return zlib.crc32(f"{kind} {query_seen!r} ".encode("utf-8", "replace") + query)


def pack(score: Score, passage: bytes, seal: int) -> bytes:
    """A score as it lies in the file; `seal` is that of its query, `passage` the digest."""
    start, end = score.window or _AT_ONCE
    body = _BODY.pack(score.value, score.seen, start, end)
    return body + _SEAL.pack(zlib.crc32(passage + body, seal))


def unpack(data: object, passage: bytes, seal: int) -> Score | None:
    """The score that was packed, bit for bit; None if it is damaged."""
    if not isinstance(data, bytes) or len(data) != _BODY.size + _SEAL.size:
        return None
    body = data[: _BODY.size]
    if _SEAL.pack(zlib.crc32(passage + body, seal)) != data[_BODY.size :]:
        return None
    value, seen, start, end = _BODY.unpack(body)
    return Score(value, seen, None if (start, end) == _AT_ONCE else (start, end))
