"""What is on disk is not what was written: the user is told so, and never sees a traceback."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_samples import (
    DIMENSION,
    EAST,
    NAME,
    NORTH,
    collection_folder,
    directions,
    document,
    found_ids,
    put,
    store_of,
)
from vai.engines.embedded import EmbeddedEngine
from vai.engines.reader import Reader
from vai.errors import StoreCorrupt, StoreFailure

pytestmark = pytest.mark.usefixtures("connections")
DOCUMENTS = {"a": [EAST, NORTH], "b": [EAST]}
ROW = DIMENSION * 4


def write(engine: EmbeddedEngine) -> None:
    """Add a document."""
    with engine.writing(NAME) as writer:
        put(writer, document("c"), [EAST])
        writer.commit()


USES: dict[str, Callable[[EmbeddedEngine], object]] = {
    "search": lambda engine: found_ids(engine, EAST),
    "chunks": lambda engine: engine.chunks(NAME, ["a#0"]),
    "describe": lambda engine: engine.describe(NAME),
    "collections": lambda engine: engine.collections(),
    "source_states": lambda engine: engine.source_states(NAME),
    "check": lambda engine: engine.check(NAME),
    "writing": write,
}


@pytest.fixture
def folder(store: Path) -> Path:
    """A collection's folder, which nobody has open."""
    return store_of(store, DOCUMENTS)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kept", [0, 1, ROW, 3 * ROW - 1])
def test_a_truncated_vector_file_is_named_with_what_is_missing(
    store: Path, folder: Path, use: str, kept: int
) -> None:
    vectors = folder / "vectors-0001.f32"
    vectors.write_bytes(vectors.read_bytes()[:kept])
    engine = EmbeddedEngine(store)
    with pytest.raises(
        StoreCorrupt, match=rf"vectors-0001\.f32` holds {kept // ROW} vectors where 3 "
    ) as caught:
        USES[use](engine)
    assert "ingest again" in str(caught.value.hint)
    engine.close()
    assert vectors.stat().st_size == kept


@pytest.mark.parametrize("use", USES)
def test_a_deleted_vector_file_is_named(store: Path, folder: Path, use: str) -> None:
    (folder / "vectors-0001.f32").unlink()
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreCorrupt, match=r"vectors-0001\.f32` is gone") as caught:
        USES[use](engine)
    assert "ingest again" in str(caught.value.hint)
    engine.close()
    assert not (folder / "vectors-0001.f32").exists()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "content", [b"not a database at all " * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_database_that_is_none_is_named(store: Path, folder: Path, use: str, content: bytes) -> None:
    (folder / "collection.db").write_bytes(content)
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreCorrupt, match="default` is damaged") as caught:
        USES[use](engine)
    assert str(folder) in str(caught.value.hint)
    engine.close()


@pytest.mark.parametrize("use", USES)
def test_an_empty_database_is_named(store: Path, folder: Path, use: str) -> None:
    (folder / "collection.db").write_bytes(b"")
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreCorrupt, match="default` is damaged"):
        USES[use](engine)
    engine.close()


@pytest.mark.parametrize("use", USES)
def test_a_truncated_database_is_named(store: Path, folder: Path, use: str) -> None:
    database = folder / "collection.db"
    database.write_bytes(database.read_bytes()[:4096])
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreCorrupt, match="default` is damaged"):
        USES[use](engine)
    engine.close()


DAMAGES = {
    "a counter is gone": "DELETE FROM meta WHERE key = 'rows'",
    "the format is gone": "DELETE FROM meta WHERE key = 'format'",
    "the change counter is gone": "DELETE FROM meta WHERE key = 'changes'",
    "a counter is no number": "UPDATE meta SET value = 'many' WHERE key = 'rows'",
    "more vectors are counted than there are": "UPDATE meta SET value = 1000 WHERE key = 'rows'",
    "a deleted vector is none": "INSERT INTO dead VALUES (1000)",
    "a deleted vector is below none": "INSERT INTO dead VALUES (-1)",
    "a heading is garbled": "UPDATE chunks SET heading = '{'",
    "a heading is none": "UPDATE chunks SET heading = 'null'",
    "metadata is garbled": "UPDATE documents SET metadata = 'x'",
    "a chunk is gone": "DELETE FROM chunks WHERE vector = 0",
    "a document is gone": "DELETE FROM documents WHERE id = 'a'",
    "a table is gone": "DROP TABLE chunks",
}


