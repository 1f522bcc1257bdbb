"""`vai rerank`: stage 2 alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from vai.cli.options import json_option, note, quiet_option, warn
from vai.cli.output import print_json, rerank_line, reranked_text
from vai.errors import InvalidSettings
from vai.models.catalog import DEFAULT_RERANKER, Loading, core_count, open_reranker
from vai.reranking import checked_query
from vai.reranking import rerank as reranked

LARGEST_INPUT = 64_000_000
"""Bytes of documents to rerank."""
TEXT_FIELDS = ("text", "body", "content", "passage")


@click.command()
@click.option("--query", "question", required=True, metavar="TEXT", help="What the documents should answer.")
@click.argument("documents", metavar="[DOCUMENT…]", nargs=-1)
@click.option(
    "--documents-file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Lines of text, a JSON array, or JSONL with a text field.",
)
@click.option(
    "-k", "--top-k", type=click.IntRange(min=1), metavar="N", help="Documents to return.  [default: all]"
)
@click.option(
    "-m", "--model", default=DEFAULT_RERANKER, show_default=True, metavar="NAME", help="The reranker."
)
@click.option("--strict", is_flag=True, help="End with an error if the model fails while working.")
@json_option
@quiet_option
def rerank(
    question: str,
    documents: tuple[str, ...],
    documents_file: Path | None,
    top_k: int | None,
    model: str,
    strict: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Put DOCUMENTs into the order in which they answer a query.

    The documents are arguments, a --documents-file, or standard input.
    """
    if documents and documents_file:
        raise click.UsageError("DOCUMENT and --documents-file contradict each other")
    question = checked_query(question)
    texts = documents or _read_documents(documents_file)
    reranker = open_reranker(model, Loading(core_count(), bulk=len(texts) > 200))
    response = reranked(question, texts, reranker, top_k=top_k, strict=strict)
    if as_json:
        print_json(response.to_dict())
    else:
        click.echo(reranked_text(response))
        note(f"\n{rerank_line(response.rerank)}", quiet=quiet)
    warn(response.warnings, quiet=quiet or as_json)
    return 0


def _read_documents(path: Path | None) -> Sequence[str]:
    if path is None and sys.stdin.isatty():
        raise click.UsageError("no documents: give DOCUMENT, --documents-file FILE, or standard input")
    with click.open_file(str(path or "-"), "rb") as file:
        data = file.read(LARGEST_INPUT + 1)
    name = "standard input" if path is None or str(path) == "-" else f"`{path}`"
    if len(data) > LARGEST_INPUT:
        raise InvalidSettings(f"{name} is larger than {LARGEST_INPUT:,} bytes", hint="give fewer documents")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    return parsed_documents(text, name)


def parsed_documents(text: str, name: str) -> list[str]:
    """Documents in a JSON array, in JSONL objects, or one a line.

    Raises:
        InvalidSettings: it begins like JSON and is not, or a record has no text.
    """
    begin = text.lstrip()[:1]
    if begin == "[":
        try:
            records = json.loads(text)
        except ValueError as error:
            raise InvalidSettings(f"{name} begins like a JSON array and is none: {error}") from error
        return [
            _text_of(record, f"item {number} of {name}") for number, record in enumerate(records, start=1)
        ]
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if begin != "{":
        return [line for _, line in lines]
    documents = []
    for number, line in lines:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InvalidSettings(f"line {number} of {name} is not JSON: {error}") from error
        documents.append(_text_of(record, f"line {number} of {name}"))
    return documents


def _text_of(record: object, where: str) -> str:
    if isinstance(record, str):
        return record
    if isinstance(record, dict):
        for field in TEXT_FIELDS:
            if isinstance(record.get(field), str):
                return str(record[field])
    raise InvalidSettings(
        f"{where} holds no text",
        hint=f"a document is a string, or an object with one of {', '.join(TEXT_FIELDS)}",
    )
