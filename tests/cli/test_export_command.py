"""`vai export`: into files and pipes, and back with `vai ingest`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, vai


def test_it_says_what_it_wrote(project: Path, store: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("export", "all.jsonl", "--vectors", "all.npy").masked() == snapshot(name="two files")
    assert vai("export", "all.jsonl").masked() == snapshot(name="it is there already")
    assert vai("export", "all.jsonl", "--force").exit_code == 0
    assert len((project / "all.jsonl").read_text().splitlines()) == 6


def test_a_dash_writes_lines_to_standard_output_and_nothing_else(store: Path) -> None:
    said = vai("export", "-", "--filter", "path=docs/lookup.txt")
    (line,) = map(json.loads, said.stdout.splitlines())
    assert (line["_id"], len(line["vector"])) == ("docs/lookup.txt#0", 64)
    assert said.stderr.startswith("1 chunk of `default` into standard output in ")
    assert vai("export", "-", "-q").stderr == ""


def test_the_json_is_that_of_the_schema(store: Path, project: Path) -> None:
    value = vai("export", "all.parquet", "--json").json
    assert value.pop("seconds") > 0
    assert value == {
        "schema": "vai.export/1",
        "collection": "default",
        "path": "all.parquet",
        "vectors": None,
        "chunks": 6,
        "bytes": (project / "all.parquet").stat().st_size,
        "warnings": [],
    }


def test_nothing_to_export_ends_with_1(store: Path, project: Path) -> None:
    said = vai("export", "none.jsonl", "--filter", "path=nowhere")
    assert (said.exit_code, (project / "none.jsonl").read_text()) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["x.csv"], 2, "the name of an export says its format, and this one does not: x.csv"),
        (["-", "--json"], 2, "--json and `-` both want standard output"),
        (["x.jsonl", "--vectors", "x.npy", "--no-vectors"], 2, "contradict each other"),
        (["x.jsonl", "--filter", "{"], 2, ""),
        (["x.jsonl", "--collection", "other"], 3, "there is no collection `other`"),
    ],
    ids=["format", "two outputs", "vectors", "filter", "collection"],
)
def test_wrong_use_is_a_sentence(
    project: Path, store: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    assert message in complaint(vai("export", *arguments), exit_code)
    assert not list(project.glob("x.*"))


@pytest.mark.parametrize(
    ("out", "back"),
    [
        (["x.jsonl"], ["x.jsonl", "--vector-field", "vector"]),
        (["x.jsonl", "--vectors", "x.npy"], ["x.jsonl", "--vectors", "x.npy"]),
        (["x.parquet"], ["x.parquet"]),
    ],
    ids=["lines", "lines and an array", "a table"],
)
def test_another_collection_answers_the_same(store: Path, out: list[str], back: list[str]) -> None:
    assert vai("export", *out).exit_code == 0
    assert vai("ingest", *back, "--embedder", "hashing", "--collection", "copy").exit_code == 0
    for query in ("replica set", "an index", "servers"):
        asked = ("query", query, "-k", "6", "--rerank-model", "word-overlap", "--json")
        here, there = vai(*asked).json["hits"], vai(*asked, "--collection", "copy").json["hits"]
        for name in ("id", "title", "heading", "text", "similarity", "relevance", "score", "words_score"):
            assert [hit[name] for hit in there] == [hit[name] for hit in here]
