"""A small corpus with questions of which the answers are known, rerankers that are more or less good at
them, and what was measured of one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vai import Collection, Settings
from vai.calibrations import MeasuredCalibration
from vai.evaluation.data.testsets import TestSet
from vai.models.fakes import HashingEmbedder, words
from vai.types import Calibration, Reading

TOPICS = 40

MEASURED = MeasuredCalibration(
    model="word-overlap",
    revision="1",
    slope=2.5,
    intercept=-1.25,
    error=0.04,
    collection="docs",
    test_set="questions",
    queries=40,
    pairs=400,
    positives=60,
    limit=20,
    measured="2026-11-24T12:00:00+00:00",
)
"""What is kept of a measurement."""


def passage(topic: int) -> str:
    """A text that nothing but its own words tells from the others."""
    return f"Notes about subject{topic} and what is near to it."


PASSAGES = tuple(map(passage, range(TOPICS)))


def question(topic: int) -> str:
    """What that text answers."""
    return f"What is known about subject{topic}?"


def questions(count: int = TOPICS, *, name: str = "questions") -> TestSet:
    """A question for each of the first topics; what answers it is the document of that topic."""
    queries = {f"q{topic}": question(topic) for topic in range(count)}
    return TestSet(name, queries, {f"q{topic}": {f"d{topic}": 1} for topic in range(count)})


@dataclass
class NoisyReranker:
    """The share of the question's words that a passage holds, times `worth`, and noise from −1 to 1.

    With a `worth` below 0 it likes what does not answer. Passages are counted in `read`.
    """

    worth: float = 6.0
    gives: str = "logits"
    stopped_after: int | None = None
    name: str = "noisy"
    revision: str = "7"
    blend: float = 0.5
    similarity_scale: float = 1.0
    calibration: Calibration | None = None
    languages: tuple[str, ...] = ()
    usd_per_million_tokens: float = 0.0
    read: list[str] = field(default_factory=list)

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        asked = set(words(query))
        shares = [len(asked & set(words(text))) / len(asked) for text in passages]
        noise = [zlib.crc32(f"{query}\n{text}".encode()) / 2**31 - 1 for text in passages]
        logits = self.worth * np.array(shares, dtype=np.float32) + np.array(noise, dtype=np.float32)
        late = self.stopped_after is not None and len(self.read) >= self.stopped_after
        if late:
            logits[:] = np.nan
        self.read += passages
        relevance = 1 / (1 + np.exp(-logits)) if self.gives == "relevance" else None
        return Reading(
            logits=logits if relevance is None else None,
            relevance=relevance,
            tokens=len(passages),
            seen=np.where(np.isnan(logits), 0, 1).astype(np.float32),
            stopped="failed" if late else None,
            reason="the line went dead" if late else None,
        )


def filled(
    folder: Path,
    reranker: NoisyReranker,
    *,
    settings: Settings | None = None,
    texts: Sequence[str] = PASSAGES,
) -> Collection:
    """A collection of those texts as the documents d0, d1, …"""
    records = folder / "corpus.jsonl"
    records.write_text(
        "".join(f"{json.dumps({'_id': f'd{number}', 'text': text})}\n" for number, text in enumerate(texts))
    )
    collection = Collection.open(
        folder / ".vai", embedder=HashingEmbedder(256), reranker=reranker, settings=settings or Settings()
    )
    collection.ingest(records)
    return collection
