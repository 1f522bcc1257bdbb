"""`--json` prints what docs/json.md promises: these fields, all of them, and nothing else on standard output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import installed, vai, written
from json_contract import CONTRACT, RERANK_STAGE, check

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"

VALUES: dict[str, set[str]] = {
    **{schema: set() for schema in CONTRACT},
    "vai.doctor/1": {"note", "fault"},
    "vai.index/1": {"fresh", "none", "missing", "damaged"},
    "vai.status/1": {"state"},
}
"""Words in quotation marks that are no fields; what is a field too is not among them."""


def names(expected: Any) -> Iterator[str]:
    if isinstance(expected, list):
        yield from names(expected[0])
    elif isinstance(expected, dict):
        for name, item in expected.items():
            yield name
            yield from names(item)


@pytest.mark.parametrize("schema", CONTRACT)
def test_the_documentation_names_exactly_the_fields_of_the_contract(schema: str) -> None:
    (block,) = [
        block
        for block in re.findall(r"```\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
        if f'"schema": "{schema}"' in block
    ]
    documented = set(re.findall(r'"(\w+)"', block)) - VALUES[schema]
    left_to_another_block = set(RERANK_STAGE) if "stages.rerank above" in block else set()
    assert documented | left_to_another_block == set(names(CONTRACT[schema]))


def test_query(store: Path) -> None:
    answer = vai("query", "replica set", "-k", "2", "--rerank-model", "word-overlap", "--explain", "--json")
    check(answer.json)
    hit = answer.json["hits"][0]
    assert hit["page"] is None
    assert hit["words_rank"] == hit["vector_rank"] == 1
    assert hit["words_score"] > 0
    assert answer.json["stages"]["rerank"]["reason"] is None


def test_what_is_absent_is_null_and_not_left_out(store: Path) -> None:
    answer = vai("query", "replica set", "--no-rerank", "--json").json
    assert list(answer) == list(CONTRACT["vai.query/1"])
    assert answer["stages"]["rerank"] is None
    assert answer["dropped"] is None
    assert answer["settings"]["rerank_model"] is None
    assert answer["hits"][0]["relevance"] is None
    assert answer["hits"][0]["score"] == answer["hits"][0]["stage1_score"]


def test_the_values_mean_what_the_documentation_says(store: Path) -> None:
    answer = vai(
        "query", "replica set", "-k", "4", "--rerank-model", "word-overlap", "--explain", "--json"
    ).json
    hits = answer["hits"] + answer["dropped"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert sorted(hit["stage1_rank"] for hit in hits) == [1, 2, 3, 4, 5, 6]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert all(hit["id"] == f"{hit['document_id']}#0" for hit in hits)
    assert answer["settings"]["limit"] == 20
    assert answer["settings"]["num_candidates"] == 400


def test_how_a_hit_was_found_is_told_as_far_as_it_was_looked_for(store: Path) -> None:
    by_vector = vai("query", "replica set", "--no-rerank", "--stage1", "vector", "--json").json["hits"][0]
    assert (by_vector["vector_rank"], by_vector["words_rank"], by_vector["words_score"]) == (1, None, None)
    by_words = vai("query", "replica set", "--no-rerank", "--stage1", "words", "--json").json["hits"][0]
    assert (by_words["vector_rank"], by_words["words_rank"]) == (None, 1)
    assert by_words["similarity"] == by_vector["similarity"]


def test_delete(store: Path) -> None:
    check(vai("delete", "docs/scaling.md", "--yes", "--json").json)


def test_export(store: Path) -> None:
    check(vai("export", "all.jsonl", "--json").json)


def test_index(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.engines.nearest.DEPTH_COST", 0)
    built, checked = vai("index", "--json").json, vai("index", "--check", "--json").json
    assert (built["check"], checked["cost"]) == (None, None)
    check({**checked, "cost": built["cost"], "seconds": built["seconds"]})


def test_ingest(project: Path) -> None:
    written(project / "docs", {"empty.txt": ""})
    check(vai("ingest", "docs", "--embedder", "hashing", "--json").json)


def test_rerank() -> None:
    check(vai("rerank", "--query", "b", "-m", "word-overlap", "a", "b", "--json").json)


@pytest.mark.parametrize("command", ["status", "collections"])
def test_what_a_store_holds_and_what_of_it_is_damaged(store: Path, command: str) -> None:
    written(store / "collections" / "broken", {"collection.db": "not a database"})
    answer = vai(command, "--json")
    assert answer.exit_code == 3
    check(answer.json)


def test_models() -> None:
    check(vai("models", "--json").json)


def test_doctor(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.diagnosis._models", lambda: iter(()))
    check(vai("doctor", "--json").json)


def test_the_installed_command_prints_json_alone_and_remarks_elsewhere(project: Path, store: Path) -> None:
    written(project / "docs", {"lookup.txt": "Something else."})
    answer = installed("query", "quick lookup", "--no-rerank", "--json")
    assert answer.json["schema"] == "vai.query/1"
    assert answer.stderr.startswith("warning: `docs/lookup.txt` has changed")


def test_json_stays_json_where_the_output_is_not_utf_8(project: Path) -> None:
    written(project / "docs", {"accents.txt": "Café – naïve 😀"})
    vai("ingest", "docs", "--embedder", "hashing")
    answer = installed("query", "café", "-k", "1", "--no-rerank", "--json", PYTHONIOENCODING="latin-1")
    assert answer.json["hits"][0]["text"] == "Café – naïve 😀"
    assert "\\u2013" in answer.stdout


def test_cache(store: Path) -> None:
    vai("query", "replica set", "--rerank-model", "word-overlap")
    check(vai("cache", "--json").json)
    cleared = vai("cache", "clear", "--yes", "--json").json
    assert (list(cleared), cleared["cleared"]) == (list(CONTRACT["vai.cache/1"]), 6)


def test_estimate(store: Path) -> None:
    answer = vai("query", "replica set", "--rerank-model", "rerank-2.5", "--estimate", "--json")
    check(answer.json)
    assert answer.json["usd"] > 0
