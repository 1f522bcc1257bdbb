"""Parquet tables: rows as records, and what becomes of the kinds of cells that JSON does not have."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from vai.documents import ReadOptions, SourceFile, find_sources, read_documents
from vai.types import Document, Skipped


def read(
    path: Path, rows: list[dict[str, Any]], options: ReadOptions | None = None
) -> list[Document | Skipped]:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return read_again(path, options or ReadOptions())


def read_again(path: Path, options: ReadOptions) -> list[Document | Skipped]:
    (source,) = find_sources([path], root=path.parent, options=options)
    assert isinstance(source, SourceFile)
    return list(read_documents(source, options))


def test_each_row_is_a_document_and_its_other_columns_are_metadata(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"_id": "a", "title": "T", "text": "one", "year": 2001, "none": None},
        {"_id": None, "title": None, "text": "two", "year": 2002, "none": "some"},
        {"_id": "c", "title": None, "text": None, "year": 2003, "none": None},
    ]
    first, second, third = read(tmp_path / "x.parquet", rows)
    assert first == Document(
        id="a", source="x.parquet", text="one", title="T", line=1, metadata={"year": 2001}
    )
    assert isinstance(second, Document)
    assert (second.id, second.line, second.metadata) == ("x.parquet:2", 2, {"year": 2002, "none": "some"})
    assert third == Skipped("x.parquet:3", "has neither a text nor a title", kept=False)


def test_the_columns_can_be_named(tmp_path: Path) -> None:
    options = ReadOptions(text_field="words", title_field="label", id_field="key")
    (document,) = read(tmp_path / "x.parquet", [{"key": 7, "words": "w", "label": "L"}], options)
    assert isinstance(document, Document)
    assert (document.id, document.text, document.title) == ("7", "w", "L")


def test_cells_become_what_json_has(tmp_path: Path) -> None:
    row = {
        "text": "one",
        "time": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        "day": date(2024, 5, 6),
        "price": Decimal("1.50"),
        "bytes": b"caf\xc3\xa9",
        "nested": {"list": [1.5, float("nan")], "flag": True},
    }
    (document,) = read(tmp_path / "x.parquet", [row])
    assert isinstance(document, Document)
    assert document.metadata == {
        "time": "2024-05-06T07:08:09+00:00",
        "day": "2024-05-06",
        "price": 1.5,
        "bytes": "café",
        "nested": {"list": [1.5, None], "flag": True},
    }


@pytest.mark.parametrize(
    ("cell", "metadata"),
    [('{"a": [1]}', {"a": [1]}), ("{broken", {"metadata": "{broken"}), ("words", {"metadata": "words"})],
    ids=["an object", "a broken one", "a text"],
)
def test_metadata_written_as_json_is_read_as_it(tmp_path: Path, cell: str, metadata: dict[str, Any]) -> None:
    (document,) = read(tmp_path / "x.parquet", [{"text": "one", "metadata": cell}])
    assert isinstance(document, Document)
    assert document.metadata == metadata


def test_a_broken_table_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing more")
    (skipped,) = read_again(tmp_path / "x.parquet", ReadOptions())
    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith("cannot be read as Parquet: ")
    assert skipped.kept


def test_a_table_in_a_folder_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert list(find_sources([tmp_path], root=tmp_path, options=ReadOptions())) == [
        Skipped("x.parquet", "is a table (.parquet) that is read only when it is named itself", kept=False)
    ]


def test_a_table_of_many_batches_is_read_in_order(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"_id": str(number), "text": "t"} for number in range(3000)]
    documents = read(tmp_path / "x.parquet", rows)
    assert [document.id for document in documents if isinstance(document, Document)] == [
        row["_id"] for row in rows
    ]
