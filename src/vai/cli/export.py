"""`vai export`: chunks and vectors out of a collection."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vai.cli.options import (
    collection_option,
    filter_option,
    json_option,
    note,
    quiet_option,
    store_option,
    warn,
)
from vai.cli.output import print_json
from vai.cli.progress import bars
from vai.cli.reports import export_text
from vai.collection import Collection
from vai.errors import InvalidSettings

STANDARD_OUTPUT = Path("-")


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Write the vectors into a NumPy file of their own, row i of chunk i.",
)
@click.option("--no-vectors", is_flag=True, help="Leave the vectors out.")
@filter_option
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@collection_option
@store_option
@json_option
@quiet_option
def export(
    path: Path,
    vectors: Path | None,
    no_vectors: bool,
    filters: tuple[str, ...],
    force: bool,
    collection: str | None,
    store: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write all chunks with their vectors into FILE.

    FILE ends in .jsonl (an object on each line) or .parquet; `-` writes the lines to standard output. `vai ingest`
    reads an export back under the same ids, without a model: `--vector-field vector` for JSONL, `--vectors` where
    the vectors have a file of their own, and nothing for Parquet.
    """
    piped = path == STANDARD_OUTPUT
    if piped and as_json:
        raise InvalidSettings(
            "--json and `-` both want standard output", hint="leave `--json` out, or name a file"
        )
    with Collection.open(store, collection, create=False) as opened:
        shown = sys.stderr.isatty() and not quiet and not (piped and sys.stdout.isatty())
        total = opened.describe().chunks if shown and not filters else None
        with bars(total, shown=shown) as progress:
            report = opened.export(
                path,
                vectors=vectors,
                with_vectors=not no_vectors,
                filter=filters or None,
                force=force,
                progress=progress.chunks,
            )
    if as_json:
        print_json(report.to_dict())
    elif piped:
        note(export_text(report).replace("`-`", "standard output"), quiet=quiet)
    else:
        click.echo(export_text(report))
    warn(report.warnings, quiet=quiet)
    return 0 if report.chunks else 1
