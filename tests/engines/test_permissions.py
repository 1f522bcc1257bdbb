"""A store that the user may only read, or not even that."""

from __future__ import annotations

import shutil
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
from machine import Unprivileged
from vai.engines.embedded import EmbeddedEngine
from vai.errors import StoreFailure, StoreReadOnly

pytestmark = pytest.mark.usefixtures("connections")


def with_pending_changes(unprivileged: Unprivileged) -> Path:
    """A store as a killed process leaves it: its last commit is not in the database yet, but in the log."""
    live = EmbeddedEngine(unprivileged.folder / "live")
    store_documents(live, {"a": [EAST]})
    with live.writing(NAME) as writer:
        put(writer, document("b"), [NORTH])
        writer.commit()
        store = unprivileged.folder / "store"
        shutil.copytree(unprivileged.folder / "live", store)
    live.close()
    assert (collection_folder(store) / "collection.db-wal").stat().st_size > 0
    return store


def assert_readable(store: Path, ids: list[str]) -> None:
    """Everything that reads works."""
    engine = EmbeddedEngine(store, create=False)
    assert found_ids(engine, EAST) == ids
    assert list(engine.chunks(NAME, ids)) == ids
    assert [info.name for info in engine.collections()] == [NAME]
    assert engine.check(NAME) == []
    engine.close()


def assert_not_writable(store: Path) -> None:
    """Everything that writes says that it cannot."""
    engine = EmbeddedEngine(store)
    for write in (
        lambda: engine.writing(NAME).__enter__(),
        lambda: engine.create("another", PROVENANCE),
        lambda: engine.drop(NAME),
    ):
        with pytest.raises(StoreReadOnly, match="cannot be written to") as caught:
            write()
        assert "--store" in str(caught.value.hint)
    engine.close()


def test_a_store_that_may_only_be_read_is_searched_and_not_written(unprivileged: Unprivileged) -> None:
    store = unprivileged.folder / "store"
    store_of(store, {"a": [EAST], "b": [NORTH]})
    with unprivileged.acting():
        assert_readable(store, ["a#0", "b#0"])
        assert_not_writable(store)
    assert_readable(store, ["a#0", "b#0"])


def test_what_a_killed_process_left_is_read_without_the_right_to_write(unprivileged: Unprivileged) -> None:
    store = with_pending_changes(unprivileged)
    with unprivileged.acting():
        assert_readable(store, ["a#0", "b#0"])
        assert_not_writable(store)


def test_pending_changes_that_cannot_be_read_are_not_ignored(unprivileged: Unprivileged) -> None:
    """A backup may lack the `-shm` file, which SQLite may not make here; without the log the answer were old."""
    store = with_pending_changes(unprivileged)
    (collection_folder(store) / "collection.db-shm").unlink()
    with unprivileged.acting():
        engine = EmbeddedEngine(store)
        with pytest.raises(StoreFailure, match="holds changes that cannot be read") as caught:
            found_ids(engine, EAST)
        engine.close()
    assert "vai ingest" in str(caught.value.hint)
    assert_readable(store, ["a#0", "b#0"])


def test_a_reader_without_rights_sees_what_somebody_else_writes_later(unprivileged: Unprivileged) -> None:
    store = unprivileged.folder / "store"
    store_of(store, {"a": [EAST]})
    reader, owner = EmbeddedEngine(store), EmbeddedEngine(store)
    with unprivileged.acting():
        assert found_ids(reader, EAST) == ["a#0"]
    with owner.writing(NAME) as writer:
        put(writer, document("b"), [NORTH])
        writer.commit()
        with unprivileged.acting():
            assert found_ids(reader, EAST) == ["a#0", "b#0"]
        put(writer, document("c"), [NORTH])
        writer.commit()
    with unprivileged.acting():
        assert found_ids(reader, EAST) == ["a#0", "b#0", "c#0"]
    reader.close()
    owner.close()


def test_no_store_can_be_made_where_nothing_may_be_written(unprivileged: Unprivileged) -> None:
    with unprivileged.acting(), pytest.raises(StoreReadOnly, match="cannot be written to"):
        EmbeddedEngine(unprivileged.folder / "new").create(NAME, PROVENANCE)
    assert list(unprivileged.folder.iterdir()) == []


@pytest.mark.parametrize(
    "unreadable", ["store.json", "collections/default", "collections/default/collection.db", "."]
)
def test_what_may_not_be_read_is_not_called_damaged(unprivileged: Unprivileged, unreadable: str) -> None:
    store = unprivileged.folder / "store"
    store_of(store, {"a": [EAST]})
    with unprivileged.acting(unreadable=store / unreadable):
        engine = None
        with pytest.raises(StoreFailure, match="cannot be read") as caught:
            engine = EmbeddedEngine(store)
            found_ids(engine, EAST)
    assert "delete" not in str(caught.value.hint)
    assert_readable(store, ["a#0"])


def test_an_unreadable_vector_file_is_not_called_damaged(unprivileged: Unprivileged) -> None:
    store = unprivileged.folder / "store"
    folder = store_of(store, {"a": [EAST]})
    with unprivileged.acting(unreadable=folder / "vectors-0001.f32"):
        engine = EmbeddedEngine(store)
        with pytest.raises(StoreFailure, match="cannot be read"):
            found_ids(engine, EAST)
    engine.close()
