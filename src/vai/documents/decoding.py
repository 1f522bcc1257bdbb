"""Bytes → text, or why they are not text."""

from __future__ import annotations

import codecs

from vai.documents.source import Unfit
from vai.types import Json

BYTE_ORDER_MARKS = (  # UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BINARY_PREFIX = 8192
"""Bytes in which a NUL means that the file is not text, as git has it."""


def decode(data: bytes) -> str:
    """The text that `data` holds in UTF-8, or in what its byte order mark says; the mark is no part of it.

    Line ends stay as they are, so that offsets and lines are the file's.

    Raises:
        Unfit: the data is binary, or not in that encoding.
    """
    mark, encoding = encoding_of(data)
    return decode_as(data, encoding, skip=len(mark))


def encoding_of(data: bytes) -> tuple[bytes, str]:
    """The byte order mark that `data` begins with and the encoding it means; (b"", "utf-8") without one.

    Raises:
        Unfit: the data is binary.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return mark, encoding
    if b"\0" in data[:BINARY_PREFIX]:
        raise Unfit("is binary", kept=False)
    return b"", "utf-8"


def decode_as(data: bytes, encoding: str, *, skip: int = 0) -> str:
    """What follows the first `skip` bytes. Raises Unfit, with where it went wrong in `data`."""
    try:
        return data[skip:].decode(encoding)
    except UnicodeDecodeError as error:
        raise Unfit(not_in_encoding(error, encoding, skip), kept=True) from None


def not_in_encoding(error: UnicodeDecodeError, encoding: str, skip: int = 0) -> str:
    """What is wrong, with the first offending byte and its offset from 0."""
    name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
    return f"is not {name}: invalid byte 0x{error.object[error.start]:02x} at offset {skip + error.start}"


def as_text(value: Json) -> str:
    """A string as it is and a number as it is written; "" for what is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def mended(text: str) -> str:
    """The text with half surrogate pairs, which escapes can hold and no file can, as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
