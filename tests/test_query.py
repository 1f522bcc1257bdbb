"""The read path: what each stage does to the order, and what the response says of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.arrays import Vector
from vai.engines.exact import ExactEngine
from vai.errors import BudgetSpent, CollectionNotFound, InvalidQuery, RemoteRefused, RemoteUnavailable
from vai.freshness import content_digest, stamp_of
from vai.models.fakes import HashingEmbedder, WordOverlapReranker
from vai.planning import Depths, QueryPlan
from vai.protocols import Reranker
from vai.query import query
from vai.reranking import LONGEST_QUERY, Stage2
from vai.types import (
    Calibration,
    Chunk,
    LoadStage,
    Provenance,
    QueryResponse,
    Reading,
    SourceState,
    Span,
    Stopped,
    StoredDocument,
)

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
    revision = "1"
    blend = 0.5
    similarity_scale = 10.0
    calibration: Calibration | None = Calibration(slope=1.0, intercept=0.0, error=0.01)
    languages: tuple[str, ...] = ()
    usd_per_million_tokens = 0.0

    def __init__(
        self,
        logits: Sequence[float],
        *,
        stopped: Stopped | None = None,
        reason: str | None = None,
        windows: tuple[Span | None, ...] = (),
    ) -> None:
        self.logits = logits
        self.stopped: Stopped | None = stopped
        self.reason = reason
        self.windows = windows
        self.read: list[str] = []
        self.deadline: float | None = None

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        self.read, self.deadline = list(passages), deadline
        logits = np.array(self.logits[: len(passages)], dtype=np.float32)
        seen = np.where(np.isnan(logits), 0.0, 1.0).astype(np.float32)
        return Reading(
            logits, None, tokens=7, seen=seen, stopped=self.stopped, reason=self.reason, windows=self.windows
        )


class Failing(Scripted):
    """A reranker whose service fails, or refuses."""

    name = "failing"

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
    min_relevance: float | None = None,
    budget_ms: int | None = None,
    fallback: Callable[[], Reranker] | None = None,
    strict: bool = False,
    explain: bool = False,
    load: LoadStage | None = None,
) -> QueryResponse:
    return query(
        text,
        engine=engine,
        collection="c",
        embedder=HashingEmbedder(),
        stage2=Stage2(reranker, fallback=fallback, strict=strict) if reranker else None,
        plan=QueryPlan(
            depths, blend=blend, min_relevance=min_relevance, budget_ms=budget_ms, explain=explain
        ),
        root=root,
        load=load,
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
        engine_with(TEXTS),
        Scripted(logits, stopped="deadline", reason="out of time"),
        depths=Depths(5, 5, 100),
        blend=0.0,
    )
    expected = sorted(range(5), key=lambda i: (np.isnan(logits[i]), -np.nan_to_num(logits[i]), i))
    assert order(response) == [i + 1 for i in expected]
    for hit in response.hits:
        unread = np.isnan(logits[hit.stage1_rank - 1])
        assert (hit.score is None, hit.relevance is None) == (unread, unread)


def test_what_stage_2_did_not_read_is_said(engine: ExactEngine) -> None:
    response = ask(
        engine,
        Scripted([1, 2, float("nan"), float("nan"), float("nan")], stopped="deadline", reason="out of time"),
    )
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
    with pytest.raises(BudgetSpent, match="scripted read 1 of 5 candidates: out of time"):
        ask(engine, Scripted([1] + [float("nan")] * 4, stopped="deadline", reason="out of time"), strict=True)


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


# ── time, money and failure ──────────────────────────────────────────────────────────────────────

LATE = [1.0, 2.0, float("nan"), float("nan"), float("nan")]


def test_the_budget_becomes_a_deadline_counted_from_reading_the_query(engine: ExactEngine) -> None:
    reranker = Scripted([0] * 5)
    before = time.monotonic()
    response = ask(engine, reranker, budget_ms=60_000)
    assert reranker.deadline is not None
    assert before + 60 <= reranker.deadline <= time.monotonic() + 60
    assert response.settings.budget_ms == 60_000
    ask(engine, reranker)
    assert reranker.deadline is None


def test_when_the_budget_is_spent_before_stage_2_nothing_is_read_and_that_is_said(
    engine: ExactEngine,
) -> None:
    class Slow(HashingEmbedder):
        def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
            while deadline is not None and time.monotonic() < deadline:
                pass
            return super().embed_query(text)

    plan = QueryPlan(DEPTHS, budget_ms=1)
    response = query(
        "configure",
        engine=engine,
        collection="c",
        embedder=Slow(),
        stage2=Stage2(WordOverlapReranker()),
        plan=plan,
        root=Path("/nowhere"),
    )
    assert order(response) == [1, 2, 3]
    assert response.stages.rerank is not None
    assert (response.stages.rerank.reranked, response.stages.rerank.of) == (0, 5)
    assert response.warnings[0].startswith("reranked 0 of 5, the rest follows in the order it came in: ")


def test_a_failing_reranker_is_stood_in_for_if_the_user_wishes_so_and_that_is_said(
    engine: ExactEngine,
) -> None:
    """No score of the one is mixed with those of the other, and the blend is the other's own."""
    partly = Scripted(LATE, stopped="failed", reason="the service failed")
    for first in (Failing(RemoteUnavailable("the service failed")), partly):
        response = ask(engine, first, fallback=WordOverlapReranker, explain=True)
        stage = response.stages.rerank
        assert stage is not None
        assert (stage.model, stage.instead_of, stage.reason) == (
            "word-overlap",
            first.name,
            "the service failed",
        )
        assert (stage.reranked, stage.of) == (5, 5)
        assert response.settings.rerank_model == first.name
        assert response.settings.blend == WordOverlapReranker.blend
        assert response.warnings == (f"word-overlap reranked instead of {first.name}: the service failed",)
        alone = ask(engine, WordOverlapReranker(), explain=True)
        assert [(hit.id, hit.score) for hit in response.hits] == [(hit.id, hit.score) for hit in alone.hits]


