"""Exporting: what is written, that it is whole or not there, and that an import gives the same collection back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from engine_samples import document, state
from machine import Unprivileged
from ready_made_samples import DIMENSION, MADE_BY, directions, ids, imported, stored
from vai.arrays import Matrix
from vai.engines.exact import ExactEngine
from vai.errors import CollectionNotFound, InvalidSettings, MissingPart, PathNotFound
from vai.exporting import export, table
from vai.exporting.arrays import ArrayWriter
from vai.exporting.lines import LineWriter
from vai.exporting.targets import NewFile
from vai.filter_syntax import parse_filters
from vai.protocols import Engine
from vai.types import Chunk, Found, Json, Stage1

DOCUMENTS: dict[str, tuple[str, dict[str, Json], list[tuple[str, tuple[str, ...]]]]] = {
    "docs/a.md": (
        "An “odd” title",
        {"title": "not the title", "_id": "x", "source": "y", "tags": ["a", "b"], "nested": {"deep": 1.5}},
        [
            ("the first\nof alpha", ("Head",)),
            ("the second of alpha", ("Head", "Sub – head")),
            ("the third", ()),
        ],
    ),
    "r#1": ("", {"name": "would be a title", "text": "would be a text"}, [("a record 😀", ())]),
    "empty/metadata.pdf": ("PDF", {}, [(f"page {number} of it", ()) for number in range(5)]),
}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Three documents of nine chunks, with all that chunks can have."""
    fill(engine)
    return engine


def fill(engine: Engine) -> None:
    engine.create("default", MADE_BY)
    vectors = iter(directions(9))
    with engine.writing("default") as writer:
        for document_id, (title, metadata, texts) in DOCUMENTS.items():
            stored_as = document(document_id, f"{document_id}.source", title=title, metadata=metadata)
            writer.put(stored_as)
            chunks = [
                Chunk(
                    document_id=document_id,
                    ordinal=ordinal,
                    source=stored_as.source,
                    title=title,
                    text=text,
                    start=0,
                    end=len(text),
                    start_line=ordinal + 1,
                    end_line=ordinal + 2,
                    page=ordinal + 1 if title == "PDF" else None,
                    heading=heading,
                    tokens=3,
                    metadata=metadata,
                )
                for ordinal, (text, heading) in enumerate(texts)
            ]
            writer.add(chunks, np.array([next(vectors) for _ in chunks]))
            writer.finish_source(state(stored_as.source))
        writer.commit()


