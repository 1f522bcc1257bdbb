"""`vai rerank`: stage 2 alone."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from vai.cli.answers import nothing_relevant, rerank_line, reranked_text
from vai.cli.inputs import STANDARD_INPUT, input_name, read_input
from vai.cli.options import (
    budget_option,
    estimate_option,
    hinting_at_bundled,
    json_option,
    max_usd_option,
    note,
    number,
    quiet_option,
    warn,
    whole_number,
)
from vai.cli.output import print_json
from vai.errors import InvalidSettings
from vai.models.catalog import DEFAULT_RERANKER
from vai.parts import Parts
from vai.planning import plan_query
from vai.reranking import checked_query
from vai.reranking import rerank as reranked
from vai.settings import load_user_settings

LARGEST_INPUT = 64_000_000
"""Bytes of documents to rerank."""
_ARRAY = re.compile(r'\s*\[\s*["{\[\]]')
_OBJECT = re.compile(r'\s*\{\s*["}]')
"""How JSON begins, and a line of text like "[1] see below" does not."""
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
    "-k", "--top-k", callback=whole_number, metavar="N", help="Documents to return.  [default: all]"
)
@click.option("-m", "--model", metavar="NAME", help=f"The reranker.  [default: {DEFAULT_RERANKER}]")
@click.option(
    "--min-relevance",
    callback=number,
    metavar="0-1",
    help="Leave out documents that the model gives less; nothing left is exit code 1.",
)
@budget_option
@click.option(
    "--strict",
    is_flag=True,
    default=None,
    help="End with an error if the model does not read every document.",
)
@max_usd_option
@estimate_option
@json_option
@quiet_option
@click.pass_obj
def rerank(
    arguments: Sequence[str],
    question: str,
    documents: tuple[str, ...],
    documents_file: Path | None,
    top_k: int | None,
    model: str | None,
    min_relevance: float | None,
    budget_ms: int | None,
    strict: bool | None,
    max_usd: float | None,
    estimate: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Put DOCUMENTs into the order in which they answer a query.

    The documents are arguments, a --documents-file, or standard input. Settings hold as for `vai query`, but for those
    of a project.
    """
    from vai.documents.decoding import mended

    if documents and documents_file:
        raise click.UsageError("DOCUMENT and --documents-file contradict each other")
    if documents == ("-",):  # as TEXT of `vai query` is
        documents, documents_file = (), STANDARD_INPUT
    question = checked_query(question)
    # An argument, or an escape in JSON, can hold half a character that no model could read.
    texts = [mended(text) for text in documents or _read_documents(documents_file)]
    settings = load_user_settings(os.environ)
    plan = plan_query(
        settings,
        rerank_model=model,
        rerank=True,
        min_relevance=min_relevance,
        budget_ms=budget_ms,
        strict=strict,
    )
    parts = Parts(settings, None, max_usd=max_usd, say=partial(note, quiet=quiet))
    if estimate:
        from vai.cli.estimates import print_estimate
        from vai.estimating import estimate_rerank

        found = estimate_rerank(question, texts, reranking=parts.reranking_tariff(plan))
        print_estimate(found, as_json=as_json)
        return 0
    with hinting_at_bundled(arguments, "-m", "--model"):
        stage2 = parts.stage2(parts.open_reranker(plan), plan)
    response = reranked(
        question,
        texts,
        stage2.reranker,
        top_k=top_k,
        strict=stage2.strict,
        budget_ms=plan.budget_ms,
        min_relevance=plan.min_relevance,
        fallback=stage2.fallback,
    )
    if as_json:
        print_json(response.to_dict())
    elif response.results:
        click.echo(reranked_text(response))
        note(f"\n{rerank_line(response.rerank)}", quiet=quiet)
    elif plan.min_relevance is not None:
        note(nothing_relevant(response.rerank, plan.min_relevance), quiet=quiet)
    warn((*response.warnings, *parts.purse.warnings), quiet=quiet)
    return 0 if response.results else 1


def _read_documents(path: Path | None) -> Sequence[str]:
    if path is None and sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("no documents: give DOCUMENT, --documents-file FILE, or standard input")
    path = path or STANDARD_INPUT
    name = input_name(path)
    data = read_input(path, LARGEST_INPUT)
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
    if _ARRAY.match(text):
        records = _json(text, f"{name} begins like a JSON array and is none")
        return [
            _text_of(record, f"item {number} of {name}") for number, record in enumerate(records, start=1)
        ]
    # Not `splitlines`, which also ends a line at characters that may stand inside a JSON string.
    lines = [(number, line.rstrip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not _OBJECT.match(text):
        return [line for _, line in lines]
    return [
        _text_of(_json(line, f"line {number} of {name} is not JSON"), f"line {number} of {name}")
        for number, line in lines
    ]


def _json(text: str, complaint: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f" of line {error.lineno}" if error.lineno > 1 else ""
        fault = f"{error.msg.lower().removesuffix(' at')} at character {error.colno}{line}"
        raise InvalidSettings(f"{complaint}: {fault}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested as deep
        raise InvalidSettings(f"{complaint}: {str(error).lower()}") from error


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
