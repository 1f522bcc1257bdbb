"""`vai diff`: what changes from one ranking of the same questions to another, and whether that may be chance.

two sides → metrics with their paired differences → overlap → what moved, by question
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vai.arrays import Doubles
from vai.errors import InvalidSettings
from vai.evaluation.comparing.differences import (
    DIGITS,
    Alikeness,
    Bound,
    DiffReport,
    Flip,
    Gate,
    MetricDifference,
    Move,
    QuestionDifference,
)
from vai.evaluation.comparing.sides import Duel
from vai.evaluation.evaluating.foreign import as_ranked
from vai.evaluation.measures.intervals import interval, intervals
from vai.evaluation.measures.metrics import Judgements, Metric
from vai.evaluation.measures.overlap import PERSISTENCE, overlap_at, rank_biased_overlap
from vai.evaluation.measures.significance import randomisation_test

DEFAULT_METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@20", "map")
DEFAULT_TOP_K = 10
ALIKE = ("overlap", "rbo")
"""What can be bounded whether or not anything was judged."""
SAME = 1e-9
"""Metrics of a question as close as that are a tie; they differ only in how their terms were added up."""
LESS_JUDGED = 0.02
"""How much less of what one side shows may have been judged before that is said."""

Grades = Mapping[str, Mapping[str, int]]
"""By the ids of questions and of units."""


def compare(
    duel: Duel,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    top_k: int = DEFAULT_TOP_K,
    bounds: Sequence[Bound] = (),
) -> DiffReport:
    """What changes from A to B.

    Args:
        metrics: where something was judged; questions are in the order of what changes in the first of them.
        top_k: how many hits are shown, of which overlap and flips are.
        bounds: of the differences B − A in metrics, and of `overlap` and `rbo` themselves; these metrics are measured
            too.

    Raises:
        InvalidSettings: there is no question or no such metric, or a bound is of one and nothing was judged.
    """
    if not duel.texts:
        raise InvalidSettings("there is no question that both sides were asked")
    alike = _alikeness(duel, top_k)
    found, gains = None, None
    if duel.grades is not None:
        values = _values(duel, duel.grades, _measured(metrics, bounds))
        found, gains = _differences(values), next(b - a for a, b in values.values())
    questions = tuple(_changed_questions(duel, top_k, gains))
    return DiffReport(
        a=duel.a,
        b=duel.b,
        test_set=duel.name,
        unit=duel.unit,
        queries=len(duel.texts),
        top_k=top_k,
        metrics=found,
        alike=alike,
        flips=None if found is None else tuple(_flips(questions, top_k)),
        questions=questions,
        gates=tuple(_gates(bounds, found or (), alike)),
        warnings=(*duel.warnings, *_warnings(duel, top_k)),
    )


def _pairs(duel: Duel) -> Iterator[tuple[list[str], list[str]]]:
    """Both rankings of each question; one that a side has nothing for is empty."""
    for query in duel.texts:
        yield list(duel.a.rankings.get(query, ())), list(duel.b.rankings.get(query, ()))


# ── metrics ──


def _measured(metrics: Sequence[str], bounds: Sequence[Bound]) -> list[Metric]:
    """The metrics that were named, and those that are bounded, each once."""
    bounded = (bound.metric for bound in bounds if bound.metric not in ALIKE)
    return list(dict.fromkeys(map(Metric.parse, (*metrics, *bounded))))


def _values(duel: Duel, grades: Grades, metrics: Sequence[Metric]) -> dict[str, tuple[Doubles, Doubles]]:
    """Of each metric what every question has on both sides, float64 [questions]."""
    judged = {query: grades[query] for query in duel.texts}
    judgements = Judgements.of(list(judged.values()))
    a, b = (as_ranked(side.rankings, judged) for side in (duel.a, duel.b))
    return {str(metric): (metric.values(a, judgements), metric.values(b, judgements)) for metric in metrics}


def _differences(values: Mapping[str, tuple[Doubles, Doubles]]) -> tuple[MetricDifference, ...]:
    gains = [b - a for a, b in values.values()]
    rows = zip(values.items(), gains, intervals(gains), randomisation_test(gains), strict=True)
    return tuple(
        MetricDifference(
            metric=metric,
            a=float(a.mean()),
            b=float(b.mean()),
            difference=difference,
            p=p,
            wins=int((gain > SAME).sum()),
            ties=int((abs(gain) <= SAME).sum()),
            losses=int((gain < -SAME).sum()),
        )
        for (metric, (a, b)), gain, difference, p in rows
    )


# ── how alike they are ──


def _alikeness(duel: Duel, top_k: int) -> Alikeness:
    overlap = np.array([overlap_at(a, b, top_k) for a, b in _pairs(duel)])
    rbo = np.array([rank_biased_overlap(a, b) for a, b in _pairs(duel)])
    mean_overlap, mean_rbo = intervals([overlap, rbo])
    first_changed = [a[:1] != b[:1] for a, b in _pairs(duel)]
    return Alikeness(
        overlap=mean_overlap,
        rbo=mean_rbo,
        persistence=PERSISTENCE,
        first_changed=sum(first_changed) / len(first_changed),
        same=sum(a[:top_k] == b[:top_k] for a, b in _pairs(duel)),
    )


# ── what moved ──


def _changed_questions(duel: Duel, top_k: int, gains: Doubles | None) -> list[QuestionDifference]:
    """The questions of which something changed, the ones that changed most first."""
    changed = []
    for number, ((query, text), (a, b)) in enumerate(zip(duel.texts.items(), _pairs(duel), strict=True)):
        gain = None if gains is None else float(gains[number])
        moves = _moves(a, b, top_k, None if duel.grades is None else duel.grades[query])
        if moves or abs(gain or 0.0) > SAME:
            overlap, rbo = overlap_at(a, b, top_k), rank_biased_overlap(a, b)
            changed.append(QuestionDifference(query, text or None, gain, overlap, rbo, moves))
    return sorted(
        changed, key=lambda question: (-round(abs(question.difference or 0.0), DIGITS), question.rbo)
    )


def _moves(
    a: Sequence[str], b: Sequence[str], top_k: int, grades: Mapping[str, int] | None
) -> tuple[Move, ...]:
    """The units that moved, those that a reader notices most first: of the relevant ones, else of those shown."""
    ranks_a, ranks_b = ({unit: rank for rank, unit in enumerate(side, start=1)} for side in (a, b))
    if grades is None:
        looked_at = dict.fromkeys((*a[:top_k], *b[:top_k]))
    else:
        looked_at = dict.fromkeys(unit for unit, grade in grades.items() if grade > 0)
    moves = [
        Move(unit, None if grades is None else grades[unit], ranks_a.get(unit), ranks_b.get(unit))
        for unit in looked_at
        if ranks_a.get(unit) != ranks_b.get(unit)
    ]
    return tuple(sorted(moves, key=_notice, reverse=True))


def _notice(move: Move) -> float:
    """How much of a reader's attention a move wins or loses, as the reciprocal of ranks has it."""
    before, after = (0.0 if rank is None else 1 / rank for rank in (move.rank_a, move.rank_b))
    return abs(after - before)


