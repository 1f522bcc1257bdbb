"""`vai query`: what it prints, to whom, and what it ends with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, complaint, installed, vai, written
from model_stub import Payload, edited, status
from voyage_stub import VoyageStub

QUESTION = "How do I configure replica sets?"


# ── the lines that a user types first ──


def test_the_first_line_works_with_the_bundled_models(project: Path) -> None:
    vai("ingest", "docs")
    answer = vai("query", QUESTION)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("1. docs/members.md:")
    assert "then **configure** the **replica**" in answer.stdout
    assert "(vai-reranker-mini) read " in answer.stderr


def test_the_second_line_works_with_a_key(store: Path, voyage: VoyageStub) -> None:
    answer = vai("query", "scaling", "--limit", "50", "--top-k", "10", "--rerank-model", "rerank-2.5")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("1. docs/scaling.md:")
    assert "(rerank-2.5) read 6 of 6" in answer.stderr
    assert voyage.requests[0].payload["model"] == "rerank-2.5"


def test_the_third_line_works_without_stage_2(store: Path) -> None:
    answer = vai("query", "quick lookup", "--no-rerank")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("1. docs/lookup.txt:1")
    assert "stage 2 did not run" in answer.stderr


# ── text ──


def test_an_answer_shows_both_stages_and_marks_the_words(store: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("query", QUESTION, "-k", "3", *OVERLAP, "--stage1", "vector").masked() == snapshot


@pytest.mark.parametrize("stage1", [("vector",), ("words",), ("hybrid", "--fusion", "ranks")])
def test_explain_says_what_found_the_candidates_and_what_let_them_through(
    store: Path, snapshot: SnapshotAssertion, stage1: tuple[str, ...]
) -> None:
    answer = vai(
        "query",
        QUESTION,
        "-k",
        "1",
        "--no-rerank",
        "--explain",
        "--filter",
        "path~docs/*.md",
        "--stage1",
        *stage1,
    )
    assert answer.masked() == snapshot


def test_a_filter_that_lets_nothing_through_is_named_as_the_reason(store: Path) -> None:
    answer = vai("query", QUESTION, "--filter", "path=nowhere.md")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert 'no chunk passes the filter {"path": {"$eq": "nowhere.md"}}\n' in answer.stderr


def test_a_hit_of_an_export_that_was_read_back_is_told_from_others_by_its_id(
    project: Path, store: Path
) -> None:
    vai("export", "all.jsonl")
    vai("ingest", "all.jsonl", "--vector-field", "vector", "--collection", "copy", "--embedder", "hashing")
    answer = vai("query", QUESTION, "-k", "1", "--no-rerank", "--collection", "copy")
    assert re.match(r"1\. all\.jsonl docs/\w+\.(md|txt)(  |\n)", answer.stdout)


def test_words_that_do_not_occur_are_named_as_the_reason(store: Path) -> None:
    answer = vai("query", "zygomorphic", "--stage1", "words")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "no chunk has one of the words" in answer.stderr


def test_a_field_that_no_document_has_is_a_warning_with_the_nearest_names(store: Path) -> None:
    answer = vai("query", QUESTION, "--filter", "typ=md")
    assert "warning: " in answer.stderr
    assert "`type`" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--stage1", "vectors"), "--stage1 must be one of vector, words, hybrid: vectors"),
        (("--fusion", "rank"), "--fusion must be one of scores, ranks: rank"),
        (("--stage1", "words", "--fusion", "ranks"), "--fusion ranks is of a hybrid search"),
        (("--stage1", "vector", "--words-weight", "1"), "--words-weight 1 is of a hybrid search"),
        (("--fusion", "ranks", "--words-weight", "1"), "contradict each other: ranks have no weights"),
        (("--words-weight", "-1"), "--words-weight must be a number from 0 to 100: -1"),
        (("--filter", "no condition"), "no condition"),
    ],
)
def test_what_stage_1_cannot_do_is_refused(store: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in complaint(vai("query", QUESTION, *arguments), 2)


def test_explain_shows_the_stages_and_what_was_left_out(store: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("query", QUESTION, "-k", "2", *OVERLAP, "--explain").masked() == snapshot


def test_without_stage_2_there_is_what_stage_1_says(store: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("query", QUESTION, "-k", "1", "--no-rerank", "--explain").masked() == snapshot


def test_quiet_prints_the_hits_alone(store: Path) -> None:
    loud, quiet = vai("query", QUESTION, *OVERLAP), vai("query", QUESTION, *OVERLAP, "-q")
    assert loud.stderr
    assert quiet.stdout == loud.stdout
    assert quiet.stderr == ""


def test_words_need_no_quotation_marks(store: Path) -> None:
    loose = vai("query", "quick", "lookup", *OVERLAP)
    assert loose.stdout == vai("query", "quick lookup", *OVERLAP).stdout


def test_a_text_that_begins_with_a_dash_follows_two_dashes(store: Path) -> None:
    assert vai("query", "--no-rerank", "--", "-index").exit_code == 0


def test_the_query_may_come_from_standard_input(store: Path) -> None:
    piped = installed("query", "-", *OVERLAP, stdin=b"\xef\xbb\xbfHow do I configure\nreplica sets?\n")
    assert piped.exit_code == 0
    assert piped.stdout == vai("query", QUESTION, *OVERLAP).stdout


def test_a_heading_is_said_once(store: Path) -> None:
    answer = vai("query", "failover of the primary", "-k", "1", *OVERLAP)
    assert answer.stdout.count("Failover") == 1


def test_the_lines_with_the_most_words_of_the_query_are_shown(project: Path) -> None:
    lines = [f"Line {number} is filler." for number in range(30)]
    lines[20] = "The needle lies here."
    written(project / "docs", {"long.txt": "\n".join(lines)})
    vai("ingest", "docs", "--embedder", "hashing")
    shown = vai("query", "needle", "-k", "1", "-q", *OVERLAP).stdout
    assert "The **needle** lies here." in shown
    assert shown.count("filler") == 7
    assert shown.count("   …\n") == 2


def test_control_characters_of_a_document_do_not_reach_the_terminal(project: Path) -> None:
    written(project / "docs", {"trap.txt": "A trap: \x1b]0;owned\x07 and \x9b31m and \u202eback\n"})
    vai("ingest", "docs", "--embedder", "hashing")
    shown = vai("query", "trap", "-k", "1", "-q", *OVERLAP).stdout
    assert "**trap**: \ufffd]0;owned\ufffd and \ufffd31m and \ufffdback" in shown


def test_deep_indentation_leaves_room_for_the_text(project: Path) -> None:
    written(project / "docs", {"deep.txt": f"{' ' * 300}deep inside\n"})
    vai("ingest", "docs", "--embedder", "hashing")
    shown = vai("query", "deep", "-k", "1", "-q", *OVERLAP).stdout
    assert "**deep** inside\n" in shown
    assert max(map(len, shown.splitlines())) <= 90


def test_a_changed_file_is_pointed_out(project: Path, store: Path) -> None:
    written(project / "docs", {"lookup.txt": "Something else entirely now.\n"})
    answer = vai("query", "quick lookup", "-k", "1", "--no-rerank")
    assert "docs/lookup.txt:1-3  [changed since ingest]" in answer.stdout
    assert "warning: `docs/lookup.txt` has changed or gone since it was ingested" in answer.stderr


def test_an_empty_collection_answers_nothing_and_ends_with_1(project: Path) -> None:
    (project / "empty").mkdir()
    vai("ingest", "empty", "--embedder", "hashing")
    answer = vai("query", "anything", *OVERLAP)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == "the collection `default` is empty: `vai ingest PATH` fills it\n"
    assert vai("query", "anything", "--json", *OVERLAP).json["hits"] == []


# ── where from ──


def test_a_store_is_found_upward_from_the_working_directory(
    project: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = vai("query", QUESTION, *OVERLAP).stdout
    monkeypatch.chdir(project / "docs")
    assert vai("query", QUESTION, *OVERLAP).stdout == here


def test_a_named_store_counts_more_than_the_variable(
    project: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_STORE", str(project / "elsewhere"))
    assert f"no store at `{project / 'elsewhere'}`" in vai("query", QUESTION).stderr
    assert vai("query", QUESTION, "--store", ".vai", *OVERLAP).exit_code == 0


def test_another_collection_answers_by_name(project: Path, store: Path) -> None:
    written(project / "other", {"pears.txt": "Pears are green."})
    vai("ingest", "other", "--collection", "fruit", "--embedder", "hashing")
    found = vai("query", "pears", "--collection", "fruit", "--json", *OVERLAP).json
    assert found["collection"] == "fruit"
    assert [hit["source"] for hit in found["hits"]] == ["other/pears.txt"]


def test_settings_count_in_the_order_file_variable_flag(
    project: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_force(*flags: str) -> tuple[int, str]:
        answer = vai("query", "scaling", "--json", *flags).json["settings"]
        return answer["top_k"], answer["rerank_model"]

    written(project, {"vai.toml": 'top_k = 1\nrerank_model = "word-overlap"\n'})
    assert in_force() == (1, "word-overlap")
    monkeypatch.setenv("VAI_TOP_K", "2")
    assert in_force() == (2, "word-overlap")
    assert in_force("-k", "3") == (3, "word-overlap")


def test_a_larger_k_raises_the_limit(store: Path) -> None:
    assert vai("query", "scaling", "-k", "30", "--json", *OVERLAP).json["settings"]["limit"] == 30


# ── batch ──


def test_a_batch_answers_each_line_in_order_with_a_line_of_json(project: Path, store: Path) -> None:
    questions = (
        written(project, {"questions.txt": "scaling\n\n  \nquick lookup\r\nfailover"}) / "questions.txt"
    )
    answer = vai("query", "--batch", questions, *OVERLAP)
    assert (answer.exit_code, answer.stderr) == (0, "")
    answers = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [answer["query"] for answer in answers] == ["scaling", "quick lookup", "failover"]
    assert [answer["hits"][0]["source"].rpartition("/")[2] for answer in answers] == [
        "scaling.md",
        "lookup.txt",
        "failover.md",
    ]


def test_a_batch_may_come_from_standard_input_and_says_what_a_single_query_says(store: Path) -> None:
    batch = vai("query", "--batch", "-", *OVERLAP, stdin=b"scaling\n").json
    single = vai("query", "scaling", "--json", *OVERLAP).json
    assert batch["hits"] == single["hits"]


def test_a_warning_in_a_batch_names_its_line(project: Path, store: Path) -> None:
    written(project / "docs", {"lookup.txt": "Something else entirely now.\n"})
    answer = vai("query", "--batch", "-", "-k", "1", "--no-rerank", stdin=b"failover\nquick lookup\n")
    assert answer.stderr.startswith("warning: line 2: `docs/lookup.txt` has changed")


# ── a remote model ──


REMOTE = ("query", "shard key for documents", "--rerank-model", "rerank-2.5", "-k", "3")


def test_the_order_is_the_services(store: Path, voyage: VoyageStub) -> None:
    def last_first(answer: Payload) -> None:
        for result in answer["data"]:
            result["relevance_score"] = result["index"] / 10

    voyage.then(edited(last_first))
    answer = vai(*REMOTE, "--json").json
    assert [hit["relevance"] for hit in answer["hits"]] == pytest.approx([0.5, 0.4, 0.3])
    assert [hit["stage1_rank"] for hit in answer["hits"]] == [6, 5, 4]
    assert answer["stages"]["rerank"]["model"] == "rerank-2.5"


def test_a_refused_key_is_an_error(store: Path, voyage: VoyageStub, snapshot: SnapshotAssertion) -> None:
    voyage.key = "pa-another-key"
    assert vai(*REMOTE).masked() == snapshot


def test_a_service_that_fails_leaves_the_order_of_stage_1_and_says_so(
    store: Path, voyage: VoyageStub, snapshot: SnapshotAssertion
) -> None:
    voyage.then(*[status(503)] * 8)
    assert vai(*REMOTE).masked() == snapshot
    rerank = vai(*REMOTE, "--json").json["stages"]["rerank"]
    assert (rerank["reranked"], rerank["of"]) == (0, 6)
    assert "503" in rerank["reason"]


def test_strict_makes_a_failing_service_an_error(
    store: Path, voyage: VoyageStub, snapshot: SnapshotAssertion
) -> None:
    voyage.then(*[status(503)] * 4)
    assert vai(*REMOTE, "--strict").masked() == snapshot
