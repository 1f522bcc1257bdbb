"""Documents out of a collection: by id, by the files they came from, or by a filter.

The files are left alone. A source that lost some of its documents is marked, so that the next ingest compares it
with its file again and brings back what stands there; so does a source that lost all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vai.documents import source_name
from vai.errors import InvalidSettings
from vai.filters import Filter, field_warnings, is_about_documents, is_text
from vai.ingest.imported import WITH_DELETIONS
from vai.protocols import Engine, Writer
from vai.types import DeleteReport, IndexProgress


def remove(
    *,
    engine: Engine,
    collection: str,
    root: Path,
    ids: Sequence[str] = (),
    paths: Sequence[Path] = (),
    filter: Filter | None = None,
    dry_run: bool = False,
    index_progress: Callable[[IndexProgress], None] | None = None,
) -> DeleteReport:
    """Remove documents, in one go: all that were meant, or on an error none.

    Args:
        ids: of documents.
        paths: files whose documents are meant, and folders below which files are; they need not be there any more.
        filter: documents that it lets through.
        root: what the names of sources are relative to.
        dry_run: count what would be removed, and change nothing.
        index_progress: called while the index is brought up to date.

    Raises:
        InvalidSettings: not exactly one of ids, paths and filter; or a filter that is about passages.
        CollectionNotFound: there is no such collection.
        StoreBusy, StoreFull, StoreReadOnly: the collection cannot be written to.
    """
    began = time.monotonic()
    _require_one_way(ids, paths, filter)
    warnings = field_warnings(filter, engine.fields(collection)) if filter else []
    with engine.writing(collection) as writer:
        before = engine.describe(collection).chunks
        removal = _Removal(writer)
        if paths:
            removal.remove_sources([source_name(path, root) for path in paths])
        else:
            removal.remove_documents(ids or engine.documents(collection, filter))
        if removal.sources and not dry_run:
            writer.commit()
            writer.settle(index_progress)
        chunks = None if dry_run else before - engine.describe(collection).chunks
    sources = tuple(sorted(removal.sources))
    return DeleteReport(
        collection=collection,
        dry_run=dry_run,
        documents=removal.documents,
        chunks=chunks,
        sources=sources,
        returning=tuple(name for name in sources if (root / name).exists()),
        unknown=tuple(removal.unknown),
        seconds=time.monotonic() - began,
        warnings=tuple(warnings),
    )


class _Removal:
    """One removal, as it goes; it is for others to commit."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.documents = 0
        self.sources: set[str] = set()
        self.unknown: list[str] = []

    def remove_sources(self, names: Iterable[str]) -> None:
        for name in names:
            found = self._stored_below(name) if is_text(name) else []
            if not found and not any(source == name or _is_below(source, name) for source in self.sources):
                self.unknown.append(name)
            for source in found:
                self.documents += self._writer.remove_source(source)
                self.sources.add(source)

    def _stored_below(self, name: str) -> list[str]:
        """The source of that name, and those below the folder of that name."""
        if name == ".":
            return [source for source in self._writer.sources_under("") if not Path(source).is_absolute()]
        itself = [source for source in self._writer.sources_under(name) if source == name]
        return [*itself, *self._writer.sources_under(_prefix(name))]

    def remove_documents(self, ids: Sequence[str]) -> None:
        claims = self._writer.claims([document_id for document_id in ids if is_text(document_id)])
        for document_id in dict.fromkeys(ids):
            if document_id in claims:
                self._writer.remove_document(document_id)
                self.documents += 1
            else:
                self.unknown.append(document_id)
        for source in {claim.source for claim in claims.values()}:
            self.sources.add(source)
            self._mark(source)

    def _mark(self, name: str) -> None:
        """Have a source read again next time; one without documents is not a source any more."""
        state = self._writer.source(name)
        if self._writer.document_count(name) == 0:
            self._writer.remove_source(name)
        elif state is not None and not state.recipe.endswith(WITH_DELETIONS):
            self._writer.note_source(replace(state, recipe=state.recipe + WITH_DELETIONS))


def _prefix(folder: str) -> str:
    return f"{folder.rstrip('/')}/"


def _is_below(source: str, folder: str) -> bool:
    return source.startswith(_prefix(folder))


def _require_one_way(ids: Sequence[str], paths: Sequence[Path], filter: Filter | None) -> None:
    asked = (("--id", bool(ids)), ("PATH", bool(paths)), ("--filter", filter is not None))
    ways = [way for way, given in asked if given]
    if not ways:
        raise InvalidSettings(
            "nothing was said of what to delete",
            hint="name files or folders, documents with `--id ID`, or say what they have in common with `--filter`",
        )
    if len(ways) > 1:
        raise InvalidSettings(
            f"{' and '.join(ways)} together could mean all of both or what both have in common",
            hint="delete in one way at a time; a filter can name paths and ids too: `--filter path~docs/*`",
        )
    if filter is not None and not is_about_documents(filter):
        raise InvalidSettings(
            "documents are deleted whole, and this field of the filter is one of passages: heading",
            hint="leave the condition out, or find the documents with `vai query` and delete them with `--id`",
        )
