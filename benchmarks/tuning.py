"""What `vai tune` takes, and how often it is wrong where there is nothing to find.

    python benchmarks/tuning.py --data DIR --sets scifact,cranfield --store kept

Time: every set is tuned twice, and the second time all scores are in the cache. Honesty: of what was measured of a set,
the difference between each reranked configuration and the same one without a reranker is turned round for half of the
questions, drawn at random and alike for all, so that reranking is worth nothing; then its gain is measured as tuning
does. An interval that is wide enough excludes 0 in 2.5 of 100 draws on either side.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from measuring.beir import find_sets
from measuring.machine import describe, provenance
from measuring.options import add_json, at_least_1, described_parser, names
from measuring.report import save, say, table
from vai import Settings
from vai.evaluation.data.corpora import prepare_corpus
from vai.evaluation.data.matching import match
from vai.evaluation.measures.intervals import interval
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Bench
from vai.evaluation.tuning.choosing import Contest, cross_fitted, cross_fitted_interval, steadiest
from vai.evaluation.tuning.deciding import Decided, Goal, decide_for
from vai.types import Json, as_json

SEED = 20261124


@dataclass(frozen=True, slots=True)
class Tuned:
    """One set: seconds of tuning for the first and for the second time, and what was found where nothing was.

    Args:
        gains, losses: shares of draws with a certain gain, or loss, by the interval that tuning reports; `plain_…` by
            the bootstrap's own.
        spread: of the gains, beside the standard error that questions alone tell.
    """

    name: str
    questions: int
    configurations: int
    first: float
    second: float
    gains: float
    losses: float
    plain_gains: float
    plain_losses: float
    spread: float


def main() -> None:
    """Measure every set, print the table, write the file."""
    options = parsed_options()
    with ExitStack() as stack:
        store = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        results = [
            measure_set(location, options, store.resolve() / ".vai")
            for location in find_sets(options.data, options.sets)
        ]
    found = provenance()
    print(f"{describe(found)}\n\n{as_table(results)}")
    if options.json:
        rows: list[Json] = [as_json(result) for result in results]
        say(
            f"written: {save({'schema': 'vai.benchmark.tuning/1', **found, 'results': rows}, options.json, 'tuning')}"
        )


def measure_set(location: Path, options: argparse.Namespace, store: Path) -> Tuned:
    """Tune one set twice, then turn its differences round."""
    prepared = prepare_corpus(f"beir:{location}", store=store, settings=Settings())
    seconds = []
    with prepared.collection as collection:
        for _ in range(2):
            began = time.monotonic()
            matched = match(prepared.test_set, collection, ignore_missing=True)
            decided = decide_for(
                Bench.open(collection, matched),
                Goal(Metric("ndcg", 10)),
                rerank_models=(),
                max_limit=options.max_limit,
                options={},
                say=say,
            )
            seconds.append(time.monotonic() - began)
    say(f"{prepared.test_set.name}: {seconds[1]:.1f} s")
    return nothing_to_find(decided, options, prepared.test_set.name, seconds)


def nothing_to_find(decided: Decided, options: argparse.Namespace, name: str, seconds: list[float]) -> Tuned:
    """How often reranking is said to gain or lose for certain, where it does neither."""
    contest, random = decided.contest, np.random.default_rng(SEED)
    alone = {item: number for number, item in enumerate(decided.configurations) if item.reranker is None}
    partner = np.array([alone[item.without_reranker] for item in decided.configurations])
    count = contest.values.shape[1]
    found, ratios = [], []
    for _ in range(options.draws):
        values = contest.values.copy()
        flipped = random.random(count) < 0.5
        values[:, flipped] = 2 * values[partner][:, flipped] - values[:, flipped]
        gain = gain_of(replace(contest, values=values))
        found.append((cross_fitted_interval(gain), interval(gain)))
        ratios.append(gain.mean() / max(gain.std(ddof=1) / np.sqrt(count), 1e-12))
    return Tuned(
        name=name,
        questions=count,
        configurations=len(decided.configurations),
        first=seconds[0],
        second=seconds[1],
        gains=float(np.mean([ours.low > 0 for ours, _ in found])),
        losses=float(np.mean([ours.high < 0 for ours, _ in found])),
        plain_gains=float(np.mean([plain.low > 0 for _, plain in found])),
        plain_losses=float(np.mean([plain.high < 0 for _, plain in found])),
        spread=float(np.std(ratios)),
    )


def gain_of(contest: Contest) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What reranking is worth on questions that were held out."""
    questions = contest.all_questions
    with_reranker, without = (
        cross_fitted(contest, arm, questions, by=steadiest)
        for arm in (contest.allowed & contest.reranks, contest.allowed & ~contest.reranks)
    )
    return with_reranker - without


def as_table(results: list[Tuned]) -> str:
    """A row for each set."""
    header = ["set", "questions", "configurations", "first s", "cached s", "certain gain", "certain loss"]
    header += ["by the bootstrap alone", "spread"]
    return table(
        header,
        [
            [
                result.name,
                f"{result.questions:,}",
                f"{result.configurations:,}",
                f"{result.first:.1f}",
                f"{result.second:.1f}",
                f"{result.gains:.1%}",
                f"{result.losses:.1%}",
                f"{result.plain_gains:.1%}, {result.plain_losses:.1%}",
                f"{result.spread:.2f}",
            ]
            for result in results
        ],
    )


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="folder of test collections, zips or folders")
    add("--sets", type=names, default=(), metavar="A,B", help="some of them [all]")
    add("--store", type=Path, metavar="DIR", help="keep the store there, and use it again")
    add("--max-limit", type=at_least_1, default=50, metavar="N", help="candidates that are read [50]")
    add(
        "--draws",
        type=at_least_1,
        default=200,
        metavar="N",
        help="times that differences are turned round [200]",
    )
    add_json(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
