"""Rerankers side by side, each in a process of its own, on the same pairs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring.beir import find_sets, prepared
from measuring.processes import PROGRAMS, Worker, bare_models, run_program, timed, write_job
from measuring.report import say
from measuring.sampling import Comparison, Goal, Percentiles, Samples, percentiles
from vai import Collection, Embedder, Settings
from vai.models.catalog import DEFAULT_RERANKER, core_count
from vai.types import Json

OURS, BEST = "vai", "the runtime's own best"
FOUR_TIMES = Goal(4.0, more_is_better=True)
NEARLY_BEST = Goal(0.85, more_is_better=True)
PEAK_MB = Goal(1000)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with the passages that stage 1 finds for it, in its order."""

    query: str
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contender:
    """A reranker that is measured: a program, and what it is told beyond the questions.

    Args:
        goal: of our speed divided by its speed.
    """

    name: str
    program: str
    peer: bool
    network: str = ""
    goal: Goal | None = None


CONTENDERS = (
    Contender(OURS, "our_reranker.py", peer=False),
    Contender(BEST, "bare_reranker.py", peer=False, goal=NEARLY_BEST),
    Contender("sentence-transformers", "peer_reranker.py", peer=True, goal=FOUR_TIMES),
    Contender("FlashRank, float32", "flashrank_reranker.py", peer=True, network="model.onnx"),
    Contender("FlashRank, int8", "flashrank_reranker.py", peer=True, network="model_int8.onnx"),
    Contender("fastembed, float32", "fastembed_reranker.py", peer=True, network="model.onnx"),
)


# ── what is asked ──


def questions_of_sets(
    data: Path,
    names: Sequence[str],
    workspace: Path,
    *,
    queries: int,
    documents: int | None,
    candidates: int,
) -> list[Asked]:
    """Questions with candidates of stage 1, a question of each set in turn; sets are ingested on the way."""
    found: list[list[Asked]] = []
    for location in find_sets(data, names):
        chosen = prepared(location, workspace, queries=queries, documents=documents)
        with Collection.open(workspace / ".vai", chosen.corpus.stem, settings=Settings()) as collection:
            collection.ingest(chosen.corpus)
            texts = list(chosen.judged.queries.values())
            found.append(list(_asked(collection, texts, candidates)))
        say(f"{chosen.name}: {len(texts)} questions")
    longest = max(len(of_set) for of_set in found)
    return [of_set[turn] for turn in range(longest) for of_set in found if turn < len(of_set)]


def _asked(collection: Collection, texts: Sequence[str], candidates: int) -> Iterator[Asked]:
    responses = collection.query_many(texts, limit=candidates, top_k=candidates, rerank=False)
    for text, response in zip(texts, responses, strict=True):
        chunks = collection.chunks([hit.id for hit in response.hits])
        yield Asked(text, tuple(chunks[hit.id].passage_to_rerank for hit in response.hits))


def job_of(questions: Sequence[Asked], **more: Json) -> dict[str, Json]:
    """What programs are told: see `programs/serving.py`."""
    return {
        **bare_models(),
        "model": DEFAULT_RERANKER,
        "threads": core_count(),
        "questions": [
            {"query": question.query, "passages": list(question.passages)} for question in questions
        ],
        **more,
    }


# ── side by side ──


class Field:
    """Contenders that are ready, by name, with what each says of itself."""

    def __init__(self, workers: dict[str, Worker], questions: Sequence[Asked]) -> None:
        self.workers = workers
        self.questions = questions

    @property
    def about(self) -> dict[str, Any]:
        """Versions and settings."""
        said = {name: dict(worker.about) for name, worker in self.workers.items()}
        for of_one in said.values():
            of_one.pop("lengths", None)
        return said

    @property
    def lengths(self) -> list[int]:
        """Tokens of every pair, as the bundled model reads them."""
        return list(self.workers[BEST].about["lengths"])

    def bulk(self, rounds: int) -> dict[str, Samples]:
        """Pairs/s of each contender over all questions: a round that does not count, then A B C … A B C …"""
        pairs = sum(len(question.passages) for question in self.questions)
        found: dict[str, list[float]] = {name: [] for name in self.workers}
        for number in range(rounds + 1):
            say(f"bulk: round {number} of {rounds}")
            for name, worker in self.workers.items():
                seconds = worker.work()
                if number:
                    found[name].append(pairs / seconds)
        return {name: Samples(tuple(values)) for name, values in found.items()}

    def latencies(self, candidates: int) -> dict[str, list[float]]:
        """Milliseconds of each contender for each question alone, with so many of its candidates; by turns."""
        say(f"{candidates} candidates")
        if all(len(question.passages) < candidates for question in self.questions):
            raise SystemExit(
                f"no question has {candidates} candidates: take larger sets, or fewer candidates"
            )
        found: dict[str, list[float]] = {name: [] for name in self.workers}
        for number, question in enumerate(self.questions):
            if len(question.passages) < candidates:
                continue
            request = json.dumps({"question": number, "passages": candidates})
            for name, worker in self.workers.items():
                found[name].append(float(worker.ask(request)["seconds"]) * 1000)
        return found


