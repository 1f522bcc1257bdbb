"""What the index costs and what it finds, for each precision of the numbers that it compares.

    python benchmarks/index.py --vectors VECTORS.npy
    python benchmarks/index.py --vectors VECTORS.npy --rows 50000 --precisions int8 --depths 50,100,200

VECTORS.npy holds float32 [n, d], rows of unit length, best those of real texts in random order: the last `--queries`
are the queries, the rows before them are indexed. What the index finds is compared exactly, as a query of vai does,
and held against comparing every vector. The precisions take turns; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measuring.machine import describe, provenance
from measuring.options import counts, described_parser
from measuring.report import say, table
from measuring.sampling import Samples
from vai.arrays import Matrix, Vector
from vai.engines.index import AnnIndex, IndexFile, build
from vai.engines.vectors import most_similar, most_similar_among
from vai.types import Precision

PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "binary")
LIMITS = (20, 100)
"""How many of the best rows have to be found."""
THREADS_OF_NUMPY = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

FIRST_SEARCH = """
import json, sys, time
import numpy as np
from pathlib import Path
import vai
vectors = np.load(sys.argv[1], mmap_mode="r")
begun = time.perf_counter()
from vai.engines.index import AnnIndex, IndexFile
index = AnnIndex.open(Path(sys.argv[2]), IndexFile.from_json(json.loads(sys.argv[3])))
opened = time.perf_counter()
vectors[index.search(vectors[-1], 100)] @ vectors[-1]
print(json.dumps([1e3 * (opened - begun), 1e3 * (time.perf_counter() - opened)]))
"""


@dataclass(frozen=True, slots=True)
class Data:
    """Vectors float32 [n, d] to index, queries float32 [m, d], and the best rows of each, int64 [m, 100]."""

    path: Path
    vectors: Matrix
    queries: Matrix
    best: NDArray[np.int64]


@dataclass
class Built:
    """One precision: its index, what was found by it, and how long that took in each round (ms)."""

    file: IndexFile
    seconds: float
    recalls: dict[int, list[float]] = field(default_factory=dict)
    p50: dict[int, list[float]] = field(default_factory=dict)
    p95: dict[int, list[float]] = field(default_factory=dict)
    opening: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


def main() -> None:
    """Build, search, print the tables."""
    options = parsed_options()
    search_on_one_thread()
    data = read_data(options)
    with tempfile.TemporaryDirectory() as folder:
        found = {precision: built(Path(folder), data, precision, options) for precision in options.precisions}
        exact = [exact_search(data) for _ in range(options.rounds)]
        for number in range(options.rounds):
            for precision, result in found.items():
                measure_round(Path(folder), data, result, options.depths)
                say(f"round {number + 1} of {options.rounds}: {precision}")
    print(f"{describe(provenance())}\n{len(data.vectors):,} × {data.vectors.shape[1]}\n")
    print(f"comparing every vector: p50 {Samples(tuple(exact)).spread(2)} ms\n")
    print(f"{index_table(found)}\n\n{depth_table(found, options.depths)}")


def search_on_one_thread() -> None:
    """NumPy takes its threads from the environment, and only at its start."""
    if any(os.environ.get(name) != "1" for name in THREADS_OF_NUMPY):
        environment = {**os.environ, **dict.fromkeys(THREADS_OF_NUMPY, "1")}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def read_data(options: argparse.Namespace) -> Data:
    """The vectors, and what comparing all of them finds."""
    everything = np.load(options.vectors, mmap_mode="r")
    if everything.dtype != np.float32 or everything.ndim != 2:
        sys.exit(f"`{options.vectors}` holds {everything.dtype} {list(everything.shape)}, not float32 [n, d]")
    available = len(everything) - options.queries
    rows = min(available, options.rows or available)
    if rows < LIMITS[-1]:
        sys.exit(f"`{options.vectors}` holds {len(everything):,} vectors, which are too few")
    vectors = everything[:rows]
    queries = np.array(everything[-options.queries :])
    say(f"comparing {options.queries:,} queries with {rows:,} vectors")
    best = [most_similar(vectors, query, LIMITS[-1]).rows for query in queries]
    return Data(options.vectors, vectors, queries, np.array(best))


def built(folder: Path, data: Data, precision: Precision, options: argparse.Namespace) -> Built:
    """An index of one precision."""
    say(f"building {precision}")
    rows = np.arange(len(data.vectors))
    begun = time.perf_counter()
    file = build(folder / f"{precision}.ann", data.vectors, rows, precision, options.threads)
    return Built(file, time.perf_counter() - begun)


def exact_search(data: Data) -> float:
    """p50 of comparing every vector, in ms."""
    times, _ = timed(data.queries[:20], lambda query: most_similar(data.vectors, query, LIMITS[-1]).rows)
    return float(np.median(times))


def measure_round(folder: Path, data: Data, result: Built, depths: Sequence[int]) -> None:
    """Open the index in a new process, and search it at every depth in this one."""
    opening, first = first_search(folder, data, result.file)
    result.opening.append(opening)
    result.first.append(first)
    index = AnnIndex.open(folder, result.file)
    for query in data.queries:
        index.search(query, depths[-1])

    def search(query: Vector, depth: int) -> NDArray[np.int64]:
        return most_similar_among(
            data.vectors, query, min(depth, LIMITS[-1]), index.search(query, depth)
        ).rows

    for depth in depths:
        times, rows = timed(data.queries, partial(search, depth=depth))
        result.p50.setdefault(depth, []).append(float(np.percentile(times, 50)))
        result.p95.setdefault(depth, []).append(float(np.percentile(times, 95)))
        result.recalls[depth] = [recall(data.best, rows, limit) for limit in LIMITS]
    index.close()


def first_search(folder: Path, data: Data, file: IndexFile) -> tuple[float, float]:
    """In a new process, ms to import the library and open the index, and then to search it for the first time."""
    arguments = ["-c", FIRST_SEARCH, str(data.path), str(folder), json.dumps(file.to_json())]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    opening, first = json.loads(done.stdout)
    return opening, first


def timed(
    queries: Matrix, search: Callable[[Vector], NDArray[np.int64]]
) -> tuple[list[float], list[NDArray[np.int64]]]:
    """How long each query took, in ms, and the rows it found."""
    times, found = [], []
    for query in queries:
        begun = time.perf_counter()
        found.append(search(query))
        times.append(1e3 * (time.perf_counter() - begun))
    return times, found


def recall(best: NDArray[np.int64], found: Sequence[NDArray[np.int64]], limit: int) -> float:
    """The mean share of a query's best `limit` rows among the first that were found."""
    pairs = zip(best, found, strict=True)
    return float(np.mean([np.isin(right[:limit], rows[:limit]).mean() for right, rows in pairs]))