def damage(folder: Path, statement: str) -> None:
    """Do something to the database that the engine never would."""
    database = sqlite3.connect(folder / "collection.db")
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize("statement", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_database_whose_parts_do_not_fit_is_named_by_a_search(
    store: Path, folder: Path, statement: str
) -> None:
    damage(folder, statement)
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreCorrupt, match=r"default.*\(|vectors where 1,000"):
        found_ids(engine, EAST)
    engine.close()


FAULTS = {
    "INSERT INTO word_segments (first, last, lengths) SELECT 1, last, lengths FROM word_segments": [
        "the words of 2 chunks are counted twice"
    ],
    "INSERT INTO dead VALUES (1)": [
        "the vectors' 3 rows are not those that chunks and deletions account for"
    ],
    "DELETE FROM chunks WHERE vector = 0": [
        "the vectors' 3 rows are not those that chunks and deletions account for"
    ],
    "UPDATE chunks SET vector = 7 WHERE vector = 2": [
        "the vectors' 3 rows are not those that chunks and deletions account for"
    ],
    "UPDATE chunks SET document = 77 WHERE vector = 0": [
        "1 chunks or documents belong to nothing",
        "1 vectors are taken for those of another document",
    ],
    "DELETE FROM sources": ["2 chunks or documents belong to nothing"],
}


@pytest.mark.parametrize("statement", FAULTS)
def test_a_check_names_what_does_not_fit(store: Path, folder: Path, statement: str) -> None:
    damage(folder, statement)
    engine = EmbeddedEngine(store)
    assert engine.check(NAME) == FAULTS[statement]
    engine.close()


def test_a_check_counts_overwritten_vectors(store: Path, folder: Path) -> None:
    np.zeros((2, DIMENSION), dtype=np.float32).tofile(folder / "garbage")
    vectors = folder / "vectors-0001.f32"
    vectors.write_bytes((folder / "garbage").read_bytes() + vectors.read_bytes()[2 * ROW :])
    engine = EmbeddedEngine(store)
    assert engine.check(NAME) == ["2 vectors are not of unit length"]
    engine.close()


def test_one_damaged_collection_leaves_the_others_usable(store: Path, folder: Path) -> None:
    shutil.copytree(folder, collection_folder(store, "good"))
    (folder / "collection.db").write_bytes(b"not a database")
    engine = EmbeddedEngine(store)
    assert found_ids(engine, EAST, collection="good") == ["a#0", "b#0", "a#1"]
    with pytest.raises(StoreCorrupt, match=NAME):
        found_ids(engine, EAST)
    engine.close()


def test_a_damaged_collection_can_be_dropped_and_made_anew(store: Path, folder: Path) -> None:
    (folder / "collection.db").write_bytes(b"not a database")
    engine = EmbeddedEngine(store)
    engine.drop(NAME)
    engine.close()
    store_of(store, {"new": [EAST]})
    assert found_ids(engine, EAST) == ["new#0"]
    engine.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=30
    )
)
def test_any_bytes_in_the_database_lead_to_an_answer_or_a_named_failure(
    store: Path, places: list[tuple[float, int]]
) -> None:
    folder = collection_folder(store)
    if not folder.exists():
        store_of(store, {str(number): list(directions(20)) for number in range(20)})
        shutil.copy(folder / "collection.db", store / "good.db")
    garbled = bytearray((store / "good.db").read_bytes())
    for share, value in places:
        garbled[int(share * len(garbled))] = value
    for leftover in folder.glob("collection.db*"):
        leftover.unlink()
    (folder / "collection.db").write_bytes(garbled)
    engine = EmbeddedEngine(store)
    for use in USES.values():
        try:
            use(engine)
        except StoreFailure as failure:
            assert str(store) in failure.message
    engine.close()


def test_a_failing_disk_that_ended_the_transaction_is_what_one_hears_of(
    store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(reader: Reader) -> None:
        reader._connection.execute("ROLLBACK")
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Reader, "_refresh", failing)
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreFailure, match="Input/output error"):
        found_ids(engine, EAST)
    engine.close()
