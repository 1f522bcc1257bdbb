"""What a comparison found, as values, and as JSON of the schema `vai.diff/1`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vai.types import Json, as_json

if TYPE_CHECKING:
    from vai.evaluation.comparing.sides import Side
    from vai.evaluation.data.matching import Unit
    from vai.evaluation.measures.intervals import Interval

DIGITS = 6
CHANCE = 0.05

Verdict = Literal["better", "worse", "may be chance"]


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One metric of both sides.

    Args:
        a, b: the means.
        difference: of B to A, paired by question.
        p: of the paired randomisation test, see `significance.py`.
        wins, ties, losses: questions for which B is better, as good, and worse.
    """

    metric: str
    a: float
    b: float
    difference: Interval
    p: float
    wins: int
    ties: int
    losses: int

    @property
    def verdict(self) -> Verdict:
        """What can be said of B: certain where the interval is on one side of 0, and p is below `CHANCE`.

        Of a handful of questions, the interval alone is too sure.
        """
        if not self.difference.certain or self.p >= CHANCE:
            return "may be chance"
        return "better" if self.difference.mean > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Alikeness:
    """How alike the two rankings are, whoever is right; means over the questions.

    Args:
        overlap: the share of the first `top_k` that both have.
        rbo: rank-biased overlap, with the persistence that stands beside it.
        first_changed: the share of the questions that have another first hit.
        same: how many questions have the same first `top_k` in the same order.
    """

    overlap: Interval
    rbo: Interval
    persistence: float
    first_changed: float
    same: int


@dataclass(frozen=True, slots=True)
class Move:
    """A unit and its ranks on both sides, None where it is not ranked; `grade` is None where it was not judged."""

    unit: str
    grade: int | None
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True, slots=True)
class Flip:
    """A relevant unit that B shows and A does not ("entered"), or the other way round ("left").

    `query` is None where it is only known by its id.
    """

    query_id: str
    query: str | None
    change: Literal["entered", "left"]
    unit: str
    grade: int
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True, slots=True)
class QuestionDifference:
    """A question of which something changed.

    Args:
        query: None where it is only known by its id.
        difference: B − A in the first metric; None where nothing was judged.
        moves: of the relevant units; where nothing was judged, of all that either side shows. Only those that moved.
    """

    query_id: str
    query: str | None
    difference: float | None
    overlap: float
    rbo: float
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a difference, or an overlap, has to be at least."""

    metric: str
    least: float


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound, what was found, and whether that is enough."""

    metric: str
    least: float
    found: float
    passed: bool


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What changes from A to B.

    Args:
        test_set: the name of what the questions are from; None where they are only known by their ids.
        unit: what is ranked; None where only the files know.
        queries: how many questions both were asked.
        top_k: how many are shown of each ranking.
        metrics: None where nothing was judged, and so are `flips`.
        questions: those of which something changed, the ones that changed most first.
    """

    a: Side
    b: Side
    test_set: str | None
    unit: Unit | None
    queries: int
    top_k: int
    metrics: tuple[MetricDifference, ...] | None
    alike: Alikeness
    flips: tuple[Flip, ...] | None
    questions: tuple[QuestionDifference, ...]
    gates: tuple[Gate, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The bounds that were not kept."""
        return tuple(gate for gate in self.gates if not gate.passed)

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.diff/1`."""
        metrics = None if self.metrics is None else {found.metric: _metric(found) for found in self.metrics}
        return {
            "schema": "vai.diff/1",
            "a": _side(self.a),
            "b": _side(self.b),
            "test_set": self.test_set,
            "unit": self.unit,
            "queries": self.queries,
            "top_k": self.top_k,
            "metrics": metrics,
            "alike": _rounded(as_json(self.alike)),
            "flips": None if self.flips is None else [as_json(flip) for flip in self.flips],
            "questions": [_rounded(as_json(question)) for question in self.questions],
            "gates": [_rounded(as_json(gate)) for gate in self.gates],
            "warnings": list(self.warnings),
        }


def _side(side: Side) -> dict[str, Json]:
    return {
        "name": side.name,
        "settings": None if side.configuration is None else side.configuration.to_dict(),
        "file": side.file,
        "collection": side.collection,
    }


def _metric(found: MetricDifference) -> Json:
    values = {name: value for name, value in as_json(found).items() if name != "metric"}
    return _rounded({**values, "verdict": found.verdict})


def _rounded(value: Json) -> Json:
    match value:
        case float():
            return round(value, DIGITS)
        case dict():
            return {name: _rounded(item) for name, item in value.items()}
        case list():
            return [_rounded(item) for item in value]
        case _:
            return value
