from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document_samples import fill, read, refusal, source
from vai.documents import ReadOptions, read_documents
from vai.documents.jsonl import MAX_LINE, read_lines, read_list
from vai.documents.records import NAMED_EACH, Broken, Record
from vai.types import Document, Skipped

BEIR = """\
{"_id": "MED-10", "title": "Statins", "text": "Recent studies …", "metadata": {"url": "http://x"}}
{"_id": "MED-14", "title": "", "text": "Statin use", "metadata": {}}
"""


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


# ── which field is what ──


def test_beirs_corpus_works_as_it_is(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "corpus.jsonl", BEIR)
    assert documents == [
        Document(
            "MED-10",
            "corpus.jsonl",
            "Recent studies …",
            title="Statins",
            line=1,
            metadata={"url": "http://x"},
        ),
        Document("MED-14", "corpus.jsonl", "Statin use", line=2, metadata={"title": ""}),
    ]
    assert skipped == []


def test_a_record_with_a_title_and_no_text_is_a_document_of_its_title(tmp_path: Path) -> None:
    (document,), skipped = read(tmp_path / "a.jsonl", lines({"title": "Only this", "text": " "}))
    assert (document.text, document.title, skipped) == ("Only this", "", [])


@pytest.mark.parametrize(
    ("record", "text", "title"),
    [
        ({"description": "d", "text": "t", "body": "b"}, "t", ""),
        ({"answer": "a", "body": "b", "name": "n"}, "b", "n"),
        ({"passage": "p", "heading": "h", "title": "t"}, "p", "t"),
        ({"contents": "c", "text": None}, "c", ""),
        ({"text": 42, "title": 4.5}, "42", "4.5"),
        ({"text": True, "abstract": "a"}, "a", ""),
    ],
)
def test_the_usual_names_are_looked_for_in_order(
    tmp_path: Path, record: dict[str, Any], text: str, title: str
) -> None:
    (document,), _ = read(tmp_path / "a.jsonl", lines(record))
    assert (document.text, document.title) == (text, title)


def test_named_fields_are_used_and_no_others(tmp_path: Path) -> None:
    options = ReadOptions(text_field="q", title_field="t", id_field="key")
    record = {"q": "question", "t": "topic", "key": 7, "text": "x", "title": "y", "_id": "z"}
    (document,), _ = read(tmp_path / "a.jsonl", lines(record), options)
    assert (document.id, document.text, document.title) == ("7", "question", "topic")
    assert document.metadata == {"text": "x", "title": "y", "_id": "z"}


def test_an_id_is_the_named_field_else_the_usual_one_else_the_line(tmp_path: Path) -> None:
    content = lines(
        {"text": "a", "key": "k", "_id": "i"}, {"text": "b", "_id": "i"}, {"text": "c", "key": ""}
    )
    documents, _ = read(tmp_path / "a.jsonl", "\n" + content, ReadOptions(id_field="key"))
    assert [document.id for document in documents] == ["k", "i", "a.jsonl:4"]
    documents, _ = read(tmp_path / "a.jsonl", lines({"text": "a", "id": "not used"}))
    assert documents[0].id == "a.jsonl:1"


def test_other_fields_are_metadata_with_their_values_as_they_are(tmp_path: Path) -> None:
    record = {
        "text": "t",
        "n": 1,
        "x": 1.5,
        "l": ["a", {"b": None}],
        "ok": False,
        "metadata": {"n": 2, "m": 3},
    }
    (document,), _ = read(tmp_path / "a.jsonl", lines(record))
    assert document.metadata == {"n": 1, "m": 3, "x": 1.5, "l": ["a", {"b": None}], "ok": False}


def test_metadata_that_is_no_object_is_a_field_like_any_other(tmp_path: Path) -> None:
    (document,), _ = read(tmp_path / "a.jsonl", lines({"text": "t", "metadata": "m"}))
    assert document.metadata == {"metadata": "m"}


# ── lines that are broken ──


def test_broken_lines_are_named_by_number_and_the_good_ones_kept(tmp_path: Path) -> None:
    content = b'{"text": "a"}\n{"text": "b"\n\n["c"]\n"d"\n{"text": "caf\xe9"}\n{"text": "f"}'
    documents, skipped = read(tmp_path / "a.jsonl", content)
    assert [(document.text, document.line) for document in documents] == [("a", 1), ("f", 7)]
    assert skipped == [
        Skipped("a.jsonl:2", "line 2 is not JSON: expecting ',' delimiter at character 13", kept=False),
        Skipped("a.jsonl:4", "line 4 is not a JSON object", kept=False),
        Skipped("a.jsonl:5", "line 5 is not a JSON object", kept=False),
        Skipped("a.jsonl:6", "line 6 is not UTF-8: invalid byte 0xe9 at offset 13", kept=False),
    ]


