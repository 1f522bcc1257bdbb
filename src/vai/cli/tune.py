"""`vai tune`: the settings that are best for a goal, measured on the user's own questions."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from vai.cli.evaluations import Subject, opened, test_set_options
from vai.cli.options import (
    collection_option,
    exact_option,
    filter_option,
    hinting_at_bundled,
    json_option,
    limit_option,
    max_usd_option,
    no_cache_option,
    note,
    num_candidates_option,
    number,
    quiet_option,
    stage1_options,
    stage2_options,
    store_option,
    warn,
    whole_number,
)
from vai.cli.output import WIDEST, counted, duration_text, line_width, print_json, printable, table
from vai.cli.progress import steps
from vai.collection import located_store
from vai.errors import InvalidSettings
from vai.planning import QueryOptions
from vai.types import Json

if TYPE_CHECKING:
    from vai.evaluation.data.testsets import TestSet
    from vai.evaluation.tuning.applying import Applied
    from vai.evaluation.tuning.tuning import TuneReport

_USUALLY_AT_10 = frozenset({"ndcg", "mrr", "recall", "precision"})
_OF_A_QUERY = frozenset({"limit", "num_candidates", "stage1", "fusion", "words_weight", "blend"})
SHORTEST_NAME = 12
"""Letters of a reranker's name that are shown however narrow the table has to be."""


