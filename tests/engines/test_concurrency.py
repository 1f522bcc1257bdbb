"""One writer, any number of readers, who never wait for each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from numpy.typing import NDArray

from engine_samples import (
    EAST,
    NAME,
    NORTH,
    collection_folder,
    directions,
    document,
    found_ids,
    put,
    store_documents,
)
from vai.arrays import Matrix
from vai.engines import searching
from vai.engines import writer as embedded_writer
from vai.engines.embedded import EmbeddedEngine
from vai.engines.rowfiles import RowFormat, map_rows
from vai.errors import CollectionNotFound, StoreBusy, StoreCorrupt

pytestmark = pytest.mark.usefixtures("connections")

WRITER = """
import sys
from pathlib import Path
from engine_samples import EAST, NAME, document, put
from vai.engines.embedded import EmbeddedEngine

engine = EmbeddedEngine(Path(sys.argv[1]))
with engine.writing(NAME) as writer:
    put(writer, document("theirs"), [EAST])
    print("writing", flush=True)
    sys.stdin.readline()
    writer.commit()
    print("committed", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_process_writing(store: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has put a document and commits when it is told to go on."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def go_on(process: subprocess.Popen[str]) -> str:
    """Let the other process take its next step; what it says then."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_while_another_process_writes_one_can_read_and_not_write(store: Path) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"ours": [NORTH]})
    with another_process_writing(store) as process:
        with pytest.raises(StoreBusy, match=rf"`{NAME}`.*process {process.pid} on .* since ") as caught:
            engine.writing(NAME).__enter__()
        assert "try again" in str(caught.value.hint)
        with pytest.raises(StoreBusy, match=str(process.pid)):
            engine.drop(NAME)
        assert found_ids(engine, EAST) == ["ours#0"]
        assert go_on(process) == "committed\n"
        assert found_ids(engine, EAST) == ["theirs#0", "ours#0"]
    store_documents(engine, {"later": [EAST]}, source="later.md")
    assert found_ids(engine, EAST) == ["theirs#0", "later#0", "ours#0"]
    engine.close()


def test_a_second_writer_of_the_same_process_is_told_so(store: Path) -> None:
    first, second = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(first, {"a": [EAST]})
    with first.writing(NAME) as writer:
        for engine in (first, second):
            with pytest.raises(StoreBusy, match=rf"process {os.getpid()} on "):
                engine.writing(NAME).__enter__()
        put(writer, document("b"), [EAST])
        writer.commit()
    with second.writing(NAME) as writer:
        put(writer, document("c"), [EAST])
        writer.commit()
    assert found_ids(first, EAST) == ["a#0", "b#0", "c#0"]
    first.close()
    second.close()


@pytest.mark.parametrize("said", ["", "{", "[]", "{}", None])
def test_a_writer_whose_note_cannot_be_read_is_another_process(store: Path, said: str | None) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    with engine.writing(NAME):
        note = collection_folder(store) / "writer.json"
        if said is None:
            note.unlink()
        else:
            note.write_text(said)
        with pytest.raises(StoreBusy, match="by another process"):
            engine.writing(NAME).__enter__()
    engine.close()


def test_a_collection_dropped_while_a_writer_waits_is_not_there_any_more(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(other, {"a": [EAST]})
    lock = EmbeddedEngine._lock

    @contextmanager
    def slow(waiting: EmbeddedEngine, collection: str) -> Iterator[None]:
        monkeypatch.undo()
        other.drop(collection)
        with lock(waiting, collection):
            yield

    monkeypatch.setattr(EmbeddedEngine, "_lock", slow)
    with pytest.raises(CollectionNotFound):
        engine.writing(NAME).__enter__()
    assert list(engine.collections()) == []


def test_readers_see_one_commit_each_whatever_is_written_meanwhile(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit replaces every text and vector: what a search finds must all be of one commit."""
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 50)
    engine, writing = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(writing, {str(number): [EAST] for number in range(20)}, text="0")
    done = Event()

    def read(_: int) -> list[set[str]]:
        commits = []
        while not done.is_set():
            found = engine.search(NAME, EAST, limit=100, num_candidates=100).candidates
            commits.append({f"{candidate.chunk.text} {candidate.similarity:.3f}" for candidate in found})
            assert len(found) == 20
            assert engine.describe(NAME).chunks == 20
        return commits

    vectors = directions(15, seed=5)
    with ThreadPoolExecutor(4) as pool:
        readings = [pool.submit(read, number) for number in range(4)]
        try:
            for commit, vector in enumerate(vectors, start=1):
                store_documents(writing, {str(number): [vector] for number in range(20)}, text=str(commit))
        finally:
            done.set()
        seen = [commit for reading in readings for commit in reading.result()]
    expected = {f"{number} {vector[0]:.3f}" for number, vector in enumerate([EAST, *vectors])}
    assert all(len(commit) == 1 and commit <= expected for commit in seen)
    assert engine.check(NAME) == []
    engine.close()
    writing.close()


def test_many_threads_read_at_once(store: Path) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {str(number): [vector] for number, vector in enumerate(directions(300))})
    queries = directions(60, seed=1)
    expected = [engine.search(NAME, query, limit=10, num_candidates=10) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: engine.search(NAME, query, limit=10, num_candidates=10), queries))
    assert found == expected
    engine.close()


