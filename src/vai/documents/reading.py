"""One file → its documents, by the reader that the walk chose for it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from vai.documents.formats import STREAMED, suffix_of
from vai.documents.source import ReadOptions, SourceFile, Unfit, too_large, unreadable
from vai.freshness import stamp_from, stamp_of
from vai.types import Document, Skipped, Stamp

if TYPE_CHECKING:
    from vai.documents.records import Broken, Record

CHANGED = "changed while it was read"
ATTEMPTS = 2
"""How often a file is read that changes meanwhile."""

VERSIONS: Mapping[str, int] = {
    "text": 1,
    "markdown": 1,
    "rst": 1,
    "code": 1,
    "html": 1,
    "mail": 1,
    "office": 1,
    "json": 1,
    "jsonl": 1,
    "csv": 1,
    "parquet": 1,
}
"""Every reader, with a number that grows when it makes something else of the same file."""

RECORDS = frozenset(("json", "jsonl", "csv", "parquet"))
"""The readers that the flags about fields concern."""


def read_documents(source: SourceFile, options: ReadOptions) -> Iterator[Document | Skipped]:
    """What a file holds, as it is read, and what of it was skipped; nothing about the file is raised."""
    try:
        if source.reader in STREAMED:
            yield from _streamed(source, options)
        else:
            yield from _whole(source, options)
    except Unfit as unfit:
        yield Skipped(source.name, unfit.reason, unfit.kept)
    except (FileNotFoundError, NotADirectoryError):
        yield Skipped(source.name, "was removed before it was read", kept=False)
    except OSError as error:
        yield Skipped(source.name, unreadable(error), kept=True)
    except Exception as error:  # noqa: BLE001 - one file must not end an ingest
        yield Skipped(source.name, f"its reader failed: {type(error).__name__}: {error}"[:300], kept=True)


def recipe(source: SourceFile, options: ReadOptions) -> str:
    """Digest of what decides, besides its bytes, what a file becomes: the reader and the flags it heeds."""
    parts: list[object] = [source.reader, VERSIONS[source.reader]]
    if source.reader in RECORDS:
        parts += [options.text_field, options.title_field, options.id_field]
    if source.reader == "office":
        from vai.documents.office import library_version

        parts.append(library_version())
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()


def _whole(source: SourceFile, options: ReadOptions) -> Iterator[Document | Skipped]:
    data = _settled(source, options.max_file_bytes)
    if not data:
        raise Unfit("is empty", kept=False)
    if source.reader == "json":
        yield from _list_or_text(source, data, options)
        return
    document = _reader(source.reader)(source, data)
    if not document.text.strip():
        raise Unfit("holds nothing but white space", kept=False)
    yield document


def _reader(name: str) -> Callable[[SourceFile, bytes], Document]:
    """The reader of that name; each comes with what it needs."""
    from vai.documents import text

    match name:
        case "markdown":
            return text.read_markdown
        case "rst":
            return text.read_rst
        case "code":
            return text.read_code
        case "html":
            from vai.documents.html import read_html

            return read_html
        case "mail":
            from vai.documents.mail import read_mail

            return read_mail
        case "office":
            from vai.documents.office import read_office

            return read_office
        case _:
            return text.read_text


def _list_or_text(source: SourceFile, data: bytes, options: ReadOptions) -> Iterator[Document | Skipped]:
    from vai.documents.jsonl import read_list
    from vai.documents.records import record_documents
    from vai.documents.text import read_text

    records = read_list(data)
    if records is None:
        yield read_text(source, data)
    else:
        yield from record_documents(source, records, options)


def _streamed(source: SourceFile, options: ReadOptions) -> Iterator[Document | Skipped]:
    from vai.documents.records import record_documents

    with opened_records(source) as records:
        yield from record_documents(source, records, options)


@contextmanager
def opened_records(source: SourceFile) -> Iterator[Iterator[Record | Broken]]:
    """The records of a file that is read as it goes.

    Raises:
        Unfit: it cannot be read, or changed meanwhile, which shows only at the end.
        MissingPart: its format needs a package that is not installed.
    """
    with source.path.open("rb") as file:
        before = _stamp_of_open(file)
        with closing(_record_reader(source)(file)) as records:
            yield records
        if _stamp_now(source) != before:
            raise Unfit(CHANGED, kept=True)


def _record_reader(source: SourceFile) -> Callable[[BinaryIO], Generator[Record | Broken, None, None]]:
    match source.reader:
        case "jsonl":
            from vai.documents.jsonl import read_lines

            return read_lines
        case "parquet":
            from vai.documents.parquet import read_parquet

            return read_parquet
        case _:
            from vai.documents.tables import read_rows

            return partial(read_rows, tabs=suffix_of(source.file_name) == "tsv")


def _settled(source: SourceFile, limit: int) -> bytes:
    """The bytes of a file that stayed the same while they were read."""
    for _ in range(ATTEMPTS):
        with source.path.open("rb") as file:
            before = _stamp_of_open(file)
            data = file.read(limit + 1)
        if len(data) > limit:  # it has grown since the walk
            raise Unfit(too_large(max(before.size, len(data)), limit), kept=False)
        if stamp_of(source.path) == before:
            return data
    raise Unfit(CHANGED, kept=True)


def _stamp_of_open(file: BinaryIO) -> Stamp:
    return stamp_from(os.fstat(file.fileno()))


def _stamp_now(source: SourceFile) -> Stamp | None:
    try:
        return stamp_of(source.path)
    except FileNotFoundError:
        return None