def _flips(questions: Sequence[QuestionDifference], top_k: int) -> Iterator[Flip]:
    """The relevant units that only one side shows."""
    for question in questions:
        for move in question.moves:
            before, after = (rank is not None and rank <= top_k for rank in (move.rank_a, move.rank_b))
            if before != after and move.grade is not None:
                yield Flip(
                    question.query_id,
                    question.query,
                    "entered" if after else "left",
                    move.unit,
                    move.grade,
                    move.rank_a,
                    move.rank_b,
                )


# ── what has to hold, and what to know ──


def _gates(bounds: Sequence[Bound], metrics: Sequence[MetricDifference], alike: Alikeness) -> Iterator[Gate]:
    found = {metric.metric: metric.difference.mean for metric in metrics}
    found |= {"overlap": alike.overlap.mean, "rbo": alike.rbo.mean}
    for bound in bounds:
        if bound.metric not in found:
            raise InvalidSettings(
                f"there is no {bound.metric} where nothing was judged",
                hint=f"add `--test-set PATH`, or bound {' or '.join(ALIKE)}",
            )
        value = found[bound.metric]
        yield Gate(bound.metric, bound.least, value, value >= bound.least - SAME)


def _warnings(duel: Duel, top_k: int) -> Iterator[str]:
    if duel.a.rankings == duel.b.rankings:
        yield "A and B rank everything alike"
    grades = duel.grades or {}
    if all(grade > 0 for judged in grades.values() for grade in judged.values()):
        return  # where only what is relevant was noted, to be judged is to be relevant
    ((a, b),) = _values(duel, grades, [Metric("judged", top_k)]).values()
    difference = interval(b - a)
    if difference.certain and abs(difference.mean) > LESS_JUDGED:
        less, more = ("B", "A") if difference.mean < 0 else ("A", "B")
        shares = sorted((float(a.mean()), float(b.mean())))
        yield (
            f"{shares[0]:.0%} of what {less} shows first was judged, and {shares[1]:.0%} of what {more} does; what "
            f"nobody has judged counts as not relevant, which may be unfair to {less}"
        )
