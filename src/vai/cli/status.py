"""`vai status`: what is stored, by which model, how large, how fresh."""

from __future__ import annotations

from pathlib import Path

import click

from vai.cli.collections import complain_of, row_of
from vai.cli.options import json_option, store_option
from vai.cli.output import print_json, printable, size_text, table
from vai.collection import Collection, located_store, survey_collections
from vai.errors import StoreFailure
from vai.types import WHOLE, CollectionInfo, DamagedCollection, Freshness, IndexInfo, Json
from vai.types import as_json as to_json

Described = tuple[CollectionInfo, Freshness, IndexInfo]


@click.command()
@store_option
@json_option
def status(store: Path, as_json: bool) -> int:
    """Show what the store holds."""
    folder = located_store(store)
    described, damaged = _described(folder)
    if as_json:
        print_json(
            {
                "schema": "vai.status/1",
                "store": str(folder),
                "collections": [_row(*one) for one in described],
                "damaged": [to_json(item) for item in damaged],
            }
        )
    elif described or not damaged:
        click.echo(f"store {printable(str(folder))}\n\n{_text(described)}")
    return complain_of(damaged)


def _described(folder: Path) -> tuple[list[Described], list[DamagedCollection]]:
    """The collections with how fresh they are, and those that cannot be read."""
    whole, unreadable = survey_collections(folder)
    described = []
    damaged = list(unreadable)
    for info in whole:
        try:
            with Collection.open(folder, info.name, create=False) as collection:
                described.append((info, collection.freshness(), collection.index()))
        except StoreFailure as error:
            damaged.append(DamagedCollection(info.name, error.message, error.hint))
    return described, damaged


def _row(info: CollectionInfo, fresh: Freshness, index: IndexInfo) -> dict[str, Json]:
    return {**row_of(info), **to_json(fresh), "index": index.state}


def _text(described: list[Described]) -> str:
    if not described:
        return "no collections yet: `vai ingest PATH` makes one"
    rows = [
        [
            info.name,
            f"{info.sources:,}",
            f"{info.documents:,}",
            _chunks_text(info),
            info.provenance.embedder,
            size_text(info.bytes),
            info.updated[:16].replace("T", " "),
            _index_text(index),
            _fresh_text(fresh),
        ]
        for info, fresh, index in described
    ]
    header = "collection,sources,documents,chunks,embedder,size,updated (UTC),index,since then"
    return table(header.split(","), rows)


def _chunks_text(info: CollectionInfo) -> str:
    return (
        f"{info.chunks:,}, whole documents" if info.provenance.chunk_tokens == WHOLE else f"{info.chunks:,}"
    )


def _index_text(index: IndexInfo) -> str:
    if index.state != "fresh":
        return index.state
    return f"{index.precision}, {index.unindexed:,} beside it" if index.unindexed else f"{index.precision}"


def _fresh_text(fresh: Freshness) -> str:
    """What has become of the sources; files that are new are not looked for."""
    said = [f"{fresh.changed:,} changed"] * bool(fresh.changed) + [f"{fresh.gone:,} gone"] * bool(fresh.gone)
    return ", ".join(said) or "all unchanged"
