"""What a query, an ingest or a reranking would cost, found out without asking any model that is paid for.

What runs on this machine is run for it, as far as that says more: stage 1, which finds the passages that stage 2
would read, and the reading and chunking of files. Tokens of a remote model are estimated from bytes of text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from vai.documents import ReadOptions, find_sources, source_name
from vai.errors import CollectionNotFound
from vai.ingest.plan import Plan
from vai.ingest.steps import Add, Put, Tally, batches
from vai.models.paying.prices import Tariff, Work, embedding_work, reranking_work
from vai.models.remote.embedding import token_ends
from vai.models.remote.lengths import utf8_length
from vai.planning import QueryPlan
from vai.protocols import Embedder, Engine, Writer
from vai.query import find
from vai.reranking import checked_query
from vai.types import CallEstimate, Estimate, EstimatedStage, Provenance

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector

Unread = Callable[[str, Sequence[str]], Sequence[str]]
"""Those of the passages of which no score for the query is kept: `(query, passages) -> passages`."""

SAMPLE = 32
"""Chunks that stand for all where the candidates cannot be known."""


def estimate_query(
    texts: Sequence[str],
    *,
    engine: Engine,
    collection: str,
    plan: QueryPlan,
    embedding: Tariff,
    embedder: Embedder | None,
    reranking: Tariff | None,
    unread: Unread | None = None,
) -> Estimate:
    """What these queries would cost.

    Args:
        embedding: of the model that embeds queries.
        embedder: that model, if it runs here; stage 1 then finds the passages that would be read. A remote one is
            not called, and may be None: chunks from all over the collection stand for them.
        reranking: of stage 2; None where it does not run.
        unread: which passages would have to be read, if scores are kept; kept ones cost nothing.

    Raises:
        InvalidQuery: a query is empty or too long.
        CollectionNotFound, StoreFailure: the collection cannot be read.
    """
    queries = [checked_query(text) for text in texts]
    embed = sum((embedding_work(embedding, [query]) for query in queries), Work())
    parts: list[tuple[Tariff, EstimatedStage, Work]] = [(embedding, "embed", embed)]
    notes: list[str] = []
    if reranking is not None and embedder is not None and embedding.runs_here:
        found = [_found(query, engine, collection, plan, embedder) for query in queries]
        to_read = [
            unread(query, passages) if unread else passages
            for query, passages in zip(queries, found, strict=True)
        ]
        works = map(partial(reranking_work, reranking), queries, to_read)
        parts.append((reranking, "rerank", sum(works, Work())))
    elif reranking is not None:
        count, samples = _supposed(engine, collection, plan)
        rerank = sum((_unseen(reranking, query, count, samples) for query in queries), Work())
        parts.append((reranking, "rerank", rerank))
        notes.append(
            f"the candidates are not known before {embedding.model} has embedded the query: {len(samples)} chunks from "
            "all over the collection stand for them, and no score is taken to be kept"
        )
    return _estimate(parts, notes)


def estimate_rerank(
    query: str, texts: Sequence[str], *, reranking: Tariff, unread: Unread | None = None
) -> Estimate:
    """What reranking these texts would cost. Raises `InvalidQuery` as `estimate_query` does."""
    query = checked_query(query)
    passages = texts if unread is None else unread(query, texts)
    return _estimate([(reranking, "rerank", reranking_work(reranking, query, passages))], [])


def estimate_ingest(
    paths: Sequence[Path],
    *,
    engine: Engine,
    collection: str,
    embedding: Tariff,
    embedder: Embedder | None,
    root: Path,
    read_options: ReadOptions,
    chunk_tokens: int,
) -> Estimate:
    """What bringing a collection up to date with files and folders would cost; changes nothing.

    Files are looked at, read and chunked as the ingest itself does it, so what has not changed costs nothing.

    Args:
        embedding: of the collection's model.
        embedder: that model, if it runs here; None for a remote one, whose tokens are then about four bytes each.

    Raises:
        PathNotFound: one of the paths is not there.
        StoreBusy, StoreReadOnly: an existing collection is being written to, or cannot be.
    """
    tally, work, documents, chunks = Tally(), Work(), 0, 0
    named = {source_name(path, root) for path in paths if not path.is_dir()}
    sources = find_sources(paths, root=root, options=read_options)
    with _recorded(engine, collection) as writer:
        plan = Plan(writer, embedder or _Unopened(embedding.model), read_options, chunk_tokens, tally, named)
        for steps in batches(plan.steps(sources)):
            added = [chunk for step in steps if isinstance(step, Add) for chunk in step.chunks]
            documents += sum(isinstance(step, Put) for step in steps)
            chunks += len(added)
            work += embedding_work(embedding, [chunk.passage for chunk in added])
    notes = [f"new or changed documents: {documents:,}, which make {chunks:,} chunks"]
    if tally.skipped:
        notes.append(f"files and records that would be skipped: {len(tally.skipped):,}")
    return _estimate([(embedding, "embed", work)], notes)


# ── stage 2's passages ──


def _found(query: str, engine: Engine, collection: str, plan: QueryPlan, embedder: Embedder) -> Sequence[str]:
    """What stage 1 finds."""
    vector = embedder.embed_query(query)
    found = find(query, vector, engine=engine, collection=collection, plan=plan)
    return [candidate.chunk.passage_to_rerank for candidate in found.candidates]


def _supposed(engine: Engine, collection: str, plan: QueryPlan) -> tuple[int, list[str]]:
    """How many candidates there would be at most, and passages from all over the collection that stand for them."""
    count, passages = engine.describe(collection).chunks, []
    for vector in engine.sample(collection, SAMPLE):
        found = engine.search(
            collection, vector, limit=1, num_candidates=plan.depths.num_candidates, filter=plan.filter
        )
        passages += [candidate.chunk.passage_to_rerank for candidate in found.candidates]
        count = count if found.matched is None else found.matched
    return min(count, plan.depths.limit), passages


def _unseen(tariff: Tariff, query: str, count: int, passages: Sequence[str]) -> Work:
    """Reading `count` passages that are as long as these are on average, and at most as the longest of them."""
    if not passages:
        return Work()
    longest = max(passages, key=utf8_length)
    at_most = reranking_work(tariff, query, [longest] * count)
    typical = fmean(reranking_work(tariff, query, [passage]).tokens for passage in passages)
    return Work(at_most.requests, round(count * typical), at_most.tokens_at_most)


# ── what an ingest would do ──


@contextmanager
def _recorded(engine: Engine, collection: str) -> Iterator[Writer]:
    """What the collection has recorded of its sources and documents; nothing of one that is still to be made."""
    try:
        engine.provenance(collection)
    except CollectionNotFound:
        from vai.engines.exact import ExactEngine

        engine = ExactEngine()
        engine.create(collection, Provenance("", "", 1, 1))
    with engine.writing(collection) as writer:  # where nothing is committed
        yield writer


class _Unopened:
    """What chunking needs of an embedder that is not open: a name, and how remote texts are measured."""

    revision = ""
    dimension = 0
    max_tokens = 0
    languages: tuple[str, ...] = ()
    usd_per_million_tokens = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def token_ends(self, text: str) -> Sequence[int]:
        return token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        raise NotImplementedError("an estimate embeds nothing")

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        raise NotImplementedError("an estimate embeds nothing")


# ── prices ──


def _estimate(parts: Sequence[tuple[Tariff, EstimatedStage, Work]], notes: Sequence[str]) -> Estimate:
    calls = tuple(
        CallEstimate(
            model=tariff.model,
            stage=stage,
            requests=work.requests,
            tokens=work.tokens,
            usd=tariff.usd(work.tokens),
            usd_at_most=tariff.usd(work.tokens_at_most),
        )
        for tariff, stage, work in parts
    )
    remarks = [remark for tariff, _, _ in parts for remark in _remarks(tariff)]
    return Estimate(
        calls=calls,
        usd=_sum(call.usd for call in calls),
        usd_at_most=_sum(call.usd_at_most for call in calls),
        notes=(*notes, *remarks),
    )


def _remarks(tariff: Tariff) -> Iterator[str]:
    if tariff.runs_here:
        yield f"{tariff.model} runs here, and costs nothing"
    if tariff.usd_per_million_tokens is None:
        yield f"the price of {tariff.model} is not known: it is a server that was named by its address"


def _sum(prices: Iterable[float | None]) -> float | None:
    """The whole price; None if a part of it is not known."""
    total = 0.0
    for price in prices:
        if price is None:
            return None
        total += price
    return round(total, 9)
