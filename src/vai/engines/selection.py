"""Filter → the documents or rows that it lets through, as masks; `vai.filters.matches` says what is right.

A condition becomes a mask over document numbers, and these are joined before they are spread over the rows of the
vector file by one gather. Only headings differ from chunk to chunk.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from vai.engines.comparisons import (
    Test,
    heading_literal,
    intervals,
    is_prefix,
    positive,
    tests,
    wanted_texts,
    wants_null,
)
from vai.engines.fields import BLOCK, KINDS, LONGEST_VALUE, Packed, ValueKind, stored_name, unpack
from vai.filters import (
    Condition,
    Every,
    Filter,
    FilterFields,
    Negated,
    Some,
    filter_fields,
    glob_pattern,
    matches,
    modified_at,
    require_about_documents,
)

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Parameters = tuple[int | float | str, ...]
Posting = tuple[int, Packed, int | float | str]
"""Block, documents, value."""

_MODIFIED = (
    "SELECT documents.number AS number, sources.mtime_ns FROM sources"
    " CROSS JOIN documents ON documents.source = sources.number WHERE sources.mtime_ns BETWEEN ? AND ?"
)
"""A cross join is done from left to right: the sources have the condition."""


def allowed_rows(database: sqlite3.Connection, filter: Filter, owners: NDArray[np.uint32]) -> Mask:
    """For each row of the vector file, whether its chunk passes, bool [n]; rows of no chunk may say anything.

    Args:
        owners: for each row, the number of its document, uint32 [n].
    """
    selection = _Selection(database, owners)
    return selection.by_row(selection.of(filter))


def allowed_documents(database: sqlite3.Connection, filter: Filter) -> Numbers:
    """Numbers of the documents that pass, ascending.

    Raises:
        ValueError: the filter is about headings, which the chunks of a document have different ones of.
    """
    require_about_documents(filter)
    selection = _Selection(database, np.empty(0, dtype=np.uint32))
    return np.flatnonzero(selection.of(filter).allowed & selection.having("type"))


@dataclass(frozen=True, slots=True)
class _Selected:
    """A mask over document numbers or, if `by_row`, over rows of the vector file."""

    allowed: Mask
    by_row: bool = False


class _Selection:
    """One filter at work on one collection."""

    def __init__(self, database: sqlite3.Connection, owners: NDArray[np.uint32]) -> None:
        self._database = database
        self._owners = owners
        (last,) = database.execute("SELECT coalesce(max(number), 0) FROM documents").fetchone()
        self._size = (last // BLOCK + 1) * BLOCK

    def of(self, filter: Filter) -> _Selected:
        """What a filter lets through; documents and rows that are not there may say anything."""
        match filter:
            case Condition():
                wanted, negated = positive(filter)
                selected = self._condition(wanted)
                return _complement(selected) if negated else selected
            case Every(filters):
                return self._joined(np.logical_and, True, map(self.of, filters))
            case Some(filters):
                return self._joined(np.logical_or, False, map(self.of, filters))
            case Negated(inner):
                return _complement(self.of(inner))

    def by_row(self, selected: _Selected) -> Mask:
        """A mask spread over the rows."""
        if selected.by_row:
            return selected.allowed
        # The owner of a dead row may have had a number beyond those that are in use.
        return np.take(selected.allowed, self._owners, mode="clip")

    def having(self, name: str) -> Mask:
        """The documents that have a field of that stored name."""
        return self._marked(self._none(), self._postings(ValueKind.EXISTS, name))

    def _none(self) -> Mask:
        return np.zeros(self._size, dtype=np.bool_)

    def _joined(
        self, join: Callable[[Mask, Mask], Mask], start: bool, selections: Iterable[_Selected]
    ) -> _Selected:
        """Joined as documents first, so that there is one gather."""
        found = list(selections)
        of_documents = [selected.allowed for selected in found if not selected.by_row]
        of_rows = [selected.allowed for selected in found if selected.by_row]
        documents = _Selected(reduce(join, of_documents) if of_documents else np.full(self._size, start))
        if not of_rows:
            return documents
        rows = [self.by_row(documents), *of_rows] if of_documents else of_rows
        return _Selected(reduce(join, rows), by_row=True)

    def _condition(self, condition: Condition) -> _Selected:
        if condition.metadata:
            return _Selected(self._values(stored_name(condition.field), condition))
        if condition.field == "heading":
            return _Selected(self._headings(condition), by_row=True)
        if condition.operator == "exists":
            return _Selected(np.ones(self._size, dtype=np.bool_))
        match condition.field:
            case "path" | "type" | "title":
                return _Selected(self._values(condition.field, condition))
            case "id":
                return _Selected(self._ids(condition))
            case "modified":
                return _Selected(self._modified(condition))
            case _:
                raise ValueError(f"there is no built-in field `{condition.field}`")

    # ── what the table of values holds ──

    def _values(self, name: str, condition: Condition) -> Mask:
        if condition.operator == "exists":
            found = self.having(name)
        else:
            found = self._none()
            for test in tests(condition):
                self._mark_passing(found, name, test)
            if condition.metadata and wants_null(condition):
                found |= ~self.having(name)
        for number in np.flatnonzero(self._outsized(name, condition)).tolist():
            found[number] = matches(condition, self._fields(number))
        return found

    def _mark_passing(self, found: Mask, name: str, test: Test) -> None:
        """Mark the documents that have a value which passes."""
        kind, where, pattern = KINDS[test.kind], test.where.format(value="value"), test.pattern
        if pattern is not None:
            postings = self._postings(kind, name, where, test.parameters)
            self._marked(found, (posting for posting in postings if pattern.match(str(posting[2]))))
        elif test.many:
            # Where each document has a value of its own, a row for each would take five times as long.
            found[self._single_documents(kind, name, where, test.parameters)] = True
            blocks = f"{where} AND typeof(documents) = 'blob'"
            self._marked(found, self._postings(kind, name, blocks, test.parameters))
        else:
            self._marked(found, self._postings(kind, name, where, test.parameters))

    def _single_documents(self, kind: ValueKind, name: str, where: str, parameters: Parameters) -> Numbers:
        return self._column(
            f"SELECT block * {BLOCK} + documents AS number FROM field_values"
            f" WHERE kind = ? AND name = ? AND {where} AND typeof(documents) = 'integer'",
            (kind, name, *parameters),
        )

    def _outsized(self, name: str, condition: Condition) -> Mask:
        """The documents of which the table does not hold all that the condition is about."""
        found = self._marked(self._none(), self._postings(ValueKind.UNLISTED, ""))
        match condition.operator:
            case "exists":
                return found
            case "in":
                beginnings = {
                    text[:LONGEST_VALUE] for text in wanted_texts(condition) if len(text) > LONGEST_VALUE
                }
                for beginning in beginnings:
                    long = self._postings(ValueKind.LONG_TEXT, name, "value = ?", (beginning,))
                    self._marked(found, long)
            case _:
                self._marked(found, self._postings(ValueKind.LONG_TEXT, name))
        return self._marked(found, self._postings(ValueKind.UNLISTED, name))

    def _fields(self, number: int) -> FilterFields:
        document_id, source, title, mtime_ns, metadata = self._database.execute(
            "SELECT documents.id, sources.name, documents.title, sources.mtime_ns, documents.metadata"
            " FROM documents JOIN sources ON sources.number = documents.source WHERE documents.number = ?",
            (number,),
        ).fetchone()
        return filter_fields(
            document_id=document_id,
            source=source,
            title=title,
            mtime_ns=mtime_ns,
            metadata=json.loads(metadata),
        )

    def _postings(
        self, kind: ValueKind, name: str, where: str = "1", parameters: Parameters = ()
    ) -> Iterator[Posting]:
        return self._database.execute(
            f"SELECT block, documents, value FROM field_values WHERE kind = ? AND name = ? AND {where}",
            (kind, name, *parameters),
        )

    def _marked(self, mask: Mask, postings: Iterable[Posting]) -> Mask:
        """The mask, now with the documents of these postings marked."""
        unpack(((block, packed) for block, packed, _ in postings), mask)
        return mask

    # ── what documents and their sources say themselves ──

    def _ids(self, condition: Condition) -> Mask:
        found = self._none()
        for test in tests(condition):
            select = f"SELECT number, id FROM documents WHERE {test.where.format(value='id')}"
            if test.kind == "text":
                found[self._numbers(select, test)] = True
        return found

    def _numbers(self, select: str, test: Test) -> Numbers:
        if test.pattern is None:
            return self._column(select, test.parameters)
        rows = self._database.execute(select, test.parameters)
        return np.array([number for number, text in rows if test.pattern.match(text)], dtype=np.int64)

    def _column(self, select: str, parameters: Parameters) -> Numbers:
        """The numbers that a statement selects: as one text, which takes half as long as a tuple for each."""
        (joined,) = self._database.execute(
            f"SELECT group_concat(number) FROM ({select})", parameters
        ).fetchone()
        return _parsed(joined or "")

    def _modified(self, condition: Condition) -> Mask:
        found = self._none()
        for interval in intervals(condition):
            if condition.operator != "glob" or is_prefix(str(condition.value)):
                found[self._column(_MODIFIED, interval)] = True
            else:
                pattern = glob_pattern(str(condition.value))
                rows = self._database.execute(_MODIFIED, interval)
                numbers = [number for number, mtime_ns in rows if pattern.match(modified_at(mtime_ns))]
                found[np.array(numbers, dtype=np.int64)] = True
        return found

    # ── headings ──

    def _headings(self, condition: Condition) -> Mask:
        found = np.zeros(len(self._owners), dtype=np.bool_)
        headings = self._database.execute(
            "SELECT heading, group_concat(vector) FROM chunks"
            " WHERE heading <> '[]' AND instr(heading, ?) GROUP BY heading",
            (heading_literal(condition),),
        )
        found[_parsed(",".join(rows for heading, rows in headings if _passes(heading, condition)))] = True
        if wants_null(condition):
            headed = self._database.execute("SELECT group_concat(vector) FROM chunks WHERE heading <> '[]'")
            without = np.ones(len(self._owners), dtype=np.bool_)
            without[_parsed(headed.fetchone()[0] or "")] = False
            found |= without
        return found


def _passes(heading: str, condition: Condition) -> bool:
    """Whether a heading path, as it is stored, passes a condition about headings."""
    path = tuple(json.loads(heading))
    return matches(condition, FilterFields("", "", "", "", "", path, {}))


def _parsed(numbers: str) -> Numbers:
    return np.fromstring(numbers, dtype=np.int64, sep=",")


def _complement(selected: _Selected) -> _Selected:
    return _Selected(~selected.allowed, selected.by_row)
