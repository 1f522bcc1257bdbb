"""Rerankers behind an address of the user's: servers that speak Cohere's format, or Text Embeddings Inference's.

`cohere:https://host/v2/rerank#model` is what Cohere, Jina, vLLM, LiteLLM, llama.cpp and others have in common:
`{model, query, documents, top_n}` goes to exactly that address, `{results: [{index, relevance_score}]}` comes back.
https://docs.cohere.com/reference/rerank

`tei:http://host:8080` is a server of Text Embeddings Inference, asked at `/info` what it serves and at `/rerank` for
logits. https://huggingface.github.io/text-embeddings-inference/
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from vai.errors import InvalidSettings, RemoteFailure, UnsupportedModel
from vai.models.names import ServerName, server_name
from vai.models.remote.answers import MOST_TOKENS, field_of, in_order, number
from vai.models.remote.exchange import BrokenAnswer
from vai.models.remote.http import (
    AS_SERVED,
    WORTH_ANOTHER_TRY,
    DeadlineReached,
    Hints,
    Patience,
    RemoteService,
)
from vai.models.remote.lengths import likely_tokens
from vai.models.remote.reranking import (
    Ending,
    PairLimits,
    Scale,
    Scored,
    ServedReranker,
    nothing_read,
    read_in_requests,
)
from vai.settings import one_of
from vai.types import Reading

if TYPE_CHECKING:
    from vai.models.access import Access
    from vai.types import Json

SERVER_PATIENCE = Patience(timeout_s=120.0)
"""A server of one's own may load the model first, and run it on a processor."""

INFO_PATIENCE = Patience(timeout_s=5.0, attempts=2)
"""What a server serves is no work for it."""

DEFAULT_MAX_TOKENS = 4_096
"""What Cohere's models read; `max_tokens` in the address says what another does."""

BYTES_PER_TOKEN = 3
"""For telling that a text fits. Prose has four and more, so that this leaves a quarter of the room free; a text with
fewer is cut off by the server."""

DOCUMENTS = 100
"""Of one request in Cohere's format: as many as it counts as one search."""

REQUEST_TOKENS = 100_000
"""Of one request, so that what is read until a deadline is more than nothing."""

_KEY_HINT = "`rerank_api_key` in your own settings, or VAI_RERANK_API_KEY, is the key that is sent"
_LENGTH_HINT = (
    "if a passage was too long, say how much the model reads: `cohere:https://host/path?max_tokens=512#model`"
)
_BY_STATUS = {
    401: _KEY_HINT,
    403: _KEY_HINT,
    404: "see that the address, and the model behind `#`, are right",
}
_HINTS = Hints(
    address="write `cohere:https://host/v2/rerank#model` or `tei:http://host:8080`",
    unavailable="see that the server runs, or name a bundled model",
    by_status=_BY_STATUS,
)
_COHERE_HINTS = replace(
    _HINTS, by_status={**_BY_STATUS, 400: _LENGTH_HINT, 413: _LENGTH_HINT, 422: _LENGTH_HINT}
)


def open_server_reranker(name: str, *, access: Access) -> CohereReranker | TeiReranker:
    """The reranker at an address; it is not asked yet.

    Raises:
        UnknownModel: the name is not that of a reranker's server.
        InvalidSettings: the address or the key cannot be one, or a parameter has an impossible value.
    """
    server = server_name(name, "reranker")
    if server.format == "tei":
        return TeiReranker(server, key=access.rerank_key, patience=access.patience)
    return CohereReranker(server, key=access.rerank_key, patience=access.patience)


