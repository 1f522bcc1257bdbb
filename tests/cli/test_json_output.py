"""`--json` prints what docs/json.md promises: these fields, all of them, and nothing else on standard output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import installed, vai, written

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"

HIT = {
    **dict.fromkeys(("rank", "id", "document_id", "source", "start_line", "end_line", "page", "title")),
    **dict.fromkeys(
        ("heading", "text", "similarity", "stage1_rank", "stage1_score", "vector_rank", "words_rank")
    ),
    **dict.fromkeys(("words_score", "relevance", "score", "stale", "metadata")),
}
RERANK_STAGE = dict.fromkeys(
    ("ms", "model", "reranked", "of", "tokens", "truncated", "cached", "calibrated", "reason")
)
CONTRACT: dict[str, dict[str, Any]] = {
    "vai.query/1": {
        "schema": None,
        "query": None,
        "collection": None,
        "settings": dict.fromkeys(
            ("stage1", "limit", "num_candidates", "top_k", "rerank_model", "blend", "filter")
        )
        | dict.fromkeys(("fusion", "words_weight")),
        "stages": {
            "embed": dict.fromkeys(("ms", "model", "tokens")),
            "search": dict.fromkeys(("ms", "candidates", "exact", "unindexed", "depth", "matched")),
            "rerank": RERANK_STAGE,
        },
        "hits": [HIT],
        "dropped": [HIT],
        "warnings": None,
    },
    "vai.ingest/1": {
        **dict.fromkeys(("schema", "collection", "files", "added", "changed", "unchanged", "removed")),
        **dict.fromkeys(("chunks", "tokens", "seconds")),
        "skipped": [dict.fromkeys(("source", "reason", "kept"))],
        "warnings": None,
    },
    "vai.rerank/1": {
        "schema": None,
        "query": None,
        "rerank": RERANK_STAGE,
        "results": [dict.fromkeys(("rank", "index", "text", "relevance", "score"))],
        "warnings": None,
    },
    "vai.status/1": {
        "schema": None,
        "store": None,
        "collections": [
            {
                **dict.fromkeys(("name", "sources", "documents", "chunks", "bytes", "updated", "embedder")),
                **dict.fromkeys(("revision", "dimension", "chunk_tokens", "changed", "gone", "index")),
            }
        ],
        "damaged": [dict.fromkeys(("name", "fault", "hint"))],
    },
    "vai.collections/1": {
        "schema": None,
        "store": None,
        "collections": [
            {
                **dict.fromkeys(("name", "sources", "documents", "chunks", "bytes", "updated", "embedder")),
                **dict.fromkeys(("revision", "dimension", "chunk_tokens")),
            }
        ],
        "damaged": [dict.fromkeys(("name", "fault", "hint"))],
        "dropped": None,
    },
    "vai.delete/1": {
        **dict.fromkeys(("schema", "collection", "dry_run", "documents", "chunks", "sources", "returning")),
        **dict.fromkeys(("unknown", "seconds", "warnings")),
    },
    "vai.export/1": dict.fromkeys(
        ("schema", "collection", "path", "vectors", "chunks", "bytes", "seconds", "warnings")
    ),
    "vai.index/1": {
        **dict.fromkeys(("schema", "collection", "state", "precision", "covered", "unindexed", "bytes")),
        "cost": dict.fromkeys(("chunks", "precision", "memory", "disk", "seconds")),
        "seconds": None,
        "check": {
            "sample": None,
            "depths": [dict.fromkeys(("depth", "recall_at_20", "recall_at_100", "ms"))],
            **dict.fromkeys(("depth_for_20", "depth_for_100")),
        },
    },
    "vai.models/1": {
        "schema": None,
        "models": [
            {
                **dict.fromkeys(("name", "kind", "where", "languages", "dimension", "max_tokens")),
                **dict.fromkeys(("usd_per_million_tokens", "needs", "licence")),
            }
        ],
    },
    "vai.doctor/1": {
        "schema": None,
        "fine": None,
        "findings": [dict.fromkeys(("about", "state", "message", "hint"))],
    },
}
"""The fields of each schema in order; None where a plain value (or null, or a free object) stands."""


VALUES: dict[str, set[str]] = {
    **{schema: set() for schema in CONTRACT},
    "vai.doctor/1": {"note", "fault"},
    "vai.index/1": {"fresh", "none", "missing", "damaged"},
    "vai.status/1": {"state"},
}
"""Words in quotation marks that are no fields; what is a field too is not among them."""


def shape(value: Any, expected: Any) -> Any:
    """The fields of a value down to where the contract has plain ones; of a list, those of each element."""
    if expected is None or value is None:
        return expected
    if isinstance(expected, list):
        assert value, "an empty list shows nothing of its elements"
        shapes = [shape(element, expected[0]) for element in value]
        assert all(list(element) == list(shapes[0]) for element in shapes)
        return [shapes[0]]
    return {name: shape(item, expected.get(name)) for name, item in value.items()}


def check(value: Any) -> None:
    expected = CONTRACT[value["schema"]]
    assert shape(value, expected) == expected
    assert list(value) == list(expected)


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
