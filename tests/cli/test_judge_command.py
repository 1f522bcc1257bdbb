"""`vai judge`: a short quiz on the passages that tell configurations apart."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, Outcome, complaint, vai
from json_contract import check


@pytest.fixture
def questions(project: Path, store: Path) -> Path:
    """Two questions about the project's documents, of which nothing is judged."""
    path = project / "q.jsonl"
    records: list[dict[str, Any]] = [
        {"query": "What do servers hold when a primary is lost?", "relevant": []},
        {"query": "Which documents need an index?", "relevant": [], "kept": True},
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def judging(*arguments: str | Path, said: str) -> Outcome:
    return vai("judge", *arguments, *OVERLAP, stdin=said.encode())


def relevant(path: Path) -> list[Any]:
    return [json.loads(line)["relevant"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_shows_pairs_and_says_what_the_answers_changed(
    questions: Path, project: Path, snapshot: SnapshotAssertion
) -> None:
    outcome = judging(questions, "--count", "3", said="y\nno\nP\n")
    assert outcome.masked(project=project) == snapshot


def test_answers_are_written_as_grades_and_the_rest_of_the_file_stays(questions: Path) -> None:
    outcome = judging(questions, "--count", "4", "--json", said="y\nn\npartly\ns\n")
    report = outcome.json
    check(report)
    assert (report["judged"], report["yes"], report["partly"], report["no"], report["skipped"]) == (
        3,
        1,
        1,
        1,
        1,
    )
    grades = [grade for judged in relevant(questions) if judged for grade in judged.values()]
    assert sorted(grades) == [0, 1, 2]
    assert json.loads(questions.read_text().splitlines()[1])["kept"] is True


def test_what_was_judged_is_not_asked_again(questions: Path) -> None:
    first = judging(questions, "--count", "100", "--json", said="n\n" * 100).json
    assert first["judged"] == first["pairs"] > 2
    again = judging(questions, "--count", "100", said="")
    assert again.exit_code == 1
    assert again.stdout.startswith("there is nothing to judge in 2 questions of `q`")


def test_nothing_says_which_configuration_ranked_a_passage(questions: Path) -> None:
    shown = judging(questions, "--count", "5", said="y\n" * 5).stderr
    for word in ("stage", "rank", "score", "similarity", "relevance", "vector", "blended"):
        assert word not in shown.replace("docs/", "")
    assert "1 of 5" in shown
    assert "5 of 5" in shown


def test_the_end_of_the_input_ends_the_quiz_and_keeps_what_was_said(questions: Path) -> None:
    outcome = judging(questions, "--count", "5", "--json", said="y\n")
    assert (outcome.exit_code, outcome.json["judged"], outcome.json["pairs"]) == (0, 1, 5)


def test_what_is_no_answer_is_asked_for_again(questions: Path) -> None:
    outcome = judging(questions, "--count", "1", "--json", said="maybe\n\x1b[2J\n\nyes\n")
    assert outcome.json["yes"] == 1
    assert "`maybe` is none of them" in outcome.stderr
    assert "\x1b" not in outcome.stderr


def test_one_can_go_back_and_leave(questions: Path) -> None:
    outcome = judging(questions, "--count", "3", "--json", said="y\nb\nn\nback\nq\n")
    assert (outcome.json["yes"], outcome.json["no"], outcome.json["judged"]) == (0, 1, 1)


def test_questions_alone_are_judged_into_a_file_beside_them(project: Path, store: Path) -> None:
    (project / "mine.txt").write_text("What do servers hold when a primary is lost?\n")
    outcome = judging("mine.txt", "--count", "2", "--json", said="y\nn\n")
    assert (outcome.json["path"], outcome.json["unit"]) == ("mine.jsonl", "chunk")
    assert sorted(relevant(project / "mine.jsonl")[0].values()) == [0, 2]
    again = judging("mine.txt", said="")
    assert "`mine.jsonl` is there already\nhint: `vai judge mine.jsonl` goes on with it" in complaint(
        again, 2
    )


def test_a_test_set_of_documents_goes_on_judging_documents(questions: Path) -> None:
    judged = {"query": "What do servers hold when a primary is lost?", "relevant": ["docs/failover.md"]}
    questions.write_text(json.dumps(judged))
    outcome = judging(questions, "--count", "1", "--json", said="y\n")
    assert outcome.json["unit"] == "document"
    assert all("#" not in judged for judged in relevant(questions)[0])
    mixed = judging(questions, "--unit", "chunk", said="")
    assert "--unit chunk would mix both" in complaint(mixed, 2)


def test_judged_ids_that_are_gone_are_counted_and_kept(questions: Path) -> None:
    judged = {
        "query": "What do servers hold when a primary is lost?",
        "relevant": ["gone", "docs/failover.md"],
    }
    questions.write_text(json.dumps(judged))
    outcome = judging(questions, "--count", "1", said="n\n")
    assert "warning: 1 judged id is not in the collection, and left alone\n" in outcome.stderr
    assert relevant(questions)[0]["gone"] == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["nowhere.jsonl"], 2, "there is no test set at `nowhere.jsonl`"),
        (["q.jsonl", "--count", "0"], 2, "--count must be at least 1: 0"),
        (["q.jsonl", "--unit", "page"], 2, "--unit must be one of document, chunk: page"),
        (["q.jsonl", "--output", "x.txt"], 2, "name ends in `.jsonl`"),
        (["q.jsonl", "--collection", "none"], 3, "there is no collection `none`"),
        (["q.jsonl", "--no-rerank", "--rerank-model", "word-overlap"], 2, "contradict each other"),
        ([], 2, "TEST_SET"),
    ],
)
def test_what_cannot_be_carried_out_is_one_sentence(
    questions: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    assert said in complaint(vai("judge", *arguments), exit_code)
    assert relevant(questions) == [[], []]


def test_without_stage_2_its_orders_are_not_compared(questions: Path) -> None:
    report = vai("judge", questions, "--no-rerank", "--json", "--count", "1", stdin=b"y\n").json
    assert [change["name"] for change in report["configurations"]] == ["stage1", "vector", "words"]


# ── on a terminal ──

PROGRAM = f"from vai.cli import main; main(['judge', 'q.jsonl', '--count', '3', *{OVERLAP}])"


def on_terminal(keys: bytes) -> tuple[int, str, str]:
    """Exit code, what the terminal showed and what a pipe got, after keys are pressed one by one when asked."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        shown = b""
        for number, key in enumerate(keys, start=1):
            # What is typed before the terminal waits for a key is thrown away.
            while shown.count(b"q(uit): ") < number or termios.tcgetattr(theirs)[3] & termios.ICANON:
                assert process.poll() is None, shown
                shown += _shown(ours)
            os.write(ours, bytes([key]))
        assert process.stdout
        piped = process.stdout.read()
        shown += _shown(ours)
    os.close(ours)
    os.close(theirs)
    return process.returncode, shown.decode(), piped.decode()


def _shown(terminal: int) -> bytes:
    """What a terminal has shown within a hundredth of a second."""
    ready, _, _ = select.select([terminal], [], [], 0.01)
    return os.read(terminal, 65_536) if ready else b""


def test_one_key_is_an_answer_on_a_terminal(questions: Path) -> None:
    exit_code, shown, report = on_terminal(b"ynq")
    assert exit_code == 0
    assert "3 of 3" in shown
    assert report.startswith("2 of 3 passages judged: 1 yes, 0 partly, 1 no; 0 skipped\n")


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_whoever_stops_in_the_middle_loses_nothing(questions: Path, key: bytes) -> None:
    exit_code, _, _ = on_terminal(b"y" + key)
    assert exit_code == (130 if key == b"\x03" else 0)
    assert [list(judged.values()) for judged in relevant(questions) if judged] == [[2]]