def index_table(found: dict[Precision, Built]) -> str:
    """One line for each precision: what having the index costs."""
    header = ["precision", "MB on disk", "build s", "import and open ms", "first search ms"]
    return table(
        header,
        [
            [
                precision,
                f"{result.file.bytes / 1e6:,.1f}",
                f"{result.seconds:,.1f}",
                Samples(tuple(result.opening)).spread(1),
                Samples(tuple(result.first)).spread(1),
            ]
            for precision, result in found.items()
        ],
    )


def depth_table(found: dict[Precision, Built], depths: Sequence[int]) -> str:
    """One line for each precision and depth: what is found, and how fast."""
    header = ["precision", "depth", *(f"recall@{limit}" for limit in LIMITS), "p50 ms", "p95 ms"]
    return table(
        header,
        [
            [
                precision,
                str(depth),
                *(
                    f"{value:.3f}" if limit <= depth else ""
                    for limit, value in zip(LIMITS, values, strict=True)
                ),
                Samples(tuple(result.p50[depth])).spread(2),
                Samples(tuple(result.p95[depth])).spread(2),
            ]
            for precision, result in found.items()
            for depth, values in sorted(result.recalls.items())
        ],
    )


def parsed_options() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = described_parser(__doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="a .npy file of float32 [n, d]")
    parser.add_argument("--rows", type=int, help="index only so many")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--precisions", type=_precisions, default=PRECISIONS)
    parser.add_argument("--depths", type=counts, default=(20, 50, 100, 200, 400, 800))
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="of building; searches have one"
    )
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _precisions(text: str) -> tuple[Precision, ...]:
    chosen = tuple(precision for precision in PRECISIONS if precision in text.split(","))
    if len(chosen) != len(text.split(",")):
        raise argparse.ArgumentTypeError(f"one or more of {', '.join(PRECISIONS)}")
    return chosen


if __name__ == "__main__":
    main()
