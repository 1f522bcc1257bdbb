"""A reranker is calibrated on questions of which the answers are known, and what comes of it is told in full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation_samples import TOPICS, NoisyReranker, filled, passage, question, questions
from vai import Collection, Settings
from vai.calibration import fit, probabilities
from vai.calibrations import Calibrated
from vai.errors import InvalidSettings, RemoteUnavailable
from vai.evaluation.calibrating.calibrating import CalibrationReport, calibrate, cross_validated
from vai.evaluation.calibrating.gathering import JudgedPairs, gather
from vai.evaluation.data.matching import match
from vai.evaluation.data.testsets import TestSet
from vai.models.fakes import HashingEmbedder
from vai.types import Calibration


def measured(folder: Path, reranker: NoisyReranker, *, limit: int = 10) -> CalibrationReport:
    """What is measured of a reranker with the small corpus."""
    with filled(folder, reranker) as collection:
        return calibrate(collection, questions(), limit=limit)


def drawn_pairs(queries: int = 50, each: int = 10) -> JudgedPairs:
    """Pairs that are relevant as often as a curve says."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 3, queries * each).astype(np.float32)
    relevant = random.random(queries * each) < probabilities(logits, Calibration(0.8, -1.0, 0.0))
    return JudgedPairs(logits, relevant, np.repeat(np.arange(queries), each), np.ones(queries * each, bool))


# ── gathering ──


def test_every_candidate_of_every_question_is_read_once_and_judged(tmp_path: Path) -> None:
    reranker = NoisyReranker()
    with filled(tmp_path, reranker) as collection:
        gathered = gather(collection, match(questions(), collection), limit=10)
    pairs = gathered.pairs
    assert (gathered.model, gathered.revision, gathered.limit) == ("noisy", "7", 10)
    assert (len(pairs), pairs.queries, pairs.answered) == (10 * TOPICS, TOPICS, TOPICS)
    assert pairs.relevant.sum() == TOPICS
    assert (pairs.judged == pairs.relevant).all()
    assert len(reranker.read) == 10 * TOPICS


def test_the_values_are_the_models_own_whatever_the_settings_say_of_queries(tmp_path: Path) -> None:
    """A blend, a budget and a least relevance are for answers, not for measuring."""
    plain = filled(tmp_path, NoisyReranker())
    settings = Settings(rerank=False, blend=1.0, min_relevance=1.0, budget_ms=1, top_k=1)
    with (
        plain,
        Collection.open(
            tmp_path / ".vai",
            embedder=HashingEmbedder(256),
            reranker=NoisyReranker(),
            settings=settings,
        ) as other,
    ):
        matched = match(questions(), plain)
        first, second = (gather(opened, matched, limit=5).pairs for opened in (plain, other))
    assert first.logits.tolist() == second.logits.tolist()


def test_relevance_that_a_model_gives_counts_as_the_logit_that_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        filled(tmp_path / "a", NoisyReranker()) as logits,
        filled(tmp_path / "b", NoisyReranker(gives="relevance")) as relevance,
    ):
        first, second = (
            gather(opened, match(questions(), opened), limit=5).pairs.logits for opened in (logits, relevance)
        )
    assert second == pytest.approx(first, abs=1e-3)


def test_the_best_chunk_of_a_document_counts_where_documents_were_judged(tmp_path: Path) -> None:
    texts = [f"# One\n\n{passage(topic)}\n\n# Two\n\n{'other words ' * 120}" for topic in range(4)]
    with filled(tmp_path, NoisyReranker(), texts=texts) as collection:
        assert collection.describe().chunks > 4
        by_document = gather(collection, match(questions(4), collection), limit=40).pairs
        judged = TestSet("chunks", questions(4).queries, {f"q{n}": {f"d{n}#0": 1} for n in range(4)})
        by_chunk = gather(collection, match(judged, collection), limit=40).pairs
        chunks = collection.describe().chunks
    assert len(by_document) == 4 * 4
    assert len(by_chunk) == 4 * chunks
    best = [by_chunk.logits[(by_chunk.query == query)].max() for query in range(4)]
    assert [by_document.logits[by_document.query == query].max() for query in range(4)] == best


def test_a_model_that_fails_before_everything_is_read_is_not_calibrated_on_the_rest(tmp_path: Path) -> None:
    broken = NoisyReranker(stopped_after=100)
    with (
        filled(tmp_path, broken) as collection,
        pytest.raises(RemoteUnavailable, match="the line went dead") as caught,
    ):
        calibrate(collection, questions(), limit=10)
    assert caught.value.hint == "what has been read is kept in the cache: run the same command again"


# ── the report ──


