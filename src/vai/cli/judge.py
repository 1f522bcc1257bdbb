"""`vai judge`: a short quiz on the passages that tell configurations apart."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from vai.cli.answers import passage_text
from vai.cli.options import (
    collection_option,
    json_option,
    limit_option,
    max_usd_option,
    note,
    quiet_option,
    store_option,
    warn,
    whole_number,
)
from vai.cli.output import counted, is_coloured, print_json, printable, styled, table
from vai.cli.progress import steps
from vai.collection import Collection
from vai.errors import Interrupted, InvalidSettings
from vai.models.catalog import DEFAULT_RERANKER
from vai.settings import one_of

if TYPE_CHECKING:
    from vai.evaluation.judging.quiz import JudgeReport, Quiz

CHOICES = {"y": "yes", "n": "no", "p": "partly", "s": "skip", "b": "back", "q": "quit"}
PROMPT = "does it answer? y(es) n(o) p(artly) · s(kip) b(ack) q(uit): "


@click.command()
@click.argument("test_set", metavar="TEST_SET", type=click.Path(path_type=Path))
@click.option(
    "--count",
    callback=whole_number,
    default="20",
    metavar="N",
    help="Passages to judge at most.  [default: 20]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help="Write the judgements into a new file.  [default: TEST_SET itself; for a .txt, a .jsonl beside it]",
)
@click.option(
    "--unit",
    metavar="WHAT",
    help="Judge each `chunk`, or the whole `document` by its best one.  [default: what TEST_SET judges, else chunk]",
)
@limit_option
@click.option("--rerank-model", metavar="NAME", help=f"Model of stage 2.  [default: {DEFAULT_RERANKER}]")
@click.option(
    "--no-rerank", "rerank", is_flag=True, flag_value=False, default=None, help="Leave stage 2 out."
)
@max_usd_option
@collection_option
@store_option
@json_option
@quiet_option
def judge(
    test_set: Path,
    count: int,
    output: Path | None,
    unit: str | None,
    limit: int | None,
    rerank_model: str | None,
    rerank: bool | None,
    max_usd: float | None,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Judge the passages on which configurations disagree most.

    TEST_SET is any test set, also one without judgements, or a .txt with one question a line. Its questions are
    asked, and you are shown those passages that one configuration ranks high and another does not: judging them
    tells most about which is better. Each answer is written at once; which configuration ranked a passage where is
    not shown. Without a terminal, answers are read from standard input, one a line.
    """
    from vai.evaluation.data.matching import Unit
    from vai.evaluation.judging.contenders import candidate_rankings
    from vai.evaluation.judging.judging import most_disputed
    from vai.evaluation.judging.question_file import QuestionFile
    from vai.evaluation.judging.quiz import Quiz, known_judgements

    if count < 1:
        raise InvalidSettings(f"--count must be at least 1: {count}")
    units: tuple[Unit, ...] = get_args(Unit)
    chosen = one_of(units, unit, "--unit")
    questions = QuestionFile.open(test_set, output)
    texts = list(questions.test_set.queries.values())
    say = partial(note, quiet=quiet)
    with Collection.open(store, collection, create=False, max_usd=max_usd, say=say) as opened:
        known = known_judgements(questions, opened, chosen)
        with steps(shown=sys.stderr.isatty() and not quiet) as progress:
            contenders = candidate_rankings(
                opened,
                texts,
                unit=known.unit,
                limit=limit,
                rerank=rerank,
                rerank_model=rerank_model,
                progress=progress,
            )
        name, remarks = opened.name, opened.remarks
    pairs = most_disputed(list(contenders.rankings.values()), known.grades, count=count)
    quiz = Quiz(questions, pairs, contenders, known)
    _hold(quiz, questions.path)
    report = quiz.report(name, (*_missing(known.missing), *contenders.warnings, *remarks))
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(judge_text(report))
    warn(tuple(map(printable, report.warnings)), quiet=quiet)
    return 0 if report.pairs else 1


def _missing(count: int) -> tuple[str, ...]:
    said = (
        f"{counted(count, 'judged id')} {'is' if count == 1 else 'are'} not in the collection, and left alone"
    )
    return (said,) if count else ()


# ── asking ──


def _hold(quiz: Quiz, path: Path) -> None:
    """Show one pair after the other until there is none left, or nobody answers."""
    read = _key if sys.stdin is not None and sys.stdin.isatty() else _line
    shown: str | None = None
    try:
        while not quiz.is_over:
            click.echo(_pair_text(quiz, asked_before=quiz.question == shown), err=True)
            shown = quiz.question
            choice = _choice(read)
            if choice == "quit":
                return
            _carry_out(choice, quiz)
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; passages judged, and written to `{path}`: {len(quiz.answers)}",
            hint=f"`vai judge {path}` goes on with the rest",
        ) from None


def _carry_out(choice: str, quiz: Quiz) -> None:
    from vai.evaluation.judging.question_file import NO, PARTLY, YES

    match choice:
        case "back":
            quiz.back()
        case "skip":
            quiz.skip()
        case _:
            quiz.answer({"yes": YES, "partly": PARTLY, "no": NO}[choice])


def _choice(read: Callable[[], str]) -> str:
    """What was chosen; asked for again until it is one of the choices."""
    while True:
        click.echo(PROMPT, err=True, nl=False)
        said = read()
        for key, choice in CHOICES.items():
            if said.lower() in {key, choice}:
                click.echo(choice, err=True)
                return choice
        click.echo(f"`{printable(said[:20].strip())}` is none of them" if said.strip() else "", err=True)


def _key() -> str:
    """One key on a terminal; the end of the input means to quit."""
    try:
        return click.getchar()
    except EOFError:
        return "quit"


def _line() -> str:
    """One line of standard input; its end means to quit."""
    line = sys.stdin.readline() if sys.stdin is not None else ""
    return line.strip() if line else "quit"


def _pair_text(quiz: Quiz, *, asked_before: bool) -> str:
    coloured = is_coloured()
    place = f"{quiz.place + 1} of {len(quiz.pairs)}"
    question = styled(printable(quiz.question), coloured=coloured, bold=not asked_before)
    passage = passage_text(quiz.passage, quiz.question)
    return f"\n{styled(place, coloured=coloured, dim=True)}  {question}\n\n{passage}\n"


# ── what it changed ──


def judge_text(report: JudgeReport) -> str:
    """What was judged, and how each configuration does by it."""
    if not report.pairs:
        return (
            f"there is nothing to judge in {counted(report.questions, 'question')} of "
            f"`{printable(report.test_set)}`: what is not judged yet, all configurations rank alike"
        )
    unit = "passage" if report.unit == "chunk" else "document"
    return "\n".join(
        [
            f"{report.judged:,} of {counted(report.pairs, unit)} judged: {report.yes:,} yes, {report.partly:,} partly, "
            f"{report.no:,} no; {report.skipped:,} skipped",
            f"`{printable(report.path)}`: something relevant is known for {report.answered:,} of "
            f"{counted(report.questions, 'question')}",
            "",
            table(
                ["configuration", "ndcg@10 before", "now", "judged@10 before", "now"],
                [
                    [
                        change.name,
                        _mean(change.before.ndcg),
                        _mean(change.after.ndcg),
                        f"{change.before.judged:.0%}",
                        f"{change.after.judged:.0%}",
                    ]
                    for change in report.configurations
                ],
            ),
        ]
    )


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
