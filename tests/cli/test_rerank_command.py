"""`vai rerank`: stage 2 alone, on documents from three places."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import Outcome, vai, written
from model_stub import status
from voyage_stub import VoyageStub

TEXTS = ["Bananas are yellow.", "A replica set holds copies.", "Configure the replica set with a file."]
QUERY = "configure a replica set"


def rerank(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
    return vai("rerank", "--query", QUERY, "-m", "word-overlap", *arguments, stdin=stdin)


def test_arguments_come_back_in_their_new_order(snapshot: SnapshotAssertion) -> None:
    assert rerank(*TEXTS).masked() == snapshot


FORMS = {
    "lines of text": "\r\n".join(["", *TEXTS, " "]),
    "a JSON array of strings": json.dumps(TEXTS, indent=2),
    "a JSON array of objects": json.dumps([{"id": 1, "body": text} for text in TEXTS]),
    "JSONL": "\n\n".join(json.dumps({"text": text}) for text in TEXTS),
    "JSONL with a byte order mark": "\ufeff" + "\n".join(json.dumps({"text": text}) for text in TEXTS),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_a_file_and_standard_input_hold_documents_in_several_forms(project: Path, content: str) -> None:
    written(project, {"documents.txt": content})
    expected = rerank(*TEXTS, "--json").json["results"]
    assert rerank("--documents-file", "documents.txt", "--json").json["results"] == expected
    assert rerank("--json", stdin=content.encode()).json["results"] == expected
    assert rerank("--documents-file", "-", "--json", stdin=content.encode()).json["results"] == expected


def test_a_dash_alone_is_standard_input_as_it_is_for_a_question() -> None:
    expected = rerank(*TEXTS, "--json").json["results"]
    assert rerank("-", "--json", stdin="\n".join(TEXTS).encode()).json["results"] == expected


def test_how_much_was_read_of_a_long_document_stands_beside_it() -> None:
    answer = vai("rerank", "--query", QUERY, "words and words " * 12_000, TEXTS[1])
    heads = [line for line in answer.stdout.splitlines() if line.startswith(("1. ", "2. "))]
    assert re.fullmatch(r"1\. relevance [\d.]+ · document 2", heads[0])
    assert re.fullmatch(r"2\. relevance [\d.]+ · \d\d% read · document 1", heads[1])


def test_lines_that_only_begin_with_a_bracket_are_text() -> None:
    results = rerank("--json", stdin=b"[1] see below\n{a} and {b}\n").json["results"]
    assert {result["text"] for result in results} == {"[1] see below", "{a} and {b}"}


def test_a_line_separator_inside_a_json_string_ends_no_line() -> None:
    results = rerank("--json", stdin='{"text": "one\u2028two"}\n'.encode()).json["results"]
    assert [result["text"] for result in results] == ["one\u2028two"]


def test_top_k_cuts_after_the_best() -> None:
    results = rerank(*TEXTS, "-k", "2", "--json").json["results"]
    assert [(result["rank"], result["index"]) for result in results] == [(1, 2), (2, 1)]


def test_quiet_prints_the_documents_alone() -> None:
    assert rerank(*TEXTS, "-q").stdout == rerank(*TEXTS).stdout
    assert rerank(*TEXTS, "-q").stderr == ""


def test_the_bundled_model_is_the_default() -> None:
    response = vai("rerank", "--query", QUERY, *TEXTS, "--json").json
    assert response["rerank"]["model"] == "vai-reranker-mini"
    assert response["results"][0]["index"] == 2


def test_settings_hold_as_for_a_query_unless_a_flag_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, voyage: VoyageStub
) -> None:
    documents = ("--query", "red apple", "a pear", "a red apple", "--json")
    monkeypatch.setenv("VAI_RERANK_MODEL", "rerank-2.5")
    monkeypatch.setenv("VAI_RERANK_FALLBACK", "word-overlap")
    monkeypatch.setenv("VAI_MIN_RELEVANCE", "0.9")
    answer = vai("rerank", *documents).json
    assert answer["rerank"]["model"] == "rerank-2.5"
    assert [result["index"] for result in answer["results"]] == [1]
    assert len(vai("rerank", *documents, "--min-relevance", "0").json["results"]) == 2
    voyage.then(*[status(503)] * 4)
    assert vai("rerank", *documents).json["rerank"]["instead_of"] == "rerank-2.5"
    monkeypatch.setenv("VAI_STRICT", "true")
    voyage.then(*[status(503)] * 4)
    assert vai("rerank", *documents).exit_code == 3


def test_half_a_character_in_a_document_is_replaced() -> None:
    assert (
        vai("rerank", "--query", QUERY, "half \udcff", "--json").json["results"][0]["text"] == "half \ufffd"
    )
    assert rerank("--json", stdin=b'["half \\ud83d"]').json["results"][0]["text"] == "half \ufffd"


def test_a_remote_model_gives_the_order(voyage: VoyageStub) -> None:
    results = vai("rerank", "--query", "yellow bananas", "-m", "rerank-2.5", *TEXTS, "--json").json["results"]
    assert [result["index"] for result in results] == [0, 1, 2]
    assert results[0]["relevance"] == 1.0


def test_a_remote_model_that_fails_leaves_the_order_given(
    voyage: VoyageStub, snapshot: SnapshotAssertion
) -> None:
    voyage.then(*[status(503)] * 4)
    assert vai("rerank", "--query", QUERY, "-m", "rerank-2.5", *TEXTS[:1]).masked() == snapshot
    voyage.then(*[status(503)] * 4)
    assert vai("rerank", "--query", QUERY, "-m", "rerank-2.5", *TEXTS, "--strict").exit_code == 3


MISTAKES: dict[str, tuple[list[str], bytes, str]] = {
    "no query": (["text"], b"", "missing option '--query'"),
    "an empty query": (["--query", " ", "text"], b"", "the query is empty"),
    "no documents": (["--query", "q"], b"", "there are no documents to rerank"),
    "documents from two places": (
        ["--query", "q", "text", "--documents-file", "-"],
        b"",
        "DOCUMENT and --documents-file contradict each other",
    ),
    "a missing file": (
        ["--query", "q", "--documents-file", "nope.txt"],
        b"",
        "there is no file at `nope.txt`",
    ),
    "a folder": (["--query", "q", "--documents-file", "docs"], b"", "`docs` cannot be read: is a directory"),
    "bytes that are no text": (
        ["--query", "q"],
        b"ok\n\xff",
        "standard input is not UTF-8 text: invalid start byte at byte 3",
    ),
    "a broken array": (
        ["--query", "q"],
        b'["one",\n "two"',
        "standard input begins like a JSON array and is none: expecting ',' delimiter at character 7 of line 2",
    ),
    "a broken line": (
        ["--query", "q"],
        b'{"text": "one"}\n{"text": }\n',
        "line 2 of standard input is not JSON: expecting value at character 10",
    ),
    "a record without text": (
        ["--query", "q"],
        b'{"text": "a"}\n{"t": 1}',
        "line 2 of standard input holds no text",
    ),
    "an item without text": (["--query", "q"], b'["one", 2]', "item 2 of standard input holds no text"),
    "arrays nested too deep": (
        ["--query", "q"],
        b"[" * 100_000,
        "standard input begins like a JSON array and is none: maximum recursion depth exceeded",
    ),
    "none to return": (["--query", "q", "text", "-k", "0"], b"", "--top-k must be at least 1: 0"),
    "not a number": (["--query", "q", "text", "-k", "x"], b"", "--top-k must be a whole number: x"),
}


@pytest.mark.parametrize(("arguments", "stdin", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_and_ends_with_2(
    project: Path, arguments: list[str], stdin: bytes, message: str
) -> None:
    answer = vai("rerank", *arguments, stdin=stdin)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.splitlines()[0].startswith(f"error: {message}")


@pytest.mark.parametrize("name", ["voyage-4", "hashing", "openai:http://127.0.0.1:9/v1"])
def test_an_embedder_is_no_reranker_in_an_estimate_either(name: str) -> None:
    answer = vai("rerank", "--query", QUERY, "-m", name, "text", "--estimate")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert f"{name}`" in answer.stderr


def test_where_nothing_was_read_nothing_is_said_of_its_relevance(voyage: VoyageStub) -> None:
    voyage.then(*[status(503)] * 4)
    answer = vai("rerank", "--query", QUERY, "-m", "rerank-2.5", *TEXTS, "--min-relevance", "0.1")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.splitlines()[0] == "nothing is known to be relevant: none of 3 candidates was read"


def test_a_model_that_is_no_reranker_is_unknown() -> None:
    answer = vai("rerank", "--query", QUERY, "-m", "word-overlp", "text")
    assert answer.exit_code == 3
    assert "did you mean `word-overlap`?" in answer.stderr


def test_without_a_key_the_exact_command_that_works_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = vai("rerank", "--query", "it's here", "-m", "rerank-2.5", "--", "-a text", "another")
    assert answer.exit_code == 3
    assert (
        """this works: `vai rerank --query 'it'"'"'s here' -m vai-reranker-mini -- '-a text' another`"""
        in answer.stderr
    )
