"""Tuning finds what is best where that is known, and refuses a reranker that is not worth it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation_samples import NoisyReranker, filled
from vai import Collection, Settings
from vai.arrays import Doubles
from vai.errors import InvalidSettings
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.measures import costs as costs_module
from vai.evaluation.measures import intervals as intervals_module
from vai.evaluation.measures.timing import ReadingTime
from vai.evaluation.tuning.tuning import TuneReport, tune
from vai.types import Reading

SEARCH_MS = {"words": 8.0, "vector": 10.0, "hybrid": 12.0}
PER_CANDIDATE_MS = 5.0
GROUPS = 20


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time as it would be on a machine where nothing else happens; bounds from fewer resamples."""

    def searches(bench: object, mode: str, **_: int) -> Doubles:
        return np.full(3, SEARCH_MS[mode])

    def reading(replay: object, chosen: object) -> ReadingTime:
        return ReadingTime(5.0, PER_CANDIDATE_MS / 50)

    monkeypatch.setattr(costs_module, "timed_searches", searches)
    monkeypatch.setattr(costs_module, "reading_time", reading)
    monkeypatch.setattr(intervals_module, "RESAMPLES", 1_000)


@dataclass
class KnowingReranker(NoisyReranker):
    """Gives `worth` more to the passage that is known to answer a question."""

    answers: Mapping[str, str] = field(default_factory=dict)

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        reading = replace(super().score(f"{query}?", passages))
        assert reading.logits is not None
        noise = reading.logits % 1.0
        knows = np.array([self.answers.get(query) == text for text in passages], dtype=np.float32)
        return replace(reading, logits=noise + self.worth * knows)


