"""`vai delete`: what it says, asks and ends with."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import Outcome, complaint, stored, vai, written


def delete(*arguments: str | Path) -> Outcome:
    return vai("delete", *arguments)


def sources() -> set[str]:
    return {chunk_id.partition("#")[0].removeprefix("docs/") for chunk_id in stored()}


def test_it_says_what_went_and_what_comes_back(
    project: Path, store: Path, snapshot: SnapshotAssertion
) -> None:
    (project / "docs" / "scaling.md").unlink()
    assert delete("--id", "docs/scaling.md", "--yes").masked() == snapshot(name="gone for good")
    assert delete("docs/members.md", "--yes").masked() == snapshot(name="still there")
    assert delete("docs", "--yes").masked() == snapshot(name="a folder")
    assert delete("docs", "--yes").masked() == snapshot(name="nothing is left")


def test_a_dry_run_deletes_nothing_and_asks_nobody(store: Path, snapshot: SnapshotAssertion) -> None:
    before = sources()
    assert delete("--filter", "path~docs/s*", "--dry-run").masked() == snapshot
    assert sources() == before


def test_where_nobody_can_be_asked_a_yes_is_needed(store: Path) -> None:
    before = sources()
    said = complaint(delete("docs/scaling.md"), 2)
    assert "there is no terminal to ask on" in said
    assert "hint: `--yes` confirms it" in said
    assert sources() == before
    assert delete("docs/scaling.md", "-y").exit_code == 0
    assert sources() == before - {"scaling.md"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing was said of what to delete"),
        (["docs", "--id", "a"], "together could mean all of both"),
        (["--filter", "kind"], "has no operator"),
    ],
    ids=["nothing", "two ways", "no filter"],
)
def test_wrong_use_is_told_before_a_yes_is_asked_for(store: Path, arguments: list[str], message: str) -> None:
    assert message in complaint(delete(*arguments), 2)


def test_where_there_is_nothing_to_delete_nobody_is_asked(store: Path) -> None:
    said = delete("nobody")
    assert (said.exit_code, said.stdout) == (1, "nothing to delete in `default`\n")
    assert said.stderr == "nothing is stored of `nobody`; if that is the id of a document: `--id nobody`\n"


@pytest.mark.parametrize(("answer", "exit_code"), [("y", 0), ("n", 1), ("", 1)], ids=["yes", "no", "neither"])
def test_on_a_terminal_it_asks(store: Path, answer: str, exit_code: int) -> None:
    before = sources()
    with (
        mock.patch("vai.cli.delete.require_somebody_to_ask"),
        mock.patch("click.termui.visible_prompt_func", lambda _: answer),
    ):
        said = delete("docs/scaling.md", "--json")
    assert said.exit_code == exit_code
    assert "1 document would be deleted from `default`, of 1 file:\n  docs/scaling.md\n" in said.stderr
    assert ("scaling.md" in sources()) == (exit_code == 1)
    if exit_code == 0:
        assert said.json["documents"] == 1
    else:
        assert (said.stdout, said.stderr.splitlines()[-1]) == ("", "nothing was deleted")
        assert sources() == before


def test_the_json_is_that_of_the_schema(store: Path) -> None:
    value = delete("--id", "docs/scaling.md", "--id", "nobody", "--yes", "--json").json
    assert value.pop("seconds") > 0
    assert value == {
        "schema": "vai.delete/1",
        "collection": "default",
        "dry_run": False,
        "documents": 1,
        "chunks": 1,
        "sources": ["docs/scaling.md"],
        "returning": ["docs/scaling.md"],
        "unknown": ["nobody"],
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing was said of what to delete"),
        (["docs", "--id", "x"], "--id and PATH together could mean"),
        (["--filter", "heading=Failover"], "one of passages: heading"),
        (["--filter", "no operator"], ""),
    ],
    ids=["nothing", "two ways", "headings", "no filter"],
)
def test_wrong_use_is_a_sentence(store: Path, arguments: list[str], message: str) -> None:
    assert message in complaint(delete(*arguments, "--yes"), 2)


def test_a_passage_that_is_named_leads_to_its_document(store: Path) -> None:
    said = delete("--id", "docs/scaling.md#0", "--yes")
    assert said.exit_code == 1
    assert "if that is a passage, delete its whole document: `--id docs/scaling.md`" in said.stderr


def test_there_has_to_be_a_collection(project: Path, store: Path) -> None:
    assert "there is no collection `other`" in complaint(delete("docs", "--yes", "--collection", "other"), 3)


def test_what_is_deleted_comes_back_with_the_next_ingest(project: Path, store: Path) -> None:
    before = stored()
    written(project, {"more.jsonl": '{"_id": "r1", "text": "one"}\n{"_id": "r2", "text": "two"}\n'})
    vai("ingest", "more.jsonl")
    delete("--id", "r1", "--yes")
    delete("docs/lookup.txt", "--yes")
    report = vai("ingest", "docs", "more.jsonl", "--json").json
    assert (report["added"], report["unchanged"]) == (2, 6)
    assert stored() == {**before, "r1#0": "one", "r2#0": "two"}


def test_quiet_leaves_the_remarks_out(store: Path) -> None:
    said = delete("docs/scaling.md", "--yes", "-q")
    assert said.stderr == ""
    assert said.stdout.startswith("1 document (1 chunk) deleted from `default`, of 1 file:\n")
