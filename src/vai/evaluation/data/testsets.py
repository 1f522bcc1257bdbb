"""Test sets: questions, and for each what is known to be relevant.

    FOLDER or FILE.zip    BEIR's layout: queries.jsonl and qrels/test.tsv                           beir.py
    QRELS with TOPICS     TREC's files, or a folder with one qrels* and one topics*                 trec.py, topics.py
    FILE.jsonl, .json     {"query": …, "relevant": [ids or paths], "id"?: …} on each line, or in one list

What a file is, is told by what is in it. Everything is read into memory and nothing is unpacked onto the disk.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vai.documents.decoding import as_text
from vai.documents.jsonl import read_lines, read_list
from vai.documents.records import Broken, Record
from vai.documents.source import Unfit
from vai.errors import InvalidQuery, InvalidSettings
from vai.evaluation.data.contents import contents
from vai.reranking import checked_query
from vai.types import Json

_LINE = 'each line is a JSON object, as in {"query": "…", "relevant": ["an id or a path"]}'
GRADE = 1
"""Of what is named as relevant without a grade."""


@dataclass(frozen=True, slots=True)
class TestSet:
    """Questions by id, and for each the documents or chunks that were judged, by id, with their grade.

    A grade above 0 is relevant; 0 and below was looked at and found not to be. A question may have nothing relevant.
    With `own_documents`, a document with a question's own id is not an answer to it. `synthetic` are questions that
    were made from the text that answers them.
    """

    __test__: ClassVar[bool] = (
        False  # pytest takes classes called Test… for tests, wherever they are imported
    )

    name: str
    queries: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]
    own_documents: bool = False
    synthetic: frozenset[str] = frozenset()

    @property
    def judged(self) -> list[str]:
        """Every id that was judged for one of the questions, once, in order."""
        return list(dict.fromkeys(judged for grades in self.grades.values() for judged in grades))


def read_test_set(path: Path, *, split: str = "test", topics: Path | None = None) -> TestSet:
    """The test set in a folder, a zip or a file, named after it.

    Args:
        split: of a set in BEIR's layout, which judgements: those in `qrels/<split>.tsv`.
        topics: of judgements in TREC's form, the file with the questions.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it is no test set; the message says in which line of which file.
    """
    from vai.evaluation.data.beir import is_beir, read_beir
    from vai.evaluation.data.trec import is_qrels, qrels_in, read_judged

    if is_beir(path) or (path.is_dir() and not qrels_in(path)):
        _refuse(topics, f"`{path}` is in BEIR's layout, which has its questions in queries.jsonl")
        return read_beir(path, split)
    if path.is_dir():
        return read_judged(path, topics)
    data = contents(path)
    if is_qrels(data):
        return read_judged(path, topics)
    _refuse(topics, f"`{path}` holds no judgements in TREC's form")
    return _from_records(path.stem, path.name, data)


def _refuse(topics: Path | None, why: str) -> None:
    if topics is not None:
        raise InvalidSettings(
            f"{why}, and --topics {topics} does not go with it",
            hint="`--topics` goes with judgements whose lines are `question 0 document grade`",
        )


def judged_set(
    name: str,
    texts: Mapping[str, str],
    grades: Mapping[str, Mapping[str, int]],
    *,
    judged_in: str,
    asked_in: str,
    own_documents: bool = False,
) -> TestSet:
    """A test set of judgements and questions from two files, which the last arguments name.

    Questions that were not judged are left out.

    Raises:
        InvalidSettings: there is no judgement, or a question that was judged is not there.
    """
    lost = [query for query in grades if query not in texts]
    if lost:
        raise InvalidSettings(
            f"{len(lost):,} of {len(grades):,} questions judged in `{judged_in}` are not in `{asked_in}`: {lost[0]}"
        )
    if not grades:
        raise InvalidSettings(f"`{judged_in}` holds no judgement")
    return TestSet(name, {query: texts[query] for query in grades}, grades, own_documents)


# ── questions and what is relevant, in one file ──


def _from_records(name: str, file_name: str, data: bytes) -> TestSet:
    queries: dict[str, str] = {}
    grades: dict[str, Mapping[str, int]] = {}
    synthetic = set()
    for record in records_in(data, file_name, hint=_LINE):
        where = f"line {record.line} of `{file_name}`"
        query = as_text(record.fields.get("id")) or str(record.place)
        if query in queries:
            raise InvalidSettings(
                f"{where} has the id of an earlier question: {query}",
                hint="give each question an id of its own, or none",
            )
        queries[query] = question_in(record.fields.get("query"), "query", where)
        grades[query] = _relevant(record.fields.get("relevant"), where)
        if record.fields.get("synthetic") is True:
            synthetic.add(query)
    if not queries:
        raise InvalidSettings(f"`{file_name}` holds no question", hint=_LINE)
    return TestSet(name, queries, grades, synthetic=frozenset(synthetic))


def records_in(data: bytes, file_name: str, *, hint: str | None = None) -> Iterator[Record]:
    """The JSON objects that stand on the lines, or in the one list, of a file.

    Raises:
        InvalidSettings: one is none; the message names the line, and has the hint.
    """
    try:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            records = read_list(data)
            if records is None:
                raise InvalidSettings(
                    f"`{file_name}` is not a list of JSON objects, though it begins like one",
                    hint="with one object on each line instead, a line that is wrong is named",
                )
            yield from records
            return
        yield from _whole(read_lines(io.BytesIO(data)), file_name, hint)
    except Unfit as error:
        raise InvalidSettings(f"`{file_name}` {error.reason}", hint=hint) from error


def _whole(records: Iterable[Record | Broken], file_name: str, hint: str | None) -> Iterator[Record]:
    for record in records:
        if isinstance(record, Broken):
            raise InvalidSettings(f"in `{file_name}`, {record.reason}", hint=hint)
        yield record


def question_in(value: Json, field: str, where: str) -> str:
    """The question that a field holds. Raises `InvalidSettings` if it holds none; `where` says where that is."""
    if not isinstance(value, str):
        why = f"it has no field `{field}`" if value is None else f"its field `{field}` is no text"
        raise InvalidSettings(f"{where} has no question: {why}", hint=f'write it as in {{"{field}": "…"}}')
    try:
        return checked_query(value)
    except InvalidQuery as error:
        raise InvalidSettings(f"{where}: {error.message}", hint=error.hint) from error


def _relevant(value: Json, where: str) -> Mapping[str, int]:
    """Ids with their grades, from a list of ids or an object that gives each its grade."""
    match value:
        case list() if all(isinstance(item, str) and item for item in value):
            return dict.fromkeys(map(str, value), GRADE)
        case dict() if all(type(grade) is int for grade in value.values()):
            return {str(judged): int(str(grade)) for judged, grade in value.items()}
        case _:
            raise InvalidSettings(
                f"{where} does not say what is relevant",
                hint='`"relevant"` is a list of ids or paths, or an object of ids with whole numbers as grades',
            )
