"""Deleting: which documents go, what stays, and what the next ingest brings back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_samples import EAST, NORTH, document, put, state
from engine_samples import PROVENANCE as MADE_BY
from ready_made_samples import directions, records, write_lines, write_vectors
from vai.collection import Collection
from vai.errors import CollectionNotFound, InvalidSettings
from vai.filter_syntax import parse_filters
from vai.ingest.removing import remove
from vai.models.fakes import HashingEmbedder
from vai.protocols import Engine
from vai.settings import Settings
from vai.types import DeleteReport, Json

SOURCES: dict[str, dict[str, dict[str, Json]]] = {
    "docs/a.md": {"docs/a.md": {"kind": "guide"}},
    "docs/deep/b.md": {"docs/deep/b.md": {"kind": "guide"}},
    "docs.md": {"docs.md": {"kind": "index"}},
    "records.jsonl": {"r1": {"kind": "record"}, "r2": {"kind": "record", "old": True}},
    "/elsewhere/c.md": {"/elsewhere/c.md": {}},
}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Six documents of five sources, each of two chunks."""
    engine.create("default", MADE_BY)
    with engine.writing("default") as writer:
        for source, documents in SOURCES.items():
            for document_id, metadata in documents.items():
                put(writer, document(document_id, source, metadata=metadata), [EAST, NORTH])
            writer.finish_source(state(source))
        writer.commit()
    return engine


def removed(engine: Engine, **what: Any) -> DeleteReport:
    if "filter" in what:
        what["filter"] = parse_filters([what["filter"]])
    return remove(engine=engine, collection="default", root=Path("/nowhere"), **what)


def left(engine: Engine) -> set[str]:
    return set(engine.documents("default"))


def test_what_is_no_text_names_nothing(filled: Engine) -> None:
    """As an argument that is not UTF-8."""
    assert removed(filled, ids=["r1", "r\udcff"]).unknown == ("r\udcff",)
    assert removed(filled, paths=[Path("/nowhere/docs/\udcff.md")]).unknown == ("docs/\udcff.md",)
    assert left(filled) == ALL - {"r1"}


ALL = {"docs/a.md", "docs/deep/b.md", "docs.md", "r1", "r2", "/elsewhere/c.md"}
PATHS = {
    "a file": ("docs/a.md", {"docs/a.md"}),
    "a folder": ("docs", {"docs/a.md", "docs/deep/b.md"}),
    "a folder with a slash": ("docs/", {"docs/a.md", "docs/deep/b.md"}),
    "a file whose name begins like a folder's": ("docs.md", {"docs.md"}),
    "the beginning of a name": ("doc", set()),
    "a file of records": ("records.jsonl", {"r1", "r2"}),
    "a file elsewhere": ("/elsewhere/c.md", {"/elsewhere/c.md"}),
    "all below the store's folder": (".", ALL - {"/elsewhere/c.md"}),
}


@pytest.mark.parametrize("case", PATHS)
def test_a_path_means_a_file_or_all_below_a_folder(filled: Engine, case: str) -> None:
    path, expected = PATHS[case]
    report = removed(filled, paths=[Path("/nowhere") / path])
    assert ALL - left(filled) == expected
    assert (report.documents, report.chunks) == (len(expected), 2 * len(expected))
    assert report.unknown == (() if expected else (path,))


def test_documents_go_by_id_with_their_chunks(filled: Engine) -> None:
    report = removed(filled, ids=["r1", "docs.md", "r1", "nobody"])
    assert left(filled) == ALL - {"r1", "docs.md"}
    assert (report.documents, report.chunks, report.unknown) == (2, 4, ("nobody",))
    assert report.sources == ("docs.md", "records.jsonl")
    assert filled.chunks("default", ["r1#0", "docs.md#1"]) == {}
    assert filled.check("default") == []


def test_documents_go_by_what_they_have_in_common(filled: Engine) -> None:
    assert removed(filled, filter="old=true").documents == 1
    assert removed(filled, filter="path~docs/*").documents == 2
    assert left(filled) == {"docs.md", "r1", "/elsewhere/c.md"}


def test_a_field_that_no_document_has_is_warned_of(filled: Engine) -> None:
    report = removed(filled, filter="kinds=guide")
    assert report.documents == 0
    assert report.warnings == ("no document has a metadata field `kinds`; did you mean `kind`?",)


