"""What filters look at, as a collection's database keeps it: for each value of a field, the documents that have it.

Documents stand in blocks of 4,096 by their numbers, and a row holds which of a block's documents have one value: so
a value that many documents share costs little, and a filter reads a set of documents as a few rows (the idea of
Roaring bitmaps; Lemire et al. 2016, *Consistently faster and smaller compressed bitmaps with Roaring*).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vai.filters import Scalar, comparable, flattened, type_of
from vai.types import Json, StoredDocument

FIELDS_SCHEMA = """
CREATE TABLE field_values (
    kind INTEGER NOT NULL,  -- as ValueKind has them
    name TEXT NOT NULL,  -- '.' and a metadata field's name; 'path', 'title' or 'type'
    value NOT NULL,  -- 0 where the kind says it all
    block INTEGER NOT NULL,  -- document number / 4096
    documents NOT NULL,  -- which of the block: the place of one, up to 255 of 16 bits in order, or 4096 bits
    PRIMARY KEY (kind, name, value, block)
) WITHOUT ROWID;
CREATE INDEX chunks_by_heading ON chunks (heading) WHERE heading <> '[]';
CREATE INDEX sources_by_modified ON sources (mtime_ns);
"""

BLOCK = 4096
_BITMAP_BYTES = BLOCK // 8
_PLACE = np.dtype("<u2")
_PENDING = 50_000
"""Values noted in memory before they are written; some 20 MB."""

LONGEST_VALUE = 256
MOST_VALUES = 64
MOST_FIELDS = 500
"""What is kept of one document: characters of a text, values of a field, fields. Of what goes beyond, only that it
is there; filters then look at the document itself. So a vector in a record does not become a thousand rows."""


class ValueKind(IntEnum):
    """What a row says of its documents."""

    EXISTS = 0
    """They have the field."""
    NULL = 1
    BOOLEAN = 2
    NUMBER = 3
    TEXT = 4
    LONG_TEXT = 5
    """The field holds a longer text that begins so."""
    UNLISTED = 6
    """The field has more values than are kept; of the name '', the document has more fields."""


KINDS = {
    "null": ValueKind.NULL,
    "boolean": ValueKind.BOOLEAN,
    "number": ValueKind.NUMBER,
    "text": ValueKind.TEXT,
}

Key = tuple[ValueKind, str, int | float | str]
"""Kind, name and value."""

Row = tuple[ValueKind, str, int | float | str, int]
"""Kind, name, value and block."""

Packed = int | bytes
"""Documents of a block: the place of one, places, or bits."""


def stored_name(field: str) -> str:
    """The name that a metadata field has in the table, where built-in ones have their own."""
    return f".{field}"


class FieldsWriter:
    """Keeps the table in step with the documents. What was noted is written by `flush`, and forgotten without it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._pending: dict[Key, dict[int, bool]] = {}
        self._count = 0

    def put(self, number: int, document: StoredDocument) -> None:
        """Note the values of a document that is now stored under a number."""
        self._note(number, _keys(document.source, document.title, document.metadata), present=True)

    def remove(self, number: int) -> None:
        """Note that a document is to be removed, which still has to be in the database."""
        stored = self._database.execute(f"{_STORED} WHERE documents.number = ?", (number,)).fetchone()
        if stored is not None:
            _, source, title, metadata = stored
            self._note(number, _keys(source, title, json.loads(metadata)), present=False)

    def put_all(self) -> None:
        """Note the values of every document in the database."""
        for number, source, title, metadata in self._database.execute(_STORED):
            self._note(number, _keys(source, title, json.loads(metadata)), present=True)

    def flush(self) -> None:
        """Write what was noted, in the database's transaction."""
        for key in sorted(self._pending):
            blocks: dict[int, dict[int, bool]] = {}
            for number, present in self._pending[key].items():
                block, place = divmod(number, BLOCK)
                blocks.setdefault(block, {})[place] = present
            for block, changes in blocks.items():
                self._change((*key, block), changes)
        self._pending.clear()
        self._count = 0

    def _note(self, number: int, keys: Iterator[Key], *, present: bool) -> None:
        for key in keys:
            self._pending.setdefault(key, {})[number] = present
            self._count += 1
        if self._count >= _PENDING:
            self.flush()

    def _change(self, row: Row, changes: Mapping[int, bool]) -> None:
        added = {place for place, present in changes.items() if present}
        if len(added) == len(changes) and self._insert("IGNORE", row, added):
            return  # as most go: a value, or a block, that was not there
        where = "WHERE kind = ? AND name = ? AND value = ? AND block = ?"
        stored = self._database.execute(f"SELECT documents FROM field_values {where}", row).fetchone()
        places = (_members(stored[0]) if stored else set()) - changes.keys() | added
        if places:
            self._insert("REPLACE", row, places)
        elif stored:
            self._database.execute(f"DELETE FROM field_values {where}", row)

    def _insert(self, conflict: Literal["IGNORE", "REPLACE"], row: Row, places: set[int]) -> bool:
        """Whether the row was written: not if there is one that is to stay."""
        statement = f"INSERT OR {conflict} INTO field_values VALUES (?, ?, ?, ?, ?)"
        return self._database.execute(statement, (*row, _packed(places))).rowcount == 1