def _limits(max_tokens: int, documents: int) -> PairLimits:
    """What goes into one request to a server that reads `max_tokens`, of which half at most are the query's."""
    return PairLimits(max_tokens // 2, max_tokens, documents, BYTES_PER_TOKEN, REQUEST_TOKENS)


class CohereReranker(ServedReranker):
    """A `Reranker` in Cohere's format.

    Values are relevance in 0–1 unless the address says `scale=logits`. A server that gives other numbers is an error
    rather than guessed at: logits that happen to lie in 0–1 look like relevance, so that one answer would be read
    in one way and the next in another.
    """

    usd_per_million_tokens = 0.0
    revision = AS_SERVED

    def __init__(self, server: ServerName, *, key: str | None, patience: Patience | None = None) -> None:
        self.name = server.name
        self._server = server
        self._scale: Scale = one_of(get_args(Scale), server.parameters.get("scale"), "`scale`") or "relevance"
        self._limits = _limits(server.number("max_tokens", DEFAULT_MAX_TOKENS), DOCUMENTS)
        self._service = RemoteService(
            server.place, server.address, key, patience=patience or SERVER_PATIENCE, hints=_COHERE_HINTS
        )
        self._path = "/" if server.address.endswith("/") else ""  # the address as it was written

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """Values float32 [n] in input order; see `Reranker.score`.

        Raises:
            InvalidSettings: the server's values are not on the scale that the address says.
        """
        return read_in_requests(self._ask, self._limits, self._scale, query, passages, deadline)

    def _ask(self, query: str, documents: Sequence[str], deadline: float | None) -> Scored:
        payload: dict[str, Json] = {"query": query, "documents": documents, "top_n": len(documents)}
        if self._server.model is not None:
            payload["model"] = self._server.model

        def read(answer: Json) -> Scored:
            values = in_order(
                field_of(answer, "results"),
                len(documents),
                lambda result: number(field_of(result, "relevance_score"), "relevance"),
            )
            return Scored(
                self._on_scale(values), _tokens_said(answer) or likely_tokens(documents, query=query)
            )

        return self._service.post(self._path, payload, read, deadline=deadline)

    def _on_scale(self, values: Sequence[float]) -> Sequence[float]:
        outside = [value for value in values if not 0.0 <= value <= 1.0]
        if self._scale == "relevance" and outside:
            raise InvalidSettings(
                f"{self.name} gives {outside[0]:g} as a relevance, which is not in 0 to 1",
                hint=f"if it gives logits, say so: `{self._server.with_parameter('scale', 'logits')}`",
            )
        return values


_PLACES_OF_TOKENS = (
    ("usage", "total_tokens"),
    ("meta", "tokens", "input_tokens"),
    ("meta", "billed_units", "total_tokens"),
)
"""Of Jina and vLLM, of Cohere, and of LiteLLM."""


def _tokens_said(answer: Json) -> int:
    """How many tokens were read, where the server says so; 0 if it does not."""
    for path in _PLACES_OF_TOKENS:
        value = answer
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if type(value) is int and 0 < value <= MOST_TOKENS:
            return value
    return 0


@dataclass(frozen=True, slots=True)
class Served:
    """What a server of Text Embeddings Inference says of itself."""

    model: str
    sha: str | None
    max_tokens: int
    texts: int
    is_reranker: bool

    @property
    def limits(self) -> PairLimits:
        """What goes into one request."""
        return _limits(self.max_tokens, self.texts)

    @property
    def revision(self) -> str:
        """All that its values depend on."""
        return f"{self.model}@{self.sha or 'unknown'}/{self.max_tokens}"


class TeiReranker(ServedReranker):
    """A `Reranker` that Text Embeddings Inference serves: logits, as `raw_scores` gives them.

    What it serves is asked once, when it is first needed. Where it did not say so, only reading asks again, which
    knows a deadline.
    """

    usd_per_million_tokens = 0.0

    def __init__(self, server: ServerName, *, key: str | None, patience: Patience | None = None) -> None:
        self.name = server.name
        self._model = server.model
        # 424 is how it says that the network failed, as it does when memory is short
        passing = WORTH_ANOTHER_TRY | {424}
        usual, self._brief = patience or SERVER_PATIENCE, patience or INFO_PATIENCE
        self._service = RemoteService(
            server.place, server.address, key, patience=usual, hints=_HINTS, passing=passing
        )
        self._served: Served | None = None
        self._asked = False

    @property
    def revision(self) -> str:
        """Model, commit and length that are read; where the server does not say, one that no other ever equals.

        So nothing that was kept of a reading counts for a model that is not known.
        """
        if not self._asked:
            with suppress(RemoteFailure, UnsupportedModel):
                self._serves(None)
        return self._served.revision if self._served else f"not known at {time.time_ns()}"

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """Logits float32 [n] in input order; see `Reranker.score`.

        Raises:
            UnsupportedModel: the server serves no reranker, or another than the name says.
        """
        try:
            served = self._serves(deadline)
        except DeadlineReached as late:
            return nothing_read("logits", passages, Ending("deadline", late.message))
        return read_in_requests(self._ask, served.limits, "logits", query, passages, deadline)

    def _serves(self, deadline: float | None) -> Served:
        if self._served is None:
            self._asked = True
            served = self._service.get("/info", read_info, deadline=deadline, patience=self._brief)
            if not served.is_reranker:
                raise UnsupportedModel(
                    f"{self.name} serves `{served.model}`, which is no reranker",
                    hint="start the server with a model that is one, such as BAAI/bge-reranker-base",
                )
            if self._model not in {None, served.model}:
                raise UnsupportedModel(f"{self.name} serves `{served.model}`, not `{self._model}`")
            self._served = served
        return self._served

    def _ask(self, query: str, documents: Sequence[str], deadline: float | None) -> Scored:
        payload: dict[str, Json] = {"query": query, "texts": documents, "truncate": True, "raw_scores": True}

        def read(answer: Json) -> Scored:
            values = in_order(
                answer, len(documents), lambda result: number(field_of(result, "score"), "score")
            )
            return Scored(values, likely_tokens(documents, query=query))

        return self._service.post("/rerank", payload, read, deadline=deadline)


def read_info(answer: Json) -> Served:
    """What `/info` says.

    Raises:
        BrokenAnswer: it does not say which model, and how much it reads.
    """
    model, sha, kind = (field_of(answer, name) for name in ("model_id", "model_sha", "model_type"))
    length, texts = (field_of(answer, name) for name in ("max_input_length", "max_client_batch_size"))
    if not isinstance(model, str) or not isinstance(length, int) or not isinstance(texts, int):
        raise BrokenAnswer("does not say what it serves")
    return Served(
        model=model,
        sha=sha if isinstance(sha, str) else None,
        max_tokens=max(length, 1),
        texts=max(texts, 1),
        is_reranker=isinstance(kind, dict) and "reranker" in kind,
    )
