"""Voyage's rerankers: `POST /rerank` with the query and the passages, answered with relevances in 0–1.

https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from vai.errors import KeyMissing, RemoteUnavailable, UnknownModel
from vai.models.exchange import BrokenAnswer
from vai.models.http import DeadlineReached, Hints, Patience, RemoteService
from vai.types import Reading

if TYPE_CHECKING:
    from vai.types import Json

VOYAGE_ADDRESS = "https://api.voyageai.com/v1"
ATLAS_ADDRESS = "https://ai.mongodb.com/v1"

ADVISED_TOKENS = 200_000
"""Tokens of one request above which the service advises to split it, for the sake of latency."""

_BYTES_PER_TOKEN_LOW = 2
"""For cutting batches: text rarely has more tokens than half its UTF-8 bytes. Even at one token a byte, which
is the most there can be, a batch of `ADVISED_TOKENS` stays below the 600,000 that are the limit."""

_BYTES_PER_TOKEN_HIGH = 5
"""For saying that a text was cut off: prose has four to five bytes a token, so that what is too long at
five cannot have fitted."""


@dataclass(frozen=True, slots=True)
class VoyageModel:
    """A reranker's price in US dollars per million tokens, and what it takes at most in one request.

    Tokens are those of the query; of the query and any one document; and `query × documents + Σ documents`.
    """

    price: float
    query_tokens: int = 8_000
    pair_tokens: int = 32_000
    total_tokens: int = 600_000
    documents: int = 1_000


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

_PAIRING = (
    f"a key that begins with `pa-` belongs to {VOYAGE_ADDRESS}, one with `al-` to {ATLAS_ADDRESS}: "
    "check VOYAGE_API_KEY, and VOYAGE_BASE_URL if it is set"
)
_HINTS = Hints(
    address=f"VOYAGE_BASE_URL names what comes before `/rerank`, e.g. {VOYAGE_ADDRESS}",
    unavailable="try again later, or name a bundled model",
    by_status={
        401: _PAIRING,
        403: _PAIRING,
        404: f"VOYAGE_BASE_URL names what comes before `/rerank`, e.g. {VOYAGE_ADDRESS}",
        429: "the key's rate limit is used up: try again in a minute, or with fewer candidates",
    },
)


def open_voyage_reranker(name: str, environment: Mapping[str, str]) -> VoyageReranker:
    """The reranker of that name, with key and address from VOYAGE_API_KEY and VOYAGE_BASE_URL.

    Without an address it is the one that the key belongs to, which its first letters tell.

    Raises:
        UnknownModel: Voyage has no such reranker.
        KeyMissing: VOYAGE_API_KEY is not set.
        InvalidSettings: the address or the key cannot be one.
    """
    _known(name)
    key = environment.get("VOYAGE_API_KEY", "").strip()
    if not key:
        raise KeyMissing(
            f"`{name}` is a model of Voyage and needs a key: VOYAGE_API_KEY is not set",
            hint="set it in the environment: `export VOYAGE_API_KEY=…`",
        )
    own_address = ATLAS_ADDRESS if key.startswith("al-") else VOYAGE_ADDRESS
    return VoyageReranker(
        name, key=key, base_url=environment.get("VOYAGE_BASE_URL", "").strip() or own_address
    )


class VoyageReranker:
    """A `Reranker` that Voyage runs. `close` gives back its connections; so does forgetting it.

    A passage that is the empty string is not sent, because the service refuses the whole request for one:
    there is nothing in it that could answer, and its relevance is 0.
    """

    blend = 0.0
    similarity_scale = 1.0
    languages: tuple[str, ...] = ()
    calibrated = False
    """Relevances are the service's own; `vai` has not measured what they mean."""

    def __init__(
        self, name: str, *, key: str, base_url: str = VOYAGE_ADDRESS, patience: Patience | None = None
    ) -> None:
        self.name = name
        self._model = _known(name)
        self._service = RemoteService("Voyage", base_url, key, patience=patience, hints=_HINTS)

    @property
    def base_url(self) -> str:
        """Where requests go."""
        return self._service.base_url

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """Relevances float32 [n] in input order; see `Reranker.score`.

        What was read before a deadline or a failure counts: the rest is NaN, and `reason` says why.

        Raises:
            RemoteRefused: the service said no (key, model, request).
            RemoteUnavailable: it failed before it had read anything.
        """
        import numpy as np

        empty = np.array([passage == "" for passage in passages], dtype=bool)
        relevance = np.where(empty, 0.0, np.nan).astype(np.float32)
        seen = empty.astype(np.float32)
        room = _room_beside(query, self._model)
        tokens, reason, nothing_read = 0, None, True
        for batch in _batches(self._model, query, passages):
            try:
                scores, used = self._ask(query, [passages[index] for index in batch], deadline)
            except RemoteUnavailable as failure:
                if nothing_read and not isinstance(failure, DeadlineReached):
                    raise
                reason = failure.message
                break
            relevance[batch] = scores
            seen[batch] = [_share_seen(passages[index], room) for index in batch]
            tokens, nothing_read = tokens + used, False
        query_seen = _share_seen(query, self._model.query_tokens)
        return Reading(None, relevance, tokens, seen, reason, query_seen)

    def close(self) -> None:
        """Close connections that are kept for the next call."""
        self._service.close()

    def _ask(
        self, query: str, documents: Sequence[str], deadline: float | None
    ) -> tuple[Sequence[float], int]:
        payload: dict[str, Json] = {
            "query": query,
            "documents": documents,
            "model": self.name,
            "truncation": True,
        }
        return self._service.post(
            "/rerank", payload, lambda answer: read_scores(answer, len(documents)), deadline=deadline
        )


