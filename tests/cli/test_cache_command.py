"""`vai cache`: what is kept, what is wrong with it, and forgetting it."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from command_line import complaint, vai
from machine import largest_file
from vai.scores import SCORES_FILE

QUESTION = "how do I configure a replica set"


@pytest.fixture
def asked(store: Path) -> Path:
    """The cache of a store that was asked something, with two rerankers; its file."""
    for model in ("word-overlap", "vai-reranker-mini"):
        assert vai("query", QUESTION, "--rerank-model", model, "-q").exit_code == 0
    return store / SCORES_FILE


def cached(question: str = QUESTION) -> int:
    """How many scores of an answer were known."""
    answer = vai("query", question, "--rerank-model", "word-overlap", "--json")
    known: int = answer.json["stages"]["rerank"]["cached"]
    return known


def scores() -> dict[str, int]:
    """How many scores are kept of each model."""
    return {model["name"]: model["scores"] for model in vai("cache", "--json").json["models"]}


def test_what_was_asked_is_not_read_again(store: Path) -> None:
    assert [cached(), cached(), cached("something else")] == [0, 6, 0]


def test_each_model_is_a_row(asked: Path) -> None:
    answer = vai("cache")
    assert (answer.exit_code, answer.stderr) == (0, "")
    place, blank, header, *rows = answer.stdout.splitlines()
    assert place.startswith(f"cache {asked}, ")
    assert place.endswith(" of at most 256.0 MB")
    assert (blank, header.split()[:4]) == ("", ["model", "revision", "scores", "queries"])
    assert [(row.split()[0], *row.split()[2:4]) for row in rows] == [
        ("vai-reranker-mini", "6", "1"),
        ("word-overlap", "6", "1"),
    ]


def test_the_json_is_that_of_the_schema(asked: Path) -> None:
    value = vai("cache", "--json").json
    models = value.pop("models")
    assert value.pop("bytes") >= asked.stat().st_size
    assert value == {
        "schema": "vai.cache/1",
        "store": str(asked.parent),
        "path": str(asked),
        "most_bytes": 256_000_000,
        "set_aside": None,
        "fault": None,
        "hint": None,
        "enabled": True,
        "cleared": None,
    }
    assert [list(model) for model in models] == [
        ["name", "revision", "scores", "queries", "tokens", "last_used"]
    ] * 2


def test_the_bound_is_that_of_the_settings(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAI_CACHE_MB", "7")
    assert vai("cache", "--json").json["most_bytes"] == 7_000_000
    assert " of at most 7.0 MB" in vai("cache").stdout


def test_it_is_said_that_the_cache_is_switched_off(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAI_CACHE", "false")
    assert "switched off" in vai("cache").stdout
    assert vai("cache", "--json").json["enabled"] is False
    assert cached() == 0


def test_a_store_without_a_cache_says_so(store: Path) -> None:
    answer = vai("cache")
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert "nothing is kept yet" in answer.stdout
    assert vai("cache", "--json").json["models"] == []
    assert not (store / SCORES_FILE).exists()


@pytest.mark.parametrize("command", [("cache",), ("cache", "clear", "--yes")], ids=["show", "clear"])
def test_without_a_store_there_is_no_cache(project: Path, command: tuple[str, ...]) -> None:
    assert "there is no store" in complaint(vai(*command), 3)
    assert not (project / ".vai").exists()


# ── clearing ──


def test_everything_is_forgotten(asked: Path) -> None:
    answer = vai("cache", "clear", "--yes")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "", "12 scores forgotten\n")
    assert (scores(), cached()) == ({}, 0)


def test_what_one_model_has_read_is_forgotten(asked: Path) -> None:
    answer = vai("cache", "clear", "--model", "word-overlap", "--yes", "--json")
    assert (answer.exit_code, answer.stderr, answer.json["cleared"]) == (0, "", 6)
    assert scores() == {"vai-reranker-mini": 6}


def test_a_model_of_which_nothing_is_kept_is_said_before_anybody_is_asked(asked: Path) -> None:
    assert "no scores of `rerank-2.5`" in complaint(vai("cache", "clear", "--model", "rerank-2.5"), 3)
    assert sum(scores().values()) == 12


def test_where_nobody_can_be_asked_a_yes_is_needed(asked: Path) -> None:
    assert "no terminal to ask on" in complaint(vai("cache", "clear"), 2)
    assert sum(scores().values()) == 12


@pytest.mark.parametrize(("answer", "exit_code"), [("y", 0), ("n", 1)], ids=["yes", "no"])
def test_on_a_terminal_it_asks(asked: Path, answer: str, exit_code: int) -> None:
    with (
        mock.patch("vai.cli.cache.require_somebody_to_ask"),
        mock.patch("click.termui.visible_prompt_func", return_value=answer) as prompt,
    ):
        said = vai("cache", "clear", "--model", "word-overlap")
    assert said.exit_code == exit_code
    assert "forget 6 scores of `word-overlap`?" in f"{prompt.call_args}{said.stderr}"
    assert ("word-overlap" in scores()) == bool(exit_code)


def test_where_nothing_is_kept_there_is_nothing_to_ask(store: Path) -> None:
    answer = vai("cache", "clear")
    assert (answer.exit_code, answer.stderr) == (0, "0 scores forgotten\n")
    assert not (store / SCORES_FILE).exists()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_the_store_is_the_one_named(asked: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool) -> None:
    monkeypatch.chdir(asked.parents[2])
    command = ("--store", asked.parent, "clear") if before else ("clear", "--store", asked.parent)
    assert vai("cache", *command, "--yes", "--json").json["cleared"] == 12


# ── a cache that cannot be used ──


def test_a_damaged_cache_is_said_and_does_not_keep_anybody_from_asking(asked: Path) -> None:
    asked.write_bytes(b"garbage" * 1000)
    answer = vai("cache")
    assert (answer.exit_code, "nothing is kept yet" in answer.stdout) == (0, True)
    assert answer.stderr.startswith(f"warning: `{asked}` is damaged")
    question = vai("query", QUESTION, "--rerank-model", "word-overlap", "-q")
    assert (question.exit_code, question.stderr) == (0, "")
    after = vai("cache")
    assert after.stderr.startswith("warning: a damaged cache was set aside")
    assert scores() == {"word-overlap": 6}
    assert vai("cache", "clear", "--yes").exit_code == 0
    assert sorted(path.name for path in asked.parent.glob("scores*")) == [SCORES_FILE]


def test_a_damaged_cache_is_cleared(asked: Path) -> None:
    asked.write_bytes(b"garbage" * 1000)
    assert vai("cache", "clear", "--yes").exit_code == 0
    assert vai("cache", "--json").json["fault"] is None


def test_where_no_room_is_left_a_question_is_answered_as_ever(store: Path) -> None:
    with largest_file(32_768):  # enough for what SQLite needs to read the collection
        answer = vai("query", QUESTION, "--rerank-model", "word-overlap", "-q", "--json", stdin=b"")
    assert (answer.exit_code, len(answer.json["hits"])) == (0, 5)
    assert scores() == {}
