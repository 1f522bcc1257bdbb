from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document_samples import fill, read, refusal, source
from vai.documents import ReadOptions, read_documents
from vai.documents.records import Record
from vai.documents.tables import read_rows
from vai.types import Document, Skipped


def test_each_row_is_a_record_and_its_other_cells_are_metadata_as_strings(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "a.csv", "_id,title,text,year\n1,T,Body,2020\n2,,Other,\n")
    assert documents == [
        Document("1", "a.csv", "Body", title="T", line=2, metadata={"year": "2020"}),
        Document("2", "a.csv", "Other", line=3, metadata={"title": "", "year": ""}),
    ]
    assert skipped == []


def test_a_record_knows_the_line_it_begins_on(tmp_path: Path) -> None:
    content = 'text,n\r\n"one\r\ntwo",1\r\n\r\nthree,2\r\n"a ""quoted"" word",3'
    documents, _ = read(tmp_path / "a.csv", content)
    assert [(document.id, document.text, document.line) for document in documents] == [
        ("a.csv:2", "one\r\ntwo", 2),
        ("a.csv:5", "three", 5),
        ("a.csv:6", 'a "quoted" word', 6),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    rows = [["text", "a,b;c|d\te"], ["x", "y"]]
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    (document,), _ = read(tmp_path / "a.csv", target.getvalue())
    assert document.metadata == {"a,b;c|d\te": "y"}


def test_a_tsv_is_separated_by_tabs_alone(tmp_path: Path) -> None:
    (document,), _ = read(tmp_path / "a.tsv", "text\ta,b,c\nx\ty\n")
    assert (document.text, document.metadata) == ("x", {"a,b,c": "y"})


def test_a_table_of_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    documents, _ = read(tmp_path / "a.csv", "text\none\ntwo\n")
    assert [document.text for document in documents] == ["one", "two"]


def test_named_fields_are_used(tmp_path: Path) -> None:
    options = ReadOptions(text_field="q", id_field="key")
    (document,), _ = read(tmp_path / "a.csv", "key,q\nk1,question\n", options)
    assert (document.id, document.text) == ("k1", "question")


def test_a_row_with_too_many_cells_is_broken_and_one_with_too_few_is_not(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "a.csv", "text,n\na,1,2\nb\nc,3,\n")
    assert [(document.text, document.metadata) for document in documents] == [("b", {}), ("c", {"n": "3"})]
    assert skipped == [Skipped("a.csv:2", "line 2 has 3 cells under 2 columns", kept=False)]


def test_columns_without_a_name_of_their_own_are_numbered(tmp_path: Path) -> None:
    (document,), _ = read(tmp_path / "a.csv", ",text, n ,n\n0,x,1,2\n")
    assert (document.text, document.metadata) == ("x", {"column 1": "0", "n": "1", "n 4": "2"})


def test_a_table_without_a_text_column_is_skipped_with_what_it_has(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.csv", "x,y\n1,2\n")
    assert skipped.reason == "no record has a text field (fields seen: `x`, `y`); name it with `--text-field`"
    assert not skipped.kept


@pytest.mark.parametrize("content", ["text,n\n", "\n", "text"])
def test_a_table_without_rows_is_skipped(tmp_path: Path, content: str) -> None:
    skipped = refusal(tmp_path / "a.csv", content)
    assert (skipped.reason, skipped.kept) == ("holds no records", False)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_heeded(tmp_path: Path, encoding: str) -> None:
    (document,), _ = read(tmp_path / "a.csv", "text,n\ncafé,1\n".encode(encoding))
    assert (document.text, document.metadata) == ("café", {"n": "1"})


def test_a_table_in_another_encoding_is_skipped_and_kept(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.csv", "text,n\ncafé,1\n".encode("latin-1"))
    assert skipped.reason.startswith("is not UTF-8: invalid byte 0xe9 after line ")
    assert skipped.kept


def test_what_came_before_the_fault_is_read_and_the_source_is_not_finished(tmp_path: Path) -> None:
    rows = b"".join(b"a text of some length,%d\n" % number for number in range(2000))
    documents, (skipped,) = read(tmp_path / "a.csv", b"text,n\n" + rows + b"caf\xe9,1\n")
    assert 0 < len(documents) <= 2000
    assert (skipped.source, skipped.kept) == ("a.csv", True)


@pytest.mark.parametrize(
    "content",
    ["text\n" + "x" * 4000, "x" * 4000, 'text\n"never closed\n' + "x\n" * 4000],
    ids=["row", "header", "quote"],
)
def test_a_cell_without_end_is_refused(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = csv.field_size_limit(1000)
    try:
        monkeypatch.setattr("vai.documents.tables.MAX_CELL", 1000)
        skipped = refusal(tmp_path / "a.csv", content)
    finally:
        csv.field_size_limit(before)
    assert skipped.reason.startswith("cannot be read as a table from line ")
    assert skipped.kept


def test_cells_may_be_longer_than_pythons_default_limit(tmp_path: Path) -> None:
    (document,), _ = read(tmp_path / "a.csv", "text\n" + "x" * 200_000 + "\n")
    assert len(document.text) == 200_000


def test_a_reader_that_is_left_early_closes_its_file(tmp_path: Path) -> None:
    fill(tmp_path, {"a.csv": "text\n" + "x\n" * 10_000})
    documents = read_documents(source(tmp_path / "a.csv"), ReadOptions())
    assert isinstance(next(documents), Document)
    documents.close()  # type: ignore[attr-defined]  # warns, which is an error here, if the file is still open


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1).filter(
    str.strip
)


@given(st.lists(st.tuples(cells, cells), min_size=1), st.sampled_from(",;\t|"))
def test_any_table_is_read_back_as_it_was_written(rows: list[tuple[str, str]], delimiter: str) -> None:
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=delimiter).writerows([("a", "b"), *rows])
    file = io.BytesIO(target.getvalue().encode())
    records = [record for record in read_rows(file, tabs=False) if isinstance(record, Record)]
    assert [tuple(record.fields.values()) for record in records] == rows
    line_starts = [
        2 + sum(a.count("\n") + b.count("\n") + 1 for a, b in rows[:number]) for number in range(len(rows))
    ]
    assert [record.line for record in records] == line_starts