@pytest.mark.parametrize("line", ["[" * 100_000, '{"text": ' + "9" * 5000 + "}"], ids=["deep", "long number"])
def test_a_line_that_is_too_much_for_the_parser_is_broken(tmp_path: Path, line: str) -> None:
    documents, skipped = read(tmp_path / "a.jsonl", f'{line}\n{{"text": "good"}}\n')
    assert [document.text for document in documents] == ["good"]
    assert [item.source for item in skipped] == ["a.jsonl:1"]
    assert skipped[0].reason.startswith("line 1 cannot be read: ")


def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_LINE == 16 * 2**20
    monkeypatch.setattr("vai.documents.jsonl.MAX_LINE", 2**20)
    long = b'{"text": "' + b"x" * (3 * 2**20) + b'"}'
    file = io.BytesIO(b"\n".join([b'{"text": "a"}', long, b'{"text": "b"}', long]))
    assert list(read_lines(file)) == [
        Record(1, 1, {"text": "a"}),
        Broken(2, "line 2 is longer than 1 MB"),
        Record(3, 3, {"text": "b"}),
        Broken(4, "line 4 is longer than 1 MB"),
    ]


def test_many_broken_lines_are_counted_after_the_first(tmp_path: Path) -> None:
    content = "no\n" * 150 + '{"text": "a"}\n' + '{"x": 1}\n' * 150
    documents, skipped = read(tmp_path / "a.jsonl", content)
    assert len(documents) == 1
    assert len(skipped) == 2 * NAMED_EACH + 1
    assert skipped[-1] == Skipped("a.jsonl", "100 more records like these were skipped", kept=False)


def test_a_file_of_nothing_but_broken_lines_keeps_what_was_there(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "a.jsonl", "no\nneither\n")
    assert documents == []
    assert [item.source for item in skipped] == ["a.jsonl:1", "a.jsonl:2", "a.jsonl"]
    assert skipped[-1] == Skipped("a.jsonl", "none of its records can be read", kept=True)


# ── files without text ──


def test_a_record_without_text_and_title_is_named(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "a.jsonl", lines({"x": 1}, {"text": "t"}, {"text": ["not", "text"]}))
    assert [document.line for document in documents] == [2]
    assert skipped == [
        Skipped("a.jsonl:1", "has neither a text nor a title", kept=False),
        Skipped("a.jsonl:3", "has neither a text nor a title", kept=False),
    ]