def _known(name: str) -> VoyageModel:
    if name not in RERANK_MODELS:
        raise UnknownModel(
            f"Voyage has no reranker of that name: `{name}`", hint=f"it has {', '.join(RERANK_MODELS)}"
        )
    return RERANK_MODELS[name]


# ── what goes into a request ─────────────────────────────────────────────────────────────────────


def _batches(model: VoyageModel, query: str, passages: Sequence[str]) -> Iterator[list[int]]:
    """Indices of the passages to send, in order, cut where the next would be one too many or too long.

    A passage too long by itself still goes: the service truncates it.
    """
    query_tokens = min(_utf8_length(query) / _BYTES_PER_TOKEN_LOW, model.query_tokens)
    batch: list[int] = []
    total = 0.0
    for index, passage in enumerate(passages):
        if passage == "":
            continue
        pair = min(query_tokens + _utf8_length(passage) / _BYTES_PER_TOKEN_LOW, model.pair_tokens)
        if batch and (len(batch) == model.documents or total + pair > ADVISED_TOKENS):
            yield batch
            batch, total = [], 0.0
        batch.append(index)
        total += pair
    if batch:
        yield batch


def _room_beside(query: str, model: VoyageModel) -> float:
    """Tokens that the model has left for a passage."""
    return model.pair_tokens - min(_utf8_length(query) / _BYTES_PER_TOKEN_HIGH, model.query_tokens)


def _share_seen(text: str, room: float) -> float:
    """The share of a text that fits into `room` tokens: 1 unless it is surely too long."""
    return min(1.0, room * _BYTES_PER_TOKEN_HIGH / max(_utf8_length(text), 1))


def _utf8_length(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


# ── what comes back ──────────────────────────────────────────────────────────────────────────────


def read_scores(answer: Json, count: int) -> tuple[Sequence[float], int]:
    """The relevances of `count` documents in the order they were sent, and the tokens that were read.

    Results come sorted by relevance and are put back by `index`.

    Raises:
        BrokenAnswer: the answer does not hold exactly one relevance in 0–1 for each document.
    """
    data = _field(answer, "data")
    if not isinstance(data, list):
        raise BrokenAnswer("has a `data` that is not a list")
    if len(data) != count:
        raise BrokenAnswer(f"has {len(data)} results for {count} documents")
    scores: dict[int, float] = {}
    for result in data:
        index = _index(_field(result, "index"), count)
        if index in scores:
            raise BrokenAnswer(f"has index {index} twice")
        scores[index] = _relevance(_field(result, "relevance_score"))
    return [scores[index] for index in range(count)], _tokens(_field(_field(answer, "usage"), "total_tokens"))


def _field(value: Json, name: str) -> Json:
    if not isinstance(value, dict) or name not in value:
        raise BrokenAnswer(f"lacks `{name}`")
    field: Json = value[name]
    return field


def _index(value: Json, count: int) -> int:
    if type(value) is not int or not 0 <= value < count:
        raise BrokenAnswer(f"has an index that is none of 0 to {count - 1}: {value!r:.40}")
    return value


def _relevance(value: Json) -> float:
    # a boolean is an int to Python, and every comparison with NaN is false
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise BrokenAnswer(f"has a relevance that is not in 0 to 1: {value!r:.40}")
    return float(value)


def _tokens(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise BrokenAnswer(f"has a token count that is none: {value!r:.40}")
    return value
