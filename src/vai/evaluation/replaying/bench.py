"""What every evaluation works on: a collection, a test set in its ids, and the vectors of the questions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, Unpack

import numpy as np

from vai.arrays import Doubles, Matrix
from vai.errors import InvalidSettings, StoreBusy
from vai.evaluation.data.matching import Matched
from vai.evaluation.measures.metrics import Judgements
from vai.filters import Condition, Every, Filter, field_warnings
from vai.planning import QueryOptions, QueryPlan, plan_query
from vai.protocols import Embedder, Engine, Reranker
from vai.reranking import checked_query
from vai.types import Chunk, Json, Stage1

if TYPE_CHECKING:
    from vai.collection import Collection
    from vai.evaluation.data.testsets import TestSet

Progress = Callable[[str, int, int], None]
"""Told now and then what is being done ("embed", "search", "read"), how much of it is done, and of how much."""

CHUNKS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Configuration:
    """One choice of all that decides which hits a question gets, but for how many of them are shown.

    `reranker` is the name of the model of stage 2, None where stage 1's order is the final one; `blend` is then 1.
    """

    stage1: Stage1
    limit: int
    num_candidates: int
    reranker: str | None = None
    blend: float = 1.0
    min_relevance: float | None = None

    @property
    def without_reranker(self) -> Configuration:
        """The same with stage 1 alone."""
        return replace(self, reranker=None, blend=1.0, min_relevance=None)

    def to_dict(self) -> dict[str, Json]:
        """Its settings, named as the flags are; null for what has no meaning in it."""
        stage1, hybrid = self.stage1, self.stage1.mode == "hybrid"
        return {
            "stage1": stage1.mode,
            "fusion": stage1.fusion if hybrid else None,
            "words_weight": stage1.words_weight if hybrid and stage1.fusion == "scores" else None,
            "limit": self.limit,
            "num_candidates": self.num_candidates,
            "rerank_model": self.reranker,
            "blend": None if self.reranker is None else self.blend,
            "min_relevance": self.min_relevance,
        }


@dataclass
class Bench:
    """A collection and the questions that are asked of it, opened once for any number of configurations.

    Args:
        plan: what a query does unless it is told otherwise; its filter and `exact` hold for every configuration.
        texts: the questions, in the order of the test set.
        vectors: float32 [questions, d].
        embed_ms, tokens: what embedding each question took, float64 [questions].
        own_documents: the ids of questions that are documents of the collection, and no answers to themselves.
    """

    collection: Collection
    matched: Matched
    plan: QueryPlan
    embedder: Embedder
    texts: tuple[str, ...]
    vectors: Matrix
    embed_ms: Doubles
    tokens: Doubles
    judgements: Judgements
    own_documents: frozenset[str] = frozenset()
    rerankers: dict[str, Reranker] = field(default_factory=dict)
    _chunks: dict[str, Chunk] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        collection: Collection,
        matched: Matched,
        *,
        progress: Progress | None = None,
        **options: Unpack[QueryOptions],
    ) -> Self:
        """Embed the questions of a test set.

        Args:
            options: as for a query; they hold where a configuration says nothing else.

        Raises:
            InvalidSettings: the options contradict each other, or there is no question.
            and all that opening the embedder, and embedding, raises.
        """
        plan = plan_query(collection.settings, **options)
        if not matched.test_set.queries:
            raise InvalidSettings(
                f"no question of `{matched.test_set.name}` can be judged: nothing that answers them is in the "
                f"collection `{collection.name}`"
            )
        embedder = collection.open_query_embedder()
        texts = tuple(map(checked_query, matched.test_set.queries.values()))
        vectors, times = [], []
        for number, text in enumerate(texts, start=1):
            began = time.perf_counter()
            vectors.append(embedder.embed_query(text))
            times.append((time.perf_counter() - began) * 1000)
            if progress is not None:
                progress("embed", number, len(texts))
        tokens = [min(len(embedder.token_ends(text)) + 2, embedder.max_tokens) for text in texts]
        return cls(
            collection=collection,
            matched=matched,
            plan=plan,
            embedder=embedder,
            texts=texts,
            vectors=np.stack(vectors),
            embed_ms=np.array(times),
            tokens=np.array(tokens, dtype=np.float64),
            judgements=Judgements.of(list(matched.test_set.grades.values())),
            own_documents=_own_documents(collection, matched.test_set),
        )

    @property
    def engine(self) -> Engine:
        """Where the collection lives."""
        return self.collection.engine

    @property
    def queries(self) -> tuple[str, ...]:
        """The ids of the questions."""
        return tuple(self.matched.test_set.queries)

    def configuration(self, **options: Unpack[QueryOptions]) -> Configuration:
        """What a query with these options does; what they leave out is as the settings have it.

        The reranker is opened, because it says how much stage 1 counts where nobody else does.

        Raises:
            InvalidSettings, UnknownModel, KeyMissing: as a query does.
        """
        return self.configured(plan_query(self.collection.settings, **options))

    def configured(self, plan: QueryPlan) -> Configuration:
        """What a query of that plan does. Raises as `configuration`."""
        depths = plan.depths
        alone = Configuration(plan.stage1, depths.limit, depths.num_candidates)
        if not plan.rerank:
            return alone
        reranker = self.opened(plan.rerank_model)
        return replace(
            alone,
            reranker=reranker.name,
            blend=reranker.blend if plan.blend is None else plan.blend,
            min_relevance=plan.min_relevance,
        )

    def opened(self, name: str | None) -> Reranker:
        """The reranker of that name, or the one that queries use, with the cache of its scores before it."""
        reranker = self.collection.open_reranker(name, cache=self.plan.cache)
        return self.rerankers.setdefault(reranker.name, reranker)

    def filter_of(self, number: int) -> Filter | None:
        """What may be found for a question: what the user lets through, without the question's own document."""
        if self.queries[number] not in self.own_documents:
            return self.plan.filter
        others = Condition("id", False, "ne", self.queries[number])
        return others if self.plan.filter is None else Every((self.plan.filter, others))

    @property
    def filter_warnings(self) -> list[str]:
        """What may not be meant in the filter that holds for every question."""
        if self.plan.filter is None:
            return []
        return field_warnings(self.plan.filter, self.engine.fields(self.collection.name))

    def chunks(self, ids: list[str]) -> dict[str, Chunk]:
        """Chunks by id; some thousand are kept, since questions have candidates in common.

        Raises:
            StoreBusy: one that was found is gone by now.
        """
        unknown = [chunk_id for chunk_id in ids if chunk_id not in self._chunks]
        if unknown:
            if len(self._chunks) > CHUNKS_KEPT:
                self._chunks.clear()
                unknown = ids
            found = self.collection.chunks(unknown)
            if len(found) < len(set(unknown)):
                raise StoreBusy(
                    f"the collection `{self.collection.name}` was changed while it was evaluated",
                    hint="try again when nothing is being ingested",
                )
            self._chunks.update(found)
        return {chunk_id: self._chunks[chunk_id] for chunk_id in ids}


def _own_documents(collection: Collection, test_set: TestSet) -> frozenset[str]:
    """The questions that are documents; the others need no filter, with which a search may be another one."""
    if not test_set.own_documents:
        return frozenset()
    first = {f"{query}#0": query for query in test_set.queries}
    return frozenset(first[chunk] for chunk in collection.chunks(list(first)))
