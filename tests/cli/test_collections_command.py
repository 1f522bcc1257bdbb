"""`vai collections`: what there is, removing one, and one that cannot be read among others."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from command_line import complaint, vai, written


@pytest.fixture
def fruit(project: Path, store: Path) -> Path:
    """A second collection, `fruit`; its folder."""
    written(project / "other", {"pears.txt": "Pears are green.", "plums.txt": "Plums are blue."})
    assert vai("ingest", "other", "--collection", "fruit", "--embedder", "hashing").exit_code == 0
    return store / "collections" / "fruit"


def names() -> list[str]:
    return [row["name"] for row in vai("collections", "--json").json["collections"]]


def test_each_collection_is_a_row(project: Path, fruit: Path) -> None:
    answer = vai("collections")
    assert (answer.exit_code, answer.stderr) == (0, "")
    place, blank, header, *rows = answer.stdout.splitlines()
    assert (place, blank) == (f"store {project / '.vai'}", "")
    assert header.split("  ")[0] == "collection"
    assert [row.split()[:4] for row in rows] == [
        ["default", "6", "6", "hashing"],
        ["fruit", "2", "2", "hashing"],
    ]


def test_the_json_is_that_of_the_schema(project: Path, fruit: Path) -> None:
    value = vai("collections", "--json").json
    rows = value.pop("collections")
    assert value == {
        "schema": "vai.collections/1",
        "store": str(project / ".vai"),
        "damaged": [],
        "dropped": None,
    }
    assert [row["name"] for row in rows] == ["default", "fruit"]
    assert list(rows[0]) == [
        *("name", "sources", "documents", "chunks", "bytes", "updated", "embedder", "revision", "dimension"),
        "chunk_tokens",
    ]


def test_files_are_not_looked_at(project: Path, fruit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.query.is_stale", lambda *_: pytest.fail("a file was looked at"))
    assert vai("collections").exit_code == 0


def test_one_is_removed_and_the_files_stay(project: Path, fruit: Path) -> None:
    answer = vai("collections", "--drop", "fruit", "--yes", "--json")
    assert answer.json["dropped"] == "fruit"
    assert names() == ["default"]
    assert not fruit.exists()
    assert (project / "other" / "pears.txt").exists()


def test_that_one_was_removed_is_said(fruit: Path) -> None:
    answer = vai("collections", "--drop", "fruit", "--yes")
    assert (answer.stderr, "fruit" in answer.stdout) == ("`fruit` was removed\n", False)


def test_what_is_not_there_is_said_before_anybody_is_asked(fruit: Path) -> None:
    assert "there is no collection `nuts`" in complaint(vai("collections", "--drop", "nuts"), 3)


def test_where_nobody_can_be_asked_a_yes_is_needed(fruit: Path) -> None:
    assert "no terminal to ask on" in complaint(vai("collections", "--drop", "fruit"), 2)
    assert names() == ["default", "fruit"]


@pytest.mark.parametrize(("answer", "exit_code"), [("y", 0), ("n", 1)], ids=["yes", "no"])
def test_on_a_terminal_it_asks(fruit: Path, answer: str, exit_code: int) -> None:
    with (
        mock.patch("vai.cli.collections.require_somebody_to_ask"),
        mock.patch("click.termui.visible_prompt_func", return_value=answer) as prompt,
    ):
        said = vai("collections", "--drop", "fruit")
    assert said.exit_code == exit_code
    assert "remove `fruit` with 2 documents (2 chunks)?" in f"{prompt.call_args}{said.stderr}"
    assert names() == (["default"] if exit_code == 0 else ["default", "fruit"])


def test_one_that_is_not_there_cannot_be_removed(fruit: Path) -> None:
    assert "there is no collection `nuts`" in complaint(vai("collections", "--drop", "nuts", "--yes"), 3)


@pytest.mark.parametrize("command", ["collections", "status"])
def test_one_that_cannot_be_read_hides_no_other(store: Path, fruit: Path, command: str) -> None:
    (fruit / "collection.db").write_bytes(b"garbage" * 1000)
    said = vai(command)
    assert said.exit_code == 3
    assert "\ndefault  " in said.stdout
    assert "fruit" not in said.stdout
    fault, hint = said.stderr.splitlines()
    assert fault.startswith("error: the collection `fruit` cannot be read: ")
    assert hint.startswith("hint: ")
    as_json = vai(command, "--json")
    assert as_json.exit_code == 3
    assert [row["name"] for row in as_json.json["collections"]] == ["default"]
    (damaged,) = as_json.json["damaged"]
    assert (damaged["name"], set(damaged)) == ("fruit", {"name", "fault", "hint"})


def test_one_that_cannot_be_read_can_be_removed(store: Path, fruit: Path) -> None:
    (fruit / "collection.db").write_bytes(b"garbage" * 1000)
    assert vai("collections", "--drop", "fruit", "--yes").exit_code == 0
    assert names() == ["default"]


def test_a_store_without_collections_says_how_to_make_one(project: Path) -> None:
    written(project / ".vai", {"store.json": '{"schema": "vai.store/1"}'})
    answer = vai("collections")
    assert answer.exit_code == 0
    assert "no collections yet: `vai ingest PATH` makes one" in answer.stdout


def test_without_a_store_there_is_nothing_to_list(project: Path) -> None:
    assert "there is no store" in complaint(vai("collections"), 3)
