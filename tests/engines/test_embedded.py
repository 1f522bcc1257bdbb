"""The embedded engine's folder: what lies in it, and that it is all there is to a store."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from engine_samples import (
    EAST,
    NAME,
    NORTH,
    PROVENANCE,
    collection_folder,
    document,
    found_ids,
    put,
    store_documents,
    store_of,
)
from vai.engines.embedded import EmbeddedEngine
from vai.errors import InvalidSettings, StoreCorrupt, StoreFailure, StoreNotFound, StoreTooNew

pytestmark = pytest.mark.usefixtures("connections")


def test_what_was_stored_is_there_when_the_store_is_opened_again(store: Path) -> None:
    first = EmbeddedEngine(store)
    store_documents(first, {"a": [EAST], "b": [NORTH, EAST]})
    before, found = first.describe(NAME), first.search(NAME, EAST, limit=9, num_candidates=9)
    states = first.source_states(NAME)
    first.close()
    second = EmbeddedEngine(store, create=False)
    assert second.search(NAME, EAST, limit=9, num_candidates=9) == found
    assert second.source_states(NAME) == states
    after = second.describe(NAME)
    assert (after.documents, after.chunks, after.updated) == (before.documents, before.chunks, before.updated)
    second.close()


def test_a_store_is_its_folder_and_can_be_moved_and_copied(store: Path, tmp_path: Path) -> None:
    store_of(store, {"a": [EAST]})
    copied = tmp_path / "copy"
    shutil.copytree(store, copied)
    moved = store.rename(tmp_path / "moved")
    for place in (copied, moved):
        engine = EmbeddedEngine(place, create=False)
        assert found_ids(engine, EAST) == ["a#0"]
        engine.close()


@pytest.mark.parametrize("name", ["with space", "100%", "a#b", "q?mode=rw", "päth 😀", "semi;colon&"])
def test_a_store_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    store_of(tmp_path / name / ".vai", {"a": [EAST]})
    engine = EmbeddedEngine(tmp_path / name / ".vai", create=False)
    assert found_ids(engine, EAST) == ["a#0"]
    engine.close()


def test_nothing_but_the_database_and_the_vectors_is_left_when_all_is_closed(store: Path) -> None:
    folder = store_of(store, {"a": [EAST]})
    assert sorted(path.name for path in folder.iterdir()) == [
        "collection.db",
        "owners-0001.u32",
        "vectors-0001.f32",
        "writer.lock",
    ]
    assert sorted(path.name for path in store.iterdir()) == [".gitignore", "collections", "store.json"]


def test_the_size_of_a_collection_is_that_of_its_files(store: Path) -> None:
    folder = store_of(store, {"a": [EAST]})
    engine = EmbeddedEngine(store)
    assert engine.describe(NAME).bytes >= sum(path.stat().st_size for path in folder.glob("*.*"))
    engine.close()


def test_no_store_is_made_where_none_was_asked_for(store: Path) -> None:
    with pytest.raises(StoreNotFound, match=r"\.vai") as caught:
        EmbeddedEngine(store, create=False)
    assert "vai ingest" in str(caught.value.hint)
    assert not store.exists()


def test_opening_makes_no_store(store: Path) -> None:
    assert EmbeddedEngine(store).collections() == []
    assert not store.exists()


def test_a_new_store_keeps_itself_out_of_version_control(store: Path) -> None:
    EmbeddedEngine(store).create(NAME, PROVENANCE)
    assert (store / ".gitignore").read_text().splitlines()[-1] == "*"


def test_a_folder_that_holds_something_already_is_not_hidden_from_version_control(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    EmbeddedEngine(tmp_path).create(NAME, PROVENANCE)
    assert not (tmp_path / ".gitignore").exists()
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "store.json").unlink()
    EmbeddedEngine(tmp_path).create(NAME, PROVENANCE)
    assert (tmp_path / ".gitignore").read_text() == "build/\n"


def test_a_file_where_the_store_should_be_is_named(store: Path) -> None:
    store.write_text("not a folder")
    with pytest.raises(StoreFailure, match=r"\.vai` cannot be used"):
        EmbeddedEngine(store).create(NAME, PROVENANCE)
    with pytest.raises(StoreNotFound):
        EmbeddedEngine(store, create=False)
    assert store.read_text() == "not a folder"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": ', "{}", b"\xff\xfe"])
def test_a_garbled_store_file_is_named_with_the_way_out(store: Path, content: str | bytes) -> None:
    store_of(store, {"a": [EAST]})
    (store / "store.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StoreCorrupt, match=r"store\.json` is damaged") as caught:
        EmbeddedEngine(store)
    assert "ingest again" in str(caught.value.hint)


def test_a_store_of_a_later_format_is_refused_by_name(store: Path) -> None:
    store_of(store, {"a": [EAST]})
    (store / "store.json").write_text(json.dumps({"schema": "vai.store/2"}))
    with pytest.raises(StoreTooNew, match=r"vai.store/2.*vai.store/1") as caught:
        EmbeddedEngine(store)
    assert "newer vai" in str(caught.value.hint)


@pytest.mark.parametrize("later", [("format",), ("analysis",), ("format", "analysis")])
def test_a_collection_of_a_later_format_is_neither_read_nor_written(
    store: Path, later: tuple[str, ...]
) -> None:
    folder = store_of(store, {"a": [EAST]})
    database = sqlite3.connect(folder / "collection.db")
    database.executemany("UPDATE meta SET value = 99 WHERE key = ?", [(key,) for key in later])
    database.commit()
    database.close()
    before = (folder / "collection.db").read_bytes()
    engine = EmbeddedEngine(store)
    with pytest.raises(StoreTooNew, match="99"):
        found_ids(engine, EAST)
    with pytest.raises(StoreTooNew, match="99"), engine.writing(NAME):
        pass
    engine.close()
    assert (folder / "collection.db").read_bytes() == before


def test_a_missing_store_file_in_a_store_is_made_again_and_loses_nothing(store: Path) -> None:
    store_of(store, {"a": [EAST]})
    (store / "store.json").unlink()
    engine = EmbeddedEngine(store)
    assert found_ids(engine, EAST) == ["a#0"]
    engine.close()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-a", "_a", "é", "a" * 65, "a b", "a\n"])
def test_a_name_that_cannot_be_a_folder_everywhere_is_refused(store: Path, name: str) -> None:
    engine = EmbeddedEngine(store)
    with pytest.raises(InvalidSettings, match="cannot name a collection"):
        engine.create(name, PROVENANCE)
    assert list(store.rglob("*.db")) == []


def test_folders_that_are_no_collections_are_not_listed(store: Path) -> None:
    folder = store_of(store, {"a": [EAST]})
    shutil.copytree(folder, folder.parent / "default (copy)")
    (folder.parent / "empty").mkdir()
    engine = EmbeddedEngine(store)
    assert [info.name for info in engine.collections()] == [NAME]
    engine.close()


def test_a_dropped_collection_leaves_nothing_behind(store: Path) -> None:
    folder = store_of(store, {"a": [EAST]})
    engine = EmbeddedEngine(store)
    engine.drop(NAME)
    assert not folder.exists()


def test_what_an_unfinished_drop_left_does_not_get_into_the_next_collection(store: Path) -> None:
    """A write-ahead log of the old database would be replayed into the new one."""
    engine = EmbeddedEngine(store)
    store_documents(engine, {"old": [EAST] * 50})
    folder = collection_folder(store)
    found_ids(engine, EAST)  # keeps the database open, so that the log stays
    store_documents(engine, {"old": [NORTH] * 50})
    log = (folder / "collection.db-wal").read_bytes()
    assert log
    engine.close()
    for leftover in folder.iterdir():
        leftover.unlink()
    (folder / "collection.db-wal").write_bytes(log)
    (folder / "collection.db.new").write_bytes(b"half")
    (folder / "vectors-0001.f32").write_bytes(b"left over")
    store_documents(engine, {"new": [EAST]})
    assert found_ids(engine, EAST) == ["new#0"]
    assert engine.check(NAME) == []
    engine.close()


def test_an_old_reader_notices_that_another_engine_made_the_collection_anew(store: Path) -> None:
    reader, other = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(other, {"old": [EAST]})
    assert found_ids(reader, EAST) == ["old#0"]
    other.drop(NAME)
    store_documents(other, {"new": [EAST]})
    assert found_ids(reader, EAST) == ["new#0"]
    reader.close()
    other.close()


def test_an_engine_that_is_forgotten_lets_go_of_its_files(store: Path) -> None:
    """The `connections` fixture sees whether it does."""
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    found_ids(engine, EAST)
    del engine


def test_vectors_of_another_dimension_are_refused_and_leave_no_trace(store: Path) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    with engine.writing(NAME) as writer:
        with pytest.raises(ValueError, match=r"\(1, 3\)"):
            put(writer, document("b"), [EAST[:3]])
        put(writer, document("c"), [NORTH])
        writer.commit()
    assert found_ids(engine, NORTH) == ["c#0", "a#0"]
    engine.close()
