"""What relevance means: its calibration on collections it was not fitted on, and what it lets through.

    python benchmarks/relevance.py --data DIR --store KEPT
    python benchmarks/relevance.py --data DIR --store KEPT --queries 100 --strangers 20

First, a curve is fitted to the candidates of all test collections but one, and its expected calibration error is
taken on that one. Then queries to which a corpus holds no answer go through both stages: the share of them whose best
hit reaches a relevance is what `--min-relevance` lets through by mistake.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from measuring.beir import Prepared, find_sets, prepared
from measuring.calibrating import Fit, error_of, judged_pairs, left_out, pooled, shared_slope
from measuring.judging import run_queries
from measuring.machine import describe, provenance
from measuring.metrics import Gain, Values
from measuring.options import (
    add_ignore_own,
    add_json,
    add_limit,
    add_rerank_model,
    at_least_1,
    collections_parser,
)
from measuring.report import save, say, table
from measuring.strangers import NOISE, UNRELATED, Share, noise
from vai import Collection, Reranker, Settings, open_reranker
from vai.calibration import NotCalibratable, calibration_error, probabilities
from vai.evaluation.calibrating.calibrating import THRESHOLDS, cross_validated
from vai.evaluation.calibrating.gathering import JudgedPairs
from vai.types import Calibration, Json, as_json

FITS: Mapping[str, Fit] = {"pooled": pooled, "shared slope": shared_slope}
OFF_TOPIC = "off topic"


@dataclass(frozen=True, slots=True)
class SetResult:
    """One collection: its judged pairs, and the best logit of every query that it has no answer to, by kind."""

    name: str
    pairs: JudgedPairs
    strangers: Mapping[str, Values]

    @property
    def best_relevant(self) -> Values:
        """The greatest logit of a relevant document, of each query that has one among its candidates."""
        pairs = self.pairs
        return np.array(
            [
                pairs.logits[(pairs.query == query) & pairs.relevant].max()
                for query in np.unique(pairs.query[pairs.relevant])
            ],
            dtype=np.float64,
        )


def main() -> None:
    """Measure every set, print the tables, write the file."""
    options = parsed_options()
    locations = find_sets(options.data, options.sets)
    if len(locations) < 2:
        raise SystemExit("a curve is measured on a set that it was not fitted on: name at least two")
    reranker = open_reranker(options.rerank_model)
    with ExitStack() as stack:
        workspace = (options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        sets = [prepared(location, workspace, queries=options.queries) for location in locations]
        results = [measure_set(chosen, sets, options, workspace, reranker) for chosen in sets]
    report(options, results, reranker)


def measure_set(
    chosen: Prepared,
    sets: Sequence[Prepared],
    options: argparse.Namespace,
    workspace: Path,
    reranker: Reranker,
) -> SetResult:
    """Ingest one set, ask it its own questions, and those that it cannot answer."""
    with Collection.open(
        workspace / ".vai", chosen.name, reranker=reranker, settings=Settings()
    ) as collection:
        collection.ingest(chosen.corpus)
        own = chosen.name in options.ignore_own
        run = run_queries(collection, chosen.judged, options.limit, ignore_own=own)
        pairs = judged_pairs(run.candidates, chosen.judged)
        say(f"{chosen.name}: {pairs.queries} queries, {len(pairs)} documents")
        strangers = {
            kind: best_logits(collection, queries, options.limit)
            for kind, queries in strange_queries(chosen, sets, options.strangers).items()
            if queries
        }
        say(f"{chosen.name}: {sum(map(len, strangers.values()))} queries without an answer")
    return SetResult(chosen.name, pairs, strangers)


def strange_queries(chosen: Prepared, sets: Sequence[Prepared], count: int) -> dict[str, list[str]]:
    """Queries that the corpus holds no answer to, by kind."""
    questions = [text for other in sets for text in other.judged.queries.values()]
    queries = {kind: noise(kind, count, questions) for kind in NOISE}
    queries[OFF_TOPIC] = [
        text
        for other in sets
        if (other.name, chosen.name) in UNRELATED
        for text in list(other.judged.queries.values())[:count]
    ]
    return queries


def best_logits(collection: Collection, queries: Sequence[str], limit: int) -> Values:
    """The greatest logit among the candidates of each query."""
    responses = collection.query_many(queries, limit=limit, top_k=1, rerank=True, blend=0.0)
    return np.array(
        [
            max((hit.score for hit in response.hits if hit.score is not None), default=-np.inf)
            for response in responses
        ]
    )


# ── report ──


def report(options: argparse.Namespace, results: Sequence[SetResult], reranker: Reranker) -> None:
    """Tables on standard output, everything in the file."""
    found = provenance()
    sets = [result.pairs for result in results]
    fitted = {name: fit(sets) for name, fit in FITS.items()}
    curves = {name: left_out(sets, fit) for name, fit in FITS.items()}
    if reranker.calibration is not None:
        fitted = {"card": reranker.calibration, **fitted}
        curves = {"card": [reranker.calibration] * len(sets), **curves}
    print(
        f"{describe(found)}\n\nExpected calibration error, {options.limit} candidates, with 95 % intervals."
    )
    print(
        f"Fitted without the set it is measured on, but for the card's curve.\n\n{error_table(results, curves)}\n"
    )
    for name, curve in fitted.items():
        print(
            f"{name}: slope {curve.slope:.4f}, intercept {curve.intercept:.4f}, "
            f"error {error_of(curves[name], sets).mean:.3f}"
        )
    for name, curve in fitted.items():
        print(f"\nWhat reaches a relevance, by the {name} curve:\n\n{accept_table(results, curve)}")
    if options.json:
        settings: Json = {
            "limit": options.limit,
            "most_queries": options.queries,
            "strangers": options.strangers,
            "rerank_model": options.rerank_model,
        }
        result = {
            "schema": "vai.benchmark.relevance/1",
            **found,
            "settings": settings,
            "curves": {name: curve_json(fitted[name], curves[name], results) for name in fitted},
        }
        say(f"written: {save(result, options.json, 'relevance')}")


def error_table(results: Sequence[SetResult], curves: Mapping[str, Sequence[Calibration]]) -> str:
    """A row for each set, with the curve that it has by itself, and one for their mean."""
    header = ["set", "queries", "relevant", "own slope", "own intercept", "own error", *curves]
    rows = [
        [
            result.name,
            f"{result.pairs.queries:,}",
            f"{np.average(result.pairs.relevant, weights=result.pairs.weights):.3f}",
            *own_curve(result.pairs),
            *(spread(error_of([of[number]], [result.pairs])) for of in curves.values()),
        ]
        for number, result in enumerate(results)
    ]
    sets = [result.pairs for result in results]
    means = [spread(error_of(of, sets)) for of in curves.values()]
    return table(header, [*rows, [f"mean of {len(rows)}", "", "", "", "", "", *means]])


def own_curve(pairs: JudgedPairs) -> list[str]:
    """Slope and intercept of a set by itself, and the error of such curves on queries they were not fitted on."""
    try:
        curve, said = pooled([pairs]), cross_validated(pairs)
    except NotCalibratable:
        return ["", "", ""]
    error = calibration_error(said, pairs.relevant, pairs.weights)
    return [f"{curve.slope:.3f}", f"{curve.intercept:.2f}", f"{error:.3f}"]


def accept_table(results: Sequence[SetResult], curve: Calibration) -> str:
    """A row for each kind of query without an answer, for each set's own, and for all."""
    header = ["queries", "number", *(f"{threshold:g}" for threshold in THRESHOLDS)]
    rows = [
        [f"no answer: {kind}", f"{shares[0].of:,}", *map(str, shares)]
        for kind, shares in false_accepts(results, curve).items()
    ]
    rows += [
        [
            f"answered: {result.name}",
            f"{len(result.best_relevant):,}",
            *map(str, true_accepts([result], curve)),
        ]
        for result in results
    ]
    every = true_accepts(results, curve)
    return table(header, [*rows, ["answered: all", f"{every[0].of:,}", *map(str, every)]])


