"""Stand-ins for servers that are named by address: Cohere's rerank format, Text Embeddings Inference, OpenAI's two.

`model_stub.py` says how to make them misbehave. A key of None is a server that asks for none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model_stub import Payload, Reply, Request, as_json, overlap, word_counts, words


def logit(query: str, document: str) -> float:
    """From −5 to 5: what these rerankers give where they give logits."""
    return round(10.0 * overlap(query, document) - 5.0, 6)


def _cut(text: str, most: int) -> str:
    return " ".join(words(text)[:most])


def _wrong_key(request: Request, key: str | None) -> bool:
    return key is not None and request.headers.get("authorization") != f"Bearer {key}"


# ── Cohere's format ──────────────────────────────────────────────────────────────────────────────


def cohere_error(detail: Any) -> Payload:
    """Its body."""
    return {"id": "c0ffee", "message": detail}


@dataclass(frozen=True)
class Cohere:
    """A server in Cohere's format.

    Args:
        model: the one it serves; None takes any, or none.
        logits: whether values are logits, as of llama.cpp and some of vLLM's models.
        says: where it says how much was read: "cohere" and "jina" have places of their own, "nothing" does not.
        max_tokens: of query and document; documents are cut off.
    """

    model: str | None = "rerank-v3.5"
    logits: bool = False
    says: str = "jina"
    max_tokens: int = 4_096

    def __call__(self, request: Request, key: str | None) -> Reply:
        if request.path not in {"/v2/rerank", "/v1/rerank/"}:
            return Reply(404, as_json(**cohere_error(f"page not found: {request.path}")))
        if request.method != "POST":
            return Reply(405, as_json(**cohere_error("method not allowed")))
        if _wrong_key(request, key):
            return Reply(401, as_json(**cohere_error("invalid api token")))
        payload = request.payload
        if self.model is not None and payload.get("model") != self.model:
            return Reply(404, as_json(**cohere_error(f"model '{payload.get('model')}' not found")))
        documents, query = payload.get("documents"), payload.get("query")
        if not query or not isinstance(documents, list) or not all(documents):
            return Reply(
                400, as_json(**cohere_error("invalid request: query and documents must not be empty"))
            )
        return Reply(200, as_json(**self._rerank(query, documents, payload.get("top_n"))))

    def _rerank(self, query: str, documents: list[str], top_n: int | None) -> Payload:
        value = logit if self.logits else overlap
        read = [_cut(document, self.max_tokens - len(words(query))) for document in documents]
        results = [
            {"index": index, "relevance_score": value(query, document)} for index, document in enumerate(read)
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        tokens = sum(len(words(query)) + len(words(document)) for document in read)
        said: dict[str, Payload] = {
            "cohere": {"meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": tokens}}},
            "jina": {"usage": {"total_tokens": tokens}},
            "litellm": {"meta": {"billed_units": {"total_tokens": tokens}}},
            "nothing": {"meta": {"billed_units": {"search_units": 1}}},
        }
        return {"id": "1", "results": results[:top_n], **said[self.says]}


# ── Text Embeddings Inference ────────────────────────────────────────────────────────────────────


def tei_error(detail: Any) -> Payload:
    """Its body."""
    return {"error": detail, "error_type": "Validation"}


@dataclass(frozen=True)
class Tei:
    """A server of Text Embeddings Inference."""

    model: str = "BAAI/bge-reranker-base"
    sha: str | None = "2cfc18c9415c912f9d8155881c133215df768a70"
    kind: str = "reranker"
    max_tokens: int = 512
    texts: int = 32

    def __call__(self, request: Request, key: str | None) -> Reply:
        if _wrong_key(request, key):
            return Reply(401, as_json(**tei_error("no access")))
        if (request.method, request.path) == ("GET", "/info"):
            return Reply(200, as_json(**self._info()))
        if (request.method, request.path) != ("POST", "/rerank"):
            return Reply(404, b"", {})
        return self._rerank(request.payload)

    def _info(self) -> Payload:
        return {
            "model_id": self.model,
            "model_sha": self.sha,
            "model_dtype": "float16",
            "model_type": {self.kind: {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
            "max_concurrent_requests": 512,
            "max_input_length": self.max_tokens,
            "max_batch_tokens": 16_384,
            "max_client_batch_size": self.texts,
            "auto_truncate": False,
            "tokenization_workers": 4,
            "version": "1.7.1",
        }

    def _rerank(self, payload: Payload) -> Reply:
        query, texts = payload.get("query"), payload.get("texts")
        if not isinstance(query, str) or not isinstance(texts, list):
            return Reply(
                422,
                b"Failed to deserialize the JSON body into the target type",
                {"Content-Type": "text/plain"},
            )
        if self.kind != "reranker":
            return Reply(424, as_json(**tei_error("model is not a re-ranker model")))
        if not texts or len(texts) > self.texts:
            fault = f"batch size {len(texts)} > maximum allowed batch size {self.texts}"
            return Reply(413, as_json(**tei_error(fault if texts else "`texts` cannot be empty")))
        longest = max(len(words(query)) + len(words(text)) for text in texts)
        if longest > self.max_tokens and not payload.get("truncate"):
            return Reply(413, as_json(**tei_error(f"`inputs` must have less than {self.max_tokens} tokens")))
        value = logit if payload.get("raw_scores") else overlap
        read = [_cut(text, self.max_tokens - len(words(query))) for text in texts]
        ranks = [{"index": index, "score": value(query, text)} for index, text in enumerate(read)]
        ranks.sort(key=lambda rank: -float(rank["score"]))
        return Reply(200, json.dumps(ranks).encode())


# ── OpenAI's format ──────────────────────────────────────────────────────────────────────────────


def openai_error(detail: Any) -> Payload:
    """Its body."""
    return {"error": {"message": detail, "type": "invalid_request_error", "param": None, "code": None}}


@dataclass(frozen=True)
class OpenAI:
    """A server in OpenAI's format.

    Args:
        model: the one it serves; None takes any, or none.
        dimension: of its vectors.
        cuts: whether it gives shorter vectors when asked for; others refuse (vLLM) or ignore it (old Ollama).
        max_tokens: of a text; a longer one is refused.
        texts: of one request.
    """

    model: str | None = "nomic-embed-text"
    dimension: int = 64
    cuts: str = "cuts"
    max_tokens: int = 512
    texts: int = 32

    def __call__(self, request: Request, key: str | None) -> Reply:
        if request.path != "/v1/embeddings" or request.method != "POST":
            return Reply(404, as_json(**openai_error(f"no such page: {request.path}")))
        if _wrong_key(request, key):
            return Reply(401, as_json(**openai_error("Incorrect API key provided")))
        payload = request.payload
        if self.model is not None and payload.get("model") != self.model:
            return Reply(
                404,
                as_json(**openai_error(f'model "{payload.get("model")}" not found, try pulling it first')),
            )
        fault = self._fault(payload)
        if fault:
            return Reply(400, as_json(**openai_error(fault)))
        return Reply(200, as_json(**self._embed(payload)))

    def _fault(self, payload: Payload) -> str:
        texts = payload.get("input")
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            return "invalid input"
        if len(texts) > self.texts:
            return f"batch size {len(texts)} > maximum allowed batch size {self.texts}"
        if any(len(words(text)) > self.max_tokens for text in texts):
            return "the input length exceeds the context length"
        if "dimensions" in payload and self.cuts == "refuses":
            return (
                "Model does not support matryoshka representation, changing output dimensions is not possible"
            )
        return ""

    def _embed(self, payload: Payload) -> Payload:
        dimension = payload.get("dimensions", self.dimension) if self.cuts == "cuts" else self.dimension
        data = [
            {
                "object": "embedding",
                "embedding": word_counts(text, self.dimension)[:dimension],
                "index": index,
            }
            for index, text in enumerate(payload["input"])
        ]
        tokens = sum(len(words(text)) for text in payload["input"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": payload.get("model", ""), "usage": usage}


def question_about(prompt: str) -> str:
    """Asks for the two longest words of the passage in a prompt, in an order that is not the passage's."""
    passage = prompt.split("-" * 10)[1]
    first, second = sorted(set(words(passage)), key=lambda word: (-len(word), word))[:2]
    return f"Where would {second} meet {first}?"


