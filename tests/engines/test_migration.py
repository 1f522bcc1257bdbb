"""A store of an earlier version is brought to this one's format, whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine_samples import EAST, NAME, NORTH, NORTH_EAST, UP, collection_folder, found_ids, store_documents
from machine import Unprivileged
from vai.engines import database as database_module
from vai.engines import migration
from vai.engines.analysis import ANALYSIS_VERSION
from vai.engines.embedded import EmbeddedEngine
from vai.errors import StoreReadOnly
from vai.filters import Condition
from vai.types import Stage1

FORMAT_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, read_ns INTEGER NOT NULL, content TEXT NOT NULL, recipe TEXT NOT NULL
);
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES sources,
    title TEXT NOT NULL, digest TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE INDEX documents_of_source ON documents (source);
CREATE TABLE chunks (
    vector INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents, ordinal INTEGER NOT NULL,
    text TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, start_line INTEGER, end_line INTEGER,
    page INTEGER, heading TEXT NOT NULL, tokens INTEGER NOT NULL
);
CREATE UNIQUE INDEX chunks_of_document ON chunks (document, ordinal);
CREATE TABLE dead (vector INTEGER PRIMARY KEY);
"""
"""What version 0.1 created."""

WORDS = Stage1("words")


def store_of_format_1(store: Path) -> None:
    """Two documents with three chunks, and a row between them that belongs to none any more."""
    folder = collection_folder(store)
    folder.mkdir(parents=True)
    (store / "store.json").write_text(json.dumps({"schema": "vai.store/1"}), encoding="utf-8")
    np.array([EAST, UP, NORTH, NORTH_EAST]).tofile(folder / "vectors-0001.f32")
    database = sqlite3.connect(folder / "collection.db")
    database.executescript(f"PRAGMA journal_mode = WAL; {FORMAT_1}")
    meta = {
        "format": 1,
        "embedder": "hashing",
        "revision": "1",
        "dimension": 4,
        "chunk_tokens": 200,
        "vectors": "vectors-0001.f32",
        "rows": 4,
        "changes": 7,
        "updated": "2026-01-01T00:00:00+00:00",
    }
    database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    database.execute("INSERT INTO sources VALUES (1, 'notes.md', 1, 2, 3, 4, 'content', 'recipe')")
    database.executemany(
        "INSERT INTO documents VALUES (?, ?, 1, ?, '1', ?)",
        [(1, "a", "Sails", '{"year": 2020}'), (4, "b", "", '{"year": 2024}')],
    )
    database.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?, ?, 0, 5, 1, 1, NULL, ?, 1)",
        [
            (0, 1, 0, "reefing in a storm", '["Weather"]'),
            (2, 4, 0, "anchoring", "[]"),
            (3, 4, 1, "mooring", "[]"),
        ],
    )
    database.execute("INSERT INTO dead VALUES (1)")
    database.commit()
    database.close()


def stored_format(store: Path) -> int:
    database = sqlite3.connect(collection_folder(store) / "collection.db")
    (value,) = database.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    database.close()
    return int(value)


def by_words(engine: EmbeddedEngine, text: str) -> list[str]:
    found = engine.search(NAME, EAST, limit=10, num_candidates=10, text=text, stage1=WORDS)
    return [candidate.chunk.id for candidate in found.candidates]


@pytest.fixture
def old(store: Path) -> Path:
    store_of_format_1(store)
    return store


def test_all_that_was_stored_is_there_after_the_first_look(old: Path) -> None:
    engine = EmbeddedEngine(old, create=False)
    assert found_ids(engine, EAST) == ["a#0", "b#1", "b#0"]
    assert stored_format(old) == 2
    info = engine.describe(NAME)
    assert (info.documents, info.chunks, info.updated) == (2, 3, "2026-01-01T00:00:00+00:00")
    assert [state.name for state in engine.source_states(NAME)] == ["notes.md"]
    assert engine.check(NAME) == []
    engine.close()


def test_what_the_earlier_version_did_not_know_is_made_from_what_it_stored(old: Path) -> None:
    engine = EmbeddedEngine(old, create=False)
    assert by_words(engine, "anchoring") == ["b#0"]
    assert by_words(engine, "storm") == by_words(engine, "sails weather") == ["a#0"]
    assert list(engine.fields(NAME)) == ["year"]
    recent = Condition("year", metadata=True, operator="gt", value=2021)
    assert list(engine.documents(NAME, recent)) == ["b"]
    found = engine.search(NAME, EAST, limit=10, num_candidates=10, filter=recent)
    assert [candidate.chunk.id for candidate in found.candidates] == ["b#1", "b#0"]
    engine.close()


def test_the_next_write_goes_on_from_there(old: Path) -> None:
    engine = EmbeddedEngine(old)
    store_documents(engine, {"c": [UP]}, source="c.md", text="unfurling")
    assert found_ids(engine, UP, 1) == ["c#0"]
    assert by_words(engine, "unfurling") == ["c#0"]
    assert engine.check(NAME) == []
    engine.close()


@pytest.mark.parametrize("step", ["_store_fields", "_write_owners", "_store_words", "_set_meta"])
def test_a_crash_in_the_middle_leaves_the_old_format_and_the_next_look_does_it_again(
    old: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: Callable[..., None] = getattr(migration, step)

    def interrupted(*args: object, **values: object) -> None:
        whole(*args, **values)
        raise KeyboardInterrupt

    engine = EmbeddedEngine(old, create=False)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(migration, step, interrupted)
        found_ids(engine, EAST)
    assert stored_format(old) == 1
    assert found_ids(engine, EAST) == ["a#0", "b#1", "b#0"]
    assert engine.check(NAME) == []
    engine.close()


def test_where_it_cannot_be_written_the_user_is_told(unprivileged: Unprivileged) -> None:
    store = unprivileged.folder / "old"
    store_of_format_1(store)
    with unprivileged.acting():
        engine = EmbeddedEngine(store, create=False)
        with pytest.raises(StoreReadOnly, match="cannot be written to"):
            found_ids(engine, EAST)
        engine.close()


def test_words_are_analysed_anew_when_the_analysis_has_changed(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EmbeddedEngine(old)
    assert by_words(engine, "anchoring") == ["b#0"]
    engine.close()
    database = sqlite3.connect(collection_folder(old) / "collection.db")
    database.execute("DELETE FROM word_blocks")
    database.commit()
    database.close()
    assert by_words(engine, "anchoring") == []
    for module in (database_module, migration):
        monkeypatch.setattr(module, "ANALYSIS_VERSION", ANALYSIS_VERSION + 1)
    engine.close()
    assert by_words(engine, "anchoring") == ["b#0"]
    assert engine.check(NAME) == []
    engine.close()
