"""No room is left: what was committed stays, the sentence says what happened, and with room all goes on."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine_samples import (
    EAST,
    NAME,
    NORTH,
    PROVENANCE,
    collection_folder,
    directions,
    document,
    found_ids,
    put,
    store_documents,
)
from machine import largest_file
from vai.engines import rowswriter
from vai.engines import writer as embedded_writer
from vai.engines.database import connect_writer
from vai.engines.embedded import EmbeddedEngine
from vai.errors import StoreFailure, StoreFull

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture
def engine(store: Path) -> EmbeddedEngine:
    """With one document committed, and nothing open."""
    engine = EmbeddedEngine(store)
    store_documents(engine, {"kept": [EAST, NORTH]})
    engine.close()
    return engine


def write(engine: EmbeddedEngine, *, vectors: int, text: str) -> None:
    """Commit one document with so many chunks."""
    with engine.writing(NAME) as writer:
        put(writer, document("new"), list(directions(vectors)), text)
        writer.commit()


def assert_intact(engine: EmbeddedEngine) -> None:
    """What was committed before is there, and with room the same write succeeds."""
    assert found_ids(engine, EAST) == ["kept#0", "kept#1"]
    assert engine.check(NAME) == []
    write(engine, vectors=500, text="x")
    assert engine.describe(NAME).chunks == 502
    assert engine.check(NAME) == []
    engine.close()


def test_no_room_for_vectors(engine: EmbeddedEngine) -> None:
    with largest_file(50_000), pytest.raises(StoreFull, match="no room is left") as caught:
        write(engine, vectors=10_000, text="")
    assert "stored so far is safe" in str(caught.value.hint)
    assert_intact(engine)


def test_no_room_for_the_database(engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(path: Path) -> sqlite3.Connection:
        connection = connect_writer(path)
        connection.execute("PRAGMA max_page_count = 60")
        return connection

    monkeypatch.setattr(embedded_writer, "connect_writer", small)
    with pytest.raises(StoreFull, match="no room is left"):
        write(engine, vectors=500, text="x" * 1_000)
    monkeypatch.undo()
    assert_intact(engine)


@pytest.mark.parametrize("size", [0, 1, 20_000, 40_000, 80_000, 120_000, 200_000, 400_000])
def test_no_room_at_any_place_loses_nothing(engine: EmbeddedEngine, size: int) -> None:
    with largest_file(size), pytest.raises(StoreFailure, match=r"no room is left|disk I/O error"):
        write(engine, vectors=500, text="x" * 2_000)
    assert_intact(engine)


def test_no_room_for_a_new_store(store: Path) -> None:
    with largest_file(0), pytest.raises(StoreFull, match="no room is left"):
        EmbeddedEngine(store).create(NAME, PROVENANCE)
    store_documents(EmbeddedEngine(store), {"a": [EAST]})


@pytest.mark.parametrize("size", [0, 10_000, 30_000])
def test_no_room_for_a_new_collection(store: Path, size: int) -> None:
    engine = EmbeddedEngine(store)
    with largest_file(size), pytest.raises(StoreFailure, match=r"no room is left|disk I/O error"):
        store_documents(engine, {"a": [EAST]})
    assert list(engine.collections()) == []
    store_documents(engine, {"a": [EAST]})
    assert found_ids(engine, EAST) == ["a#0"]
    engine.close()


def test_no_room_for_compacting(engine: EmbeddedEngine, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write was committed before; the store is whole, and compacted by the next one."""
    write(engine, vectors=400, text="")
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 100)
    monkeypatch.setattr(rowswriter, "BLOCK", 10)
    with (
        ExitStack() as limits,
        pytest.raises(StoreFull, match="no room is left"),
        engine.writing(NAME) as writer,
    ):
        put(writer, document("new"), list(directions(100)))
        writer.commit()
        limits.enter_context(largest_file(500))
    assert engine.describe(NAME).chunks == 102
    assert engine.check(NAME) == []
    with engine.writing(NAME):
        pass
    assert [path.name for path in collection_folder(store).glob("vectors-*")] == ["vectors-0002.f32"]
    assert engine.describe(NAME).chunks == 102
    assert engine.check(NAME) == []
    engine.close()
