"""How to join the two stages: formulas and weights, each judged on the sets that it was not fitted on.

    python benchmarks/blend.py --data DIR
    python benchmarks/blend.py --data DIR --sets scifact,cosqa --depths 20,50 --store KEPT --json results

Every query of every set goes through both stages once. Then each formula's weights are chosen on all sets but one, by
nDCG@10, and judged on that one, for each set in turn. What is compared is in `measuring/blending.py`, what the columns
mean in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measuring.beir import find_sets, prepared, set_name
from measuring.blending import Formula, Queries, cut, formulas, without_own
from measuring.heldout import HeldOut, held_out
from measuring.judging import read_candidates
from measuring.machine import describe, provenance
from measuring.metrics import Gain, Values, gain
from measuring.options import add_ignore_own, add_json, add_rerank_model, collections_parser, counts
from measuring.report import save, say, table
from vai import Collection, Reranker, Settings, open_reranker
from vai.calibration import AS_IT_IS
from vai.settings import DEFAULT_STAGE1
from vai.types import Json, as_json


@dataclass(frozen=True, slots=True)
class Result:
    """What was found out. The first rows are orders without anything to fit: see `plain_orders`."""

    names: list[str]
    queries: list[int]
    plain: dict[str, HeldOut]
    fitted: list[HeldOut]


def main() -> None:
    """Read, fit, judge, print the tables, write the file."""
    options = parsed_options()
    reranker = open_reranker(options.rerank_model)
    locations = find_sets(options.data, options.sets)
    if len(locations) < 2:
        raise SystemExit("leaving one set out takes two of them at least")
    with ExitStack() as stack:
        workspace = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        read = {
            set_name(location): read_set(location, options, workspace.resolve(), reranker)
            for location in locations
        }
    sets = {depth: [cuts[depth] for cuts in read.values()] for depth in options.depths}
    say("fitting")
    result = Result(
        names=list(read),
        queries=[len(queries.logit) for queries in sets[options.depths[0]]],
        plain={formula.name: held_out(formula, sets) for formula in plain_orders(reranker)},
        fitted=[held_out(formula, sets) for formula in formulas(reranker.calibration or AS_IT_IS)],
    )
    report(options, result)


def read_set(
    location: Path, options: argparse.Namespace, workspace: Path, reranker: Reranker
) -> dict[int, Queries]:
    """Ingest one set and have both stages read the candidates of its queries; for each depth, the first of them."""
    chosen = prepared(location, workspace, queries=options.queries)
    ignore_own = chosen.name in options.ignore_own
    with Collection.open(
        workspace / ".vai", chosen.name, reranker=reranker, settings=Settings()
    ) as collection:
        collection.ingest(chosen.corpus)
        say(f"{chosen.name}: {len(chosen.judged.queries)} queries")
        candidates = read_candidates(collection, chosen.judged, max(options.depths), ignore_own=ignore_own)
    if ignore_own:
        weight = DEFAULT_STAGE1.words_weight
        candidates = {query: without_own(found, weight) for query, found in candidates.items()}
    return {depth: cut(candidates, chosen.judged, depth) for depth in options.depths}


STAGE1, RERANKED, DEFAULT = "stage 1 alone", "reranker alone", "the model's own blend"


def plain_orders(reranker: Reranker) -> tuple[Formula, Formula, Formula]:
    """What formulas are compared with: pure stage 1, pure stage 2, and what `vai query` does by default."""
    share, scale = reranker.blend, reranker.similarity_scale
    return (
        Formula(STAGE1, lambda queries, _: queries.stage1),
        Formula(RERANKED, lambda queries, _: queries.logit),
        Formula(DEFAULT, lambda queries, _: (1 - share) * queries.logit + share * scale * queries.stage1),
    )


# ── report ──


def report(options: argparse.Namespace, result: Result) -> None:
    """Tables on standard output, everything in the file."""
    found = provenance()
    print(f"{describe(found)}\n\nnDCG@10 on {', '.join(result.names)}, {sum(result.queries):,} queries.")
    print("Weights were chosen on the other sets; gains have 95 % intervals.")
    for depth in options.depths:
        print(f"\n{depth} candidates:\n\n{formula_table(result, depth)}")
    best = max(result.fitted, key=lambda judged: mean(judged, options.depths))
    print(f"\nGains over stage 1 set by set; the best formula here is `{best.formula.name}`.")
    for depth in options.depths:
        print(f"\n{depth} candidates:\n\n{set_table(result, best, depth)}")
    if options.json:
        settings: Json = {
            "depths": list(options.depths),
            "most_queries": options.queries,
            "rerank_model": options.rerank_model,
        }
        judged = [held_out_json(each, result) for each in (*result.plain.values(), *result.fitted)]
        written: dict[str, Json] = {
            "schema": "vai.benchmark.blend/1",
            **found,
            "settings": settings,
            "sets": list(result.names),
            "orders": judged,
        }
        say(f"written: {save(written, options.json, 'blend')}")


def formula_table(result: Result, depth: int) -> str:
    """A row for each formula, those without weights first."""
    header = [
        "order",
        "nDCG@10",
        "over stage 1",
        "over the model's own blend",
        "weights",
    ]
    rows = [
        [
            judged.formula.name,
            f"{mean(judged, [depth]):.4f}",
            "" if judged.formula.name == STAGE1 else str(over(judged, result.plain[STAGE1], depth)),
            "" if judged.formula.name == DEFAULT else str(over(judged, result.plain[DEFAULT], depth)),
            weights_text(judged),
        ]
        for judged in (*result.plain.values(), *result.fitted)
    ]
    return table(header, rows)


def set_table(result: Result, best: HeldOut, depth: int) -> str:
    """A row for each set: what reranking alone, the model's own blend and the best formula gain over stage 1."""
    shown = [result.plain[RERANKED], result.plain[DEFAULT], best]
    stage1 = result.plain[STAGE1].values[depth]
    header = ["set", "queries", "stage 1", *(judged.formula.name for judged in shown)]
    rows = [
        [
            name,
            f"{count:,}",
            f"{float(stage1[number].mean()):.3f}",
            *(str(gain([judged.values[depth][number] - stage1[number]])) for judged in shown),
        ]
        for number, (name, count) in enumerate(zip(result.names, result.queries, strict=True))
    ]
    means = [str(over(judged, result.plain[STAGE1], depth)) for judged in shown]
    rows.append([f"mean of {len(rows)}", "", f"{mean(result.plain[STAGE1], [depth]):.3f}", *means])
    return table(header, rows)


