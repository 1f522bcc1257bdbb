"""The embedded engine beside the oracle, through any sequence of writes, crashes of the session and reopenings."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine_samples import NAME, PROVENANCE, directions, document, put, state
from vai.engines import writer as embedded_writer
from vai.engines.embedded import EmbeddedEngine
from vai.engines.exact import ExactEngine
from vai.filters import Condition, Filter, Negated, Some
from vai.protocols import Engine, Writer
from vai.types import Chunk, Json, Stage1

SOURCES = ("a.md", "a/b.jsonl", "c.md")
DOCUMENTS = ("a.md", "one", "two", "three#3")
PALETTE = directions(5)
"""Few, so that there are many equal vectors and their order shows."""
QUERIES = (*directions(3, seed=1), PALETTE[0])

sources, documents, digits = st.sampled_from(SOURCES), st.sampled_from(DOCUMENTS), st.sampled_from("12")
colours = st.lists(st.integers(0, len(PALETTE) - 1), max_size=4)


STAGE1 = (Stage1("vector"), Stage1("words"), Stage1("hybrid"), Stage1("hybrid", "ranks"))
FILTERS: tuple[Filter, ...] = (
    Condition("digest", metadata=True, operator="eq", value="1"),
    Negated(Condition("colours", metadata=True, operator="gt", value=2)),
    Some(
        (
            Condition("path", metadata=False, operator="glob", value="a*"),
            Condition("deep.source", metadata=True, operator="in", value=["c.md"]),
        )
    ),
)


def scanned(engine: Engine, wanted: Filter | None) -> list[tuple[Chunk, list[float]]]:
    """Every chunk with its vector, in order."""
    return [
        (chunk, vector.tolist())
        for chunks, vectors in engine.scan(NAME, wanted)
        for chunk, vector in zip(chunks, vectors, strict=True)
    ]


class AbandonedError(Exception):
    """Ends a writer's session in the middle."""


