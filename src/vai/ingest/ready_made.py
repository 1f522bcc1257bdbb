"""Ready-made vectors into a collection: a record is a chunk, and no model is asked.

    changed? ─ look at every vector ─ record and vector → document ─ stored already? ─ store ─ commit every few seconds
               vector_files.py        entries.py                     └──────── some thousands at a time ────────┘

Nothing is stored before every vector was looked at, so that files which do not fit leave no trace. The next ingest
tells by both files whether anything changed; what is stored of the same record and vector is left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vai.documents import ReadOptions
from vai.errors import CollectionNotFound
from vai.ingest.claims import Claims
from vai.ingest.committing import Committing
from vai.ingest.entries import Entries, Entry, batches
from vai.ingest.imported import WITH_COMPLAINTS, is_same, state_now
from vai.ingest.steps import Tally
from vai.ingest.vector_files import VectorFile, faults_named
from vai.protocols import Engine, Writer
from vai.types import Claim, IndexProgress, IngestProgress, IngestReport, Provenance, Skipped, SourceState


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to import: what it is now, what was imported of it, and how many rows it has (0 if it is the same)."""

    file: VectorFile
    state: SourceState
    known: SourceState | None
    rows: int = 0


def import_ready_made(
    files: Sequence[VectorFile],
    *,
    engine: Engine,
    collection: str,
    made_by: Provenance,
    root: Path,
    options: ReadOptions,
    progress: Callable[[IngestProgress], None] | None = None,
    index_progress: Callable[[IndexProgress], None] | None = None,
) -> IngestReport:
    """Bring a collection up to date with files whose vectors are there already.

    Args:
        made_by: the embedder that made the vectors, with its dimension; a new collection's provenance.
        root, progress, index_progress: as for `vai.ingest.ingest`.

    Raises:
        InvalidSettings: a vector is none, or records and vectors are not as many; nothing was changed.
        DuplicateId: two sources claim one document id; everything before the second is stored.
        Interrupted: the user stopped it; what was stored stays, and running it again does the rest.
        StoreBusy, StoreFull, StoreReadOnly: the collection cannot be written to.
    """
    began = time.monotonic()
    jobs, scaled = _looked_at(files, _known(engine, collection, files), made_by, options)
    engine.create(collection, made_by)
    with engine.writing(collection) as writer:
        importing = _Importing(writer, made_by, root, options, progress)
        with importing.committing.kept_where_it_ends():
            for job in jobs:
                importing.do(job)
            importing.committing.commit()
            with importing.committing.undivided():
                writer.settle(index_progress)
    return importing.tally.report(collection, time.monotonic() - began, _warnings(scaled))


def _known(engine: Engine, collection: str, files: Sequence[VectorFile]) -> dict[str, SourceState]:
    try:
        states = engine.source_states(collection, [file.source.name for file in files])
    except CollectionNotFound:
        return {}
    return {state.name: state for state in states}


def _looked_at(
    files: Sequence[VectorFile], known: dict[str, SourceState], made_by: Provenance, options: ReadOptions
) -> tuple[list[_Job], int]:
    """What there is to do, and how many vectors had to be scaled; every vector of what changed was looked at."""
    jobs, scaled = [], 0
    for file in files:
        before = known.get(file.source.name)
        with faults_named(file.source.name):
            now = state_now(file.source, file.companion, file.field, options, before)
        if is_same(before, now):
            jobs.append(_Job(file, now, before))
            continue
        looked = file.look(made_by)
        scaled += looked.scaled
        jobs.append(_Job(file, now, before, looked.rows))
    return jobs, scaled


class _Importing:
    """Carries jobs out, and commits now and then."""

    def __init__(
        self,
        writer: Writer,
        made_by: Provenance,
        root: Path,
        options: ReadOptions,
        progress: Callable[[IngestProgress], None] | None,
    ) -> None:
        self._writer = writer
        self._made_by = made_by
        self._options = options
        self._progress = progress
        self._claims = Claims(writer, root)
        self.tally = Tally()
        self.committing = Committing(writer, self.tally)

    def do(self, job: _Job) -> None:
        """Store what one file holds, unless it is what was stored already."""
        source, tally = job.file.source, self.tally
        tally.files += 1
        if is_same(job.known, job.state):
            tally.unchanged += self._writer.document_count(source.name)
            if job.known != job.state:
                with self.committing.undivided():
                    self._writer.note_source(job.state)
        else:
            self._store(job)
        tally.bytes += source.stamp.size
        self._report(source.name, 0)

    def _store(self, job: _Job) -> None:
        name, size = job.file.source.name, job.file.source.stamp.size
        entries = Entries(name, self._options)
        done = 0
        for batch in batches(entries.of(job.file.rows(self._made_by))):
            self._store_batch(batch)
            done += sum(len(entry.chunks) for entry in batch)
            self._report(name, size * done // max(job.rows, done))
            self.committing.commit_if_due()
        self.tally.skipped += entries.skipped
        with self.committing.undivided():
            self._finish(job, entries.skipped, empty=not done)

    def _finish(self, job: _Job, skipped: Sequence[Skipped], *, empty: bool) -> None:
        """Forget what the file does not hold any more, and remember the file."""
        if not empty:
            # A source that there was something to complain of is read again next time, so that it is named again.
            recipe = job.state.recipe + (WITH_COMPLAINTS if skipped else "")
            self.tally.removed += self._writer.finish_source(replace(job.state, recipe=recipe))
        elif not any(one.kept for one in skipped):
            self.tally.removed += self._writer.remove_source(job.state.name)

    def _store_batch(self, batch: Sequence[Entry]) -> None:
        """Store some documents, of which those that are stored already are only said to be there still.

        Raises:
            DuplicateId: two sources claim an id; the documents before are stored.
        """
        claims = dict(self._writer.claims([entry.document.id for entry in batch]))
        kept: dict[str, int | None] = {}
        new: list[Entry] = []
        try:
            for entry in batch:
                document = entry.document
                claim = claims.get(document.id)
                known = self._claims.is_known(document, entry.line, claim)
                if claim is not None and (claim.source, claim.digest) == (document.source, document.digest):
                    kept[document.id] = entry.line
                else:
                    new.append(entry)
                    self.tally.changed += known
                    self.tally.added += not known
                claims[document.id] = Claim(document.source, document.digest, current=True)
        finally:
            with self.committing.undivided():
                self._keep(kept)
                self._put(new)

    def _keep(self, lines: dict[str, int | None]) -> None:
        if lines:
            self._writer.keep(lines)
            self.tally.unchanged += len(lines)

    def _put(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        for entry in entries:
            self._writer.put(entry.document)
        chunks = [chunk for entry in entries for chunk in entry.chunks]
        self._writer.add(chunks, np.stack([vector for entry in entries for vector in entry.vectors]))
        self.tally.chunks += len(chunks)

    def _report(self, source: str, within: int) -> None:
        if self._progress is not None:
            tally = self.tally
            self._progress(IngestProgress(source, tally.files, tally.bytes + within, tally.chunks, 0))


def _warnings(scaled: int) -> tuple[str, ...]:
    if not scaled:
        return ()
    return (f"vectors that were not of unit length, and were scaled to it: {scaled:,}",)
