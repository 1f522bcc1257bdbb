"""`vai diff`: what changes between two configurations, or two runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
    quiet_option,
    stage1_options,
    stage2_options,
    store_option,
    warn,
    whole_number,
)
from vai.cli.output import print_json
from vai.cli.progress import steps
from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.planning import QueryOptions

if TYPE_CHECKING:
    from vai.cli.movements import Labels
    from vai.evaluation.comparing.differences import Bound, DiffReport
    from vai.evaluation.comparing.sides import Duel, Named
    from vai.evaluation.data.testsets import TestSet

SHOWN = 10
"""Hits that are compared."""


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@test_set_options
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Questions without answers, one on each line, or JSONL of {"query"}: what changes is shown, and nobody says '
    "for the better.",
)
@limit_option
@click.option(
    "-k", "--top-k", callback=whole_number, metavar="N", help=f"Hits that are compared.  [default: {SHOWN}]"
)
@num_candidates_option
@stage1_options
@filter_option
@stage2_options
@exact_option
@click.option(
    "--metrics",
    metavar="A,B,…",
    help="What is compared where answers are known.  [default: ndcg@10, mrr@10, recall@10, recall@20, map]",
)
@click.option(
    "--fail-below",
    multiple=True,
    metavar="METRIC=VALUE",
    help="End with exit code 1 if B − A is less, as in ndcg@10=-0.01; `overlap` and `rbo` are bounded themselves. Can "
    "be given several times.",
)
@no_cache_option
@max_usd_option
@collection_option
@click.option(
    "--collection-b",
    metavar="NAME",
    help="Collection of B, where it is another one, as with another embedder.",
)
@store_option
@json_option
@click.option("--explain", is_flag=True, help="Show every question of which something changed.")
@quiet_option
@click.pass_obj
def diff(
    arguments: Sequence[str],
    a: str,
    b: str,
    test_set: Path | None,
    topics: Path | None,
    split: str,
    corpus: str | None,
    chunking: bool,
    ignore_missing: bool,
    queries: Path | None,
    filters: tuple[str, ...],
    metrics: str | None,
    fail_below: tuple[str, ...],
    max_usd: float | None,
    collection: str | None,
    collection_b: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[QueryOptions],
) -> int:
    """Compare A with B: what changes, by how much, and whether that may be chance.

    A and B are configurations, such as `stage1`, `blended` or "limit=50 blend=0.3", or files of runs in TREC's form.
    A configuration has what the flags say where it says nothing else; `current` is what a query does now. Two files
    need no collection.

    \b
    vai diff stage1 current --test-set questions.jsonl
    vai diff before.run after.run --test-set questions.jsonl --fail-below ndcg@10=-0.01
    vai diff current limit=50 --queries questions.txt
    """  # noqa: D301 - the backslash tells click to keep the lines
    from vai.cli.movements import diff_text
    from vai.evaluation.comparing.comparing import DEFAULT_METRICS, compare
    from vai.evaluation.comparing.sides import named

    explain = bool(options.pop("explain", False))
    options["filter"] = filters or None
    top_k = options.get("top_k")
    if top_k is not None and top_k < 1:
        raise InvalidSettings(f"--top-k must be at least 1: {top_k}")
    asked = _Asked(
        a=named(a),
        b=named(b),
        subject=Subject(test_set, topics, split, corpus, chunking, collection, store, max_usd, quiet),
        queries=queries,
        collection_b=collection_b,
        ignore_missing=ignore_missing,
    )
    bounds = [_bound(text, judged=asked.judged) for text in fail_below]
    measured = DEFAULT_METRICS if metrics is None else tuple(filter(None, re.split(r"[,\s]+", metrics)))
    with hinting_at_bundled(arguments, "--rerank-model"), _rankings(asked, options) as (duel, labels):
        report = compare(duel, metrics=measured, top_k=SHOWN if top_k is None else top_k, bounds=bounds)
        if as_json:
            print_json(report.to_dict())
        else:
            click.echo(diff_text(report, labels=labels, explain=explain))
    warn(report.warnings, quiet=quiet)
    return _verdict(report)


# ── both sides ──


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be compared, on which questions."""

    a: Named
    b: Named
    subject: Subject
    queries: Path | None
    collection_b: str | None
    ignore_missing: bool

    @property
    def judged(self) -> bool:
        """Whether answers are known."""
        return self.subject.test_set is not None or self.subject.corpus is not None

    @property
    def only_files(self) -> bool:
        """Whether no collection is needed."""
        from vai.evaluation.comparing.sides import RunFile

        return isinstance(self.a, RunFile) and isinstance(self.b, RunFile) and self.subject.corpus is None