def test_a_file_without_a_text_field_is_skipped_with_what_it_has(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.jsonl", lines({"question": "q", "n": 1}, {"reply": "r"}))
    assert skipped.reason == (
        "no record has a text field (fields seen: `question`, `n`, `reply`); name it with `--text-field`"
    )
    assert not skipped.kept


def test_a_text_field_that_is_misnamed_loses_nothing(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.jsonl", lines({"body": "b"}), ReadOptions(text_field="bdoy"))
    assert skipped.reason == "no record has text in the field `bdoy` (fields seen: `body`)"
    assert skipped.kept


def test_a_file_without_records_is_skipped(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.jsonl", "\n  \n")
    assert (skipped.reason, skipped.kept) == ("holds no records", False)


def test_another_encoding_by_its_mark_is_refused(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.jsonl", "\ufeff{}".encode("utf-16-le"))
    assert (skipped.reason, skipped.kept) == ("is UTF-16, and JSON lines are UTF-8", True)


def test_a_utf8_mark_is_passed_over(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "a"}\r\n{"text": "b"}\r\n')
    assert ([document.text for document in documents], skipped) == (["a", "b"], [])


# ── values ──


def test_what_json_does_not_have_becomes_null(tmp_path: Path) -> None:
    (document,), _ = read(tmp_path / "a.jsonl", '{"text": "t", "a": NaN, "b": [-Infinity, 1e999, 1e3]}')
    assert document.metadata == {"a": None, "b": [None, None, 1000.0]}


def test_half_surrogate_pairs_are_mended_wherever_they_stand(tmp_path: Path) -> None:
    content = r'{"text": "a\ud800b \ud83d\ude00", "k\udc00": ["\ud800", {"x": "é"}], "_id": "i\ud800"}'
    (document,), _ = read(tmp_path / "a.jsonl", content)
    assert (document.id, document.text) == ("i\ufffd", "a\ufffdb 😀")
    assert document.metadata == {"k\ufffd": ["\ufffd", {"x": "é"}]}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def is_clean(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass") == text.encode("utf-8", "replace")


@given(st.lists(st.dictionaries(st.text(), values, max_size=5)), st.booleans())
def test_any_records_are_read_back_as_they_were_written(
    records: list[dict[str, Any]], ascii_only: bool
) -> None:
    content = "".join(json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records)
    read_back = list(read_lines(io.BytesIO(content.encode())))
    assert read_back == [Record(number, number, record) for number, record in enumerate(records, 1)]


@given(st.lists(st.binary()).map(b"\n".join))
def test_no_line_is_too_broken_to_go_on(data: bytes) -> None:
    if b"\0" not in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        for item in read_lines(io.BytesIO(data)):
            assert isinstance(item, Broken) or is_clean(item.fields)


def test_a_float_is_finite_or_null() -> None:
    (record,) = read_lines(io.BytesIO(b'{"a": 0.1, "b": -1e308, "c": 1e309}'))
    assert isinstance(record, Record)
    assert record.fields == {"a": 0.1, "b": -1e308, "c": None}


# ── streaming ──


class Counting(io.RawIOBase):
    """A file of the same line for ever, that counts what was taken."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.taken = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def readinto(self, buffer: Any) -> int:
        buffer[: len(self.line)] = self.line
        self.taken += len(self.line)
        return len(self.line)


def test_records_are_read_as_they_are_asked_for() -> None:
    endless = Counting(b'{"text": "' + b"x" * 1000 + b'"}\n')
    records = read_lines(io.BufferedReader(endless))
    for _ in range(100):
        assert isinstance(next(records), Record)
    assert endless.taken < 300_000


def test_documents_come_before_the_file_was_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    fill(tmp_path, {"a.jsonl": lines({"text": "x" * 1000}) * 1000})
    documents: Iterator[Document | Skipped] = read_documents(source(path), ReadOptions())
    assert isinstance(next(documents), Document)
    with path.open("r+") as file:
        file.truncate(500_500)  # had all been read, 1000 would come
    rest = list(documents)
    assert 490 < len(rest) < 510
    assert rest[-1] == Skipped("a.jsonl", "changed while it was read", kept=True)


# ── a list of records in one file ──

LISTED = ReadOptions(text_field="body")


def test_a_json_list_of_objects_is_records_when_a_text_field_is_named(tmp_path: Path) -> None:
    content = '\n[ {"body": "a"},\n\n {"body": "b",\n  "_id": "x"} , {"body": "c", "n": 1}\n]\n'
    documents, skipped = read(tmp_path / "a.json", content, LISTED)
    assert [(document.id, document.text, document.line) for document in documents] == [
        ("a.json:1", "a", 2),
        ("x", "b", 4),
        ("a.json:3", "c", 5),
    ]
    assert documents[2].metadata == {"n": 1}
    assert skipped == []


@pytest.mark.parametrize(
    "content",
    [
        *[
            '{"body": "x"}',
            "[]",
            "[1, 2]",
            '[{"body": "x"}, 1]',
            '[{"body": "x"}',
            '[{"body": "x"} {"body": "y"}]',
        ],
        *['[{"body": "x"}] more', '[{"body": "x",}]', "not JSON", "[" * 100_000, '[{"body": "x"},]'],
    ],
    ids=lambda content: content[:20],
)
def test_a_json_file_that_is_something_else_is_text(tmp_path: Path, content: str) -> None:
    (document,), skipped = read(tmp_path / "a.json", content, LISTED)
    assert (document.text, document.format, document.title, skipped) == (content, "text", "a.json", [])


def test_a_json_list_without_the_named_field_is_skipped_and_kept(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.json", '[{"text": "x"}]', LISTED)
    assert skipped == Skipped(
        "a.json", "no record has text in the field `body` (fields seen: `text`)", kept=True
    )


@given(st.lists(st.dictionaries(st.text(), values, max_size=4), min_size=1), st.sampled_from([None, 2]))
def test_any_list_of_records_is_read_back_as_it_was_written(
    records: list[dict[str, Any]], indent: int | None
) -> None:
    read_back = read_list(json.dumps(records, indent=indent).encode())
    assert read_back is not None
    assert [(record.place, record.fields) for record in read_back] == list(enumerate(records, 1))
