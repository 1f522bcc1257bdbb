"""The write path: files → documents → chunks → vectors → collection.

    find sources ─ unchanged? ─ read ─ unchanged? ─ chunk ─┐ plan: steps in the order they are to be stored
    ┌──────────────────────────────────────────────────────┘
    └ group into batches ─ embed, one batch ahead ─ store ─ commit every few seconds

Only whole documents are ever committed. A source is recorded as ingested after its last document.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from vai.arrays import Matrix
from vai.chunking import CHUNKING_VERSION, split
from vai.documents import ReadOptions, SourceFile, find_sources, read_documents, recipe, source_name
from vai.errors import DuplicateId, Interrupted
from vai.freshness import content_digest, is_racy, is_unchanged, stamp_of
from vai.languages import is_foreign
from vai.protocols import Embedder, Engine, Writer
from vai.types import (
    Chunk,
    Document,
    IngestProgress,
    IngestReport,
    Provenance,
    Skipped,
    SourceState,
    StoredDocument,
)

BATCH_CHUNKS = 128
"""Chunks embedded at a time: some seconds of work for a small model, so little is lost by an interruption."""
COMMIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Put:
    """Begin a document anew."""

    document: StoredDocument
    line: int | None


@dataclass(frozen=True, slots=True)
class _Add:
    """Chunks of the document last put; `last` says that it has no more."""

    chunks: Sequence[Chunk]
    last: bool


@dataclass(frozen=True, slots=True)
class _Keep:
    """A stored document that has not changed."""

    document: StoredDocument
    line: int | None


@dataclass(frozen=True, slots=True)
class _Finish:
    """The source has been read to its end."""

    state: SourceState


@dataclass(frozen=True, slots=True)
class _Note:
    """The source has not changed, but its stamp has."""

    state: SourceState


@dataclass(frozen=True, slots=True)
class _Forget:
    """The source holds nothing to find any more."""

    source: str


@dataclass(frozen=True, slots=True)
class _Leave:
    """The source has been dealt with, whatever came of it."""

    source: str
    bytes: int


_Step = _Put | _Add | _Keep | _Finish | _Note | _Forget | _Leave


@dataclass
class _Tally:
    """What the report will say, as it comes to be; `bytes_within` is of the source that is being read."""

    files: int = 0
    bytes: int = 0
    bytes_within: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    chunks: int = 0
    tokens: int = 0
    foreign: int = 0
    cut_off: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def ingest(
    paths: Sequence[Path],
    *,
    engine: Engine,
    collection: str,
    embedder: Embedder,
    root: Path,
    read_options: ReadOptions,
    chunk_tokens: int,
    progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Bring a collection up to date with files and folders.

    Args:
        paths: files and folders, of which folders also lose what is gone from them.
        root: what the ids of documents are relative to.
        progress: called after every batch, and for every source that has not changed.

    Raises:
        PathNotFound: one of the paths is not there; nothing was done.
        DuplicateId: two sources claim one document id; everything before the second is stored.
        Interrupted: the user stopped it; what was stored stays, and running it again does the rest.
        StoreBusy, StoreFull, StoreReadOnly: the collection cannot be written to.
        RemoteFailure: the embedder is remote and did not answer.
    """
    began = time.monotonic()
    tally = _Tally()
    sources = find_sources(paths, root=root, options=read_options)
    engine.create(collection, Provenance(embedder.name, embedder.revision, embedder.dimension, chunk_tokens))
    with engine.writing(collection) as writer:
        writer.note_chunk_tokens(chunk_tokens)
        run = _Run(writer, embedder, root, read_options, chunk_tokens, tally, progress)
        run.bring_up_to_date(sources, folders=[path for path in paths if path.is_dir()])
    return IngestReport(
        collection=collection,
        files=tally.files,
        added=tally.added,
        changed=tally.changed,
        unchanged=tally.unchanged,
        removed=tally.removed,
        chunks=tally.chunks,
        tokens=tally.tokens,
        seconds=time.monotonic() - began,
        skipped=tuple(tally.skipped),
        warnings=_warnings(tally, embedder),
    )


