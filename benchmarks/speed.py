"""How fast vai is, as ratios to what it is made of, measured side by side in one run.

    python benchmarks/speed.py --corpus PATH
    python benchmarks/speed.py --corpus PATH --peer-python PEER/bin/python --json benchmarks/results

Every comparison alternates the two sides (A B A B …) and gives the median with the least and the greatest round;
ratios are taken round by round. What each row means is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from measuring.corpus import Corpus, build_corpus, questions_of
from measuring.machine import describe, provenance
from measuring.options import add_json, add_only, add_peer_python, described_parser
from measuring.processes import check_peer
from measuring.reading import (
    COLD_WAYS,
    PAIR_QUESTIONS,
    WARM_UP,
    cold_query,
    look_up,
    pairs_per_second,
    warm_query,
)
from measuring.report import comparison_json, comparison_table, percentile_table, save, say
from measuring.sampling import Comparison, Percentiles
from measuring.writing import fill, ingest, unchanged_reingest
from vai import Collection, Settings, open_embedder
from vai.types import Json, as_json

PARTS = ("ingest", "cold", "warm", "reingest", "pairs")
NO_PEER = "reranking against sentence-transformers was left out: --peer-python was not given"


@dataclass
class Results:
    """What has been measured so far."""

    comparisons: list[Comparison] = field(default_factory=list)
    stages: list[Percentiles] = field(default_factory=list)
    peer: dict[str, Json] | None = None
    left_out: list[str] = field(default_factory=list)


def main() -> None:
    """Measure, print the tables, write the file."""
    options = parsed_options()
    with ExitStack() as stack:
        workspace = options.workspace or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workspace = workspace.resolve()
        workspace.mkdir(parents=True, exist_ok=True)
        say(f"building a corpus of {options.chunks:,} chunks")
        embedder = open_embedder()
        corpus = build_corpus(options.corpus, workspace, embedder, options.chunks)
        say(f"{corpus.documents:,} documents, {len(corpus.chunks):,} chunks")
        results = measured(options, corpus, workspace)
    report(options, corpus, results)


def measured(options: argparse.Namespace, corpus: Corpus, workspace: Path) -> Results:
    """Every part that was asked for, in an order in which each leaves the next what it needs."""
    results = Results()
    store = workspace / ".vai"
    scratch = workspace / "jobs"
    scratch.mkdir(exist_ok=True)
    if "ingest" in options.only:
        say("ingest")
        results.comparisons += ingest(corpus, store, scratch, options.ingest_rounds)
    if {"cold", "warm", "pairs"} & set(options.only):
        fill(store, corpus)
        measure_queries(options, corpus, store, scratch, results)
    if "reingest" in options.only:
        say("re-ingest")
        results.comparisons.append(unchanged_reingest(workspace / "small", options.files, options.repeats))
    return results


def measure_queries(
    options: argparse.Namespace, corpus: Corpus, store: Path, scratch: Path, results: Results
) -> None:
    """Cold and warm queries, and stage 2 alone, on the same questions."""
    texts = questions_of(corpus.chunks, WARM_UP + options.questions)
    with Collection.open(store, create=False, settings=Settings()) as collection:
        few = texts[: max(PAIR_QUESTIONS, options.repeats)]
        questions = look_up(collection, few, corpus.passages_to_rerank)
        for flag in COLD_WAYS if "cold" in options.only else ():
            say(f"cold queries {flag}")
            results.comparisons.append(cold_query(store, questions, scratch, options.repeats, flag=flag))
        for rerank in (False, True):
            if "warm" in options.only:
                say(f"warm queries, {'with' if rerank else 'without'} stage 2")
                results.stages += warm_query(collection, texts, rerank=rerank)
    if "pairs" not in options.only:
        return
    if options.peer_python is None:
        results.left_out.append(NO_PEER)
        return
    say("stage 2 alone")
    compared, results.peer = pairs_per_second(
        questions[:PAIR_QUESTIONS], scratch, options.repeats, options.peer_python
    )
    results.comparisons.append(compared)


def report(options: argparse.Namespace, corpus: Corpus, results: Results) -> None:
    """Tables on standard output, everything in the file."""
    found = provenance()
    print(describe(found))
    if results.peer:
        print("peer: " + " · ".join(f"{name} {value}" for name, value in results.peer.items()))
    print(f"corpus: {corpus.documents:,} documents, {len(corpus.chunks):,} chunks\n")
    if results.comparisons:
        print(f"Median (least–greatest) of {options.repeats} rounds; ingest: {options.ingest_rounds}.\n")
        print(comparison_table(results.comparisons))
    if results.stages:
        print(f"\n{percentile_table(results.stages)}")
    for sentence in results.left_out:
        print(f"\n{sentence}")
    if options.json:
        result: dict[str, Json] = {
            "schema": "vai.benchmark.speed/1",
            **found,
            "peer": results.peer,
            "corpus": {"documents": corpus.documents, "chunks": len(corpus.chunks)},
            "comparisons": [comparison_json(comparison) for comparison in results.comparisons],
            "warm_ms": [as_json(stage) for stage in results.stages],
            "left_out": results.left_out,
        }
        say(f"written: {save(result, options.json, 'speed')}")


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    add = parser.add_argument
    add(
        "--corpus",
        type=Path,
        required=True,
        metavar="PATH",
        help="a BEIR zip or folder, JSONL, or any folder",
    )
    add("--repeats", type=int, default=10, metavar="N", help="rounds of every comparison [10]")
    add("--ingest-rounds", type=int, default=2, metavar="N", help="rounds of the ingest, minutes each [2]")
    add("--chunks", type=int, default=10_000, metavar="N", help="size of the corpus [10,000]")
    add("--files", type=int, default=10_000, metavar="N", help="small files to re-ingest [10,000]")
    add("--questions", type=int, default=200, metavar="N", help="warm queries [200]")
    add("--workspace", type=Path, metavar="DIR", help="keep corpus and store there, and use them again")
    add_peer_python(parser)
    add_only(parser, PARTS)
    add_json(parser)
    options = parser.parse_args()
    if min(options.repeats, options.ingest_rounds, options.chunks, options.files, options.questions) < 1:
        parser.error("numbers must be at least 1")
    if not options.corpus.exists():
        parser.error(f"there is nothing at {options.corpus}")
    if options.peer_python is not None:
        check_peer(options.peer_python)
    return options


if __name__ == "__main__":
    main()
