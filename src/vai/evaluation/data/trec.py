"""TREC's files: judgements (qrels), whose questions are in a file of their own, and rankings (runs).

    qrels    question 0 document grade                on each line, white space between
    run      question Q0 document rank score tag

Runs are read and written as `trec_eval` understands them. Ids cannot hold white space there, and paths can: in an id
that has any, it is percent-encoded.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from vai.disk import reason_of, write_whole
from vai.errors import InvalidSettings
from vai.evaluation.data.beir import judgements
from vai.evaluation.data.contents import contents, text_in
from vai.evaluation.data.testsets import TestSet, judged_set, question_in
from vai.evaluation.data.topics import read_topics

# ── judgements ───────────────────────────────────────────────────────────────────────────────────

_QRELS_LINE = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*
    (?:[^\s{\[]\S*[ \t]+\S+[ \t]+\S+[ \t]+-?\d+         # question 0 document grade
    |[^\t\n]+\t[^\t\n]+\t(?:-?\d+|score))               # BEIR's three columns, perhaps under a header
    \s*?(?:\n|\Z)""",
    re.VERBOSE,
)


def is_qrels(data: bytes) -> bool:
    """Whether a file begins as judgements do, in TREC's columns or in BEIR's."""
    return _QRELS_LINE.match(data) is not None


def qrels_in(folder: Path) -> list[Path]:
    """The files of judgements in TREC's form in a folder, by their names."""
    return _called("qrels", folder)


def read_judged(path: Path, topics: Path | None) -> TestSet:
    """The test set of a file of judgements, or of a folder with one, and of the topics, or those in the folder.

    Raises:
        PathNotFound: there are no such topics.
        InvalidSettings: one of the two is missing or wrong; the message says in which line.
    """
    name = path.absolute().name if path.is_dir() else path.stem
    if path.is_dir():
        path, topics = _pair_in(path, topics)
    if topics is None:
        raise InvalidSettings(
            f"`{path}` holds judgements and no questions",
            hint="add `--topics PATH`, the file with the questions, or put both into a folder, as `qrels` and `topics`",
        )
    grades: dict[str, dict[str, int]] = {}
    for query, document, grade, where in _qrels(contents(path), path.name):
        if grades.setdefault(query, {}).setdefault(document, grade) != grade:
            raise InvalidSettings(f"{where} judges `{document}` otherwise than an earlier one: {grade}")
    texts = _under_all_numbers(read_topics(topics))
    judged = judged_set(name, texts, grades, judged_in=path.name, asked_in=topics.name)
    asked = {
        query: question_in(text, "title", f"question {query} of `{topics.name}`")
        for query, text in judged.queries.items()
    }
    return TestSet(name, asked, grades)


def _pair_in(folder: Path, topics: Path | None) -> tuple[Path, Path]:
    qrels, asked = qrels_in(folder), [topics] if topics else _called("topics", folder)
    if len(qrels) != 1 or len(asked) != 1:
        raise InvalidSettings(
            f"`{folder}` does not hold one file of judgements and one of questions: qrels* {len(qrels)}, topics* "
            f"{len(asked)}",
            hint="name the file of judgements, and its questions with `--topics PATH`",
        )
    return qrels[0], asked[0]


