"""The write path: files → documents → chunks → vectors → collection.

    find sources ─ unchanged? ─ read ─ unchanged? ─ chunk ─┐ plan.py: steps in the order they are to be stored
    ┌──────────────────────────────────────────────────────┘
    └ group into batches ─ embed, one batch ahead ─ store ─ commit every few seconds        storing.py
                                                                           … and bring the index up to date

Only whole documents are ever committed. A source is recorded as ingested after its last document.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from vai.arrays import Matrix
from vai.background import in_background
from vai.documents import ReadOptions, find_sources, source_name
from vai.errors import BudgetSpent, RemoteFailure, StoreFailure
from vai.ingest.plan import Plan
from vai.ingest.remarks import remarks
from vai.ingest.steps import Add, Step, Tally, batches
from vai.ingest.storing import Storing
from vai.protocols import Embedder, Engine, Writer
from vai.types import WHOLE, IndexProgress, IngestProgress, IngestReport, Provenance


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
    index_progress: Callable[[IndexProgress], None] | None = None,
) -> IngestReport:
    """Bring a collection up to date with files and folders.

    Args:
        paths: files and folders, of which folders also lose what is gone from them.
        root: what the ids of documents are relative to.
        progress: called after every batch, and for every source that has been dealt with.
        index_progress: called while the index is brought up to date, at the end.

    Raises:
        PathNotFound: one of the paths is not there; nothing was done.
        DuplicateId: two sources claim one document id; everything before the second is stored.
        Interrupted: the user stopped it; what was stored stays, and running it again does the rest.
        StoreBusy, StoreFull, StoreReadOnly: the collection cannot be written to.
        RemoteFailure: the embedder is remote and did not answer; what came before is stored.
    """
    began = time.monotonic()
    tally = Tally()
    sources = find_sources(paths, root=root, options=read_options)
    made_with = Provenance(embedder.name, embedder.revision, embedder.dimension, chunk_tokens)
    with _made(engine, collection, made_with), engine.writing(collection) as writer:
        writer.note_chunk_tokens(chunk_tokens)
        named = {source_name(path, root) for path in paths if not path.is_dir()}
        plan = Plan(writer, embedder, read_options, chunk_tokens, tally, named)
        storing = Storing(writer, embedder, root, tally, progress)
        committing = storing.committing
        with committing.kept_where_it_ends():
            for steps, vectors in _embedded(batches(plan.steps(sources)), embedder, chunk_tokens):
                storing.store(steps, vectors)
            for folder in paths:
                if folder.is_dir():
                    with committing.undivided():
                        tally.removed += _remove_gone(folder, root, writer, plan)
            committing.commit()
            with committing.undivided():
                writer.settle(index_progress)
    return tally.report(collection, time.monotonic() - began, _warnings(tally, embedder, chunk_tokens))


@contextmanager
def _made(engine: Engine, collection: str, made_with: Provenance) -> Iterator[None]:
    """The collection, made if it is not there; not left behind where its embedder has given no vector at all.

    Otherwise an embedder that refuses, or a dimension that it does not have, would hold for whatever comes next.
    """
    is_new = not any(info.name == collection for info in engine.collections())
    engine.create(collection, made_with)
    try:
        yield
    except (RemoteFailure, BudgetSpent):
        if is_new and not engine.describe(collection).sources:
            with suppress(StoreFailure):
                engine.drop(collection)
        raise


def _embedded(
    groups: Iterable[list[Step]], embedder: Embedder, chunk_tokens: int
) -> Iterator[tuple[list[Step], Matrix]]:
    """The groups with the vectors of their chunks, in order, while the next one is already being embedded."""
    ahead: tuple[list[Step], Future[Matrix]] | None = None
    for steps in groups:
        chunks = [chunk for step in steps if isinstance(step, Add) for chunk in step.chunks]
        passages = [chunk.whole_passage if chunk_tokens == WHOLE else chunk.passage for chunk in chunks]
        done = (ahead[0], ahead[1].result()) if ahead else None
        ahead = steps, in_background(partial(embedder.embed_documents, passages), "vai-embed")
        if done is not None:
            yield done
    if ahead is not None:
        yield ahead[0], ahead[1].result()


def _remove_gone(folder: Path, root: Path, writer: Writer, plan: Plan) -> int:
    """Remove what was ingested from below a folder and is not there any more; returns how many documents."""
    name = source_name(folder, root)
    prefix = "" if name in {"", "."} else f"{name}/"
    removed = 0
    for source in writer.sources_under(prefix):
        outside = not prefix and Path(source).is_absolute()
        if not outside and not plan.knows(source):
            removed += writer.remove_source(source)
    return removed


def _warnings(tally: Tally, embedder: Embedder, chunk_tokens: int) -> list[str]:
    warnings = remarks(tally, embedder.name)
    if tally.foreign:
        warnings.append(
            f"documents that do not look like a language that {embedder.name} was trained for "
            f"({', '.join(embedder.languages)}), and may not be found: {tally.foreign:,}"
        )
    if tally.cut_off:
        what = (
            "documents that are with their titles"
            if chunk_tokens == WHOLE
            else "chunks that are with their headings"
        )
        warnings.append(
            f"{what} longer than the {embedder.max_tokens} tokens that "
            f"{embedder.name} reads, and were embedded without their ends: {tally.cut_off:,}"
        )
    return warnings
