"""The read path: query → candidates → (rerank) → hits → response.

Everything that decides the final order stands in this module: the blend of the two stages, ties, and the cut.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vai.freshness import is_unchanged, stamp_of
from vai.languages import is_foreign
from vai.protocols import Embedder, Engine, Reranker
from vai.reranking import checked_query, read_passages, reading_warnings, stage_report, values_of
from vai.settings import Depths
from vai.types import (
    BY_VECTOR,
    Candidate,
    EmbedStage,
    Hit,
    Json,
    QueryResponse,
    QuerySettings,
    Reading,
    SearchStage,
    SourceState,
    Stage1,
    Stages,
)

if TYPE_CHECKING:
    from vai.filters import Filter


@dataclass(frozen=True, slots=True)
class _Judged:
    """A candidate with what stage 2 made of it; None where it was not read, or there is no stage 2."""

    candidate: Candidate
    relevance: float | None
    score: float | None


def query(
    text: str,
    *,
    engine: Engine,
    collection: str,
    embedder: Embedder,
    reranker: Reranker | None,
    depths: Depths,
    root: Path,
    stage1: Stage1 = BY_VECTOR,
    filter: Filter | None = None,
    blend: float | None = None,
    exact: bool = False,
    strict: bool = False,
    explain: bool = False,
) -> QueryResponse:
    """Both stages for one query.

    Args:
        reranker: stage 2; None leaves stage 1's order.
        root: what the names of sources are relative to, for telling whether a hit is stale.
        stage1: how candidates are found.
        filter: only chunks that it lets through.
        blend: the share of stage 1 in the final order, 0–1; None takes the reranker's own.
        exact: compare every vector, whatever index there is.
        strict: raise when stage 2 fails while working, instead of keeping stage 1's order.
        explain: list the candidates that did not become hits too.

    Raises:
        InvalidQuery: the query is empty or too long.
        RemoteRefused: a remote model said no.
        RemoteUnavailable: a remote embedder failed; or, if `strict`, the reranker did.
        CollectionNotFound, StoreFailure: the collection cannot be read.
    """
    text = checked_query(text)
    began = time.perf_counter()
    vector = embedder.embed_query(text)
    tokens = len(embedder.token_ends(text)) + 2
    embedded = time.perf_counter()
    found = engine.search(
        collection,
        vector,
        limit=depths.limit,
        num_candidates=depths.num_candidates,
        exact=exact,
        text=text,
        stage1=stage1,
        filter=filter,
    )
    searched = time.perf_counter()
    reading = None
    warnings = [
        *_query_warnings(text, tokens, embedder),
        *_filter_warnings(engine, collection, filter),
        *found.warnings,
    ]
    share = 0.0
    if reranker is not None:
        share = reranker.blend if blend is None else blend
        passages = [candidate.chunk.passage_to_rerank for candidate in found.candidates]
        reading = read_passages(reranker, text, passages, strict=strict)
        warnings += reading_warnings(reranker, reading)
    ranked = _ranked(found.candidates, reading, reranker, share)
    reread = time.perf_counter()
    listed = ranked if explain else ranked[: depths.top_k]
    stale = _stale_sources(engine, collection, root, [judged.candidate.chunk.source for judged in listed])
    hits = [_hit(judged, rank, stale) for rank, judged in enumerate(listed, start=1)]
    warnings += _stale_warnings(hits[: depths.top_k])
    return QueryResponse(
        query=text,
        collection=collection,
        settings=QuerySettings(
            stage1=stage1.mode,
            limit=depths.limit,
            num_candidates=depths.num_candidates,
            top_k=depths.top_k,
            rerank_model=reranker.name if reranker else None,
            blend=share if reranker else None,
            filter=_as_json(filter),
            fusion=stage1.fusion if stage1.mode == "hybrid" else None,
            words_weight=stage1.words_weight
            if (stage1.mode, stage1.fusion) == ("hybrid", "scores")
            else None,
        ),
        stages=Stages(
            embed=EmbedStage(_ms(began, embedded), embedder.name, min(tokens, embedder.max_tokens)),
            search=SearchStage(
                _ms(embedded, searched),
                len(found.candidates),
                found.exact,
                found.unindexed,
                found.depth,
                found.matched,
            ),
            rerank=stage_report(reranker, reading, _ms(searched, reread)) if reranker and reading else None,
        ),
        hits=tuple(hits[: depths.top_k]),
        dropped=tuple(hits[depths.top_k :]) if explain else None,
        warnings=tuple(warnings),
    )


# ── the order ──


def _ranked(
    candidates: Sequence[Candidate], reading: Reading | None, reranker: Reranker | None, share: float
) -> list[_Judged]:
    """The final order: read candidates by score, then unread ones in stage 1's order.

    The score is (1 − share) · value + share · scale · stage1_score, where value is the reranker's logit (its
    relevance, if it gives no logits) and scale says how many logits a stage 1 score of 1 is worth: a weighted sum
    of the two stages' own scores, which keeps how sure each of them is (Bruch et al. 2023, "An Analysis of Fusion
    Functions for Hybrid Retrieval"). Stage 1's score is the similarity, or its fusion with the query's words.
    Equal scores stay in stage 1's order.
    """
    if reading is None or reranker is None:
        return [_Judged(candidate, None, candidate.stage1_score) for candidate in candidates]
    judged = []
    for candidate, value, relevance in zip(
        candidates, values_of(reading), reading.relevance.tolist(), strict=True
    ):
        if math.isnan(value):
            judged.append(_Judged(candidate, None, None))
            continue
        score = (1 - share) * value + share * reranker.similarity_scale * candidate.stage1_score
        judged.append(_Judged(candidate, relevance, score))
    return sorted(judged, key=_order)


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