@contextmanager
def _rankings(asked: _Asked, options: QueryOptions) -> Iterator[tuple[Duel, Labels]]:
    """Both sides, and what units are called, as long as the collection is open."""
    from vai.cli.movements import labels_in, no_labels

    _refuse_contradictions(asked)
    if asked.only_files:
        yield _of_files(asked), no_labels
        return
    with ExitStack() as open_things:
        if asked.queries is None:
            collection, questions = open_things.enter_context(opened(asked.subject))
        else:
            from vai.evaluation.data.unjudged import read_unjudged

            questions = read_unjudged(asked.queries)
            collection = open_things.enter_context(_opened(asked.subject, asked.subject.collection))
        other = collection
        if asked.collection_b not in {None, collection.name}:
            other = open_things.enter_context(_opened(asked.subject, asked.collection_b))
        yield _of_collections(asked, collection, other, questions, options), partial(labels_in, collection)


def _of_files(asked: _Asked) -> Duel:
    from vai.evaluation.comparing.sides import RunFile, files_alone
    from vai.evaluation.data.testsets import read_test_set

    subject = asked.subject
    test_set = None
    if subject.test_set is not None:
        test_set = read_test_set(subject.test_set, split=subject.split, topics=subject.topics)
    assert isinstance(asked.a, RunFile) and isinstance(asked.b, RunFile), "both are files"
    return files_alone(asked.a, asked.b, test_set)


def _of_collections(
    asked: _Asked, collection: Collection, other: Collection, questions: TestSet, options: QueryOptions
) -> Duel:
    from vai.evaluation.comparing.sides import ask_both

    subject = asked.subject
    with steps(shown=subject.shown) as progress:
        return ask_both(
            (asked.a, collection),
            (asked.b, other),
            questions,
            judged=asked.judged,
            ignore_missing=asked.ignore_missing,
            progress=progress,
            say=None if subject.quiet else note,
            **options,
        )


def _opened(subject: Subject, name: str | None) -> Collection:
    return Collection.open(
        subject.store, name, create=False, max_usd=subject.max_usd, say=partial(note, quiet=subject.quiet)
    )


def _refuse_contradictions(asked: _Asked) -> None:
    if asked.queries is not None and asked.judged:
        raise InvalidSettings(
            f"--queries {asked.queries} and a test set contradict each other: questions come from one of them"
        )
    if asked.only_files:
        if asked.queries is not None:
            raise InvalidSettings(f"--queries {asked.queries} has no effect: both sides are files")
        return
    if asked.queries is None and not asked.judged:
        raise InvalidSettings(
            "no question is there to ask: give --test-set PATH, or --queries FILE where no answers are known",
            hint="only two files of runs can be compared without questions",
        )
    if asked.collection_b is not None and asked.subject.corpus is not None:
        raise InvalidSettings(
            f"--corpus and --collection-b {asked.collection_b} contradict each other: a corpus has its own collection"
        )


# ── the gate ──


def _bound(text: str, *, judged: bool) -> Bound:
    """What a difference, or an overlap, has to be at least. Raises `InvalidSettings` if that is not what it says."""
    from vai.evaluation.comparing.comparing import ALIKE
    from vai.evaluation.comparing.differences import Bound
    from vai.evaluation.measures.metrics import Metric

    name, equals, value = text.partition("=")
    try:
        least = float(value)
    except ValueError:
        least = 2.0
    if not equals or not -1.0 <= least <= 1.0:
        raise InvalidSettings(
            f"--fail-below is a metric and a number from -1 to 1: {text:.60}",
            hint="write `--fail-below ndcg@10=-0.01`, and B may be worse by 0.01",
        )
    if name in ALIKE:
        return Bound(name, least)
    metric = str(Metric.parse(name))
    if not judged:
        raise InvalidSettings(
            f"--fail-below {text:.60} needs questions of which the answers are known",
            hint=f"add `--test-set PATH`, or bound {' or '.join(ALIKE)}",
        )
    return Bound(metric, least)


def _verdict(report: DiffReport) -> int:
    """1 if a bound was not kept, said in one sentence; else 0."""
    from vai.evaluation.comparing.comparing import ALIKE

    if not report.failed:
        return 0
    said = " and ".join(
        f"{gate.metric if gate.metric in ALIKE else f'B − A in {gate.metric}'} is {gate.found:.4f}, which is below "
        f"{gate.least:g}"
        for gate in report.failed
    )
    note(f"error: {said}")
    return 1