def _called(beginning: str, folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{beginning}*") if path.is_file())


def _qrels(data: bytes, file_name: str) -> Iterator[tuple[str, str, int, str]]:
    """Question, document and grade of each line, and where that is."""
    lines = text_in(data, file_name).split("\n")
    first = next((line.split() for line in lines if line.strip()), [])
    if len(first) == 3:
        for query, document, grade in judgements(data, file_name):
            yield query, document, grade, f"a line of `{file_name}`"
        return
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        where = f"line {number} of `{file_name}`"
        if not columns:
            continue
        if len(columns) != 4:
            raise InvalidSettings(
                f"{where} does not have four columns: {len(columns)}",
                hint="they are the id of a question, 0, the id of a document and a grade",
            )
        try:
            yield columns[0], columns[2], int(columns[3]), where
        except ValueError:
            raise InvalidSettings(f"{where} has a grade that is no whole number: {columns[3]:.40}") from None


def _under_all_numbers(texts: Mapping[str, str]) -> Mapping[str, str]:
    """The questions, also under their numbers without leading zeros: topic 051 of TREC-1 is judged as 51."""
    return {**{query.lstrip("0"): text for query, text in texts.items()}, **texts}


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────

LARGEST_SCORE = 1e37
"""Scores are float32 for `trec_eval`, which has no number far beyond this."""

_SPACES = {quote(character): character for character in map(chr, range(0x3001)) if character.isspace()}
_ENCODED = re.compile("|".join(("%25", *_SPACES)))
_LOOKS_ENCODED = re.compile("|".join(code.replace("%", "%(?:25)*") for code in _SPACES))
"""White space as it is written here, with its percent sign written so any number of times."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rankings by the ids of questions: units with their scores, best first.

    A score is None where stage 2 has not read the unit. `name` is the run's tag.
    """

    name: str
    rankings: Mapping[str, Sequence[tuple[str, float | None]]]


def read_run(path: Path) -> Run:
    """A run, in the order in which `trec_eval` reads it: by score (as float32), equal ones by id, both descending.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it is no run; the message says in which line.
    """
    found: dict[str, dict[str, tuple[float, str]]] = {}
    tag = ""
    for columns, where in _run_lines(contents(path, "run"), path.name):
        query, unit = decoded_id(columns[0]), decoded_id(columns[2])
        ranking = found.setdefault(query, {})
        if unit in ranking:
            raise InvalidSettings(f"{where} ranks `{unit}` a second time for the question `{query}`")
        ranking[unit] = _score(columns[4], where), columns[2]
        tag = tag or decoded_id(columns[5])
    if not found:
        raise InvalidSettings(f"`{path}` holds no ranking")
    return Run(tag, {query: _in_order(ranking) for query, ranking in found.items()})


def write_run(run: Run, path: Path) -> None:
    """Write a run so that `trec_eval` sees its order.

    A score is written as it is where it is below the one before, as float32; otherwise, and where there is none, the
    next float32 below that one is. Questions without any unit leave no line.

    Raises:
        InvalidSettings: the file cannot be written.
    """
    tag = encoded_id(run.name) or "vai"
    lines = (line for query, ranking in run.rankings.items() for line in _lines_of(query, ranking, tag))
    try:
        write_whole(path, "".join(lines))
    except OSError as error:
        raise InvalidSettings(f"`{path}` cannot be written: {reason_of(error)}") from error


def encoded_id(name: str) -> str:
    """An id as it stands in a run: as it is, unless it has white space, or what looks as if that were encoded."""
    if not any(map(str.isspace, name)) and not _LOOKS_ENCODED.search(name):
        return name
    return "".join(
        quote(character) if character == "%" or character.isspace() else character for character in name
    )


def decoded_id(written: str) -> str:
    """The id that is written so."""
    if not _LOOKS_ENCODED.search(written):
        return written
    return _ENCODED.sub(lambda found: _SPACES.get(found[0], "%"), written)


def _lines_of(query: str, ranking: Sequence[tuple[str, float | None]], tag: str) -> Iterator[str]:
    scores = _falling(score for _, score in ranking)
    for rank, ((unit, _), score) in enumerate(zip(ranking, scores, strict=True), start=1):
        yield f"{encoded_id(query)} Q0 {encoded_id(unit)} {rank} {score!r} {tag}\n"


def _falling(scores: Iterable[float | None]) -> Iterator[float]:
    """The scores, made to fall strictly where they do not, as float32; the first is 1 if there is none."""
    last: np.float32 | None = None
    for score in scores:
        if score is not None and abs(score) <= LARGEST_SCORE and (last is None or np.float32(score) < last):
            last = np.float32(score)
            yield float(score)
        else:
            last = np.float32(1) if last is None else np.nextafter(last, np.float32(-np.inf))
            yield float(last)


def _run_lines(data: bytes, file_name: str) -> Iterator[tuple[list[str], str]]:
    """The columns of each line, and where that is; white space is what it is in C."""
    for number, line in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), start=1):
        columns = line.split()
        where = f"line {number} of `{file_name}`"
        if not columns:
            continue
        if len(columns) != 6:
            raise InvalidSettings(
                f"{where} does not have six columns: {len(columns)}",
                hint="they are the id of a question, Q0, the id of a document, a rank, a score and a name for the run",
            )
        try:
            yield [column.decode() for column in columns], where
        except UnicodeDecodeError:
            raise InvalidSettings(f"{where} is not UTF-8") from None


def _score(written: str, where: str) -> float:
    try:
        score = float(written)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InvalidSettings(f"{where} has a score that is no number: {written:.40}")
    return score


def _in_order(ranking: Mapping[str, tuple[float, str]]) -> list[tuple[str, float | None]]:
    with np.errstate(over="ignore"):  # beyond what float32 has, all are equal, as they are in C
        compared = (
            np.array([score for score, _ in ranking.values()], dtype=np.float64).astype(np.float32).tolist()
        )
    written = [name for _, name in ranking.values()]
    order = sorted(range(len(written)), key=lambda place: (compared[place], written[place]), reverse=True)
    units = list(ranking)
    return [(units[place], ranking[units[place]][0]) for place in order]
