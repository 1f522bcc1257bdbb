"""Two rankings of the same questions: what changes, by how much, and whether that may be chance."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from evaluation_samples import NoisyReranker, filled, question, questions
from json_contract import check
from vai import Collection, Settings
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.comparing.comparing import compare
from vai.evaluation.comparing.differences import Bound, DiffReport, MetricDifference, Move
from vai.evaluation.comparing.sides import Duel, RunFile, Side, ask_both, files_alone, named
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.data.trec import Run, read_run, write_run
from vai.evaluation.data.unjudged import read_unjudged
from vai.evaluation.evaluating.foreign import as_ranked
from vai.evaluation.measures.intervals import Interval, interval
from vai.evaluation.measures.metrics import Judgements, Metric
from vai.evaluation.measures.overlap import overlap_at, rank_biased_overlap
from vai.evaluation.measures.significance import ALL_SIGNS_OF, randomisation_test
from vai.evaluation.replaying.specs import parse_spec
from vai.models.fakes import HashingEmbedder

RANKINGS = some.lists(some.sampled_from("abcdefghij"), unique=True, max_size=8)


# ── significance ──


@given(some.lists(some.integers(-3, 3), min_size=1, max_size=10))
def test_p_of_few_questions_counts_every_combination_of_signs(differences: list[int]) -> None:
    combinations = itertools.product((1, -1), repeat=len(differences))
    sums = [
        sum(sign * value for sign, value in zip(signs, differences, strict=True)) for signs in combinations
    ]
    expected = sum(abs(total) >= abs(sum(differences)) for total in sums) / len(sums)
    (found,) = randomisation_test([np.array(differences, dtype=np.float64)])
    assert found == pytest.approx(expected)


def test_drawn_signs_say_nearly_what_all_signs_say() -> None:
    differences = np.random.default_rng(3).normal(0.3, 1.0, ALL_SIGNS_OF)
    (exact,) = randomisation_test([differences])
    (drawn,) = randomisation_test([np.concatenate([differences, [1e-12] * 9])])
    assert 0.05 < exact < 0.95
    assert drawn == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("count", [5, 100])
def test_p_depends_neither_on_the_direction_nor_on_questions_that_are_alike(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.1, 1.0, count)
    padded = np.concatenate([np.zeros(7), differences])
    assert len(set(randomisation_test([differences, -differences, padded, differences]))) == 1


def test_p_is_one_without_any_difference_and_tiny_where_all_go_one_way() -> None:
    none, all_better = randomisation_test([np.zeros(50), np.full(50, 0.01)])
    assert (none, all_better < 1e-4) == (1.0, True)


# ── overlap ──


def test_overlap_is_a_share_of_the_longer_ranking() -> None:
    assert overlap_at("abcd", "badc", 2) == 1.0
    assert overlap_at("abcd", "acbd", 2) == 0.5
    assert overlap_at("ab", "abcd", 10) == 0.5
    assert (overlap_at("", "a", 3), overlap_at("", "", 3)) == (0.0, 1.0)


@given(RANKINGS, RANKINGS, some.sampled_from([0.5, 0.9, 0.98]))
def test_rank_biased_overlap_is_that_of_the_paper(one: list[str], other: list[str], p: float) -> None:
    """Equation 32 of Webber, Moffat & Zobel 2010, as it stands there."""
    short, long = sorted((one, other), key=len)
    found = rank_biased_overlap(one, other, p)
    if not short:
        assert found == (0.0 if long else 1.0)
        return
    s, l = len(short), len(long)  # noqa: E741 - the paper's names
    x = [len(set(short[:d]) & set(long[:d])) for d in range(l + 1)]
    first = sum(x[d] / d * p**d for d in range(1, l + 1))
    second = sum(x[s] * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1))
    assert found == pytest.approx((1 - p) / p * (first + second) + ((x[l] - x[s]) / l + x[s] / s) * p**l)


@given(RANKINGS, RANKINGS)
def test_rank_biased_overlap_is_the_same_both_ways_and_one_only_for_the_same(
    one: list[str], other: list[str]
) -> None:
    found = rank_biased_overlap(one, other)
    assert found == rank_biased_overlap(other, one)
    assert -1e-12 <= found <= 1 + 1e-12
    assert rank_biased_overlap(one, one) == pytest.approx(1.0)


def test_what_changes_at_the_top_counts_more() -> None:
    assert rank_biased_overlap("abcdef", "bacdef") < rank_biased_overlap("abcdef", "abcdfe") < 1


# ── what changes ──

GRADES: Mapping[str, Mapping[str, int]] = {
    "q1": {"a": 2, "b": 1, "z": 0},
    "q2": {"c": 1},
    "q3": {"d": 1, "e": 1},
    "q4": {"f": 1},
}


def duel(
    a: Mapping[str, str], b: Mapping[str, str], grades: Mapping[str, Mapping[str, int]] | None = GRADES
) -> Duel:
    """Two sides whose units have names of one letter."""
    sides = [
        Side(name, {query: list(units) for query, units in rankings.items()}, file=f"{name}.run")
        for name, rankings in (("before", a), ("after", b))
    ]
    return Duel(
        sides[0], sides[1], "set", {query: f"what is {query}?" for query in GRADES}, grades, "document"
    )


BEFORE = {"q1": "abxyz", "q2": "xyc", "q3": "dxe", "q4": "xf"}
AFTER = {"q1": "bazxy", "q2": "cxy", "q3": "xyd", "q4": "xf"}


def test_metrics_are_those_of_both_sides_with_their_paired_differences() -> None:
    report = compare(duel(BEFORE, AFTER), metrics=["ndcg@3", "mrr"], top_k=2)
    judgements = Judgements.of(list(GRADES.values()))
    assert report.metrics is not None
    for found, metric in zip(report.metrics, (Metric("ndcg", 3), Metric("mrr")), strict=True):
        a, b = (metric.values(as_ranked(side.rankings, GRADES), judgements) for side in (report.a, report.b))
        assert (found.metric, found.a, found.b) == (str(metric), a.mean(), b.mean())
        assert found.difference == interval(b - a)
        assert found.p == randomisation_test([b - a])[0]
        assert (found.wins, found.ties, found.losses) == (
            1,
            1 + (found.metric == "mrr"),
            2 - (found.metric == "mrr"),
        )


def test_questions_that_changed_most_come_first_with_what_became_of_the_relevant_units() -> None:
    report = compare(duel(BEFORE, AFTER), metrics=["mrr"], top_k=2)
    assert [(found.query_id, found.difference) for found in report.questions] == [
        ("q3", pytest.approx(-2 / 3)),
        ("q2", pytest.approx(2 / 3)),
        ("q1", 0.0),
    ], "as large a change comes first where the rankings are less alike"
    moves = {found.query_id: found.moves for found in report.questions}
    assert moves == {
        "q2": (Move("c", 1, 3, 1),),
        "q3": (Move("d", 1, 1, 3), Move("e", 1, 3, None)),
        "q1": (Move("a", 2, 1, 2), Move("b", 1, 2, 1)),
    }
    assert report.questions[0].query == "what is q3?"


def test_flips_are_relevant_units_that_only_one_side_shows() -> None:
    report = compare(duel(BEFORE, AFTER), metrics=["mrr"], top_k=2)
    assert report.flips is not None
    flips = {(flip.query_id, flip.change, flip.unit, flip.rank_a, flip.rank_b) for flip in report.flips}
    assert flips == {("q2", "entered", "c", 3, 1), ("q3", "left", "d", 1, 3)}


def test_without_judgements_all_that_is_shown_counts_and_the_least_alike_come_first() -> None:
    report = compare(duel(BEFORE, AFTER, grades=None), top_k=2)
    assert (report.metrics, report.flips) == (None, None)
    changed = sorted(("q1", "q2", "q3"), key=lambda query: rank_biased_overlap(BEFORE[query], AFTER[query]))
    assert [found.query_id for found in report.questions] == changed
    assert changed[0] == "q3"
    assert [found.difference for found in report.questions] == [None, None, None]
    assert report.questions[0].moves == (
        Move("d", None, 1, 3),
        Move("x", None, 2, 1),
        Move("y", None, None, 2),
    )
    alike = report.alike
    assert alike.overlap.mean == pytest.approx((1 + 0.5 + 0.5 + 1) / 4)
    assert alike.rbo.mean == pytest.approx(
        np.mean([rank_biased_overlap(BEFORE[query], AFTER[query]) for query in GRADES])
    )
    assert (alike.first_changed, alike.same) == (0.75, 1)


def test_the_same_ranking_twice_has_no_difference_and_says_so() -> None:
    report = compare(duel(BEFORE, BEFORE), metrics=["ndcg@3"])
    assert report.metrics is not None
    assert report.metrics[0].difference == Interval(0.0, 0.0, 0.0)
    assert (report.metrics[0].p, report.metrics[0].verdict) == (1.0, "may be chance")
    assert (report.questions, report.flips) == ((), ())
    assert report.alike.rbo.mean == pytest.approx(1.0)
    assert (report.alike.overlap.mean, report.alike.same) == (1.0, 4)
    assert report.warnings == ("A and B rank everything alike",)


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.03, 0.02, "better"),
        (-0.03, -0.01, 0.02, "worse"),
        (-0.01, 0.01, 0.02, "may be chance"),
        (-0.03, -0.01, 0.06, "may be chance"),
    ],
)
def test_a_verdict_is_certain_only_where_interval_and_test_agree(
    low: float, high: float, p: float, verdict: str
) -> None:
    difference = Interval((low + high) / 2, low, high)
    assert MetricDifference("map", 0.0, 0.0, difference, p, 1, 1, 1).verdict == verdict


def test_bounds_hold_for_differences_and_for_how_alike_both_are() -> None:
    bounds = [Bound("mrr", 0.0), Bound("ndcg@3", 0.9), Bound("overlap", 0.75), Bound("rbo", 0.99)]
    report = compare(duel(BEFORE, AFTER), metrics=["mrr"], top_k=2, bounds=bounds)
    assert [(gate.metric, gate.passed) for gate in report.gates] == [
        ("mrr", True),
        ("ndcg@3", False),
        ("overlap", True),
        ("rbo", False),
    ]
    assert [gate.metric for gate in report.failed] == ["ndcg@3", "rbo"]
    assert report.metrics is not None
    assert [found.metric for found in report.metrics] == ["mrr", "ndcg@3"]


def test_a_metric_cannot_be_bounded_where_nothing_was_judged() -> None:
    with pytest.raises(InvalidSettings, match="there is no mrr where nothing was judged"):
        compare(duel(BEFORE, AFTER, grades=None), bounds=[Bound("mrr", 0.0)])


@pytest.mark.parametrize("other", [0, 1])
def test_it_is_said_when_one_side_shows_less_that_was_judged_unless_all_judged_is_relevant(
    other: int,
) -> None:
    many = {f"q{number}": {"a": 1, "b": other} for number in range(20)}
    old, new = (Side(units, {query: list(units) for query in many}) for units in ("ba", "ax"))
    report = compare(Duel(old, new, "set", dict.fromkeys(many, "?"), many, None), top_k=2)
    said = (
        "50% of what B shows first was judged, and 100% of what A does; what nobody has judged counts as not "
        "relevant, which may be unfair to B"
    )
    assert report.warnings == ((said,) if other == 0 else ())


@pytest.mark.parametrize("grades", [GRADES, None])
def test_the_report_as_json_has_the_fields_of_the_contract(
    grades: Mapping[str, Mapping[str, int]] | None,
) -> None:
    report = compare(duel(BEFORE, AFTER, grades), bounds=[Bound("rbo", 0.1)])
    written = report.to_dict()
    assert json.loads(json.dumps(written)) == written
    assert written["schema"] == "vai.diff/1"
    if grades is not None:
        check(written)


# ── what a side is ──


def run_file(path: Path, rankings: Mapping[str, str], name: str = "mine") -> RunFile:
    """A file with these rankings."""
    run = Run(name, {query: [(unit, None) for unit in units] for query, units in rankings.items()})
    write_run(run, path)
    return RunFile(path, read_run(path))


def test_a_side_is_the_run_in_a_file_before_it_is_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named("stage1") == parse_spec("stage1")
    (tmp_path / "current").mkdir()
    assert named("current") == parse_spec("current")
    run_file(tmp_path / "stage1", BEFORE)
    found = named("stage1")
    assert isinstance(found, RunFile)
    assert found.run.name == "mine"


@pytest.mark.parametrize("text", ["before.run", "runs/before", "./x"])
def test_what_looks_like_a_file_and_is_none_is_not_taken_for_a_configuration(
    text: str, tmp_path: Path
) -> None:
    with pytest.raises(PathNotFound, match=f"there is no run at `{text}`"):
        named(text)


def test_two_files_are_compared_on_the_questions_that_both_have(tmp_path: Path) -> None:
    a = run_file(tmp_path / "a.run", {"q1": "ab", "q2": "c"})
    b = run_file(tmp_path / "b.run", {"q1": "ba", "q3": "d"})
    found = files_alone(a, b, None)
    assert (list(found.texts), found.grades, found.name, found.unit) == (["q1"], None, None, None)
    assert found.warnings == ("2 questions are ranked in one of the files only, and were left out",)
    assert compare(found).questions[0].query is None


def test_two_files_are_judged_on_all_questions_of_a_test_set(tmp_path: Path) -> None:
    test_set = TestSet(
        "set", {"q1": "what?", "q2": "why?"}, {"q1": {"a": 1}, "q2": {"c": 1}}, own_documents=True
    )
    a = run_file(tmp_path / "a.run", {"q1": "ab", "q2": "c", "q9": "x"})
    b = RunFile(tmp_path / "b.run", Run("b", {"q1": [("q1", 2.0), ("a", 1.0)]}))
    found = files_alone(a, b, test_set)
    assert found.b.rankings == {"q1": ["a"]}
    assert found.warnings == (
        f"`{tmp_path / 'b.run'}` has no ranking for 1 of the questions, which count as 0",
    )
    report = compare(found, metrics=["mrr"])
    assert report.metrics is not None
    assert (report.metrics[0].a, report.metrics[0].b) == (1.0, 0.5)


def test_files_about_something_else_are_refused(tmp_path: Path) -> None:
    a, b = (run_file(tmp_path / f"{query}.run", {query: "ab"}) for query in ("q1", "q2"))
    with pytest.raises(InvalidSettings, match="have no question in common"):
        files_alone(a, b, None)
    with pytest.raises(InvalidSettings, match="ranks nothing for the 1 questions of `set`"):
        files_alone(a, b, TestSet("set", {"q1": "?"}, {"q1": {"a": 1}}))
    with pytest.raises(InvalidSettings, match=r"nothing that `.*` ranks was judged in `set`"):
        files_alone(a, a, TestSet("set", {"q1": "?"}, {"q1": {"z": 1}}))


# ── a collection, or two ──


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Documents d0 … d39, each of one chunk."""
    with filled(tmp_path, NoisyReranker()) as opened:
        yield opened


