"""`vai ingest`: the summary, what is skipped, what is left out, and what it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, ingest, vai, written
from vai import Collection


def sources(query: str = "anything", *flags: str) -> set[str]:
    """The sources that the collection holds, as far as 100 hits show them."""
    hits = vai("query", query, "-k", "100", "--no-rerank", "--json", *flags).json["hits"]
    return {hit["source"] for hit in hits}


def test_a_summary_counts_what_became_of_the_documents(project: Path, snapshot: SnapshotAssertion) -> None:
    assert ingest("docs").masked() == snapshot(name="new")
    assert ingest("docs").masked() == snapshot(name="again")
    written(project / "docs", {"lookup.txt": "Changed.", "more.txt": "More."})
    (project / "docs" / "sharding.md").unlink()
    assert ingest("docs").masked() == snapshot(name="some changes")


def test_a_single_thing_is_not_many(project: Path) -> None:
    report = ingest("docs/lookup.txt").stdout
    assert report.startswith("1 file into `default` in ")
    assert "1 document added\n1 chunk embedded, " in report


def test_everything_skipped_is_named_with_the_reason(project: Path, snapshot: SnapshotAssertion) -> None:
    written(
        project / "mixed",
        {
            "good.txt": "Good text.",
            "empty.txt": "",
            "blank.txt": " \n\n",
            "binary.txt": b"\x00\x01\x02",
            "latin.txt": b"caf\xe9",
            "picture.png": b"\x89PNG",
            "large.txt": "word " * 100_000,
            "records.jsonl": '{"text": "a record"}\n{broken\n{"other": 1}\n',
        },
    )
    report = ingest("mixed", "--max-file-mb", "0.4")
    assert report.exit_code == 0
    assert report.masked() == snapshot
    assert sources() == {"mixed/good.txt", "mixed/records.jsonl"}


def test_of_many_skipped_alike_the_first_are_named_and_json_names_all(project: Path) -> None:
    for number in range(30):
        written(project / "many", {f"f{number:02}.txt": b"\xff" * (number + 1), f"g{number:02}.txt": b""})
    report = ingest("many")
    assert report.exit_code == 1
    assert "skipped 60:\n  many/f00.txt: is not UTF-8" in report.stdout
    assert report.stdout.count("  … and 10 more of that kind (`--json` names each)\n") == 2
    assert len(ingest("many", "--json").json["skipped"]) == 60


def test_nothing_to_ingest_ends_with_1(project: Path) -> None:
    (project / "empty").mkdir()
    report = ingest("empty")
    assert report.exit_code == 1
    assert report.stdout.startswith("0 files into `default` in ")
    assert report.stdout.endswith(": no documents\n")


def test_quiet_and_json_still_report(project: Path) -> None:
    quiet = ingest("docs", "-q")
    assert "6 documents added" in quiet.stdout
    assert quiet.stderr == ""
    assert ingest("docs", "--json").json["unchanged"] == 6


def test_ignore_files_are_honoured_and_a_named_file_is_ingested_all_the_same(project: Path) -> None:
    written(project / "docs", {".gitignore": "scaling.md\n", ".vaiignore": "*.txt\n"})
    ingest("docs")
    assert sources() == {f"docs/{name}.md" for name in ("replication", "members", "failover", "sharding")}
    ingest("docs/scaling.md")
    assert "docs/scaling.md" in sources()


def test_keys_and_stores_are_never_ingested(project: Path) -> None:
    written(project / "docs", {".env": "SECRET=1", "id_rsa": "key"})
    ingest(".")
    assert sources() == {f"docs/{path.name}" for path in (project / "docs").glob("*.[mt]*")}
    assert "may hold secrets" in ingest("docs/.env").stdout


def test_records_become_documents_by_their_fields(project: Path) -> None:
    lines = [
        {"key": "a1", "name": "Apples", "body_text": "Apples are red."},
        {"key": "b2", "body_text": "Pears."},
    ]
    written(project, {"fruit.jsonl": "\n".join(map(json.dumps, lines))})
    flags = ("--text-field", "body_text", "--title-field", "name", "--id-field", "key")
    assert ingest("fruit.jsonl", *flags).exit_code == 0
    hit = vai("query", "apples", "-k", "1", "--no-rerank", "--json").json["hits"][0]
    assert (hit["document_id"], hit["title"], hit["start_line"]) == ("a1", "Apples", 1)


def test_a_beir_corpus_works_as_it_is(project: Path) -> None:
    written(
        project, {"corpus.jsonl": '{"_id": "d1", "title": "T", "text": "About apples.", "metadata": {}}\n'}
    )
    ingest("corpus.jsonl")
    hit = vai("query", "apples", "--no-rerank", "--json").json["hits"][0]
    assert (hit["document_id"], hit["title"], hit["metadata"]) == ("d1", "T", {})


def test_chunks_are_as_large_as_was_asked_for(project: Path) -> None:
    written(project / "long", {"text.txt": "\n\n".join(f"Sentence {number} of it." for number in range(100))})
    assert ingest("long", "--chunk-tokens", "20", "--json").json["chunks"] > 20


def test_documents_can_be_left_whole(project: Path) -> None:
    written(project / "long", {"text.md": "\n\n".join(f"# Part {number}\n\nOf it." for number in range(100))})
    assert ingest("long", "--no-chunking", "--json").json["chunks"] == 1
    assert "1, whole documents" in vai("status").stdout
    (listed,) = vai("status", "--json").json["collections"]
    assert listed["chunk_tokens"] == 0
    assert "contradict each other" in complaint(ingest("long", "--no-chunking", "--chunk-tokens", "20"), 2)


def test_a_store_and_a_collection_can_be_named(project: Path) -> None:
    ingest("docs", "--store", "elsewhere", "--collection", "mine")
    assert not (project / ".vai").exists()
    listed = vai("status", "--store", "elsewhere", "--json").json["collections"]
    assert [collection["name"] for collection in listed] == ["mine"]


def test_the_store_lies_in_the_working_directory_unless_one_is_found_above(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest("docs")
    monkeypatch.chdir(project / "docs")
    ingest("lookup.txt")
    assert not (project / "docs" / ".vai").exists()
    assert "docs/lookup.txt" in sources()


def test_warnings_go_to_standard_error_and_into_the_json(project: Path) -> None:
    written(project / "docs", {"wordy.md": f"# {'h ' * 35}\n\n## {'i ' * 35}\n\n{'word ' * 500}\n"})
    report = ingest("docs", "--chunk-tokens", "230", "--json")
    assert len(report.json["warnings"]) == 1
    assert report.stderr == f"warning: {report.json['warnings'][0]}\n"


def test_front_matter_that_is_no_yaml_is_named(project: Path) -> None:
    broken = "---\ntitle: A: B\n---\n\nSome text.\n"
    written(project / "notes", {"a.md": broken, "b.md": broken, "c.md": "---\ntitle: A\n---\n\nMore text.\n"})
    (warning,) = ingest("notes", "--json").json["warnings"]
    assert warning.startswith("front matter that is no YAML was read as text")
    assert warning.endswith(": `notes/a.md` and 1 more")


def test_that_an_index_was_built_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.engines.indexing.EXACT_BELOW", 3)
    assert "the index was brought up to date with 6 chunks\n" in ingest("docs").stderr
    assert ingest("docs").stderr == ""


def test_progress_follows_what_is_stored_also_within_one_long_file(project: Path) -> None:
    written(
        project, {"long.jsonl": "".join(f'{{"text": "text number {number}"}}\n' for number in range(600))}
    )
    seen: list[int] = []
    with Collection.open(embedder="hashing") as collection:
        collection.ingest("long.jsonl", progress=lambda at: seen.append(at.bytes))
    size = (project / "long.jsonl").stat().st_size
    assert seen == sorted(seen)
    assert seen[-1] == size
    assert sum(0 < at < size for at in seen) > 4
