"""The first half of an ingest: which steps bring a collection up to date with its sources."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from vai.chunking import CHUNKING_VERSION, split, whole
from vai.documents import ReadOptions, SourceFile, read_documents, recipe
from vai.freshness import content_digest, is_racy, is_unchanged
from vai.ingest.imported import WITH_COMPLAINTS, is_imported
from vai.ingest.remarks import remark_on
from vai.ingest.steps import BATCH_CHUNKS, Add, Finish, Forget, Keep, Leave, Note, Put, Step, Tally
from vai.languages import is_foreign
from vai.protocols import Embedder, Writer
from vai.types import WHOLE, Chunk, Document, Skipped, SourceState, StoredDocument


class Plan:
    """Reads and chunks what is new or changed; looks at the collection and changes nothing in it.

    `named` holds the sources that were named themselves, not come upon in a folder. `present` holds those that were
    met, and `unreadable` the prefixes below which nothing is known.
    """

    def __init__(
        self,
        writer: Writer,
        embedder: Embedder,
        read_options: ReadOptions,
        chunk_tokens: int,
        tally: Tally,
        named: Container[str] = (),
    ) -> None:
        self._writer = writer
        self._embedder = embedder
        self._read_options = read_options
        self._chunk_tokens = chunk_tokens
        self._tally = tally
        self._named = named
        self.present: set[str] = set()
        self.unreadable: list[str] = []

    def steps(self, sources: Iterable[SourceFile | Skipped]) -> Iterator[Step]:
        """The steps for each source, in the order in which they are to be stored."""
        for found in sources:
            if isinstance(found, SourceFile):
                self.present.add(found.name)
                yield from self._source(found)
            else:
                yield from self._skip(found)

    def knows(self, source: str) -> bool:
        """Whether a source was met, or may still be there without having been met."""
        return source in self.present or source.startswith(tuple(self.unreadable))

    def _skip(self, skipped: Skipped) -> Iterator[Step]:
        if not skipped.kept and self._is_left_alone(skipped.source):
            self.present.add(skipped.source)
            self._tally.unchanged += self._writer.document_count(skipped.source)
            return
        self._tally.skipped.append(skipped)
        if skipped.source.endswith("/"):
            self.unreadable.append("" if skipped.source == "./" else skipped.source)
        elif skipped.kept:
            self.present.add(skipped.source)
        else:
            yield Forget(skipped.source)

    def _is_left_alone(self, source: str) -> bool:
        """Whether a source was imported with its vectors, and only came along in a folder.

        To embed its texts now would replace what somebody took the trouble to bring.
        """
        return source not in self._named and is_imported(self._writer.source(source))

    def _source(self, source: SourceFile) -> Iterator[Step]:
        self._tally.files += 1
        if self._is_left_alone(source.name):
            self._tally.unchanged += self._writer.document_count(source.name)
            yield Leave(source.name, source.stamp.size)
            return
        made_by = _digest(recipe(source, self._read_options), CHUNKING_VERSION, str(self._chunk_tokens))
        known = self._writer.source(source.name)
        read_ns = time.time_ns()
        if known is not None and known.recipe == made_by and is_unchanged(known, source.path, source.stamp):
            self._tally.unchanged += self._writer.document_count(source.name)
            if known.stamp != source.stamp or is_racy(known):
                yield Note(replace(known, stamp=source.stamp, read_ns=read_ns))
        else:
            if is_imported(known):
                self._tally.replaced.append(source.name)
            yield from self._documents(source, made_by, read_ns)
        yield Leave(source.name, source.stamp.size)

    def _documents(self, source: SourceFile, made_by: str, read_ns: int) -> Iterator[Step]:
        # The digest comes before the reading: if the file changes in between, the next ingest reads it again.
        content = _digest_now(source)
        complaints: list[Skipped] = []
        empty = True
        for read in read_documents(source, self._read_options):
            if isinstance(read, Document):
                empty = False
                remark_on(read, self._embedder.dimension, self._tally)
                yield from self._document(read, made_by)
            else:
                complaints.append(read)
        self._tally.skipped.extend(complaints)
        if any(complaint.source == source.name and complaint.kept for complaint in complaints):
            return
        if empty:
            yield Forget(source.name)
            return
        # A source that there was something to complain of is read again next time, so that it is named again.
        state = SourceState(
            name=source.name,
            stamp=source.stamp,
            read_ns=read_ns,
            content=content,
            recipe=made_by + (WITH_COMPLAINTS if complaints else ""),
        )
        yield Finish(state)

    def _document(self, document: Document, made_by: str) -> Iterator[Step]:
        stored = StoredDocument(
            id=document.id,
            source=document.source,
            title=document.title,
            digest=_document_digest(document, made_by),
            metadata=document.metadata,
        )
        claim = self._writer.claims([document.id]).get(document.id)
        if claim is not None and (claim.source, claim.digest) == (stored.source, stored.digest):
            yield Keep(stored, document.line)
            return
        chunks = self._chunks(document)
        if not chunks:
            self._tally.skipped.append(Skipped(document.id, "holds no text", kept=False))
            return
        if document.format != "code" and is_foreign(document.text, self._embedder.languages):
            self._tally.foreign += 1
        yield Put(stored, document.line)
        for start in range(0, len(chunks), BATCH_CHUNKS):
            yield Add(chunks[start : start + BATCH_CHUNKS], last=start + BATCH_CHUNKS >= len(chunks))

    def _chunks(self, document: Document) -> list[Chunk]:
        if self._chunk_tokens == WHOLE:
            return whole(document, self._embedder.token_ends)
        return split(document, self._embedder.token_ends, chunk_tokens=self._chunk_tokens)


def _digest_now(source: SourceFile) -> str:
    """The digest of a file's bytes; "" if they cannot be read, which its reader will tell."""
    try:
        return content_digest(source.path)
    except OSError:
        return ""


def _document_digest(document: Document, made_by: str) -> str:
    metadata = json.dumps(document.metadata, sort_keys=True, ensure_ascii=False, default=str)
    pages = ",".join(map(str, document.pages))
    return _digest(
        document.text, document.title, document.format, document.language, pages, metadata, made_by
    )


def _digest(*parts: str) -> str:
    """A digest of the parts in which no two lists of parts run together."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()
