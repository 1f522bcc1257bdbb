"""`vai ingest` with ready-made vectors: what it says and ends with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, ingest, vai
from ready_made_samples import records, write_lines, write_vectors
from vai.cli.progress import Bars, bars
from vai.models.fakes import HashingEmbedder
from vai.types import IndexProgress, IngestProgress


@pytest.fixture(autouse=True)
def files(project: Path) -> None:
    """`x.jsonl` and `x.npy`, which holds what the embedder `hashing` would make, twice as long."""
    write_lines(project / "x.jsonl", records(3))
    vectors = HashingEmbedder().embed_documents([record["text"] for record in records(3)])
    write_vectors(project / "x.npy", 2 * vectors)


def test_it_says_what_was_imported(snapshot: SnapshotAssertion) -> None:
    assert ingest("x.jsonl", "--vectors", "x.npy").masked() == snapshot(name="new")
    assert ingest("x.jsonl", "--vectors", "x.npy").masked() == snapshot(name="again")


def test_what_was_imported_is_found(project: Path) -> None:
    ingest("x.jsonl", "--vectors", "x.npy")
    (hit,) = vai("query", "the text of record 2", "-k", "1", "--no-rerank", "--json").json["hits"]
    assert (hit["id"], hit["metadata"]) == ("r2#0", {"year": 2002})
    assert hit["similarity"] == pytest.approx(1, abs=1e-6)


def test_the_json_is_that_of_any_ingest() -> None:
    value = ingest("x.jsonl", "--vectors", "x.npy", "--json").json
    assert (value["schema"], value["added"], value["chunks"], value["tokens"]) == ("vai.ingest/1", 3, 3, 0)
    assert value["warnings"] == ["vectors that were not of unit length, and were scaled to it: 3"]


def test_the_embedder_can_be_named_after_the_wrong_one_was_refused(project: Path) -> None:
    said = complaint(vai("ingest", "x.jsonl", "--vectors", "x.npy"), 2)
    assert "holds vectors of 64 numbers, and the embedder `all-MiniLM-L6-v2` makes 384" in said
    assert "`--embedder NAME`" in said
    assert ingest("x.jsonl", "--vectors", "x.npy").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.jsonl", "--vectors", "x.npy", "--vector-field", "v"], "contradict each other"),
        (["x.jsonl", "docs", "--vectors", "x.npy"], "2 paths are named"),
        (["docs", "--vectors", "x.npy"], "`docs` is a folder, and vectors belong to the records of a file"),
        (["x.jsonl", "--vectors", "y.npy"], "there is no file at `y.npy`"),
        (["x.jsonl", "--vectors", "x.jsonl"], "is not a NumPy file"),
        (["x.jsonl", "--vector-field", "v"], "line 1 of `x.jsonl` has nothing in the field `v`"),
    ],
    ids=["two places", "two paths", "a folder", "not there", "no array", "no field"],
)
def test_wrong_use_is_a_sentence_and_leaves_no_store(
    project: Path, arguments: list[str], message: str
) -> None:
    assert message in complaint(ingest(*arguments), 2)
    assert not (project / ".vai").exists()


@pytest.fixture
def with_vectors(project: Path) -> list[str]:
    """`y.jsonl`, whose records hold vectors in the field `v`; its ingest."""
    vectors = np.load(project / "x.npy").tolist()
    lines = [{**record, "v": vector} for record, vector in zip(records(3), vectors, strict=True)]
    write_lines(project / "y.jsonl", lines)
    return ["y.jsonl", "--vector-field", "v"]


def test_vectors_that_became_metadata_are_named_with_the_flag(with_vectors: list[str]) -> None:
    said = ingest("y.jsonl")
    assert said.exit_code == 0
    assert (
        "warning: the field `v` of `y.jsonl` holds lists of numbers as long as the vectors of" in said.stderr
    )
    assert "`--vector-field v` takes them for vectors" in said.stderr
    assert "y.jsonl" not in ingest(*with_vectors).stderr


@pytest.mark.parametrize(
    "value", [[1] * 64, [0.5] * 63, ["a"] * 64, "a" * 64], ids=["whole", "short", "texts", "text"]
)
def test_other_lists_are_metadata_without_a_word(project: Path, value: object) -> None:
    write_lines(project / "y.jsonl", [{"text": "a text", "v": value}])
    assert ingest("y.jsonl").stderr == ""


def test_that_ready_made_vectors_gave_way_is_said(with_vectors: list[str]) -> None:
    ingest("x.jsonl", "--vectors", "x.npy")
    said = ingest("x.jsonl")
    assert "warning: the ready-made vectors of `x.jsonl` were replaced by what hashing makes" in said.stderr
    assert ingest("x.jsonl").stderr == ""


def test_vectors_in_the_records_are_taken_from_the_field_that_is_named(project: Path) -> None:
    vectors = np.load(project / "x.npy").tolist()
    lines = [{**record, "v": vector} for record, vector in zip(records(3), vectors, strict=True)]
    write_lines(project / "y.jsonl", lines)
    assert ingest("y.jsonl", "--vector-field", "v").exit_code == 0
    hit = json.loads(vai("query", "record 1", "--no-rerank", "--json").stdout)["hits"][0]
    assert hit["metadata"] == {"year": 2001}


def test_on_a_terminal_the_bar_of_the_index_shows_when_its_turn_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = io.StringIO()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stderr", terminal)
    with bars(10, shown=True) as told:
        assert told.ingest
        assert told.index
        told.ingest(IngestProgress("x.jsonl", files=1, bytes=5, chunks=3, tokens=0))
        before = terminal.getvalue()
        told.index(IndexProgress(done=1, chunks=2))
    assert "building the index …" not in before
    assert "building the index …" in terminal.getvalue()


def test_elsewhere_nobody_is_told() -> None:
    with bars(10, shown=False) as told:
        assert told == Bars(None, None, None)