class _Run:
    """One ingest under way."""

    def __init__(
        self,
        writer: Writer,
        embedder: Embedder,
        root: Path,
        read_options: ReadOptions,
        chunk_tokens: int,
        tally: _Tally,
        progress: Callable[[IngestProgress], None] | None,
    ) -> None:
        self._writer = writer
        self._embedder = embedder
        self._root = root
        self._read_options = read_options
        self._chunk_tokens = chunk_tokens
        self._tally = tally
        self._progress = progress
        self._present: set[str] = set()
        self._unreadable: list[str] = []
        self._whole = True
        self._committed = time.monotonic()
        self._stored = 0
        self._furthest = 0

    def bring_up_to_date(self, sources: Iterable[SourceFile | Skipped], folders: Sequence[Path]) -> None:
        """Read what is new or changed, remove what is gone from the folders, commit."""
        try:
            for steps, vectors in self._embedded(_batches(self._plan(sources))):
                self._store(steps, vectors)
            for folder in folders:
                self._remove_gone(folder)
            self._commit()
        except KeyboardInterrupt as interruption:
            self._keep_whole_documents()
            raise Interrupted(
                f"stopped; new or changed documents that are stored: {self._stored:,}",
                hint="run the same command again to do the rest",
            ) from interruption
        except DuplicateId:
            self._keep_whole_documents()
            raise

    def _keep_whole_documents(self) -> None:
        if self._whole:
            self._commit()

    def _commit(self) -> None:
        self._writer.commit()
        self._committed = time.monotonic()
        self._stored = self._tally.added + self._tally.changed

    # ── planning: what has to be stored ──

    def _plan(self, sources: Iterable[SourceFile | Skipped]) -> Iterator[_Step]:
        for found in sources:
            if isinstance(found, SourceFile):
                self._present.add(found.name)
                yield from self._plan_source(found)
            else:
                yield from self._plan_skip(found)

    def _plan_skip(self, skipped: Skipped) -> Iterator[_Step]:
        self._tally.skipped.append(skipped)
        if skipped.source.endswith("/"):
            self._unreadable.append("" if skipped.source == "./" else skipped.source)
        elif skipped.kept:
            self._present.add(skipped.source)
        else:
            yield _Forget(skipped.source)

    def _plan_source(self, source: SourceFile) -> Iterator[_Step]:
        self._tally.files += 1
        made_by = _digest(recipe(source, self._read_options), CHUNKING_VERSION, str(self._chunk_tokens))
        known = self._writer.source(source.name)
        read_ns = time.time_ns()
        if known is not None and known.recipe == made_by and is_unchanged(known, source.path, source.stamp):
            self._tally.unchanged += self._writer.document_count(source.name)
            if known.stamp != source.stamp or is_racy(known):
                yield _Note(replace(known, stamp=source.stamp, read_ns=read_ns))
        else:
            yield from self._plan_documents(source, made_by, read_ns)
        yield _Leave(source.name, source.stamp.size)

    def _plan_documents(self, source: SourceFile, made_by: str, read_ns: int) -> Iterator[_Step]:
        # The digest comes before the reading: if the file changes in between, the next ingest reads it again.
        content = _digest_now(source)
        complaints: list[Skipped] = []
        empty = True
        for read in read_documents(source, self._read_options):
            if isinstance(read, Document):
                empty = False
                yield from self._plan_document(read, made_by)
            else:
                complaints.append(read)
        self._tally.skipped.extend(complaints)
        if any(complaint.source == source.name and complaint.kept for complaint in complaints):
            return
        if empty:
            yield _Forget(source.name)
            return
        # A source that there was something to complain of is read again next time, so that it is named again.
        state = SourceState(
            name=source.name,
            stamp=source.stamp,
            read_ns=read_ns,
            content=content,
            recipe=f"{made_by} with complaints" if complaints else made_by,
        )
        yield _Finish(state)

    def _plan_document(self, document: Document, made_by: str) -> Iterator[_Step]:
        stored = StoredDocument(
            id=document.id,
            source=document.source,
            title=document.title,
            digest=_document_digest(document, made_by),
            metadata=document.metadata,
        )
        claim = self._writer.claims([document.id]).get(document.id)
        if claim is not None and (claim.source, claim.digest) == (stored.source, stored.digest):
            yield _Keep(stored, document.line)
            return
        chunks = split(document, self._embedder.token_ends, chunk_tokens=self._chunk_tokens)
        if not chunks:
            self._tally.skipped.append(Skipped(document.id, "holds no text", kept=False))
            return
        if document.format != "code" and is_foreign(document.text, self._embedder.languages):
            self._tally.foreign += 1
        yield _Put(stored, document.line)
        for start in range(0, len(chunks), BATCH_CHUNKS):
            yield _Add(chunks[start : start + BATCH_CHUNKS], last=start + BATCH_CHUNKS >= len(chunks))

    # ── embedding ──

    def _embedded(self, batches: Iterable[list[_Step]]) -> Iterator[tuple[list[_Step], Matrix]]:
        """The batches with the vectors of their chunks, in order, while the next one is already being embedded."""
        with ThreadPoolExecutor(1, thread_name_prefix="vai-embed") as pool:
            ahead: tuple[list[_Step], Future[Matrix]] | None = None
            for steps in batches:
                passages = [
                    chunk.passage for step in steps if isinstance(step, _Add) for chunk in step.chunks
                ]
                future = pool.submit(self._embedder.embed_documents, passages)
                if ahead is not None:
                    yield ahead[0], ahead[1].result()
                ahead = steps, future
            if ahead is not None:
                yield ahead[0], ahead[1].result()

    # ── storing ──

    def _store(self, steps: Sequence[_Step], vectors: Matrix) -> None:
        row = 0
        for step in steps:
            between_documents = self._whole
            if isinstance(step, _Put | _Keep):
                self._refuse_second_claim(step.document, step.line)
            self._whole = False
            match step:
                case _Put(document):
                    self._put(document)
                    between_documents = False
                case _Add(chunks, last):
                    self._writer.add(chunks, vectors[row : row + len(chunks)])
                    row += len(chunks)
                    self._count(chunks)
                    between_documents = last
                case _Keep(document, line):
                    self._writer.keep({document.id: line})
                    self._tally.unchanged += 1
                case _Finish(state):
                    self._tally.removed += self._writer.finish_source(state)
                case _Note(state):
                    self._writer.note_source(state)
                case _Forget(name):
                    self._tally.removed += self._writer.remove_source(name)
                case _Leave(name, size):
                    self._tally.bytes, self._tally.bytes_within = self._tally.bytes + size, 0
                    self._report(name)
            self._whole = between_documents
        if self._whole and time.monotonic() - self._committed > COMMIT_SECONDS:
            self._commit()

    def _put(self, document: StoredDocument) -> None:
        if self._writer.claims([document.id]):
            self._tally.changed += 1
        else:
            self._tally.added += 1
        self._writer.put(document)

    def _count(self, chunks: Sequence[Chunk]) -> None:
        self._tally.chunks += len(chunks)
        self._tally.tokens += sum(chunk.tokens for chunk in chunks)
        self._tally.bytes_within += sum(len(chunk.text) for chunk in chunks)
        self._tally.cut_off += sum(self._is_cut_off(chunk) for chunk in chunks)
        self._report(chunks[0].source)

    def _is_cut_off(self, chunk: Chunk) -> bool:
        """Whether the embedder read a passage without its end; two tokens are its own."""
        room = self._embedder.max_tokens - 2 - chunk.tokens
        return len(chunk.context) > room and len(self._embedder.token_ends(chunk.context)) > room

    def _refuse_second_claim(self, document: StoredDocument, line: int | None) -> None:
        claim = self._writer.claims([document.id]).get(document.id)
        if claim is None or (claim.source == document.source and not claim.current):
            return
        again = f"`{document.source}`" + (f" on line {line}" if line else "")
        if claim.current:
            raise DuplicateId(
                f"the id `{document.id}` stands twice in one source, the second time in {again}",
                hint="ids must be unique: name another field with `--id-field`, or mend the file",
            )
        if self._still_holds(claim.source):
            raise DuplicateId(
                f"the id `{document.id}` is claimed by `{claim.source}` and by {again}",
                hint="ids must be unique in a collection: ingest one of the two with `--collection NAME`, or "
                "name another field with `--id-field`",
            )

    def _still_holds(self, source: str) -> bool:
        """Whether a source is as it was ingested; one that has changed or gone may have given its ids away."""
        path = self._root / source
        state = self._writer.source(source)
        if not path.is_file():
            return False
        return state is None or is_unchanged(state, path, stamp_of(path))

    def _remove_gone(self, folder: Path) -> None:
        """Remove what was ingested from below a folder and is not there any more."""
        name = source_name(folder, self._root)
        prefix = "" if name in {"", "."} else f"{name}/"
        for source in self._writer.sources_under(prefix):
            outside = not prefix and Path(source).is_absolute()
            if not outside and source not in self._present and not source.startswith(tuple(self._unreadable)):
                self._tally.removed += self._writer.remove_source(source)

    def _report(self, source: str) -> None:
        if self._progress is not None:
            tally = self._tally
            # A text taken out of a packed file can be longer than the file, which is no reason to go back.
            self._furthest = max(self._furthest, tally.bytes + tally.bytes_within)
            self._progress(IngestProgress(source, tally.files, self._furthest, tally.chunks, tally.tokens))


def _digest_now(source: SourceFile) -> str:
    """The digest of a file's bytes; "" if they cannot be read, which its reader will tell."""
    try:
        return content_digest(source.path)
    except OSError:
        return ""


def _batches(steps: Iterable[_Step]) -> Iterator[list[_Step]]:
    """Steps in groups that hold `BATCH_CHUNKS` chunks or a little more, or as many steps without chunks."""
    batch: list[_Step] = []
    weight = 0
    for step in steps:
        batch.append(step)
        weight += len(step.chunks) if isinstance(step, _Add) else 0
        if weight >= BATCH_CHUNKS or len(batch) >= 4 * BATCH_CHUNKS:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _warnings(tally: _Tally, embedder: Embedder) -> tuple[str, ...]:
    warnings = []
    if tally.foreign:
        warnings.append(
            f"documents that do not look like a language that {embedder.name} was trained for "
            f"({', '.join(embedder.languages)}), and may not be found: {tally.foreign:,}"
        )
    if tally.cut_off:
        warnings.append(
            f"chunks that are with their headings longer than the {embedder.max_tokens} tokens that "
            f"{embedder.name} reads, and were embedded without their ends: {tally.cut_off:,}"
        )
    return tuple(warnings)


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