def false_accepts(results: Sequence[SetResult], curve: Calibration) -> dict[str, list[Share]]:
    """For each kind of query without an answer, the shares whose best hit reaches each threshold."""
    return {
        kind: reaching(
            np.concatenate([result.strangers[kind] for result in results if kind in result.strangers]), curve
        )
        for kind in (*NOISE, OFF_TOPIC)
        if any(kind in result.strangers for result in results)
    }


def true_accepts(results: Sequence[SetResult], curve: Calibration) -> list[Share]:
    """The shares of answered queries whose best relevant document reaches each threshold."""
    return reaching(np.concatenate([result.best_relevant for result in results]), curve)


def reaching(logits: Values, curve: Calibration) -> list[Share]:
    """How many logits reach each threshold."""
    said = probabilities(logits, curve)
    return [Share(int((said >= threshold).sum()), len(said)) for threshold in THRESHOLDS]


def spread(error: Gain) -> str:
    """An error with its interval."""
    return f"{error.mean:.3f} [{error.low:.3f}, {error.high:.3f}]"


def curve_json(
    curve: Calibration, curves: Sequence[Calibration], results: Sequence[SetResult]
) -> dict[str, Json]:
    """A curve, its error on each set, and what reaches each threshold."""
    sets = [result.pairs for result in results]
    return {
        "slope": curve.slope,
        "intercept": curve.intercept,
        "error": as_json(error_of(curves, sets)),
        "sets": [
            {
                "name": result.name,
                "error": as_json(error_of([of], [result.pairs])),
                "answered": shares_json(true_accepts([result], curve)),
            }
            for result, of in zip(results, curves, strict=True)
        ],
        "no_answer": {kind: shares_json(of) for kind, of in false_accepts(results, curve).items()},
        "answered": shares_json(true_accepts(results, curve)),
    }


def shares_json(shares: Sequence[Share]) -> Json:
    """Shares by threshold."""
    return [
        {"relevance": threshold, "count": share.count, "of": share.of, "interval": list(share.interval)}
        for threshold, share in zip(THRESHOLDS, shares, strict=True)
    ]


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = collections_parser(__doc__, queries=200)
    parser.add_argument(
        "--strangers",
        type=at_least_1,
        default=50,
        metavar="N",
        help="queries of each kind, for each corpus, that it has no answer to [50]",
    )
    add_limit(parser)
    add_rerank_model(parser)
    add_ignore_own(parser)
    add_json(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
