"""What a reranker's int8 weights change: its values beside those of the float32 network it was made from."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from measuring.metrics import Values
from measuring.processes import Worker, write_job
from measuring.report import say
from measuring.rerankers import Asked, job_of

LEAST_SPEARMAN, LEAST_OVERLAP = 0.99, 0.95
"""The tolerance: means over queries."""
TOP = 10


@dataclass(frozen=True, slots=True)
class Fidelity:
    """One value for each query: Spearman's rank correlation of all candidates, the share of the float32 top 10
    that int8 has among its own, and the greatest difference of a logit.
    """

    candidates: int
    spearman: Values
    overlap: Values
    difference: Values


def compare(
    questions: Sequence[Asked], scratch: Path, peer_python: Path, checkpoint: Path, candidates: int
) -> Fidelity:
    """Both networks read the same pairs; only questions with so many candidates count."""
    job = write_job(scratch / "fidelity.json", job_of(questions, checkpoint=str(checkpoint)))
    if all(len(question.passages) < candidates for question in questions):
        raise SystemExit(f"no question has {candidates} candidates: take larger sets, or fewer candidates")
    spearman_values, overlaps, differences = [], [], []
    with (
        Worker("bare_reranker.py", job, python=sys.executable) as small,
        Worker("float_reranker.py", job, python=peer_python) as exact,
    ):
        for number, question in enumerate(questions):
            if len(question.passages) < candidates:
                continue
            request = json.dumps({"question": number, "passages": candidates, "values": True})
            ours, theirs = (np.array(worker.ask(request)["values"]) for worker in (small, exact))
            spearman_values.append(spearman(ours, theirs))
            overlaps.append(top_overlap(ours, theirs, TOP))
            differences.append(float(np.abs(ours - theirs).max()))
            if number % 20 == 19:
                say(f"float32: {number + 1} of {len(questions)} questions")
    return Fidelity(candidates, np.array(spearman_values), np.array(overlaps), np.array(differences))


def spearman(one: Values, other: Values) -> float:
    """Spearman 1904: the correlation of the ranks; equal values share the mean of their ranks."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Values) -> Values:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Values = (ends - (counts - 1) / 2)[places]
    return ranks


def top_overlap(one: Values, other: Values, depth: int) -> float:
    """The share of the first `depth` that both have in common; equal values in the order given."""
    first, second = (set(np.argsort(-values, kind="stable")[:depth].tolist()) for values in (one, other))
    return len(first & second) / depth