def test_a_stand_in_that_cannot_be_fetched_leaves_stage_1_order(engine: ExactEngine) -> None:
    def fetched() -> Reranker:
        raise RemoteUnavailable("the hub cannot be reached")

    response = ask(engine, Failing(RemoteUnavailable("the service failed")), fallback=fetched)
    assert order(response) == [1, 2, 3]
    assert response.stages.rerank is not None
    assert (response.stages.rerank.model, response.stages.rerank.instead_of) == ("failing", None)
    assert response.warnings == (
        "reranked 0 of 5, the rest follows in the order it came in: the service failed; nor can another model read "
        "instead: the hub cannot be reached",
    )


def test_each_reason_is_said_once(engine: ExactEngine) -> None:
    stand_in = Scripted(LATE, stopped="deadline", reason="no time")
    response = ask(engine, Failing(RemoteUnavailable("the service failed")), fallback=lambda: stand_in)
    assert response.warnings == (
        "scripted reranked instead of failing: the service failed",
        "reranked 2 of 5, the rest follows in the order it came in: no time",
    )
    assert response.stages.rerank is not None
    assert response.stages.rerank.reason == "the service failed; no time"


def test_money_that_is_spent_calls_for_the_stand_in_and_time_does_not(engine: ExactEngine) -> None:
    spent = ask(engine, Scripted(LATE, stopped="spent", reason="no money"), fallback=WordOverlapReranker)
    late = ask(engine, Scripted(LATE, stopped="deadline", reason="no time"), fallback=WordOverlapReranker)
    assert spent.stages.rerank is not None
    assert late.stages.rerank is not None
    assert (spent.stages.rerank.model, late.stages.rerank.model) == ("word-overlap", "scripted")
    assert late.stages.rerank.reranked == 2


def test_strict_asks_no_stand_in(engine: ExactEngine) -> None:
    with pytest.raises(RemoteUnavailable, match="failed"):
        ask(engine, Failing(RemoteUnavailable("failed")), fallback=WordOverlapReranker, strict=True)
    with pytest.raises(BudgetSpent, match="scripted read 2 of 5 candidates: no money"):
        ask(engine, Scripted(LATE, stopped="spent", reason="no money"), strict=True)


def test_opening_the_models_is_told_apart(engine: ExactEngine) -> None:
    load = LoadStage(12.5, ("hashing", "word-overlap"))
    assert ask(engine, None, load=load).stages.load == load
    assert ask(engine, None).stages.load is None


