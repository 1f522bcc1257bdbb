"""What each stage is worth: test collections in BEIR's layout through `vai eval`, and the mean over them.

    python benchmarks/quality.py --data DIR
    python benchmarks/quality.py --data DIR --sets scifact,cosqa --store kept --json results
    python benchmarks/quality.py --data DIR --published
    python benchmarks/quality.py --data DIR --published --embedder FOLDER

Every row is what `vai eval --corpus beir:DIR/SET` prints for a set; with `--published`, what it does with `--exact
--no-chunking --stage1 vector --no-rerank`, beside what the field publishes for the same model and set.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from measuring.beir import find_sets
from measuring.machine import describe, provenance
from measuring.metrics import Gain, gain
from measuring.options import add_json, add_limit, add_rerank_model, described_parser, names
from measuring.report import save, say, table
from vai import Settings
from vai.evaluation.data.corpora import prepare_corpus
from vai.evaluation.evaluating.evaluating import Asked, Evaluation
from vai.evaluation.evaluating.reporting import EvalReport
from vai.evaluation.measures.means import PerQuery
from vai.planning import QueryOptions
from vai.types import Json, as_json

METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@20", "map", "precision@5", "judged@10")
PUBLISHED = {"scifact": 0.64508, "arguana": 0.50167}
"""NDCG@10 of all-MiniLM-L6-v2 on the leaderboard of MTEB (Muennighoff et al. 2023), float32, whole documents."""


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set: what `vai eval` reports, the values of every question by run and metric, and its size."""

    name: str
    report: EvalReport
    values: PerQuery
    documents: int
    chunks: int


def main() -> None:
    """Measure every set, print the tables, write the file."""
    options = parsed_options()
    locations = find_sets(options.data, options.sets or (tuple(PUBLISHED) if options.published else ()))
    with ExitStack() as stack:
        store = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        results = [measure_set(location, options, store.resolve() / ".vai") for location in locations]
    found = provenance()
    print(f"{describe(found)}\n")
    print(
        published_table(results) if options.published else f"{set_table(results)}\n\n{depth_table(results)}"
    )
    if options.json:
        result = {
            "schema": "vai.benchmark.quality/2",
            **found,
            "results": [as_result(one) for one in results],
        }
        say(f"written: {save(result, options.json, 'quality')}")


def measure_set(location: Path, options: argparse.Namespace, store: Path) -> SetResult:
    """Ingest one set, unless that has been done, and ask all of its questions."""
    prepared = prepare_corpus(
        f"beir:{location}",
        store=store,
        chunking=not options.published,
        embedder=options.embedder,
        settings=Settings(),
    )
    asked: QueryOptions = {"limit": options.limit, "rerank_model": options.rerank_model}
    if options.published:
        asked = {"stage1": "vector", "rerank": False, "exact": True}
    with prepared.collection as collection:
        evaluation = Evaluation.of(
            collection, prepared.test_set, Asked(metrics=METRICS, ignore_missing=True), say=say, **asked
        )
        report, held = evaluation.report(), collection.describe()
        say(f"{prepared.test_set.name}: {report.queries:,} questions in {report.seconds:.0f} s")
        return SetResult(prepared.test_set.name, report, evaluation.values(), held.documents, held.chunks)


# ── report ──


def set_table(results: Sequence[SetResult]) -> str:
    """nDCG@10 of each run and what it gains over stage 1: a row for each set, and one for their mean."""
    runs = [run.name for run in results[0].report.runs]
    header = [
        "set",
        "questions",
        "chunks",
        "recall@20",
        *(column for run in runs for column in (run, "gain")),
    ]
    header.remove("gain")
    rows = [
        [
            result.name,
            f"{result.report.queries:,}",
            f"{result.chunks:,}",
            *_quality([result], runs),
        ]
        for result in results
    ]
    asked = sum(result.report.queries for result in results)
    return table(header, [*rows, [f"mean of {len(results)}", f"{asked:,}", "", *_quality(results, runs)]])


def _quality(results: Sequence[SetResult], runs: Sequence[str]) -> list[str]:
    cells = [f"{mean(results, runs[0], 'recall@20'):.3f}", f"{mean(results, runs[0], 'ndcg@10'):.3f}"]
    for run in runs[1:]:
        cells += [f"{mean(results, run, 'ndcg@10'):.3f}", str(gain_over(results, run, runs[0], "ndcg@10"))]
    return cells


def depth_table(results: Sequence[SetResult]) -> str:
    """The best nDCG@10 that a perfect reranker could reach at each depth."""
    depths = sorted({row.depth for result in results for row in result.report.depths})
    rows = []
    for result in results:
        best = {row.depth: f"{row.best:.3f} ({row.recall:.3f})" for row in result.report.depths}
        rows.append([result.name, *(best.get(depth, "") for depth in depths)])
    return table(["best nDCG@10 (recall) of the first", *map(str, depths)], rows)


def published_table(results: Sequence[SetResult]) -> str:
    """Ours beside what is published."""
    rows = []
    for result in results:
        ours, published = result.report.runs[0].metrics["ndcg@10"], PUBLISHED.get(result.name)
        rows.append(
            [
                result.name,
                f"{result.report.queries:,}",
                f"{ours.mean:.4f} [{ours.low:.3f}, {ours.high:.3f}]",
                "" if published is None else f"{published:.4f}",
                "" if published is None else f"{ours.mean - published:+.4f}",
            ]
        )
    return table(["set", "questions", "nDCG@10", "published", "difference"], rows)


def mean(results: Sequence[SetResult], run: str, metric: str) -> float:
    """The mean over sets of the mean over questions."""
    return float(np.mean([result.values[run][metric].mean() for result in results]))


def gain_over(results: Sequence[SetResult], run: str, baseline: str, metric: str) -> Gain:
    """What a run gains, questions resampled within each set."""
    return gain([result.values[run][metric] - result.values[baseline][metric] for result in results])


def as_result(result: SetResult) -> dict[str, Json]:
    """One set's figures: what `vai eval --json` prints, and the size of the corpus."""
    runs = [run.name for run in result.report.runs]
    return {
        "documents": result.documents,
        "chunks": result.chunks,
        "gains": {run: as_json(gain_over([result], run, runs[0], "ndcg@10")) for run in runs[1:]},
        **result.report.to_dict(),
    }


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="folder of test collections, zips or folders")
    add("--sets", type=names, default=(), metavar="A,B", help="some of them [all]")
    add("--store", type=Path, metavar="DIR", help="keep the store there, and use it again")
    add("--embedder", metavar="NAME", help="model of stage 1 [the bundled one]")
    add(
        "--published", action="store_true", help="whole documents and vectors alone, beside published figures"
    )
    add_limit(parser)
    add_rerank_model(parser)
    add_json(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
