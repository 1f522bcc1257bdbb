"""Where in a passage its title belongs for the reranker: before the text, after it, or nowhere.

    python benchmarks/context.py --data DIR --sets docs_questions,scifact,nq_small,cranfield --store KEPT

The same candidates are read three times over; nDCG@10 at the model's own blend, and what each place gains over the
context coming first.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from measuring.beir import find_sets, prepared
from measuring.judging import Mixing, Seen, best_chunk_counts
from measuring.machine import describe, provenance
from measuring.metrics import Values, gain, ndcg
from measuring.options import collections_parser
from measuring.report import say, table
from vai import Collection, Hit, Reranker, Settings, open_reranker

FIRST = "context first"
PLACES: dict[str, Callable[[str, str], str]] = {
    FIRST: lambda context, text: f"{context}\n{text}",
    "context last": lambda context, text: f"{text}\n{context}",
    "text alone": lambda _, text: text,
}


def main() -> None:
    """Measure every set and print the table."""
    options = parsed_options()
    reranker = open_reranker()
    rows = []
    with ExitStack() as stack:
        workspace = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for location in find_sets(options.data, options.sets):
            values = measure_set(location, options.queries, workspace.resolve(), reranker)
            rows.append([location.stem, f"{len(values[FIRST]):,}", *_cells(values)])
            say(f"{location.stem}: done")
    header = ["set", "queries", *(column for place in PLACES for column in (place, "gain"))]
    print(f"{describe(provenance())}\n\n{table(header, rows)}")


def measure_set(location: Path, queries: int, workspace: Path, reranker: Reranker) -> dict[str, Values]:
    """nDCG@10 of every query for each place of the context."""
    chosen = prepared(location, workspace, queries=queries)
    judged = chosen.judged
    found: dict[str, list[float]] = {place: [] for place in PLACES}
    with Collection.open(workspace / ".vai", chosen.name, settings=Settings()) as collection:
        collection.ingest(chosen.corpus)
        for query_id, text in judged.queries.items():
            hits = collection.query(text, limit=20, top_k=20, rerank=False).hits
            for place, passage in PLACES.items():
                order = _order(reranker, text, hits, passage)
                found[place].append(ndcg(best_chunk_counts(order), judged.grades[query_id], 10))
    return {place: np.array(values) for place, values in found.items()}


def _order(
    reranker: Reranker, query: str, hits: Sequence[Hit], passage: Callable[[str, str], str]
) -> list[str]:
    """Documents in the order of the reranker's own blend."""
    texts = [passage(hit.title, hit.text) if hit.title else hit.text for hit in hits]
    reading = reranker.score(query, texts)
    seen = [Seen.of(hit, value) for hit, value in zip(hits, reading.values.tolist(), strict=True)]
    mixing = Mixing(reranker.blend, reranker.similarity_scale)
    return [candidate.document for candidate in mixing.order(seen)]


def _cells(values: dict[str, Values]) -> list[str]:
    cells = []
    for place in PLACES:
        cells += [
            f"{values[place].mean():.3f}",
            "" if place == FIRST else str(gain([values[place] - values[FIRST]])),
        ]
    return cells


def parsed_options() -> argparse.Namespace:
    """The command line."""
    return collections_parser(__doc__, queries=120).parse_args()


if __name__ == "__main__":
    main()
