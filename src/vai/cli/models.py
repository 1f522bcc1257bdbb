"""`vai models`: what can be named, what it costs and how much it reads."""

from __future__ import annotations

import click

from vai.cli.options import json_option
from vai.cli.output import print_json, table
from vai.models.catalog import DEFAULT_EMBEDDER, DEFAULT_RERANKER, ModelInfo, known_models
from vai.types import Json
from vai.types import as_json as to_json


@click.command()
@json_option
def models(as_json: bool) -> int:
    """List the models that can be named."""
    known = known_models()
    if as_json:
        listed: list[Json] = [to_json(model) for model in known]
        print_json({"schema": "vai.models/1", "models": listed})
    else:
        header = ["name", "kind", "where", "languages", "tokens", "price", "needs"]
        click.echo(table(header, [_row(model) for model in known]))
        click.echo("\ntokens: what the model reads at most; price: in US dollars per million tokens")
    return 0


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
