"""A test set in a file that judgements are added to."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from machine import Unprivileged
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.data.testsets import read_test_set
from vai.evaluation.judging.question_file import NO, PARTLY, YES, QuestionFile


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def jsonl(path: Path, *records: object) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


# ── judging ──


def test_a_judgement_is_written_at_once_and_everything_else_stays(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "q.jsonl",
        {"query": "größer?", "relevant": ["a"], "id": "x", "synthetic": True, "more": [1, None]},
        {"query": "two", "relevant": {"c": 3, "d": -1}},
    )
    QuestionFile.open(path).judge("x", "b", NO)
    assert lines_of(path) == [
        {
            "query": "größer?",
            "relevant": {"a": YES, "b": NO},
            "id": "x",
            "synthetic": True,
            "more": [1, None],
        },
        {"query": "two", "relevant": {"c": 3, "d": -1}, "id": "2"},
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_list_names_is_as_relevant_as_a_yes() -> None:
    assert (YES, PARTLY, NO) == (2, 1, 0)


def test_a_judgement_can_be_changed_and_taken_back(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "q.jsonl", {"query": "one", "relevant": []})
    questions = QuestionFile.open(path)
    for grade, expected in ((YES, {"a#0": 2}), (PARTLY, {"a#0": 1}), (None, {})):
        questions.judge("1", "a#0", grade)
        assert lines_of(path)[0]["relevant"] == expected
        assert read_test_set(path).grades == questions.test_set.grades == {"1": expected}


def test_judgements_can_be_added_to_a_file_again_and_again(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "q.jsonl", {"query": "one", "relevant": []})
    QuestionFile.open(path).judge("1", "a", YES)
    QuestionFile.open(path).judge("1", "b", PARTLY)
    assert read_test_set(path).grades == {"1": {"a": YES, "b": PARTLY}}


def test_a_list_in_one_file_stays_a_list(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text(json.dumps([{"query": "one", "relevant": []}, {"query": "two", "relevant": ["b"]}]))
    QuestionFile.open(path).judge("1", "a", YES)
    assert [record["relevant"] for record in json.loads(path.read_text())] == [{"a": 2}, ["b"]]
    assert read_test_set(path).grades == {"1": {"a": 2}, "2": {"b": 1}}


def test_a_new_file_can_be_written_instead(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "q.jsonl", {"query": "one", "relevant": ["a"]})
    before = path.read_bytes()
    QuestionFile.open(path, tmp_path / "new.jsonl").judge("1", "b", NO)
    assert path.read_bytes() == before
    assert lines_of(tmp_path / "new.jsonl")[0]["relevant"] == {"a": 2, "b": 0}


def test_nothing_is_written_before_something_is_judged(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("one\n")
    QuestionFile.open(tmp_path / "q.txt")
    assert not (tmp_path / "q.jsonl").exists()


def test_a_file_that_cannot_be_written_is_a_sentence_and_stays(unprivileged: Unprivileged) -> None:
    path = jsonl(unprivileged.folder / "q.jsonl", {"query": "one", "relevant": []})
    questions = QuestionFile.open(path)
    before = path.read_bytes()
    with unprivileged.acting(), pytest.raises(InvalidSettings, match="cannot be written: permission denied"):
        questions.judge("1", "a", YES)
    assert path.read_bytes() == before


# ── questions in other forms ──


def test_a_list_of_questions_is_written_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\ufeffHow do I start?\r\n\n  And how do I end?  \n")
    questions = QuestionFile.open(tmp_path / "q.txt")
    assert questions.test_set.queries == {"1": "How do I start?", "3": "And how do I end?"}
    questions.judge("3", "a#1", PARTLY)
    assert lines_of(tmp_path / "q.jsonl") == [
        {"query": "How do I start?", "relevant": [], "id": "1"},
        {"query": "And how do I end?", "relevant": {"a#1": 1}, "id": "3"},
    ]


def test_a_list_is_not_begun_anew_where_it_was_judged_before(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("one\n")
    QuestionFile.open(tmp_path / "q.txt").judge("1", "a", YES)
    with pytest.raises(InvalidSettings, match="is there already") as caught:
        QuestionFile.open(tmp_path / "q.txt")
    assert str(caught.value.hint).endswith("q.jsonl` goes on with it")


def beir(path: Path, *grades: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("queries.jsonl", json.dumps({"_id": "x", "text": "one"}) + "\n")
        rows = "".join(f"x\td{number}\t{grade}\n" for number, grade in enumerate(grades))
        archive.writestr("qrels/test.tsv", f"query-id\tcorpus-id\tscore\n{rows}")
    return path


def test_a_set_in_beirs_layout_needs_a_new_file(tmp_path: Path) -> None:
    path = beir(tmp_path / "set.zip", 1, 0)
    with pytest.raises(InvalidSettings, match="judgements cannot be added to") as caught:
        QuestionFile.open(path)
    assert "--output" in str(caught.value.hint)
    QuestionFile.open(path, tmp_path / "new.jsonl").judge("x", "e", PARTLY)
    assert lines_of(tmp_path / "new.jsonl") == [
        {"query": "one", "relevant": {"d0": YES, "d1": 0, "e": PARTLY}, "id": "x"}
    ]


def test_grades_that_mean_more_than_yes_and_no_stay_as_they_are(tmp_path: Path) -> None:
    path = beir(tmp_path / "set.zip", 1, 3)
    QuestionFile.open(path, tmp_path / "new.jsonl").judge("x", "e", YES)
    assert lines_of(tmp_path / "new.jsonl")[0]["relevant"] == {"d0": 1, "d1": 3, "e": YES}


# ── what is refused ──


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.txt", " \n\n", "`q.txt` holds no question"),
        ("q.txt", "one\n" + "x" * 20_001, "line 2 of `q.txt`: the query is longer"),
        ("q.jsonl", "{", "in `q.jsonl`, line 1"),
        ("q.jsonl", '{"query": "one"}\n', "does not say what is relevant"),
        ("q.json", "[1]", "not a list of JSON objects"),
    ],
)
def test_what_holds_no_questions_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidSettings, match=said):
        QuestionFile.open(tmp_path / name)


@pytest.mark.parametrize("name", ["nowhere.txt", "nowhere.jsonl", "nowhere.zip"])
def test_what_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(PathNotFound, match="nowhere"):
        QuestionFile.open(tmp_path / name)


@pytest.mark.parametrize("output", ["new.txt", "there.jsonl"])
def test_a_new_file_is_new_and_named_as_what_it_is(tmp_path: Path, output: str) -> None:
    path = jsonl(tmp_path / "q.jsonl", {"query": "one", "relevant": []})
    (tmp_path / "there.jsonl").write_text("mine")
    with pytest.raises(InvalidSettings, match=output):
        QuestionFile.open(path, tmp_path / output)
    assert (tmp_path / "there.jsonl").read_text() == "mine"
