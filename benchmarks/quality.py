"""What each stage is worth: nDCG@10 and recall on test collections in BEIR's layout.

    python benchmarks/quality.py --data DIR
    python benchmarks/quality.py --data DIR --sets scifact,cosqa --blends 0,0.2,0.4 --store KEPT
    python benchmarks/quality.py --data DIR --sets docs_questions --documents 5000 --context both

Every set is ingested, its queries go through both stages, and the orders are compared on the same candidates. What
each column means is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measuring.beir import find_sets, prepared
from measuring.judging import (
    RECALL_DEPTHS,
    Mixing,
    candidates_asked,
    check_against_live,
    ndcg_values,
    recall_values,
    reordered,
    run_queries,
    stage1_only,
)
from measuring.machine import describe, provenance
from measuring.metrics import Gain, Values, gain
from measuring.options import (
    add_ignore_own,
    add_json,
    add_limit,
    add_rerank_model,
    at_least_1,
    collections_parser,
    numbers,
)
from measuring.report import save, say, table
from vai import Collection, Reranker, Settings, open_reranker
from vai.types import Json, as_json

NO_TITLE = "(no such field)"
"""Given as the title field, it leaves documents without a title, and so passages without a context."""
CONTEXTS = {"on": (True,), "off": (False,), "both": (True, False)}


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set, measured: every `Values` has one value for each query, in the same order."""

    name: str
    context: bool
    documents: int
    chunks: int
    recall: dict[int, Values]
    ceiling: Values
    stage1: Values
    blended: dict[float, Values]


def main() -> None:
    """Measure every set, print the tables, write the file."""
    options = parsed_options()
    locations = find_sets(options.data, options.sets)
    reranker = open_reranker(options.rerank_model)
    blends = options.blends or sorted({0.0, reranker.blend})
    with ExitStack() as stack:
        workspace = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        results = [
            measure_set(location, options, workspace.resolve(), reranker, blends, context=context)
            for context in CONTEXTS[options.context]
            for location in locations
        ]
    report(options, results, blends)


def measure_set(
    location: Path,
    options: argparse.Namespace,
    workspace: Path,
    reranker: Reranker,
    blends: Sequence[float],
    *,
    context: bool,
) -> SetResult:
    """Ingest one set and judge every order of its candidates."""
    chosen = prepared(location, workspace, queries=options.queries, documents=options.documents)
    name, judged, part = chosen.name, chosen.judged, chosen.corpus.stem
    ignore_own = name in options.ignore_own
    mixings = {blend: Mixing(blend, reranker.similarity_scale) for blend in blends}
    collection_name = part if context else f"{part}-no-context"
    with Collection.open(
        workspace / ".vai", collection_name, reranker=reranker, settings=Settings()
    ) as collection:
        ingested = collection.ingest(chosen.corpus, title_field=None if context else NO_TITLE)
        say(f"{collection_name}: ingested in {ingested.seconds:.0f} s, {len(judged.queries)} queries")
        run = run_queries(collection, judged, options.limit, ignore_own=ignore_own)
        asked = candidates_asked(options.limit, ignore_own=ignore_own)
        check_against_live(collection, judged, run, list(mixings.values()), asked)
        held = collection.describe()
    alone = stage1_only(run)
    return SetResult(
        name=name,
        context=context,
        documents=held.documents,
        chunks=held.chunks,
        recall={depth: recall_values(run.documents, judged, depth) for depth in RECALL_DEPTHS},
        ceiling=recall_values(alone, judged, options.limit),
        stage1=ndcg_values(alone, judged),
        blended={blend: ndcg_values(reordered(run, mixing), judged) for blend, mixing in mixings.items()},
    )


# ── report ──


def report(options: argparse.Namespace, results: Sequence[SetResult], blends: Sequence[float]) -> None:
    """Tables on standard output, everything in the file."""
    found = provenance()
    print(
        f"{describe(found)}\n\nnDCG@10, {options.limit} candidates; gains over stage 1 with 95 % intervals."
    )
    summary: dict[str, Json] = {}
    for context in CONTEXTS[options.context]:
        chosen = [result for result in results if result.context == context]
        print(f"\nThe models read passages {'with' if context else 'without'} title and heading path:\n")
        print(set_table(chosen, blends))
        summary["with context" if context else "without context"] = {
            "sets": [set_json(result) for result in chosen],
            "mean": mean_json(chosen, blends),
        }
    if options.context == "both":
        print(f"\nWhat title and heading path add:\n\n{context_table(results, blends)}")
    if options.json:
        settings: Json = {
            "limit": options.limit,
            "most_queries": options.queries,
            "most_documents": options.documents,
            "rerank_model": options.rerank_model,
        }
        result = {"schema": "vai.benchmark.quality/1", **found, "settings": settings, "results": summary}
        say(f"written: {save(result, options.json, 'quality')}")


