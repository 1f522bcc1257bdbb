"""The read path: what each stage does to the order, and what the response says of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.engines.exact import ExactEngine
from vai.errors import CollectionNotFound, InvalidQuery, RemoteRefused, RemoteUnavailable
from vai.freshness import content_digest, stamp_of
from vai.models.fakes import HashingEmbedder, WordOverlapReranker
from vai.protocols import Reranker
from vai.query import query
from vai.reranking import LONGEST_QUERY
from vai.settings import Depths
from vai.types import Chunk, Provenance, QueryResponse, Reading, SourceState, StoredDocument

TEXTS = [
    "configure the replica set with a file",
    "replica sets keep copies",
    "bananas are yellow",
    "how to configure a printer",
    "set the table for two",
]
DEPTHS = Depths(top_k=3, limit=5, num_candidates=100)


class Scripted:
    """A reranker that gives each passage the logit that is written for it; NaN is unread."""

    name = "scripted"
    blend = 0.5
    similarity_scale = 10.0
    calibrated = True
    languages: tuple[str, ...] = ()

    def __init__(self, logits: Sequence[float], *, reason: str | None = None) -> None:
        self.logits = logits
        self.reason = reason
        self.read: list[str] = []

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        self.read = list(passages)
        logits = np.array(self.logits[: len(passages)], dtype=np.float32)
        seen = np.where(np.isnan(logits), 0.0, 1.0).astype(np.float32)
        relevance = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return Reading(logits, relevance, tokens=7, seen=seen, reason=self.reason)


class Failing(Scripted):
    """A reranker whose service fails, or refuses."""

    def __init__(self, error: Exception) -> None:
        super().__init__([])
        self.error = error

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        raise self.error


def chunk_of(text: str, number: int, source: str) -> Chunk:
    return Chunk(
        document_id=f"d{number}",
        ordinal=0,
        source=source,
        title="Notes",
        text=text,
        start=0,
        end=len(text),
        start_line=1,
        end_line=1,
        page=None,
        heading=(),
        tokens=len(text.split()),
    )


def engine_with(texts: Sequence[str], state: SourceState | None = None) -> ExactEngine:
    """An engine whose collection `c` holds the texts as documents `d0`, `d1`, …"""
    embedder = HashingEmbedder()
    engine = ExactEngine()
    engine.create("c", Provenance(embedder.name, embedder.revision, embedder.dimension, 200))
    with engine.writing("c") as writer:
        source = state.name if state else "notes.txt"
        for number, text in enumerate(texts):
            writer.put(StoredDocument(f"d{number}", source, "", str(number)))
            writer.add([chunk_of(text, number, source)], embedder.embed_documents([text]))
        if state is not None:
            writer.finish_source(state)
        writer.commit()
    return engine


def ask(
    engine: ExactEngine,
    reranker: Reranker | None,
    text: str = "configure a replica set",
    *,
    depths: Depths = DEPTHS,
    root: Path = Path("/nowhere"),
    blend: float | None = None,
    strict: bool = False,
    explain: bool = False,
) -> QueryResponse:
    return query(
        text,
        engine=engine,
        collection="c",
        embedder=HashingEmbedder(),
        reranker=reranker,
        depths=depths,
        root=root,
        blend=blend,
        strict=strict,
        explain=explain,
    )


@pytest.fixture
def engine() -> ExactEngine:
    return engine_with(TEXTS)


def order(response: QueryResponse) -> list[int]:
    return [hit.stage1_rank for hit in response.hits]


def test_without_a_reranker_stage_1_decides(engine: ExactEngine) -> None:
    response = ask(engine, None)
    assert order(response) == [1, 2, 3]
    assert [hit.rank for hit in response.hits] == [1, 2, 3]
    assert response.stages.rerank is None
    assert all(hit.relevance is None and hit.score == pytest.approx(hit.similarity) for hit in response.hits)
    assert response.settings.rerank_model is None
    assert response.settings.blend is None


def test_the_reranker_reads_every_candidate_in_stage_1_order(engine: ExactEngine) -> None:
    reranker = Scripted([0, 0, 0, 0, 0])
    ask(engine, reranker)
    ranked = ask(engine, None, depths=Depths(5, 5, 100))
    assert reranker.read == [f"{hit.text}\nNotes" for hit in ranked.hits]


def test_blend_0_is_stage_2_alone_and_1_is_stage_1_alone(engine: ExactEngine) -> None:
    reranker = Scripted([1, 2, 5, 4, 3])
    assert order(ask(engine, reranker, blend=0.0)) == [3, 4, 5]
    assert order(ask(engine, reranker, blend=1.0)) == [1, 2, 3]


def test_the_score_is_the_weighted_sum_that_the_documentation_gives(engine: ExactEngine) -> None:
    reranker = Scripted([1, 2, 5, 4, 3])
    for hit in ask(engine, reranker, blend=0.25).hits:
        logit = reranker.logits[hit.stage1_rank - 1]
        assert hit.score == pytest.approx(0.75 * logit + 0.25 * 10.0 * hit.similarity, abs=1e-5)


def test_the_models_own_blend_is_the_default_and_is_reported(engine: ExactEngine) -> None:
    assert ask(engine, Scripted([0] * 5)).settings.blend == 0.5


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), min_size=5, max_size=5))
def test_ties_keep_stage_1_order_and_unread_candidates_come_last_in_it(logits: list[float]) -> None:
    response = ask(
        engine_with(TEXTS), Scripted(logits, reason="out of time"), depths=Depths(5, 5, 100), blend=0.0
    )
    expected = sorted(range(5), key=lambda i: (np.isnan(logits[i]), -np.nan_to_num(logits[i]), i))
    assert order(response) == [i + 1 for i in expected]
    for hit in response.hits:
        unread = np.isnan(logits[hit.stage1_rank - 1])
        assert (hit.score is None, hit.relevance is None) == (unread, unread)


def test_what_stage_2_did_not_read_is_said(engine: ExactEngine) -> None:
    response = ask(engine, Scripted([1, 2, float("nan"), float("nan"), float("nan")], reason="out of time"))
    stage = response.stages.rerank
    assert stage is not None
    assert (stage.reranked, stage.of, stage.reason, stage.calibrated) == (2, 5, "out of time", True)
    assert response.warnings == ("reranked 2 of 5, the rest follows in the order it came in: out of time",)


def test_a_failing_reranker_leaves_stage_1_order_and_says_so(engine: ExactEngine) -> None:
    response = ask(engine, Failing(RemoteUnavailable("Voyage failed after 4 attempts")))
    assert order(response) == [1, 2, 3]
    assert all(hit.score is None and hit.relevance is None for hit in response.hits)
    assert response.stages.rerank is not None
    assert response.stages.rerank.reranked == 0
    assert "Voyage failed after 4 attempts" in response.warnings[0]


def test_strict_turns_a_failing_or_partial_reading_into_an_error(engine: ExactEngine) -> None:
    with pytest.raises(RemoteUnavailable, match="4 attempts"):
        ask(engine, Failing(RemoteUnavailable("Voyage failed after 4 attempts")), strict=True)
    with pytest.raises(RemoteUnavailable, match="scripted read 1 of 5 candidates: out of time"):
        ask(engine, Scripted([1] + [float("nan")] * 4, reason="out of time"), strict=True)


def test_a_refusal_never_degrades(engine: ExactEngine) -> None:
    with pytest.raises(RemoteRefused, match="401"):
        ask(engine, Failing(RemoteRefused("Voyage answered 401")))


def test_explain_lists_every_candidate_once(engine: ExactEngine) -> None:
    response = ask(engine, WordOverlapReranker(), explain=True)
    assert response.dropped is not None
    together = [*response.hits, *response.dropped]
    assert [hit.rank for hit in together] == [1, 2, 3, 4, 5]
    assert {hit.document_id for hit in together} == {f"d{number}" for number in range(5)}
    assert ask(engine, WordOverlapReranker()).dropped is None


def test_limit_bounds_what_is_read(engine: ExactEngine) -> None:
    reranker = Scripted([1, 2])
    response = ask(engine, reranker, depths=Depths(top_k=2, limit=2, num_candidates=40))
    assert len(reranker.read) == 2
    assert response.stages.search.candidates == 2
    assert (response.settings.limit, response.settings.num_candidates, response.settings.top_k) == (2, 40, 2)


def test_an_empty_collection_has_no_hits() -> None:
    response = ask(engine_with([]), WordOverlapReranker())
    assert response.hits == ()
    assert response.stages.rerank is not None
    assert response.stages.rerank.of == 0


@pytest.mark.parametrize("text", ["", "  \n\t ", "x" * (LONGEST_QUERY + 1)])
def test_an_empty_or_endless_query_is_refused(engine: ExactEngine, text: str) -> None:
    with pytest.raises(InvalidQuery):
        ask(engine, None, text)


def test_a_missing_collection_is_named(engine: ExactEngine) -> None:
    engine.drop("c")
    with pytest.raises(CollectionNotFound, match="`c`"):
        ask(engine, None)


def test_a_query_longer_than_the_embedder_reads_is_said(engine: ExactEngine) -> None:
    warnings = ask(engine, None, "word " * 300).warnings
    assert warnings == ("the query has 302 tokens, of which hashing reads the first 256",)


def test_a_hit_is_stale_once_its_file_has_changed_or_gone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("configure", encoding="utf-8")
    stamp = stamp_of(file)
    state = SourceState("notes.txt", stamp, stamp.mtime_ns, content_digest(file), "recipe")
    engine = engine_with(TEXTS, state)

    def stale() -> list[bool]:
        return [hit.stale for hit in ask(engine, None, root=tmp_path).hits]

    assert stale() == [False] * 3
    os.utime(file, ns=(1, 1))
    assert stale() == [False] * 3, "another time alone is no change"
    file.write_text("configured", encoding="utf-8")
    assert stale() == [True] * 3
    file.unlink()
    assert stale() == [True] * 3
    assert "`notes.txt` has changed or gone" in ask(engine, None, root=tmp_path).warnings[0]


def test_every_stage_tells_its_time_model_and_tokens(engine: ExactEngine) -> None:
    response = ask(engine, WordOverlapReranker())
    embed, rerank = response.stages.embed, response.stages.rerank
    assert (embed.model, embed.tokens) == ("hashing", 6)
    assert rerank is not None
    assert rerank.model == "word-overlap"
    assert rerank.tokens > 0
    assert min(embed.ms, response.stages.search.ms, rerank.ms) >= 0
