"""`vai ingest`: files and folders into a collection."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Unpack

import click

from vai.cli.options import (
    collection_option,
    estimate_option,
    json_option,
    max_usd_option,
    note,
    number,
    quiet_option,
    store_option,
    warn,
    whole_number,
)
from vai.cli.output import counted, print_json
from vai.cli.progress import bars
from vai.cli.reports import ingest_text
from vai.collection import Collection, located_store
from vai.errors import InvalidSettings
from vai.models.catalog import DEFAULT_EMBEDDER
from vai.planning import IngestOptions
from vai.settings import DEFAULT_CHUNK_TOKENS, DEFAULT_MAX_FILE_MB
from vai.types import IndexProgress


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@collection_option
@store_option
@click.option("--embedder", metavar="NAME", help=f"Model of a new collection.  [default: {DEFAULT_EMBEDDER}]")
@click.option(
    "--dimension",
    callback=whole_number,
    metavar="N",
    help="Dimensions of a new collection's vectors, where the model offers several.",
)
@click.option(
    "--chunk-tokens",
    callback=whole_number,
    metavar="N",
    help=f"Size of chunks.  [default: the collection's, else {DEFAULT_CHUNK_TOKENS}]",
)
@click.option(
    "--no-chunking",
    "chunking",
    is_flag=True,
    flag_value=False,
    default=None,
    help="Make every document one chunk, whatever its length; the model embeds its beginning.",
)
@click.option("--text-field", metavar="FIELD", help="Field of records that holds their text.")
@click.option("--title-field", metavar="FIELD", help="Field of records that holds their title.")
@click.option("--id-field", metavar="FIELD", help="Field of records that holds their id.  [default: _id]")
@click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Ready-made vectors of the one file of records in PATH, row i for record i; nothing is embedded.",
)
@click.option(
    "--vector-field",
    metavar="FIELD",
    help="Field of records, or column of a Parquet file, that holds ready-made vectors.  "
    "[default of Parquet: vector]",
)
@click.option(
    "--max-file-mb",
    callback=number,
    default=f"{DEFAULT_MAX_FILE_MB:g}",
    show_default=True,
    metavar="MB",
    help="Skip larger files; JSONL and CSV are read whatever their size.",
)
@max_usd_option
@estimate_option
@json_option
@quiet_option
def ingest(
    paths: tuple[Path, ...],
    collection: str | None,
    store: Path,
    embedder: str | None,
    dimension: int | None,
    vectors: Path | None,
    vector_field: str | None,
    max_usd: float | None,
    estimate: bool,
    as_json: bool,
    quiet: bool,
    **options: Unpack[IngestOptions],
) -> int:
    """Bring a collection up to date with files and folders.

    What has not changed since the last ingest costs nothing; what is gone from a folder is removed. Text,
    Markdown, reStructuredText, HTML, source code, PDF and office files become documents, and so does each
    record of a JSONL or CSV file, or of a Parquet file that is named itself. Files that .gitignore or .vaiignore
    name are left out.
    """
    if estimate and (vectors is not None or vector_field is not None):
        raise InvalidSettings(
            "--estimate has no meaning for ready-made vectors: no model is asked for them",
            hint="leave it out: importing them costs nothing",
        )
    shown = sys.stderr.isatty() and not quiet and not estimate
    indexed: list[IndexProgress] = []
    total = _total_bytes(paths, store, counted=shown)
    with (
        Collection.open(
            store,
            collection,
            embedder=embedder,
            dimension=dimension,
            max_usd=max_usd,
            say=partial(note, quiet=quiet),
        ) as opened,
        bars(total, shown=shown) as progress,
    ):

        def watch(at: IndexProgress) -> None:
            indexed[:] = [at]
            if progress.index is not None:
                progress.index(at)

        if estimate:
            from vai.cli.estimates import print_estimate

            print_estimate(opened.estimate_ingest(*paths, **options), as_json=as_json)
            return 0
        report = opened.ingest(
            *paths,
            vectors=vectors,
            vector_field=vector_field,
            progress=progress.ingest,
            index_progress=watch,
            **options,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(ingest_text(report))
    if indexed:
        note(f"the index was brought up to date with {counted(indexed[0].chunks, 'chunk')}", quiet=quiet)
    warn(report.warnings, quiet=quiet)
    return 0 if report.added + report.changed + report.unchanged + report.removed else 1


def _total_bytes(paths: tuple[Path, ...], store: Path, *, counted: bool) -> int:
    """The size of what is to be ingested, for the bar; 0 if it is not to be counted.

    It is asked before the store is opened, so that a path that is not there leaves no empty store behind.

    Raises:
        PathNotFound: one of the paths is not there.
    """
    from vai.documents import ReadOptions, SourceFile, find_sources

    found = find_sources(paths, root=located_store(store).parent, options=ReadOptions())
    return sum(source.stamp.size for source in found if isinstance(source, SourceFile)) if counted else 0
