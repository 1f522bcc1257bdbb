"""The parts that can be replaced: what makes vectors, what reads candidates, where collections live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from vai.types import BY_VECTOR, Stage1

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector
    from vai.filters import Filter
    from vai.types import (
        Calibration,
        Chunk,
        Claim,
        CollectionInfo,
        Found,
        IndexCost,
        IndexInfo,
        IndexProgress,
        Pool,
        Precision,
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
    included, before it is cut off; `languages` are those it was trained for (ISO 639-1), empty for any;
    `usd_per_million_tokens` is 0 for a model that runs here or whose price is not known.
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
    @property
    def usd_per_million_tokens(self) -> float: ...

    def token_ends(self, text: str) -> Sequence[int]:
        """For each token of `text`, the offset of the character after it."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """float32 [n, d] in input order. A text's vector never depends on its neighbours.

        Raises:
            RemoteFailure: the model is remote and did not answer.
        """
        ...

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        """float32 [d]; a remote model is given up at `deadline`, a `time.monotonic()` time.

        Raises as `embed_documents` does.
        """
        ...


class Reranker(Protocol):
    """A cross-encoder: reads the query together with each passage.

    `revision` changes whenever the values would: with the weights, the template that joins query and passage, or
    the length that is read at once. `blend` is the share of stage 1 in the final order that was measured to be best
    for this model (0 if that was not measured), and `similarity_scale` how many logits a stage 1 score of 1 is
    worth there. `calibration` makes relevance a probability; without one it says what the model says.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def blend(self) -> float: ...
    @property
    def similarity_scale(self) -> float: ...
    @property
    def calibration(self) -> Calibration | None: ...
    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def usd_per_million_tokens(self) -> float: ...

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """Values in input order, higher is better; a passage's value never depends on its neighbours.

        Passages are read in the order given. When `deadline` (a `time.monotonic()` time) comes, what is left
        stays unread: NaN in the reading. What does not fit is read in windows, and scored by the best of them.

        Raises:
            RemoteRefused: a remote model said no.
            RemoteUnavailable: a remote model failed before it had read anything.
        """
        ...


class LanguageModel(Protocol):
    """Answers in words what it is asked in words. May be asked from several threads at a time."""

    @property
    def name(self) -> str: ...

    def answer(self, prompt: str) -> str | None:
        """What the model says; None where that is nothing, or not all it would have said.

        Raises:
            RemoteRefused: a remote model said no.
            RemoteUnavailable: a remote model failed while working.
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

    def settle(self, progress: Callable[[IndexProgress], None] | None = None) -> None:
        """Do what has been put off until many changes were made: give up dead space, bring an index up to date.

        It may take long, which `progress` is told of. Nothing happens where something was not committed.
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
        self,
        collection: str,
        vector: Vector,
        *,
        limit: int,
        num_candidates: int,
        exact: bool = False,
        text: str = "",
        stage1: Stage1 = BY_VECTOR,
        filter: Filter | None = None,
    ) -> Found:
        """The `limit` best chunks for `vector` float32 [d] and `text`, best first, ties by chunk order.

        Args:
            num_candidates: at least `limit`; how deep an approximate index searches, and how many of each search
                a hybrid one joins. A larger one never lowers mean ANN recall.
            exact: compare every vector.
            text: the query, for its words.
            stage1: what to find chunks by; similarity alone if nothing is said.
            filter: only chunks that it lets through; `limit` of them are found if there are as many.

        Raises:
            UnsupportedByEngine: the engine has no such search, or no such operator of a filter.
        """
        ...

    def pool(
        self,
        collection: str,
        vector: Vector,
        *,
        text: str,
        limit: int,
        num_candidates: int,
        exact: bool = False,
        filter: Filter | None = None,
    ) -> Pool:
        """All that the two searches of a hybrid one find, `num_candidates` of each; from it every order follows.

        For every stage 1, the `limit` best of `search` with the same arguments are among them.

        Raises:
            UnsupportedByEngine: the engine has no search by words, or no such operator of a filter.
        """
        ...

    def fields(self, collection: str) -> Sequence[str]:
        """Names of the metadata fields that documents of the collection have, nested ones with dots; in order."""
        ...

    def documents(self, collection: str, filter: Filter | None = None) -> Sequence[str]:
        """Ids of the documents that a filter lets through, or of all, in the order in which they were stored.

        Raises:
            ValueError: the filter is about headings, of which the chunks of a document have different ones.
        """
        ...

    def scan(self, collection: str, filter: Filter | None = None) -> Iterator[tuple[Sequence[Chunk], Matrix]]:
        """All chunks that a filter lets through with their vectors float32 [n, d], some at a time, in order.

        What is seen is one commit, however long it takes.
        """
        ...

    def sample(self, collection: str, count: int) -> Matrix:
        """The vectors of at most `count` chunks, float32 [n, d], evenly spread over all and always the same ones."""
        ...

    def index(self, collection: str) -> IndexInfo:
        """What approximate index there is.

        Raises:
            UnsupportedByEngine: the engine has none, or none that users see to.
        """
        ...

    def index_cost(self, collection: str, precision: Precision | None = None) -> IndexCost:
        """What `build_index` is expected to take. Raises as `index` does."""
        ...

    def build_index(
        self,
        collection: str,
        precision: Precision | None = None,
        progress: Callable[[IndexProgress], None] | None = None,
    ) -> IndexInfo:
        """Build the index anew, whatever the size of the collection; None keeps the precision it has.

        Raises:
            StoreBusy, StoreFull, StoreReadOnly: it cannot be written.
            UnsupportedByEngine: as `index` does.
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