def live(
    collection: Collection, test_set: TestSet, *, by_chunk: bool = False, **options: object
) -> dict[str, Sequence[str]]:
    """What queries answer."""
    answers = collection.query_many(test_set.queries.values(), top_k=20, **options)  # type: ignore[arg-type]
    return {
        query: [hit.id if by_chunk else hit.document_id for hit in answer.hits]
        for query, answer in zip(test_set.queries, answers, strict=True)
    }


def test_configurations_rank_as_queries_do(collection: Collection) -> None:
    test_set = questions(6)
    a, b = parse_spec("stage1"), parse_spec("blend=0.2")
    found = ask_both((a, collection), (b, collection), test_set)
    assert found.a.rankings == live(collection, test_set, rerank=False)
    assert found.b.rankings == live(collection, test_set, blend=0.2)
    assert (found.unit, found.grades, found.name) == ("document", test_set.grades, "questions")
    assert found.b.configuration is not None
    assert (found.b.configuration.blend, found.b.collection) == (0.2, "default")


def test_without_judgements_chunks_are_compared_as_users_see_them(collection: Collection) -> None:
    test_set = TestSet("asked", {"1": question(3)}, {"1": {}})
    a, b = parse_spec("current"), parse_spec("stage1=words")
    found = ask_both((a, collection), (b, collection), test_set, judged=False, limit=20)
    assert found.a.rankings == live(collection, test_set, by_chunk=True)
    assert (found.unit, found.grades) == ("chunk", None)