@contextmanager
def contest(questions: Sequence[Asked], scratch: Path, peer_python: Path | None) -> Iterator[Field]:
    """Start every contender; without an interpreter for peers only our own two."""
    with ExitStack() as stack:
        peer_model = scratch / "peer-model"
        if peer_python is not None:
            say("exporting the model of the peers")
            peer_model.mkdir(exist_ok=True)
            timed([peer_python, PROGRAMS / "peer_model.py", peer_model])
        workers = {}
        for number, contender in enumerate(CONTENDERS):
            if contender.peer and peer_python is None:
                continue
            job = job_of(questions, peer_model=str(peer_model), network=contender.network)
            path = write_job(scratch / f"contender-{number}.json", job)
            python = peer_python if contender.peer and peer_python else sys.executable
            workers[contender.name] = stack.enter_context(Worker(contender.program, path, python=python))
        yield Field(workers, questions)


def bulk_comparisons(samples: dict[str, Samples], pairs: int) -> list[Comparison]:
    """Ours beside each of the others."""
    return [
        Comparison(
            name=f"reranking, {pairs:,} pairs",
            unit="pairs/s",
            ours=samples[OURS],
            reference_name=contender.name,
            reference=samples[contender.name],
            ratio_goal=contender.goal,
        )
        for contender in CONTENDERS
        if contender.name in samples and contender.name != OURS
    ]


@dataclass(frozen=True, slots=True)
class Latency:
    """One contender's times for one question, in ms, and how many times as long as ours it took (the median)."""

    times: Percentiles
    candidates: int
    times_ours: float


def latency_rows(found: dict[str, list[float]], candidates: int) -> list[Latency]:
    """A row for each contender; the ratio is taken question by question."""
    rows = []
    for name, times in found.items():
        ratios = [theirs / ours for theirs, ours in zip(times, found[OURS], strict=True)]
        rows.append(Latency(percentiles(name, times), candidates, Samples(tuple(ratios)).median))
    return rows


# ── memory ──


def memory(
    questions: Sequence[Asked], scratch: Path, embedder: Embedder, *, passages: int, tokens: int
) -> Comparison:
    """Peak resident memory of our reranker with so many passages, each filling a pair of so many tokens."""
    query = "what is it about"
    room = tokens - len(embedder.token_ends(query)) - 3
    text = "\n".join(passage for question in questions for passage in question.passages)
    job = {**job_of([]), "query": query, "passages": list(_pieces(text, embedder, room, passages))}
    answer = run_program("reranker_memory.py", write_job(scratch / "memory.json", job))
    if abs(answer["tokens"] - passages * tokens) > 0.01 * passages * tokens:
        raise SystemExit(
            f"{passages:,} pairs of {tokens} tokens were {answer['tokens']:,} tokens to the model"
        )
    return Comparison(
        name=f"peak resident memory, {passages:,} pairs of {tokens} tokens",
        unit="MB",
        ours=Samples((answer["peak_bytes"] / 1e6,)),
        goal=PEAK_MB,
    )


def _pieces(text: str, embedder: Embedder, tokens: int, count: int) -> Iterator[str]:
    """`count` pieces of so many tokens each; the tokenizer is that of the reranker too."""
    ends = embedder.token_ends(text)
    starts = range(0, max(1, len(ends) - tokens), tokens)
    for number in range(count):
        first = starts[number % len(starts)]
        yield text[(ends[first - 1] if first else 0) : ends[min(first + tokens, len(ends)) - 1]]
