"""BEIR's layout, in a folder or a zip: corpus.jsonl, queries.jsonl and qrels/<split>.tsv (Thakur et al. 2021).

Nothing is unpacked onto the disk but what `vai.evaluation.data.corpora` copies.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from vai.documents.decoding import as_text
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.data.contents import bounded, contents, nothing_at
from vai.evaluation.data.testsets import TestSet, judged_set, question_in, records_in

QUERIES = "queries.jsonl"
CORPUS = "corpus.jsonl"
BLOCK = 2**20
"""Bytes unpacked at a time of what is not held in memory."""


def is_beir(path: Path) -> bool:
    """Whether a path is a set in this layout, or a zip, which can be nothing else."""
    return (path / QUERIES).is_file() if path.is_dir() else path.suffix.lower() == ".zip"


def read_beir(path: Path, split: str) -> TestSet:
    """The questions that `qrels/<split>.tsv` judges; a question's own document is no answer, as BEIR evaluates.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it is no test set; the message says in which line of which file.
    """
    if path.is_dir():
        return _test_set(path.absolute().name, BeirFolder(path), split)
    with opened_zip(path) as archive:
        return _test_set(path.stem, archive, split)


class BeirFolder:
    """The files of a set in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """The files of judgements."""
        return [path.relative_to(self.path).as_posix() for path in sorted(self.path.glob("qrels/*.tsv"))]

    def read(self, name: str) -> bytes:
        """All of a file. Raises `PathNotFound` if it is not there."""
        if not (self.path / name).exists():
            raise PathNotFound(f"there is no `{name}` in `{self.path}`")
        return contents(self.path / name)


class BeirZip:
    """The files of a set in an archive, in whichever folder of it they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = zipfile.ZipFile(path)
        found = [name for name in self._archive.namelist() if PurePosixPath(name).name == QUERIES]
        self._folder = PurePosixPath(min(found, key=lambda name: name.count("/"), default="")).parent

    def __enter__(self) -> BeirZip:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def names(self) -> list[str]:
        """The files of judgements."""
        inside = f"{self._folder / 'qrels'}/"
        found = sorted(
            name for name in self._archive.namelist() if name.startswith(inside) and name.endswith(".tsv")
        )
        return [PurePosixPath(name).relative_to(self._folder).as_posix() for name in found]

    def info(self, name: str) -> zipfile.ZipInfo:
        """What the archive says of a file. Raises `PathNotFound` if it is not there."""
        try:
            return self._archive.getinfo(str(self._folder / name))
        except KeyError:
            raise PathNotFound(f"there is no `{name}` in `{self.path}`") from None

    def read(self, name: str) -> bytes:
        """All of a file. Raises as `opened`, and `InvalidSettings` if it is too large."""
        with self.opened(name) as file:
            return bounded(file.read, f"`{name}` in `{self.path}`")

    def blocks(self, name: str) -> Iterator[bytes]:
        """All of a file, however large, a piece at a time. Raises as `opened`."""
        with self.opened(name) as file:
            while block := file.read(BLOCK):
                yield block

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """A file, unpacked while it is read.

        Raises:
            PathNotFound: it is not there.
            InvalidSettings: it cannot be unpacked.
        """
        info = self.info(name)
        try:
            with self._archive.open(info) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
            said = str(error).rstrip(".")
            raise InvalidSettings(f"`{name}` in `{self.path}` cannot be unpacked: {said}") from error


def opened_zip(path: Path) -> BeirZip:
    """The archive at a path, to be closed.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it is no archive.
    """
    try:
        return BeirZip(path)
    except FileNotFoundError as error:
        raise nothing_at(path, "test set") from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InvalidSettings(f"`{path}` is no zip that can be read: {str(error).rstrip('.')}") from error


def judgements(data: bytes, file_name: str) -> Iterator[tuple[str, str, int]]:
    """Question, document and grade of each line; the first may be a header.

    Raises:
        InvalidSettings: a line is wrong, which the message names.
    """
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


def questions(data: bytes, file_name: str = QUERIES) -> Iterator[tuple[str, str]]:
    """Id and text of each question in a queries.jsonl.

    Raises:
        InvalidSettings: a line is wrong, which the message names.
    """
    for record in records_in(data, file_name):
        where = f"line {record.line} of `{file_name}`"
        query = as_text(record.fields.get("_id"))
        if not query:
            raise InvalidSettings(f"{where} has no `_id`")
        yield query, question_in(record.fields.get("text"), "text", where)


def _test_set(name: str, files: BeirFolder | BeirZip, split: str) -> TestSet:
    qrels = f"qrels/{split}.tsv"
    try:
        texts = _once(questions(files.read(QUERIES)))
        judged = files.read(qrels)
    except PathNotFound as error:
        splits = ", ".join(PurePosixPath(known).stem for known in files.names())
        raise InvalidSettings(
            f"`{files.path}` is no test set in BEIR's layout: {error.message}",
            hint=f"it has judgements called {splits}" if splits else f"it needs {QUERIES} and {qrels}",
        ) from error
    grades: dict[str, dict[str, int]] = {}
    for query, document, grade in judgements(judged, qrels):
        if grades.setdefault(query, {}).setdefault(document, grade) != grade:
            raise InvalidSettings(
                f"`{qrels}` judges `{document}` for the question {query} twice, and otherwise: {grade}"
            )
    return judged_set(name, texts, grades, judged_in=qrels, asked_in=QUERIES, own_documents=True)


def _once(asked: Iterator[tuple[str, str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for query, text in asked:
        if texts.setdefault(query, text) != text:
            raise InvalidSettings(f"`{QUERIES}` has two questions of one id: {query}")
    return texts
