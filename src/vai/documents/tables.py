"""CSV and TSV: a header, and one record in each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from functools import partial
from itertools import chain
from typing import BinaryIO

from vai.documents.decoding import BINARY_PREFIX, encoding_of
from vai.documents.records import Broken, Record
from vai.documents.source import Unfit

MAX_CELL = 16 * 2**20
"""Characters of the longest line, and cell, that is read."""

DELIMITERS = ",;\t|"


def read_rows(file: BinaryIO, *, tabs: bool) -> Generator[Record | Broken, None, None]:
    """The rows below the header as they are read; `tabs` says that nothing else separates cells.

    A record's place is the line it begins on. Cells that a short row lacks are not there; a row with more
    cells than the header names is broken.

    Raises:
        Unfit: the file is not text, or so damaged that its rows cannot be told apart.
    """
    mark, encoding = encoding_of(file.read(BINARY_PREFIX))
    file.seek(len(mark))
    text = io.TextIOWrapper(file, encoding, newline="")
    csv.field_size_limit(max(MAX_CELL, csv.field_size_limit()))
    line = 1
    try:
        first = _line(text)
        lines = chain([first], iter(partial(_line, text), ""))
        names: list[str] | None = None
        reader = csv.reader(lines, delimiter="\t" if tabs else _delimiter(first))
        for cells in reader:
            if names is None:
                names = _names(cells)
            elif (record := _record(line, cells, names)) is not None:
                yield record
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise Unfit(
            f"is not {encoding.upper()}: invalid byte 0x{byte:02x} after line {line - 1}", kept=True
        ) from None
    except csv.Error as error:
        raise Unfit(f"cannot be read as a table from line {line} on: {error}", kept=True) from None
    finally:
        text.detach()


def _record(line: int, cells: list[str], names: list[str]) -> Record | Broken | None:
    """A row as a record; None for an empty one."""
    if any(cell.strip() for cell in cells[len(names) :]):
        return Broken(line, f"line {line} has {len(cells)} cells under {len(names)} columns")
    return Record(line, line, dict(zip(names, cells, strict=False))) if any(cells) else None


def _line(text: io.TextIOWrapper) -> str:
    """The next line, "" at the end; also what follows in a cell with line ends in it."""
    line = text.readline(MAX_CELL)
    if len(line) == MAX_CELL and not line.endswith("\n"):
        raise csv.Error(f"a line of more than {MAX_CELL // 2**20} million characters")
    return line


def _delimiter(header: str) -> str:
    """The one that the header has most of, outside of quotes; a comma if it has none."""
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def _names(header: list[str]) -> list[str]:
    """A name for each column; one without, or with that of an earlier one, gets its number."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip()
        names.append(name if name and name not in names else f"{name or 'column'} {number}")
    return names