def test_the_report_says_what_was_read_and_how_good_the_curve_is(tmp_path: Path) -> None:
    report = measured(tmp_path, NoisyReranker())
    assert (report.collection, report.test_set, report.model, report.revision) == (
        "default",
        "questions",
        "noisy",
        "7",
    )
    assert (report.queries, report.pairs, report.positives, report.unjudged) == (40, 400, 40, 360)
    assert (report.limit, report.missing, report.left_out, report.refused) == (10, 0, 0, None)
    assert report.calibration is not None
    assert report.calibration.slope > 0
    assert 0 <= report.calibration.error < 0.1
    assert report.brier is not None
    assert 0 <= report.brier < 0.1
    assert sum(row.pairs for row in report.reliability) == report.pairs
    assert [row.relevance for row in report.thresholds] == [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]


def test_measuring_again_gives_the_same_figures(tmp_path: Path) -> None:
    first, second = (measured(tmp_path, NoisyReranker()) for _ in range(2))
    assert replace(first, seconds=0.0, measured="") == replace(second, seconds=0.0, measured="")


def test_a_higher_threshold_never_keeps_more(tmp_path: Path) -> None:
    shares = [(row.relevant_kept, row.others_kept) for row in measured(tmp_path, NoisyReranker()).thresholds]
    assert shares == sorted(shares, reverse=True)
    assert all(relevant > others for relevant, others in shares)


def test_with_its_calibration_the_relevance_of_a_model_is_what_was_found(tmp_path: Path) -> None:
    """The mean relevance of all candidates is the share of them that is relevant: one in ten."""
    reranker = NoisyReranker()
    report = measured(tmp_path, reranker)
    assert report.calibration is not None
    with Collection.open(
        tmp_path / ".vai",
        embedder=HashingEmbedder(256),
        reranker=Calibrated(reranker, report.calibration),
        settings=Settings(),
    ) as collection:
        responses = [
            collection.query(question(topic), limit=10, top_k=10, cache=False) for topic in range(TOPICS)
        ]
    relevance = [hit.relevance for response in responses for hit in response.hits]
    assert all(response.stages.rerank and response.stages.rerank.calibrated for response in responses)
    assert np.mean([value for value in relevance if value is not None]) == pytest.approx(0.1, abs=0.01)


def test_a_model_whose_scores_fall_with_relevance_is_refused_with_a_sentence(tmp_path: Path) -> None:
    report = measured(tmp_path, NoisyReranker(worth=-6.0))
    assert report.calibration is None
    assert report.to_keep() is None
    assert report.refused == (
        "noisy cannot be calibrated with `questions`: its scores do not rise with relevance"
    )


def test_too_few_questions_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    reranker = NoisyReranker()
    said = "`questions` has 29 questions, and a calibration takes at least 30"
    with filled(tmp_path, reranker) as collection, pytest.raises(InvalidSettings, match=said):
        calibrate(collection, questions(29))
    assert reranker.read == []


def test_too_few_questions_with_an_answer_are_refused(tmp_path: Path) -> None:
    full = questions()
    grades = {query: full.grades[query] if number < 19 else {} for number, query in enumerate(full.queries)}
    said = "19 questions of `questions` have something relevant"
    with filled(tmp_path, NoisyReranker()) as collection, pytest.raises(InvalidSettings, match=said):
        calibrate(collection, replace(full, grades=grades))


def test_what_is_missing_is_a_warning_if_it_may_be(tmp_path: Path) -> None:
    full = questions()
    grades = {**full.grades, "q0": {"gone": 1}, "q1": {"d1": 1, "gone too": 1}}
    with filled(tmp_path, NoisyReranker()) as collection:
        report = calibrate(collection, replace(full, grades=grades), ignore_missing=True)
    assert (report.queries, report.missing, report.left_out) == (39, 2, 1)
    assert report.warnings == ("2 judged ids are not in the collection; 1 question was left out for that",)


def test_progress_is_told_question_by_question(tmp_path: Path) -> None:
    told: list[int] = []
    with filled(tmp_path, NoisyReranker()) as collection:
        calibrate(collection, questions(), progress=told.append)
    assert told == list(range(1, TOPICS + 1))


# ── the error ──


def test_what_is_said_of_a_question_never_comes_from_its_own_judgements() -> None:
    pairs = drawn_pairs()
    before = cross_validated(pairs)
    turned = replace(pairs, relevant=np.where(pairs.query == 7, ~pairs.relevant, pairs.relevant))
    after = cross_validated(turned)
    assert (after == before)[pairs.query == 7].all()
    assert (after != before).any()


def test_what_is_said_of_held_out_questions_is_near_what_the_whole_curve_says() -> None:
    pairs = drawn_pairs(queries=400)
    whole = probabilities(pairs.logits, Calibration(*fit(pairs.logits, pairs.relevant, pairs.weights), 0.0))
    assert np.abs(cross_validated(pairs) - whole).max() < 0.05


def test_every_question_weighs_the_same_however_many_candidates_it_has() -> None:
    pairs = drawn_pairs(queries=3, each=4).part(np.arange(12) != 5)
    assert np.bincount(pairs.query, weights=pairs.weights).tolist() == pytest.approx([1.0, 1.0, 1.0])
