"""`vai index`, as users meet it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, vai
from vai.engines import indexing

RECORDS = "\n".join(
    json.dumps({"_id": str(number), "text": f"text number {number}"}) for number in range(120)
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection of 120 chunks in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "records.jsonl").write_text(RECORDS, encoding="utf-8")
    assert vai("ingest", "records.jsonl", "--embedder", "hashing", "-q").exit_code == 0
    return tmp_path / ".vai"


def index_file(store: Path) -> Path:
    (found,) = (store / "collections" / "default").glob("index-*")
    return found


def test_it_says_what_it_takes_and_builds(store: Path, snapshot: SnapshotAssertion) -> None:
    said = vai("index").masked()
    assert re.sub(r"\d+\.\d KB, built", "[size], built", said) == snapshot
    assert index_file(store).name == "index-0001-0001.ann"


def test_an_estimate_builds_nothing(store: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("index", "--estimate", "--precision", "float32").masked() == snapshot
    assert not list((store / "collections" / "default").glob("index-*"))


def test_a_check_shows_what_each_depth_finds(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.engines.nearest.DEPTH_COST", 1)
    assert vai("index").exit_code == 0
    checked = vai("index", "--check", "--sample", "10")
    assert checked.exit_code == 0
    assert "ANN recall@20" in checked.stdout
    assert "finds 99% of the best 100" in checked.stdout
    as_json = vai("index", "--check", "--json").json
    assert as_json["schema"] == "vai.index/1"
    assert as_json["check"]["depths"][0]["recall_at_20"] >= 0.9


def test_a_check_of_a_collection_that_needs_none_is_fine(store: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("index", "--check").masked() == snapshot


def test_a_check_of_a_missing_one_fails(
    store: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setattr(indexing, "EXACT_BELOW", 100)
    assert vai("index", "--check").masked() == snapshot(name="missing")
    assert vai("index", "-q").exit_code == 0
    index_file(store).write_bytes(b"damaged")
    assert vai("index", "--check").masked() == snapshot(name="damaged")


def test_a_query_over_a_damaged_one_warns(store: Path) -> None:
    assert vai("index", "-q").exit_code == 0
    index_file(store).unlink()
    answer = vai("query", "number 7", "--no-rerank")
    assert answer.exit_code == 0
    assert "index-0001-0001.ann" in answer.stderr
    assert "`vai index` builds a new one" in answer.stderr


def test_json_says_what_was_built_and_what_was_expected(store: Path) -> None:
    built = vai("index", "--precision", "float32", "--json").json
    assert (built["state"], built["precision"], built["covered"], built["unindexed"]) == (
        "fresh",
        "float32",
        120,
        0,
    )
    assert built["bytes"] == index_file(store).stat().st_size
    assert built["cost"]["chunks"] == 120
    assert built["check"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--precision", "int4"), "--precision must be one of float32, int8, binary: int4"),
        (("--check", "--estimate"), "--check and --estimate contradict each other"),
        (("--check", "--precision", "int8"), "--check and --precision contradict each other"),
        (("--sample", "5"), "--sample 5 is of --check"),
        (("--check", "--sample", "0"), "--sample must be at least 1: 0"),
    ],
)
def test_what_cannot_be_done_is_refused(store: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in complaint(vai("index", *arguments), 2)


def test_a_collection_that_is_not_there_is_named(store: Path) -> None:
    assert "`nothing`" in complaint(vai("index", "--collection", "nothing"), 3)
