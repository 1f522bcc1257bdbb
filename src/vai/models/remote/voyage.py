"""Voyage's models: rerankers behind `POST /rerank`, embedders behind `POST /embeddings`.

https://docs.voyageai.com/reference/reranker-api and https://docs.voyageai.com/reference/embeddings-api
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from vai.errors import KeyMissing, UnknownModel
from vai.models.remote.embedding import RequestLimits
from vai.models.remote.http import Hints
from vai.models.remote.reranking import PairLimits

if TYPE_CHECKING:
    from vai.models.access import Access
    from vai.models.remote.voyage_embedder import VoyageEmbedder
    from vai.models.remote.voyage_reranker import VoyageReranker

Model = TypeVar("Model")

VOYAGE_ADDRESS = "https://api.voyageai.com/v1"
ATLAS_ADDRESS = "https://ai.mongodb.com/v1"

BYTES_PER_TOKEN = 2
"""For telling that a text fits: text rarely has more tokens than half its UTF-8 bytes. Even at one token a byte,
which is the most there can be, a request of 200,000 such tokens stays below the 600,000 that are the limit."""

TEXTS = 128
"""Of one request to an embedder. 1,000 are allowed; several smaller requests at a time are answered sooner."""

DIMENSIONS = (256, 512, 1_024, 2_048)
DEFAULT_DIMENSION = 1_024
CONTEXT_TOKENS = 32_000
"""Of one text, for every embedder."""


@dataclass(frozen=True, slots=True)
class VoyageModel:
    """A reranker's price in US dollars per million tokens, and what it reads at most.

    Tokens are those of the query, and of the query and any one document; documents are those of one request.
    """

    price: float
    query_tokens: int = 8_000
    pair_tokens: int = 32_000
    documents: int = 1_000

    @property
    def limits(self) -> PairLimits:
        """What goes into one request."""
        return PairLimits(self.query_tokens, self.pair_tokens, self.documents, BYTES_PER_TOKEN)


RERANK_MODELS: Mapping[str, VoyageModel] = MappingProxyType(
    {
        "rerank-2.5": VoyageModel(price=0.05),
        "rerank-2.5-lite": VoyageModel(price=0.02),
        "rerank-3": VoyageModel(price=0.05),
        "rerank-3-lite": VoyageModel(price=0.02),
        "rerank-2": VoyageModel(price=0.05, query_tokens=4_000, pair_tokens=16_000),
        "rerank-2-lite": VoyageModel(price=0.02, query_tokens=2_000, pair_tokens=8_000),
    }
)


@dataclass(frozen=True, slots=True)
class VoyageEmbedding:
    """An embedder's price in US dollars per million tokens, and the tokens of all texts in one request at most.

    Models of one `space` make vectors that can be compared with each other's; None for a space of its own.
    """

    price: float
    request_tokens: int
    space: str | None = None

    @property
    def limits(self) -> RequestLimits:
        """What goes into one request: as many bytes as tokens, because a token has a byte at least."""
        return RequestLimits(texts=TEXTS, bytes=self.request_tokens)


EMBEDDING_MODELS: Mapping[str, VoyageEmbedding] = MappingProxyType(
    {
        "voyage-4-large": VoyageEmbedding(price=0.12, request_tokens=120_000, space="voyage-4"),
        "voyage-4": VoyageEmbedding(price=0.06, request_tokens=320_000, space="voyage-4"),
        "voyage-4-lite": VoyageEmbedding(price=0.02, request_tokens=1_000_000, space="voyage-4"),
        "voyage-code-4": VoyageEmbedding(price=0.12, request_tokens=320_000),
        "voyage-3.5": VoyageEmbedding(price=0.06, request_tokens=320_000),
        "voyage-3.5-lite": VoyageEmbedding(price=0.02, request_tokens=1_000_000),
        "voyage-code-3": VoyageEmbedding(price=0.18, request_tokens=120_000),
    }
)

_ADDRESS = f"VOYAGE_BASE_URL names what comes before `/rerank` and `/embeddings`, e.g. {VOYAGE_ADDRESS}"
_PAIRING = (
    f"a key that begins with `pa-` belongs to {VOYAGE_ADDRESS}, one with `al-` to {ATLAS_ADDRESS}: "
    "check VOYAGE_API_KEY, and VOYAGE_BASE_URL if it is set"
)
HINTS = Hints(
    address=_ADDRESS,
    unavailable="try again later, or name a bundled model",
    by_status={
        401: _PAIRING,
        403: _PAIRING,
        404: _ADDRESS,
        429: "the key's rate limit is used up: try again in a minute, or with fewer texts",
    },
)


def open_voyage_reranker(name: str, *, access: Access) -> VoyageReranker:
    """The reranker of that name. Without an address it is the one that the key belongs to.

    Raises:
        UnknownModel: Voyage has no such reranker.
        KeyMissing: there is no key for Voyage.
        InvalidSettings: the address or the key cannot be one.
    """
    from vai.models.remote.voyage_reranker import VoyageReranker

    known_model(RERANK_MODELS, name, "reranker")
    key, base_url = _key_and_address(name, access)
    return VoyageReranker(name, key=key, base_url=base_url, patience=access.patience, purse=access.purse)


def open_voyage_embedder(name: str, *, dimension: int | None, access: Access) -> VoyageEmbedder:
    """The embedder of that name.

    Raises:
        UnknownModel, KeyMissing: as `open_voyage_reranker`.
        InvalidSettings: as there; or it has no such dimension.
    """
    from vai.models.remote.voyage_embedder import VoyageEmbedder

    known_model(EMBEDDING_MODELS, name, "embedder")
    key, base_url = _key_and_address(name, access)
    return VoyageEmbedder(
        name,
        key=key,
        base_url=base_url,
        dimension=dimension or DEFAULT_DIMENSION,
        patience=access.patience,
        purse=access.purse,
    )


# ── names and keys ───────────────────────────────────────────────────────────────────────────────


def known_model(models: Mapping[str, Model], name: str, kind: str) -> Model:
    """What is known of one of Voyage's models. Raises `UnknownModel` if there is none of that name."""
    if name not in models:
        raise UnknownModel(f"Voyage has no {kind} of that name: `{name}`", hint=f"it has {', '.join(models)}")
    return models[name]


def _key_and_address(name: str, access: Access) -> tuple[str, str]:
    """The key, and the address of the service: the one that the key belongs to, unless another is named."""
    key = (access.voyage_key or "").strip()
    if not key:
        raise KeyMissing(
            f"`{name}` is a model of Voyage and needs a key: VOYAGE_API_KEY is not set",
            hint="set it in the environment: `export VOYAGE_API_KEY=…`, or as `voyage_api_key` in your own settings",
        )
    own_address = ATLAS_ADDRESS if key.startswith("al-") else VOYAGE_ADDRESS
    return key, access.voyage_url or own_address


def mates_of(name: str) -> tuple[str, ...]:
    """The models whose vectors can be compared with those of the one of that name, itself among them."""
    space = EMBEDDING_MODELS[name].space if name in EMBEDDING_MODELS else None
    mates = tuple(other for other, model in EMBEDDING_MODELS.items() if space and model.space == space)
    return mates or (name,)
