"""`vai index`: build the approximate index anew, or measure what it misses."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import get_args

import click

from vai.cli.options import collection_option, json_option, note, quiet_option, store_option, whole_number
from vai.cli.output import counted, duration_text, print_json, size_text, table
from vai.cli.progress import bars
from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.recall import DEFAULT_SAMPLE, GOAL
from vai.settings import one_of
from vai.types import IndexCheck, IndexCost, IndexInfo, Json, Precision
from vai.types import as_json as to_json

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@click.command()
@collection_option
@store_option
@click.option(
    "--precision",
    metavar="NUMBERS",
    help="Compare by `float32`, `int8` or `binary`.  [default: what it has, else int8]",
)
@click.option("--estimate", is_flag=True, help="Only say what memory and time it would take.")
@click.option("--check", is_flag=True, help="Measure its recall against exact search; build nothing.")
@click.option(
    "--sample",
    callback=whole_number,
    metavar="N",
    help=f"With --check: vectors to search for.  [default: {DEFAULT_SAMPLE}]",
)
@json_option
@quiet_option
def index(
    collection: str | None,
    store: Path,
    precision: str | None,
    estimate: bool,
    check: bool,
    sample: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Build the approximate index anew, or measure what it misses.

    `vai ingest` builds and extends the index by itself when a collection is large enough to gain by one. This
    builds it at any time, with other numbers if you like, and says beforehand what that takes. What the index
    finds is always compared again with the exact vectors.
    """
    chosen = one_of(PRECISIONS, precision, "--precision")
    _refuse_contradictions(check=check, estimate=estimate, precision=precision, sample=sample)
    with Collection.open(store, collection, create=False) as opened:
        if check:
            return _check(opened, DEFAULT_SAMPLE if sample is None else sample, as_json=as_json, quiet=quiet)
        cost = opened.index_cost(chosen)
        if estimate:
            if as_json:
                print_json(_json(opened.index(), cost=cost))
            else:
                click.echo(_cost_text(cost))
            return 0
        note(_cost_text(cost), quiet=quiet)
        began = time.monotonic()
        with bars(cost.chunks, shown=sys.stderr.isatty() and not quiet) as progress:
            built = opened.build_index(chosen, progress=progress.index)
    if as_json:
        print_json(_json(built, cost=cost, seconds=time.monotonic() - began))
    else:
        click.echo(f"{_index_text(built)}, built in {duration_text(time.monotonic() - began)}")
    return 0


def _refuse_contradictions(*, check: bool, estimate: bool, precision: str | None, sample: int | None) -> None:
    if check and (estimate or precision is not None):
        other = "--estimate" if estimate else "--precision"
        raise InvalidSettings(
            f"--check and {other} contradict each other: one measures the index, the other is about building it",
            hint="leave one of them out",
        )
    if sample is not None and not check:
        raise InvalidSettings(f"--sample {sample} is of --check", hint="add `--check`, or leave it out")
    if sample is not None and sample < 1:
        raise InvalidSettings(f"--sample must be at least 1: {sample}")


def _check(collection: Collection, sample: int, *, as_json: bool, quiet: bool) -> int:
    """Measure; 1 if the index cannot serve, or no depth reaches the goal."""
    info = collection.index()
    if info.state == "fresh":
        looked_for = counted(min(sample, info.covered + info.unindexed), "vector")
        note(f"searching for {looked_for} with the index and without it", quiet=quiet)
    checked = collection.check_index(sample=sample)
    if as_json:
        print_json(_json(checked.index, checked=checked))
    else:
        click.echo(_check_text(checked))
    enough = checked.depth_for_20 is not None and checked.depth_for_100 is not None
    return 0 if checked.index.state == "none" or enough else 1


# ── how it looks ──


def _cost_text(cost: IndexCost) -> str:
    return (
        f"an index of {cost.precision} over {counted(cost.chunks, 'chunk')} takes about {size_text(cost.memory)} "
        f"of memory while it is built, {size_text(cost.disk)} on disk and {duration_text(cost.seconds)}"
    )


def _index_text(info: IndexInfo) -> str:
    match info.state:
        case "none":
            return (
                f"`{info.collection}` has no index: with {counted(info.unindexed, 'chunk')} comparing every vector "
                "is as fast, and misses nothing"
            )
        case "missing":
            return f"`{info.collection}` has no index, and with {counted(info.unindexed, 'chunk')} would gain by one"
        case "damaged":
            return f"the index of `{info.collection}` is damaged"
        case "fresh":
            beside = f", {info.unindexed:,} beside it" if info.unindexed else ""
            return (
                f"index of `{info.collection}`: {info.precision}, {counted(info.covered, 'chunk')}{beside}, "
                f"{size_text(info.bytes)}"
            )


def _check_text(checked: IndexCheck) -> str:
    lines = [_index_text(checked.index)]
    if checked.index.state in {"missing", "damaged"}:
        lines.append("every vector is compared instead; `vai index` builds one")
    if not checked.depths:
        return "\n".join(lines)
    rows = [
        [f"{at.depth:,}", f"{at.recall_at_20:.4f}", f"{at.recall_at_100:.4f}", f"{at.ms:.2f}"]
        for at in checked.depths
    ]
    lines += ["", table(["num_candidates", "ANN recall@20", "ANN recall@100", "ms"], rows), ""]
    for count, depth in ((20, checked.depth_for_20), (100, checked.depth_for_100)):
        if depth is None:
            lines.append(f"no depth that was tried finds {GOAL:.0%} of the best {count}: `--exact` finds all")
        else:
            lines.append(f"`--num-candidates {depth}` finds {GOAL:.0%} of the best {count}")
    return "\n".join(lines)


def _json(
    info: IndexInfo,
    *,
    cost: IndexCost | None = None,
    seconds: float | None = None,
    checked: IndexCheck | None = None,
) -> dict[str, Json]:
    return {
        "schema": "vai.index/1",
        **to_json(info),
        "cost": None if cost is None else to_json(cost),
        "seconds": None if seconds is None else round(seconds, 3),
        "check": None
        if checked is None or not checked.sample
        else {
            "sample": checked.sample,
            "depths": [to_json(at) for at in checked.depths],
            "depth_for_20": checked.depth_for_20,
            "depth_for_100": checked.depth_for_100,
        },
    }