_STORED = (
    "SELECT documents.number, sources.name, documents.title, documents.metadata"
    " FROM documents JOIN sources ON sources.number = documents.source"
)


def field_names(database: sqlite3.Connection) -> list[str]:
    """Names of the metadata fields that documents have, nested ones with dots; in order."""
    rows = database.execute(
        "WITH RECURSIVE names(name) AS ("
        " SELECT min(name) FROM field_values WHERE kind = :exists AND name >= '.'"
        " UNION ALL"
        " SELECT (SELECT min(name) FROM field_values WHERE kind = :exists AND name > names.name) FROM names"
        " WHERE name IS NOT NULL"
        ") SELECT substr(name, 2) FROM names WHERE name >= '.' AND name < '/'",
        {"exists": ValueKind.EXISTS},
    )
    return [name for (name,) in rows]


def unpack(blocks: Iterable[tuple[int, Packed]], mask: NDArray[np.bool_]) -> None:
    """Set a mask over document numbers where rows, of which block and `documents` are given, hold a document."""
    singles: list[int] = []
    firsts: list[int] = []
    lists: list[bytes] = []
    for block, packed in blocks:
        first = block * BLOCK
        if isinstance(packed, int):
            singles.append(first + packed)
        elif len(packed) == _BITMAP_BYTES:
            mask[first : first + BLOCK] |= _bits(packed)
        else:
            firsts.append(first)
            lists.append(packed)
    if lists:
        counts = [len(packed) // _PLACE.itemsize for packed in lists]
        mask[np.repeat(firsts, counts) + np.frombuffer(b"".join(lists), _PLACE)] = True
    mask[np.array(singles, dtype=np.int64)] = True


def _members(packed: Packed) -> set[int]:
    """Places in the block."""
    if isinstance(packed, int):
        return {packed}
    if len(packed) == _BITMAP_BYTES:
        return set(np.flatnonzero(_bits(packed)).tolist())
    return set(np.frombuffer(packed, _PLACE).tolist())


def _bits(packed: bytes) -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little").view(np.bool_)


def _packed(places: set[int]) -> Packed:
    if len(places) == 1:
        return next(iter(places))
    if len(places) * _PLACE.itemsize < _BITMAP_BYTES:
        return np.array(sorted(places), _PLACE).tobytes()
    bits = np.zeros(BLOCK, dtype=np.bool_)
    bits[list(places)] = True
    return np.packbits(bits, bitorder="little").tobytes()


def _keys(source: str, title: str, metadata: Mapping[str, Json]) -> Iterator[Key]:
    """The rows that a document belongs to."""
    yield ValueKind.EXISTS, "type", 0  # every document is found by this
    yield from _value_keys("path", [source])
    yield from _value_keys("type", [type_of(source)])
    yield from _value_keys("title", [title])
    fields = {stored_name(name): values for name, values in flattened(metadata).items()}
    named = [name for name in fields if len(name) <= LONGEST_VALUE][:MOST_FIELDS]
    for name in named:
        yield ValueKind.EXISTS, name, 0
    if len(named) < len(fields):
        yield ValueKind.UNLISTED, "", 0
        return
    for name, values in fields.items():
        if len(values) > MOST_VALUES:
            yield ValueKind.UNLISTED, name, 0
        else:
            yield from _value_keys(name, values)


def _value_keys(name: str, values: list[Scalar]) -> Iterator[Key]:
    for scalar in values:
        kind, value = comparable(scalar)
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            yield ValueKind.LONG_TEXT, name, value[:LONGEST_VALUE]
        else:
            yield KINDS[kind], name, value
