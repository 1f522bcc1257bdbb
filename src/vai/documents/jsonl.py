"""JSON records: one on each line, or a list of them in one file."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Mapping
from typing import BinaryIO

from vai.documents.decoding import BINARY_PREFIX, decode, encoding_of, mended, not_in_encoding
from vai.documents.records import Broken, Record
from vai.documents.source import Unfit
from vai.types import Json

MAX_LINE = 16 * 2**20
"""Bytes of the longest line that is read; longer ones are passed over without being held."""


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)
"""Python writes NaN and infinities that JSON does not have: they become null."""


def read_lines(file: BinaryIO) -> Generator[Record | Broken, None, None]:
    """The records of a file with one JSON object on each line, empty lines aside, as they are read.

    Raises:
        Unfit: the file is binary, or not in UTF-8 by its byte order mark.
    """
    mark, encoding = encoding_of(file.read(BINARY_PREFIX))
    if encoding != "utf-8":
        raise Unfit(f"is {encoding.upper()[:6]}, and JSON lines are UTF-8", kept=True)
    file.seek(len(mark))
    for number, line in _numbered(file):
        if len(line) > MAX_LINE:
            yield Broken(number, f"line {number} is longer than {MAX_LINE // 2**20} MB")
        elif line.strip():
            yield _record(number, line)


def read_list(data: bytes) -> list[Record] | None:
    """The records of a file that is one list of JSON objects; None if it is something else.

    Their places are their ranks from 1, because a list may stand on a single line.

    Raises:
        Unfit: the data is not text.
    """
    text = decode(data)
    start = _after_space(text, 0)
    if text[start : start + 1] != "[":
        return None
    records: list[Record] = []
    line, counted = 1, 0
    position = _after_space(text, start + 1)
    while text[position : position + 1] == "{":
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return None
        records.append(Record(len(records) + 1, line, _mended_fields(value)))
        position = _after_space(text, position)
        if text[position : position + 1] == "]":
            return records if not text[position + 1 :].strip() else None
        position = _after_space(text, position + 1) if text[position : position + 1] == "," else len(text)
    return None


def _numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers from 1; of one that is too long, only so much that it shows."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        yield number, line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1) or b"\n"


def _record(number: int, line: bytes) -> Record | Broken:
    try:
        text = line.decode().rstrip()
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        return Broken(number, f"line {number} {not_in_encoding(error, 'utf-8')}")
    except json.JSONDecodeError as error:
        fault = error.msg.lower().removesuffix(" at")
        return Broken(number, f"line {number} is not JSON: {fault} at character {error.colno}")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested as deep
        return Broken(number, f"line {number} cannot be read: {str(error).lower()}")
    if not isinstance(value, dict):
        return Broken(number, f"line {number} is not a JSON object")
    return Record(number, number, _mended_fields(value) if "\\u" in text else value)


def _mended_fields(fields: Mapping[str, Json]) -> Mapping[str, Json]:
    return {mended(name): _mended(value) for name, value in fields.items()}


def _mended(value: Json) -> Json:
    match value:
        case str():
            return mended(value)
        case dict():
            return _mended_fields(value)
        case list():
            return [_mended(item) for item in value]
        case _:
            return value


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
