"""Embedders behind an address of the user's that speak OpenAI's format: Ollama, vLLM, LM Studio, llama.cpp, TEI …

`openai:http://localhost:11434/v1#nomic-embed-text`: `{model, input, encoding_format}` goes to `<address>/embeddings`,
`{data: [{index, embedding}]}` comes back. https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vai.errors import InvalidSettings
from vai.models.names import ServerName, server_name
from vai.models.remote.answers import field_of, in_order, vector
from vai.models.remote.embedding import (
    RequestLimits,
    Rows,
    embed_in_requests,
    embed_one,
    token_ends,
    within_tokens,
)
from vai.models.remote.exchange import BrokenAnswer
from vai.models.remote.http import AS_SERVED, Hints, Patience, RemoteService
from vai.models.remote.servers import SERVER_PATIENCE

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector
    from vai.models.access import Access
    from vai.types import Json

DEFAULT_MAX_TOKENS = 512
"""What many small embedders read; `max_tokens` in the address says what another does."""

SPECIAL_TOKENS = 2
"""Around a text, in most models."""

LIMITS = RequestLimits(texts=32, bytes=256_000)
"""Of one request: Text Embeddings Inference takes no more than 32 texts unless it is told to."""

_LENGTH_HINT = (
    "if a text was too long, say how much the model reads: `openai:https://host/v1?max_tokens=256#model`"
)
_KEY_HINT = "`embeddings_api_key` in your own settings, or VAI_EMBEDDINGS_API_KEY, is the key that is sent"
_HINTS = Hints(
    address="write `openai:https://host/v1#model`, with the address of what comes before `/embeddings`",
    unavailable="see that the server runs, and has the model",
    by_status={
        400: _LENGTH_HINT,
        401: _KEY_HINT,
        403: _KEY_HINT,
        404: "the address is what comes before `/embeddings`, and the model behind `#` has to be there",
        413: _LENGTH_HINT,
        422: _LENGTH_HINT,
    },
)


def open_openai_embedder(name: str, *, dimension: int | None, access: Access) -> OpenAIEmbedder:
    """The embedder at an address; it is not asked yet.

    Raises:
        UnknownModel: the name is not that of an embedder's server.
        InvalidSettings: the address, the key, the dimension or a parameter cannot be one.
    """
    server = server_name(name, "embedder")
    return OpenAIEmbedder(server, key=access.embeddings_key, dimension=dimension, patience=access.patience)


class OpenAIEmbedder:
    """An `Embedder` in OpenAI's format. `close` gives back its connections; so does forgetting it.

    Texts are cut off here at `max_tokens`, in the bundled embedder's tokens, for some servers refuse what is too long
    (Ollama) and none says how much it reads. Of the prompts that the address names, one comes before every query and
    one before every document.

    The dimension is the one of the first answer. Where another is wished for, the server is asked for that from then
    on; one that has it anyway is not, because many refuse to be asked.
    """

    languages: tuple[str, ...] = ()
    usd_per_million_tokens = 0.0
    revision = AS_SERVED

    def __init__(
        self,
        server: ServerName,
        *,
        key: str | None,
        dimension: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        if dimension is not None and dimension < 1:
            raise InvalidSettings(f"`{server.name}` cannot have {dimension} dimensions")
        self.name = server.name
        self.max_tokens = server.number("max_tokens", DEFAULT_MAX_TOKENS)
        self._model = server.model
        self._query_prompt = server.parameters.get("query_prompt", "")
        self._document_prompt = server.parameters.get("document_prompt", "")
        self._dimension = dimension
        self._reduced = False
        self._service = RemoteService(
            server.place, server.address, key, patience=patience or SERVER_PATIENCE, hints=_HINTS
        )

    @property
    def dimension(self) -> int:
        """Of the vectors; the server is asked if nobody knows it yet.

        Raises:
            RemoteFailure: it did not answer.
        """
        if self._dimension is None:
            return len(self._ask(["dimension"], None)[0])
        return self._dimension

    def token_ends(self, text: str) -> Sequence[int]:
        """For each token of `text`, the offset of the character after it; see `vai.models.remote.embedding`."""
        return token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Vectors float32 [n, d]; see `Embedder.embed_documents`.

        Raises:
            InvalidSettings: the server has no vectors of the dimension that was asked for.
        """
        return embed_in_requests(
            lambda some: self._ask([self._prompted(self._document_prompt, text) for text in some], None),
            LIMITS,
            texts,
            self.dimension,
        )

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        """Vector float32 [d]; raises as `embed_documents`, and gives up at the deadline."""
        return embed_one(
            lambda some: self._ask([self._prompted(self._query_prompt, one) for one in some], deadline),
            text,
            lambda: self.dimension,
        )

    def close(self) -> None:
        """Close connections that are kept for the next call."""
        self._service.close()

    def _prompted(self, prompt: str, text: str) -> str:
        room = self.max_tokens - SPECIAL_TOKENS - len(token_ends(prompt))
        return prompt + within_tokens(text, max(room, 1))

    def _ask(self, texts: Sequence[str], deadline: float | None) -> Rows:
        reduced = self._reduced
        rows = self._post(texts, deadline, reduced=reduced)
        if self._dimension is None:
            self._dimension = len(rows[0])
        if len(rows[0]) != self._dimension and not reduced:
            self._reduced = True
            rows = self._post(texts, deadline, reduced=True)
        if len(rows[0]) != self._dimension:
            raise InvalidSettings(f"`{self.name}` has {len(rows[0])} dimensions, not {self._dimension}")
        return rows

    def _post(self, texts: Sequence[str], deadline: float | None, *, reduced: bool) -> Rows:
        payload: dict[str, Json] = {"input": texts, "encoding_format": "float"}
        if self._model is not None:
            payload["model"] = self._model
        if reduced:
            payload["dimensions"] = self._dimension
        return self._service.post(
            "/embeddings", payload, lambda answer: read_vectors(answer, len(texts)), deadline=deadline
        )


def read_vectors(answer: Json, count: int) -> Rows:
    """The vectors of `count` texts in the order they were sent.

    Raises:
        BrokenAnswer: the answer does not hold exactly one vector for each text, all of one dimension.
    """
    rows = in_order(
        field_of(answer, "data"), count, lambda result: vector(field_of(result, "embedding"), None)
    )
    if len({len(row) for row in rows}) > 1:
        raise BrokenAnswer("has vectors of several dimensions")
    return rows
