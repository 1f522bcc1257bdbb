"""Voyage's rerankers: `POST /rerank` with the query and the passages, answered with relevances in 0–1.

https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vai.models.paying.spending import Purse, usd_for
from vai.models.remote.answers import field_of, in_order, relevance, total_tokens
from vai.models.remote.http import AS_SERVED, Patience, RemoteService
from vai.models.remote.lengths import most_tokens
from vai.models.remote.reranking import Scored, ServedReranker, read_in_requests
from vai.models.remote.voyage import HINTS, RERANK_MODELS, VOYAGE_ADDRESS, known_model
from vai.types import Reading

if TYPE_CHECKING:
    from vai.types import Json


class VoyageReranker(ServedReranker):
    """A `Reranker` that Voyage runs."""

    revision = AS_SERVED

    def __init__(
        self,
        name: str,
        *,
        key: str,
        base_url: str = VOYAGE_ADDRESS,
        patience: Patience | None = None,
        purse: Purse | None = None,
    ) -> None:
        self.name = name
        self._model = known_model(RERANK_MODELS, name, "reranker")
        self.usd_per_million_tokens = self._model.price
        self._service = RemoteService("Voyage", base_url, key, patience=patience, hints=HINTS)
        self._purse = purse or Purse()

    @property
    def base_url(self) -> str:
        """Where requests go."""
        return self._service.base_url

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """Relevances float32 [n] in input order; see `Reranker.score`."""
        return read_in_requests(self._ask, self._model.limits, "relevance", query, passages, deadline)

    def _ask(self, query: str, documents: Sequence[str], deadline: float | None) -> Scored:
        payload: dict[str, Json] = {
            "query": query,
            "documents": documents,
            "model": self.name,
            "truncation": True,
        }
        most = most_tokens(documents, self._model.pair_tokens, query=query)
        at_most = usd_for(most, self._model.price)
        with self._purse.paying(self.name, at_most) as bill:
            scored = self._service.post(
                "/rerank", payload, lambda answer: read_scores(answer, len(documents)), deadline=deadline
            )
            bill.tokens, bill.usd = scored.tokens, usd_for(scored.tokens, self._model.price)
        return scored


def read_scores(answer: Json, count: int) -> Scored:
    """The relevances of `count` documents in the order they were sent, and the tokens that were read.

    Raises:
        BrokenAnswer: the answer does not hold exactly one relevance in 0–1 for each document.
    """
    values = in_order(
        field_of(answer, "data"), count, lambda result: relevance(field_of(result, "relevance_score"))
    )
    return Scored(values, total_tokens(answer))