def test_a_reader_whose_vectors_are_compacted_away_under_it_starts_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 1)
    reader, writing = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(writing, {"a": [EAST, NORTH]})
    maps: list[str] = []

    def late(path: Path, rows: int, form: RowFormat) -> NDArray[Any]:
        if path.name.startswith("vectors"):
            maps.append(path.name)
        if maps == ["vectors-0001.f32"]:
            maps.append("compacted")
            store_documents(writing, {"b": [EAST]})
        return map_rows(path, rows, form)

    monkeypatch.setattr(searching, "map_rows", late)
    assert found_ids(reader, EAST) == ["b#0"]
    assert maps == ["vectors-0001.f32", "compacted", "vectors-0002.f32"]
    reader.close()
    writing.close()


def test_vectors_that_are_never_where_the_database_says_are_a_damage(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    tried: list[Path] = []

    def gone(path: Path, *_: object) -> Matrix:
        tried.append(path)
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(searching, "map_rows", gone)
    with pytest.raises(StoreCorrupt, match=re.escape("vectors-0001.f32` is gone")):
        found_ids(engine, EAST)
    assert len(tried) == 3
    engine.close()


def test_a_file_that_passes_away_while_sizes_are_added_up_is_left_out(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    size = engine.describe(NAME).bytes
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: [*listed(folder), folder / "writer.json"])
    assert engine.describe(NAME).bytes == size
    engine.close()


def test_a_failure_while_reading_gives_the_connection_back(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `connections` fixture sees whether it does."""
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    with pytest.raises(ValueError, match="shape"):
        found_ids(engine, EAST[:3])
    assert found_ids(engine, EAST) == ["a#0"]
    engine.close()


def test_what_a_large_commit_took_beside_the_database_is_given_up(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while a reader, who holds the file open, is there."""
    monkeypatch.setattr("vai.engines.database._JOURNAL_BYTES", 100_000)
    engine, reader = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(engine, {"a": [EAST]})
    journal = collection_folder(store) / "collection.db-wal"
    found_ids(reader, EAST)
    store_documents(engine, {"a": [EAST], "b": list(directions(500))}, text="x" * 12_000)
    assert journal.stat().st_size > 5_000_000
    store_documents(engine, {"a": [EAST]})
    store_documents(engine, {"a": [EAST]})
    assert journal.stat().st_size <= 100_000
    assert found_ids(reader, EAST) == ["a#0"]
    engine.close()
    reader.close()
