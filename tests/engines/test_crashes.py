"""A crash at any instant leaves the last commit, and the next write is right.

What a crash leaves is had by copying the folder while a writer is at work, or by killing a process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine_samples import (
    EAST,
    NAME,
    NORTH,
    UP,
    collection_folder,
    directions,
    document,
    found_ids,
    put,
    state,
    store_documents,
)
from vai.engines import writer as embedded_writer
from vai.engines.embedded import EmbeddedEngine
from vai.engines.rowfiles import RowAppender
from vai.engines.writer import EmbeddedWriter

pytestmark = pytest.mark.usefixtures("connections")


def crashed(store: Path, tmp_path: Path) -> Path:
    """The folder as it would be found if the power went now: all but what only living processes use."""
    copy = tmp_path / "crashed"
    shutil.copytree(store, copy, ignore=shutil.ignore_patterns("*-shm"))
    return copy


def assert_holds(store: Path, documents: set[str]) -> None:
    """The store holds just these documents, is whole, and takes the next write."""
    engine = EmbeddedEngine(store, create=False)
    assert {chunk_id.rpartition("#")[0] for chunk_id in found_ids(engine, EAST)} == documents
    assert engine.check(NAME) == []
    store_documents(engine, {"next": [UP, UP]}, source="next.md")
    assert found_ids(engine, UP, 2) == ["next#0", "next#1"]
    assert {chunk_id.rpartition("#")[0] for chunk_id in found_ids(engine, EAST)} == {*documents, "next"}
    assert engine.check(NAME) == []
    engine.close()


@pytest.fixture
def engine(store: Path) -> EmbeddedEngine:
    """With one document committed."""
    engine = EmbeddedEngine(store)
    store_documents(engine, {"kept": [EAST, NORTH]})
    engine.close()
    return engine


def test_a_crash_after_vectors_were_written_and_before_the_commit(
    engine: EmbeddedEngine, store: Path, tmp_path: Path
) -> None:
    with engine.writing(NAME) as writer:
        put(writer, document("lost"), list(directions(3000)))
        copy = crashed(store, tmp_path)
    vectors = collection_folder(copy) / "vectors-0001.f32"
    assert vectors.stat().st_size == (2 + 3000) * 16
    assert_holds(copy, {"kept"})


def test_a_crash_when_the_transaction_has_spilled_to_disk(
    engine: EmbeddedEngine, store: Path, tmp_path: Path
) -> None:
    with engine.writing(NAME) as writer:
        put(writer, document("lost"), list(directions(3000)), text="x" * 2_000)
        copy = crashed(store, tmp_path)
    assert (collection_folder(copy) / "collection.db-wal").stat().st_size > 1_000_000
    assert_holds(copy, {"kept"})


def test_a_crash_after_a_commit_before_it_was_moved_into_the_database(
    engine: EmbeddedEngine, store: Path, tmp_path: Path
) -> None:
    with engine.writing(NAME) as writer:
        put(writer, document("new"), [EAST])
        writer.finish_source(state("new.md"))
        writer.commit()
        put(writer, document("lost"), [EAST])
        copy = crashed(store, tmp_path)
    assert_holds(copy, {"kept", "new"})


def test_a_crash_in_the_middle_of_replacing_a_document(
    engine: EmbeddedEngine, store: Path, tmp_path: Path
) -> None:
    with engine.writing(NAME) as writer:
        writer.put(document("kept", digest="2"))
        copy = crashed(store, tmp_path)
    assert_holds(copy, {"kept"})
    reader = EmbeddedEngine(copy)
    assert sorted(reader.chunks(NAME, ["kept#0", "kept#1"])) == ["kept#0", "kept#1"]
    reader.close()


@pytest.mark.parametrize("garbage", [b"\x00", b"\xff" * 15, b"\xff" * 16, b"garbage " * 1000])
def test_whatever_lies_behind_the_last_row_is_overwritten(
    engine: EmbeddedEngine, store: Path, garbage: bytes
) -> None:
    with (collection_folder(store) / "vectors-0001.f32").open("ab") as vectors:
        vectors.write(garbage)
    assert_holds(store, {"kept"})


INSTANTS: dict[str, tuple[type, str]] = {
    "before the vectors are written": (RowAppender, "append"),
    "before the vectors are synced": (RowAppender, "sync"),
    "before the counters are set": (EmbeddedWriter, "_set_meta"),
    "before the old files are removed": (EmbeddedWriter, "_remove_files_but"),
}


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_crash_in_the_middle_of_compacting(
    engine: EmbeddedEngine, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 3)
    store_documents(engine, {"gone": list(directions(2))}, source="b.md")
    place, name = INSTANTS[instant]
    go_on: Callable[..., object] = getattr(place, name)
    copies: list[Path] = []
    with engine.writing(NAME) as writer:
        put(writer, document("gone", "b.md"), [EAST])
        writer.remove_source("notes.md")
        writer.commit()

        def copied(*args: object, **options: object) -> object:
            copies.append(crashed(store, tmp_path))
            monkeypatch.setattr(place, name, go_on)
            return go_on(*args, **options)

        monkeypatch.setattr(place, name, copied)
    assert len(copies) == 1
    assert (collection_folder(copies[0]) / "vectors-0002.f32").exists()
    assert not (collection_folder(store) / "vectors-0001.f32").exists()
    assert_holds(copies[0], {"gone"})
    assert_holds(store, {"gone"})
    assert len(list(collection_folder(copies[0]).glob("vectors-*.f32"))) == 1


def test_the_names_of_new_files_are_synced_before_the_commit_that_needs_them(
    engine: EmbeddedEngine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 1)
    folder = collection_folder(store).stat().st_ino
    synced: list[bool] = []
    go_on = os.fsync

    def fsync(descriptor: int) -> None:
        go_on(descriptor)
        if os.fstat(descriptor).st_ino == folder:
            synced.append((collection_folder(store) / "owners-0002.u32").exists())

    monkeypatch.setattr(os, "fsync", fsync)
    store_documents(engine, {"kept": [EAST]})
    assert synced == [True]
    engine.close()


def test_a_failure_in_the_middle_of_compacting_leaves_what_was_committed(
    engine: EmbeddedEngine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 1)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), engine.writing(NAME) as writer:
        put(writer, document("kept"), [EAST])
        writer.commit()
        monkeypatch.setattr(RowAppender, "append", interrupted)
    monkeypatch.undo()
    assert_holds(store, {"kept"})


def test_a_crash_while_a_collection_is_made_leaves_none(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EmbeddedEngine(store)
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store_documents(engine, {"kept": [EAST]})
    monkeypatch.undo()
    assert list(engine.collections()) == []
    store_documents(engine, {"kept": [EAST]})
    assert_holds(store, {"kept"})
    engine.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from engine_samples import EAST, NAME, document, put, store_documents
from vai.engines.embedded import EmbeddedEngine

engine = EmbeddedEngine(Path(sys.argv[1]))
store_documents(engine, {"kept": [EAST]})
with engine.writing(NAME) as writer:
    put(writer, document("lost"), [EAST] * 2000, text="x" * 2000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing_it_had_committed_and_holds_no_lock(store: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(store)], cwd=Path(__file__).parents[1], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert (collection_folder(store) / "writer.json").exists()
    assert_holds(store, {"kept"})
    assert not (collection_folder(store) / "writer.json").exists()


def test_vectors_and_owners_are_synced_before_the_commit_that_makes_them_visible(
    engine: EmbeddedEngine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onlooker = EmbeddedEngine(store)
    seen: list[int] = []
    sync = RowAppender.sync

    def watched(vectors: RowAppender) -> None:
        seen.append(onlooker.describe(NAME).chunks)
        sync(vectors)
        seen.append(onlooker.describe(NAME).chunks)

    monkeypatch.setattr(RowAppender, "sync", watched)
    with engine.writing(NAME) as writer:
        put(writer, document("new"), list(np.array([EAST, EAST])))
        writer.commit()
    assert (seen, onlooker.describe(NAME).chunks) == ([2, 2, 2, 2], 4)
    onlooker.close()
