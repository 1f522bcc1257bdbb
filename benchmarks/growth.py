"""How vai's embedded engine grows with a collection, drawn from what engine.py measured.

    python benchmarks/growth.py --out docs/growth.svg RESULT.json …

Each result may hold any sizes; of a size that several hold, the last counts. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from measuring.options import described_parser
from measuring.report import say

Measured = dict[str, Any]
"""One engine's figures at one size, as engine.py writes them."""


def main() -> None:
    """Read, draw, write."""
    options = parsed_options()
    ours, exact = (figures_of(name, options.results) for name in ("ours", "exact"))
    if not ours:
        raise SystemExit("none of the results holds the engine `ours`")
    matplotlib.rcParams.update({"svg.hashsalt": "vai", "font.size": 10})
    figure, (times, changes, sizes) = pyplot.subplots(1, 3, figsize=(13, 4.4), constrained_layout=True)
    draw_times(times, ours, exact)
    draw_changes(changes, ours)
    draw_sizes(sizes, ours)
    for axes in (times, changes, sizes):
        finish(axes, [one["rows"] for one in ours])
    figure.savefig(options.out, metadata={"Date": None})
    say(f"written: {options.out}")


def figures_of(engine: str, results: Iterable[Path]) -> list[Measured]:
    """Of each size, by size."""
    found: dict[int, Measured] = {}
    for result in results:
        for one in json.loads(result.read_text(encoding="utf-8"))["figures"]:
            if one["engine"] == engine and one["warm"]:
                found[one["rows"]] = one
    return [found[rows] for rows in sorted(found)]


def draw_times(axes: Axes, ours: list[Measured], exact: list[Measured]) -> None:
    """One search."""
    axes.set_title("one search, one core (ms)")
    line(axes, ours, lambda one: median(one["first_ms"]), "first in a new process")
    line(axes, exact, lambda one: middle(one, "p50_20"), "every vector with NumPy, 20 best", style="--")
    line(axes, ours, lambda one: middle(one, "p50_100"), "100 best")
    line(axes, ours, lambda one: middle(one, "p50_20"), "20 best")
    line(axes, ours, lambda one: middle(one, "p50_category"), "20 best of 1 %")


def draw_changes(axes: Axes, ours: list[Measured]) -> None:
    """Building and changing."""
    axes.set_title("building and changing (s)")
    line(axes, ours, lambda one: one["built"]["seconds"], "build")
    changed = [one for one in ours if one["changes"]]
    line(axes, changed, lambda one: median(change["add"] for change in one["changes"]), "add 1 %")
    line(axes, changed, lambda one: median(change["delete"] for change in one["changes"]), "delete 1 %")


def draw_sizes(axes: Axes, ours: list[Measured]) -> None:
    """What it takes."""
    axes.set_title("disk and memory (MB)")
    line(axes, ours, lambda one: one["built"]["bytes"] / 1e6, "disk")
    line(axes, ours, lambda one: one["rows"] * 384 * 4 / 1e6, "the vectors alone", style="--")
    line(axes, ours, lambda one: one["built"]["peak_bytes"] / 1e6, "memory while it is built")
    line(axes, ours, lambda one: middle(one, "memory") / 1e6, "memory of a searching process")


def middle(one: Measured, name: str) -> float:
    """The median of the rounds."""
    return float(median(warm[name] for warm in one["warm"]))


def line(
    axes: Axes, measured: list[Measured], value: Callable[[Measured], float], label: str, *, style: str = "-"
) -> None:
    """One figure by size; its last point is labelled with its value."""
    sizes, values = [one["rows"] for one in measured], [value(one) for one in measured]
    (drawn,) = axes.plot(sizes, values, style, marker="o", markersize=4, label=label)
    if values:
        axes.annotate(
            figure_of(values[-1]),
            (sizes[-1], values[-1]),
            xytext=(6, -3),
            textcoords="offset points",
            fontsize=8,
            color=drawn.get_color(),
        )


def finish(axes: Axes, sizes: list[int]) -> None:
    """Both scales logarithmic, in plain numbers."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [count_of(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(sizes) * 0.7, max(sizes) * 2.2)
    axes.set_xlabel("chunks")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: figure_of(value)))
    axes.grid(which="major", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def figure_of(value: float) -> str:
    """Two digits that mean something."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def count_of(rows: int) -> str:
    """10k, 1M."""
    return f"{rows / 1e6:g}M" if rows >= 1_000_000 else f"{rows / 1e3:g}k"


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="written by engine.py --json")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the SVG to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