def test_a_run_from_a_file_is_compared_with_a_configuration(collection: Collection, tmp_path: Path) -> None:
    test_set = questions(3)
    path = tmp_path / "theirs.run"
    write_run(Run("theirs", {query: [("d1#0", 2.0), ("d0", 1.0)] for query in test_set.queries}), path)
    found = ask_both((named(str(path)), collection), (parse_spec("stage1"), collection), test_set)
    assert found.a.rankings == {query: ["d1", "d0"] for query in test_set.queries}
    assert (found.a.file, found.a.configuration, found.b.file) == (str(path), None, None)


def test_two_collections_are_asked_the_questions_that_both_can_answer(
    collection: Collection, tmp_path: Path
) -> None:
    """As an old embedder and a new one are compared."""
    (tmp_path / "other.jsonl").write_text(
        "".join(f"{json.dumps({'_id': f'd{n}', 'text': question(n)})}\n" for n in range(1, 9))
    )
    with Collection.open(
        tmp_path / ".vai",
        "other",
        embedder=HashingEmbedder(64),
        reranker=NoisyReranker(),
        settings=Settings(),
    ) as other:
        other.ingest(tmp_path / "other.jsonl")
        spec = parse_spec("stage1 limit=5")
        found = ask_both((spec, collection), (spec, other), questions(3), ignore_missing=True)
        assert list(found.texts) == ["q1", "q2"]
        assert found.warnings == ("1 judged id is not in the collection; 1 question was left out for that",)
        assert (found.a.collection, found.b.collection) == ("default", "other")
        assert {len(units) for units in (*found.a.rankings.values(), *found.b.rankings.values())} == {5}
        assert found.b.rankings["q1"][0] == "d1"


