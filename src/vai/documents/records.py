"""Records → documents: which field is what, and what to say of records that have no text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vai.documents.decoding import as_text
from vai.documents.source import ReadOptions, SourceFile
from vai.types import Document, Json, Skipped

TEXT_FIELDS = (
    *("text", "body", "content", "contents", "passage", "abstract", "description", "answer"),
    *("summary", "message", "document"),
)
"""Where a record's text is looked for, in this order; the first that holds text is it."""

TITLE_FIELDS = ("title", "heading", "name", "headline", "subject")
"""Where a record's title is looked for, in this order."""

ID_FIELD = "_id"
METADATA_FIELD = "metadata"
"""A field that holds an object of further fields, as in BEIR's `corpus.jsonl`; they count as the record's own."""

NAMED_EACH = 100
"""Broken records that are named one by one; the rest of a file's are counted."""

FIELDS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record: `place` tells it from others in its file, `line` is where it begins (from 1)."""

    place: int
    line: int
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Broken:
    """What stands where a record should: `reason` says on which line and why it is none."""

    place: int
    reason: str


def record_documents(
    source: SourceFile, records: Iterable[Record | Broken], options: ReadOptions
) -> Iterator[Document | Skipped]:
    """One document for each record that has text, as they come; then what there is to say of the others."""
    tally = RecordTally(source.name)
    for record in records:
        if isinstance(record, Broken):
            yield from tally.broken(record)
        elif (document := record_document(source.name, record, options)) is not None:
            tally.documents += 1
            yield document
        else:
            tally.without_text(record)
    yield from tally.conclusion(options)


def record_document(source: str, record: Record, options: ReadOptions) -> Document | None:
    """The document that a record is, None if it has no text; a title without a text is the text."""
    nested = record.fields.get(METADATA_FIELD)
    fields = {**nested, **record.fields} if isinstance(nested, Mapping) else dict(record.fields)
    if isinstance(nested, Mapping) and METADATA_FIELD not in nested:
        del fields[METADATA_FIELD]
    text = _take(fields, (options.text_field,) if options.text_field else TEXT_FIELDS)
    title = _take(fields, (options.title_field,) if options.title_field else TITLE_FIELDS)
    named = _take(fields, (options.id_field, ID_FIELD) if options.id_field else (ID_FIELD,))
    if not text and not title:
        return None
    return Document(
        id=named or f"{source}:{record.place}",
        source=source,
        text=text or title,
        title=title if text else "",
        line=record.line,
        metadata=fields,
    )


def _take(fields: dict[str, Json], names: Iterable[str]) -> str:
    """The value of the first of these fields that holds more than white space, which is taken out; or ""."""
    for name in names:
        value = as_text(fields.get(name))
        if value.strip():
            del fields[name]
            return value
    return ""


class RecordTally:
    """Counts what became of a file's records, and says what there is to say of those that are no documents."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.documents = 0
        self.textless = 0
        self.unreadable = 0
        self.fields_seen: dict[str, None] = {}
        self.textless_places: list[int] = []

    def broken(self, record: Broken) -> Iterator[Skipped]:
        self.unreadable += 1
        if self.unreadable <= NAMED_EACH:
            yield Skipped(f"{self.source}:{record.place}", record.reason, kept=False)

    def without_text(self, record: Record) -> None:
        self.textless += 1
        if len(self.textless_places) < NAMED_EACH:
            self.textless_places.append(record.place)
            self.fields_seen.update(dict.fromkeys(record.fields))

    def conclusion(self, options: ReadOptions) -> Iterator[Skipped]:
        if self.documents == 0:
            yield self._nothing(options)
            return
        for place in self.textless_places:
            yield Skipped(f"{self.source}:{place}", "has neither a text nor a title", kept=False)
        more = max(0, self.textless - NAMED_EACH) + max(0, self.unreadable - NAMED_EACH)
        if more:
            yield Skipped(self.source, f"{more:,} more records like these were skipped", kept=False)

    def _nothing(self, options: ReadOptions) -> Skipped:
        """Why a file gave no document. What an earlier ingest found stays if this could be a slip."""
        seen = ", ".join(f"`{name}`" for name in list(self.fields_seen)[:FIELDS_SHOWN]) or "none"
        if self.textless and options.text_field:
            reason = f"no record has text in the field `{options.text_field}` (fields seen: {seen})"
            return Skipped(self.source, reason, kept=True)
        if self.textless:
            reason = f"no record has a text field (fields seen: {seen}); name it with `--text-field`"
            return Skipped(self.source, reason, kept=False)
        if self.unreadable:
            return Skipped(self.source, "none of its records can be read", kept=True)
        return Skipped(self.source, "holds no records", kept=False)
