"""The read path: cold queries, warm queries, and stage 2 alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring.processes import PROGRAMS, Worker, bare_models, command_line, run_program, timed, write_job
from measuring.sampling import Comparison, Goal, Percentiles, alternate, percentiles
from vai import Collection, QueryResponse
from vai.models.catalog import DEFAULT_RERANKER, core_count
from vai.types import Json

COLD_GOALS = {False: Goal(600), True: Goal(1000)}
"""ms from the start of a process to its exit, on two cores, without and with stage 2."""
CANDIDATES = 20
PAIR_QUESTIONS = 16
WARM_UP = 3
"""Queries before the clock starts, which load the models."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the passages that stage 1 finds for it, and what the bundled reranker says of each."""

    text: str
    passages: tuple[str, ...]
    logits: tuple[float, ...]


def look_up(collection: Collection, texts: Sequence[str], passages: Mapping[str, str]) -> list[Question]:
    """The questions with their candidates in stage 1's order."""
    questions = []
    for response in collection.query_many(texts, limit=CANDIDATES, rerank=True, blend=0.0, explain=True):
        found = sorted([*response.hits, *(response.dropped or ())], key=lambda hit: hit.stage1_rank)
        questions.append(
            Question(
                response.query,
                tuple(passages[hit.id] for hit in found),
                tuple(hit.score for hit in found if hit.score is not None),
            )
        )
    return questions


# ── cold ──


COLD_WAYS: dict[str, tuple[str, bool]] = {
    "--no-rerank": ("`vai query --no-rerank`", False),
    "--no-cache": ("`vai query`, each pair read anew", True),
    "": ("`vai query`, asked again", False),
}
"""By flag: what a cold query is called, and whether stage 2 reads in it."""


def cold_query(
    store: Path, questions: Sequence[Question], scratch: Path, repeats: int, *, flag: str
) -> Comparison:
    """A new process of `vai query` against the bare start of its runtime and models, which does the same reading.

    Without a flag every score is kept already, since `look_up` has asked the same.
    """
    name, reads = COLD_WAYS[flag]
    jobs = [
        write_job(
            scratch / f"bare-{number}.json",
            {
                **bare_models(),
                "threads": core_count(),
                "query": question.text,
                "passages": list(question.passages) if reads else [],
            },
        )
        for number, question in enumerate(questions)
    ]
    if reads:
        _check_same_work(jobs[0], questions[0])

    def ours(number: int) -> float:
        text = questions[number % len(questions)].text
        command: list[str | Path] = [
            command_line(),
            "query",
            text,
            "--store",
            store,
            "--limit",
            str(CANDIDATES),
            *([flag] if flag else []),
        ]
        return timed(command)[0] * 1000

    def bare(number: int) -> float:
        return run_bare(jobs[number % len(jobs)])

    measured, reference = alternate(repeats, ours, bare, warm_up=True)
    return Comparison(
        name=f"cold {name}, start to exit",
        unit="ms",
        ours=measured,
        reference_name="bare start of the runtime and models",
        reference=reference,
        goal=COLD_GOALS[reads],
    )


def run_bare(job: Path) -> float:
    """How long the bare program takes from start to exit, in ms."""
    return timed([sys.executable, PROGRAMS / "bare_query.py", job])[0] * 1000


def _check_same_work(job: Path, question: Question) -> None:
    """The comparison is only fair if the bare program comes to the same numbers."""
    logits = run_program("bare_query.py", job)["logits"]
    if len(logits) != len(question.logits) or any(
        abs(bare - ours) > 1e-3 for bare, ours in zip(logits, question.logits, strict=True)
    ):
        raise SystemExit(f"the bare program does not do the same work as vai for: {question.text}")


# ── warm ──


def warm_query(collection: Collection, texts: Sequence[str], *, rerank: bool) -> list[Percentiles]:
    """Different questions one after another in this process, stage by stage.

    The total is what the caller waits; what it has beyond the stages (looking whether hits are stale, making the
    response) is the overhead.
    """
    label = "reranked" if rerank else "--no-rerank"
    times: dict[str, list[float]] = {}
    responses = collection.query_many(texts, limit=CANDIDATES, rerank=rerank, cache=False)
    for number in range(len(texts)):
        began = time.perf_counter()
        response = next(responses)
        total = (time.perf_counter() - began) * 1000
        if number >= WARM_UP:
            stages = _stage_ms(response)
            for stage, ms in {**stages, "overhead": total - sum(stages.values()), "total": total}.items():
                times.setdefault(stage, []).append(ms)
    return [percentiles(f"{label}: {stage}", values) for stage, values in times.items()]


def _stage_ms(response: QueryResponse) -> dict[str, float]:
    stages = response.stages
    found = {"embed": stages.embed.ms, "search": stages.search.ms}
    return {**found, "rerank": stages.rerank.ms} if stages.rerank else found


# ── stage 2 alone ──


def pairs_per_second(
    questions: Sequence[Question], scratch: Path, repeats: int, peer_python: Path
) -> tuple[Comparison, dict[str, Json]]:
    """The bundled reranker against sentence-transformers' `CrossEncoder`; also what the peer says it is."""
    asked = [{"query": question.text, "passages": list(question.passages)} for question in questions]
    job = write_job(
        scratch / "pairs.json", {"model": DEFAULT_RERANKER, "threads": core_count(), "questions": asked}
    )
    count = sum(len(question.passages) for question in questions)
    with Worker("our_reranker.py", job) as ours, Worker("peer_reranker.py", job, python=peer_python) as peer:
        measured, reference = alternate(
            repeats, lambda _: count / ours.work(), lambda _: count / peer.work(), warm_up=True
        )
        about = peer.about
    return (
        Comparison(
            name=f"reranking, {count} pairs",
            unit="pairs/s",
            ours=measured,
            reference_name="sentence-transformers CrossEncoder",
            reference=reference,
        ),
        about,
    )
