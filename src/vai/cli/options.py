"""Flags that several commands share, and how the values of flags are read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from vai.errors import InvalidSettings, KeyMissing
from vai.models.catalog import DEFAULT_RERANKER
from vai.settings import DEFAULT_LIMIT, DEFAULT_STAGE1, DEFAULT_TOP_K, STORE_FOLDER

Command = TypeVar("Command", bound=Callable[..., Any])

# ── values ──


def whole_number(_: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A flag's value as an integer."""
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        raise InvalidSettings(f"{parameter.opts[-1]} must be a whole number: {value:.40}") from None


def number(_: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A flag's value as a number."""
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        raise InvalidSettings(f"{parameter.opts[-1]} must be a number: {value:.40}") from None


def _store(_: click.Context, __: click.Parameter, value: str | None) -> Path:
    """The store that was named, as an absolute path; what stands for "find it" where none was."""
    if value is None:
        return Path(STORE_FOLDER)
    if not value:
        raise InvalidSettings("--store names no folder: it is empty")
    return Path(value).expanduser().absolute()


# ── flags ──


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several flags as one decorator, in the order in which `--help` lists them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


store_option = click.option(
    "--store",
    metavar="DIR",
    callback=_store,
    help="Folder of the store.  [default: VAI_STORE, else the nearest .vai upward]",
)
collection_option = click.option(
    "--collection", metavar="NAME", help="Collection in the store.  [default: the one called default]"
)
filter_option = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="Only what this lets through: `field=value`, also with != < <= > >= or ~ for a glob; or a JSON object in "
    "MongoDB's notation. Given several times, all have to hold.",
)
exact_option = click.option("--exact", is_flag=True, help="Compare every vector, whatever index there is.")
budget_option = click.option(
    "--budget-ms",
    callback=whole_number,
    metavar="MS",
    help="Time for the answer; what stage 2 has not read by then follows in stage 1's order.",
)
no_cache_option = click.option(
    "--no-cache",
    "cache",
    is_flag=True,
    flag_value=False,
    default=None,
    help="Read every candidate anew, and keep nothing of it.",
)
query_embedder_option = click.option(
    "--query-embedder",
    metavar="NAME",
    help="Embed the query with another model of the same space, such as a smaller one of Voyage's.",
)
max_usd_option = click.option(
    "--max-usd", callback=number, metavar="USD", help="What models may cost at most, in this run."
)
estimate_option = click.option(
    "--estimate", is_flag=True, help="Say what models would cost, and call none of them."
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
limit_option = click.option(
    "-l",
    "--limit",
    callback=whole_number,
    metavar="N",
    help=f"Candidates that stage 1 keeps.  [default: {DEFAULT_LIMIT}]",
)
top_k_option = click.option(
    "-k",
    "--top-k",
    callback=whole_number,
    metavar="N",
    help=f"Hits to return.  [default: {DEFAULT_TOP_K}]",
)
num_candidates_option = click.option(
    "--num-candidates",
    callback=whole_number,
    metavar="N",
    help="Depth of the approximate search.  [default: 20 × limit, at most 10,000]",
)
stage1_options = together(
    click.option(
        "--stage1",
        metavar="MODE",
        help=f"Find candidates by `vector`, `words` or `hybrid`.  [default: {DEFAULT_STAGE1.mode}]",
    ),
    click.option(
        "--fusion",
        metavar="HOW",
        help=f"Join vectors and words by `scores` or `ranks`.  [default: {DEFAULT_STAGE1.fusion}]",
    ),
    click.option(
        "--words-weight",
        callback=number,
        metavar="W",
        help="What the best BM25 score counts beside a similarity of 1.  "
        f"[default: {DEFAULT_STAGE1.words_weight:g}]",
    ),
)
stage2_options = together(
    click.option("--rerank-model", metavar="NAME", help=f"Model of stage 2.  [default: {DEFAULT_RERANKER}]"),
    click.option(
        "--no-rerank", "rerank", is_flag=True, flag_value=False, default=None, help="Leave stage 2 out."
    ),
    click.option(
        "--blend",
        callback=number,
        metavar="0-1",
        help="Share of stage 1 in the final order.  [default: the model's own]",
    ),
    click.option(
        "--min-relevance",
        callback=number,
        metavar="0-1",
        help="Leave out hits that stage 2 gives less; where none is left, `vai query` ends with exit code 1.",
    ),
)
configuration_options = together(
    limit_option, top_k_option, num_candidates_option, stage1_options, filter_option, stage2_options
)
"""All that decides which hits a query has; the names of its parameters are those of `QueryOptions`, but for
`filters`."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print results and errors, no remarks and no progress."
)


# ── remarks ──


def note(message: str, *, quiet: bool = False) -> None:
    """Say something that is not a result, on standard error."""
    if not quiet:
        click.echo(message, err=True)


def warn(warnings: tuple[str, ...], *, quiet: bool, about: str = "") -> None:
    """Say each warning on standard error, with what it is about before it."""
    for warning in warnings:
        note(f"warning: {about}{warning}", quiet=quiet)


@contextmanager
def hinting_at_bundled(arguments: Sequence[str], *flags: str) -> Iterator[None]:
    """Where a key is missing, the hint has the command that works without one."""
    try:
        yield
    except KeyMissing as error:
        error.hint = f"{error.hint}; without one, this works: {with_bundled_reranker(arguments, *flags)}"
        raise


def with_bundled_reranker(arguments: Sequence[str], *flags: str) -> str:
    """The command as it was typed, but with the bundled reranker as the value of one of the `flags`."""
    before = list(arguments)
    after: list[str] = []
    if "--" in before:
        cut = before.index("--")
        before, after = before[:cut], before[cut:]
    kept: list[str] = []
    words = iter(before)
    for word in words:
        if word in flags:
            next(words, None)
        elif not word.startswith(tuple(f"{flag}=" for flag in flags)):
            kept.append(word)
    return f"`vai {shlex.join([*kept, flags[0], DEFAULT_RERANKER, *after])}`"