def exported(engine: Engine, path: Path, **options: Any) -> Any:
    return export(engine=engine, collection="default", path=path, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ── what is written ──


def test_each_chunk_is_a_line(filled: Engine, tmp_path: Path) -> None:
    report = exported(filled, tmp_path / "x.jsonl")
    written = lines(tmp_path / "x.jsonl")
    assert (report.chunks, report.vectors, report.path) == (9, None, str(tmp_path / "x.jsonl"))
    assert report.bytes == (tmp_path / "x.jsonl").stat().st_size
    assert [line["_id"] for line in written] == ids(filled)
    vector = written[1].pop("vector")
    assert np.array_equal(np.array(vector, dtype=np.float32), directions(9)[1])
    assert written[1] == {
        "_id": "docs/a.md#1",
        "document_id": "docs/a.md",
        "source": "docs/a.md.source",
        "title": "An “odd” title",
        "heading": ["Head", "Sub – head"],
        "text": "the second of alpha",
        "start_line": 2,
        "end_line": 3,
        "page": None,
        "metadata": DOCUMENTS["docs/a.md"][1],
    }


def test_vectors_can_have_a_file_of_their_own(filled: Engine, tmp_path: Path) -> None:
    report = exported(filled, tmp_path / "x.jsonl", vectors=tmp_path / "x.npy")
    written = np.load(tmp_path / "x.npy", allow_pickle=False)
    assert (written.dtype, written.flags.c_contiguous) == (np.dtype("<f4"), True)
    assert np.array_equal(written, directions(9))
    assert all("vector" not in line for line in lines(tmp_path / "x.jsonl"))
    assert report.bytes == sum((tmp_path / name).stat().st_size for name in ("x.jsonl", "x.npy"))


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_vectors_can_be_left_out(filled: Engine, tmp_path: Path, name: str) -> None:
    exported(filled, tmp_path / name, with_vectors=False)
    assert b"vector" not in (tmp_path / name).read_bytes()


def test_a_table_has_the_vectors_as_lists_of_one_size(
    filled: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "ROWS_PER_GROUP", 4)
    exported(filled, tmp_path / "x.parquet")
    written = parquet.read_table(tmp_path / "x.parquet")
    kind = written.schema.field("vector").type
    assert (str(kind.value_type), kind.list_size, written.num_rows) == ("float", DIMENSION, 9)
    vectors = written.column("vector").combine_chunks().flatten().to_numpy().reshape(9, DIMENSION)
    assert np.array_equal(vectors, directions(9))
    row = written.drop_columns(["vector"]).to_pylist()[1]
    exported(filled, tmp_path / "x.jsonl", with_vectors=False)
    line = lines(tmp_path / "x.jsonl")[1]
    assert {**row, "metadata": json.loads(row["metadata"])} == line
    assert json.loads(written.schema.metadata[b"vai"]) == {"embedder": "hashing", "revision": "1"}


def test_a_filter_lets_some_through(filled: Engine, tmp_path: Path) -> None:
    report = exported(filled, tmp_path / "x.jsonl", filter=parse_filters(["heading=Head"]))
    assert [line["_id"] for line in lines(tmp_path / "x.jsonl")] == ["docs/a.md#0", "docs/a.md#1"]
    report = exported(
        filled, tmp_path / "none.jsonl", vectors=tmp_path / "none.npy", filter=parse_filters(["tag=a"])
    )
    assert (report.chunks, (tmp_path / "none.jsonl").read_bytes()) == (0, b"")
    assert np.load(tmp_path / "none.npy").shape == (0, DIMENSION)
    assert report.warnings == ("no document has a metadata field `tag`; did you mean `tags`?",)


def test_progress_counts_chunks(tmp_path: Path) -> None:
    engine = ExactEngine()
    fill(engine)
    seen: list[int] = []
    exported(engine, tmp_path / "x.jsonl", progress=seen.append)
    assert seen == list(range(1, 10))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_every_number_of_32_bits_is_written_so_that_it_is_read_back(numbers: list[float]) -> None:
    vector = np.array([numbers], dtype=np.float32)
    target = BytesIO()
    LineWriter(target).write([sample_chunk()], vector)
    back = np.array(json.loads(target.getvalue())["vector"], dtype=np.float64).astype(np.float32)
    assert np.array_equal(back, vector[0])


def sample_chunk() -> Chunk:
    engine = ExactEngine()
    fill(engine)
    return stored(engine)[0][0]


@given(st.lists(st.integers(0, 5), max_size=5), st.integers(1, 5))
def test_any_number_of_rows_makes_a_numpy_file(sizes: list[int], dimension: int) -> None:
    blocks: list[Matrix] = [np.full((size, dimension), size, dtype=np.float32) for size in sizes]
    target = BytesIO()
    writer = ArrayWriter(target, dimension)
    for block in blocks:
        writer.write(block)
    writer.finish()
    read = np.load(BytesIO(target.getvalue()), allow_pickle=False)
    assert np.array_equal(read, np.concatenate([np.empty((0, dimension)), *blocks]))


# ── whole or not at all ──


def test_what_is_there_is_replaced_only_if_that_is_wanted(filled: Engine, tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.npy"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidSettings, match=r"x.jsonl` is there already"):
        exported(filled, tmp_path / "x.jsonl")
    with pytest.raises(InvalidSettings, match=r"x.npy` is there already"):
        exported(filled, tmp_path / "y.jsonl", vectors=tmp_path / "x.npy")
    assert {path.name: path.read_text() for path in tmp_path.glob("*.*") if path.is_file()} == {
        "x.jsonl": "mine",
        "x.npy": "mine",
    }
    exported(filled, tmp_path / "x.jsonl", vectors=tmp_path / "x.npy", force=True)
    assert len(lines(tmp_path / "x.jsonl")) == len(np.load(tmp_path / "x.npy")) == 9


class Failing(ExactEngine):
    """Gives up after some chunks, as a damaged store does."""

    def scan(self, collection: str, filter: Any = None) -> Iterator[tuple[Sequence[Chunk], Matrix]]:
        for number, found in enumerate(super().scan(collection, filter)):
            if number == 5:
                raise CollectionNotFound("it is gone")
            yield found


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_what_fails_in_the_middle_leaves_everything_as_it_was(tmp_path: Path, name: str) -> None:
    engine = Failing()
    fill(engine)
    (tmp_path / name).write_text("mine")
    with pytest.raises(CollectionNotFound):
        exported(engine, tmp_path / name, vectors=tmp_path / "x.npy", force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_file_that_comes_to_be_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    engine = ExactEngine()
    fill(engine)
    with pytest.raises(InvalidSettings, match="is there already"):
        exported(
            engine,
            tmp_path / "x.jsonl",
            progress=lambda _: (tmp_path / "x.jsonl").write_text("theirs") and None,
        )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.jsonl", "theirs")]


REFUSED: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "another format": ("x.csv", {}, InvalidSettings, "the name of an export says its format"),
    "no format": ("x", {}, InvalidSettings, "the name of an export says its format"),
    "a folder": ("folder.jsonl", {}, InvalidSettings, "is no file that could be written"),
    "no folder": ("nowhere/x.jsonl", {}, PathNotFound, "there is no folder"),
    "another array": ("x.jsonl", {"vectors": Path("x.txt")}, InvalidSettings, r"ends in `.npy`"),
    "with and without": (
        "x.jsonl",
        {"vectors": Path("x.npy"), "with_vectors": False},
        InvalidSettings,
        "contradict each other",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path, case: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    name, options, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        exported(ExactEngine(), tmp_path / name, **options)


def test_there_has_to_be_a_collection(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound):
        exported(engine, tmp_path / "x.jsonl")
    assert not (tmp_path / "x.jsonl").exists()


def test_without_pyarrow_a_table_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow

    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    monkeypatch.delattr(pyarrow, "parquet")
    with pytest.raises(MissingPart, match="need the package pyarrow"):
        exported(ExactEngine(), tmp_path / "x.parquet")


# ── and back ──

WAYS: dict[str, tuple[str, str | None, str | None]] = {
    "lines": ("x.jsonl", None, "vector"),
    "lines and an array": ("x.jsonl", "x.npy", None),
    "a table": ("x.parquet", None, None),
    "a table and an array": ("x.parquet", "x.npy", None),
}


def there_and_back(engine: Engine, folder: Path, way: str, collection: str) -> None:
    name, array, field = WAYS[way]
    folder.mkdir(exist_ok=True)
    vectors = folder / array if array else None
    exported(engine, folder / name, vectors=vectors)
    imported(engine, folder / name, vectors=vectors, vector_field=field, collection=collection)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_exported_comes_back_as_it_was(filled: Engine, tmp_path: Path, way: str) -> None:
    there_and_back(filled, tmp_path, way, "copy")
    assert [told(chunk, vector) for chunk, vector in stored(filled, "copy")] == [
        told(chunk, vector) for chunk, vector in stored(filled)
    ]
    assert filled.documents("copy") == filled.documents("default")


def told(chunk: Chunk, vector: list[float]) -> tuple[Any, ...]:
    """All of a chunk that does not depend on the file it was read from."""
    return (
        chunk.id,
        chunk.title,
        chunk.heading,
        chunk.text,
        chunk.page,
        chunk.metadata,
        chunk.passage,
        vector,
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["vector", "words", "hybrid"])
def test_searches_find_the_same_afterwards(filled: Engine, tmp_path: Path, way: str, mode: Any) -> None:
    there_and_back(filled, tmp_path, way, "copy")
    for query in directions(5, seed=1):
        assert answers(search(filled, "copy", query, mode)) == answers(search(filled, "default", query, mode))


def search(engine: Engine, collection: str, vector: Any, mode: Any) -> Found:
    return engine.search(
        collection, vector, limit=9, num_candidates=9, text="the second page of alpha", stage1=Stage1(mode)
    )


def answers(found: Found) -> list[tuple[Any, ...]]:
    return [
        (item.chunk.id, item.similarity, item.stage1_rank, item.stage1_score, item.words_score)
        for item in found.candidates
    ]


def test_a_copy_of_a_copy_is_written_the_same_but_for_the_files_it_came_from(tmp_path: Path) -> None:
    engine = ExactEngine()
    fill(engine)
    there_and_back(engine, tmp_path / "one", "lines", "copy")
    export(engine=engine, collection="copy", path=tmp_path / "two.jsonl")
    here = dict.fromkeys(("source", "start_line", "end_line"))
    assert [{**line, **here} for line in lines(tmp_path / "two.jsonl")] == [
        {**line, **here} for line in lines(tmp_path / "one" / "x.jsonl")
    ]


def test_where_nothing_can_be_written_the_file_that_was_meant_is_named(unprivileged: Unprivileged) -> None:
    path = unprivileged.folder / "x.jsonl"
    with (
        unprivileged.acting(),
        pytest.raises(InvalidSettings, match=r"x\.jsonl` cannot be written: permission denied"),
    ):
        NewFile(path, force=False)
