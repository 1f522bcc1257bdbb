"""Small encoders on ONNX Runtime, as fast as a processor runs them.

One text per call and no padding: on a CPU a batch only adds padding to compute, and with dynamic quantisation a
text's values would depend on its neighbours. Instead there is a thread per core, each running one text at a time
through the same session (the run releases the interpreter lock).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vai.arrays import Matrix, Vector
from vai.errors import StoreCorrupt
from vai.models.manifest import Calibration, Manifest
from vai.types import Reading

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLS, SEP = "[CLS]", "[SEP]"
SLICE = 256
"""Texts tokenised at a time: bounds memory, and is enough for the tokenizer to use every core."""


@lru_cache(maxsize=4)
def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`, without its own truncation and padding; kept, since models share it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


PIECE = 1 << 16
"""Characters of a long text tokenised at a time: offsets are a hundred times the size of what is kept of them."""


def pieces_of(text: str) -> Iterator[tuple[int, str]]:
    """A text in pieces that end behind white space, so that no token is cut, each with its offset."""
    start = 0
    while start < len(text):
        stop = start + PIECE
        if stop < len(text):
            behind = max(text.rfind(" ", start, stop), text.rfind("\n", start, stop)) + 1
            stop = behind if behind > start else stop
        yield start, text[start:stop]
        start = stop


def _readable(text: str) -> str:
    """The text with "?" for lone surrogates (from an argument that was not UTF-8), which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


class OnnxEncoder:
    """An ONNX session that any number of threads run one text at a time.

    Args:
        manifest: the model.
        threads: how many texts to run at a time.
    """

    def __init__(self, manifest: Manifest, *, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._threads = threads
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(manifest.network), options, providers=["CPUExecutionProvider"]
            )
            self.tokenizer = load_tokenizer(manifest.tokenizer)
            self.cls: int = self._special(CLS)
            self.sep: int = self._special(SEP)
        except Exception as error:  # neither library has a class for it
            raise StoreCorrupt(
                f"the model `{manifest.name}` cannot be loaded: {error}",
                hint="`vai doctor` names damaged files; install vai again to restore the bundled models",
            ) from error

    def _special(self, token: str) -> int:
        number = self.tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the tokenizer has no {token} token")
        return int(number)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="vai-model")

    def token_ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Token ids of each text, without special tokens."""
        for start in range(0, len(texts), SLICE):
            readable = [_readable(text) for text in texts[start : start + SLICE]]
            encodings = self.tokenizer.encode_batch_fast(readable, add_special_tokens=False)
            yield from (encoding.ids for encoding in encodings)

    def token_ends(self, text: str) -> Sequence[int]:
        """For each token of a text, the offset of the character after it."""
        ends = array("q")
        for start, piece in pieces_of(_readable(text)):
            encoding = self.tokenizer.encode(piece, add_special_tokens=False)
            ends.extend(start + end for _, end in encoding.offsets)
        return ends

    def run(self, ids: Sequence[int], second_from: int) -> Vector:
        """The network's output for one text; token types are 1 from `second_from` on."""
        input_ids = np.array([ids], dtype=np.int64)
        types = np.zeros_like(input_ids)
        types[0, second_from:] = 1
        output: Vector = self._session.run(None, {"input_ids": input_ids, "token_type_ids": types})[0][0]
        return output

    def map(self, function: Callable[[list[int]], Vector], items: Iterable[list[int]]) -> Iterator[Vector]:
        """`function` over the items on every thread, results in order."""
        return self._pool.map(function, items)


class OnnxEmbedder:
    """A bi-encoder whose network pools and normalises; see `vai.protocols.Embedder`."""

    def __init__(self, manifest: Manifest, *, threads: int) -> None:
        self.name = manifest.name
        self.revision = manifest.revision
        self.dimension = manifest.dimension
        self.max_tokens = manifest.max_tokens
        self.languages = manifest.languages
        self._encoder = OnnxEncoder(manifest, threads=threads)

    def token_ends(self, text: str) -> Sequence[int]:
        return self._encoder.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, vector in enumerate(self._encoder.map(self._embed, self._encoder.token_ids(texts))):
            vectors[row] = vector
        return vectors

    def embed_query(self, text: str) -> Vector:
        return self._embed(next(self._encoder.token_ids([text])))

    def _embed(self, ids: list[int]) -> Vector:
        kept = ids[: self.max_tokens - 2]
        return self._encoder.run([self._encoder.cls, *kept, self._encoder.sep], second_from=len(kept) + 2)


class OnnxReranker:
    """A cross-encoder with one logit; see `vai.protocols.Reranker`."""

    def __init__(self, manifest: Manifest, *, threads: int) -> None:
        self.name = manifest.name
        self.languages = manifest.languages
        self.blend = manifest.blend
        self.similarity_scale = manifest.similarity_scale
        self.calibrated = manifest.calibration is not None
        self._manifest = manifest
        self._encoder = OnnxEncoder(manifest, threads=threads)

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        whole_query = next(self._encoder.token_ids([query]))
        query_ids = whole_query[: self._manifest.max_query_tokens]
        room = self._manifest.max_tokens - len(query_ids) - 3
        head = [self._encoder.cls, *query_ids, self._encoder.sep]

        def read(ids: list[int]) -> Vector:
            if deadline is not None and time.monotonic() >= deadline:
                return np.array([np.nan], dtype=np.float32)
            return self._encoder.run([*head, *ids[:room], self._encoder.sep], second_from=len(head))

        passage_ids = list(self._encoder.token_ids(passages))
        logits = np.zeros(len(passages), dtype=np.float32)
        for row, logit in enumerate(self._encoder.map(read, passage_ids)):
            logits[row] = logit[0]
        was_read = ~np.isnan(logits)
        lengths = np.array([len(ids) for ids in passage_ids], dtype=np.int64)
        kept = np.minimum(lengths, room)
        share = np.where(lengths > 0, kept / np.maximum(lengths, 1), 1.0)
        return Reading(
            logits=logits,
            relevance=self._relevance(logits),
            tokens=int(((len(head) + kept + 1) * was_read).sum()),
            seen=(share * was_read).astype(np.float32),
            reason=None if was_read.all() else "the deadline came first",
            query_seen=len(query_ids) / len(whole_query) if whole_query else 1.0,
        )

    def _relevance(self, logits: Vector) -> Vector:
        calibration = self._manifest.calibration or Calibration(slope=1.0, intercept=0.0, error=1.0)
        exponent = calibration.slope * logits.astype(np.float64) + calibration.intercept
        relevance: Vector = (1.0 / (1.0 + np.exp(-exponent))).astype(np.float32)
        return relevance
