"""The second half of an ingest: steps and vectors into the collection, whole documents at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vai.arrays import Matrix
from vai.ingest.claims import Claims
from vai.ingest.committing import Committing
from vai.ingest.steps import Add, Finish, Forget, Keep, Leave, Note, Put, Step, Tally
from vai.protocols import Embedder, Writer
from vai.types import Chunk, IngestProgress, StoredDocument


class Storing:
    """Carries steps out and commits now and then, always between two documents."""

    def __init__(
        self,
        writer: Writer,
        embedder: Embedder,
        root: Path,
        tally: Tally,
        progress: Callable[[IngestProgress], None] | None,
    ) -> None:
        self._writer = writer
        self._embedder = embedder
        self._claims = Claims(writer, root)
        self._tally = tally
        self._progress = progress
        self._furthest = 0
        self.committing = Committing(writer, tally)

    def store(self, steps: Sequence[Step], vectors: Matrix) -> None:
        """Carry out steps; `vectors` float32 [n, d] are those of their chunks, in order.

        Raises:
            DuplicateId: two sources claim one document id; the steps before are carried out.
        """
        row, committing = 0, self.committing
        for step in steps:
            between_documents = committing.whole
            known = isinstance(step, Put | Keep) and self._is_known(step.document, step.line)
            committing.whole = False
            match step:
                case Put(document):
                    self._writer.put(document)
                    self._tally.changed += known
                    self._tally.added += not known
                    between_documents = False
                case Add(chunks, last):
                    self._writer.add(chunks, vectors[row : row + len(chunks)])
                    row += len(chunks)
                    self._count(chunks)
                    between_documents = last
                case Keep(document, line):
                    self._writer.keep({document.id: line})
                    self._tally.unchanged += 1
                case Finish(state):
                    self._tally.removed += self._writer.finish_source(state)
                case Note(state):
                    self._writer.note_source(state)
                case Forget(name):
                    self._tally.removed += self._writer.remove_source(name)
                case Leave(name, size):
                    self._tally.bytes, self._tally.bytes_within = self._tally.bytes + size, 0
                    self._report(name)
            committing.whole = between_documents
        committing.commit_if_due()

    def _count(self, chunks: Sequence[Chunk]) -> None:
        self._tally.chunks += len(chunks)
        most = self._embedder.max_tokens - 2
        self._tally.tokens += sum(min(chunk.tokens, most) for chunk in chunks)
        self._tally.bytes_within += sum(len(chunk.text) for chunk in chunks)
        self._tally.cut_off += sum(self._is_cut_off(chunk) for chunk in chunks)
        self._report(chunks[0].source)

    def _is_cut_off(self, chunk: Chunk) -> bool:
        """Whether the embedder read a passage without its end; two tokens are its own."""
        room = self._embedder.max_tokens - 2 - chunk.tokens
        return len(chunk.context) > room and len(self._embedder.token_ends(chunk.context)) > room

    def _is_known(self, document: StoredDocument, line: int | None) -> bool:
        """Whether the document is stored already; an id that another source holds is refused."""
        claim = self._writer.claims([document.id]).get(document.id)
        return self._claims.is_known(document, line, claim)

    def _report(self, source: str) -> None:
        if self._progress is not None:
            tally = self._tally
            # A text taken out of a packed file can be longer than the file, which is no reason to go back.
            self._furthest = max(self._furthest, tally.bytes + tally.bytes_within)
            self._progress(IngestProgress(source, tally.files, self._furthest, tally.chunks, tally.tokens))
