"""`vai models`: what can be named, what it costs and how much it reads; and what is fetched from the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vai.cli.options import json_option, note, quiet_option
from vai.cli.output import print_json, printable, size_text, table
from vai.models.catalog import DEFAULT_EMBEDDER, DEFAULT_RERANKER, ModelInfo, known_models
from vai.settings import one_of
from vai.types import Json
from vai.types import as_json as to_json

if TYPE_CHECKING:
    from vai.models.hub.cache import Pin

KINDS = ("embedder", "reranker")


ELSEWHERE = """
also by where it is: a folder (./model), the Hugging Face hub (owner/name, owner/name@revision), or a server
(tei:http://host:8080, cohere:https://host/v2/rerank#model; as an embedder openai:http://host/v1#model)"""
"""How models are named that stand in no list."""


@click.group(invoke_without_command=True, subcommand_metavar="[pull NAME…]")
@json_option
@click.pass_context
def models(context: click.Context, as_json: bool) -> int:
    """List the models that can be named.

    Those that were fetched from the hub are among them; folders and servers are named by where they are.
    `vai models pull owner/name` fetches one from the Hugging Face hub before it is used, or brings one that was
    fetched to where its branch is now.
    """
    if context.invoked_subcommand is not None:
        return 0
    known = [*known_models(), *_fetched()]
    if as_json:
        listed: list[Json] = [to_json(model) for model in known]
        print_json({"schema": "vai.models/1", "models": listed})
    else:
        header = ["name", "kind", "where", "languages", "tokens", "price", "needs"]
        click.echo(table(header, [_row(model) for model in known]))
        click.echo("\ntokens: what the model reads at most; price: in US dollars per million tokens")
        click.echo(ELSEWHERE)
    return 0


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option(
    "--kind", metavar="KIND", help="What it is, `embedder` or `reranker`, where its files do not tell."
)
@json_option
@quiet_option
@click.pass_context
def pull(context: click.Context, names: tuple[str, ...], kind: str | None, as_json: bool, quiet: bool) -> int:
    """Fetch models from the Hugging Face hub, or what has changed of them.

    NAME is `owner/name`, or `owner/name@revision` with a branch, a tag or a commit. What was fetched once is used
    without asking the hub, until it is pulled again.
    """
    from vai.models.hub.fetching import pulled

    chosen = one_of(KINDS, kind, "--kind")
    as_json = as_json or bool(context.parent and context.parent.params["as_json"])
    listed: list[Json] = []
    for name in names:
        pin = pulled(name, chosen, say=lambda said: note(said, quiet=quiet))
        listed.append(_pin_json(pin))
        if not as_json:
            click.echo(_pin_text(pin))
    if as_json:
        print_json({"schema": "vai.models.pull/1", "models": listed})
    return 0


# ── what was fetched ──


def _pin_json(pin: Pin) -> dict[str, Json]:
    return {
        "name": pin.name,
        "kind": pin.kind,
        "revision": pin.commit,
        "bytes": pin.size,
        "folder": str(pin.folder),
        "licence": pin.licence,
    }


def _pin_text(pin: Pin) -> str:
    licence = f", {printable(pin.licence)}" if pin.licence else ""
    return (
        f"{pin.name}: {pin.kind}, {size_text(pin.size)}{licence}, commit {pin.commit}\n"
        f"  {printable(str(pin.folder))}"
    )


def _fetched() -> list[ModelInfo]:
    """What was fetched from the hub, from its cache alone."""
    from vai.models.hub.cache import pins
    from vai.models.local.configs import LONGEST_READ, describe

    def tokens(pin: Pin) -> int:
        try:
            return describe(pin.folder).max_tokens
        except ValueError:  # it will be said when the model is opened
            return LONGEST_READ

    return [
        ModelInfo(
            name=pin.name,
            kind=pin.kind,
            where="hub",
            languages=pin.languages,
            dimension=None,
            max_tokens=tokens(pin),
            usd_per_million_tokens=0.0,
            needs=None,
            licence=pin.licence,
        )
        for pin in pins()
    ]


# ── the list ──


def _row(model: ModelInfo) -> list[str]:
    is_default = model.name in {DEFAULT_EMBEDDER, DEFAULT_RERANKER}
    return [
        f"{model.name} (default)" if is_default else model.name,
        model.kind,
        model.where,
        ", ".join(model.languages) or "any",
        f"{model.max_tokens:,}",
        f"${model.usd_per_million_tokens:.2f}" if model.usd_per_million_tokens else "free",
        model.needs or "",
    ]
