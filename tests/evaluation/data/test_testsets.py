"""Test sets in every form they come in, and what is said of those that are none."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import written
from vai.errors import InvalidSettings, PathNotFound, WrongUse
from vai.evaluation.data import contents, testsets
from vai.evaluation.data.testsets import read_test_set

QUERIES = b'{"_id": "q1", "text": "what is a set?", "metadata": {}}\n{"_id": "q2", "text": "and a shard?"}\n'
QRELS = b"query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td3\t1\n"
BEIR = {"queries.jsonl": QUERIES, "qrels/test.tsv": QRELS}


def beir_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A set in BEIR's layout, in a folder."""
    (folder / "qrels").mkdir(parents=True)
    return written(folder, files)


def beir_zip(path: Path, files: Mapping[str, bytes], *, inside: str = "") -> Path:
    """A set in BEIR's layout, zipped."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(inside + name, content)
    return path


def lines(path: Path, *records: object) -> Path:
    """A file with a JSON value on each line."""
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def complaint(path: Path, *, split: str = "test", topics: Path | None = None) -> str:
    """What is said of something that is no test set: one sentence, with a hint behind it."""
    with pytest.raises(InvalidSettings) as raised:
        read_test_set(path, split=split, topics=topics)
    assert not raised.value.message.endswith(".")
    assert "\n" not in raised.value.message
    return f"{raised.value.message} | {raised.value.hint}"


# ── questions with what is relevant ──


def test_a_line_is_a_question_with_what_is_relevant(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "questions.jsonl",
        {"query": " what is a set? ", "relevant": ["a.md", "b.md"]},
        {"query": "and a shard?", "relevant": {"c.md": 2, "d.md": 0}, "id": "shards"},
        {"query": "how tall is the tower?", "relevant": [], "id": 7},
    )
    found = read_test_set(path)
    assert found.name == "questions"
    assert found.queries == {
        "1": "what is a set?",
        "shards": "and a shard?",
        "7": "how tall is the tower?",
    }
    assert found.grades == {"1": {"a.md": 1, "b.md": 1}, "shards": {"c.md": 2, "d.md": 0}, "7": {}}
    assert found.judged == ["a.md", "b.md", "c.md", "d.md"]
    assert not found.own_documents


def test_a_list_in_one_file_says_the_same_as_its_items_on_lines(tmp_path: Path) -> None:
    records = [{"query": "one", "relevant": ["a"]}, {"query": "two", "relevant": ["b"], "id": "x"}]
    as_list = tmp_path / "set.json"
    as_list.write_text(json.dumps(records, indent=2), encoding="utf-8-sig")
    assert read_test_set(as_list) == read_test_set(lines(tmp_path / "set.jsonl", *records))


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1),
        st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(-1, 3)),
        min_size=1,
    )
)
def test_whatever_ids_and_grades_are_written_are_read(grades: dict[str, dict[str, int]]) -> None:
    records = [{"id": query, "query": "why?", "relevant": judged} for query, judged in grades.items()]
    data = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    assert testsets._from_records("set", "set.jsonl", data).grades == grades


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"relevant": ["a"]}, "line 2 of `set.jsonl` has no question: it has no field `query`"),
        (
            {"query": 5, "relevant": ["a"]},
            "line 2 of `set.jsonl` has no question: its field `query` is no text",
        ),
        ({"query": "  ", "relevant": ["a"]}, "line 2 of `set.jsonl`: the query is empty"),
        ({"query": "why?"}, "line 2 of `set.jsonl` does not say what is relevant"),
        ({"query": "why?", "relevant": "a.md"}, "line 2 of `set.jsonl` does not say what is relevant"),
        ({"query": "why?", "relevant": [1]}, "line 2 of `set.jsonl` does not say what is relevant"),
        ({"query": "why?", "relevant": {"a": 0.5}}, "line 2 of `set.jsonl` does not say what is relevant"),
        ({"query": "why?", "relevant": {"a": True}}, "line 2 of `set.jsonl` does not say what is relevant"),
        ({"query": "why?", "relevant": [], "id": "1"}, "line 2 of `set.jsonl` has the id of an earlier"),
        ("why?", "in `set.jsonl`, line 2 is not a JSON object"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path: Path, record: object, said: str) -> None:
    assert said in complaint(lines(tmp_path / "set.jsonl", {"query": "one", "relevant": []}, record))


def test_a_file_of_something_else_is_told_what_a_line_looks_like(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text("# Notes\n")
    assert '| each line is a JSON object, as in {"query": "…"' in complaint(tmp_path / "set.jsonl")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"query": "one", "relevant": []}\n{"query": \n', "in `set.jsonl`, line 2 is not JSON"),
        (b"", "`set.jsonl` holds no question | each line is a JSON object"),
        (b"[]", "`set.jsonl` is not a list of JSON objects"),
        (b'[{"query": "one"', "`set.jsonl` is not a list of JSON objects"),
        (b'[1, "two"]', "`set.jsonl` is not a list of JSON objects"),
        (b"PK\x00\x01\x02", "`set.jsonl` is binary | each line is a JSON object"),
        (b'{"query": "\xff", "relevant": []}', "in `set.jsonl`, line 1 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_test_set_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    assert said in complaint(path)


def test_a_test_set_that_is_not_there_is_a_path_that_is_not_found(tmp_path: Path) -> None:
    for name in ("set.jsonl", "set.zip", "no folder"):
        with pytest.raises(PathNotFound, match="there is no test set at"):
            read_test_set(tmp_path / name)


def test_a_file_larger_than_can_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LARGEST_FILE", 40)
    path = lines(tmp_path / "set.jsonl", {"query": "one", "relevant": ["a"] * 20})
    assert "is larger than 40 bytes" in complaint(path)
    assert "is larger than 40 bytes" in complaint(beir_zip(tmp_path / "set.zip", BEIR))


# ── BEIR's layout ──


def test_a_folder_and_its_zip_hold_the_same_set(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "sets", BEIR)
    found = read_test_set(folder)
    assert found.name == "sets"
    assert found.queries == {"q1": "what is a set?", "q2": "and a shard?"}
    assert found.grades == {"q1": {"d1": 2, "d2": 0}, "q2": {"d3": 1}}
    assert found.own_documents, "BEIR does not count a question's own document"
    assert read_test_set(beir_zip(tmp_path / "sets.zip", BEIR)) == found
    assert read_test_set(beir_zip(tmp_path / "sets.zip", BEIR, inside="deep/sets/")) == found


def test_reading_a_zip_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = beir_zip(tmp_path / "in" / "set.zip", {**BEIR, "../outside.txt": b"here"})
    read_test_set(path)
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["in", "set.zip"]


def test_questions_that_the_split_does_not_judge_are_left_out(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "set", {**BEIR, "qrels/dev.tsv": b"q2\td3\t1\r\n"})
    assert list(read_test_set(folder, split="dev").queries) == ["q2"]
    assert list(read_test_set(folder).queries) == ["q1", "q2"]


@pytest.mark.parametrize("form", [beir_folder, lambda path, files: beir_zip(path.with_suffix(".zip"), files)])
def test_a_split_that_is_not_there_names_those_that_are(tmp_path: Path, form: object) -> None:
    assert callable(form)
    path = form(tmp_path / "set", {"queries.jsonl": QUERIES, "qrels/dev.tsv": QRELS})
    assert "it has judgements called dev" in complaint(path)


def test_what_has_not_beirs_layout_says_what_it_takes(tmp_path: Path) -> None:
    assert "it needs queries.jsonl and qrels/test.tsv" in complaint(tmp_path)
    assert "is no test set in BEIR's layout" in complaint(beir_zip(tmp_path / "set.zip", {"notes.txt": b""}))
    (tmp_path / "folder").mkdir()
    assert "layout: there is no `queries.jsonl` in" in complaint(tmp_path / "folder")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"qrels/test.tsv": b"q1\td1\t1\nq1 d2 1\n"},
            "line 2 of `qrels/test.tsv` does not have three columns: 1",
        ),
        (
            {"qrels/test.tsv": b"q1\td1\t1\nq1\t\t1\n"},
            "line 2 of `qrels/test.tsv` does not have three columns",
        ),
        (
            {"qrels/test.tsv": b"q1\td1\t1\nq1\td2\tyes\n"},
            "line 2 of `qrels/test.tsv` has a grade that is no",
        ),
        ({"qrels/test.tsv": b"query-id\tcorpus-id\tscore\n"}, "`qrels/test.tsv` holds no judgement"),
        (
            {"qrels/test.tsv": b"q1\td1\t1\nq9\td1\t1\n"},
            "1 of 2 questions judged in `qrels/test.tsv` are not in",
        ),
        (
            {"queries.jsonl": b'{"_id": "q1"}\n'},
            "line 1 of `queries.jsonl` has no question: it has no field `text`",
        ),
        ({"queries.jsonl": b'{"text": "why?"}\n'}, "line 1 of `queries.jsonl` has no `_id`"),
        ({"queries.jsonl": b"{\n"}, "in `queries.jsonl`, line 1 is not JSON"),
        (
            {"queries.jsonl": QUERIES + b'{"_id": "q1", "text": "another?"}\n'},
            "`queries.jsonl` has two questions of one id: q1",
        ),
        (
            {"qrels/test.tsv": QRELS + b"q1\td1\t0\n"},
            "`qrels/test.tsv` judges `d1` for the question q1 twice, and otherwise: 0",
        ),
    ],
)
def test_a_line_of_a_set_in_beirs_layout_that_is_wrong_is_named(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    assert said in complaint(beir_folder(tmp_path / "set", {**BEIR, **files}))
    assert said in complaint(beir_zip(tmp_path / "set.zip", {**BEIR, **files}))


@given(st.data())
def test_a_garbled_zip_is_an_error_of_ours_or_still_the_set(data: st.DataObject) -> None:
    """Never an exception of the library that unpacks it."""
    with tempfile.TemporaryDirectory() as folder:
        path = beir_zip(Path(folder) / "set.zip", BEIR)
        content = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
            content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        try:
            assert read_test_set(path).queries
        except WrongUse as error:
            assert error.message
