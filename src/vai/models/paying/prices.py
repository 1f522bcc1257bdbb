"""What models cost, by name, and how much of a text they are paid for: known without opening them.

So an estimate needs no key and makes no call. It sends the texts through the code that cuts them into requests, and
counts the requests instead of making them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vai.errors import UnknownModel
from vai.models.names import canonical_name, place_of
from vai.models.paying.spending import usd_for
from vai.models.remote.embedding import RequestLimits, Rows, embed_in_requests
from vai.models.remote.lengths import likely_tokens, most_tokens
from vai.models.remote.reranking import PairLimits, Scored, read_in_requests
from vai.models.remote.voyage import CONTEXT_TOKENS, EMBEDDING_MODELS, RERANK_MODELS, TEXTS, VoyageModel

_ANY_PAIRS = VoyageModel(price=0.0).limits
_ANY_TEXTS = RequestLimits(texts=TEXTS, bytes=320_000)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What is known of a model before it is opened.

    `usd_per_million_tokens` is 0 for a model that runs here, None where it is not known. `pairs` and `request` say
    what goes into one request to a reranker or an embedder, `text_tokens` what an embedder reads of a text.
    """

    model: str
    usd_per_million_tokens: float | None
    pairs: PairLimits = _ANY_PAIRS
    request: RequestLimits = _ANY_TEXTS
    text_tokens: int = CONTEXT_TOKENS

    @property
    def runs_here(self) -> bool:
        """Whether the model runs on this machine, so that it makes no requests."""
        return self.usd_per_million_tokens == 0

    def usd(self, tokens: int) -> float | None:
        """The price of so many tokens in US dollars."""
        if self.usd_per_million_tokens is None:
            return None
        return round(usd_for(tokens, self.usd_per_million_tokens), 9)


@dataclass(frozen=True, slots=True)
class Work:
    """What a model would be given. `tokens_at_most` is what a purse sets aside for it."""

    requests: int = 0
    tokens: int = 0
    tokens_at_most: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.tokens_at_most + other.tokens_at_most,
        )


def tariff_of(name: str) -> Tariff:
    """What is known of the model of that name.

    Raises:
        UnknownModel: there is none.
    """
    from vai.models.catalog import known_models

    if name in RERANK_MODELS:
        reranker = RERANK_MODELS[name]
        return Tariff(name, reranker.price, pairs=reranker.limits)
    if name in EMBEDDING_MODELS:
        embedder = EMBEDDING_MODELS[name]
        return Tariff(name, embedder.price, request=embedder.limits)
    place = place_of(name)
    if place == "known" and name not in {model.name for model in known_models()}:
        raise UnknownModel(f"there is no model called `{name}`", hint="`vai models` lists what can be named")
    return Tariff(canonical_name(name), None if place == "server" else 0.0)


def embedding_work(tariff: Tariff, texts: Sequence[str]) -> Work:
    """What embedding these texts would take."""
    asked: list[Work] = []

    def ask(some: Sequence[str]) -> Rows:
        most = most_tokens(some, tariff.text_tokens)
        asked.append(Work(_one(tariff), likely_tokens(some), most))
        return [[1.0]] * len(some)

    embed_in_requests(ask, tariff.request, texts, dimension=1)
    return sum(asked, Work())


def reranking_work(tariff: Tariff, query: str, passages: Sequence[str]) -> Work:
    """What reading these passages would take: the query is paid for with every one, and with every window of one."""
    asked: list[Work] = []

    def ask(query: str, texts: Sequence[str], _: float | None) -> Scored:
        most = most_tokens(texts, tariff.pairs.pair_tokens, query=query)
        asked.append(Work(_one(tariff), likely_tokens(texts, query=query), most))
        return Scored([0.0] * len(texts), tokens=0)

    read_in_requests(ask, tariff.pairs, "relevance", query, passages, None)
    return sum(asked, Work())


def _one(tariff: Tariff) -> int:
    """A request, where one would be made."""
    return 0 if tariff.runs_here else 1
