"""A test set in a file that judgements are added to, each written at once, so that whoever stops loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from vai.disk import reason_of, write_whole
from vai.errors import InvalidQuery, InvalidSettings
from vai.evaluation.data.contents import contents, text_in
from vai.evaluation.data.testsets import TestSet, read_test_set, records_in
from vai.evaluation.data.trec import is_qrels
from vai.reranking import checked_query
from vai.types import Json

YES, PARTLY, NO = 2, 1, 0
"""Grades of answers. What stands in a list without a grade is as relevant as a yes."""

PLAIN = ".txt"
"""A list of questions, one on each line."""
IN_PLACE = (".jsonl", ".json")
"""Files that can be added to; of all others a new file is made."""


class QuestionFile:
    """Questions with what is known to be relevant, and where that is written to.

    Args:
        path: the file that is written.
        records: the questions as they stand there, with all their fields; each has an `id` and a `relevant`.
        as_list: whether the file is one JSON list, and not one object on each line.
    """

    def __init__(
        self, path: Path, name: str, records: list[dict[str, Json]], *, as_list: bool = False
    ) -> None:
        self.path = path
        self.name = name
        self._records = {str(record["id"]): record for record in records}
        self._as_list = as_list

    @classmethod
    def open(cls, path: Path, output: Path | None = None) -> Self:
        """The questions in any test set, or in a `.txt` with one on each line.

        Args:
            output: the file to write; by default a JSON file itself, and for a list of questions one beside it.

        Raises:
            PathNotFound: there is no such file.
            InvalidSettings: it is no test set; or `output` is there already, or missing where it is needed.
        """
        if path.suffix.lower() == PLAIN and path.is_file():
            data = contents(path)
            if not is_qrels(data):
                target = _new(output or path.with_suffix(".jsonl"))
                return cls(target, path.stem, list(_plain(text_in(data, path.name), path.name)))
        test_set = read_test_set(path)
        if path.suffix.lower() in IN_PLACE and path.is_file():
            data = contents(path)
            records = [
                {**record.fields, "id": query}
                for query, record in zip(test_set.queries, records_in(data, path.name), strict=True)
            ]
            as_list = data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
            target = path if output is None or output == path else _new(output)
            return cls(target, test_set.name, records, as_list=as_list)
        if output is None:
            raise InvalidSettings(
                f"judgements cannot be added to `{path}`",
                hint="`--output FILE.jsonl` names a new file for all of it",
            )
        return cls(_new(output), test_set.name, list(_records(test_set)))

    @property
    def test_set(self) -> TestSet:
        """What is in the file now."""
        return TestSet(
            self.name,
            {query: str(record["query"]) for query, record in self._records.items()},
            {query: _grades(record) for query, record in self._records.items()},
        )

    def judge(self, query: str, unit: str, grade: int | None) -> None:
        """Note a judgement, or take it back with None, and write the file.

        Raises:
            InvalidSettings: it cannot be written; what was written before stays.
        """
        record = self._records[query]
        grades = {judged: known for judged, known in _grades(record).items() if judged != unit}
        record["relevant"] = grades if grade is None else {**grades, unit: grade}
        self._write()

    def _write(self) -> None:
        records = [json.dumps(record, ensure_ascii=False) for record in self._records.values()]
        text = "[\n" + ",\n".join(records) + "\n]" if self._as_list else "\n".join(records)
        try:
            write_whole(self.path, f"{text}\n")
        except OSError as error:
            raise InvalidSettings(f"`{self.path}` cannot be written: {reason_of(error)}") from error


def _new(path: Path) -> Path:
    if path.suffix.lower() not in IN_PLACE:
        raise InvalidSettings(f"judgements are written into a file whose name ends in `.jsonl`: {path}")
    if path.exists():
        raise InvalidSettings(f"`{path}` is there already", hint=f"`vai judge {path}` goes on with it")
    return path


def _plain(text: str, name: str) -> Iterator[dict[str, Json]]:
    """The questions on the lines of a text; empty lines are passed over."""
    empty = True
    for line, question in enumerate(text.split("\n"), start=1):
        if not question.strip():
            continue
        try:
            yield {"query": checked_query(question), "relevant": [], "id": str(line)}
        except InvalidQuery as error:
            raise InvalidSettings(f"line {line} of `{name}`: {error.message}", hint=error.hint) from error
        empty = False
    if empty:
        raise InvalidSettings(f"`{name}` holds no question", hint="write one question a line")


def _records(test_set: TestSet) -> Iterator[dict[str, Json]]:
    """A test set in another form; where no grade is above 1 it only says what is relevant, and so do the records."""
    top = max((grade for grades in test_set.grades.values() for grade in grades.values()), default=0)
    for query, text in test_set.queries.items():
        grades = test_set.grades[query]
        scaled = {judged: YES if top == 1 and grade == 1 else grade for judged, grade in grades.items()}
        yield {"query": text, "relevant": scaled, "id": query}


def _grades(record: Mapping[str, Json]) -> dict[str, int]:
    match record["relevant"]:
        case list() as names:
            return dict.fromkeys(map(str, names), YES)
        case dict() as grades:
            return {str(judged): int(str(grade)) for judged, grade in grades.items()}
        case _:
            return {}
