"""What is said of a test set that was made: how its questions came to be, and what they cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from vai.evaluation.data.matching import Unit
from vai.evaluation.questions.asking import Written
from vai.evaluation.questions.harvest import Candidate, MadeFrom
from vai.types import Json, as_json

FEW = 30
"""Questions below which a comparison mostly tells of chance."""


@dataclass(frozen=True, slots=True)
class MadeQuestions:
    """How many questions were made in one way.

    `shared_words` is the mean of theirs, `of_whole` how many of them all of a document answers (see `Candidate`).
    """

    made_from: MadeFrom
    questions: int
    shared_words: float
    of_whole: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """Answers of a language model that were not taken, and why."""

    reason: str
    answers: int


@dataclass(frozen=True, slots=True)
class TestSetReport:
    """What was made of a collection, and where it was written.

    Args:
        path: None if there was nothing to write.
        unit: what is judged.
        synthetic: always true: nobody has asked these questions.
        documents: how many of the collection's documents are asked about.
        of_documents: how many there are.
        made: the questions by how they were made.
        model: the language model that was asked; None if none was.
        calls: passages that were sent to it.
        rejected: answers of it that were not taken.
    """

    __test__: ClassVar[bool] = (
        False  # pytest takes classes called Test… for tests, wherever they are imported
    )

    collection: str
    path: str | None
    unit: Unit
    seed: int
    synthetic: bool
    questions: int
    documents: int
    of_documents: int
    made: tuple[MadeQuestions, ...]
    model: str | None
    calls: int
    rejected: tuple[Rejected, ...]
    seconds: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.testset/1`."""
        return {"schema": "vai.testset/1", **as_json(self)}


def made_questions(questions: Sequence[Candidate]) -> tuple[MadeQuestions, ...]:
    """The questions counted by how they were made."""
    made: list[MadeQuestions] = []
    for kind in get_args(MadeFrom):
        found = [question for question in questions if question.made_from == kind]
        if found:
            shared = sum(question.shared for question in found) / len(found)
            whole = sum(question.of_whole for question in found)
            made.append(MadeQuestions(kind, len(found), round(shared, 3), whole))
    return tuple(made)


def warnings_of(questions: Sequence[Candidate], count: int, written: Written) -> Iterator[str]:
    """What the user has to know of these questions, of which at most `count` were asked for."""
    kinds = {question.made_from for question in questions}
    if kinds:
        yield "these questions are synthetic: nobody has asked them, and nobody has judged what answers them"
    if kinds - {"llm"}:
        yield (
            "the words of a heading or a question stand where its answer does, and both models read them: every "
            "setting looks better than it is, words and rerankers most, so choose none by this alone"
        )
    titles = sum(question.of_whole and question.made_from == "heading" for question in questions)
    if titles * 2 > len(questions):
        yield (
            f"{titles} of {len(questions)} questions are titles of whole documents, which nearly every setting finds: "
            "settings will hardly differ"
        )
    if "llm" in kinds:
        yield (
            "of a question that the language model wrote only its own passage counts as relevant, though others may "
            "answer it as well"
        )
    if questions and len(questions) < min(FEW, count):
        yield f"{len(questions)} questions are few: differences will mostly be chance, `vai judge` adds to them"
    if written.failure is not None:
        yield f"the language model was not asked to the end: {written.failure}"
