"""`vai delete`: documents out of a collection."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vai.cli.confirming import confirmed, require_somebody_to_ask
from vai.cli.options import (
    collection_option,
    filter_option,
    json_option,
    note,
    quiet_option,
    store_option,
    warn,
    yes_option,
)
from vai.cli.output import print_json
from vai.cli.progress import bars
from vai.cli.reports import delete_remarks, delete_text
from vai.collection import Collection
from vai.types import DeleteReport


@click.command()
@click.argument("paths", metavar="[PATH…]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--id", "ids", multiple=True, metavar="ID", help="A document, by its id; can be repeated.")
@filter_option
@collection_option
@store_option
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@yes_option
@json_option
@quiet_option
def delete(
    paths: tuple[Path, ...],
    ids: tuple[str, ...],
    filters: tuple[str, ...],
    collection: str | None,
    store: Path,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Delete documents by file or folder, by id, or by a filter.

    Say it in one of these three ways. The files themselves are left alone, so that those which are still there
    come back with the next ingest unless .vaiignore names them. On a terminal you are asked first; elsewhere
    --yes is needed.
    """
    with Collection.open(store, collection, create=False) as opened:

        def run(*, dry: bool) -> DeleteReport:
            with bars(shown=sys.stderr.isatty() and not quiet and not dry) as progress:
                return opened.delete(
                    ids=ids, paths=paths, filter=filters or None, dry_run=dry, index_progress=progress.index
                )

        report = run(dry=dry_run or not yes)
        if report.sources and not dry_run and not yes:
            require_somebody_to_ask(yes=yes)
            click.echo(delete_text(report), err=True)
            if not confirmed("delete?", yes=yes):
                note("nothing was deleted", quiet=quiet)
                return 1
            report = run(dry=False)
    _print(report, perhaps_ids=_are_nowhere(paths), as_json=as_json, quiet=quiet)
    return 0 if report.sources else 1


def _are_nowhere(paths: tuple[Path, ...]) -> bool:
    """Whether paths were named, and none of them is there."""
    return bool(paths) and not any(path.exists() for path in paths)


def _print(report: DeleteReport, *, perhaps_ids: bool, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(delete_text(report))
    for remark in delete_remarks(report, perhaps_ids=perhaps_ids):
        note(remark, quiet=quiet)
    warn(report.warnings, quiet=quiet)
