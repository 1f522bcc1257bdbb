"""Voyage's embedders: `POST /embeddings` with some texts, answered with a vector for each.

https://docs.voyageai.com/reference/embeddings-api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vai.errors import InvalidSettings
from vai.models.paying.spending import Purse, usd_for
from vai.models.remote.answers import field_of, in_order, total_tokens, vector
from vai.models.remote.embedding import Rows, embed_in_requests, embed_one, token_ends
from vai.models.remote.http import AS_SERVED, Patience, RemoteService
from vai.models.remote.lengths import most_tokens
from vai.models.remote.voyage import (
    CONTEXT_TOKENS,
    DEFAULT_DIMENSION,
    DIMENSIONS,
    EMBEDDING_MODELS,
    HINTS,
    VOYAGE_ADDRESS,
    known_model,
)

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector
    from vai.types import Json


STEADY = Patience(timeout_s=60.0, attempts=8, longest_wait_s=60.0)
"""For documents: rate limits are per minute, and an ingest that has begun had better wait for the next one."""


class VoyageEmbedder:
    """An `Embedder` that Voyage runs. `close` gives back its connections; so does forgetting it.

    Texts are measured in the bundled embedder's tokens, so `max_tokens` is about what fits; the service cuts off what
    does not.
    """

    languages: tuple[str, ...] = ()
    revision = AS_SERVED
    max_tokens = CONTEXT_TOKENS

    def __init__(
        self,
        name: str,
        *,
        key: str,
        base_url: str = VOYAGE_ADDRESS,
        dimension: int = DEFAULT_DIMENSION,
        patience: Patience | None = None,
        purse: Purse | None = None,
    ) -> None:
        if dimension not in DIMENSIONS:
            raise InvalidSettings(
                f"`{name}` has no {dimension} dimensions",
                hint=f"it has {', '.join(map(str, DIMENSIONS))}; {DEFAULT_DIMENSION} unless you say otherwise",
            )
        self.name = name
        self.dimension = dimension
        self._model = known_model(EMBEDDING_MODELS, name, "embedder")
        self.usd_per_million_tokens = self._model.price
        self._service = RemoteService("Voyage", base_url, key, patience=patience, hints=HINTS)
        self._purse = purse or Purse()
        self._steady = patience or STEADY

    @property
    def base_url(self) -> str:
        """Where requests go."""
        return self._service.base_url

    def token_ends(self, text: str) -> Sequence[int]:
        """For each token of `text`, the offset of the character after it; see `vai.models.remote.embedding`."""
        return token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Vectors float32 [n, d]; see `Embedder.embed_documents`.

        Raises:
            RemoteRefused, RemoteUnavailable: the service said no, or failed.
            BudgetSpent: there is no money left for it.
        """
        return embed_in_requests(
            lambda some: self._ask("document", some, patience=self._steady),
            self._model.limits,
            texts,
            self.dimension,
        )

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        """Vector float32 [d]; raises as `embed_documents`, and gives up at the deadline."""
        return embed_one(
            lambda texts: self._ask("query", texts, deadline=deadline), text, lambda: self.dimension
        )

    def close(self) -> None:
        """Close connections that are kept for the next call."""
        self._service.close()

    def _ask(
        self,
        input_type: str,
        texts: Sequence[str],
        *,
        deadline: float | None = None,
        patience: Patience | None = None,
    ) -> Rows:
        payload: dict[str, Json] = {
            "input": texts,
            "model": self.name,
            "input_type": input_type,
            "truncation": True,
            "output_dimension": self.dimension,
            "output_dtype": "float",
        }
        at_most = usd_for(most_tokens(texts, CONTEXT_TOKENS), self._model.price)
        with self._purse.paying(self.name, at_most) as bill:
            rows, tokens = self._service.post(
                "/embeddings",
                payload,
                lambda answer: read_vectors(answer, len(texts), self.dimension),
                deadline=deadline,
                patience=patience,
            )
            bill.tokens, bill.usd = tokens, usd_for(tokens, self._model.price)
        return rows


def read_vectors(answer: Json, count: int, dimension: int) -> tuple[Rows, int]:
    """The vectors of `count` texts in the order they were sent, and the tokens that were read.

    Raises:
        BrokenAnswer: the answer does not hold exactly one vector of that dimension for each text.
    """
    rows = in_order(
        field_of(answer, "data"), count, lambda result: vector(field_of(result, "embedding"), dimension)
    )
    return rows, total_tokens(answer)
