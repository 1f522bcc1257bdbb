"""`vai query`: both stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

import click

from vai.cli.answers import nothing_relevant, response_text, stages_text, summary_line
from vai.cli.inputs import STANDARD_INPUT, input_name, read_input
from vai.cli.options import (
    budget_option,
    collection_option,
    configuration_options,
    estimate_option,
    exact_option,
    hinting_at_bundled,
    json_option,
    max_usd_option,
    no_cache_option,
    note,
    query_embedder_option,
    quiet_option,
    store_option,
    warn,
)
from vai.cli.output import print_json, printable
from vai.collection import Collection
from vai.errors import InvalidQuery
from vai.planning import QueryOptions
from vai.reranking import LONGEST_QUERY, checked_query
from vai.types import QueryResponse

LARGEST_BATCH = 64_000_000
"""Bytes of a file of questions."""


@click.command()
@click.argument("words", metavar="TEXT", nargs=-1)
@configuration_options
@budget_option
@exact_option
@click.option(
    "--strict",
    is_flag=True,
    default=None,
    help="End with an error if stage 2 does not read every candidate.",
)
@no_cache_option
@query_embedder_option
@max_usd_option
@estimate_option
@click.option(
    "--batch",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Answer one question a line; `-` for standard input.",
)
@collection_option
@store_option
@json_option
@click.option("--explain", is_flag=True, help="Show timings, models, tokens, and the candidates left out.")
@quiet_option
@click.pass_obj
def query(
    arguments: Sequence[str],
    words: Sequence[str],
    filters: tuple[str, ...],
    batch: Path | None,
    query_embedder: str | None,
    max_usd: float | None,
    estimate: bool,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
    **options: Unpack[QueryOptions],
) -> int:
    """Find the passages that answer TEXT.

    Stage 1 takes --limit candidates by similar vectors and by the words of TEXT, stage 2 reads each of them
    together with TEXT and keeps the best --top-k. TEXT may be `-` for standard input. With --batch, every line of
    FILE is a question and every answer is one line of JSON.
    """
    options["filter"] = filters or None
    questions = _questions(words, batch)
    opening = partial(
        Collection.open,
        store,
        collection,
        create=False,
        query_embedder=query_embedder,
        max_usd=max_usd,
        say=partial(note, quiet=quiet),
    )
    with opening() as opened:
        if estimate:
            from vai.cli.estimates import print_estimate

            print_estimate(opened.estimate_query(list(questions.values()), **options), as_json=as_json)
            return 0
        with hinting_at_bundled(arguments, "--rerank-model"):
            return _answer(
                opened, questions, options, in_batch=batch is not None, as_json=as_json, quiet=quiet
            )


def _answer(
    opened: Collection,
    questions: Mapping[int, str],
    options: QueryOptions,
    *,
    in_batch: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Answer every question; 0 if one had a hit."""
    found = False
    responses = opened.query_many(questions.values(), **options)
    for line, response in zip(questions, responses, strict=True):
        found = found or bool(response.hits)
        if in_batch:
            print_json(response.to_dict(), lines=True)
            warn(response.warnings, quiet=quiet, about=f"line {line}: ")
        else:
            _print(response, as_json=as_json, explain=bool(options.get("explain")), quiet=quiet)
    warn(opened.remarks, quiet=quiet)
    return 0 if found else 1


def _print(response: QueryResponse, *, as_json: bool, explain: bool, quiet: bool) -> None:
    if as_json:
        print_json(response.to_dict())
    elif response.hits:
        click.echo(response_text(response, explain=explain))
        note(f"\n{summary_line(response)}", quiet=quiet)
    else:
        if explain:
            click.echo(stages_text(response))
        note(_why_nothing(response), quiet=quiet)
    warn(response.warnings, quiet=quiet)


def _why_nothing(response: QueryResponse) -> str:
    rerank, least = response.stages.rerank, response.settings.min_relevance
    if rerank is not None and least is not None and rerank.of:
        return nothing_relevant(rerank, least)
    if response.stages.search.matched == 0:
        understood = printable(json.dumps(response.settings.filter, ensure_ascii=False))
        return f"nothing was found: no chunk passes the filter {understood}"
    if response.settings.stage1 == "words":
        return "nothing was found: no chunk has one of the words; `--stage1 hybrid` finds by meaning too"
    return f"the collection `{response.collection}` is empty: `vai ingest PATH` fills it"


# ── the questions, by line; a single one is that of line 1 ──


def _questions(words: Sequence[str], batch: Path | None) -> dict[int, str]:
    if batch is None:
        return {1: checked_query(_asked(words))}
    if words:
        raise click.UsageError("TEXT and --batch FILE contradict each other")
    return dict(_batch(batch))


def _asked(words: Sequence[str]) -> str:
    if not words:
        raise InvalidQuery(
            "no question was asked: give TEXT, `-` or --batch FILE",
            hint="a TEXT that begins with a dash needs `--` before it",
        )
    if tuple(words) != ("-",):
        return " ".join(words)
    # A character has at most four bytes, so what is longer than this is refused without being read to its end.
    most = 4 * LONGEST_QUERY
    data = read_input(STANDARD_INPUT, most)
    return _decoded(data, "standard input") if len(data) <= most else data.decode("utf-8", "replace")


def _batch(path: Path) -> Iterator[tuple[int, str]]:
    """The questions of a file, one a line; empty lines are passed over."""
    name = input_name(path)
    data = read_input(path, LARGEST_BATCH)
    if len(data) > LARGEST_BATCH:
        raise InvalidQuery(
            f"{name} is larger than {LARGEST_BATCH:,} bytes", hint="split it into several files"
        )
    if not data.strip():
        raise InvalidQuery(f"{name} holds no question", hint="write one question a line")
    for line, question in enumerate(data.split(b"\n"), start=1):
        if not question.strip():
            continue
        where = f"line {line} of {name}"
        try:
            yield line, checked_query(_decoded(question, where))
        except InvalidQuery as error:
            message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
            raise InvalidQuery(message, hint=error.hint) from error


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidQuery(f"{where} is not UTF-8 text: {error.reason} at byte {error.start}") from error
