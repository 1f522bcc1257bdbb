"""A small corpus in which much is equal, odd rerankers for it, and replays beside queries that really run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from evaluation_samples import NoisyReranker
from vai import Collection, Settings
from vai.evaluation.data.matching import match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.replay import Replay
from vai.models.fakes import HashingEmbedder, WordOverlapReranker
from vai.protocols import Reranker
from vai.types import Calibration, QueryResponse, Reading, Stage1

SENTENCES = (
    "the harbour lies quiet while the ferry waits for the tide and the last of the cars",
    "the ferry leaves the harbour when the tide is high and comes back when the tide is low",
    "bread needs flour and water and salt and time and an oven that is really very hot indeed",
    "an oven that is hot bakes bread and cakes and dries the herbs of a whole summer as well",
    "of all the birds on the coast the tern flies farthest and rests the least in a whole year",
    "a lighthouse keeper writes down the weather and the ships that pass the harbour every night",
    "cakes of salt and herbs of the coast were sold at night by a keeper of birds and of bread",
)
"""Each becomes one chunk; they share many words, and every one of them occurs in many documents."""

QUESTIONS = {
    "q0": "when does the ferry leave the harbour",
    "q1": "bread",
    "q2": "which birds fly far along the coast at night",
    "q3": "zyzzyva qwertyuiop",
    "q4": "of the and",
    "q5": SENTENCES[5],
    "q6": "salt salt salt tide tide oven",
    "d7": "how hot has an oven to be for bread",
}
"""By id: the words of one occur nowhere, and one has the id of a document."""

DOCUMENTS = 40
REMOVED = ("d3", "d20")


def paragraphs(number: int) -> list[str]:
    """The chunks of a document: one to four, the same ones in many documents."""
    random = np.random.default_rng(number)
    return [SENTENCES[choice] for choice in random.integers(0, len(SENTENCES), size=1 + number % 4)]


def questions(*, own_documents: bool = False, chunks: bool = False) -> TestSet:
    """Graded judgements of documents, or of chunks, for some of which there is no right answer."""
    random, grades = np.random.default_rng(9), {}
    for query in QUESTIONS:
        chosen = [f"d{number}" for number in random.choice(DOCUMENTS, size=9, replace=False)]
        units = [unit for unit in chosen if unit not in REMOVED]
        named = [f"{unit}#0" for unit in units] if chunks else units
        grades[query] = dict(zip(named, random.integers(-1, 4, size=len(named)).tolist(), strict=True))
    return TestSet("questions", QUESTIONS, grades, own_documents=own_documents)


def written(folder: Path) -> Path:
    """A store with the corpus, of which some documents were removed again; returns the store."""
    records = folder / "corpus.jsonl"
    lines = [
        {"_id": f"d{number}", "text": "\n\n".join(paragraphs(number)), "year": 2000 + number % 5}
        for number in range(DOCUMENTS)
    ]
    records.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with opened(folder / ".vai", WordOverlapReranker()) as collection:
        collection.ingest(records, chunk_tokens=20)
        collection.delete(ids=REMOVED)
        assert collection.describe().chunks > 1.5 * DOCUMENTS
    return folder / ".vai"


def opened(store: Path, reranker: Reranker) -> Collection:
    """The collection with that reranker, at work with as few dimensions as make many texts alike."""
    return Collection.open(store, embedder=HashingEmbedder(16), reranker=reranker, settings=Settings())


@dataclass
class FaultyReranker(NoisyReranker):
    """Gives no number for some passages, and an infinite one for others."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        reading = super().score(query, passages, deadline=deadline)
        odd = {0: np.nan, 1: np.inf, 2: -np.inf}
        values = [
            odd.get(len(query + text) % 7, value)
            for text, value in zip(passages, reading.values.tolist(), strict=True)
        ]
        return replace(reading, logits=np.array(values, dtype=np.float32), relevance=None)


RERANKERS: dict[str, Callable[[], Reranker]] = {
    "logits": NoisyReranker,
    "relevance": lambda: NoisyReranker(gives="relevance", similarity_scale=0.7),
    "calibrated": lambda: NoisyReranker(calibration=Calibration(1.3, -0.4, 0.1), similarity_scale=7.3),
    "calibrated relevance": lambda: NoisyReranker(gives="relevance", calibration=Calibration(0.6, 1.1, 0.1)),
    "faulty": FaultyReranker,
    "coarse": WordOverlapReranker,
}


def bench_of(store: Path, reranker: Reranker, test_set: TestSet, **options: Any) -> Bench:
    """A bench over the corpus; options as for a query."""
    collection = opened(store, reranker)
    return Bench.open(collection, match(test_set, collection), **options)


# ── configurations ──

stage1s = st.one_of(
    st.sampled_from([Stage1("vector"), Stage1("words"), Stage1("hybrid", "ranks")]),
    st.sampled_from([0.0, 0.1, 0.25, 1.0, 1 / 3, 2.0]).map(lambda weight: Stage1("hybrid", "scores", weight)),
)
shares = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def configurations(
    draw: st.DrawFn, rerankers: Sequence[str | None], deepest: int = 60, widest: int = 30
) -> Configuration:
    """Any choice of everything."""
    num_candidates = draw(st.integers(1, deepest))
    alone = Configuration(draw(stage1s), draw(st.integers(1, min(num_candidates, widest))), num_candidates)
    reranker = draw(st.sampled_from(rerankers))
    if reranker is None:
        return alone
    least = draw(st.one_of(st.none(), shares))
    return replace(alone, reranker=reranker, blend=draw(shares), min_relevance=least)


# ── replays and queries that really run ──

Hits = list[tuple[str, float | None, int]]
"""Of one question, best first: the chunk, the score, and the rank in stage 1."""


def asked(configuration: Configuration) -> dict[str, Any]:
    """The options of a query that does what the configuration says, and returns all its hits."""
    stage1 = configuration.stage1
    options: dict[str, Any] = {
        "limit": configuration.limit,
        "top_k": configuration.limit,
        "num_candidates": configuration.num_candidates,
        "stage1": stage1.mode,
    }
    if stage1.mode == "hybrid":
        options["fusion"] = stage1.fusion
        if stage1.fusion == "scores":
            options["words_weight"] = stage1.words_weight
    if configuration.reranker is None:
        return {**options, "rerank": False}
    return {**options, "blend": configuration.blend, "min_relevance": configuration.min_relevance}


def answers(bench: Bench, configuration: Configuration, **options: Any) -> list[QueryResponse]:
    """What queries answer, each on its own."""
    collection, number = bench.collection, range(len(bench.texts))
    return [
        collection.query(
            bench.texts[row],
            **{"filter": bench.filter_of(row), "exact": bench.plan.exact, **asked(configuration), **options},
        )
        for row in number
    ]


def hits_of(response: QueryResponse) -> Hits:
    return [(hit.id, hit.score, hit.stage1_rank) for hit in response.hits]


def replayed(replay: Replay, configuration: Configuration) -> list[Hits]:
    """The same of a replay."""
    final, pools = replay.final(configuration), replay.pools(configuration)
    hits: list[Hits] = []
    for ids, columns, scores, ranks, kept in zip(
        pools.ids, final.columns, final.scores, final.stage1_ranks, final.kept, strict=True
    ):
        shown = zip(columns[kept].tolist(), scores[kept].tolist(), ranks[kept].tolist(), strict=True)
        hits.append([(ids[column], None if score != score else score, rank) for column, score, rank in shown])
    return hits
