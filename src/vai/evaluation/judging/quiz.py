"""A quiz on the pairs that tell configurations apart: where it stands, and what its answers have changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import Unit, match
from vai.evaluation.judging.judging import Contenders, Pair, Standing, standings
from vai.evaluation.judging.question_file import NO, PARTLY, YES, QuestionFile
from vai.types import Hit, Json, as_json


@dataclass(frozen=True, slots=True)
class Known:
    """What is judged already, in the ids of a collection; `grades` are of each question of the file, in its order."""

    unit: Unit
    grades: tuple[dict[str, int], ...]
    missing: int


def known_judgements(questions: QuestionFile, collection: Collection, unit: Unit | None) -> Known:
    """What of a file's judgements means something in a collection.

    Args:
        unit: what is to be judged; None for what the file judges, chunks if it judges nothing.

    Raises:
        InvalidSettings: the file judges something else, or nothing of it is in the collection.
    """
    test_set = questions.test_set
    if not test_set.judged:
        return Known(unit or "chunk", tuple({} for _ in test_set.queries), 0)
    matched = match(test_set, collection, ignore_missing=True)
    if unit not in {None, matched.unit}:
        raise InvalidSettings(
            f"`{questions.name}` judges {matched.unit}s, and --unit {unit} would mix both",
            hint="leave `--unit` out",
        )
    grades = tuple(dict(matched.test_set.grades.get(query, {})) for query in test_set.queries)
    return Known(matched.unit, grades, len(matched.missing))


class Quiz:
    """Pairs to judge one after the other, each answer written when it is given.

    Args:
        known: what was judged before; answers are added to a copy of it.
    """

    def __init__(
        self, questions: QuestionFile, pairs: Sequence[Pair], contenders: Contenders, known: Known
    ) -> None:
        self.pairs = pairs
        self.place = 0
        self.answers: dict[int, int] = {}
        self._file = questions
        self._queries = list(questions.test_set.queries.items())
        self._contenders = contenders
        self._known = known
        self._skipped: set[int] = set()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to show."""
        return self.place >= len(self.pairs)

    @property
    def question(self) -> str:
        """The question that is shown."""
        return self._queries[self.pairs[self.place].question][1]

    @property
    def passage(self) -> Hit:
        """The passage that is shown."""
        pair = self.pairs[self.place]
        return self._contenders.passages[pair.question][pair.unit]

    def answer(self, grade: int) -> None:
        """Judge what is shown, and go on. Raises as `QuestionFile.judge`."""
        self._judge(grade)
        self.answers[self.place] = grade
        self._skipped.discard(self.place)
        self.place += 1

    def skip(self) -> None:
        """Leave what is shown without a judgement, also one that was given before, and go on."""
        if self.answers.pop(self.place, None) is not None:
            self._judge(None)
        self._skipped.add(self.place)
        self.place += 1

    def back(self) -> None:
        """Show the one before again; its answer stays until there is another."""
        self.place = max(0, self.place - 1)

    def _judge(self, grade: int | None) -> None:
        pair = self.pairs[self.place]
        self._file.judge(self._queries[pair.question][0], pair.unit, grade)

    def report(self, collection: str, warnings: Sequence[str] = ()) -> JudgeReport:
        """What was answered, and what that changed."""
        before = self._known.grades
        after = [dict(grades) for grades in before]
        for place, grade in self.answers.items():
            after[self.pairs[place].question][self.pairs[place].unit] = grade
        was, now = standings(self._contenders, before), standings(self._contenders, after)
        counts = Counter(self.answers.values())
        return JudgeReport(
            collection=collection,
            test_set=self._file.name,
            path=str(self._file.path),
            unit=self._known.unit,
            questions=len(after),
            answered=sum(any(grade > 0 for grade in grades.values()) for grades in after),
            pairs=len(self.pairs),
            judged=len(self.answers),
            yes=counts[YES],
            partly=counts[PARTLY],
            no=counts[NO],
            skipped=len(self._skipped),
            configurations=tuple(Change(name, was[name], now[name]) for name in now),
            warnings=tuple(warnings),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """How a configuration did by the judgements before the quiz, and by those after it."""

    name: str
    before: Standing
    after: Standing


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What came of a quiz.

    Args:
        path: the file that holds the judgements.
        answered: questions of which something relevant is known now.
        pairs: how many there were to judge; `judged` of them were.
    """

    collection: str
    test_set: str
    path: str
    unit: Unit
    questions: int
    answered: int
    pairs: int
    judged: int
    yes: int
    partly: int
    no: int
    skipped: int
    configurations: tuple[Change, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.judge/1`."""
        return {"schema": "vai.judge/1", **as_json(self)}