# ── questions without answers ──


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is it?\n\n  Why? \n", {"1": "What is it?", "3": "Why?"}),
        (
            '{"query": "What?", "relevant": ["d1"]}\n{"query": "Why?", "id": "y"}\n',
            {"1": "What?", "y": "Why?"},
        ),
        ('{"_id": "7", "text": "What?", "metadata": {}}\n', {"7": "What?"}),
        ('[{"query": "What?"}]', {"1": "What?"}),
    ],
)
def test_questions_stand_on_lines_or_in_json(text: str, expected: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "asked.txt"
    path.write_text(text)
    found = read_unjudged(path)
    assert (found.name, found.queries, found.grades) == ("asked", expected, {query: {} for query in expected})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n \n", "holds no question"),
        ('{"question": "What?"}\n', "line 1 of `asked.txt` has no question"),
        ('{"query": "a", "id": "1"}\n{"query": "b", "id": "1"}\n', "has the id of an earlier question: 1"),
    ],
)
def test_a_file_without_questions_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "asked.txt"
    path.write_text(text)
    with pytest.raises(InvalidSettings, match=said):
        read_unjudged(path)


def test_without_a_question_there_is_nothing_to_compare() -> None:
    empty = Duel(Side("a", {}), Side("b", {}), "set", {}, {}, None)
    with pytest.raises(InvalidSettings, match="there is no question that both sides were asked"):
        compare(empty)


def test_reports_are_values() -> None:
    one, other = (compare(duel(BEFORE, AFTER)) for _ in range(2))
    assert isinstance(one, DiffReport)
    assert one == other
