"""`vai calibrate`: what a reranker's scores mean on the user's own questions, kept for the queries that follow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, complaint, vai, written
from evaluation_samples import TOPICS, passage, question
from json_contract import check


@pytest.fixture
def questions(project: Path) -> Path:
    """A question for each of 40 files in `notes`, which are ingested; what answers it is named by its path."""
    written(project / "notes", {f"n{topic:02}.txt": passage(topic) for topic in range(TOPICS)})
    assert vai("ingest", "notes", "--embedder", "hashing").exit_code == 0
    return asking(project / "questions.jsonl", TOPICS)


def asking(path: Path, count: int) -> Path:
    """A question for each of the first files."""
    records = [{"query": question(topic), "relevant": [f"notes/n{topic:02}.txt"]} for topic in range(count)]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def test_it_says_what_was_measured_and_where_it_was_written(
    questions: Path, project: Path, snapshot: SnapshotAssertion
) -> None:
    outcome = vai("calibrate", "--test-set", questions, *OVERLAP)
    assert outcome.masked(project=project) == snapshot


def test_queries_in_the_store_are_calibrated_from_then_on(questions: Path) -> None:
    before = vai("query", question(3), *OVERLAP, "--json").json
    assert vai("calibrate", "--test-set", questions, *OVERLAP).exit_code == 0
    after = vai("query", question(3), *OVERLAP, "--json").json
    assert [answer["stages"]["rerank"]["calibrated"] for answer in (before, after)] == [False, True]
    assert before["hits"][0]["relevance"] == before["hits"][0]["score"]
    assert after["hits"][0]["relevance"] != after["hits"][0]["score"]
    assert [hit["id"] for hit in after["hits"]] == [hit["id"] for hit in before["hits"]]


def test_calibrating_again_measures_the_model_and_not_its_calibration(questions: Path) -> None:
    first, second = (vai("calibrate", "--test-set", questions, *OVERLAP, "--json").json for _ in range(2))
    assert first["calibration"] == second["calibration"]


def test_a_dry_run_writes_nothing(questions: Path, project: Path) -> None:
    outcome = vai("calibrate", "--test-set", questions, *OVERLAP, "--dry-run")
    assert outcome.exit_code == 0
    assert outcome.stderr == "\nnothing was written: this was a dry run\n"
    assert not (project / ".vai" / "calibrations.json").exists()


def test_json_holds_all_that_was_measured(questions: Path, project: Path) -> None:
    outcome = vai("calibrate", "--test-set", questions, *OVERLAP, "--limit", "8", "--json", "-q")
    found = outcome.json
    check(found)
    assert outcome.stderr == ""
    assert list(found) == [
        *("schema", "collection", "test_set", "model", "revision", "limit", "queries", "pairs", "positives"),
        *("unjudged", "missing", "left_out", "measured", "calibration", "refused", "brier", "reliability"),
        *("thresholds", "seconds", "warnings", "written"),
    ]
    assert (found["schema"], found["model"], found["queries"], found["limit"]) == (
        *("vai.calibrate/1", "word-overlap"),
        *(TOPICS, 8),
    )
    assert list(found["calibration"]) == ["slope", "intercept", "error"]
    assert list(found["reliability"][0]) == ["least", "most", "said", "found", "pairs"]
    assert list(found["thresholds"][0]) == ["relevance", "relevant_kept", "others_kept"]
    assert found["written"] == str(project / ".vai" / "calibrations.json")


def test_a_model_that_knows_nothing_of_relevance_is_refused_and_nothing_is_written(
    questions: Path, project: Path
) -> None:
    turned = project / "turned.jsonl"
    records = [
        {"query": question(topic), "relevant": [f"notes/n{(topic + 1) % TOPICS:02}.txt"]}
        for topic in range(TOPICS)
    ]
    turned.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    outcome = vai("calibrate", "--test-set", turned, *OVERLAP, "--limit", str(TOPICS))
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines()[-1] == (
        "word-overlap cannot be calibrated with `turned`: its scores do not rise with relevance"
    )
    assert outcome.stderr == "\nnothing was written: there is no curve\n"
    assert not (project / ".vai" / "calibrations.json").exists()


def test_too_few_questions_are_wrong_use(questions: Path, project: Path) -> None:
    few = asking(project / "few.jsonl", 10)
    assert "`few` has 10 questions" in complaint(vai("calibrate", "--test-set", few, *OVERLAP), 2)


def test_ids_that_are_not_in_the_collection_are_counted_or_left_out(questions: Path, project: Path) -> None:
    (project / "notes" / "n05.txt").unlink()
    assert vai("ingest", "notes").exit_code == 0
    refused = complaint(vai("calibrate", "--test-set", questions, *OVERLAP), 2)
    assert (
        "1 of the 40 ids judged in `questions` is not in the collection `default`: notes/n05.txt" in refused
    )
    ignored = vai("calibrate", "--test-set", questions, *OVERLAP, "--ignore-missing")
    assert ignored.exit_code == 0
    assert "39 questions" in ignored.stdout
    assert "warning: 1 judged id is not in the collection; 1 question was left out for that" in ignored.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--test-set", "nowhere.jsonl"], 2, "there is no test set at `nowhere.jsonl`"),
        ([], 2, "`--test-set`"),
        (["--test-set", "questions.jsonl", "--limit", "0"], 2, "--limit must be at least 1: 0"),
        (["--test-set", "questions.jsonl", "--collection", "none"], 3, "there is no collection `none`"),
        (["--test-set", "questions.jsonl", "--rerank-model", "nobody"], 3, "there is no reranker called"),
    ],
)
def test_what_cannot_be_carried_out_is_one_sentence(
    questions: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    refused = complaint(vai("calibrate", *arguments), exit_code)
    assert said.replace("`", "") in refused.replace("`", "").replace("'", "")


def test_a_damaged_file_of_calibrations_is_one_sentence_for_queries_too(
    questions: Path, project: Path
) -> None:
    (project / ".vai" / "calibrations.json").write_text("{")
    for command in (["query", "what"], ["calibrate", "--test-set", str(questions)]):
        assert "calibrations.json` does not hold calibrations" in complaint(vai(*command, *OVERLAP), 3)
