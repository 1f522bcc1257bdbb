"""A stand-in for Voyage's `POST /rerank` and `POST /embeddings`; `model_stub.py` says how to make it misbehave.

with VoyageStub() as stub:
    stub.then(status(503), dripping())
    ...                                               # VOYAGE_BASE_URL=stub.base_url, VOYAGE_API_KEY=stub.key
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_stub import ModelStub, Payload, Reply, Request, as_json, overlap, word_counts, words

MODELS = {
    "rerank-2": (4_000, 16_000),
    "rerank-2-lite": (2_000, 8_000),
    "rerank-2.5": (8_000, 32_000),
    "rerank-2.5-lite": (8_000, 32_000),
    "rerank-3": (8_000, 32_000),
    "rerank-3-lite": (8_000, 32_000),
}
"""Query tokens, and tokens of the query with one document."""
TOTAL_TOKENS = 600_000
DOCUMENTS = 1_000

EMBEDDERS = {
    "voyage-4-large": (120_000, "4"),
    "voyage-4": (320_000, "4"),
    "voyage-4-lite": (1_000_000, "4"),
    "voyage-code-4": (320_000, "code-4"),
    "voyage-3.5": (320_000, "3.5"),
    "voyage-3.5-lite": (1_000_000, "3.5-lite"),
    "voyage-code-3": (120_000, "code-3"),
}
"""Tokens of all texts in one request, and the space that the vectors are in."""
TEXTS = 1_000
CONTEXT_TOKENS = 32_000
DIMENSIONS = (256, 512, 1_024, 2_048)

_RERANK_FIELDS: Mapping[str, Any] = {
    "query": str,
    "documents": list,
    "model": str,
    "top_k": int | None,
    "truncation": bool,
    "return_documents": bool,
}
_EMBEDDING_FIELDS: Mapping[str, Any] = {
    "input": str | list,
    "model": str,
    "input_type": str | None,
    "truncation": bool,
    "output_dimension": int | None,
    "output_dtype": str,
}
_INVALID = (
    "The request body is not valid JSON, or some arguments were not specified properly. In particular, "
)


class VoyageStub(ModelStub):
    """Voyage on this machine."""

    key: str

    def __init__(self, key: str = "pa-stub-key") -> None:
        super().__init__(judge, key)

    @property
    def base_url(self) -> str:
        """What VOYAGE_BASE_URL has to be."""
        return f"{self.address}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send `vai` here."""
        return {"VOYAGE_API_KEY": self.key, "VOYAGE_BASE_URL": self.base_url}


def judge(request: Request, key: str | None) -> Reply:
    """The service's answer to a request: values, or the error that the contract has for it."""
    authorization = request.headers.get("authorization", "")
    if request.path not in {"/v1/rerank", "/v1/embeddings"}:
        return _error(404, "Not Found")
    if request.method != "POST":
        return _error(405, "Method Not Allowed")
    if authorization.startswith("Bearer al-"):
        return _error(403, "This key is for https://ai.mongodb.com/v1.")
    if authorization != f"Bearer {key}":
        return _error(401, "Provided API key is invalid.")
    rerank = request.path == "/v1/rerank"
    required, fields = (
        (("query", "documents", "model"), _RERANK_FIELDS)
        if rerank
        else (("input", "model"), _EMBEDDING_FIELDS)
    )
    payload = request.payload
    fault = _fault(payload, required, fields)
    fault = fault or (_fault_in_documents(payload) if rerank else _fault_in_input(payload))
    return _error(400, fault) if fault else Reply(200, as_json(**(_rerank if rerank else _embed)(payload)))


def _fault(payload: Payload, required: Sequence[str], fields: Mapping[str, Any]) -> str:
    """What the service would refuse, "" if nothing."""
    if not payload:
        return _INVALID + "Invalid JSON"
    for name in payload:
        if name not in fields:
            return f"{_INVALID}Argument '{name}' is not supported by our API"
    for name in required:
        if name not in payload:
            return f"{_INVALID}Missing argument '{name}'"
    for name, value in payload.items():
        if not isinstance(value, fields[name]) or (name == "top_k" and value is True):
            return f"{_INVALID}Value '{value!r:.40}' supplied for argument '{name}' is not valid"
    return ""