@dataclass(frozen=True)
class Crowd:
    """Groups of passages that stage 1 cannot tell from each other, and two questions about each group.

    The answers stand at every rank of their groups.
    """

    size: int

    def texts(self) -> list[str]:
        return [self.text(group, copy) for group in range(GROUPS) for copy in range(self.size)]

    def text(self, group: int, copy: int) -> str:
        return f"Notes of subject{group} copy{copy}."

    def answers(self) -> dict[str, tuple[int, int]]:
        """Questions with the group and the place in it of what answers them."""
        numbers = range(2 * GROUPS)
        places = {number: round(number / (2 * GROUPS - 1) * (self.size - 1)) for number in numbers}
        return {f"Is subject{n // 2} meant by asking{n}": (n // 2, places[n]) for n in numbers}

    def test_set(self) -> TestSet:
        asked = dict(enumerate(self.answers().items()))
        grades = {f"q{n}": {f"d{group * self.size + copy}": 1} for n, (_, (group, copy)) in asked.items()}
        return TestSet("crowd", {f"q{n}": text for n, (text, _) in asked.items()}, grades)

    def reranker(self, worth: float) -> KnowingReranker:
        answers = {question: self.text(*place) for question, place in self.answers().items()}
        return KnowingReranker(worth=worth, answers=answers)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def tuned(
    folder: Path, crowd: Crowd, reranker: NoisyReranker, settings: Settings | None = None, **options: object
) -> TuneReport:
    with filled(folder, reranker, texts=crowd.texts(), settings=settings) as collection:
        return tune(collection, crowd.test_set(), **options)  # type: ignore[arg-type]


# ── whether to rerank ──


def test_a_perfect_reranker_is_chosen_with_the_candidates_that_it_needs(folder: Path) -> None:
    """25 passages look alike to stage 1, so that 20 candidates are too few, and 30 enough."""
    report = tuned(folder, crowd := Crowd(25), crowd.reranker(worth=10.0))
    assert report.decision == "rerank"
    assert report.best == replace(report.baseline, limit=30)
    assert report.rerank_gain is not None
    assert report.rerank_gain.low > 0.3
    assert report.held_out.quality.mean == pytest.approx(1.0)
    assert report.held_out.gain.certain
    assert report.held_out.gain.mean == pytest.approx(1.0 - report.held_out.baseline_mean)
    assert report.reason.startswith(f"it gains {report.rerank_gain.mean:+.3f} [")


def test_a_reranker_that_likes_what_does_not_answer_is_refused(folder: Path) -> None:
    report = tuned(folder, crowd := Crowd(12), crowd.reranker(worth=-10.0), max_limit=20)
    assert report.decision == "no-rerank"
    assert report.best.reranker is None
    assert report.rerank_gain is not None
    assert report.rerank_gain.high < 0
    assert report.reason.startswith("it loses -0.")
    assert "ms more for a query" in report.reason
    assert report.held_out.gain.low > 0


def test_a_reranker_that_orders_at_random_is_refused_because_its_gain_may_be_chance(folder: Path) -> None:
    report = tuned(folder, crowd := Crowd(12), crowd.reranker(worth=0.0), max_limit=20)
    assert report.decision == "no-rerank"
    assert report.best.reranker is None
    assert "no gain that can be told from chance on these 40 questions" in report.reason


def test_a_small_gain_comes_with_the_number_of_questions_that_it_takes(folder: Path) -> None:
    """The reranker knows the answers of a tenth of the questions."""
    crowd = Crowd(12)
    reranker = crowd.reranker(worth=10.0)
    known = list(reranker.answers.items())[20:24]
    report = tuned(folder, crowd, replace(reranker, answers=dict(known)), max_limit=20, blend=0.9)
    assert report.decision == "no-rerank"
    assert report.rerank_gain is not None
    assert report.rerank_gain.mean > 0
    assert any(
        warning.startswith("a gain of reranking as large as the one seen here") and "there are 40" in warning
        for warning in report.warnings
    )


def test_without_a_reranker_to_try_only_stage_1_is_tuned(folder: Path) -> None:
    report = tuned(folder, crowd := Crowd(5), crowd.reranker(worth=10.0), rerank=False)
    assert report.decision == "no-rerank"
    assert report.rerank_gain is None
    assert report.reason.startswith("no reranker was to be tried")
    assert {point.settings.reranker for point in report.points} == {None}


def test_a_reranker_that_is_switched_off_is_tried_nevertheless(folder: Path) -> None:
    crowd = Crowd(12)
    report = tuned(folder, crowd, crowd.reranker(worth=10.0), Settings(rerank=False), max_limit=20)
    assert report.baseline.reranker is None
    assert report.decision == "rerank"


def test_the_better_of_two_rerankers_is_chosen(folder: Path) -> None:
    """word-overlap cannot tell the passages of a group from each other, and the other one can."""
    crowd = Crowd(12)
    settings = Settings(limit=15)
    with filled(folder, crowd.reranker(worth=10.0), texts=crowd.texts(), settings=settings) as collection:
        report = tune(collection, crowd.test_set(), rerank_models=["word-overlap"], max_limit=15)
    assert report.best == report.baseline
    assert {point.settings.reranker for point in report.points} == {None, "noisy", "word-overlap"}


# ── how many candidates, and which search ──


def test_fewer_candidates_are_chosen_where_more_of_them_add_nothing(folder: Path) -> None:
    crowd = Crowd(8)
    report = tuned(folder, crowd, crowd.reranker(worth=10.0), Settings(limit=50))
    assert report.best.limit == 10
    assert report.reason.endswith("; fewer candidates are enough: 10 instead of 50")


def test_what_is_in_force_is_kept_where_nothing_is_better(folder: Path) -> None:
    crowd = Crowd(8)
    report = tuned(folder, crowd, crowd.reranker(worth=10.0), Settings(limit=10), max_limit=20)
    assert report.best == report.baseline
    assert report.best_row == report.baseline_row
    assert report.held_out.gain.mean == 0.0
    assert report.reason.endswith("keep them")


def rare_words() -> tuple[list[str], TestSet]:
    """Questions of common words and a rare one; what answers has the rare word and nothing else of the question."""
    common = [f"common{letter}" for letter in "abcdefgh"]
    answers = [f"rare{n} other{n} thing{n} matter{n} body{n} item{n}" for n in range(30)]
    decoys = [" ".join((*common, f"decoy{n}")) for n in range(150)]
    queries = {f"q{n}": " ".join((*common, f"rare{n}")) for n in range(30)}
    return [*answers, *decoys], TestSet("rare", queries, {f"q{n}": {f"d{n}": 1} for n in range(30)})


def test_words_alone_are_chosen_where_vectors_mislead(folder: Path) -> None:
    texts, questions = rare_words()
    with filled(folder, NoisyReranker(), texts=texts) as collection:
        report = tune(collection, questions, rerank=False)
    assert report.best.stage1.mode == "words"
    assert report.held_out.quality.mean == pytest.approx(1.0)


def test_a_kind_of_search_that_is_certainly_worse_in_every_way_is_not_read(folder: Path) -> None:
    texts, questions = rare_words()
    reranker = NoisyReranker(worth=0.0)
    with filled(folder, reranker, texts=texts, settings=Settings(stage1="words")) as collection:
        report = tune(collection, questions, max_limit=10)
    assert {item.stage1.mode for item in report.not_reranked} >= {"vector"}
    kinds = {(item.stage1.mode, item.stage1.fusion) for item in report.not_reranked}
    read = {point.settings.stage1 for point in report.points if point.settings.reranker}
    assert read
    assert not kinds & {(stage1.mode, stage1.fusion) for stage1 in read}
    assert all(item.reranker is None for item in report.not_reranked)


def test_the_kind_of_search_that_is_in_force_is_read_however_bad_it_is(folder: Path) -> None:
    texts, questions = rare_words()
    settings = Settings(stage1="vector")
    with filled(folder, NoisyReranker(worth=0.0), texts=texts, settings=settings) as collection:
        report = tune(collection, questions, max_limit=10)
    assert "vector" not in {item.stage1.mode for item in report.not_reranked}
    assert report.best.stage1.mode == "words"


def test_where_there_is_an_index_its_depth_is_tuned_too(folder: Path) -> None:
    crowd = Crowd(12)
    with filled(folder, crowd.reranker(worth=10.0), texts=crowd.texts()) as collection:
        collection.build_index()
        report = tune(collection, crowd.test_set(), stage1="vector", max_limit=15)
    assert {point.settings.num_candidates for point in report.points} == {50, 100, 200, 400, 800}
    assert report.decision == "rerank"


def test_a_setting_that_is_asked_for_is_not_tuned(folder: Path) -> None:
    report = tuned(folder, crowd := Crowd(25), crowd.reranker(worth=10.0), limit=20, stage1="vector")
    assert {point.settings.limit for point in report.points} == {20}
    assert {point.settings.stage1.mode for point in report.points} == {"vector"}
    assert report.decision == "rerank"


# ── budgets ──


def test_under_a_budget_of_time_fewer_candidates_are_read(folder: Path) -> None:
    report = tuned(folder, crowd := Crowd(12), crowd.reranker(worth=10.0), max_limit=20, budget_ms=90)
    assert report.budget_ms == 90
    assert report.decision == "rerank"
    assert report.best.limit == 10
    assert report.best_row is not None
    assert report.best_row.p95_ms is not None
    assert report.best_row.p95_ms <= 90


def test_the_budget_of_the_settings_holds_too(folder: Path) -> None:
    crowd = Crowd(5)
    report = tuned(folder, crowd, crowd.reranker(worth=10.0), Settings(budget_ms=40), max_limit=10)
    assert report.decision == "no-rerank"
    assert report.reason.startswith("it does not fit into --budget-ms 40: p95 is ")
    assert report.rerank_gain is None


def test_a_budget_that_nothing_keeps_to_is_an_error_that_names_what_is_fastest(folder: Path) -> None:
    crowd = Crowd(5)
    with pytest.raises(
        InvalidSettings, match="the fastest, by words with 10 candidates and no reranker, takes 8"
    ):
        tuned(folder, crowd, crowd.reranker(worth=10.0), max_limit=10, budget_ms=5)


def test_a_price_that_is_too_high_rules_a_reranker_out(folder: Path) -> None:
    crowd = Crowd(12)
    paid = replace(crowd.reranker(worth=10.0), usd_per_million_tokens=100.0)
    dear = tuned(folder, crowd, paid, max_limit=20, max_usd_per_1k=0.5)
    assert dear.decision == "no-rerank"
    assert dear.reason.startswith("it costs more than is allowed: 1 USD for 1,000 queries at least")
    assert {row.settings.reranker for row in dear.frontier if "cost" in row.by} == {None, "noisy"}


def test_under_a_price_fewer_candidates_are_read(folder: Path) -> None:
    crowd = Crowd(12)
    paid = replace(crowd.reranker(worth=10.0), usd_per_million_tokens=100.0)
    report = tuned(folder, crowd, paid, max_limit=20, max_usd_per_1k=1.0)
    assert report.decision == "rerank"
    assert report.best.limit == 10
    assert report.best_row is not None
    assert report.best_row.usd_per_1k == 1.0


# ── what is asked for cannot be had ──


def test_too_few_questions_are_refused(folder: Path) -> None:
    crowd = Crowd(5)
    few = crowd.test_set()
    few = replace(few, queries=dict(list(few.queries.items())[:9]), grades=dict(list(few.grades.items())[:9]))
    with filled(folder, NoisyReranker(), texts=crowd.texts()) as collection:
        with pytest.raises(InvalidSettings, match="9 questions to tune on, and it takes at least 10"):
            tune(collection, few)
        assert collection.describe().documents == 5 * GROUPS


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"max_limit": 0}, "--max-limit must be from 1 to 10,000: 0"),
        ({"max_limit": 10_001}, "--max-limit must be from 1 to 10,000: 10001"),
        ({"max_usd_per_1k": -1.0}, "--max-usd-per-1k must be at least 0: -1"),
        ({"rerank_models": ("x", "y"), "rerank": False}, "--no-rerank and --rerank-models x,y contradict"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(folder: Path, asked: dict[str, Any], said: str) -> None:
    with (
        filled(folder, NoisyReranker(), texts=Crowd(5).texts()) as collection,
        pytest.raises(InvalidSettings, match=said),
    ):
        tune(collection, Crowd(5).test_set(), **asked)


def test_nothing_is_tuned_where_nothing_is_relevant(folder: Path) -> None:
    asked = Crowd(5).test_set()
    with (
        filled(folder, NoisyReranker(), texts=Crowd(5).texts()) as collection,
        pytest.raises(InvalidSettings, match="nothing is known to be relevant to any question"),
    ):
        tune(collection, replace(asked, grades={key: {} for key in asked.grades}))


def test_how_much_was_judged_is_nothing_to_tune_for(folder: Path) -> None:
    with (
        filled(folder, NoisyReranker()) as collection,
        pytest.raises(InvalidSettings, match="how much of the answers was judged"),
    ):
        tune(collection, Crowd(5).test_set(), target="judged@10")


def test_few_questions_are_a_warning(folder: Path) -> None:
    report = tuned(folder, crowd := Crowd(5), crowd.reranker(worth=10.0), rerank=False)
    assert "40 questions are few: only large differences can be told from chance with them" in report.warnings


def test_a_least_relevance_that_loses_its_meaning_is_a_warning(folder: Path) -> None:
    crowd = Crowd(12)
    report = tuned(folder, crowd, crowd.reranker(worth=-10.0), Settings(min_relevance=0.0), max_limit=15)
    assert report.best.reranker is None
    assert any("min_relevance 0 has no effect" in warning for warning in report.warnings)


# ── the report ──


@pytest.fixture
def collection(folder: Path) -> Iterator[Collection]:
    crowd = Crowd(12)
    with filled(folder, crowd.reranker(worth=10.0), texts=crowd.texts()) as opened:
        yield opened


def test_the_same_is_found_every_time(collection: Collection) -> None:
    one, other = (tune(collection, Crowd(12).test_set(), max_limit=20) for _ in range(2))
    assert one.best == other.best
    assert one.held_out == other.held_out
    assert one.rerank_gain == other.rerank_gain


def test_the_report_is_json_and_its_front_rises_with_time(collection: Collection) -> None:
    report = tune(collection, Crowd(12).test_set(), max_limit=20)
    said = json.loads(json.dumps(report.to_dict()))
    assert said["schema"] == "vai.tune/1"
    assert said["configurations"] == len(report.points) > 500
    assert said["held_out"].keys() == {"queries", "metric", "mean", "low", "high", "baseline_mean", "gain"}
    front = said["frontier"]
    assert front == sorted(front, key=lambda row: row["p95_ms"])
    assert front == sorted(front, key=lambda row: row["metric"])
    assert all(row["by"] == ["latency"] and row["usd_per_1k"] is None for row in front)
    assert front[-1]["settings"]["rerank_model"] == "noisy"


def test_it_is_told_how_far_tuning_has_come(collection: Collection) -> None:
    told: dict[str, tuple[int, int]] = {}

    def progress(step: str, done: int, of: int) -> None:
        told[step] = done, of

    report = tune(collection, Crowd(12).test_set(), max_limit=15, progress=progress)
    assert list(told) == ["embed", "search", "read", "time", "replay"]
    assert all(done == of for done, of in told.values())
    assert told["replay"] == (report.configurations, report.configurations)
    assert told["read"][0] >= 40 * 15
