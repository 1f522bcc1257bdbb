"""What an ingest does to a collection, step by step, and what it counts on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vai.types import Chunk, IngestReport, Skipped, SourceState, StoredDocument

BATCH_CHUNKS = 128
"""Chunks embedded at a time: some seconds of work for a small model, so little is lost by an interruption."""

LONG_TEXT = 32_768
"""Characters for which a chunk counts once more: whole documents can be long, and a batch is held in memory."""


@dataclass(frozen=True, slots=True)
class Put:
    """Begin a document anew."""

    document: StoredDocument
    line: int | None


@dataclass(frozen=True, slots=True)
class Add:
    """Chunks of the document last put; `last` says that it has no more."""

    chunks: Sequence[Chunk]
    last: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """A stored document that has not changed."""

    document: StoredDocument
    line: int | None


@dataclass(frozen=True, slots=True)
class Finish:
    """The source has been read to its end."""

    state: SourceState


@dataclass(frozen=True, slots=True)
class Note:
    """The source has not changed, but its stamp has."""

    state: SourceState


@dataclass(frozen=True, slots=True)
class Forget:
    """The source holds nothing to find any more."""

    source: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The source has been dealt with, whatever came of it."""

    source: str
    bytes: int


Step = Put | Add | Keep | Finish | Note | Forget | Leave


def batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Steps in groups of `BATCH_CHUNKS` chunks or more, or of many steps with few chunks.

    A group ends between two documents, where what is stored can be committed, unless one document fills it
    several times over.
    """
    batch: list[Step] = []
    weight = 0
    for step in steps:
        batch.append(step)
        weight += _weight(step) if isinstance(step, Add) else 0
        between_documents = not isinstance(step, Put) and not (isinstance(step, Add) and not step.last)
        enough = weight >= BATCH_CHUNKS or len(batch) >= 4 * BATCH_CHUNKS
        if (enough and between_documents) or weight >= 4 * BATCH_CHUNKS:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _weight(step: Add) -> int:
    return sum(1 + len(chunk.text) // LONG_TEXT for chunk in step.chunks)


@dataclass
class Tally:
    """What the report will say, as it comes to be; `bytes_within` is of the source that is being stored."""

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
    vector_fields: dict[str, str] = field(default_factory=dict)
    """By source, a field of its records that looks like ready-made vectors and became metadata."""
    replaced: list[str] = field(default_factory=list)
    """Sources whose ready-made vectors gave way to the embedder's."""
    unread_front_matter: list[str] = field(default_factory=list)
    """Sources that begin with front matter that is no YAML."""

    def report(self, collection: str, seconds: float, warnings: Sequence[str]) -> IngestReport:
        """What was counted, as the report of an ingest that took so long."""
        return IngestReport(
            collection=collection,
            files=self.files,
            added=self.added,
            changed=self.changed,
            unchanged=self.unchanged,
            removed=self.removed,
            chunks=self.chunks,
            tokens=self.tokens,
            seconds=seconds,
            skipped=tuple(self.skipped),
            warnings=tuple(warnings),
        )
