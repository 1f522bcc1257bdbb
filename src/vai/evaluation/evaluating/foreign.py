"""Runs from files, judged beside our own: whoever made them, the same questions and the same judgements count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import SHOWN, Matched, Unit, known_units
from vai.evaluation.data.trec import Run, read_run
from vai.evaluation.measures.metrics import Ranked
from vai.evaluation.replaying.pools import unit_of

Rankings = Mapping[str, Sequence[str]]
"""Units by the ids of questions, best first, each once."""


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """A run that was read from a file, in the ids of a collection.

    Args:
        rankings: of the questions of a test set.
        ranked: the same, as metrics see them.
        deepest: units of its longest ranking.
        unanswered: questions that it says nothing of.
        unknown: ids in it that are not in the collection.
    """

    name: str
    file: str
    rankings: Rankings
    ranked: Ranked
    deepest: int
    unanswered: int
    unknown: int

    @property
    def warnings(self) -> Iterator[str]:
        """What to know of it beside its figures."""
        if self.unknown:
            yield f"`{self.name}` ranks {self.unknown:,} ids that are not in the collection; they were left out"
        if self.unanswered:
            yield f"`{self.name}` has no ranking for {self.unanswered:,} of the questions, which count as 0"


def read_foreign(path: Path, *, taken: set[str]) -> tuple[str, Run]:
    """A run, with the name that it is shown by: its tag, its file's name or its path, the first that is not `taken`.

    Raises:
        PathNotFound, InvalidSettings: as `read_run`; or the same file is named twice.
    """
    run = read_run(path)
    names = [name for name in (run.name, path.stem, str(path)) if name and name not in taken]
    if not names:
        raise InvalidSettings(f"the run `{path}` is named twice")
    return names[0], run


def judged_run(
    name: str, path: Path, run: Run, matched: Matched, collection: Collection, *, ignore_missing: bool = False
) -> ForeignRun:
    """A run as metrics see it.

    Where documents were judged, chunks count as their documents, the best one of each.

    Args:
        ignore_missing: leave out ids that are not in the collection.

    Raises:
        InvalidSettings: it is about other questions, or other documents.
    """
    queries = matched.test_set.queries
    asked = {query: [unit for unit, _ in run.rankings[query]] for query in queries if query in run.rankings}
    if not asked:
        raise InvalidSettings(
            f"`{path}` ranks nothing for the {len(queries):,} questions of `{matched.test_set.name}`: it has "
            f"{_shown(run.rankings)}",
            hint="a run is judged by the test set that its questions are from",
        )
    names = list(dict.fromkeys(unit for units in asked.values() for unit in units))
    known = known_units(names, collection)
    unknown = [unit for unit in names if unit not in known]
    if unknown and (not ignore_missing or not known):
        raise InvalidSettings(
            f"{len(unknown):,} of the {len(names):,} ids that `{path}` ranks are not in the collection "
            f"`{collection.name}`: {_shown(unknown)}",
            hint="a run is of the corpus that was ingested; `--ignore-missing` leaves out what is not there",
        )
    meant = {unit: _as_judged(*known[unit], matched.unit, path) for unit in names if unit in known}
    rankings = {query: _each_once(units, meant) for query, units in asked.items()}
    if matched.test_set.own_documents:
        rankings = {query: [unit for unit in units if unit != query] for query, units in rankings.items()}
    return ForeignRun(
        name=name,
        file=str(path),
        rankings=rankings,
        ranked=as_ranked(rankings, matched.test_set.grades),
        deepest=max(map(len, rankings.values())),
        unanswered=len(queries) - len(asked),
        unknown=len(unknown),
    )


def _as_judged(unit: str, kind: Unit, judged: Unit, path: Path) -> str:
    """A unit of a run as the unit that was judged."""
    if kind == "document" and judged == "chunk":
        raise InvalidSettings(
            f"`{path}` ranks documents, such as {unit}, and the test set judges chunks",
            hint="a run of chunks can be judged by documents, and not the other way round",
        )
    return unit_of(unit, "document") if kind != judged else unit


def _each_once(units: Sequence[str], meant: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(meant[unit] for unit in units if unit in meant))


def as_ranked(rankings: Rankings, grades: Mapping[str, Mapping[str, int]]) -> Ranked:
    """Rankings as arrays [questions, places], in the order of the questions that were judged."""
    rows = [(rankings.get(query, ()), given) for query, given in grades.items()]
    shape = (len(rows), max((len(units) for units, _ in rows), default=0))
    found, ranks = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    judged = np.zeros(shape, dtype=np.bool_)
    for number, (units, given) in enumerate(rows):
        found[number, : len(units)] = [given.get(unit, 0) for unit in units]
        judged[number, : len(units)] = [unit in given for unit in units]
        ranks[number, : len(units)] = np.arange(1, len(units) + 1)
    return Ranked(found, ranks, judged)


def _shown(names: Sequence[str] | Mapping[str, object]) -> str:
    first = list(names)[:SHOWN]
    return ", ".join(first) + (", …" if len(names) > SHOWN else "")
