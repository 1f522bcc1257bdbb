"""A test set, in the ids of a collection: what of it is there, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vai.collection import Collection
from vai.documents.source import source_name
from vai.errors import InvalidSettings
from vai.evaluation.data.testsets import TestSet

Unit = Literal["document", "chunk"]
"""What was judged: whole documents, of which the best chunk counts, or chunks."""

SHOWN = 3
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Matched:
    """A test set whose judged ids are all in the collection.

    Args:
        test_set: without what is missing, and without questions of which nothing relevant is left.
        unit: what was judged.
        missing: judged ids that are not in the collection.
        left_out: how many questions were.
    """

    test_set: TestSet
    unit: Unit
    missing: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def unanswered(self) -> int:
        """How many questions have nothing that is relevant."""
        return sum(all(grade <= 0 for grade in grades.values()) for grades in self.test_set.grades.values())

    def require_answers(self) -> None:
        """Raises `InvalidSettings` where nothing is relevant to any question: every figure would be 0."""
        if self.unanswered == len(self.test_set.queries):
            raise InvalidSettings(
                f"nothing is known to be relevant to any question of `{self.test_set.name}`: nothing can be measured",
                hint="`vai judge` shows you passages to judge, and writes down which are",
            )

    @property
    def unanswered_remarks(self) -> tuple[str, ...]:
        """That questions of which nothing is relevant lower every mean."""
        if not (count := self.unanswered):
            return ()
        of = f"{count:,} of {len(self.test_set.queries):,} questions"
        return (f"nothing is known to be relevant to {of}, so every mean has 0 there, whatever is found",)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know beside every figure that comes of it."""
        remarks = []
        if missing := len(self.missing):
            gone = f"{missing:,} judged id{' is' if missing == 1 else 's are'} not in the collection"
            lost = f"{self.left_out:,} question{' was' if self.left_out == 1 else 's were'} left out"
            remarks.append(f"{gone}; {lost} for that")
        texts = self.test_set.queries.values()
        if repeated := len(texts) - len(set(texts)):
            remarks.append(
                f"{repeated:,} of {len(texts):,} questions repeat{'s' if repeated == 1 else ''} an earlier one word "
                "for word; each counts, so figures look surer than they are"
            )
        if made := len(self.test_set.synthetic & self.test_set.queries.keys()):
            remarks.append(
                f"{made:,} of {len(self.test_set.queries):,} questions are synthetic, made from the text that answers "
                "them: figures are too good, most of all those of words and rerankers; choose nothing by them alone"
            )
        return tuple(remarks)


def match(test_set: TestSet, collection: Collection, *, ignore_missing: bool = False) -> Matched:
    """The test set as the collection can answer it; paths of files become the ids of their documents.

    Args:
        ignore_missing: leave out judged ids that are not there, and questions of which nothing relevant is left:
            they would measure the corpus, not the models.

    Raises:
        InvalidSettings: ids are missing, all of them or without `ignore_missing`; or ids of documents and of chunks
            are mixed.
    """
    judged = test_set.judged
    known = known_units(judged, collection)
    missing = tuple(judged_id for judged_id in judged if judged_id not in known)
    if missing and (not ignore_missing or not known):
        raise _ids_missing(missing, len(judged), test_set, collection.name)
    units = {unit for _, unit in known.values()}
    if len(units) > 1:
        raise InvalidSettings(
            f"`{test_set.name}` judges both documents and chunks, and the two cannot be compared",
            hint="name all that is relevant by the ids of documents, or all of it by those of chunks",
        )
    grades = {
        query: _found(judgements, known)
        for query, judgements in test_set.grades.items()
        if not _has_lost_all(judgements, known)
    }
    kept = replace(test_set, queries={query: test_set.queries[query] for query in grades}, grades=grades)
    return Matched(kept, next(iter(units), "document"), missing, len(test_set.grades) - len(grades))


def known_units(judged: Sequence[str], collection: Collection) -> dict[str, tuple[str, Unit]]:
    """For each id that means something in the collection, the document or the chunk that it means."""
    root = collection.root
    known: dict[str, tuple[str, Unit]] = {}
    for start in range(0, len(judged), BATCH):
        names = {name: _path_in(root, name) for name in judged[start : start + BATCH]}
        first = {chunk for written, path in names.items() for chunk in (f"{written}#0", f"{path}#0", written)}
        stored = collection.chunks(sorted(first))
        for written, path in names.items():
            if f"{written}#0" in stored:
                known[written] = (written, "document")
            elif written in stored:
                known[written] = (written, "chunk")
            elif f"{path}#0" in stored:
                known[written] = (path, "document")
    return known


def _path_in(root: Path, name: str) -> str:
    """The id of the document that is made of the file at this path, if it is one."""
    try:
        return source_name(Path(name).expanduser(), root)
    except (ValueError, RuntimeError):  # no file can have such a name, or it is of a user who is not known
        return name


def _has_lost_all(judgements: Mapping[str, int], known: Mapping[str, object]) -> bool:
    relevant = [judged for judged, grade in judgements.items() if grade > 0]
    return bool(relevant) and not any(judged in known for judged in relevant)


def _found(judgements: Mapping[str, int], known: Mapping[str, tuple[str, Unit]]) -> dict[str, int]:
    return {known[judged][0]: grade for judged, grade in judgements.items() if judged in known}


def _ids_missing(missing: tuple[str, ...], of: int, test_set: TestSet, collection: str) -> InvalidSettings:
    shown = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    if len(missing) == of:
        ids, there = (f"none of the {of:,} ids", "is") if of > 1 else ("the one id", "is not")
        return InvalidSettings(
            f"{ids} judged in `{test_set.name}` {there} in the collection `{collection}`: {shown}",
            hint="ingest the corpus that it is about, or name its collection with `--collection NAME`",
        )
    gone = f"{len(missing):,} of the {of:,} ids judged in `{test_set.name}`"
    return InvalidSettings(
        f"{gone} {'is' if len(missing) == 1 else 'are'} not in the collection `{collection}`: {shown}",
        hint="ingest what is missing, or leave it out with `--ignore-missing`",
    )