def weights_text(judged: HeldOut) -> str:
    """Each weight as chosen on all sets, with the least and the greatest of those chosen without one of them."""
    columns = zip(*judged.chosen, strict=True)
    return ", ".join(
        f"{weight:.3g}" if len(set(others)) == 1 else f"{weight:.3g} ({min(others):.3g}–{max(others):.3g})"
        for weight, others in zip(judged.best, columns, strict=True)
    )


def mean(judged: HeldOut, depths: Sequence[int]) -> float:
    """Mean over sets of the mean over queries."""
    values = [float(of_set.mean()) for depth in depths for of_set in judged.values[depth]]
    return sum(values) / len(values)


def over(judged: HeldOut, other: HeldOut, depth: int) -> Gain:
    """What one order gains over another, on the same candidates."""
    pairs = zip(judged.values[depth], other.values[depth], strict=True)
    differences: list[Values] = [ours - theirs for ours, theirs in pairs]
    return gain(differences)


def held_out_json(judged: HeldOut, result: Result) -> Mapping[str, Json]:
    """One order's figures."""
    return {
        "name": judged.formula.name,
        "weights": list(judged.best),
        "weights_left_out": {
            name: list(weights) for name, weights in zip(result.names, judged.chosen, strict=True)
        },
        "depths": [
            {
                "depth": depth,
                "ndcg": mean(judged, [depth]),
                "sets": [float(values.mean()) for values in judged.values[depth]],
                "over_stage1": as_json(over(judged, result.plain[STAGE1], depth)),
                "over_own_blend": as_json(over(judged, result.plain[DEFAULT], depth)),
            }
            for depth in judged.values
        ],
    }


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = collections_parser(__doc__, queries=200)
    parser.add_argument(
        "--depths",
        type=counts,
        default=(20, 50),
        metavar="N,N",
        help="candidates that stage 2 reads [20,50]",
    )
    add_rerank_model(parser)
    add_ignore_own(parser)
    add_json(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
