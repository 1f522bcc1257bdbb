"""`vai eval`: what each stage is worth on the user's own questions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from vai.cli.evaluations import Subject, opened, test_set_options
from vai.cli.options import (
    collection_option,
    configuration_options,
    exact_option,
    hinting_at_bundled,
    json_option,
    max_usd_option,
    no_cache_option,
    note,
    quiet_option,
    store_option,
    warn,
)
from vai.cli.output import counted, print_json
from vai.cli.progress import steps
from vai.disk import reason_of, write_whole
from vai.errors import InvalidSettings
from vai.planning import QueryOptions

if TYPE_CHECKING:
    from vai.evaluation.evaluating.evaluating import Evaluation
    from vai.evaluation.evaluating.reporting import EvalReport


@click.command("eval")
@test_set_options
@configuration_options
@exact_option
@click.option(
    "--metrics",
    metavar="A,B,…",
    help="nDCG, MRR, recall, MAP, precision, and the share that was judged, each with a cut-off.  [default: "
    "ndcg@10, mrr@10, recall@10, recall@20, map, precision@5, judged@10]",
)
@click.option(
    "--compare",
    multiple=True,
    metavar="SETTINGS",
    help='A further configuration, as in "limit=50 blend=0.3"; can be given several times.',
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A run in TREC's form, whoever made it, to be judged too; can be given several times.",
)
@click.option(
    "--baseline", metavar="NAME", help="The run that the others are compared with.  [default: stage1]"
)
@click.option(
    "--fail-below",
    multiple=True,
    metavar="METRIC=VALUE",
    help="End with exit code 1 if what queries do now has a lower mean; can be given several times.",
)
@click.option(
    "--write-runs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write each run into a file in TREC's form.",
)
@click.option(
    "--per-query",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help="Write the metrics of every question, one on each line.",
)
@no_cache_option
@max_usd_option
@collection_option
@store_option
@json_option
@click.option("--explain", is_flag=True, help="List every relevant passage that is missed, with the reason.")
@quiet_option
@click.pass_obj
def evaluation(
    arguments: Sequence[str],
    test_set: Path | None,
    topics: Path | None,
    split: str,
    corpus: str | None,
    chunking: bool,
    ignore_missing: bool,
    filters: tuple[str, ...],
    metrics: str | None,
    compare: tuple[str, ...],
    runs: tuple[Path, ...],
    baseline: str | None,
    fail_below: tuple[str, ...],
    write_runs: Path | None,
    per_query: Path | None,
    max_usd: float | None,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[QueryOptions],
) -> int:
    """Measure what each stage is worth on questions of which the answers are known.

    Stage 1 alone, stage 2 alone and both as queries have them are laid side by side, with intervals that say how sure
    each figure and each difference is, the best that any reranker could do, where the rest is lost, and what each takes
    in time and money. A relevant passage that is not among the first --top-k hits is missed. Where documents were
    judged, the best chunk of each counts.
    """
    from vai.evaluation.evaluating.evaluating import DEFAULT_METRICS, Asked, Evaluation
    from vai.evaluation.replaying.specs import parse_spec

    options["filter"] = filters or None
    explain = bool(options.pop("explain", False))
    bounds = [_bound(text) for text in fail_below]
    named = DEFAULT_METRICS if metrics is None else tuple(filter(None, re.split(r"[,\s]+", metrics)))
    asked = Asked(
        metrics=(*named, *(bound.metric for bound in bounds)),
        baseline=baseline,
        compare=tuple(map(parse_spec, compare)),
        runs=runs,
        ignore_missing=ignore_missing,
    )
    _require_room(write_runs, per_query, test_set)
    subject = Subject(test_set, topics, split, corpus, chunking, collection, store, max_usd, quiet)
    with opened(subject) as (collected, questions), hinting_at_bundled(arguments, "--rerank-model"):
        with steps(shown=subject.shown) as progress:
            measured = Evaluation.of(
                collected, questions, asked, progress=progress, say=None if quiet else note, **options
            )
            report = measured.report()
        _print(report, as_json=as_json, explain=explain)
        _write(measured, report, write_runs, per_query, quiet=quiet)
    warn(report.warnings, quiet=quiet)
    return _verdict(report, bounds)


eval = evaluation  # noqa: A001 - what the command is called


def _print(report: EvalReport, *, as_json: bool, explain: bool) -> None:
    from vai.cli.scoreboard import report_text

    if as_json:
        print_json(report.to_dict(explain=explain))
    else:
        click.echo(report_text(report, explain=explain))


# ── files ──


def _require_room(write_runs: Path | None, per_query: Path | None, test_set: Path | None) -> None:
    """Refuse files that cannot be written before anything is measured."""
    if per_query is not None:
        if test_set is not None and per_query.resolve() == test_set.resolve():
            raise InvalidSettings(f"--per-query {per_query} would overwrite the test set")
        if not per_query.absolute().parent.is_dir():
            raise InvalidSettings(f"there is no folder for `{per_query}`")
        if per_query.is_dir():
            raise InvalidSettings(
                f"--per-query {per_query} is a folder", hint="name a file, as in `--per-query each.jsonl`"
            )
    if write_runs is not None:
        try:
            write_runs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettings(f"`{write_runs}` cannot be made: {reason_of(error)}") from error


def _write(
    measured: Evaluation, report: EvalReport, write_runs: Path | None, per_query: Path | None, *, quiet: bool
) -> None:
    if write_runs is not None:
        from vai.evaluation.data.trec import write_run

        for name, path in _run_files(measured, write_runs):
            write_run(measured.run(name), path)
            note(f"`{name}` was written to `{path}`", quiet=quiet)
    if per_query is not None:
        lines = (json.dumps(question.to_dict(), ensure_ascii=False) for question in report.questions)
        try:
            write_whole(per_query, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            raise InvalidSettings(f"`{per_query}` cannot be written: {reason_of(error)}") from error
        note(f"{counted(len(report.questions), 'question')} were written to `{per_query}`", quiet=quiet)


def _run_files(measured: Evaluation, folder: Path) -> Iterator[tuple[str, Path]]:
    """Our runs, each with a file of its own."""
    taken: set[str] = set()
    for name in measured.ours.named:
        base = re.sub(r"[^\w.=+-]+", "_", name)
        file_name = next(
            candidate
            for candidate in (base, *(f"{base}-{number}" for number in range(2, 1000)))
            if candidate not in taken
        )
        taken.add(file_name)
        yield name, folder / f"{file_name}.run"


# ── the gate ──


@dataclass(frozen=True, slots=True)
class _Bound:
    """What the mean of a metric has to be at least."""

    metric: str
    least: float


def _bound(text: str) -> _Bound:
    from vai.evaluation.measures.metrics import Metric

    name, equals, value = text.partition("=")
    try:
        least = float(value)
    except ValueError:
        least = -1.0
    if not equals or not 0.0 <= least <= 1.0:
        raise InvalidSettings(
            f"--fail-below is a metric and a number from 0 to 1: {text:.60}",
            hint="write `--fail-below ndcg@10=0.6`",
        )
    return _Bound(str(Metric.parse(name)), least)


def _verdict(report: EvalReport, bounds: Sequence[_Bound]) -> int:
    """1 if what queries do now is below one of the bounds, said in one sentence; else 0."""
    metrics = report.run(report.in_force).metrics
    below = [bound for bound in bounds if metrics[bound.metric].mean < bound.least]
    if not below:
        return 0
    said = " and ".join(
        f"{bound.metric} is {metrics[bound.metric].mean:.4f}, which is below {bound.least:g}"
        for bound in below
    )
    note(f"error: of `{report.in_force}`, {said}")
    return 1
