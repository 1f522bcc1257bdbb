"""The embedded engine beside the oracle, through any sequence of writes, crashes of the session and reopenings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine_samples import NAME, PROVENANCE, directions, document, put, state
from vai.arrays import Matrix, Vector
from vai.engines.embedded import EmbeddedEngine
from vai.engines.exact import ExactEngine
from vai.filters import Condition, Filter, Negated, Some
from vai.protocols import Engine, Writer
from vai.types import Chunk, Json, PoolScores, Stage1

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
    return flat(engine.scan(NAME, wanted))


Group = tuple[Sequence[Chunk], Matrix]


def flat(groups: Iterable[Group]) -> list[tuple[Chunk, list[float]]]:
    """What a scan yields, chunk by chunk."""
    return [
        (chunk, vector.tolist())
        for chunks, vectors in groups
        for chunk, vector in zip(chunks, vectors, strict=True)
    ]


@dataclass
class Scan:
    """A scan by an engine of its own that has begun, and what it has to come to."""

    engine: EmbeddedEngine
    running: Iterator[Group]
    expected: list[tuple[Chunk, list[float]]]
    begun: list[Group]


class AbandonedError(Exception):
    """Ends a writer's session in the middle."""


def found(engine: Engine, query: Vector, limit: int, depth: int = 100, **asked: Any) -> object:
    """What a search finds, however it does."""
    found = engine.search(NAME, query, limit=limit, num_candidates=depth, **asked)
    return found.candidates, found.matched, found.warnings


def pool(engine: Engine, query: Vector, depth: int, text: str, wanted: Filter | None) -> object:
    """What a search by both finds before it is put in order, however it does."""
    found = engine.pool(NAME, query, text=text, limit=3, num_candidates=depth, filter=wanted)
    return found.ids, [values.tolist() for values in _columns(found.scores)]


def _columns(scores: PoolScores) -> tuple[Any, ...]:
    return scores.similarities, scores.words_scores, scores.vector_ranks, scores.words_ranks


class Engines(RuleBasedStateMachine):
    """Does the same to both engines and compares all that can be seen of them."""

    bounds: Mapping[str, int] = {
        "vai.engines.writer.COMPACT_FROM": 1,
        "vai.engines.reader._PARAMETERS": 2,
        "vai.engines.reader.IDS_KEPT": 3,
        "vai.engines.words.POSTINGS_KEPT": 3,
    }
    """What is made small, so that few chunks are many."""
    depth = 5

    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        for name, bound in self.bounds.items():
            self.patches.enter_context(patch(name, bound))
        self.folder = Path(tempfile.mkdtemp(prefix="vai-engines-"))
        self.exact = ExactEngine()
        self.embedded = self.opened()
        self.onlooker = self.opened()
        self.sessions: list[AbstractContextManager[Writer]] = []
        self.writers: list[Writer] = []
        self.scans: list[Scan] = []

    def teardown(self) -> None:
        if self.sessions:
            self.leave()
        for scan in self.scans:
            scan.engine.close()
        self.patches.close()
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

    @rule()
    def settle(self) -> None:
        """The embedded engine compacts, and has an index where there is to be one."""
        for writer in self.writing():
            writer.settle()

    @rule()
    def begin_a_scan(self) -> None:
        engine = self.opened()
        running = engine.scan(NAME)
        nothing: tuple[Sequence[Chunk], Matrix] = ([], np.empty((0, 0), dtype=np.float32))
        self.scans.append(Scan(engine, running, scanned(self.exact, None), [next(running, nothing)]))

    @precondition(lambda self: self.scans)
    @rule()
    def end_a_scan(self) -> None:
        """What it sees is as it was when it began, whatever was written meanwhile."""
        scan = self.scans.pop()
        assert flat([*scan.begun, *scan.running]) == scan.expected
        scan.engine.close()

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
                    assert found(engine, query, limit) == found(self.exact, query, limit)

    @invariant()
    def readers_find_the_same_by_words_and_under_filters(self) -> None:
        for number, stage1 in enumerate(STAGE1):
            for wanted in (None, *FILTERS):
                asked = {"text": "one 2 a.md nowhere", "stage1": stage1, "filter": wanted}
                assert found(self.onlooker, QUERIES[number], 3, self.depth, **asked) == found(
                    self.exact, QUERIES[number], 3, self.depth, **asked
                )
        for number, wanted in enumerate((None, *FILTERS)):
            whole = QUERIES[number], self.depth, "one 2 a.md nowhere", wanted
            assert pool(self.onlooker, *whole) == pool(self.exact, *whole)
        assert list(self.onlooker.fields(NAME)) == list(self.exact.fields(NAME))
        for wanted in (None, *FILTERS):
            assert self.onlooker.documents(NAME, wanted) == self.exact.documents(NAME, wanted)
            assert scanned(self.onlooker, wanted) == scanned(self.exact, wanted)

    @invariant()
    def what_is_stored_is_whole(self) -> None:
        assert self.embedded.check(NAME) == []


class EnginesWithAnIndex(Engines):
    """The embedded engine searches through an index from a few chunks on: so few that it misses none of them."""

    bounds: Mapping[str, int] = {
        **Engines.bounds,
        "vai.engines.writer.COMPACT_FROM": 6,
        "vai.engines.indexing.EXACT_BELOW": 3,
        "vai.engines.index.costs.TAIL_LEAST": 2,
        "vai.engines.nearest.DEPTH_COST": 0,
        "vai.engines.nearest.EXACT_UNDER_FILTER": 1,
    }
    depth = 100

    @rule()
    def commit_and_settle(self) -> None:
        self.commit()
        self.settle()


Engines.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestEngines = Engines.TestCase
EnginesWithAnIndex.TestCase.settings = Engines.TestCase.settings
TestEnginesWithAnIndex = EnginesWithAnIndex.TestCase