class Engines(RuleBasedStateMachine):
    """Does the same to both engines and compares all that can be seen of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="vai-engines-"))
        self.exact = ExactEngine()
        self.embedded = self.opened()
        self.onlooker = self.opened()
        self.sessions: list[AbstractContextManager[Writer]] = []
        self.writers: list[Writer] = []
        self.compacted_from = embedded_writer.COMPACT_FROM
        embedded_writer.COMPACT_FROM = 1

    def teardown(self) -> None:
        embedded_writer.COMPACT_FROM = self.compacted_from
        if self.sessions:
            self.leave()
        self.embedded.close()
        self.onlooker.close()
        shutil.rmtree(self.folder)

    def opened(self) -> EmbeddedEngine:
        return EmbeddedEngine(self.folder / ".vai")

    @property
    def engines(self) -> tuple[Engine, Engine]:
        return self.exact, self.embedded

    def writing(self) -> list[Writer]:
        """A session with each engine, which lasts until it is left or abandoned."""
        if not self.sessions:
            self.sessions = [engine.writing(NAME) for engine in self.engines]
            self.writers = [session.__enter__() for session in self.sessions]
        return self.writers

    # ── what can happen ──

    @initialize()
    def create(self) -> None:
        for engine in self.engines:
            engine.create(NAME, PROVENANCE)

    @rule(source=sources, held=st.dictionaries(documents, colours, min_size=1, max_size=3), digest=digits)
    def put(self, source: str, held: dict[str, list[int]], digest: str) -> None:
        for writer in self.writing():
            for document_id, chosen in held.items():
                metadata: dict[str, Json] = {"digest": digest, "colours": chosen, "deep": {"source": source}}
                of = document(document_id, source, digest=digest, title=source, metadata=metadata)
                put(writer, of, [PALETTE[colour] for colour in chosen], text=f"{document_id} {chosen}")

    @rule(lines=st.dictionaries(documents, st.none() | st.integers(1, 3), max_size=3))
    def keep(self, lines: dict[str, int | None]) -> None:
        for writer in self.writing():
            writer.keep(lines)

    @rule(source=sources, content=digits)
    def finish_source(self, source: str, content: str) -> None:
        exact, embedded = (writer.finish_source(state(source, content=content)) for writer in self.writing())
        assert embedded == exact

    @rule(source=sources, size=st.integers(0, 9))
    def note_source(self, source: str, size: int) -> None:
        for writer in self.writing():
            if writer.source(source) is not None:
                writer.note_source(state(source, size=size))

    @rule(source=sources)
    def remove_source(self, source: str) -> None:
        exact, embedded = (writer.remove_source(source) for writer in self.writing())
        assert embedded == exact

    @rule(document_id=documents)
    def remove_document(self, document_id: str) -> None:
        for writer in self.writing():
            writer.remove_document(document_id)

    @rule()
    def commit(self) -> None:
        for writer in self.writing():
            writer.commit()

    @rule(source=sources, held=st.dictionaries(documents, colours, min_size=1, max_size=3), digest=digits)
    def ingest(self, source: str, held: dict[str, list[int]], digest: str) -> None:
        self.put(source, held, digest)
        self.finish_source(source, digest)
        self.commit()

    @precondition(lambda self: self.sessions)
    @rule()
    def leave(self) -> None:
        """What was not committed is forgotten; the embedded engine may compact what was."""
        for session in self.sessions:
            session.__exit__(None, None, None)
        self.sessions, self.writers = [], []

    @precondition(lambda self: self.sessions)
    @rule()
    def abandon(self) -> None:
        for session in self.sessions:
            error = AbandonedError()
            assert not session.__exit__(AbandonedError, error, None)
        self.sessions, self.writers = [], []

    @rule()
    def reopen(self) -> None:
        if self.sessions:
            self.leave()
        self.embedded.close()
        self.embedded = self.opened()

    @precondition(lambda self: not self.sessions)
    @rule()
    def drop_and_create(self) -> None:
        for engine in self.engines:
            engine.drop(NAME)
            engine.create(NAME, PROVENANCE)

    # ── what must hold ──

    @precondition(lambda self: self.sessions)
    @invariant()
    def writers_see_the_same(self) -> None:
        exact, embedded = self.writers
        assert embedded.claims(DOCUMENTS) == exact.claims(DOCUMENTS)
        for source in SOURCES:
            assert embedded.source(source) == exact.source(source)
            assert embedded.document_count(source) == exact.document_count(source)
        for writer in self.writers:
            under = [
                name
                for name in writer.sources_under("a")
                if writer.source(name) or writer.document_count(name)
            ]
            assert under == list(exact.sources_under("a"))

    @invariant()
    def readers_see_the_last_commit(self) -> None:
        chunk_ids = [f"{document_id}#{ordinal}" for document_id in DOCUMENTS for ordinal in range(4)]
        expected = self.exact.describe(NAME)
        for engine in (self.embedded, self.onlooker):
            info = engine.describe(NAME)
            assert (info.sources, info.documents, info.chunks) == (
                expected.sources,
                expected.documents,
                expected.chunks,
            )
            assert engine.chunks(NAME, chunk_ids) == self.exact.chunks(NAME, chunk_ids)
            assert list(engine.source_states(NAME)) == list(self.exact.source_states(NAME))
            for query in QUERIES:
                for limit in (1, 3, 100):
                    assert engine.search(NAME, query, limit=limit, num_candidates=100) == self.exact.search(
                        NAME, query, limit=limit, num_candidates=100
                    )

    @invariant()
    def readers_find_the_same_by_words_and_under_filters(self) -> None:
        for number, stage1 in enumerate(STAGE1):
            for wanted in (None, *FILTERS):
                found = [
                    engine.search(
                        NAME,
                        QUERIES[number],
                        limit=3,
                        num_candidates=5,
                        text="one 2 a.md nowhere",
                        stage1=stage1,
                        filter=wanted,
                    )
                    for engine in (self.exact, self.onlooker)
                ]
                assert found[0] == found[1]
        assert list(self.onlooker.fields(NAME)) == list(self.exact.fields(NAME))
        for wanted in (None, *FILTERS):
            assert self.onlooker.documents(NAME, wanted) == self.exact.documents(NAME, wanted)
            assert scanned(self.onlooker, wanted) == scanned(self.exact, wanted)

    @invariant()
    def what_is_stored_is_whole(self) -> None:
        assert self.embedded.check(NAME) == []


Engines.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestEngines = Engines.TestCase
