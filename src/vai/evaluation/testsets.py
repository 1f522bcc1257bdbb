"""Test sets: questions, and for each what is known to be relevant.

    FOLDER or FILE.zip    BEIR's layout: queries.jsonl and qrels/test.tsv
    FILE.jsonl, .json     {"query": …, "relevant": [ids or paths], "id"?: …} on each line, or in one list

Everything is read into memory and nothing is unpacked.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from vai.disk import reason_of
from vai.documents.decoding import as_text
from vai.documents.jsonl import read_lines, read_list
from vai.documents.records import Broken, Record
from vai.documents.source import Unfit
from vai.errors import InvalidQuery, InvalidSettings, PathNotFound
from vai.reranking import checked_query
from vai.types import Json

LARGEST_FILE = 512_000_000
"""Bytes of a file of questions or judgements, unpacked."""
QUERIES = "queries.jsonl"
_LINE = 'each line is a JSON object, as in {"query": "…", "relevant": ["an id or a path"]}'
GRADE = 1
"""Of what is named as relevant without a grade."""


@dataclass(frozen=True, slots=True)
class TestSet:
    """Questions by id, and for each the documents or chunks that were judged, by id, with their grade.

    A grade above 0 is relevant; 0 and below was looked at and found not to be. A question may have nothing relevant.
    """

    __test__: ClassVar[bool] = (
        False  # pytest takes classes called Test… for tests, wherever they are imported
    )

    name: str
    queries: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]

    @property
    def judged(self) -> list[str]:
        """Every id that was judged for one of the questions, once, in order."""
        return list(dict.fromkeys(judged for grades in self.grades.values() for judged in grades))


def read_test_set(path: Path, *, split: str = "test") -> TestSet:
    """The test set in a folder, a zip or a file, named after it.

    Args:
        split: of a set in BEIR's layout, which judgements: those in `qrels/<split>.tsv`.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it is no test set; the message says in which line of which file.
    """
    name = path.absolute().name
    if path.is_dir():
        return _beir(name, _Folder(path), split)
    if path.suffix.lower() == ".zip":
        with _opened_zip(path) as archive:
            return _beir(path.stem, archive, split)
    return _from_records(path.stem, path.name, _contents(path))


# ── questions and what is relevant, in one file ──


def _from_records(name: str, file_name: str, data: bytes) -> TestSet:
    queries: dict[str, str] = {}
    grades: dict[str, Mapping[str, int]] = {}
    for record in _records(data, file_name):
        where = f"line {record.line} of `{file_name}`"
        query = as_text(record.fields.get("id")) or str(record.place)
        if query in queries:
            raise InvalidSettings(f"{where} has the id of an earlier question: {query}")
        queries[query] = _question(record.fields.get("query"), "query", where)
        grades[query] = _relevant(record.fields.get("relevant"), where)
    if not queries:
        raise InvalidSettings(f"`{file_name}` holds no question")
    return TestSet(name, queries, grades)


def _records(data: bytes, file_name: str) -> Iterator[Record]:
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
        yield from _whole(read_lines(io.BytesIO(data)), file_name)
    except Unfit as error:
        raise InvalidSettings(f"`{file_name}` {error.reason}") from error


def _whole(records: Iterable[Record | Broken], file_name: str) -> Iterator[Record]:
    for record in records:
        if isinstance(record, Broken):
            raise InvalidSettings(
                f"in `{file_name}`, {record.reason}", hint=None if file_name == QUERIES else _LINE
            )
        yield record


def _question(value: Json, field: str, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidSettings(f"{where} has no question: its field `{field}` is no text")
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


# ── BEIR's layout ──


class _Folder:
    """The files of a set in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        return [path.relative_to(self.path).as_posix() for path in sorted(self.path.glob("qrels/*.tsv"))]

    def read(self, name: str) -> bytes:
        if not (self.path / name).exists():
            raise PathNotFound(f"there is no `{name}` in `{self.path}`")
        return _contents(self.path / name)


