"""Records with ready-made vectors → what is stored: a document with its chunks, and a vector for each.

A record is a document of one chunk. One whose `_id` is `<document_id>#<number>`, as in an export, is that chunk of
the document, so that what was exported comes back under the ids it had.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vai.arrays import Vector
from vai.documents import ReadOptions
from vai.documents.records import METADATA_FIELD, Broken, Record, RecordTally, record_document
from vai.ingest.vector_files import Row
from vai.types import Chunk, Json, Skipped, StoredDocument

EXPORTED_FIELDS = frozenset(
    ("_id", "document_id", "source", "title", "heading", "text", "start_line", "end_line", "page")
)
"""What an export says of each chunk besides its metadata; source and lines are of files that are not at hand."""

BATCH_CHUNKS = 2048

VERSION = "ready-made 1"
"""Part of every document's digest; grows when the same record becomes something else."""


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk as its record has it, before its document is whole."""

    document_id: str
    ordinal: int
    title: str
    text: str
    line: int | None
    page: int | None
    heading: tuple[str, ...]
    metadata: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that is whole; `line` is where its record begins, None if it has several."""

    document: StoredDocument
    line: int | None
    chunks: Sequence[Chunk]
    vectors: Sequence[Vector]


@dataclass
class Entries:
    """The documents of one source, with what was skipped in it, which is known when all were taken."""

    source: str
    options: ReadOptions
    skipped: list[Skipped] = field(default_factory=list)

    def of(self, rows: Iterable[Row]) -> Iterator[Entry]:
        """Whole documents, in order. Chunks of a document stand one after another, or it is met twice."""
        parts: list[Part] = []
        vectors: list[Vector] = []
        for part, vector in self._parts(rows):
            if parts and not _continues(parts[-1], part):
                yield self._entry(parts, vectors)
                parts, vectors = [], []
            parts.append(part)
            vectors.append(vector)
        if parts:
            yield self._entry(parts, vectors)

    def _parts(self, rows: Iterable[Row]) -> Iterator[tuple[Part, Vector]]:
        tally = RecordTally(self.source)
        for record, vector in rows:
            if isinstance(record, Broken):
                self.skipped += tally.broken(record)
            elif vector is not None and (part := self._part(record)) is not None:
                tally.documents += 1
                yield part, vector
            else:
                tally.without_text(record)
        self.skipped += tally.conclusion(self.options)

    def _part(self, record: Record) -> Part | None:
        """What a record is; None if it has no text."""
        ordinal = None if self.options.id_field else _ordinal(record.fields)
        if ordinal is not None:
            return _exported_part(record.fields, ordinal)
        document = record_document(self.source, record, self.options)
        if document is None:
            return None
        return Part(document.id, 0, document.title, document.text, document.line, None, (), document.metadata)

    def _entry(self, parts: Sequence[Part], vectors: Sequence[Vector]) -> Entry:
        first = parts[0]
        document = StoredDocument(
            id=first.document_id,
            source=self.source,
            title=first.title,
            digest=_digest(parts, vectors),
            metadata=first.metadata,
        )
        return Entry(document, first.line, list(_chunks(parts, document)), vectors)


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Documents in groups of `BATCH_CHUNKS` chunks or somewhat more."""
    batch: list[Entry] = []
    weight = 0
    for entry in entries:
        batch.append(entry)
        weight += len(entry.chunks)
        if weight >= BATCH_CHUNKS:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _ordinal(fields: Mapping[str, Json]) -> int | None:
    """The place in its document of a record that says it is a chunk of one; None if it does not."""
    chunk_id, document_id = fields.get("_id"), fields.get("document_id")
    if not isinstance(chunk_id, str) or not isinstance(document_id, str) or not document_id:
        return None
    before, _, digits = chunk_id.rpartition("#")
    return int(digits) if before == document_id and digits.isdecimal() and len(digits) < 10 else None


def _exported_part(fields: Mapping[str, Json], ordinal: int) -> Part | None:
    text, title, page, heading = (fields.get(name) for name in ("text", "title", "page", "heading"))
    if not isinstance(text, str) or not text.strip():
        return None
    metadata = fields.get(METADATA_FIELD)
    more = {
        name: value
        for name, value in fields.items()
        if name not in EXPORTED_FIELDS and name != METADATA_FIELD
    }
    return Part(
        document_id=str(fields["document_id"]),
        ordinal=ordinal,
        title=title if isinstance(title, str) else "",
        text=text,
        line=None,
        page=page if isinstance(page, int) else None,
        heading=tuple(map(str, heading)) if isinstance(heading, list) else (),
        metadata={**more, **metadata} if isinstance(metadata, Mapping) else more,
    )


def _digest(parts: Sequence[Part], vectors: Sequence[Vector]) -> str:
    """Digest of all that is stored of a document, ids and lines apart."""
    told: list[object] = [VERSION, parts[0].title, parts[0].metadata]
    told += [[part.ordinal, part.text, part.heading, part.page] for part in parts]
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16)
    for vector in vectors:
        digest.update(vector.data)
    return digest.hexdigest()


def _continues(last: Part, part: Part) -> bool:
    return part.document_id == last.document_id and part.ordinal > last.ordinal


def _chunks(parts: Sequence[Part], document: StoredDocument) -> Iterator[Chunk]:
    """The chunks; their offsets count in the texts one after another."""
    start = 0
    for part in parts:
        yield Chunk(
            document_id=document.id,
            ordinal=part.ordinal,
            source=document.source,
            title=document.title,
            text=part.text,
            start=start,
            end=start + len(part.text),
            start_line=part.line,
            end_line=part.line,
            page=part.page,
            heading=part.heading,
            tokens=0,  # which only a model's tokenizer knows
            metadata=document.metadata,
        )
        start += len(part.text)
