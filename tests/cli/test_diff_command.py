"""`vai diff`: what changes from one configuration, or run, to another, and a gate for continuous integration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, complaint, vai, written
from json_contract import check

TEXTS = {
    "north.txt": "The north wind is cold. Cold wind, cold rain.",
    "south.txt": "The south wind is warm and dry.",
    "east.txt": "From the east comes the dry wind of winter, and winter is cold.",
    "west.txt": "The west wind brings rain, and rain brings flowers.",
    "calm.txt": "No wind at all: the sea is calm and the flowers stand still.",
    "storm.txt": "A storm is a wind that breaks trees; rain and sea rise with it.",
}
QUESTIONS = {
    "Which wind is cold?": ["winds/north.txt"],
    "Which wind brings rain?": ["winds/west.txt", "winds/storm.txt"],
    "When do flowers stand still?": ["winds/calm.txt"],
    "What breaks trees?": ["winds/storm.txt"],
    "Which wind is dry in winter?": ["winds/east.txt"],
    "What is cold and wet?": ["winds/north.txt"],
}


@pytest.fixture
def questions(project: Path) -> Path:
    """Six questions about six files, which are ingested."""
    written(project / "winds", TEXTS)
    assert vai("ingest", "winds", "--embedder", "hashing").exit_code == 0
    path = project / "questions.jsonl"
    records = [{"query": text, "relevant": relevant} for text, relevant in QUESTIONS.items()]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def run(path: Path, *rankings: str) -> Path:
    """A run that ranks these files, named by their first letters, for the questions in turn."""
    names = dict(zip("nwecs", ("north", "west", "east", "calm", "storm"), strict=True))
    lines = [
        f"{query} Q0 winds/{names[letter]}.txt {rank} {10 - rank} {path.stem}\n"
        for query, letters in enumerate(rankings, start=1)
        for rank, letter in enumerate(letters, start=1)
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def runs(project: Path) -> tuple[Path, Path]:
    """Two runs for the six questions; the second one is worse."""
    before = run(project / "before.run", "nwe", "wsn", "cne", "snw", "enc", "new")
    return before, run(project / "after.run", "wne", "nes", "nec", "wns", "nec", "wen")


def test_it_shows_what_each_metric_gains_and_what_moved(questions: Path, snapshot: SnapshotAssertion) -> None:
    outcome = vai("diff", "stage1=vector no-rerank", "stage1=words no-rerank", "--test-set", questions)
    assert outcome.masked() == snapshot


def test_two_files_need_no_store(project: Path, runs: tuple[Path, Path], snapshot: SnapshotAssertion) -> None:
    assert not (project / ".vai").exists()
    assert vai("diff", *runs).masked(project=project) == snapshot


def test_two_files_are_judged_by_a_test_set_without_a_store(
    questions: Path, runs: tuple[Path, Path], snapshot: SnapshotAssertion, project: Path
) -> None:
    outcome = vai("diff", *runs, "--test-set", questions, "--store", "nowhere", "--metrics", "mrr,ndcg@3")
    assert outcome.masked(project=project) == snapshot


def test_without_answers_it_shows_what_users_would_see_change(
    questions: Path, project: Path, snapshot: SnapshotAssertion
) -> None:
    (project / "asked.txt").write_text("Which wind is cold?\nIs the sea calm?\n")
    sides = ("stage1 stage1=vector", "stage1 stage1=words")
    outcome = vai("diff", *sides, "--queries", "asked.txt", "-k", "3", "--explain")
    assert outcome.masked(project=project) == snapshot


def test_json_has_the_fields_of_the_contract(questions: Path) -> None:
    sides = ("stage1 stage1=vector", "stage1 stage1=words")
    outcome = vai(
        "diff", *sides, "--test-set", questions, "-k", "1", "--fail-below", "mrr=-0.5", "--json", "-q"
    )
    found = outcome.json
    check(found)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert (found["queries"], found["test_set"], found["unit"]) == (6, "questions", "document")
    assert found["a"]["settings"]["stage1"] == "vector"
    assert found["b"]["settings"] == {**found["a"]["settings"], "stage1": "words"}
    assert list(found["metrics"]) == ["ndcg@10", "mrr@10", "recall@10", "recall@20", "map", "mrr"]
    assert list(found["metrics"]["map"]) == [
        *("a", "b", "difference", "p", "wins", "ties", "losses", "verdict"),
    ]


def test_a_bound_that_is_not_kept_is_exit_code_1_and_the_report_is_printed_all_the_same(
    questions: Path, runs: tuple[Path, Path]
) -> None:
    arguments = ("diff", *runs, "--test-set", questions, "--metrics", "mrr")
    failed = vai(*arguments, "--fail-below", "mrr=-0.1", "--fail-below", "overlap=0.5", "-q")
    assert failed.exit_code == 1
    assert "B is worse than A" in failed.stdout
    assert failed.stderr == "error: B − A in mrr is -0.6111, which is below -0.1\n"
    assert vai(*arguments, "--fail-below", "mrr=-0.9").exit_code == 0
    turned = vai(
        "diff", *reversed(runs), "--test-set", questions, "--metrics", "mrr", "--fail-below", "mrr=0.1"
    )
    assert turned.exit_code == 0
    assert "B is better than A" in turned.stdout


def test_how_alike_two_runs_are_can_be_bounded_without_answers(runs: tuple[Path, Path]) -> None:
    assert vai("diff", *runs, "--fail-below", "overlap=0.5").exit_code == 0
    failed = vai("diff", *runs, "--fail-below", "rbo=0.95", "--json")
    assert failed.exit_code == 1
    assert [gate["passed"] for gate in failed.json["gates"]] == [False]
    assert "rbo is" in failed.stderr


def test_the_same_configuration_twice_changes_nothing(questions: Path) -> None:
    outcome = vai("diff", "stage1", "no-rerank", "--test-set", questions)
    assert outcome.exit_code == 0
    assert "B is as good as A for every question, by ndcg@10" in outcome.stdout
    assert "what changed" not in outcome.stdout
    assert "warning: A and B rank everything alike" in outcome.stderr


def test_a_run_is_compared_with_a_configuration(questions: Path, runs: tuple[Path, Path]) -> None:
    found = vai("diff", runs[0], "stage1", "--test-set", questions, "--json").json
    assert (found["a"]["name"], found["a"]["settings"], found["b"]["name"]) == ("before", None, "stage1")
    assert found["a"]["collection"] == "default"


def test_b_can_be_about_another_collection(questions: Path) -> None:
    assert (
        vai("ingest", "winds", "--embedder", "hashing", "--collection", "whole", "--no-chunking").exit_code
        == 0
    )
    outcome = vai("diff", "stage1", "stage1", "--test-set", questions, "--collection-b", "whole")
    assert outcome.exit_code == 0
    assert "no reranker; collection `whole`" in outcome.stdout


def test_flags_hold_for_both_sides_where_they_say_nothing_else(questions: Path) -> None:
    found = vai(
        "diff", "current", "limit=3", "--test-set", questions, *OVERLAP, "--limit", "5", "--json"
    ).json
    assert [found[side]["settings"]["limit"] for side in ("a", "b")] == [5, 3]
    assert {found[side]["settings"]["rerank_model"] for side in ("a", "b")} == {"word-overlap"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stage1", "current"], "no question is there to ask"),
        (["stage1", "stage2", "--test-set", "questions.jsonl"], "there is no configuration `stage2`"),
        (["stage1", "lost.run", "--test-set", "questions.jsonl"], "there is no run at `lost.run`"),
        (["stage1", "current", "--queries", "lost.txt"], "there is no file of questions at `lost.txt`"),
        (
            ["stage1", "current", "--queries", "questions.jsonl", "--test-set", "questions.jsonl"],
            "--queries questions.jsonl and a test set contradict each other",
        ),
        (["before.run", "after.run", "--queries", "questions.jsonl"], "both sides are files"),
        (
            ["stage1", "current", "--queries", "questions.jsonl", "--fail-below", "ndcg@10=0"],
            "needs questions of which",
        ),
        (["before.run", "after.run", "--fail-below", "overlap"], "--fail-below is a metric and a number"),
        (["before.run", "after.run", "--fail-below", "overlap=nan"], "--fail-below is a metric and a number"),
        (["before.run", "after.run", "--fail-below", "ndgc@5=0"], "there is no metric `ndgc@5`"),
        (["before.run", "after.run", "-k", "0"], "--top-k must be at least 1: 0"),
        (["before.run"], "missing argument"),
    ],
)
@pytest.mark.usefixtures("questions", "runs")
def test_wrong_use_is_one_sentence(arguments: list[str], said: str) -> None:
    assert said in complaint(vai("diff", *arguments), 2)


def test_a_store_that_is_not_there_is_a_missing_part(project: Path) -> None:
    (project / "asked.txt").write_text("What?\n")
    complaint(vai("diff", "stage1", "current", "--queries", "asked.txt"), 3)
