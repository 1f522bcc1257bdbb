"""The read path: query → candidates → (rerank) → hits → response.

Everything that decides the final order stands in this module: the blend of the two stages, ties, and the cut.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vai.freshness import is_unchanged, stamp_of
from vai.languages import is_foreign
from vai.planning import QueryPlan
from vai.protocols import Embedder, Engine
from vai.reranking import (
    Outcome,
    Stage2,
    checked_query,
    deadline_after,
    is_relevant,
    outcome_warnings,
    price,
    read_passages,
    stage_report,
)
from vai.types import (
    Candidate,
    EmbedStage,
    Found,
    Hit,
    Json,
    LoadStage,
    QueryResponse,
    QuerySettings,
    SearchStage,
    SourceState,
    Span,
    Stages,
)

if TYPE_CHECKING:
    from vai.arrays import Doubles, Vector
    from vai.filters import Filter


@dataclass(frozen=True, slots=True)
class _Judged:
    """A candidate with what stage 2 made of it; None where it was not read, or there is no stage 2."""

    candidate: Candidate
    score: float | None
    relevance: float | None = None
    seen: float | None = None
    window: Span | None = None


def query(
    text: str,
    *,
    engine: Engine,
    collection: str,
    embedder: Embedder,
    stage2: Stage2 | None,
    plan: QueryPlan,
    root: Path,
    load: LoadStage | None = None,
) -> QueryResponse:
    """Both stages for one query.

    Args:
        stage2: None leaves stage 1's order.
        plan: what is asked of both.
        root: what the names of sources are relative to, for telling whether a hit is stale.
        load: what opening the models took, to be told in the response; it is not part of the budget.

    Raises:
        InvalidQuery: the query is empty or too long.
        RemoteRefused: a remote model said no.
        RemoteUnavailable: a remote embedder failed; or, if `stage2.strict`, the reranker did.
        BudgetSpent: the money does not reach for embedding the query; or, if `stage2.strict`, the time or the
            money for reading every candidate.
        CollectionNotFound, StoreFailure: the collection cannot be read.
    """
    deadline = deadline_after(time.monotonic(), plan.budget_ms)
    text = checked_query(text)
    began = time.perf_counter()
    vector = embedder.embed_query(text, deadline=deadline)
    tokens = len(embedder.token_ends(text)) + 2
    embedded = time.perf_counter()
    found = find(text, vector, engine=engine, collection=collection, plan=plan)
    searched = time.perf_counter()
    outcome = None
    if stage2 is not None:
        passages = [candidate.chunk.passage_to_rerank for candidate in found.candidates]
        outcome = read_passages(stage2, text, passages, deadline=deadline)
    share = _share_of_stage1(plan, outcome)
    ranked = _ranked(found.candidates, outcome, share)
    relevant = [judged for judged in ranked if is_relevant(judged.relevance, plan.min_relevance)]
    kept = relevant[: plan.depths.top_k]
    ranks_kept = {judged.candidate.stage1_rank for judged in kept}
    dropped = [judged for judged in ranked if judged.candidate.stage1_rank not in ranks_kept]
    listed = [*kept, *dropped] if plan.explain else kept
    stale = _stale_sources(engine, collection, root, [judged.candidate.chunk.source for judged in listed])
    hits = [_hit(judged, rank, stale) for rank, judged in enumerate(listed, start=1)]
    return QueryResponse(
        query=text,
        collection=collection,
        settings=_settings(plan, stage2, share),
        stages=Stages(
            embed=EmbedStage(
                _ms(began, embedded),
                embedder.name,
                min(tokens, embedder.max_tokens),
                price(tokens, embedder.usd_per_million_tokens),
            ),
            search=SearchStage(
                _ms(embedded, searched),
                len(found.candidates),
                found.exact,
                found.unindexed,
                found.depth,
                found.matched,
            ),
            rerank=stage_report(outcome) if outcome else None,
            load=load,
        ),
        hits=tuple(hits[: len(kept)]),
        dropped=tuple(hits[len(kept) :]) if plan.explain else None,
        warnings=(
            *_query_warnings(text, tokens, embedder),
            *_filter_warnings(engine, collection, plan.filter),
            *found.warnings,
            *(outcome_warnings(outcome, plan.min_relevance) if outcome else ()),
            *_stale_warnings(hits[: len(kept)]),
        ),
    )


def find(text: str, vector: Vector, *, engine: Engine, collection: str, plan: QueryPlan) -> Found:
    """Stage 1 alone: the candidates for a query and its vector float32 [d]. Raises as `Engine.search`."""
    return engine.search(
        collection,
        vector,
        limit=plan.depths.limit,
        num_candidates=plan.depths.num_candidates,
        exact=plan.exact,
        text=text,
        stage1=plan.stage1,
        filter=plan.filter,
    )


def _settings(plan: QueryPlan, stage2: Stage2 | None, share: float) -> QuerySettings:
    """What was in force."""
    stage1 = plan.stage1
    return QuerySettings(
        stage1=stage1.mode,
        limit=plan.depths.limit,
        num_candidates=plan.depths.num_candidates,
        top_k=plan.depths.top_k,
        rerank_model=stage2.reranker.name if stage2 else None,
        blend=share if stage2 else None,
        filter=_as_json(plan.filter),
        fusion=stage1.fusion if stage1.mode == "hybrid" else None,
        words_weight=stage1.words_weight if (stage1.mode, stage1.fusion) == ("hybrid", "scores") else None,
        min_relevance=plan.min_relevance,
        budget_ms=plan.budget_ms,
    )


# ── the order ──


def _share_of_stage1(plan: QueryPlan, outcome: Outcome | None) -> float:
    """The blend that was asked for, else the one that is best for the reranker that read."""
    if outcome is None:
        return 0.0
    return outcome.reranker.blend if plan.blend is None else plan.blend


def _ranked(candidates: Sequence[Candidate], outcome: Outcome | None, share: float) -> list[_Judged]:
    """The final order: read candidates by score, then unread ones in stage 1's order.

    The score is that of `blended`, where the value is the reranker's logit (its relevance, if it gives no logits).
    Equal scores stay in stage 1's order.
    """
    if outcome is None:
        return [_Judged(candidate, candidate.stage1_score) for candidate in candidates]
    judged = []
    for index, candidate in enumerate(candidates):
        value, stage1 = outcome.values[index], candidate.stage1_score
        if math.isnan(value):
            judged.append(_Judged(candidate, None))
            continue
        judged.append(
            _Judged(
                candidate,
                score=blended(value, stage1, share=share, scale=outcome.reranker.similarity_scale),
                relevance=outcome.relevance_at(index),
                seen=outcome.seen_at(index),
                window=outcome.window_at(index, len(candidate.chunk.text)),
            )
        )
    return sorted(judged, key=_order)


Scores = TypeVar("Scores", float, "Doubles")


def blended(value: Scores, stage1_score: Scores, *, share: float, scale: float) -> Scores:
    """What the final order is by: (1 − share) · value + share · scale · stage1_score.

    A weighted sum of the two stages' own scores, which keeps how sure each of them is (Bruch et al. 2023, "An Analysis
    of Fusion Functions for Hybrid Retrieval"). `scale` says how many logits a stage 1 score of 1 is worth; stage 1's
    score is the similarity, or its fusion with the query's words.
    """
    return (1 - share) * value + share * scale * stage1_score


def _order(judged: _Judged) -> tuple[bool, float, int, str]:
    score = -math.inf if judged.score is None else judged.score
    return judged.score is None, -score, judged.candidate.stage1_rank, judged.candidate.chunk.id


# ── hits ──


def _hit(judged: _Judged, rank: int, stale: Mapping[str, bool]) -> Hit:
    candidate, chunk = judged.candidate, judged.candidate.chunk
    return Hit(
        rank=rank,
        id=chunk.id,
        document_id=chunk.document_id,
        source=chunk.source,
        start_line=chunk.start_line,
        end_line=chunk.end_line,
        page=chunk.page,
        title=chunk.title,
        heading=chunk.heading,
        text=chunk.text,
        similarity=candidate.similarity,
        stage1_rank=candidate.stage1_rank,
        stage1_score=candidate.stage1_score,
        vector_rank=candidate.vector_rank,
        words_rank=candidate.words_rank,
        words_score=candidate.words_score,
        relevance=judged.relevance,
        score=judged.score,
        stale=stale[chunk.source],
        metadata=chunk.metadata,
        seen=judged.seen,
        window=judged.window,
    )


def _stale_sources(engine: Engine, collection: str, root: Path, sources: Sequence[str]) -> dict[str, bool]:
    names = sorted(set(sources))
    states = {state.name: state for state in engine.source_states(collection, names)}
    return {name: name in states and is_stale(states[name], root) for name in names}


def is_stale(state: SourceState, root: Path) -> bool:
    """Whether a source has changed or gone since it was ingested; one that cannot be looked at has not."""
    path = root / state.name
    try:
        return not is_unchanged(state, path, stamp_of(path))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


# ── warnings ──


def _query_warnings(text: str, tokens: int, embedder: Embedder) -> list[str]:
    warnings = []
    if tokens > embedder.max_tokens:
        warnings.append(
            f"the query has {tokens} tokens, of which {embedder.name} reads the first {embedder.max_tokens}"
        )
    if is_foreign(text, embedder.languages):
        warnings.append(
            f"the query does not look like a language that {embedder.name} was trained for "
            f"({', '.join(embedder.languages)}): similarities may mean little"
        )
    return warnings


def _filter_warnings(engine: Engine, collection: str, filter: Filter | None) -> list[str]:
    if filter is None:
        return []
    from vai.filters import field_warnings

    return field_warnings(filter, engine.fields(collection))


def _as_json(filter: Filter | None) -> Json:
    if filter is None:
        return None
    from vai.filters import filter_to_json

    return filter_to_json(filter)


def _stale_warnings(hits: Sequence[Hit]) -> list[str]:
    stale = sorted({hit.source for hit in hits if hit.stale})
    return [f"`{source}` has changed or gone since it was ingested: ingest it again" for source in stale]


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)
