"""The parts that can be replaced: what makes vectors, what reads candidates, where collections live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector
    from vai.types import (
        Chunk,
        Claim,
        CollectionInfo,
        Found,
        Provenance,
        Reading,
        SourceState,
        StoredDocument,
    )

TokenEnds = Callable[[str], Sequence[int]]
"""For each token of a text, the offset of the character after it: how chunks are measured."""


class Embedder(Protocol):
    """A bi-encoder: texts become vectors of unit length whose dot product is their similarity.

    `revision` changes whenever the vectors would; `max_tokens` is what one text may have, special tokens
    included, before it is cut off; `languages` are those it was trained for (ISO 639-1), empty for any.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def languages(self) -> tuple[str, ...]: ...

    def token_ends(self, text: str) -> Sequence[int]:
        """For each token of `text`, the offset of the character after it."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """float32 [n, d] in input order. A text's vector never depends on its neighbours.

        Raises:
            RemoteFailure: the model is remote and did not answer.
        """
        ...

    def embed_query(self, text: str) -> Vector:
        """float32 [d]. Raises as `embed_documents` does."""
        ...


class Reranker(Protocol):
    """A cross-encoder: reads the query together with each passage.

    `blend` is the share of stage 1 in the final order that was measured to be best for this model (0 if that
    was not measured), and `similarity_scale` how many logits a similarity of 1 is worth there. `calibrated` says
    whether its relevance was measured to be a probability.
    """

    @property
    def name(self) -> str: ...
    @property
    def blend(self) -> float: ...
    @property
    def similarity_scale(self) -> float: ...
    @property
    def calibrated(self) -> bool: ...
    @property
    def languages(self) -> tuple[str, ...]: ...

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """Values in input order, higher is better; a passage's value never depends on its neighbours.

        Passages are read in the order given. When `deadline` (a `time.monotonic()` time) comes, what is left
        stays unread: NaN in the reading.

        Raises:
            RemoteRefused: a remote model said no.
            RemoteUnavailable: a remote model failed before it had read anything.
        """
        ...


class Writer(Protocol):
    """One writer's session with a collection. Nothing is visible to readers before `commit`."""

    def note_chunk_tokens(self, chunk_tokens: int) -> None:
        """Record the size of chunks that is in force from now on; it becomes part of the provenance."""
        ...

    def source(self, name: str) -> SourceState | None:
        """What an earlier ingest recorded of a source."""
        ...

    def sources_under(self, prefix: str) -> Sequence[str]:
        """Names of the sources that begin with `prefix`, in order."""
        ...

    def claims(self, ids: Sequence[str]) -> Mapping[str, Claim]:
        """Which source holds each of those document ids that are stored."""
        ...

    def document_count(self, source: str) -> int:
        """How many documents came from a source."""
        ...

    def put(self, document: StoredDocument) -> None:
        """Begin a document anew: chunks it had are gone; those added next are its chunks."""
        ...

    def add(self, chunks: Sequence[Chunk], vectors: Matrix) -> None:
        """Add chunks of documents that were put, with vectors float32 [n, d]."""
        ...

    def keep(self, lines: Mapping[str, int | None]) -> None:
        """Say that these stored documents, by id, are still what their source holds, at these lines."""
        ...

    def finish_source(self, state: SourceState) -> int:
        """Record a source as ingested; what it no longer holds is removed.

        That is every document of it neither put nor kept since the last finish. Returns how many.
        """
        ...

    def note_source(self, state: SourceState) -> None:
        """Record that a source is as it was, with another stamp; its documents stay."""
        ...

    def remove_source(self, name: str) -> int:
        """Remove a source and its documents; returns how many documents that were."""
        ...

    def remove_document(self, document_id: str) -> None:
        """Remove one document."""
        ...

    def commit(self) -> None:
        """Make everything since the last commit durable and visible, all of it or nothing.

        Raises:
            StoreFull: there is no room; what was committed before stays.
        """
        ...


class Engine(Protocol):
    """Where collections live.

    Every method but `collections` and `create` raises `CollectionNotFound` for a name that is not there.
    """

    @property
    def name(self) -> str: ...

    def close(self) -> None:
        """Let go of files and connections; the next call opens them again."""
        ...

    def collections(self) -> Sequence[CollectionInfo]:
        """What is stored, by name."""
        ...

    def describe(self, collection: str) -> CollectionInfo:
        """What one collection holds, and what its vectors were made with."""
        ...

    def provenance(self, collection: str) -> Provenance:
        """What one collection's vectors were made with; cheaper than `describe`, which counts."""
        ...

    def create(self, collection: str, provenance: Provenance) -> None:
        """Make an empty collection; nothing happens if it is there."""
        ...

    def drop(self, collection: str) -> None:
        """Remove a collection and all it holds."""
        ...

    def writing(self, collection: str) -> AbstractContextManager[Writer]:
        """A writer's session. Leaving it without `commit` forgets what was not committed.

        Raises:
            StoreBusy: another process is writing; the message says which.
        """
        ...

    def search(
        self, collection: str, vector: Vector, *, limit: int, num_candidates: int, exact: bool = False
    ) -> Found:
        """The `limit` chunks most similar to `vector` float32 [d], best first, ties by chunk order.

        `num_candidates` (at least `limit`) is how deep an approximate index searches: a larger one never
        lowers mean ANN recall. `exact` compares every vector.
        """
        ...

    def chunks(self, collection: str, ids: Sequence[str]) -> Mapping[str, Chunk]:
        """Those of the chunks with these ids that are stored."""
        ...

    def source_states(self, collection: str, names: Sequence[str] | None = None) -> Sequence[SourceState]:
        """What was recorded of these sources, or of all."""
        ...

    def check(self, collection: str) -> Sequence[str]:
        """Verify that what is stored is whole; one sentence for each fault found."""
        ...
