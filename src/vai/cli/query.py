"""`vai query`: both stages."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from vai.cli.options import collection_option, json_option, note, quiet_option, store_option, warn
from vai.cli.output import print_json, response_text, summary_line
from vai.collection import Collection
from vai.errors import InvalidQuery, KeyMissing
from vai.models.catalog import DEFAULT_RERANKER
from vai.reranking import LONGEST_QUERY, checked_query
from vai.types import QueryResponse

LARGEST_BATCH = 64_000_000
"""Bytes of a file of questions."""


@click.command()
@click.argument("words", metavar="TEXT", nargs=-1)
@click.option("-l", "--limit", type=int, metavar="N", help="Candidates that stage 1 keeps.  [default: 20]")
@click.option("-k", "--top-k", type=int, metavar="N", help="Hits to return.  [default: 5]")
@click.option(
    "--num-candidates",
    type=int,
    metavar="N",
    help="Depth of the approximate search.  [default: 20 × limit, at most 10,000]",
)
@click.option("--rerank-model", metavar="NAME", help=f"Model of stage 2.  [default: {DEFAULT_RERANKER}]")
@click.option("--no-rerank", is_flag=True, help="Leave stage 2 out.")
@click.option(
    "--blend",
    type=float,
    metavar="0-1",
    help="Share of stage 1 in the final order.  [default: the model's own]",
)
@click.option("--exact", is_flag=True, help="Compare every vector, whatever index there is.")
@click.option("--strict", is_flag=True, help="End with an error if stage 2 fails while working.")
@click.option(
    "--batch",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Answer one question a line.",
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
    limit: int | None,
    top_k: int | None,
    num_candidates: int | None,
    rerank_model: str | None,
    no_rerank: bool,
    blend: float | None,
    exact: bool,
    strict: bool,
    batch: Path | None,
    collection: str | None,
    store: Path,
    as_json: bool,
    explain: bool,
    quiet: bool,
) -> int:
    """Find the passages that answer TEXT.

    Stage 1 takes --limit candidates by vector similarity, stage 2 reads each of them together with TEXT and
    keeps the best --top-k. TEXT may be `-` for standard input. With --batch, every line of FILE is a question
    and every answer is one line of JSON.
    """
    if batch is None:
        questions = [checked_query(_asked(words))]
    elif words:
        raise click.UsageError("TEXT and --batch FILE contradict each other")
    else:
        questions = list(_questions(batch))
    found = False
    try:
        with Collection.open(store, collection, create=False) as opened:
            for response in opened.query_many(
                questions,
                limit=limit,
                top_k=top_k,
                num_candidates=num_candidates,
                rerank_model=rerank_model,
                rerank=False if no_rerank else None,
                blend=blend,
                exact=exact,
                strict=strict or None,
                explain=explain,
            ):
                found = found or bool(response.hits)
                _print(response, as_json=as_json, lines=batch is not None, explain=explain, quiet=quiet)
    except KeyMissing as error:
        error.hint = f"{error.hint}; without one, this works: {_with_bundled_model(arguments)}"
        raise
    return 0 if found else 1


def _print(response: QueryResponse, *, as_json: bool, lines: bool, explain: bool, quiet: bool) -> None:
    if as_json or lines:
        print_json(response.to_dict(), lines=lines)
    elif response.hits:
        click.echo(response_text(response, explain=explain))
    warn(response.warnings, quiet=quiet)
    if not (as_json or lines):
        note(f"\n{summary_line(response)}" if response.hits else "nothing found", quiet=quiet)


def _asked(words: Sequence[str]) -> str:
    if not words:
        raise click.UsageError("no question was asked: give TEXT, `-` or --batch FILE")
    if tuple(words) != ("-",):
        return " ".join(words)
    # A character has at most four bytes, so what is longer than this is refused without being read to its end.
    data: bytes = sys.stdin.buffer.read(4 * LONGEST_QUERY + 1)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) > 4 * LONGEST_QUERY:
            return data.decode("utf-8", "replace")
        raise InvalidQuery(
            f"standard input is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error


def _questions(batch: Path) -> Iterator[str]:
    """The questions of a file, one a line; empty lines are passed over."""
    with click.open_file(str(batch), "rb") as file:
        data = file.read(LARGEST_BATCH + 1)
    if len(data) > LARGEST_BATCH:
        raise InvalidQuery(
            f"`{batch}` is larger than {LARGEST_BATCH:,} bytes", hint="split it into several files"
        )
    empty = True
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        empty = False
        try:
            yield checked_query(line)
        except InvalidQuery as error:
            raise InvalidQuery(f"line {number} of `{batch}`: {error.message}", hint=error.hint) from error
    if empty:
        raise InvalidQuery(f"`{batch}` holds no question", hint="write one question a line")


def _with_bundled_model(arguments: Sequence[str]) -> str:
    """The command as it was typed, with the bundled reranker."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument.startswith("--rerank-model="):
            skip = False
        elif argument == "--rerank-model":
            skip = True
        else:
            kept.append(argument)
    return f"`vai {shlex.join([*kept, '--rerank-model', DEFAULT_RERANKER])}`"