def test_a_model_that_is_paid_for_says_what_it_took(engine: ExactEngine) -> None:
    reranker = Scripted([0] * 5)
    reranker.usd_per_million_tokens = 0.05
    stage = ask(engine, reranker).stages.rerank
    assert stage is not None
    assert stage.usd == pytest.approx(7 * 0.05 / 1_000_000)
    free = ask(engine, Scripted([0] * 5)).stages.rerank
    assert free is not None
    assert free.usd is None


def test_the_price_is_that_of_all_that_was_read(engine: ExactEngine) -> None:
    """Also of what the model had read that then failed."""
    paid = Scripted(LATE, stopped="failed", reason="failed")
    paid.usd_per_million_tokens = 0.05
    stage = ask(engine, paid, fallback=WordOverlapReranker).stages.rerank
    assert stage is not None
    assert stage.usd == pytest.approx(7 * 0.05 / 1_000_000)


def test_what_is_no_number_was_not_read(engine: ExactEngine) -> None:
    response = ask(
        engine, Scripted([1, float("inf"), 2, float("-inf"), 0]), depths=Depths(5, 5, 100), blend=1.0
    )
    assert order(response) == [1, 3, 5, 2, 4]
    assert [hit.relevance is None for hit in response.hits] == [False, False, False, True, True]
    assert "the model gave no number" in response.warnings[0]
    json.dumps(response.to_dict(), allow_nan=False)


# ── relevance ────────────────────────────────────────────────────────────────────────────────────


def test_what_is_less_relevant_than_asked_is_left_out(engine: ExactEngine) -> None:
    """Whatever its score: the order is by score, the threshold by relevance."""
    response = ask(engine, Scripted([-3, 0.5, 2, -0.1, 0]), min_relevance=0.5, explain=True)
    assert {hit.stage1_rank for hit in response.hits} == {2, 3, 5}
    assert all(hit.relevance is not None and hit.relevance >= 0.5 for hit in response.hits)
    assert response.dropped is not None
    assert {hit.stage1_rank for hit in response.dropped} == {1, 4}
    assert [hit.rank for hit in (*response.hits, *response.dropped)] == [1, 2, 3, 4, 5]
    assert response.settings.min_relevance == 0.5
    assert response.warnings == ()


def test_nothing_relevant_is_an_answer(engine: ExactEngine) -> None:
    response = ask(engine, Scripted([-3, -2, -1, -4, -5]), min_relevance=0.5)
    assert response.hits == ()
    assert response.stages.rerank is not None
    assert response.stages.rerank.best_relevance == pytest.approx(1 / (1 + np.e))


def test_of_what_was_not_read_the_relevance_is_not_known(engine: ExactEngine) -> None:
    late = Scripted(LATE, stopped="deadline", reason="no time")
    response = ask(engine, late, min_relevance=0.0)
    assert order(response) in ([1, 2], [2, 1])
    assert response.warnings == (
        "reranked 2 of 5, the rest is left out, for its relevance is not known: no time",
    )


def test_a_threshold_for_relevance_that_nobody_measured_is_a_warning(engine: ExactEngine) -> None:
    (warning,) = ask(engine, WordOverlapReranker(), min_relevance=0.1).warnings
    assert "the relevance of word-overlap is not calibrated" in warning


# ── long passages ────────────────────────────────────────────────────────────────────────────────


def test_a_hit_says_which_part_of_it_was_best_and_how_much_was_seen(engine: ExactEngine) -> None:
    """The window is one of the text that is shown: what stands behind it in the passage is not part of it."""
    text = ask(engine, None).hits[0].text
    windows: tuple[Span | None, ...] = (
        (4, len(text) + 3),
        None,
        (len(text) + 90, len(text) + 99),
        None,
        None,
    )
    response = ask(engine, Scripted([5, 4, 3, 2, 1], windows=windows), blend=0.0)
    assert [hit.window for hit in response.hits] == [(4, len(text)), None, None]
    assert [hit.seen for hit in response.hits] == [1.0, 1.0, 1.0]
    assert response.stages.rerank is not None
    assert response.stages.rerank.windowed == 2
