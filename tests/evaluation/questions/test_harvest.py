"""Questions that a document holds itself, each with the chunks that answer it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from question_samples import FILLER, chunk
from vai.evaluation.questions.harvest import (
    Candidate,
    by_document,
    candidates,
    is_worth_asking_about,
    own_text,
    shared_with,
)
from vai.types import Chunk, Json


def queries(*chunks: Chunk) -> dict[str, tuple[str, ...]]:
    """What can be asked, with what answers it."""
    return {found.query: found.relevant for found in candidates(chunks)}


# ── headings ──


def test_all_chunks_below_a_heading_answer_it() -> None:
    """Also those below the headings below it."""
    chunks = [
        chunk(ordinal=0, heading=("The replication of data",)),
        chunk(ordinal=1, heading=("The replication of data", "How primary servers are elected")),
        chunk(ordinal=2, heading=("The replication of data", "How primary servers are elected")),
        chunk(ordinal=3, heading=("Sharding of large collections",)),
    ]
    assert queries(*chunks) == {
        "The replication of data": ("guide.md#0", "guide.md#1", "guide.md#2"),
        "How primary servers are elected": ("guide.md#1", "guide.md#2"),
        "Sharding of large collections": ("guide.md#3",),
    }


def test_the_title_is_a_heading_above_all_chunks() -> None:
    chunks = [chunk(title="Notes about the failover of servers", ordinal=number) for number in range(2)]
    assert queries(*chunks) == {"Notes about the failover of servers": ("guide.md#0", "guide.md#1")}


def test_a_title_that_is_the_first_heading_counts_once_and_the_name_of_the_file_does_not() -> None:
    same = chunk(title="The failover of servers", heading=("The failover of servers",))
    assert list(queries(same)) == ["The failover of servers"]
    named = chunk(title="failover of all servers.txt", document="x/failover of all servers.txt")
    assert queries(named) == {}


def test_a_heading_over_next_to_nothing_asks_for_nothing() -> None:
    assert queries(chunk("See the manual.", heading=("The failover of servers",))) == {}


def test_headings_of_source_code_are_left_out() -> None:
    code = chunk(document="src/failover.py", heading=("Elect the next primary server",))
    assert queries(code) == {}
    assert list(queries(chunk(document="failover.md", heading=("Elect the next primary server",))))


# ── questions in the text ──

ANSWER = "One of the others takes over after a few seconds without a word from it."


def asked_in(text: str) -> list[str]:
    return [found.query for found in candidates([chunk(text)]) if found.made_from == "question"]


@pytest.mark.parametrize(
    "text",
    [
        f"What happens when a primary fails? {ANSWER}",
        f"What happens when a primary fails?\n\n{ANSWER}",
        f"**What happens when a primary fails?**\n{ANSWER}",
        f"Q: What happens when a primary fails?\nA: {ANSWER}",
        f"1. What happens when a primary fails?\n   {ANSWER}",
        f"- *What happens when a primary fails?* {ANSWER}",
        f"{FILLER}\n\nWhat happens when\na primary fails? {ANSWER}",
    ],
)
def test_a_question_that_begins_a_paragraph_is_answered_by_its_chunk(text: str) -> None:
    assert queries(chunk(text)) == {"What happens when a primary fails?": ("guide.md#0",)}


@pytest.mark.parametrize(
    "text",
    [
        f"{FILLER} What happens when a primary fails? {ANSWER}",
        f"{ANSWER}\n\nWhat happens when a primary fails?",
        f"What happens when a primary fails? Who takes over then? {ANSWER}",
        "- What happens when a primary fails?\n- Who of the others takes over then?\n- How long does that take?",
        f"Why so? {ANSWER}",
        f"What does it do then? {ANSWER}",
        f"    What happens when a primary fails? {ANSWER}",
        f"```\nWhat happens when a primary fails? {ANSWER}\n```",
        f"| What happens when a primary fails? | {ANSWER} |",
        f"# What happens when a primary fails? {ANSWER}",
        f"What does `rs.status()` say when a primary fails? {ANSWER}",
    ],
    ids=[
        "in the middle",
        "at the end",
        "two",
        "a list",
        "short",
        "deictic",
        "indented",
        "code",
        "table",
        "comment",
        "call",
    ],
)
def test_other_questions_in_a_text_are_left_out(text: str) -> None:
    assert asked_in(text) == []


def test_a_question_that_is_the_heading_too_counts_once() -> None:
    found = list(
        candidates(
            [
                chunk(
                    f"What happens when a primary fails?\n\n{FILLER}",
                    heading=("What happens when a primary fails?",),
                )
            ]
        )
    )
    assert [(one.query, one.made_from) for one in found] == [
        ("What happens when a primary fails?", "heading")
    ]


def test_the_question_that_a_record_comes_with_is_answered_by_all_of_it() -> None:
    asked = {"question": "What happens when\na primary fails?", "tags": ["x"]}
    record = [replace(chunk(ANSWER, document="r1", ordinal=number), metadata=asked) for number in range(2)]
    (found,) = candidates(record)
    assert (found.query, found.made_from) == ("What happens when a primary fails?", "question")
    assert (found.relevant, found.of_whole) == (("r1#0", "r1#1"), True)


@pytest.mark.parametrize(
    "value", [None, 7, "", "Why?", ["What happens when a primary fails?"], "word " * 100]
)
def test_a_field_that_holds_no_question_gives_none(value: Json) -> None:
    assert queries(replace(chunk(ANSWER), metadata={"question": value})) == {}


def test_what_all_of_a_document_answers_is_told_from_what_a_section_does() -> None:
    chunks = [
        chunk(ordinal=0, heading=("The replication of data",)),
        chunk(ordinal=1, heading=("The replication of data", "How primary servers are elected")),
    ]
    assert [found.of_whole for found in candidates(chunks)] == [True, False]


# ── what a question shares with its answer ──


def test_words_of_a_heading_count_as_shared_only_where_the_text_says_them_too() -> None:
    heading = ("Elect the next primary",)
    silent = chunk(f"## Elect the next primary\n\n{'Something else is told here. ' * 5}", heading=heading)
    telling = chunk(f"## Elect the next primary\n\nThe next primaries are elected. {FILLER}", heading=heading)
    assert shared_with("Elect the next primary", [silent]) == 0.0
    assert shared_with("Elect the next primary", [telling]) == 1.0
    assert shared_with("Elect the next primary", [silent, telling]) == 1.0
    assert shared_with("Elect the next primary", []) == 0.0


def test_the_own_text_of_a_chunk_is_what_no_heading_says() -> None:
    of = chunk(
        "Elect the *next* primary\n========\nBy votes.", title="Guide", heading=("Elect the next primary",)
    )
    assert own_text(of) == "========\nBy votes."


# ── documents, and passages for a language model ──


def test_chunks_are_put_together_by_document() -> None:
    chunks = [chunk(document=name, ordinal=number) for name in "ab" for number in range(2)]
    assert list(by_document(chunks)) == [chunks[:2], chunks[2:]]
    assert list(by_document([])) == []


def test_a_passage_is_worth_asking_about_if_it_is_long_enough_and_prose() -> None:
    assert is_worth_asking_about(chunk(FILLER * 2))
    assert not is_worth_asking_about(chunk(FILLER, tokens=20))
    assert not is_worth_asking_about(chunk("0x1f, 0x2e, 0x3d " * 40))


def test_a_candidate_says_where_it_comes_from() -> None:
    (found,) = candidates(
        [chunk(document="a#b", source="x/y.jsonl", title="Notes about the failover of servers")]
    )
    assert found == Candidate(
        "Notes about the failover of servers", "heading", "a#b", ("a#b#0",), "x/y.jsonl", of_whole=True
    )
