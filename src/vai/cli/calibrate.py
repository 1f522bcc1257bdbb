"""`vai calibrate`: what the scores of a reranker mean, measured on questions of which the answers are known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vai.cli.options import (
    collection_option,
    json_option,
    max_usd_option,
    note,
    quiet_option,
    store_option,
    warn,
    whole_number,
)
from vai.cli.output import counted, print_json, printable, table
from vai.collection import Collection, located_store
from vai.errors import InvalidSettings
from vai.models.catalog import DEFAULT_RERANKER
from vai.settings import DEFAULT_LIMIT

if TYPE_CHECKING:
    from vai.evaluation.calibrating.calibrating import CalibrationReport


@click.command()
@click.option(
    "--test-set",
    "test_set",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help='Questions with what is relevant: JSON or JSONL of {"query", "relevant": [ids or paths]}, or a folder or zip '
    "in BEIR's layout.",
)
@click.option("--rerank-model", metavar="NAME", help=f"Model to calibrate.  [default: {DEFAULT_RERANKER}]")
@click.option(
    "-l",
    "--limit",
    callback=whole_number,
    metavar="N",
    help=f"Candidates to read for each question.  [default: {DEFAULT_LIMIT}]",
)
@click.option(
    "--ignore-missing",
    is_flag=True,
    help="Leave out judged ids that are not in the collection, and questions of which nothing relevant is left.",
)
@click.option("--dry-run", is_flag=True, help="Measure, and write nothing.")
@max_usd_option
@collection_option
@store_option
@json_option
@quiet_option
def calibrate(
    test_set: Path,
    rerank_model: str | None,
    limit: int | None,
    ignore_missing: bool,
    dry_run: bool,
    max_usd: float | None,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure what a reranker's scores mean on your own questions.

    Every question goes through both stages, and a curve is fitted that says how probable it is that a passage with
    such a score is relevant. It is kept in the store: from then on `relevance`, and what --min-relevance compares,
    is that probability. The error that is reported is of questions that the curve was not fitted on.
    """
    from vai.calibrations import write_calibration
    from vai.evaluation.calibrating.calibrating import calibrate as calibrated
    from vai.evaluation.data.testsets import read_test_set

    if limit is not None and limit < 1:
        raise InvalidSettings(f"--limit must be at least 1: {limit}")
    questions = read_test_set(test_set)
    with Collection.open(store, collection, create=False, max_usd=max_usd) as opened:
        with _asked(len(questions.queries), shown=sys.stderr.isatty() and not quiet) as progress:
            report = calibrated(
                opened,
                questions,
                rerank_model=rerank_model,
                limit=limit,
                ignore_missing=ignore_missing,
                progress=progress,
            )
        kept = None if dry_run else report.to_keep()
        written = None if kept is None else write_calibration(located_store(store), kept)
    if as_json:
        print_json({**report.to_dict(), "written": None if written is None else str(written)})
    else:
        click.echo(calibration_text(report))
        note("", quiet=quiet)
    note(_what_was_written(report, written), quiet=quiet)
    warn(report.warnings, quiet=quiet)
    return 0 if report.calibration else 1


def _what_was_written(report: CalibrationReport, path: Path | None) -> str:
    if path is not None:
        return f"written to `{printable(str(path))}`, for every query in this store"
    return f"nothing was written: {'this was a dry run' if report.refused is None else 'there is no curve'}"


def calibration_text(report: CalibrationReport) -> str:
    """What was measured: the curve, its error, and what was said beside what was found."""
    lines = [
        f"{printable(report.model)} on `{printable(report.test_set)}`, collection `{printable(report.collection)}`",
        f"{counted(report.queries, 'question')}, {counted(report.pairs, 'passage')}: {report.positives:,} judged "
        f"relevant, {report.unjudged:,} not judged and taken as not relevant",
    ]
    curve = report.calibration
    if curve is None:
        return "\n".join([*lines, printable(report.refused or "no curve fits")])
    sign = "−" if curve.intercept < 0 else "+"
    lines += [
        f"relevance = 1 / (1 + exp(−({curve.slope:.4g} · logit {sign} {abs(curve.intercept):.4g})))",
        f"error on questions it was not fitted on: {curve.error:.3f} (expected calibration error), "
        f"{report.brier:.3f} (Brier score)",
        "",
        table(
            ["relevance", "said", "found", "passages"],
            [
                [f"{row.least:g}–{row.most:g}", f"{row.said:.3f}", f"{row.found:.3f}", f"{row.pairs:,}"]
                for row in report.reliability
            ],
        ),
        "",
        table(
            ["--min-relevance", "relevant kept", "others kept"],
            [
                [f"{row.relevance:g}", f"{row.relevant_kept:.0%}", f"{row.others_kept:.0%}"]
                for row in report.thresholds
            ],
        ),
    ]
    return "\n".join(lines)


@contextmanager
def _asked(total: int, *, shown: bool) -> Iterator[Callable[[int], None] | None]:
    """A bar of the questions asked so far, on standard error; None where nobody looks."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("questions", total=total)
        yield lambda done: progress.update(task, completed=done)
