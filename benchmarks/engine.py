"""vai's embedded engine beside others, on the same vectors, in one run.

    python benchmarks/engine.py --vectors DIR --work DIR --sizes 10000,200000 --json benchmarks/results
    python benchmarks/engine.py --vectors DIR --work DIR --sizes 1000000 --build-only --threads 1
    python benchmarks/engine.py --vectors DIR --work DIR --sizes 200000 --time-build

`vectors.py` makes the vectors. Every engine works in processes of its own; rounds alternate between engines, and
every figure is the median of its rounds. What each column means is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from measuring.engines import Built, Engine, built
from measuring.machine import describe, provenance
from measuring.options import described_parser
from measuring.report import save, say, table
from measuring.searching import Change, Depth, Warm, change, first_search, least_depth, warm_searches
from measuring.truth import Truth, Vectors, exact_truth
from peers import ENGINES
from vai.types import Json

TOPS = (20, 100)


@dataclass
class Figures:
    """What was measured of one engine at one size; a value for every round."""

    engine: str
    rows: int
    about: dict[str, Any]
    built: Built
    depths: dict[int, Depth] = field(default_factory=dict)
    warm: list[Warm] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def main() -> None:
    """Build, measure, print the tables, write the file."""
    options = parsed_options()
    found = provenance()
    measured: list[Figures] = []
    for rows in options.sizes:
        vectors = Vectors(options.vectors / "collection.npy", options.vectors / "queries.npy", rows)
        figures = [build(options, name, vectors) for name in options.engines]
        if not options.build_only:
            measure(options, vectors, figures)
            print(f"\n{rows:,} vectors\n\n{figures_table(figures)}", flush=True)
        measured += figures
    print(f"\n{describe(found)}")
    print(" · ".join(f"{package} {number}" for package, number in packages_of(measured).items()))
    if options.json:
        result = result_json(options, found, measured)
        say(f"written: {save(result, options.json, 'engine')}")


def build(options: argparse.Namespace, name: str, vectors: Vectors) -> Figures:
    """The engine's collection, made now or in an earlier run."""
    made = built(
        options.python, name, options.work, vectors, threads=options.threads, quiet=options.time_build
    )
    with Engine(options.python, name, made.folder) as engine:
        about = engine.about
    return Figures(name, vectors.rows, about, made)


def measure(options: argparse.Namespace, vectors: Vectors, figures: list[Figures]) -> None:
    """Everything of one size, engine by engine in every round."""
    truth = exact_truth(vectors)
    for one in figures:
        one.depths = depths_of(options, one, vectors, truth)
    for number in range(options.rounds):
        for one in figures:
            say(f"round {number + 1} of {options.rounds}: {one.engine}")
            measure_round(options, one, vectors, truth)
    for one in figures:
        if one.about["changes"]:
            for number in range(options.changes):
                say(f"change {number + 1} of {options.changes}: {one.engine}")
                one.changes.append(
                    change(
                        options.python,
                        one.engine,
                        one.built.folder,
                        vectors,
                        one.depths[20].depth,
                        options.work,
                        options.queries,
                    )
                )


def depths_of(options: argparse.Namespace, one: Figures, vectors: Vectors, truth: Truth) -> dict[int, Depth]:
    """How deep the engine has to search for each of the recalls."""
    with Engine(options.python, one.engine, one.built.folder) as engine:
        engine.do("open")
        found = {
            top: least_depth(engine, vectors, truth, top, options.recall, options.tuning) for top in TOPS
        }
        engine.do("close")
    for top, depth in found.items():
        say(f"{one.engine}: recall@{top} {depth.recall:.4f} at depth {depth.depth}")
    return found


def measure_round(options: argparse.Namespace, one: Figures, vectors: Vectors, truth: Truth) -> None:
    """One round of an engine: its pages are in memory when the first search is timed."""
    folder = one.built.folder
    one.warm.append(
        warm_searches(options.python, one.engine, folder, vectors, truth, one.depths, options.queries)
    )
    with tempfile.TemporaryDirectory() as scratch:
        first = [
            first_search(options.python, one.engine, folder, vectors, one.depths[20].depth, Path(scratch))
            for _ in range(2)
        ]
    one.first_ms.append(first[1])


# ── report ──


def figures_table(figures: list[Figures]) -> str:
    """One row an engine."""
    header = [
        "engine",
        "first search ms",
        "top 20: p50 / p95 ms",
        "recall, depth",
        "top 100: p50 / p95 ms",
        "recall, depth",
        "1 % filter: p50 / p95 ms",
        "recall",
        "add 1 % s",
        "delete 1 % s",
        "p50 after",
        "build s",
        "build MB",
        "disk MB",
        "memory MB",
        "keeps",
        "searches",
    ]
    return table(header, [_row(one) for one in figures])


