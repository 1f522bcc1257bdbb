"""Ready-made vectors: what an import stores and leaves, on every engine, and what it refuses before it stores."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ready_made_samples import (
    DIMENSION,
    MADE_BY,
    as_table,
    counts,
    directions,
    ids,
    imported,
    records,
    stored,
    write_lines,
    write_vectors,
)
from vai.arrays import Matrix
from vai.collection import Collection
from vai.documents import ReadOptions
from vai.engines.exact import ExactEngine
from vai.errors import (
    CollectionNotFound,
    DuplicateId,
    EmbedderMismatch,
    Interrupted,
    InvalidSettings,
    MissingPart,
    PathNotFound,
)
from vai.ingest import entries, numbers, vector_files
from vai.ingest.naming import find_vector_files
from vai.ingest.ready_made import import_ready_made
from vai.models.fakes import HashingEmbedder
from vai.protocols import Engine
from vai.settings import Settings
from vai.types import IngestProgress


class SilentEmbedder(HashingEmbedder):
    """Has a name and a dimension, and must not be asked for anything."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        assert not texts, "a model was called"
        return super().embed_documents(texts)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Five records and their vectors."""
    return (
        write_lines(tmp_path / "x.jsonl", records(5)),
        write_vectors(tmp_path / "x.npy", directions(5)),
    )


# ── what is stored ──


def test_row_i_belongs_to_record_i(engine: Engine, pair: tuple[Path, Path]) -> None:
    report = imported(engine, pair[0], vectors=pair[1])
    assert counts(report) == (5, 0, 0, 0)
    assert (report.chunks, report.tokens, report.warnings) == (5, 0, ())
    found = stored(engine)
    assert [chunk.id for chunk, _ in found] == [f"r{number}#0" for number in range(5)]
    assert [vector for _, vector in found] == directions(5).tolist()
    chunk = found[3][0]
    assert (chunk.text, chunk.metadata, chunk.source) == ("the text of record 3", {"year": 2003}, "x.jsonl")
    assert (chunk.start_line, chunk.end_line) == (4, 4)


def test_a_record_is_one_chunk_however_long_it_is(engine: Engine, tmp_path: Path) -> None:
    text = "a sentence. " * 2000
    file = write_lines(tmp_path / "x.jsonl", [{"_id": "long", "text": text}])
    imported(engine, file, vectors=write_vectors(tmp_path / "x.npy", directions(1)))
    assert [chunk.text for chunk, _ in stored(engine)] == [text]


def test_empty_lines_have_no_row_and_broken_or_textless_records_use_up_theirs(
    engine: Engine, tmp_path: Path
) -> None:
    lines = ['{"_id": "a", "text": "one"}', "", "{broken", '{"_id": "b"}', '{"_id": "c", "text": "three"}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines), encoding="utf-8")
    vectors = directions(4)
    report = imported(engine, tmp_path / "x.jsonl", vectors=write_vectors(tmp_path / "x.npy", vectors))
    assert [(chunk.id, vector) for chunk, vector in stored(engine)] == [
        ("a#0", vectors[0].tolist()),
        ("c#0", vectors[3].tolist()),
    ]
    assert [skipped.source for skipped in report.skipped] == ["x.jsonl:3", "x.jsonl:4"]


def test_the_vector_can_stand_in_each_record(engine: Engine, tmp_path: Path) -> None:
    lines = [
        {**record, "emb": vector} for record, vector in zip(records(5), directions(5).tolist(), strict=True)
    ]
    imported(engine, write_lines(tmp_path / "x.jsonl", lines), vector_field="emb")
    found = stored(engine)
    assert [vector for _, vector in found] == directions(5).tolist()
    assert found[0][0].metadata == {"year": 2000}, "the vector is no metadata"


def test_fields_can_be_named_as_for_any_records(engine: Engine, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "x.jsonl", [{"key": 7, "words": "some words", "label": "A title"}])
    imported(
        engine,
        file,
        vectors=write_vectors(tmp_path / "x.npy", directions(1)),
        options=ReadOptions(text_field="words", title_field="label", id_field="key"),
    )
    ((chunk, _),) = stored(engine)
    assert (chunk.id, chunk.title, chunk.text) == ("7#0", "A title", "some words")


def test_rows_of_a_csv_file_are_records_too(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('_id,text\na,one\nb,"two\nlines"\n', encoding="utf-8")
    imported(engine, tmp_path / "x.csv", vectors=write_vectors(tmp_path / "x.npy", directions(2)))
    assert ids(engine) == ["a#0", "b#0"]


def test_chunks_that_name_their_document_become_one(engine: Engine, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"_id": "a.md#0", "document_id": "a.md", "text": "one", "heading": ["A"], "title": "T", "page": 3},
        {"_id": "a.md#2", "document_id": "a.md", "text": "two", "heading": ["A", "B"], "title": "T"},
        {"_id": "b.md#0", "document_id": "b.md", "text": "three", "metadata": {"title": "kept"}, "more": 1},
        {"_id": "c#0", "document_id": "d", "text": "a record of its own"},
    ]
    imported(
        engine,
        write_lines(tmp_path / "x.jsonl", lines),
        vectors=write_vectors(tmp_path / "x.npy", directions(4)),
    )
    found = [chunk for chunk, _ in stored(engine)]
    assert [chunk.id for chunk in found] == ["a.md#0", "a.md#2", "b.md#0", "c#0#0"]
    assert (found[0].title, found[1].heading, found[0].page) == ("T", ("A", "B"), 3)
    assert (found[0].start_line, found[2].metadata) == (None, {"title": "kept", "more": 1})
    assert engine.describe("default").documents == 3


# ── vectors as they come ──


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.dtype(">f4")], ids=str)
def test_every_kind_of_floating_point_number_is_taken(tmp_path: Path, kind: Any) -> None:
    engine = ExactEngine()
    vectors = directions(5).astype(kind)
    file = write_lines(tmp_path / "x.jsonl", records(5))
    report = imported(engine, file, vectors=write_vectors(tmp_path / "x.npy", vectors))
    found = np.array([vector for _, vector in stored(engine)])
    assert np.allclose(found, directions(5), atol=1e-3)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert report.warnings == (), "float16 rounds, which is nothing to warn of"


def test_vectors_that_are_not_of_unit_length_are_scaled_with_a_word(engine: Engine, tmp_path: Path) -> None:
    vectors = directions(5) * np.array([[1], [3], [1], [0.5], [1e-20]])
    file = write_lines(tmp_path / "x.jsonl", records(5))
    report = imported(engine, file, vectors=write_vectors(tmp_path / "x.npy", vectors))
    assert report.warnings == ("vectors that were not of unit length, and were scaled to it: 3",)
    assert np.allclose([vector for _, vector in stored(engine)], directions(5), atol=1e-6)
    assert engine.check("default") == []


WRONG: dict[str, tuple[Callable[[Matrix], None], str]] = {
    "NaN": (lambda v: v.__setitem__((3, 1), np.nan), "the vector in row 3 (from 0) of `[npy]` is not finite"),
    "an infinity": (lambda v: v.__setitem__((4, 0), np.inf), "row 4 (from 0) of `[npy]` is not finite"),
    "only zeros": (lambda v: v.__setitem__(2, 0), "the vector in row 2 (from 0) of `[npy]` is all zeros"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_direction_is_refused_with_its_row(tmp_path: Path, wrong: str) -> None:
    engine = ExactEngine()
    spoil, message = WRONG[wrong]
    vectors = directions(5).copy()
    spoil(vectors)
    file = write_lines(tmp_path / "x.jsonl", records(5))
    beside = write_vectors(tmp_path / "x.npy", vectors)
    with pytest.raises(InvalidSettings) as error:
        imported(engine, file, vectors=beside)
    assert message.replace("[npy]", str(beside)) in error.value.message
    assert list(engine.collections()) == [], "nothing was made"


@pytest.mark.parametrize("more", [-1, 1])
def test_as_many_rows_as_records_are_needed(engine: Engine, tmp_path: Path, more: int) -> None:
    file = write_lines(tmp_path / "x.jsonl", records(5))
    beside = write_vectors(tmp_path / "x.npy", directions(5 + more))
    with pytest.raises(InvalidSettings, match=f"holds {5 + more} vectors and `x.jsonl` 5 records"):
        imported(engine, file, vectors=beside)
    with pytest.raises(CollectionNotFound):
        engine.describe("default")


def test_the_dimension_has_to_be_the_embedders(engine: Engine, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "x.jsonl", records(2))
    with pytest.raises(
        InvalidSettings, match="holds vectors of 3 numbers, and the embedder `hashing` makes 8"
    ):
        imported(engine, file, vectors=write_vectors(tmp_path / "x.npy", np.ones((2, 3))))
    with pytest.raises(InvalidSettings, match=r"line 1 of `x.jsonl` holds vectors of 2 numbers"):
        write_lines(file, [{"_id": "a", "text": "b", "v": [1, 2]}])
        imported(engine, file, vector_field="v")


class Trap:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.write_text, (Path("sprung"), "yes"))


NOT_VECTORS = {
    "pickled objects": np.array([[Trap()]] * 5, dtype=object),
    "whole numbers": np.ones((5, DIMENSION), dtype=np.int64),
    "one row": np.ones(DIMENSION),
    "three axes": np.ones((5, DIMENSION, 1)),
    "complex numbers": np.ones((5, DIMENSION), dtype=np.complex64),
    "long doubles": np.ones((5, DIMENSION), dtype=np.longdouble),
    "column after column": np.asfortranarray(directions(5)),
    "records": np.zeros(5, dtype=[("a", "f4")]),
}


@pytest.mark.parametrize("kind", NOT_VECTORS)
def test_other_arrays_are_refused_and_nothing_in_them_is_run(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_lines(tmp_path / "x.jsonl", records(5))
    beside = write_vectors(tmp_path / "x.npy", NOT_VECTORS[kind])
    with pytest.raises(InvalidSettings, match=r"x\.npy` (is not a NumPy file|holds )"):
        imported(ExactEngine(), file, vectors=beside)
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"\x93NUMPY\x01\x00", "is not a NumPy file of vectors that can be read"),
        (b"PK\x03\x04 an archive", "is an archive, as `numpy.savez` writes it"),
        (b"not at all " * 20, "is not a NumPy file$"),
    ],
    ids=["nothing", "a beginning", "an archive", "something else"],
)
def test_what_is_no_numpy_file_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(InvalidSettings, match=fault):
        imported(ExactEngine(), write_lines(tmp_path / "x.jsonl", records(1)), vectors=tmp_path / "x.npy")


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    beside = write_vectors(tmp_path / "x.npy", directions(5))
    beside.write_bytes(beside.read_bytes()[:-10])
    with pytest.raises(InvalidSettings, match="is not a NumPy file of vectors"):
        imported(ExactEngine(), write_lines(tmp_path / "x.jsonl", records(5)), vectors=beside)


NO_VECTOR: dict[str, dict[str, Any]] = {
    "nothing": {},
    "null": {"v": None},
    "a text": {"v": "[1, 2]"},
    "an empty list": {"v": []},
    "texts": {"v": ["1"] * DIMENSION},
    "lists": {"v": [[1.0]] * DIMENSION},
    "an object": {"v": {"a": 1}},
}


@pytest.mark.parametrize("held", NO_VECTOR)
def test_a_record_without_a_vector_in_its_field_is_refused_with_its_line(tmp_path: Path, held: str) -> None:
    vector = directions(1)[0].tolist()
    lines = [{"text": "one", "v": vector}, {"text": "two", **NO_VECTOR[held]}]
    engine = ExactEngine()
    with pytest.raises(InvalidSettings, match=r"line 2 of `x.jsonl` has .* in the field `v`"):
        imported(engine, write_lines(tmp_path / "x.jsonl", lines), vector_field="v")
    assert list(engine.collections()) == []


def test_a_vector_in_a_record_that_is_no_direction_is_refused_with_its_line(tmp_path: Path) -> None:
    lines = [{"text": "one", "v": directions(1)[0].tolist()}, {"text": "two", "v": [0.0] * DIMENSION}]
    with pytest.raises(InvalidSettings, match=r"the vector on line 2 of `x.jsonl` is all zeros"):
        imported(ExactEngine(), write_lines(tmp_path / "x.jsonl", lines), vector_field="v")


@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3).filter(
            lambda row: any(abs(x) > 1e-6 for x in row)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_rows_come_out_at_unit_length_in_the_direction_they_had(rows: list[list[float]]) -> None:
    block = np.array(rows)
    unit, _ = numbers.unit_rows(block, str)
    assert unit.dtype == np.float32
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=2e-5)
    assert np.allclose(
        unit * np.linalg.norm(block, axis=1, keepdims=True), block, rtol=1e-4, atol=1e-4 * np.abs(block).max()
    )
    again, scaled = numbers.unit_rows(unit, str)
    assert (again == unit).all()
    assert scaled == 0


# ── again ──


def test_the_same_files_again_change_nothing_and_are_not_opened(
    engine: Engine, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in pair:
        os.utime(path, ns=(1, 1))
    imported(engine, pair[0], vectors=pair[1])
    settled = imported(engine, pair[0], vectors=pair[1])  # the change of the time of change is young
    monkeypatch.setattr("vai.freshness.RACY_NS", -(10**18))
    before = stored(engine)
    monkeypatch.setattr("vai.ingest.imported.content_digest", lambda path: pytest.fail(f"{path} was read"))
    report = imported(engine, pair[0], vectors=pair[1])
    assert counts(settled) == counts(report) == (0, 0, 5, 0)
    assert (report.chunks, stored(engine)) == (0, before)


def test_touched_files_are_compared_by_content(engine: Engine, pair: tuple[Path, Path]) -> None:
    imported(engine, pair[0], vectors=pair[1])
    for path in pair:
        os.utime(path, ns=(1, 1))
    assert counts(imported(engine, pair[0], vectors=pair[1])) == (0, 0, 5, 0)
    (state,) = engine.source_states("default")
    assert state.stamp.mtime_ns == 1, "the new stamps are noted"


def test_another_vector_makes_another_document(engine: Engine, pair: tuple[Path, Path]) -> None:
    imported(engine, pair[0], vectors=pair[1])
    vectors = directions(5).copy()
    vectors[2] = directions(1, seed=9)[0]
    write_vectors(pair[1], vectors)
    assert counts(imported(engine, pair[0], vectors=pair[1])) == (0, 1, 4, 0)
    assert {chunk.id: vector for chunk, vector in stored(engine)}["r2#0"] == vectors[2].tolist()


def test_records_that_are_gone_are_removed_and_those_that_moved_are_kept(
    engine: Engine, pair: tuple[Path, Path]
) -> None:
    imported(engine, pair[0], vectors=pair[1])
    write_lines(pair[0], records(3, first=2))
    write_vectors(pair[1], directions(5)[2:])
    assert counts(imported(engine, pair[0], vectors=pair[1])) == (0, 0, 3, 2)
    assert [(chunk.id, chunk.start_line) for chunk, _ in stored(engine)] == [
        ("r2#0", 1),
        ("r3#0", 2),
        ("r4#0", 3),
    ]


def test_broken_records_are_named_every_time(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"_id": "a", "text": "one"}\n{broken\n', encoding="utf-8")
    beside = write_vectors(tmp_path / "x.npy", directions(2))
    first = imported(engine, tmp_path / "x.jsonl", vectors=beside)
    second = imported(engine, tmp_path / "x.jsonl", vectors=beside)
    assert first.skipped == second.skipped
    assert counts(second) == (0, 0, 1, 0)


def test_an_id_that_stands_twice_is_refused_and_what_came_before_is_stored(
    engine: Engine, tmp_path: Path
) -> None:
    lines = [*records(3), records(1)[0], *records(2, first=3)]
    file = write_lines(tmp_path / "x.jsonl", lines)
    beside = write_vectors(tmp_path / "x.npy", directions(6))
    with pytest.raises(
        DuplicateId, match=r"`r0` stands twice in one source, the second time in `x.jsonl` on line 4"
    ):
        imported(engine, file, vectors=beside)
    assert ids(engine) == ["r0#0", "r1#0", "r2#0"]
    assert engine.source_states("default") == [], "the source is not finished"


def test_an_id_that_stands_twice_far_apart_is_refused_too(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "BATCH_CHUNKS", 2)
    file = write_lines(tmp_path / "x.jsonl", [*records(5), records(1)[0]])
    with pytest.raises(DuplicateId, match="stands twice"):
        imported(engine, file, vectors=write_vectors(tmp_path / "x.npy", directions(6)))
    assert len(ids(engine)) == 5


def test_an_id_that_two_files_claim_is_refused_with_both_names(engine: Engine, tmp_path: Path) -> None:
    one, two = (write_lines(tmp_path / name, records(2)) for name in ("one.jsonl", "two.jsonl"))
    beside = write_vectors(tmp_path / "x.npy", directions(2))
    imported(engine, one, vectors=beside)
    with pytest.raises(DuplicateId, match=r"`r0` is claimed by `one.jsonl` and by `two.jsonl` on line 1"):
        imported(engine, two, vectors=beside)


def test_a_record_may_move_to_another_file(engine: Engine, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    beside = write_vectors(tmp_path / "x.npy", directions(2))
    imported(engine, write_lines(one, records(2)), vectors=beside)
    one.rename(two)
    assert counts(imported(engine, two, vectors=beside)) == (0, 2, 0, 0)
    assert {chunk.source for chunk, _ in stored(engine)} == {"two.jsonl"}


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_size_of_batches_and_blocks_changes_nothing(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        {"_id": f"d{n // 3}#{n % 3}", "document_id": f"d{n // 3}", "text": f"text {n}"} for n in range(20)
    ]
    file = write_lines(tmp_path / "x.jsonl", lines)
    beside = write_vectors(tmp_path / "x.npy", directions(20))
    whole, pieces = ExactEngine(), ExactEngine()
    imported(whole, file, vectors=beside)
    monkeypatch.setattr(entries, "BATCH_CHUNKS", size)
    monkeypatch.setattr(vector_files, "BLOCK_ROWS", size)
    monkeypatch.setattr(numbers, "BLOCK_ROWS", size)
    imported(pieces, file, vectors=beside)
    assert stored(pieces) == stored(whole)


def test_ctrl_c_keeps_whole_documents_and_the_next_import_does_the_rest(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "BATCH_CHUNKS", 2)
    file = write_lines(tmp_path / "x.jsonl", records(6))
    beside = write_vectors(tmp_path / "x.npy", directions(6))
    files = find_vector_files([file], root=tmp_path, options=ReadOptions(), vectors=beside, vector_field=None)

    def pressed(at: IngestProgress) -> None:
        if at.chunks == 4:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="documents that are stored: 4"):
        import_ready_made(
            files,
            engine=engine,
            collection="default",
            made_by=MADE_BY,
            root=tmp_path,
            options=ReadOptions(),
            progress=pressed,
        )
    assert len(ids(engine)) == 4
    assert counts(imported(engine, file, vectors=beside)) == (2, 0, 4, 0)


def test_a_file_that_grows_meanwhile_is_an_error(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = vector_files.Beside.look

    def looked(self: vector_files.Beside, made_by: Any) -> Any:
        found = look(self, made_by)
        write_lines(pair[0], records(6))
        return found

    monkeypatch.setattr(vector_files.Beside, "look", looked)
    with pytest.raises(InvalidSettings, match="changed while it was read"):
        imported(ExactEngine(), pair[0], vectors=pair[1])


def test_progress_ends_at_the_size_of_the_file(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    seen: list[IngestProgress] = []
    files = find_vector_files(
        [pair[0]], root=tmp_path, options=ReadOptions(), vectors=pair[1], vector_field=None
    )
    import_ready_made(
        files,
        engine=ExactEngine(),
        collection="default",
        made_by=MADE_BY,
        root=tmp_path,
        options=ReadOptions(),
        progress=seen.append,
    )
    assert [at.bytes for at in seen] == [pair[0].stat().st_size] * 2
    assert seen[-1].chunks == 5


# ── Parquet ──


def lists(kind: str) -> Any:
    """Five vectors as a column of each kind that a table can have."""
    flat = pyarrow.array(directions(5).reshape(-1))
    match kind:
        case "of a fixed size":
            return pyarrow.FixedSizeListArray.from_arrays(flat, DIMENSION)
        case "of any size":
            return pyarrow.array(directions(5).tolist(), type=pyarrow.list_(pyarrow.float32()))
        case "of doubles":
            return pyarrow.array(directions(5).tolist(), type=pyarrow.large_list(pyarrow.float64()))
        case _:
            return pyarrow.FixedSizeListArray.from_arrays(flat.cast(pyarrow.float16()), DIMENSION)


@pytest.mark.parametrize("kind", ["of a fixed size", "of any size", "of doubles", "of half precision"])
def test_the_column_vector_of_a_table_is_imported(engine: Engine, tmp_path: Path, kind: str) -> None:
    table = as_table(tmp_path / "x.parquet", records(5), lists(kind))
    report = imported(engine, table)
    assert counts(report) == (5, 0, 0, 0)
    found = stored(engine)
    assert np.allclose([vector for _, vector in found], directions(5), atol=1e-3)
    assert (found[4][0].id, found[4][0].metadata, found[4][0].start_line) == ("r4#0", {"year": 2004}, 5)
    assert counts(imported(engine, table)) == (0, 0, 5, 0)


def test_another_column_of_lists_has_to_be_named(engine: Engine, tmp_path: Path) -> None:
    table = as_table(tmp_path / "x.parquet", records(5), lists("of any size"), "emb")
    with pytest.raises(InvalidSettings, match="no column `vector`, but `emb` holds lists of numbers"):
        imported(engine, table)
    with pytest.raises(InvalidSettings, match="has no column `year` of lists of numbers"):
        imported(engine, table, vector_field="year")
    imported(engine, table, vector_field="emb")
    assert len(ids(engine)) == 5


WRONG_LISTS = {
    "none": (None, "has no vector in row 3"),
    "a shorter one": ([1.0], "has a vector of length 1 in row 3 .from 1., where others have 8"),
    "a hole in one": ([None] * DIMENSION, "the vector in row 3 .from 1. of `x.parquet` is not finite"),
    "only zeros": ([0.0] * DIMENSION, "the vector in row 3 .from 1. of `x.parquet` is all zeros"),
}


@pytest.mark.parametrize("wrong", WRONG_LISTS)
def test_a_row_without_a_vector_is_refused_with_its_number(tmp_path: Path, wrong: str) -> None:
    value, message = WRONG_LISTS[wrong]
    vectors: list[Any] = directions(5).tolist()
    vectors[2] = value
    table = as_table(
        tmp_path / "x.parquet", records(5), pyarrow.array(vectors, type=pyarrow.list_(pyarrow.float32()))
    )
    engine = ExactEngine()
    with pytest.raises(InvalidSettings, match=message):
        imported(engine, table)
    assert list(engine.collections()) == []


def test_vectors_of_another_embedder_are_refused_where_the_table_says_so(tmp_path: Path) -> None:
    from pyarrow import parquet

    table = parquet.read_table(as_table(tmp_path / "x.parquet", records(5), lists("of a fixed size")))
    told = json.dumps({"embedder": "other", "revision": "2"})
    parquet.write_table(table.replace_schema_metadata({"vai": told}), tmp_path / "x.parquet")
    with pytest.raises(
        EmbedderMismatch, match=r"made by `other` \(revision `2`\), not by `hashing`"
    ) as error:
        imported(ExactEngine(), tmp_path / "x.parquet")
    assert "`--embedder other`" in (error.value.hint or "")


def test_a_broken_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    with pytest.raises(InvalidSettings, match="cannot be read as Parquet"):
        imported(ExactEngine(), tmp_path / "x.parquet")


def test_without_pyarrow_a_table_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = as_table(tmp_path / "x.parquet", records(5), lists("of a fixed size"))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    monkeypatch.delattr(pyarrow, "parquet")
    with pytest.raises(MissingPart, match="need the package pyarrow") as error:
        imported(ExactEngine(), table)
    assert error.value.hint == "`pip install 'vai-retrieval[parquet]'`"


# ── beside the ordinary ingest ──


@pytest.fixture
def collection(tmp_path: Path) -> Any:
    with Collection.open(
        tmp_path / ".vai", embedder=SilentEmbedder(DIMENSION), settings=Settings()
    ) as opened:
        yield opened


def test_no_model_is_called(collection: Collection, pair: tuple[Path, Path]) -> None:
    report = collection.ingest(pair[0], vectors=pair[1])
    assert counts(report) == (5, 0, 0, 0)
    assert collection.describe().provenance == MADE_BY


def test_a_folder_that_holds_imported_files_leaves_them_alone(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = write_lines(tmp_path / "data" / "x.jsonl", records(3))
    collection.ingest(file, vectors=write_vectors(tmp_path / "data" / "x.npy", directions(3)))
    table = as_table(tmp_path / "data" / "y.parquet", records(5, first=3), lists("of a fixed size"))
    collection.ingest(table)
    report = collection.ingest(tmp_path / "data")
    assert counts(report) == (0, 0, 8, 0), "their texts would be embedded otherwise"
    assert [skipped.source for skipped in report.skipped] == ["data/x.npy"]
    file.unlink()
    assert counts(collection.ingest(tmp_path / "data")) == (0, 0, 5, 3)


def test_a_table_without_vectors_is_read_as_records_when_it_is_named(tmp_path: Path) -> None:
    as_table(tmp_path / "x.parquet", [*records(2), {"_id": "r2"}])
    with Collection.open(tmp_path / ".vai", embedder=HashingEmbedder(), settings=Settings()) as collection:
        assert counts(collection.ingest(tmp_path / "x.parquet")) == (2, 0, 0, 0)
        hits = collection.query("record", rerank=False).hits
        assert {(hit.id, hit.metadata["year"]) for hit in hits} == {("r0#0", 2000), ("r1#0", 2001)}
    (tmp_path / "folder").mkdir()
    with Collection.open(tmp_path / "o" / ".vai", embedder=HashingEmbedder(), settings=Settings()) as other:
        (tmp_path / "x.parquet").rename(tmp_path / "folder" / "x.parquet")
        report = other.ingest(tmp_path / "folder")
    assert "is read only when it is named itself" in report.skipped[0].reason


def test_files_named_without_vectors_are_embedded_again(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    with Collection.open(
        tmp_path / ".vai", embedder=HashingEmbedder(DIMENSION), settings=Settings()
    ) as collection:
        collection.ingest(pair[0], vectors=pair[1])
        assert counts(collection.ingest(pair[0])) == (0, 5, 0, 0)
        assert counts(collection.ingest(pair[0], vectors=pair[1])) == (0, 5, 0, 0)


REFUSED: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "both places": (["x.jsonl"], {"vectors": "x.npy", "vector_field": "v"}, "contradict each other"),
    "two files for one array": (["x.jsonl", "x.jsonl"], {"vectors": "x.npy"}, "2 paths are named"),
    "a folder": (["."], {"vectors": "x.npy"}, "`.` is a folder, and vectors belong to the records of a file"),
    "a folder of vectors": (["x.jsonl"], {"vectors": "."}, "`.` is a folder, and --vectors names a file"),
    "a text": (["a.md"], {"vectors": "x.npy"}, "is no file of records"),
    "a key": ([".env"], {"vectors": "x.npy"}, "may hold secrets"),
    "chunking": (["x.jsonl"], {"vectors": "x.npy", "chunk_tokens": 100}, "has no meaning for ready-made"),
    "no chunking": (["x.jsonl"], {"vectors": "x.npy", "chunking": False}, "--no-chunking has no meaning"),
    "a table and a text": (
        ["y.parquet", "a.md"],
        {},
        "`y.parquet` holds ready-made vectors, and `a.md` does not",
    ),
    "a table that has vectors": (["y.parquet"], {"vectors": "x.npy"}, "has a column `vector` of its own"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_contradicts_itself_is_refused_before_anything_is_made(
    collection: Collection,
    tmp_path: Path,
    pair: tuple[Path, Path],
    case: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.md").write_text("text")
    (tmp_path / ".env").write_text("KEY=1")
    as_table(tmp_path / "y.parquet", records(5), lists("of a fixed size"))
    paths, options, message = REFUSED[case]
    with pytest.raises(InvalidSettings, match=message):
        collection.ingest(*paths, **options)
    assert not (tmp_path / ".vai").exists()


@pytest.mark.parametrize("missing", ["x.jsonl", "x.npy"])
def test_a_file_that_is_not_there_is_named(
    collection: Collection, tmp_path: Path, pair: tuple[Path, Path], missing: str
) -> None:
    (tmp_path / missing).unlink()
    with pytest.raises(PathNotFound, match=missing):
        collection.ingest(pair[0], vectors=pair[1])
    assert not (tmp_path / ".vai").exists()