def set_table(results: Sequence[SetResult], blends: Sequence[float]) -> str:
    """A row for each set and one for their mean."""
    header = ["set", "queries", "documents", "chunks", *(f"recall@{depth}" for depth in RECALL_DEPTHS)]
    header += ["in candidates", "stage 1"]
    header += [column for blend in blends for column in (blend_name(blend), "gain")]
    rows = [
        [
            result.name,
            f"{len(result.stage1):,}",
            f"{result.documents:,}",
            f"{result.chunks:,}",
            *_means([result], blends),
        ]
        for result in results
    ]
    return table(header, [*rows, [f"mean of {len(results)}", "", "", "", *_means(results, blends)]])


def _means(results: Sequence[SetResult], blends: Sequence[float]) -> list[str]:
    """Means over sets, in the order of the columns."""
    columns = [[result.recall[depth] for result in results] for depth in RECALL_DEPTHS]
    columns += [[result.ceiling for result in results], [result.stage1 for result in results]]
    cells = [f"{mean(column):.3f}" for column in columns]
    for blend in blends:
        cells.append(f"{mean([result.blended[blend] for result in results]):.3f}")
        cells.append(str(gain_over_stage1(results, blend)))
    return cells


def context_table(results: Sequence[SetResult], blends: Sequence[float]) -> str:
    """Gains of passages with context over those without, for every order."""
    pairs = [
        (on, off)
        for on in results
        for off in results
        if on.name == off.name and on.context and not off.context
    ]
    groups = [(on.name, [(on, off)]) for on, off in pairs] + [(f"mean of {len(pairs)}", pairs)]
    rows = [
        [
            name,
            str(gain([on.stage1 - off.stage1 for on, off in group])),
            *(str(gain([on.blended[blend] - off.blended[blend] for on, off in group])) for blend in blends),
        ]
        for name, group in groups
    ]
    return table(["set", "stage 1", *(blend_name(blend) for blend in blends)], rows)


def blend_name(blend: float) -> str:
    """What a column is called."""
    return "reranked" if blend == 0 else f"blend {blend:.2f}"


def mean(column: Sequence[Values]) -> float:
    """Mean over sets of the mean over queries."""
    return sum(float(values.mean()) for values in column) / len(column)


def gain_over_stage1(results: Sequence[SetResult], blend: float) -> Gain:
    """What an order gains over stage 1's, on the same candidates."""
    return gain([result.blended[blend] - result.stage1 for result in results])


def set_json(result: SetResult) -> dict[str, Json]:
    """One set's figures."""
    return {
        "name": result.name,
        "queries": len(result.stage1),
        "documents": result.documents,
        "chunks": result.chunks,
        **mean_json([result], list(result.blended)),
    }


def mean_json(results: Sequence[SetResult], blends: Sequence[float]) -> dict[str, Json]:
    """Means over sets."""
    return {
        "recall": {str(depth): mean([result.recall[depth] for result in results]) for depth in RECALL_DEPTHS},
        "in_candidates": mean([result.ceiling for result in results]),
        "stage1": mean([result.stage1 for result in results]),
        "blends": [
            {
                "blend": blend,
                "ndcg": mean([result.blended[blend] for result in results]),
                "gain": as_json(gain_over_stage1(results, blend)),
            }
            for blend in blends
        ],
    }


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = collections_parser(__doc__, queries=300)
    add = parser.add_argument
    add(
        "--documents",
        type=at_least_1,
        metavar="N",
        help="at most so many of a set, all judged ones among them [all]",
    )
    add("--blends", type=_shares, metavar="B,B", help="blends to compare [0 and the model's own]")
    add("--context", choices=CONTEXTS, default="on", help="title and heading path before passages [on]")
    add_limit(parser)
    add_rerank_model(parser)
    add_ignore_own(parser)
    add_json(parser)
    return parser.parse_args()


def _shares(text: str) -> list[float]:
    shares = numbers(text)
    if not all(0.0 <= share <= 1.0 for share in shares):
        raise argparse.ArgumentTypeError(f"blends are from 0 to 1: {text}")
    return shares


if __name__ == "__main__":
    main()