def _row(one: Figures) -> list[str]:
    star = "" if one.built.quiet else "*"
    cells = [one.engine, f"{median(one.first_ms):,.0f}"]
    for top in TOPS:
        depth = one.depths[top]
        deep = f", {depth.depth}" if one.about["depths"] else ""
        cells.append(
            _both([getattr(w, f"p50_{top}") for w in one.warm], [getattr(w, f"p95_{top}") for w in one.warm])
        )
        cells.append(f"{depth.recall:.3f}{deep}{'' if depth.reached else ' (goal not reached)'}")
    if one.about["filters"]:
        cells.append(_both([w.p50_category or 0 for w in one.warm], [w.p95_category or 0 for w in one.warm]))
        cells.append(f"{median(w.recall_category or 0 for w in one.warm):.3f}")
    else:
        cells += ["–", "–"]
    if one.changes:
        cells.append(_number(median(c.add for c in one.changes)))
        cells.append(_number(median(c.delete for c in one.changes)))
        cells.append(_number(median(c.after for c in one.changes)))
    else:
        cells += ["–", "–", "–"]
    return [
        *cells,
        f"{_number(one.built.seconds)}{star}",
        f"{one.built.peak_bytes / 1e6:,.0f}",
        f"{one.built.bytes / 1e6:,.0f}",
        f"{median(w.memory for w in one.warm) / 1e6:,.0f}",
        one.about["keeps"],
        one.about["searches"],
    ]


def _both(p50: list[float], p95: list[float]) -> str:
    return f"{_number(median(p50))} / {_number(median(p95))}"


def _number(value: float) -> str:
    """Three figures behind the point below .1, two below 10, one below 100, none above."""
    return f"{value:,.{3 if value < 0.1 else 2 if value < 10 else 1 if value < 100 else 0}f}"


def packages_of(measured: list[Figures]) -> dict[str, str]:
    """What the engines are made of, with versions."""
    return {name: number for one in measured for name, number in one.about["packages"].items()}


def result_json(
    options: argparse.Namespace, found: dict[str, Json], measured: list[Figures]
) -> dict[str, Json]:
    """Everything, with every round."""
    return {
        "schema": "vai.benchmark.engine/1",
        **found,
        "packages": dict(packages_of(measured)),
        "goal": options.recall,
        "queries": options.queries,
        "rounds": options.rounds,
        "figures": [_figures_json(one) for one in measured],
    }


def _figures_json(one: Figures) -> dict[str, Json]:
    fields = asdict(one)
    del fields["built"]["folder"]
    return fields


# ── command line ──


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    add = parser.add_argument
    add("--vectors", type=Path, required=True, metavar="DIR", help="what vectors.py made")
    add("--work", type=Path, required=True, metavar="DIR", help="built collections are kept and found there")
    add(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="interpreter with vai and the peers [this one]",
    )
    add(
        "--engines",
        type=_engines,
        default=ENGINES,
        metavar="NAME,…",
        help=f"some of: {', '.join(ENGINES)} [all]",
    )
    add("--sizes", type=_sizes, default=(10_000,), metavar="N,…", help="first rows of the collection [10000]")
    add("--rounds", type=int, default=5, metavar="N", help="rounds of searches [5]")
    add("--changes", type=int, default=3, metavar="N", help="rounds of changes [3]")
    add("--queries", type=int, default=200, metavar="N", help="queries of a round [200]")
    add("--tuning", type=int, default=500, metavar="N", help="queries that a depth is judged by [500]")
    add(
        "--recall",
        type=float,
        default=0.99,
        metavar="SHARE",
        help="ANN recall that depths are to reach [0.99]",
    )
    add("--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="cores that build [all]")
    add("--build-only", action="store_true", help="build what is missing and end")
    add("--time-build", action="store_true", help="build anew what was not built on a quiet machine")
    add("--json", type=Path, metavar="FILE", help="also write the result there, a .json file or a folder")
    options = parser.parse_args()
    held = len(np.load(options.vectors / "collection.npy", mmap_mode="r"))
    if held < 1.01 * max(options.sizes):
        parser.error(
            f"the collection has {held:,} vectors: a hundredth more than {max(options.sizes):,} is needed"
        )
    options.work = options.work.resolve()
    return options


def _engines(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in ENGINES:
            raise argparse.ArgumentTypeError(f"there is no engine called {name!r}: {', '.join(ENGINES)}")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


if __name__ == "__main__":
    main()
