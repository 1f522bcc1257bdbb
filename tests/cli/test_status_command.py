"""`vai status`: what the store holds and how far the files have moved on."""

from __future__ import annotations

from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from command_line import vai, written


def test_each_collection_is_listed_with_its_size_its_model_and_its_freshness(
    project: Path, store: Path, snapshot: SnapshotAssertion
) -> None:
    written(project / "other", {"pears.txt": "Pears are green.", "plums.txt": "Plums are blue."})
    vai("ingest", "other", "--collection", "fruit", "--embedder", "hashing")
    written(project / "other", {"pears.txt": "Pears are yellow."})
    (project / "other" / "plums.txt").unlink()
    assert vai("status").masked(project=project) == snapshot


def test_json_counts_what_changed_and_what_is_gone(project: Path, store: Path) -> None:
    written(project / "docs", {"lookup.txt": "Something else."})
    (project / "docs" / "scaling.md").unlink()
    (collection,) = vai("status", "--json").json["collections"]
    assert (collection["sources"], collection["changed"], collection["gone"]) == (6, 1, 1)
    assert (collection["embedder"], collection["dimension"]) == ("hashing", 64)


def test_a_store_without_collections_says_how_to_make_one(project: Path) -> None:
    written(project / ".vai", {"store.json": '{"schema": "vai.store/1"}'})
    answer = vai("status")
    assert answer.exit_code == 0
    assert "no collections yet: `vai ingest PATH` makes one" in answer.stdout


def test_without_a_store_there_is_nothing_to_show(project: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("status").masked(project=project) == snapshot
