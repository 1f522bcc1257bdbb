"""Query and passage as the bundled reranker's network reads them, tokenised without vai."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from serving import Question
from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids and types, int64 [1, tokens] each; types are 1 for the passage."""

    ids: NDArray[np.int64]
    types: NDArray[np.int64]


class Pairing:
    """The tokenizer and the limits that a job names: `tokenizer`, `query_tokens`, `reranker_tokens`."""

    def __init__(self, job: Any) -> None:
        self._tokenizer = Tokenizer.from_file(job["tokenizer"])
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._query_tokens = job["query_tokens"]
        self._tokens = job["reranker_tokens"]

    def pairs(self, question: Question) -> list[Pair]:
        """The pairs of one question, each cut at what the model reads."""
        cls, sep = self._tokenizer.encode("").ids
        query = self._tokenizer.encode(question.query, add_special_tokens=False).ids
        head = [cls, *query[: self._query_tokens], sep]
        room = self._tokens - len(head) - 1
        passages = self._tokenizer.encode_batch_fast(question.passages, add_special_tokens=False)
        return [_pair([*head, *passage.ids[:room], sep], len(head)) for passage in passages]


def pairs_by_question(pairing: Pairing, questions: Sequence[Question]) -> dict[str, list[Pair]]:
    """The pairs of each question, by its query."""
    return {question.query: pairing.pairs(question) for question in questions}


def _pair(ids: list[int], second_from: int) -> Pair:
    input_ids = np.array([ids], dtype=np.int64)
    types = np.zeros_like(input_ids)
    types[0, second_from:] = 1
    return Pair(input_ids, types)
