"""The values, and the JSON that they become."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai import types
from vai.types import (
    Chunk,
    CollectionInfo,
    EmbedStage,
    Hit,
    IngestReport,
    Provenance,
    QueryResponse,
    QuerySettings,
    RerankStage,
    SearchStage,
    Skipped,
    Stages,
    as_json,
)

VALUES = [value for value in vars(types).values() if isinstance(value, type) and is_dataclass(value)]


def hit(rank: int = 1, **metadata: Any) -> Hit:
    """A hit with a value in every field."""
    return Hit(
        rank=rank,
        id="a.md#3",
        document_id="a.md",
        source="a.md",
        start_line=7,
        end_line=9,
        page=2,
        title="Title",
        heading=("One", "Two"),
        text="text",
        similarity=0.5,
        stage1_rank=4,
        stage1_score=0.5,
        vector_rank=4,
        words_rank=None,
        words_score=None,
        relevance=0.25,
        score=-1.5,
        stale=False,
        metadata=metadata,
    )


def response(*, rerank: bool = True, dropped: tuple[Hit, ...] | None = None) -> QueryResponse:
    """An answer with one hit."""
    reading = RerankStage(
        ms=3.0,
        model="m",
        reranked=1,
        of=2,
        tokens=9,
        truncated=0,
        cached=0,
        calibrated=True,
        reason="the deadline came first",
    )
    return QueryResponse(
        query="why?",
        collection="default",
        settings=QuerySettings("vector", 20, 400, 5, "m", 0.5),
        stages=Stages(EmbedStage(1.0, "e", 3), SearchStage(2.0, 2, True, 0), reading if rerank else None),
        hits=(hit(year=1999, tags=["a", None, {"b": (1.5, True)}]),),
        dropped=dropped,
        warnings=("one sentence",),
    )


def test_the_answer_to_a_query_has_the_fields_of_the_contract_in_order() -> None:
    answer = response().to_dict()
    assert list(answer) == [
        "schema",
        "query",
        "collection",
        "settings",
        "stages",
        "hits",
        "dropped",
        "warnings",
    ]
    assert answer["schema"] == "vai.query/1"
    assert answer["settings"] == {
        "stage1": "vector",
        "limit": 20,
        "num_candidates": 400,
        "top_k": 5,
        "rerank_model": "m",
        "blend": 0.5,
        "filter": None,
        "fusion": None,
        "words_weight": None,
        "min_relevance": None,
        "budget_ms": None,
    }
    assert answer["stages"] == {
        "embed": {"ms": 1.0, "model": "e", "tokens": 3, "usd": None},
        "search": {
            "ms": 2.0,
            "candidates": 2,
            "exact": True,
            "unindexed": 0,
            "depth": None,
            "matched": None,
        },
        "rerank": {
            "ms": 3.0,
            "model": "m",
            "reranked": 1,
            "of": 2,
            "tokens": 9,
            "truncated": 0,
            "cached": 0,
            "calibrated": True,
            "reason": "the deadline came first",
            "windowed": 0,
            "instead_of": None,
            "usd": None,
            "revision": None,
            "gives": "logits",
            "best_relevance": None,
        },
        "load": None,
    }


def test_a_hit_has_the_fields_of_the_contract() -> None:
    contract = (
        "rank id document_id source start_line end_line page heading text similarity stage1_rank vector_rank "
        "words_rank words_score relevance score stale metadata"
    )
    assert set(contract.split()) <= set(as_json(hit()))
    assert as_json(hit(a=1))["heading"] == ["One", "Two"]
    assert as_json(hit(a=1))["metadata"] == {"a": 1}


def test_a_report_and_a_collection_have_the_fields_of_the_contract() -> None:
    report = IngestReport("default", 1, 1, 0, 0, 0, 3, 99, 0.5, (Skipped("x.bin", "is binary"),), ("w",))
    contract = "added changed unchanged removed chunks tokens seconds skipped warnings"
    assert set(contract.split()) <= set(as_json(report))
    assert as_json(report)["skipped"] == [{"source": "x.bin", "reason": "is binary", "kept": True}]
    info = CollectionInfo("default", 1, 2, 3, 4, "2026-01-01T00:00:00+00:00", Provenance("e", "r", 384, 200))
    assert {"name", "documents", "chunks", "bytes", "updated"} <= set(as_json(info))


def test_absent_things_are_null_and_not_left_out() -> None:
    answer = response(rerank=False).to_dict()
    assert answer["dropped"] is None
    assert isinstance(answer["stages"], dict)
    assert answer["stages"]["rerank"] is None
    assert response(dropped=()).to_dict()["dropped"] == []


def test_an_answer_survives_json() -> None:
    answer = response(dropped=(hit(2),)).to_dict()
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(metadata=st.dictionaries(st.text(), json_values, max_size=3))
def test_metadata_comes_through_as_it_is(metadata: dict[str, Any]) -> None:
    plain = as_json(replace(hit(), metadata=metadata))
    assert plain["metadata"] == metadata
    assert json.loads(json.dumps(plain)) == plain


@dataclass(frozen=True)
class Holding:
    """Any value in a field."""

    value: object


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", 1j, np.float32(1), np.int64(1), np.zeros(2), Ellipsis, (1, {"a": {3}})],
    ids=repr,
)
def test_what_is_not_json_is_refused_and_named(value: object) -> None:
    with pytest.raises(TypeError, match="not JSON: "):
        as_json(Holding(value))


@pytest.mark.parametrize("value", [None, 1, "text", {"a": 1}, [1]], ids=repr)
def test_what_is_no_value_of_vai_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="not a value of vai"):
        as_json(value)


def test_keys_become_strings() -> None:
    assert as_json(Holding({1: "a", None: "b"})) == {"value": {"1": "a", "None": "b"}}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_values_are_frozen_and_slotted(kind: type) -> None:
    assert kind.__dict__["__slots__"] == tuple(item.name for item in fields(kind))
    blank: object = object.__new__(kind)
    with pytest.raises(FrozenInstanceError):
        setattr(blank, fields(kind)[0].name, None)


# ── chunks ───────────────────────────────────────────────────────────────────────────────────────


def chunk(title: str, heading: tuple[str, ...]) -> Chunk:
    """A chunk under a title and headings."""
    return Chunk("a#b.md", 4, "a#b.md", title, "text", 0, 4, 1, 1, None, heading, 1)


def test_a_chunks_id_is_that_of_its_document_with_its_number() -> None:
    assert chunk("", ()).id == "a#b.md#4"


@pytest.mark.parametrize(
    ("title", "heading", "context"),
    [
        ("", (), ""),
        ("Guide", (), "Guide"),
        ("", ("Install", "Linux"), "Install > Linux"),
        ("Guide", ("Install", "Linux"), "Guide > Install > Linux"),
        ("Guide", ("Guide", "Linux"), "Guide > Linux"),
        ("Guide", ("Install", "Guide"), "Guide > Install > Guide"),
        ("Guide", ("", "Linux"), "Guide > Linux"),
    ],
)
def test_the_context_is_the_title_and_the_headings_each_said_once(
    title: str, heading: tuple[str, ...], context: str
) -> None:
    assert chunk(title, heading).context == context


def test_the_embedder_reads_the_context_first_and_the_reranker_last() -> None:
    assert (chunk("Guide", ()).passage, chunk("Guide", ()).passage_to_rerank) == (
        "Guide\ntext",
        "text\nGuide",
    )
    assert (chunk("", ()).passage, chunk("", ()).passage_to_rerank) == ("text", "text")
