"""`vai collections`: what collections a store holds, and removing one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from vai.cli.confirming import confirmed, require_somebody_to_ask
from vai.cli.options import json_option, note, quiet_option, store_option, yes_option
from vai.cli.output import counted, print_json, printable, size_text, table
from vai.collection import drop_collection, located_store, survey_collections
from vai.errors import CollectionNotFound, StoreFailure
from vai.types import CollectionInfo, DamagedCollection, Json
from vai.types import as_json as to_json


@click.command()
@store_option
@click.option("--drop", metavar="NAME", help="Remove this collection with all it holds; the files stay.")
@yes_option
@json_option
@quiet_option
def collections(store: Path, drop: str | None, yes: bool, as_json: bool, quiet: bool) -> int:
    """List the collections of the store, or remove one.

    Unlike `vai status`, this does not look at the files that they were made from.
    """
    folder = located_store(store)
    whole, damaged = survey_collections(folder)
    if drop is not None:
        question = _question(drop, whole, damaged)
        require_somebody_to_ask(yes=yes)
        if not confirmed(question, yes=yes):
            note("nothing was removed", quiet=quiet)
            return 1
        drop_collection(drop, folder)
        note(f"`{drop}` was removed", quiet=quiet)
        whole, damaged = survey_collections(folder)
    if as_json:
        print_json(_json(folder, whole, damaged, drop))
    elif whole or not damaged:
        click.echo(f"store {printable(str(folder))}\n\n{_text(whole)}")
    return complain_of(damaged)


def complain_of(damaged: Sequence[DamagedCollection]) -> int:
    """Name the collections that cannot be read, on standard error; returns the exit code."""
    for item in damaged:
        click.echo(f"error: the collection `{item.name}` cannot be read: {item.fault}", err=True)
        if item.hint:
            click.echo(f"hint: {item.hint}", err=True)
    return StoreFailure.exit_code if damaged else 0


def _question(name: str, whole: Sequence[CollectionInfo], damaged: Sequence[DamagedCollection]) -> str:
    """What there is to lose.

    Raises:
        CollectionNotFound: there is none of that name.
    """
    for info in whole:
        if info.name == name:
            return f"remove `{name}` with {counted(info.documents, 'document')} ({counted(info.chunks, 'chunk')})?"
    if any(item.name == name for item in damaged):
        return f"remove `{name}`, which cannot be read?"
    raise CollectionNotFound(
        f"there is no collection `{name}` in the store", hint="`vai collections` lists those there are"
    )


def _json(
    folder: Path,
    whole: Sequence[CollectionInfo],
    damaged: Sequence[DamagedCollection],
    dropped: str | None,
) -> dict[str, Json]:
    return {
        "schema": "vai.collections/1",
        "store": str(folder),
        "collections": [row_of(info) for info in whole],
        "damaged": [to_json(item) for item in damaged],
        "dropped": dropped,
    }


def row_of(info: CollectionInfo) -> dict[str, Json]:
    """A collection as JSON, what its vectors were made with beside the rest."""
    values = to_json(info)
    del values["provenance"]
    return {**values, **to_json(info.provenance)}


def _text(whole: Sequence[CollectionInfo]) -> str:
    if not whole:
        return "no collections yet: `vai ingest PATH` makes one"
    rows = [
        [
            info.name,
            f"{info.documents:,}",
            f"{info.chunks:,}",
            info.provenance.embedder,
            size_text(info.bytes),
            info.updated[:16].replace("T", " "),
        ]
        for info in whole
    ]
    return table(["collection", "documents", "chunks", "embedder", "size", "updated (UTC)"], rows)
