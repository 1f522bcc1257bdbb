"""Questions of which no answers are known, in a file: one on each line, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vai.documents.decoding import as_text
from vai.errors import InvalidSettings
from vai.evaluation.data.contents import contents, text_in
from vai.evaluation.data.testsets import TestSet, question_in, records_in

_LINE = 'each line is a question, or a JSON object, as in {"query": "…"}'


def read_unjudged(path: Path) -> TestSet:
    """The questions in a file, with what is judged of them left out; ids are those in it, else the numbers of lines.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it holds no questions; the message says in which line.
    """
    data = contents(path, "file of questions")
    is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}
    found = _from_records(data, path.name) if is_json else _from_lines(data, path.name)
    queries: dict[str, str] = {}
    for query, text, where in found:
        if query in queries:
            raise InvalidSettings(f"{where} has the id of an earlier question: {query}")
        queries[query] = text
    if not queries:
        raise InvalidSettings(f"`{path}` holds no question", hint=_LINE)
    return TestSet(path.stem, queries, {query: {} for query in queries})


def _from_records(data: bytes, file_name: str) -> Iterator[tuple[str, str, str]]:
    """Id, text and place of each question; the fields may be called as in BEIR's queries.jsonl."""
    for record in records_in(data, file_name, hint=_LINE):
        where = f"line {record.line} of `{file_name}`"
        field = "text" if "query" not in record.fields and "text" in record.fields else "query"
        query = as_text(record.fields.get("id")) or as_text(record.fields.get("_id")) or str(record.place)
        yield query, question_in(record.fields.get(field), field, where), where


def _from_lines(data: bytes, file_name: str) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(text_in(data, file_name).split("\n"), start=1):
        if line.strip():
            where = f"line {number} of `{file_name}`"
            yield str(number), question_in(line.strip(), "query", where), where
