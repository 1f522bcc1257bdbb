"""Ctrl-C at any instant of a write: what is committed afterwards is whole, and nothing that was stored is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine_samples import EAST, NAME, NORTH, document, found_ids, put, store_documents
from vai.collection import Collection
from vai.engines import writer as embedded_writer
from vai.engines.database import connect_writer
from vai.engines.embedded import EmbeddedEngine
from vai.engines.words import WordsWriter
from vai.errors import Interrupted
from vai.models.fakes import HashingEmbedder, WordOverlapReranker
from vai.settings import Settings
from vai.types import Stage1

pytestmark = pytest.mark.usefixtures("connections")


class Interrupting:
    """A connection in the use of which the user presses Ctrl-C, before its statement of that number."""

    def __init__(self, path: Path, number: int = 0) -> None:
        self._connection = connect_writer(path)
        self._connection.execute(
            "PRAGMA synchronous = OFF"
        )  # which takes most of the time, and the power stays
        self.left = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return self._connection.execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return self._connection.executemany(*args)


BEFORE = {"a.txt": "apple", "b.txt": "banana", "c.txt": "cherry", "d.txt": "date"}
QUERY = HashingEmbedder().embed_query("anything")
AFTER = {"b.txt": "banana", "c.txt": "cranberry", "e.txt": "elder"}


def write(folder: Path, texts: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def ingest(project: Path) -> None:
    with Collection.open(
        project / ".vai", embedder=HashingEmbedder(), reranker=WordOverlapReranker(), settings=Settings()
    ) as collection:
        collection.ingest(project / "docs")


def held(project: Path) -> dict[str, str]:
    """The text of each file that is stored, after everything was found to be whole."""
    engine = EmbeddedEngine(project / ".vai", create=False)
    assert engine.check(NAME) == []
    chunks = [chunk for some, _ in engine.scan(NAME) for chunk in some]
    for chunk in chunks:
        found = engine.search(
            NAME, QUERY, limit=9, num_candidates=9, text=chunk.text, stage1=Stage1("words")
        ).candidates
        assert [candidate.chunk.text for candidate in found] == [chunk.text]
    engine.close()
    return {Path(chunk.source).name: chunk.text for chunk in chunks}


def test_whenever_an_ingest_is_interrupted_what_it_commits_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a commit, of removing what is gone, and of compacting too."""
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 2)
    monkeypatch.setattr(embedded_writer, "connect_writer", Interrupting)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before, project = tmp_path / "before", tmp_path / "project"
    write(before / "docs", BEFORE)
    ingest(before)
    before.rename(project)
    shutil.copytree(project / ".vai", tmp_path / "kept")
    write(project / "docs", AFTER)
    for number in range(1, 1_000):
        shutil.rmtree(project / ".vai")
        shutil.copytree(tmp_path / "kept", project / ".vai")
        with monkeypatch.context() as patched:
            patched.setattr(embedded_writer, "connect_writer", partial(Interrupting, number=number))
            try:
                ingest(project)
            except (Interrupted, KeyboardInterrupt):
                pass
            else:
                break
        stored = held(project)
        assert stored.keys() <= BEFORE.keys() | AFTER.keys()
        assert stored.keys() >= BEFORE.keys() & AFTER.keys()
        assert all(text in {BEFORE.get(name), AFTER.get(name)} for name, text in stored.items())
        ingest(project)
        assert held(project) == AFTER
    assert number > 50  # so many instants there were


@pytest.mark.parametrize("step", ["add", "flush", "rewrite"])
def test_a_session_in_which_a_change_was_broken_off_takes_no_more(
    store: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 1)
    engine = EmbeddedEngine(store)
    store_documents(engine, {"kept": [EAST]})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with engine.writing(NAME) as writer:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(WordsWriter, step, interrupted)
            put(writer, document("kept"), [EAST])
            writer.commit()
            writer.settle()
        with pytest.raises(RuntimeError, match="broken off"):
            put(writer, document("later"), [NORTH])
        with pytest.raises(RuntimeError, match="broken off"):
            writer.commit()
        writer.settle()
    assert found_ids(engine, EAST) == ["kept#0"]
    assert engine.check(NAME) == []
    engine.close()
