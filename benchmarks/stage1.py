"""What finds the best candidates: vectors, words or both, on test collections in BEIR's layout.

    python benchmarks/stage1.py --data DIR
    python benchmarks/stage1.py --data DIR --sets scifact,cosqa --weights 0.25,0.5,1 --store KEPT

Every set is ingested once; each of its queries goes through stage 1 in every mode. Recall says how many of the
relevant documents are among the first 20, 50 and 100, nDCG@10 how well they are ordered; gains are over vectors
alone, with paired-bootstrap 95 % intervals. Milliseconds are of the search itself, the query's vector given, for 20
candidates.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measuring.beir import Judged, find_sets, prepared, set_name
from measuring.judging import best_chunk_counts, ndcg_values, recall_values
from measuring.machine import describe, provenance
from measuring.metrics import Gain, Values, gain
from measuring.options import add_ignore_own, add_json, collections_parser, numbers
from measuring.report import save, say, table
from vai import Collection, QueryResponse, Settings
from vai.types import Json, Stage1, as_json

RECALL_DEPTHS = (20, 50, 100)
LIMIT = 300
"""Chunks that stage 1 is asked for, so that there are 100 documents among them."""
NUM_CANDIDATES = 400
"""Of each search that a hybrid one joins: the default for a limit of 20."""
TIMED_QUERIES = 50
MEASURES = (*(f"recall@{depth}" for depth in RECALL_DEPTHS), "nDCG@10")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One mode on one set: every `Values` has one value for each query; `ms` is the median of its searches."""

    values: dict[str, Values]
    ms: float


def main() -> None:
    """Measure every set in every mode, print the tables, write the file."""
    options = parsed_options()
    modes = named_modes(options.weights)
    locations = find_sets(options.data, options.sets)
    with ExitStack() as stack:
        workspace = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        judgements = {
            set_name(location): judge_set(location, options, workspace.resolve(), modes)
            for location in locations
        }
    report(options, modes, judgements)


def named_modes(weights: Sequence[float]) -> dict[str, Stage1]:
    """What is compared, by the name of its row."""
    modes = {"vector": Stage1("vector"), "words": Stage1("words"), "hybrid, ranks": Stage1("hybrid", "ranks")}
    return modes | {
        f"hybrid, scores, weight {weight:g}": Stage1("hybrid", "scores", weight) for weight in weights
    }


def judge_set(
    location: Path, options: argparse.Namespace, workspace: Path, modes: dict[str, Stage1]
) -> dict[str, Judgement]:
    """Ingest one set and judge what every mode finds."""
    chosen = prepared(location, workspace, queries=options.queries)
    name, judged = chosen.name, chosen.judged
    with Collection.open(workspace / ".vai", name, settings=Settings()) as collection:
        ingested = collection.ingest(chosen.corpus)
        say(f"{name}: ingested in {ingested.seconds:.0f} s, {len(judged.queries)} queries")
        return {
            label: judge(collection, judged, mode, ignore_own=name in options.ignore_own)
            for label, mode in modes.items()
        }


def judge(collection: Collection, judged: Judged, mode: Stage1, *, ignore_own: bool) -> Judgement:
    """What one mode finds."""
    rankings: dict[str, list[str]] = {}
    queries = list(judged.queries.values())
    for query, response in zip(judged.queries, searches(collection, queries, mode, LIMIT), strict=True):
        ignored = query if ignore_own else None
        rankings[query] = best_chunk_counts(
            hit.document_id for hit in response.hits if hit.document_id != ignored
        )
    timed = searches(collection, queries[:TIMED_QUERIES], mode, NUM_CANDIDATES // 20)
    times = [response.stages.search.ms for response in timed]
    recalls = {f"recall@{depth}": recall_values(rankings, judged, depth) for depth in RECALL_DEPTHS}
    return Judgement({**recalls, "nDCG@10": ndcg_values(rankings, judged)}, statistics.median(times))


def searches(
    collection: Collection, queries: Sequence[str], mode: Stage1, limit: int
) -> Iterator[QueryResponse]:
    """Stage 1 alone for each query."""
    hybrid = mode.mode == "hybrid"
    return collection.query_many(
        queries,
        limit=limit,
        top_k=limit,
        num_candidates=NUM_CANDIDATES,
        stage1=mode.mode,
        fusion=mode.fusion if hybrid else None,
        words_weight=mode.words_weight if hybrid and mode.fusion == "scores" else None,
        rerank=False,
    )


# ── report ──


def report(
    options: argparse.Namespace, modes: dict[str, Stage1], judgements: dict[str, dict[str, Judgement]]
) -> None:
    """Tables on standard output, everything in the file."""
    found = provenance()
    print(f"{describe(found)}\n")
    everything = list(judgements.values())
    print(f"Means over {len(everything)} sets; gains over vectors alone with 95 % intervals.\n")
    print(mean_table(modes, everything))
    for measure in MEASURES:
        print(f"\n{measure} of each set:\n\n{set_table(modes, judgements, measure)}")
    if options.json:
        result: dict[str, Json] = {
            "schema": "vai.benchmark.stage1/1",
            **found,
            "settings": {"limit": LIMIT, "num_candidates": NUM_CANDIDATES, "most_queries": options.queries},
            "results": {
                label: {
                    measure: {
                        "mean": mean(everything, label, measure),
                        "gain": as_json(gain_of(everything, label, measure)),
                        "sets": {
                            name: float(judged[label].values[measure].mean())
                            for name, judged in judgements.items()
                        },
                    }
                    for measure in MEASURES
                }
                for label in modes
            },
        }
        say(f"written: {save(result, options.json, 'stage1')}")


def mean_table(modes: dict[str, Stage1], sets: Sequence[dict[str, Judgement]]) -> str:
    """A row for each mode: means over sets, each with its gain, and what a search costs."""
    rows = []
    for label in modes:
        row = [label]
        for measure in MEASURES:
            row += [f"{mean(sets, label, measure):.3f}", str(gain_of(sets, label, measure))]
        row.append(f"{statistics.mean(judged[label].ms for judged in sets):.1f}")
        rows.append(row)
    header = ["stage 1", *(column for measure in MEASURES for column in (measure, "gain")), "ms"]
    return table(header, rows)


def set_table(modes: dict[str, Stage1], judgements: dict[str, dict[str, Judgement]], measure: str) -> str:
    """A row for each set, a column for each mode."""
    rows = [
        [name, *(f"{judged[label].values[measure].mean():.3f}" for label in modes)]
        for name, judged in judgements.items()
    ]
    return table(["set", *modes], rows)


def mean(sets: Sequence[dict[str, Judgement]], label: str, measure: str) -> float:
    """Mean over sets of the mean over queries."""
    return statistics.mean(float(judged[label].values[measure].mean()) for judged in sets)


def gain_of(sets: Sequence[dict[str, Judgement]], label: str, measure: str) -> Gain:
    """What a mode gains over vectors alone."""
    return gain([judged[label].values[measure] - judged["vector"].values[measure] for judged in sets])


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = collections_parser(__doc__, queries=300)
    parser.add_argument(
        "--weights",
        type=numbers,
        default=[0.1, 0.25, 0.5, 1.0],
        metavar="W,W",
        help="of words [0.1,0.25,0.5,1]",
    )
    add_ignore_own(parser)
    add_json(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
