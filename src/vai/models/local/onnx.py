"""Embedders and rerankers on ONNX Runtime: bundled ones, and those in a folder."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vai.arrays import Matrix, Vector
from vai.models.local.encoder import Encoder, Runs
from vai.models.local.recipes import Recipe
from vai.models.local.templates import (
    READING,
    pair_template,
    single_template,
    token_windows,
    tokens_in_windows,
)
from vai.types import Reading, Span, Stopped


class OnnxEmbedder:
    """A bi-encoder; see `vai.protocols.Embedder`. Texts that are too long are cut.

    `max_tokens` is what is left beside the prompt that the model puts before documents.

    Raises:
        VaiError: the model cannot be used; the recipe says with which error.
    """

    usd_per_million_tokens = 0.0

    def __init__(self, recipe: Recipe, *, threads: int, network: Runs | None = None) -> None:
        self.name = recipe.name
        self.revision = recipe.revision
        self.languages = recipe.languages
        self._recipe = recipe
        self._encoder = Encoder(recipe, threads=threads, network=network)
        try:
            template = single_template(self._encoder.tokenizer)
            self._template = template if recipe.typed else template.untyped()
            prompts = [*self._encoder.token_ids([recipe.document_prompt, recipe.query_prompt])]
            longest = max(map(len, prompts))
            if recipe.max_tokens - longest <= template.own:
                raise ValueError(f"its prompt of {longest} tokens leaves no room for a text")
            self.max_tokens = recipe.max_tokens - len(prompts[0])
        except Exception as error:  # the tokenizers have no class for it
            raise recipe.unusable(str(error)) from error
        self.dimension = recipe.dimension or len(self._embed(next(self._encoder.token_ids(["a"]))))

    def token_ends(self, text: str) -> Sequence[int]:
        return self._encoder.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)

        def embed(item: tuple[int, Sequence[int]]) -> None:
            row, ids = item
            vectors[row] = self._embed(ids)

        prompted = (
            [self._recipe.document_prompt + text for text in texts] if self._recipe.document_prompt else texts
        )
        self._encoder.each(enumerate(self._encoder.token_ids(prompted)), embed)
        return vectors

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        return self._embed(next(self._encoder.token_ids([self._recipe.query_prompt + text])))

    def _embed(self, ids: Sequence[int]) -> Vector:
        kept, types = self._template.filled(ids[: self._recipe.max_tokens - self._template.own])
        if not kept:  # of a tokenizer without special tokens; a vector that means nothing
            nothing: Vector = np.eye(1, self.dimension, dtype=np.float32)[0]
            return nothing
        vector = self._encoder.run(kept, types)
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise self._recipe.unusable(f"it makes no vector of a text of {len(kept):,} tokens")
        return vector


@dataclass(slots=True)
class _Window:
    """A part of a passage that is read at once.

    Args:
        ids: its tokens, which are forgotten once it was read; `tokens` says how many they are.
        span: its characters; None if it is the whole passage.
        logit: NaN if the network gave no number; None as long as it was not read.
    """

    ids: Sequence[int]
    tokens: int
    span: Span | None = None
    logit: float | None = None


@dataclass(frozen=True, slots=True)
class _Passage:
    """A passage that was begun: which it is, its windows, one if it fits, and the share of it that they hold."""

    index: int
    windows: Sequence[_Window]
    seen: float

    @property
    def logits(self) -> list[float]:
        """Of the windows that were read, in order."""
        return [window.logit for window in self.windows if window.logit is not None]


class OnnxReranker:
    """A cross-encoder; see `vai.protocols.Reranker`.

    A passage that does not fit is read in windows, each joined with the whole query, and its logit is the greatest
    of theirs (MaxP, Dai and Callan 2019, *Deeper Text Understanding for IR with Contextual Neural Language
    Modeling*). A query longer than the model's share for queries is cut.

    Raises:
        VaiError: the model cannot be used; the recipe says with which error.
    """

    usd_per_million_tokens = 0.0

    def __init__(self, recipe: Recipe, *, threads: int, network: Runs | None = None) -> None:
        self.name = recipe.name
        self.languages = recipe.languages
        self.blend = recipe.blend
        self.similarity_scale = recipe.similarity_scale
        self.revision = f"{recipe.revision}/{READING}"
        self.calibration = recipe.calibration
        self._recipe = recipe
        self._encoder = Encoder(recipe, threads=threads, network=network)
        try:
            template = pair_template(self._encoder.tokenizer)
            if recipe.max_tokens - recipe.max_query_tokens <= template.own:
                raise ValueError(f"{recipe.max_tokens} tokens leave no room for a passage")
            prompt = next(self._encoder.token_ids([recipe.query_prompt]))
            if len(prompt) >= recipe.max_query_tokens:
                raise ValueError(f"its prompt of {len(prompt)} tokens leaves no room for a query")
        except Exception as error:  # the tokenizers have no class for it
            raise recipe.unusable(str(error)) from error
        self._template = template if recipe.typed else template.untyped()

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        whole_query = next(self._encoder.token_ids([self._recipe.query_prompt + query]))
        asked = whole_query[: self._recipe.max_query_tokens]
        beside = len(asked) + self._template.own
        begun: list[_Passage] = []

        def read(window: _Window) -> None:
            logit = float(self._encoder.run(*self._template.filled(asked, window.ids))[0])
            window.logit = logit if math.isfinite(logit) else math.nan
            window.ids = ()

        self._encoder.each(self._windows(passages, self._recipe.max_tokens - beside, deadline, begun), read)
        query_seen = len(asked) / len(whole_query) if whole_query else 1.0
        return self._reading(passages, begun, beside, query_seen)

    def try_out(self) -> None:
        """Read a pair, as a model that nobody has tried yet may fail to do.

        Raises:
            VaiError: it cannot be used; the recipe says with which error.
        """
        self.score("a", ["b"])

    def _windows(
        self, passages: Sequence[str], room: int, deadline: float | None, begun: list[_Passage]
    ) -> Iterator[_Window]:
        """What is to be read, until the deadline; the passages that it is of are entered into `begun`.

        They are begun in order if there is a deadline. If there is none, the long ones come first, so that the
        threads are done at about the same time.
        """
        order = list(range(len(passages)))
        if deadline is None:
            order.sort(key=lambda index: -len(passages[index]))
        end = math.inf if deadline is None else deadline
        every_id = self._encoder.token_ids(
            [passages[index] for index in order], enough=tokens_in_windows(room), deadline=end
        )
        for index, ids in zip(order, every_id, strict=True):
            if time.monotonic() >= end:
                return
            windows, seen = self._cut(passages[index], ids, room)
            begun.append(_Passage(index, windows, seen))
            yield windows[0]
            for window in windows[1:]:
                if time.monotonic() >= end:
                    return
                yield window

    def _cut(self, passage: str, ids: Sequence[int], room: int) -> tuple[list[_Window], float]:
        """The windows of a passage, and the share of it that they hold."""
        cuts = token_windows(len(ids), room)
        if len(cuts) == 1:
            return [_Window(ids, len(ids))], 1.0
        last = cuts[-1][1]
        spans = self._encoder.token_spans(passage, last)
        windows = [
            _Window(ids[start:stop], stop - start, (spans[start][0], spans[stop - 1][1]))
            for start, stop in cuts
        ]
        return windows, 1.0 if last == len(ids) else spans[last - 1][1] / len(passage)

    def _reading(
        self, passages: Sequence[str], begun: Sequence[_Passage], beside: int, query_seen: float
    ) -> Reading:
        logits = np.full(len(passages), np.nan, dtype=np.float32)
        seen = np.zeros(len(passages), dtype=np.float32)
        spans: list[Span | None] = [None] * len(passages)
        read = [passage for passage in begun if len(passage.logits) == len(passage.windows)]
        for passage in read:
            best = int(np.argmax(passage.logits))  # of a NaN, if there is one
            if not math.isnan(passage.logits[best]):
                logits[passage.index] = passage.logits[best]
                seen[passage.index] = passage.seen
                spans[passage.index] = passage.windows[best].span
        stopped, reason = _ending(len(passages), len(read), int(np.isnan(logits).sum()))
        return Reading(
            logits=logits,
            relevance=None,
            tokens=sum(
                beside + window.tokens
                for passage in begun
                for window in passage.windows
                if window.logit is not None
            ),
            seen=seen,
            stopped=stopped,
            reason=reason,
            query_seen=query_seen,
            windows=tuple(spans) if any(spans) else (),
        )


def _ending(passages: int, read: int, without_value: int) -> tuple[Stopped | None, str | None]:
    """Why passages have no value, if some have none."""
    if read < passages:
        return "deadline", "the time was up"
    if without_value:
        return "failed", f"the model gave no number for {without_value} of {passages} passages"
    return None, None
