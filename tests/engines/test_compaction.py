"""Vectors of what was deleted take room until a writer leaves; answers never change by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from vai.engines import rowswriter
from vai.engines import writer as embedded_writer
from vai.engines.embedded import EmbeddedEngine

pytestmark = pytest.mark.usefixtures("connections")
ROW = 16


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten deleted vectors are worth compacting, and few are copied at a time."""
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 10)
    monkeypatch.setattr(rowswriter, "BLOCK", 3)


def remove(engine: EmbeddedEngine, ids: list[str]) -> None:
    """Remove documents in one session."""
    with engine.writing(NAME) as writer:
        for document_id in ids:
            writer.remove_document(document_id)
        writer.commit()


def vector_files(store: Path) -> dict[str, int]:
    """Names of the vector files with the rows they have room for."""
    return {path.name: path.stat().st_size // ROW for path in collection_folder(store).glob("vectors-*.f32")}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(removed=st.sets(st.integers(0, 29), min_size=20, max_size=30))
def test_answers_are_the_same_before_and_after(store: Path, removed: set[int]) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {str(number): [vector] for number, vector in enumerate(directions(30))})
    with engine.writing(NAME) as writer:
        for number in removed:
            writer.remove_document(str(number))
        writer.commit()
        before = [engine.search(NAME, query, limit=30, num_candidates=30) for query in directions(5, seed=1)]
        assert max(vector_files(store).values()) == 30
    assert list(vector_files(store).values()) == [30 - len(removed)]
    assert before == [
        engine.search(NAME, query, limit=30, num_candidates=30) for query in directions(5, seed=1)
    ]
    assert engine.check(NAME) == []
    engine.drop(NAME)
    engine.close()


def test_the_file_shrinks_and_the_next_vectors_follow_the_last(store: Path) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": list(directions(15)), "b": [EAST], "c": list(directions(5))})
    remove(engine, ["a"])
    assert vector_files(store) == {"vectors-0002.f32": 6}
    store_documents(engine, {"d": [EAST]}, source="d.md")
    assert vector_files(store) == {"vectors-0002.f32": 7}
    assert found_ids(engine, EAST, 2) == ["b#0", "d#0"]
    assert engine.check(NAME) == []
    engine.close()


@pytest.mark.parametrize(("dead", "live", "files"), [(9, 1, 1), (10, 11, 1), (10, 10, 2), (12, 0, 2)])
def test_it_waits_until_there_are_many_deleted_and_half_of_all(
    store: Path, dead: int, live: int, files: int
) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"gone": list(directions(dead)), "kept": list(directions(live))})
    remove(engine, ["gone"])
    assert list(vector_files(store)) == [f"vectors-000{files}.f32"]
    assert engine.describe(NAME).chunks == live
    engine.close()


def test_a_reader_that_was_open_before_goes_on(store: Path) -> None:
    engine, reader = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(engine, {"gone": list(directions(20)), "kept": [EAST, NORTH]})
    assert len(found_ids(reader, EAST)) == 22
    remove(engine, ["gone"])
    assert vector_files(store) == {"vectors-0002.f32": 2}
    assert found_ids(reader, EAST) == ["kept#0", "kept#1"]
    assert reader.check(NAME) == []
    engine.close()
    reader.close()


def test_what_was_not_committed_is_not_compacted_in(store: Path) -> None:
    engine = EmbeddedEngine(store)
    store_documents(engine, {"a": list(directions(20)), "b": [EAST]})
    with engine.writing(NAME) as writer:
        writer.remove_document("a")
        put(writer, document("c"), [EAST])
    assert engine.describe(NAME).documents == 2
    assert len(found_ids(engine, EAST)) == 21
    assert vector_files(store)["vectors-0001.f32"] >= 21
    assert engine.check(NAME) == []
    engine.close()


def test_a_vector_file_that_could_not_be_removed_is_by_the_next_writer(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems keep a file as long as a reader has it mapped."""
    engine = EmbeddedEngine(store)
    store_documents(engine, {"gone": list(directions(20)), "kept": [EAST]})

    def in_use(*_: object, **__: object) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patched, engine.writing(NAME) as writer:
        writer.remove_document("gone")
        writer.commit()
        patched.setattr(Path, "unlink", in_use)
    assert set(vector_files(store)) == {"vectors-0001.f32", "vectors-0002.f32"}
    assert found_ids(engine, EAST) == ["kept#0"]
    with engine.writing(NAME):
        assert set(vector_files(store)) == {"vectors-0002.f32"}
    engine.close()
