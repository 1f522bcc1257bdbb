"""`vai testset`: a starting test set made from a collection's own text."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from vai.cli.options import (
    collection_option,
    json_option,
    note,
    quiet_option,
    store_option,
    warn,
    whole_number,
)
from vai.cli.output import counted, print_json, printable, table
from vai.cli.progress import steps
from vai.collection import Collection, located_store
from vai.errors import InvalidSettings
from vai.settings import load_settings, one_of

if TYPE_CHECKING:
    from vai.evaluation.questions.made import TestSetReport
    from vai.models.remote.chat import OpenAIChat


@click.command()
@click.argument("path", metavar="OUT.jsonl", type=click.Path(path_type=Path))
@click.option(
    "--count", callback=whole_number, default="100", metavar="N", help="Questions at most.  [default: 100]"
)
@click.option(
    "--unit",
    default="chunk",
    metavar="WHAT",
    help="What counts as relevant: the `chunk` that answers, or its whole `document`, whose id stays the same when "
    "texts change.  [default: chunk]",
)
@click.option(
    "--seed",
    callback=whole_number,
    default="0",
    metavar="N",
    help="Another number finds other questions.  [default: 0]",
)
@click.option(
    "--question-model",
    metavar="NAME",
    help="Language model that writes a share of the questions: `openai:http://localhost:11434/v1#llama3.2`. It gets a "
    "passage for each.  [default: the one in your settings, if any]",
)
@click.option("--no-llm", is_flag=True, help="Ask no language model, whatever the settings say.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@collection_option
@store_option
@json_option
@quiet_option
def testset(
    path: Path,
    count: int,
    unit: str,
    seed: int,
    question_model: str | None,
    no_llm: bool,
    force: bool,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make a starting test set from the text of a collection.

    Headings become questions that are answered by what stands below them, and questions in the text are answered by
    what follows. What several places could answer is left out. Every line is marked as synthetic. Such a test set is
    a beginning: it shows whether search works at all, and gives `vai judge OUT.jsonl` something to ask you about. It
    says neither how good search is nor which setting is better, for its words stand in the answers.
    """
    from vai.evaluation.data.matching import Unit
    from vai.evaluation.questions.questions import make_test_set

    units: tuple[Unit, ...] = get_args(Unit)
    chosen = one_of(units, unit, "--unit") or "chunk"
    model = _language_model(question_model, store, left_out=no_llm)
    with Collection.open(store, collection, create=False) as opened:
        if model is not None:
            note(_what_leaves(model, count), quiet=quiet)
        with steps(shown=sys.stderr.isatty() and not quiet) as progress:
            report = make_test_set(
                opened,
                path,
                count=count,
                unit=chosen,
                seed=seed,
                model=model,
                force=force,
                progress=progress,
            )
    if as_json:
        print_json(report.to_dict())
    elif report.questions:
        click.echo(testset_text(report))
    if not report.questions:
        note(_why_nothing(report), quiet=quiet)
    warn(tuple(map(printable, report.warnings)), quiet=quiet)
    return 0 if report.questions else 1


def _language_model(named: str | None, store: Path, *, left_out: bool) -> OpenAIChat | None:
    """The model that is to write questions; None if none is."""
    if left_out and named is not None:
        raise InvalidSettings(
            f"--no-llm and --question-model {named} contradict each other", hint="leave one of the two out"
        )
    settings = load_settings(located_store(store), os.environ)
    name = settings.question_model if named is None else named
    if left_out or name is None:
        return None
    from vai.models.access import Access
    from vai.models.remote.chat import open_language_model

    return open_language_model(name, access=Access.configured(settings, os.environ))


def _what_leaves(model: OpenAIChat, count: int) -> str:
    where = "on this machine" if model.runs_here else "not this machine"
    return (
        f"at most {counted(count, 'passage')} will be sent to `{printable(model.name)}`, which is {where}; what it "
        "costs is not known, and not booked"
    )


def _why_nothing(report: TestSetReport) -> str:
    if report.of_documents == 0:
        return f"the collection `{report.collection}` is empty: `vai ingest PATH` fills it"
    return (
        f"no question was found in {counted(report.of_documents, 'document')}, which have no headings that say what "
        "they are about, or the same ones: name a language model with `--question-model NAME`, or write your own "
        "questions, one a line, and judge what is found with `vai judge questions.txt`"
    )


def testset_text(report: TestSetReport) -> str:
    """How many questions of which kind, about how many documents, and what they share with their answers."""
    unit = "passage" if report.unit == "chunk" else "document"
    lines = [
        f"{counted(report.questions, 'synthetic question')} about {report.documents:,} of "
        f"{counted(report.of_documents, 'document')} of `{printable(report.collection)}`, judged by {unit}",
        f"written to `{printable(report.path or '')}`",
        "",
        table(
            ["made from", "questions", "words in the answer"],
            [[made.made_from, f"{made.questions:,}", f"{made.shared_words:.0%}"] for made in report.made],
        ),
    ]
    if report.model is not None:
        lines += ["", _what_it_wrote(report)]
    return "\n".join(lines)


def _what_it_wrote(report: TestSetReport) -> str:
    said = f"{printable(report.model or '')} read {counted(report.calls, 'passage')}"
    if not report.rejected:
        return said
    reasons = ", ".join(f"{rejected.answers:,} {rejected.reason}" for rejected in report.rejected)
    return f"{said}; not taken of its answers: {reasons}"
