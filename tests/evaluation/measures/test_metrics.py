"""Metrics equal those of the field's standard tools, whatever is ranked and whatever was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, Judged, P, R, nDCG

from vai.arrays import Doubles
from vai.errors import InvalidSettings
from vai.evaluation.measures.metrics import DEEPEST_CUTOFF, Judgements, Metric, Ranked

DOCUMENTS = tuple("abcdefghijkl")
CUTOFFS = (1, 2, 5, 10, 1_000)

THEIRS: dict[str, ir_measures.Measure] = {
    "ndcg": nDCG,
    "mrr": RR,
    "recall": R @ DEEPEST_CUTOFF,
    "map": AP,
    "judged": Judged,
    **{f"ndcg@{cutoff}": nDCG @ cutoff for cutoff in CUTOFFS},
    **{f"mrr@{cutoff}": RR @ cutoff for cutoff in CUTOFFS},
    **{f"recall@{cutoff}": R @ cutoff for cutoff in CUTOFFS},
    **{f"map@{cutoff}": AP @ cutoff for cutoff in CUTOFFS},
    **{f"precision@{cutoff}": P @ cutoff for cutoff in CUTOFFS},
    **{f"judged@{cutoff}": Judged @ cutoff for cutoff in CUTOFFS},
}
"""Our names of what ir_measures has: trec_eval's own code, but for RR@k (MS MARCO's) and Judged (OpenNIR's)."""


@dataclass(frozen=True)
class Case:
    """A question: its judgements, what was found best first, and where that stands in an array of places.

    A place without a document, which does not count, holds any grade.
    """

    judged: Mapping[str, int]
    found: Sequence[str]
    places: Sequence[str | None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    found = draw(st.lists(st.sampled_from(DOCUMENTS), unique=True))
    judged = draw(st.dictionaries(st.sampled_from((*DOCUMENTS, "x", "y", "z")), st.integers(-2, 3)))
    blanks: list[str | None] = [None] * draw(st.integers(0, 3))
    return Case(judged, found, draw(st.permutations([*found, *blanks])))


def ranked(questions: Sequence[Case]) -> Ranked:
    """The arrays of these questions, the shorter ones filled up with places that do not count."""
    shape = len(questions), max(len(case.places) for case in questions)
    grades, ranks = np.full(shape, 3, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    judged = np.ones(shape, dtype=np.bool_)
    for row, case in enumerate(questions):
        for column, document in enumerate(case.places):
            if document is not None:
                grades[row, column] = case.judged.get(document, 0)
                ranks[row, column] = case.found.index(document) + 1
                judged[row, column] = document in case.judged
    return Ranked(grades, ranks, judged)


def judgements(questions: Sequence[Case]) -> Judgements:
    return Judgements.of([case.judged for case in questions])


def theirs(questions: Sequence[Case], measures: Sequence[ir_measures.Measure]) -> dict[str, Doubles]:
    """The value of each question by measure; 0 where their tool says nothing."""
    # Of judgements that are all below 0, trec_eval reads what it remembers of another question; so none are.
    judged = {str(row): {**case.judged, "nowhere": 0} for row, case in enumerate(questions)}
    run = {
        str(row): {document: -float(place) for place, document in enumerate(case.found)}
        for row, case in enumerate(questions)
        if case.found  # of an empty ranking Judged would divide by 0
    }
    values = {str(measure): np.zeros(len(questions)) for measure in measures}
    for found in ir_measures.iter_calc(list(measures), judged, run):
        values[str(found.measure)][int(found.query_id)] = found.value
    return values


@given(st.lists(cases(), min_size=1, max_size=5))
def test_every_metric_of_every_question_is_that_of_the_standard_tools(questions: list[Case]) -> None:
    expected = theirs(questions, list(THEIRS.values()))
    for name, measure in THEIRS.items():
        mine = Metric.parse(name).values(ranked(questions), judgements(questions))
        assert mine.dtype == np.float64
        np.testing.assert_allclose(mine, expected[str(measure)], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", [*THEIRS, *("ndcg", "mrr", "map")])
def test_the_standard_tools_have_each_metric(name: str) -> None:
    perfect = [Case({"a": 1}, ["a"], ["a"])]
    (value,) = theirs(perfect, [THEIRS[name]])[str(THEIRS[name])]
    assert value == pytest.approx(1 / (Metric.parse(name).cutoff or 1) if "precision" in name else 1.0)


@given(st.lists(cases(), min_size=1, max_size=4), st.sampled_from(sorted(THEIRS)))
def test_what_is_further_down_never_changes_how_a_value_is_rounded(questions: list[Case], name: str) -> None:
    metric, found = Metric.parse(name), ranked(questions)
    wider = Ranked(
        *(
            np.concatenate([values, np.zeros((len(questions), 9), dtype=values.dtype)], axis=1)
            for values in (found.grades, found.ranks, found.judged)
        )
    )
    narrow = metric.values(found, judgements(questions))
    assert metric.values(wider, judgements(questions)).tolist() == narrow.tolist()


def test_rankings_cut_off_at_different_depths_have_the_same_ndcg_to_the_last_bit() -> None:
    grades = np.random.default_rng(5).integers(0, 4, size=(200, 40)).astype(np.int32)
    ideal, metric = Judgements(np.full((200, 1), 3, dtype=np.int32)), Metric("ndcg", 10)
    ranks = np.broadcast_to(np.arange(1, 41, dtype=np.int32), grades.shape)
    deep = Ranked(grades, ranks, grades > 0)
    for depth in (10, 11, 17, 20):
        shallow = Ranked(grades[:, :depth], ranks[:, :depth], grades[:, :depth] > 0)
        assert (metric.values(shallow, ideal) - metric.values(deep, ideal) == 0).all()


@given(st.lists(cases(), min_size=2, max_size=5), st.data())
def test_the_values_of_some_questions_are_those_they_have_among_all(
    questions: list[Case], data: st.DataObject
) -> None:
    chosen = np.array(data.draw(st.lists(st.integers(0, len(questions) - 1), min_size=1)), dtype=np.intp)
    for name in THEIRS:
        metric = Metric.parse(name)
        whole = metric.values(ranked(questions), judgements(questions))
        part = metric.values(ranked(questions).part(chosen), judgements(questions).part(chosen))
        assert part.tolist() == whole[chosen].tolist()


def test_no_places_and_no_judgements_are_worth_nothing() -> None:
    none = np.zeros((3, 0), dtype=np.int32)
    nothing = Ranked(none, none, none > 0)
    for name in THEIRS:
        assert (
            Metric.parse(name).values(nothing, Judgements.of([{}, {"a": -1}, {"a": 2}])).tolist() == [0] * 3
        )


def test_judgements_keep_the_grades_above_0_greatest_first() -> None:
    known = Judgements.of([{"a": 1, "b": 3, "c": 0, "d": -2}, {}, {"a": 1}])
    assert known.ideal.tolist() == [[3, 1], [0, 0], [1, 0]]
    assert known.relevant.tolist() == [2, 0, 1]


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*THEIRS, f"ndcg@{DEEPEST_CUTOFF}"])
def test_a_metric_is_called_what_it_was_parsed_from(name: str) -> None:
    assert str(Metric.parse(name)) == name


def test_names_are_read_however_they_are_written() -> None:
    assert Metric.parse(" nDCG@010\n") == Metric("ndcg", 10)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("ndgc@10", "there is no metric `ndgc@10`", "did you mean `ndcg@10`?"),
        ("nDGC@ten", "there is no metric `nDGC@ten`", "did you mean `ndcg@10`?"),
        ("prec@5", "there is no metric `prec@5`", "did you mean `precision@10`?"),
        ("mrr@-1", "there is no metric `mrr@-1`", "did you mean `mrr@10`?"),
        ("recall@٣", "there is no metric `recall@٣`", "did you mean `recall@10`?"),
        ("", "there is no metric ``", "there are ndcg, mrr, recall, map, precision, judged, as in ndcg@10"),
        ("q" * 90, f"there is no metric `{'q' * 40}`", "there are ndcg, mrr, recall, map, precision, judged, as in"),
        ("precision", "the metric `precision` needs a cut-off, as in `precision@10`", None),
        ("map@0", "the cut-off of `map@0` must be from 1 to 10,000", None),
        ("map@10001", "the cut-off of `map@10001` must be from 1 to 10,000", None),
        ("map@123456789", "the cut-off of `map@123456789` must be from 1 to 10,000", None),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused_with_the_nearest(name: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidSettings) as refused:
        Metric.parse(name)
    assert refused.value.message == message
    assert (refused.value.hint or "").startswith(hint or "")
    assert (refused.value.hint is None) == (hint is None)