def test_a_dry_run_counts_and_changes_nothing(filled: Engine) -> None:
    before = filled.describe("default").chunks
    report = removed(filled, ids=["r1", "nobody"], dry_run=True)
    assert (report.documents, report.chunks, report.sources) == (1, None, ("records.jsonl",))
    assert (report.dry_run, report.unknown) == (True, ("nobody",))
    assert (left(filled), filled.describe("default").chunks) == (ALL, before)


def test_sources_without_documents_are_forgotten_and_others_are_to_be_read_again(filled: Engine) -> None:
    before = {found.name: found for found in filled.source_states("default")}
    removed(filled, ids=["r1", "docs.md"])
    removed(filled, ids=["nobody"])
    after = {found.name: found for found in filled.source_states("default")}
    assert set(before) - set(after) == {"docs.md"}
    assert after["records.jsonl"].recipe != before["records.jsonl"].recipe
    assert after["docs/a.md"] == before["docs/a.md"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({}, "nothing was said of what to delete"),
        ({"ids": ["r1"], "filter": "kind=guide"}, "--id and --filter together could mean"),
        ({"ids": ["r1"], "paths": [Path("docs")]}, "--id and PATH together could mean"),
        ({"filter": "heading=Intro"}, "one of passages: heading"),
    ],
    ids=["nothing", "id and filter", "id and path", "heading"],
)
def test_one_way_at_a_time_and_whole_documents(filled: Engine, what: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        removed(filled, **what)
    assert left(filled) == ALL


def test_there_has_to_be_a_collection(engine: Engine) -> None:
    with pytest.raises(CollectionNotFound):
        removed(engine, ids=["r1"])


# ── and the files ──


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\napples")
    (tmp_path / "docs" / "b.md").write_text("# B\n\nbananas")
    write_lines(tmp_path / "docs" / "r.jsonl", records(3))
    with Collection.open(tmp_path / ".vai", embedder=HashingEmbedder(8), settings=Settings()) as opened:
        opened.ingest(tmp_path / "docs")
        yield opened


def found(collection: Collection) -> set[str]:
    return {hit.document_id for hit in collection.query("text", top_k=20, rerank=False).hits}


def test_what_is_still_there_comes_back_with_the_next_ingest(collection: Collection, tmp_path: Path) -> None:
    everything = found(collection)
    (tmp_path / "docs" / "b.md").unlink()
    assert collection.delete(paths=[tmp_path / "docs" / "a.md"]).returning == ("docs/a.md",)
    assert collection.delete(paths=[tmp_path / "docs" / "b.md"]).returning == ()
    report = collection.delete(ids=["r1"])
    assert (report.returning, found(collection)) == (("docs/r.jsonl",), {"r0", "r2"})
    again = collection.ingest(tmp_path / "docs")
    assert (again.added, again.changed, again.unchanged, again.removed) == (2, 0, 2, 0)
    assert found(collection) == everything - {"docs/b.md"}
    assert collection.ingest(tmp_path / "docs").unchanged == 4


def test_what_an_ignore_file_names_stays_away(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "docs" / ".vaiignore").write_text("a.md\n")
    collection.delete(filter={"path": "docs/a.md"})
    assert collection.ingest(tmp_path / "docs").added == 0
    assert "docs/a.md" not in found(collection)


def test_deleted_records_come_back_with_the_next_import_of_their_vectors(
    collection: Collection, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "x.jsonl", records(3, first=10))
    beside = write_vectors(tmp_path / "x.npy", directions(3))
    collection.ingest(file, vectors=beside)
    collection.delete(ids=["r11"])
    assert collection.ingest(tmp_path).added == 0, "a folder leaves what was imported alone"
    report = collection.ingest(file, vectors=beside)
    assert (report.added, report.unchanged) == (1, 2)
    assert collection.ingest(file, vectors=beside).unchanged == 3


def test_the_report_as_json_names_everything(collection: Collection) -> None:
    value = json.loads(json.dumps(collection.delete(ids=["r1", "x"], dry_run=True).to_dict()))
    assert list(value) == [
        *("schema", "collection", "dry_run", "documents", "chunks", "sources", "returning", "unknown"),
        *("seconds", "warnings"),
    ]
    assert (value["schema"], value["chunks"], value["unknown"]) == ("vai.delete/1", None, ["x"])
