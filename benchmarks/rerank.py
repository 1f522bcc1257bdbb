"""Stage 2 beside other rerankers: pairs/s, latency, memory, and what its int8 weights change.

    python benchmarks/rerank.py --data DIR
    python benchmarks/rerank.py --data DIR --peer-python PEER/bin/python --checkpoint checkpoint.safetensors
    python benchmarks/rerank.py --data DIR --only memory --queries 2 --documents 500 --store KEPT

The pairs are questions of the test collections with the candidates that stage 1 finds for them. Every contender works
in a process of its own, and they take turns. What each row means is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from measuring.fidelity import LEAST_OVERLAP, LEAST_SPEARMAN, TOP, Fidelity, compare
from measuring.machine import describe, provenance
from measuring.options import (
    add_json,
    add_only,
    add_peer_python,
    at_least_1,
    collections_parser,
    counts,
)
from measuring.processes import CROSS_ENCODER, check_peer
from measuring.report import comparison_json, comparison_table, save, say, table
from measuring.rerankers import (
    Asked,
    Latency,
    bulk_comparisons,
    contest,
    latency_rows,
    memory,
    questions_of_sets,
)
from measuring.sampling import Comparison
from vai import open_embedder
from vai.types import Json, as_json

PARTS = ("bulk", "latency", "memory", "fidelity")
NO_PEERS = "other libraries were left out: --peer-python was not given"
NO_CHECKPOINT = "int8 beside float32 was left out: it takes --peer-python and --checkpoint"
PASSAGES_IN_MEMORY, TOKENS_IN_MEMORY = 1000, 512


@dataclass
class Results:
    """What has been measured so far; `lengths` are tokens of pairs."""

    comparisons: list[Comparison] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    fidelity: Fidelity | None = None
    lengths: list[int] = field(default_factory=list)
    about: dict[str, Json] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def main() -> None:
    """Measure, print the tables, write the file."""
    options = parsed_options()
    with ExitStack() as stack:
        workspace = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        questions = questions_of_sets(
            options.data,
            options.sets,
            workspace.resolve(),
            queries=options.queries,
            documents=options.documents,
            candidates=max(*options.candidates, options.bulk_candidates, options.fidelity_candidates),
        )
        results = measured(options, questions, scratch)
    report(options, questions, results)


def measured(options: argparse.Namespace, questions: list[Asked], scratch: Path) -> Results:
    """Every part that was asked for."""
    results = Results()
    if "memory" in options.only:
        say("memory")
        results.comparisons.append(
            memory(questions, scratch, open_embedder(), passages=PASSAGES_IN_MEMORY, tokens=TOKENS_IN_MEMORY)
        )
    if "bulk" in options.only:
        measure_bulk(options, questions, scratch, results)
    if "latency" in options.only:
        with contest(questions, scratch, options.peer_python) as field_of:
            for candidates in options.candidates:
                results.latencies += latency_rows(field_of.latencies(candidates), candidates)
    if {"bulk", "latency"} & set(options.only) and options.peer_python is None:
        results.left_out.append(NO_PEERS)
    if "fidelity" in options.only:
        if options.peer_python is None or options.checkpoint is None:
            results.left_out.append(NO_CHECKPOINT)
        else:
            say("int8 beside float32")
            results.fidelity = compare(
                questions, scratch, options.peer_python, options.checkpoint, options.fidelity_candidates
            )
    return results


def measure_bulk(
    options: argparse.Namespace, questions: list[Asked], scratch: Path, results: Results
) -> None:
    """Many pairs at once."""
    few = [
        Asked(question.query, question.passages[: options.bulk_candidates])
        for question in questions[: options.bulk_questions]
    ]
    with contest(few, scratch, options.peer_python) as field_of:
        results.lengths, results.about = field_of.lengths, field_of.about
        results.comparisons += bulk_comparisons(field_of.bulk(options.rounds), len(results.lengths))


# ── report ──


def report(options: argparse.Namespace, questions: list[Asked], results: Results) -> None:
    """Tables on standard output, everything in the file."""
    found = provenance()
    print(describe(found))
    for name, said in results.about.items():
        assert isinstance(said, dict)
        print(f"{name}: " + " · ".join(f"{key} {value}" for key, value in said.items()))
    print(f"{len(questions)} questions\n")
    if results.lengths:
        print(f"Tokens of a pair in bulk: {lengths_text(results.lengths)}.\n")
    if results.comparisons:
        print(f"Median (least–greatest) of {options.rounds} rounds.\n")
        print(comparison_table(results.comparisons))
    if results.latencies:
        print(f"\nOne question at a time, ms:\n\n{latency_table(results.latencies)}")
    if results.fidelity:
        print(f"\n{fidelity_text(results.fidelity)}")
    for sentence in results.left_out:
        print(f"\n{sentence}")
    if options.json:
        result: dict[str, Json] = {
            "schema": "vai.benchmark.rerank/1",
            **found,
            "contenders": results.about,
            "questions": len(questions),
            "pair_tokens": list(results.lengths),
            "comparisons": [comparison_json(comparison) for comparison in results.comparisons],
            "latency_ms": [as_json(latency) for latency in results.latencies],
            "fidelity": fidelity_json(results.fidelity),
            "left_out": list(results.left_out),
        }
        say(f"written: {save(result, options.json, 'rerank')}")


def lengths_text(lengths: list[int]) -> str:
    """How the lengths are distributed."""
    low, middle, high = np.percentile(lengths, [10, 50, 90])
    return (
        f"mean {np.mean(lengths):.0f}, median {middle:.0f}, a tenth below {low:.0f} and a tenth above "
        f"{high:.0f}, greatest {max(lengths)}"
    )


def latency_table(latencies: list[Latency]) -> str:
    """A row for each contender, p50 and p95 for each number of candidates."""
    depths = sorted({latency.candidates for latency in latencies})
    header = ["reranker"]
    for depth in depths:
        header += [f"p50, {depth} candidates", "p95", "× vai's time"]
    rows = []
    for name in dict.fromkeys(latency.times.name for latency in latencies):
        of_one = {latency.candidates: latency for latency in latencies if latency.times.name == name}
        row = [name]
        for depth in depths:
            latency = of_one[depth]
            row += [f"{latency.times.p50:,.0f}", f"{latency.times.p95:,.0f}", f"{latency.times_ours:.2f}"]
        rows.append(row)
    return table(header, rows)


def fidelity_text(fidelity: Fidelity) -> str:
    """int8 beside float32, as a table."""
    cells = [
        ("Spearman's rank correlation", fidelity.spearman, 0.1, f"≥ {LEAST_SPEARMAN:g}", LEAST_SPEARMAN),
        (f"share of the top {TOP} kept", fidelity.overlap, 0.1, f"≥ {LEAST_OVERLAP:g}", LEAST_OVERLAP),
        ("greatest difference of a logit", fidelity.difference, 0.9, "", None),
    ]
    rows = [
        [
            name,
            f"{values.mean():.4f}",
            f"{np.quantile(values, tail):.4f}",
            goal,
            "" if least is None else "yes" if values.mean() >= least else "no",
        ]
        for name, values, tail, goal, least in cells
    ]
    header = [f"int8 beside float32, {len(fidelity.spearman)} queries × {fidelity.candidates} candidates"]
    return table([*header, "mean", "worst tenth begins at", "goal", "met"], rows)


def fidelity_json(fidelity: Fidelity | None) -> Json:
    """Every query's figures."""
    if fidelity is None:
        return None
    return {
        "candidates": fidelity.candidates,
        "spearman": fidelity.spearman.tolist(),
        "overlap": fidelity.overlap.tolist(),
        "difference": fidelity.difference.tolist(),
    }


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = collections_parser(__doc__, queries=10)
    add = parser.add_argument
    add("--documents", type=at_least_1, metavar="N", help="at most so many of a set [all]")
    add("--rounds", type=at_least_1, default=5, metavar="N", help="rounds in bulk [5]")
    add("--bulk-questions", type=at_least_1, default=14, metavar="N", help="questions in bulk [14]")
    add("--bulk-candidates", type=at_least_1, default=50, metavar="N", help="passages of each of them [50]")
    add("--candidates", type=counts, default=(20, 50, 100), metavar="N,N", help="latencies [20,50,100]")
    add("--fidelity-candidates", type=at_least_1, default=50, metavar="N", help="of each question [50]")
    add("--checkpoint", type=Path, metavar="FILE", help="float weights of the bundled reranker")
    add_peer_python(parser)
    add_only(parser, PARTS)
    add_json(parser)
    options = parser.parse_args()
    if options.peer_python is not None:
        check_peer(options.peer_python, (*CROSS_ENCODER, "onnx", "flashrank", "fastembed"))
    return options


if __name__ == "__main__":
    main()