def _tuned_unless_given(command: click.Command) -> click.Command:
    """The command without the defaults of a query in the help of its flags: here what is left out is tuned."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name in _OF_A_QUERY:
            parameter.help = f"{(parameter.help or '').partition('  [default')[0]}  [default: tuned]"
    return command


@_tuned_unless_given
@click.command()
@test_set_options
@click.option(
    "--target",
    default="ndcg@10",
    metavar="METRIC",
    help="What is to be as good as possible: nDCG, MRR, recall, MAP or precision, with a cut-off.  [default: ndcg@10]",
)
@click.option(
    "--budget-ms",
    callback=whole_number,
    metavar="MS",
    help="Milliseconds that 95 of 100 queries may take at most.",
)
@click.option(
    "--max-usd-per-1k",
    callback=number,
    metavar="USD",
    help="US dollars that a thousand queries may cost at most.",
)
@click.option(
    "--rerank-models",
    metavar="A,B,…",
    help="Models of stage 2 to compare with the one that queries use.",
)
@click.option(
    "--max-limit",
    callback=whole_number,
    default="50",
    metavar="N",
    help="Candidates to read for each question at most.  [default: 50]",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Draw quality against latency and cost, into a page or into a picture (.svg).",
)
@click.option(
    "--apply",
    is_flag=True,
    help="Write the best settings into the project's vai.toml, and the report beside it.",
)
@limit_option
@num_candidates_option
@stage1_options
@filter_option
@stage2_options
@exact_option
@no_cache_option
@max_usd_option
@collection_option
@store_option
@json_option
@quiet_option
@click.pass_obj
def tune(
    arguments: Sequence[str],
    test_set: Path | None,
    topics: Path | None,
    split: str,
    corpus: str | None,
    chunking: bool,
    ignore_missing: bool,
    filters: tuple[str, ...],
    target: str,
    max_usd_per_1k: float | None,
    rerank_models: str | None,
    max_limit: int,
    plot: Path | None,
    apply: bool,
    max_usd: float | None,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[QueryOptions],
) -> int:
    """Find the settings that are best for your own questions, and whether stage 2 earns its cost.

    Every candidate is read once; then hundreds of configurations are compared without a model: how stage 1 finds
    candidates, how many, which reranker, and how much it counts. What they are worth is told by questions that they
    were not chosen on. A setting that is given as a flag stays as it is. Nothing is changed without --apply.
    """
    from vai.evaluation.tuning.applying import apply_settings
    from vai.evaluation.tuning.plot import require_plot_path, write_plot
    from vai.evaluation.tuning.tuning import tune as tuned

    if plot is not None:
        require_plot_path(plot)
    if apply and corpus is not None:
        raise InvalidSettings(
            f"--apply and --corpus {corpus} contradict each other: a corpus belongs to no project",
            hint="leave `--apply` out; the settings that are printed can be written by hand",
        )
    options["filter"] = filters or None
    subject = Subject(test_set, topics, split, corpus, chunking, collection, store, max_usd, quiet)
    with (
        opened(subject) as (collected, questions),
        hinting_at_bundled(arguments, "--rerank-models", "--rerank-model"),
        steps(shown=subject.shown) as progress,
    ):
        if apply:
            _refuse_what_nobody_asked(questions)
        report = tuned(
            collected,
            questions,
            target=_with_cutoff(target),
            max_usd_per_1k=max_usd_per_1k,
            rerank_models=_names(rerank_models),
            max_limit=max_limit,
            ignore_missing=ignore_missing,
            progress=progress,
            say=partial(note, quiet=quiet),
            **options,
        )
    if plot is not None:
        write_plot(report, plot)
    applied = apply_settings(located_store(store), report, os.environ) if apply else None
    if as_json:
        print_json(_json(report, plot, applied))
    else:
        click.echo(tune_text(report))
        note("", quiet=quiet)
    _say_what_was_written(report, plot, applied, quiet=quiet)
    warn(tuple(map(printable, report.warnings)), quiet=quiet)
    return 0


def _refuse_what_nobody_asked(questions: TestSet) -> None:
    """Settings are not changed on the evidence of synthetic questions alone, which is known to mislead."""
    if questions.queries.keys() <= questions.synthetic:
        raise InvalidSettings(
            f"every question of `{questions.name}` is synthetic, and on such evidence alone --apply writes nothing",
            hint="add questions that people have asked; without `--apply` the settings are printed all the same",
        )


def _with_cutoff(target: str) -> str:
    """A metric that is named without a cut-off, at the usual one."""
    return f"{target}@10" if target.strip().lower() in _USUALLY_AT_10 else target


def _names(listed: str | None) -> tuple[str, ...]:
    """The models of a list."""
    return () if listed is None else tuple(filter(None, map(str.strip, listed.split(","))))


def _json(report: TuneReport, plot: Path | None, applied: Applied | None) -> dict[str, Json]:
    return {
        **report.to_dict(),
        "plot": None if plot is None else str(plot),
        "applied": None
        if applied is None
        else {
            "path": str(applied.path),
            "report": str(applied.report),
            "written": dict(applied.written),
            "left": list(applied.left),
        },
    }


def _say_what_was_written(
    report: TuneReport, plot: Path | None, applied: Applied | None, *, quiet: bool
) -> None:
    from vai.evaluation.tuning.verdict import is_in_force

    if plot is not None:
        note(f"drawn into `{printable(str(plot))}`", quiet=quiet)
    if applied is None:
        said = "nothing was changed: `--apply` writes these settings into the project's `vai.toml`"
        note(said, quiet=quiet or is_in_force(report))
        return
    note(
        f"written to `{printable(str(applied.path))}`, for every query in this project; the report is in "
        f"`{printable(str(applied.report))}`",
        quiet=quiet,
    )
    warn(tuple(map(printable, applied.left)), quiet=quiet)


# ── how it looks ──


def tune_text(report: TuneReport) -> str:
    """The decision, the settings, what they are worth on other questions, and what else there is."""
    from vai.evaluation.tuning.verdict import changes, decision_sentence, flags_of, is_in_force

    changed = "as queries are now" if is_in_force(report) else changes(report)
    parts = [
        _wrapped(decision_sentence(report)),
        f'vai query "…" {printable(flags_of(report.best))}\n({printable(changed)})',
        _held_out_text(report),
        _front_text(report),
        _wrapped(
            f"{counted(report.configurations, 'configuration')} of `{report.collection}` were compared with the "
            f"questions of `{report.corpus}`, in {duration_text(report.seconds)}"
        ),
    ]
    return "\n\n".join(parts)


def _held_out_text(report: TuneReport) -> str:
    """The figures that the choice does not flatter."""
    from vai.evaluation.tuning.verdict import bounds, difference, verdict_on_gain

    held = report.held_out
    rows = [
        ["tuned", f" {held.quality.mean:.3f}", bounds(held.quality)],
        ["in force", f" {held.baseline_mean:.3f}", ""],
        ["gain", f"{held.gain.mean:+.3f}", difference(held.gain).partition(" ")[2]],
    ]
    return "\n".join(
        [
            f"{held.metric} of {counted(held.queries, 'question')}, each answered by settings that were chosen on "
            "others:",
            table(rows[0], rows[1:]),
            verdict_on_gain(report),
        ]
    )


def _front_text(report: TuneReport) -> str:
    """The front, no wider than a page; names of rerankers give way."""
    from vai.evaluation.tuning.verdict import front_table

    header, rows = front_table(report)
    place = header.index("reranker")
    whole = [[printable(cell) for cell in row] for row in rows]
    longest = max((len(row[place]) for row in whole), default=0)
    too_wide = max(map(len, table(header, whole).splitlines())) - WIDEST
    shown = longest if too_wide <= 0 else max(SHORTEST_NAME, longest - too_wide)
    for row in whole:
        row[place] = row[place] if len(row[place]) <= shown else f"{row[place][: shown - 1]}…"
    said = (
        "what there is to choose from, none of it both slower and worse than another, on all questions, which flatters "
        "what was chosen:"
    )
    return f"{_wrapped(said)}\n{table(header, whole)}"


def _wrapped(words: str) -> str:
    from vai.evaluation.tuning.verdict import unbroken

    lines = textwrap.wrap(
        unbroken(printable(words)), line_width(), break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines).replace("\u00a0", " ")