@dataclass(frozen=True)
class Chat:
    """A language model in OpenAI's format; a token is a word.

    Args:
        model: the one it serves; None takes any, or none.
        says: what it makes of a prompt; None is what a model gives that declines.
        bound: how it wants to be told the length of an answer; newer models refuse the old name.
    """

    model: str | None = "llama3.2"
    says: Callable[[str], str | None] = question_about
    bound: str = "max_tokens"

    def __call__(self, request: Request, key: str | None) -> Reply:
        if request.path != "/v1/chat/completions" or request.method != "POST":
            return Reply(404, as_json(**openai_error(f"no such page: {request.path}")))
        if _wrong_key(request, key):
            return Reply(401, as_json(**openai_error("Incorrect API key provided")))
        payload = request.payload
        if self.model is not None and payload.get("model") != self.model:
            return Reply(404, as_json(**openai_error(f'model "{payload.get("model")}" not found')))
        fault = self._fault(payload)
        if fault:
            return Reply(400, as_json(**openai_error(fault)))
        return Reply(200, as_json(**self._complete(payload)))

    def _fault(self, payload: Payload) -> str:
        messages = payload.get("messages")
        if not isinstance(messages, list) or not messages:
            return "[] is too short - 'messages'"
        if any(message.get("role") not in {"system", "user", "assistant"} for message in messages):
            return "invalid role"
        other = {"max_tokens", "max_completion_tokens"} - {self.bound}
        if refused := sorted(other & set(payload)):
            return (
                f"Unsupported parameter: '{refused[0]}' is not supported with this model. "
                f"Use '{self.bound}' instead."
            )
        return ""

    def _complete(self, payload: Payload) -> Payload:
        said = self.says(payload["messages"][-1]["content"])
        most = payload.get(self.bound)
        cut = said is not None and most is not None and len(said.split()) > most
        message = {"role": "assistant", "content": " ".join(said.split()[:most]) if said and cut else said}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": "length" if cut else "stop",
        }
        spent = len(words(said or ""))
        usage = {"prompt_tokens": 1, "completion_tokens": spent, "total_tokens": 1 + spent}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_764_000_000,
            "model": payload.get("model", ""),
            "choices": [choice],
            "usage": usage,
        }