def _fault_in_documents(payload: Payload) -> str:
    if payload["model"] not in MODELS:
        return f"Model {payload['model']} is not supported. Supported models are {sorted(MODELS)}."
    documents, query = payload["documents"], payload["query"]
    if not query or not documents:
        return f"{_INVALID}Value error, Cannot be empty list or empty string"
    if not all(isinstance(document, str) and document for document in documents):
        return f"{_INVALID}Error for argument 'documents': Value error, Input cannot contain empty strings"
    if len(documents) > DOCUMENTS:
        return f"{_INVALID}the number of documents, {len(documents)}, is above {DOCUMENTS}"
    query_tokens, pairs = _token_counts(payload)
    query_limit, pair_limit = MODELS[payload["model"]]
    too_long = query_tokens > query_limit or max(pairs) > pair_limit
    if too_long and not payload.get("truncation", True):
        return f"{_INVALID}the query or a document is too long for {payload['model']}"
    if _tokens_read(payload) > TOTAL_TOKENS:
        return f"{_INVALID}the total number of tokens is above {TOTAL_TOKENS}"
    return ""


def _token_counts(payload: Payload) -> tuple[int, list[int]]:
    query_tokens = len(words(payload["query"]))
    return query_tokens, [query_tokens + len(words(document)) for document in payload["documents"]]


def _tokens_read(payload: Payload) -> int:
    return sum(min(pair, MODELS[payload["model"]][1]) for pair in _token_counts(payload)[1])


def _rerank(payload: Payload) -> Payload:
    documents: Sequence[str] = payload["documents"]
    data: list[Payload] = [
        {"object": "rerank", "index": index, "relevance_score": overlap(payload["query"], document)}
        for index, document in enumerate(documents)
    ]
    if payload.get("return_documents"):
        data = [{**result, "document": documents[result["index"]]} for result in data]
    data.sort(key=lambda result: -result["relevance_score"])
    return {
        "object": "list",
        "data": data[: payload.get("top_k")],
        "model": payload["model"],
        "usage": {"total_tokens": _tokens_read(payload)},
    }


def _fault_in_input(payload: Payload) -> str:
    if payload["model"] not in EMBEDDERS:
        return f"Model {payload['model']} is not supported. Supported models are {sorted(EMBEDDERS)}."
    texts = [payload["input"]] if isinstance(payload["input"], str) else payload["input"]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        return (
            f"{_INVALID}Error for argument 'input': Value error, Input cannot contain empty strings or lists"
        )
    if len(texts) > TEXTS:
        return f"{_INVALID}the number of inputs, {len(texts)}, is above {TEXTS}"
    if payload.get("input_type") not in {None, "query", "document"}:
        return f"{_INVALID}Value '{payload['input_type']}' supplied for argument 'input_type' is not valid"
    if payload.get("output_dimension") not in {None, *DIMENSIONS}:
        return f"{_INVALID}Value '{payload['output_dimension']}' supplied for argument 'output_dimension' is not valid"
    total = sum(len(words(text)) for text in texts)
    if total > EMBEDDERS[payload["model"]][0]:
        return f"{_INVALID}the total number of tokens, {total}, is above {EMBEDDERS[payload['model']][0]}"
    return ""


def _embed(payload: Payload) -> Payload:
    texts = [payload["input"]] if isinstance(payload["input"], str) else payload["input"]
    dimension, space = payload.get("output_dimension") or 1_024, EMBEDDERS[payload["model"]][1]
    read = [" ".join(words(text)[:CONTEXT_TOKENS]) for text in texts]
    data: list[Payload] = [
        {"object": "embedding", "embedding": word_counts(text, dimension, salt=space), "index": index}
        for index, text in enumerate(read)
    ]
    for item in data:
        item["embedding"][0] += 1.0 if payload.get("input_type") == "query" else 0.5  # the prompts differ
    tokens = sum(len(words(text)) for text in read)
    return {"object": "list", "data": data, "model": payload["model"], "usage": {"total_tokens": tokens}}


def _error(code: int, detail: str) -> Reply:
    return Reply(code, as_json(detail=detail))