class _Zip:
    """The files of a set in an archive, in whichever folder of it they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = zipfile.ZipFile(path)
        found = [name for name in self._archive.namelist() if PurePosixPath(name).name == QUERIES]
        self._folder = PurePosixPath(min(found, key=lambda name: name.count("/"), default="")).parent

    def __enter__(self) -> _Zip:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def names(self) -> list[str]:
        inside = f"{self._folder / 'qrels'}/"
        found = sorted(
            name for name in self._archive.namelist() if name.startswith(inside) and name.endswith(".tsv")
        )
        return [PurePosixPath(name).relative_to(self._folder).as_posix() for name in found]

    def read(self, name: str) -> bytes:
        try:
            with self._archive.open(str(self._folder / name)) as file:
                return _bounded(file.read, f"`{name}` in `{self.path}`")
        except KeyError:
            raise PathNotFound(f"there is no `{name}` in `{self.path}`") from None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
            said = str(error).rstrip(".")
            raise InvalidSettings(f"`{name}` in `{self.path}` cannot be unpacked: {said}") from error


def _opened_zip(path: Path) -> _Zip:
    try:
        return _Zip(path)
    except FileNotFoundError as error:
        raise _nothing_at(path) from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InvalidSettings(f"`{path}` is no zip that can be read: {str(error).rstrip('.')}") from error


def _beir(name: str, files: _Folder | _Zip, split: str) -> TestSet:
    qrels = f"qrels/{split}.tsv"
    try:
        texts = dict(_beir_queries(files.read(QUERIES)))
        judgements = files.read(qrels)
    except PathNotFound as error:
        splits = ", ".join(PurePosixPath(known).stem for known in files.names())
        raise InvalidSettings(
            f"`{files.path}` is no test set in BEIR's layout: {error.message}",
            hint=f"it has judgements called {splits}" if splits else f"it needs {QUERIES} and {qrels}",
        ) from error
    grades: dict[str, dict[str, int]] = {}
    for query, judged, grade in _judgements(judgements, qrels):
        grades.setdefault(query, {})[judged] = grade
    lost = [query for query in grades if query not in texts]
    if lost:
        raise InvalidSettings(
            f"{len(lost):,} of {len(grades):,} questions judged in `{qrels}` are not in `{QUERIES}`: {lost[0]}"
        )
    if not grades:
        raise InvalidSettings(f"`{qrels}` holds no judgement")
    return TestSet(name, {query: texts[query] for query in grades}, grades)


def _beir_queries(data: bytes) -> Iterator[tuple[str, str]]:
    for record in _records(data, QUERIES):
        where = f"line {record.line} of `{QUERIES}`"
        query = as_text(record.fields.get("_id"))
        if not query:
            raise InvalidSettings(f"{where} has no `_id`")
        yield query, _question(record.fields.get("text"), "text", where)


def _judgements(data: bytes, file_name: str) -> Iterator[tuple[str, str, int]]:
    """Question, document and grade of each line; the first may be a header."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        cells = line.decode("utf-8-sig", "replace").rstrip("\r").split("\t")
        if cells == [""]:
            continue
        where = f"line {number} of `{file_name}`"
        if len(cells) != 3 or not all(cells):
            raise InvalidSettings(
                f"{where} does not have three columns: {len(cells)}",
                hint="they are the ids of a question and a document, and a grade, with tabs between them",
            )
        try:
            yield cells[0], cells[1], int(cells[2])
        except ValueError:
            if number > 1:
                raise InvalidSettings(
                    f"{where} has a grade that is no whole number: {cells[2]:.40}"
                ) from None


# ── bytes ──


def _contents(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read, f"`{path}`")
    except FileNotFoundError as error:
        raise _nothing_at(path) from error
    except OSError as error:
        raise InvalidSettings(f"`{path}` cannot be read: {reason_of(error)}") from error


def _bounded(read: Callable[[int], bytes], what: str) -> bytes:
    data = read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise InvalidSettings(f"{what} is larger than {LARGEST_FILE:,} bytes", hint="use a part of it")
    return data


def _nothing_at(path: Path) -> PathNotFound:
    return PathNotFound(
        f"there is no test set at `{path}`", hint=f"relative paths are looked up in `{Path.cwd()}`"
    )
