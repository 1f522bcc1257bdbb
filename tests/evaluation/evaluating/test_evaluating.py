"""Both stages are measured side by side on questions whose answers are known, and all that matters is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation_samples import TOPICS, NoisyReranker, filled, questions
from json_contract import check
from vai import Collection, Settings
from vai.errors import InvalidSettings, PathNotFound, RemoteUnavailable
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.data.trec import Run, write_run
from vai.evaluation.evaluating.evaluating import Asked, Evaluation, evaluate
from vai.evaluation.evaluating.reporting import EvalReport
from vai.evaluation.replaying.specs import parse_spec
from vai.models.fakes import HashingEmbedder

METRICS = ("ndcg@10", "mrr@10", "recall@5")


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Forty texts, and a reranker that tells well which of them answers."""
    with filled(tmp_path, NoisyReranker()) as opened:
        yield opened


@contextmanager
def under_settings(folder: Path, settings: Settings) -> Iterator[Collection]:
    """The small collection under other settings."""
    with Collection.open(
        folder / ".vai", embedder=HashingEmbedder(256), reranker=NoisyReranker(), settings=settings
    ) as opened:
        yield opened


def graded(count: int = 20) -> TestSet:
    """Questions with an answer, a half of one, and a text that was judged not to be one."""
    asked = questions(count)
    grades = {
        f"q{topic}": {f"d{topic}": 2, f"d{(topic + 1) % TOPICS}": 1, f"d{(topic + 2) % TOPICS}": 0}
        for topic in range(count)
    }
    return replace(asked, grades=grades)


def names(report: EvalReport) -> list[str]:
    return [run.name for run in report.runs]


def run_file(path: Path, rankings: dict[str, list[str]], name: str = "other") -> Path:
    """A run of those units, best first."""
    scored = {
        query: [(unit, float(len(units) - place)) for place, unit in enumerate(units)]
        for query, units in rankings.items()
    }
    write_run(Run(name, scored), path)
    return path


# ── which runs there are ──


def test_stage_1_alone_stage_2_alone_and_both_are_laid_side_by_side(collection: Collection) -> None:
    report = evaluate(collection, graded(), metrics=METRICS)
    assert names(report) == ["stage1", "reranked", "blended"]
    assert report.in_force == "blended"
    assert [run.configuration and run.configuration.blend for run in report.runs] == [1.0, 0.0, 0.5]
    assert (report.corpus, report.collection, report.unit, report.queries) == (
        *("questions", "default", "document"),
        20,
    )
    assert all(list(run.metrics) == list(METRICS) for run in report.runs)


@pytest.mark.parametrize(
    ("blend", "in_force"), [(0.0, "reranked"), (1.0, "stage1")], ids=["stage 2 alone", "stage 1 alone"]
)
def test_what_would_be_there_twice_is_there_once(collection: Collection, blend: float, in_force: str) -> None:
    report = evaluate(collection, questions(5), metrics=METRICS, blend=blend)
    assert (names(report), report.in_force) == (["stage1", "reranked"], in_force)


def test_where_stage_2_is_switched_off_stage_1_is_all_there_is(
    collection: Collection, tmp_path: Path
) -> None:
    by_flag = evaluate(collection, questions(5), metrics=METRICS, rerank=False)
    with under_settings(tmp_path, Settings(rerank=False)) as other:
        by_setting = evaluate(other, questions(5), metrics=METRICS)
    assert names(by_flag) == names(by_setting) == ["stage1"]
    assert by_flag.in_force == "stage1"
    assert by_flag.runs[0].against is None


def test_the_run_in_force_is_what_queries_give(collection: Collection) -> None:
    """Every unit in the order of a query with as many hits as candidates, with its score."""
    measured = Evaluation.of(collection, questions(6), Asked(), limit=8)
    for name, options in (("stage1", {"rerank": False}), ("reranked", {"blend": 0.0}), ("blended", {})):
        asked: Any = {"limit": 8, "top_k": 8, **options}
        live = [
            [(hit.document_id, hit.score) for hit in response.hits]
            for response in collection.query_many(measured.bench.texts, **asked)
        ]
        assert list(measured.run(name).rankings.values()) == live


def test_further_configurations_are_compared_by_what_was_said_of_them(collection: Collection) -> None:
    report = evaluate(
        collection,
        questions(5),
        metrics=METRICS,
        compare=[parse_spec("limit=30 blend=0.3"), parse_spec("stage1=vector")],
        words_weight=0.4,
    )
    assert names(report)[3:] == ["limit=30 blend=0.3", "stage1=vector"]
    settings = [run.configuration.to_dict() for run in report.runs if run.configuration]
    assert [(one["limit"], one["blend"], one["words_weight"]) for one in settings[2:]] == [
        (20, 0.5, 0.4),
        (30, 0.3, 0.4),
        (20, 0.5, None),
    ]
    assert report.in_force == "blended"


def test_a_configuration_that_is_there_already_is_listed_once(collection: Collection) -> None:
    asked = [parse_spec("stage1"), parse_spec("blend=0.5"), parse_spec("blend=0")]
    report = evaluate(collection, questions(5), metrics=METRICS, compare=asked, blend=0.5)
    assert names(report) == ["stage1", "reranked", "blended"]
    assert report.warnings == (
        "`blend=0.5` is the same as `blended`, and is listed once",
        "`blend=0` is the same as `reranked`, and is listed once",
    )


def test_stage_1_can_be_named_beside_flags_that_are_about_stage_2(collection: Collection) -> None:
    asked = [parse_spec("stage1 limit=10")]
    report = evaluate(collection, questions(5), compare=asked, blend=0.3, min_relevance=0.1, top_k=15)
    added = report.run("stage1 limit=10").configuration
    assert added is not None
    assert (added.reranker, added.min_relevance, added.limit) == (None, None, 10)


# ── figures ──


def test_means_are_those_of_the_questions_and_differences_are_paired(collection: Collection) -> None:
    report = evaluate(collection, graded(), metrics=METRICS)
    for run in report.runs:
        for metric in METRICS:
            values = [question.runs[run.name][metric] for question in report.questions]
            others = [question.runs["stage1"][metric] for question in report.questions]
            assert run.metrics[metric].mean == pytest.approx(sum(values) / len(values))
            if run.against is not None:
                expected = sum(values) / len(values) - sum(others) / len(others)
                assert run.against[metric].mean == pytest.approx(expected, abs=1e-12)
    assert [run.against is None for run in report.runs] == [True, False, False]


def test_the_metric_of_a_question_is_the_textbooks(collection: Collection) -> None:
    """nDCG@10 with the grade as the gain, by hand from the hits of a query."""
    asked = graded(8)
    report = evaluate(collection, asked, metrics=["ndcg@10"])
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    for question in report.questions:
        hits = collection.query(question.query, top_k=20, limit=20).hits
        gains = [
            asked.grades[question.id].get(hit.document_id, 0) / math.log2(hit.rank + 1) for hit in hits[:10]
        ]
        assert question.runs["blended"]["ndcg@10"] == pytest.approx(sum(gains) / ideal)


def test_another_run_can_be_the_one_that_the_others_are_compared_with(collection: Collection) -> None:
    first = evaluate(collection, graded(), metrics=METRICS, baseline="reranked")
    second = evaluate(collection, graded(), metrics=METRICS)
    assert names(first) == ["reranked", "stage1", "blended"]
    ours, theirs = first.run("stage1").against, second.run("reranked").against
    assert ours is not None
    assert theirs is not None
    assert ours["ndcg@10"].mean == pytest.approx(-theirs["ndcg@10"].mean)
    assert ours["ndcg@10"].low == pytest.approx(-theirs["ndcg@10"].high)


def test_a_configuration_is_found_however_it_is_written(collection: Collection) -> None:
    compare = [parse_spec("limit=10 blend=0.30")]
    report = evaluate(collection, questions(5), compare=compare, baseline="blend=.3, limit=10")
    assert names(report)[0] == "limit=10 blend=0.3"


def test_a_baseline_that_is_no_run_is_refused_with_those_there_are(collection: Collection) -> None:
    with pytest.raises(InvalidSettings, match="there is no run called `best`") as caught:
        evaluate(collection, questions(5), baseline="best")
    assert caught.value.hint == "there are stage1, reranked, blended"


def test_a_reranker_that_does_harm_is_seen_to_do_it_for_certain(tmp_path: Path) -> None:
    with filled(tmp_path, NoisyReranker(worth=-6.0)) as collection:
        report = evaluate(collection, questions(), metrics=["mrr@10"])
    harm = report.run("reranked").against
    assert harm is not None
    assert harm["mrr@10"].high < 0
    assert harm["mrr@10"].certain


def test_measuring_again_gives_the_same_figures(collection: Collection) -> None:
    first, second = (evaluate(collection, graded(), metrics=METRICS) for _ in range(2))
    assert [run.metrics for run in first.runs] == [run.metrics for run in second.runs]
    assert [run.against for run in first.runs] == [run.against for run in second.runs]


# ── what holds for queries, and what does not ──


def test_a_budget_of_queries_cuts_nothing_short_and_is_told(tmp_path: Path, collection: Collection) -> None:
    whole = evaluate(collection, graded(), metrics=METRICS)
    with under_settings(tmp_path, Settings(budget_ms=1)) as hurried:
        report = evaluate(hurried, graded(), metrics=METRICS)
    assert [run.metrics for run in report.runs] == [run.metrics for run in whole.runs]
    assert report.warnings == (
        "a query has 1 ms in your settings; here every candidate was read, however long that took",
    )


def test_the_least_relevance_of_queries_counts(tmp_path: Path, collection: Collection) -> None:
    with under_settings(tmp_path, Settings(min_relevance=0.9)) as strict:
        report = evaluate(strict, graded(), metrics=["recall@20", "judged@10"])
    assert report.run("blended").configuration == replace(
        *[run.configuration for run in report.runs if run.name == "blended" and run.configuration],
        min_relevance=0.9,
    )
    assert report.run("blended").metrics["recall@20"].mean < report.run("stage1").metrics["recall@20"].mean


def test_a_filter_holds_for_every_run(collection: Collection) -> None:
    report = evaluate(collection, questions(10), metrics=["recall@20"], filter=["id=d3"])
    assert [run.metrics["recall@20"].mean for run in report.runs] == [pytest.approx(0.1)] * 3


def test_a_filter_that_may_not_be_meant_is_spoken_of(collection: Collection) -> None:
    report = evaluate(collection, questions(10), metrics=["recall@20"], filter=["nowhere=1"])
    assert "no document has a metadata field `nowhere`" in report.warnings


def test_questions_with_nothing_relevant_are_counted(collection: Collection) -> None:
    asked = replace(questions(5), grades={**questions(5).grades, "q0": {}, "q1": {"d1": 0}})
    said = "nothing is known to be relevant to 2 of 5 questions, so every mean has 0 there, whatever is found"
    assert said in evaluate(collection, asked, metrics=["recall@20"], rerank=False).warnings


def test_where_nothing_is_relevant_nothing_is_measured(collection: Collection) -> None:
    asked = replace(questions(5), grades={key: {} for key in questions(5).grades})
    with pytest.raises(
        InvalidSettings, match="nothing is known to be relevant to any question of `questions`"
    ):
        evaluate(collection, asked)


def test_a_model_that_fails_half_way_is_not_measured_on_the_rest(tmp_path: Path) -> None:
    with (
        filled(tmp_path, NoisyReranker(stopped_after=50)) as collection,
        pytest.raises(RemoteUnavailable, match="the line went dead") as caught,
    ):
        evaluate(collection, questions(5))
    assert caught.value.hint == "what has been read is kept in the cache: run the same command again"


# ── what is missing, and what is beyond ──


def test_ids_that_are_not_in_the_collection_are_an_error_that_counts_them(collection: Collection) -> None:
    asked = replace(
        questions(5), grades={**questions(5).grades, "q0": {"gone": 1}, "q1": {"d1": 1, "lost": 1}}
    )
    with pytest.raises(InvalidSettings, match="2 of the 6 ids judged in `questions` are not in"):
        evaluate(collection, asked)
    report = evaluate(collection, asked, metrics=METRICS, ignore_missing=True)
    assert (report.queries, report.missing, report.left_out) == (4, 2, 1)
    assert report.warnings == ("2 judged ids are not in the collection; 1 question was left out for that",)
    misses = report.run("stage1").misses
    assert misses is not None
    assert [miss.unit for miss in misses.misses if miss.reason == "not ingested"] == ["gone", "lost"]


def test_a_cut_off_beyond_the_limit_is_allowed_and_told(collection: Collection) -> None:
    report = evaluate(collection, questions(5), metrics=["ndcg@10", "recall@50", "map"], limit=15)
    assert report.warnings == ("recall@50 can count no more than the 15 candidates that are kept (--limit)",)
    several = evaluate(
        collection, questions(5), metrics=["recall@50"], limit=15, compare=[parse_spec("limit=30")]
    )
    assert "the 15 to 30 candidates" in several.warnings[0]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (["ndgc@10"], "there is no metric `ndgc@10`"),
        (["precision"], "the metric `precision` needs a cut-off"),
        ([], "no metric was named"),
    ],
)
def test_metrics_are_checked_before_anything_is_asked(
    collection: Collection, metrics: list[str], said: str
) -> None:
    with pytest.raises(InvalidSettings, match=said):
        evaluate(collection, questions(5), metrics=metrics)


def test_a_set_of_which_no_question_is_left_is_refused(collection: Collection) -> None:
    asked = TestSet("few", {"a": "one", "b": "two"}, {"a": {"gone": 1, "d1": 0}, "b": {"lost": 1, "d2": 0}})
    with pytest.raises(InvalidSettings, match="no question of `few` is left"):
        evaluate(collection, asked, ignore_missing=True)


# ── runs from files ──


def test_a_run_that_we_wrote_is_judged_as_it_was(collection: Collection, tmp_path: Path) -> None:
    measured = Evaluation.of(collection, graded(), Asked(METRICS))
    write_run(measured.run("reranked"), tmp_path / "before.run")
    report = evaluate(collection, graded(), metrics=METRICS, runs=[tmp_path / "before.run"])
    assert names(report) == ["stage1", "reranked", "blended", "before"]
    again = report.run("before")
    assert again.metrics == report.run("reranked").metrics
    assert again.against == report.run("reranked").against
    assert (again.configuration, again.cost, again.usd, again.misses) == (None, None, None, None)
    assert again.file == str(tmp_path / "before.run")


def test_a_run_is_called_by_its_tag_its_file_or_its_path(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    rankings = {"q0": ["d0"]}
    tagged = run_file(tmp_path / "a.run", rankings, name="bm25")
    as_ours = run_file(tmp_path / "b.run", rankings, name="stage1")
    same_name = run_file(tmp_path / "old" / "stage1.run", rankings, name="stage1")
    report = evaluate(collection, questions(5), runs=[tagged, as_ours, same_name])
    assert names(report)[3:] == ["bm25", "b", str(same_name)]
    with pytest.raises(InvalidSettings, match="is named twice"):
        evaluate(collection, questions(5), runs=[same_name, same_name])


def test_questions_that_a_run_lacks_count_as_nothing(collection: Collection, tmp_path: Path) -> None:
    file = run_file(tmp_path / "some.run", {"q0": ["d0"], "q1": ["d7", "d1"], "another": ["d2"]})
    report = evaluate(collection, questions(4), metrics=["mrr@10"], runs=[file])
    assert [question.runs["other"]["mrr@10"] for question in report.questions] == [1.0, 0.5, 0.0, 0.0]
    assert report.warnings == ("`other` has no ranking for 2 of the questions, which count as 0",)


def test_ids_in_a_run_that_nobody_has_judged_are_fine_and_unknown_ones_are_counted(
    collection: Collection, tmp_path: Path
) -> None:
    file = run_file(tmp_path / "odd.run", {f"q{topic}": ["x", "d39", f"d{topic}", "y"] for topic in range(4)})
    with pytest.raises(InvalidSettings, match="2 of the 7 ids that") as error:
        evaluate(collection, questions(4), runs=[file])
    assert "x, y" in error.value.message
    report = evaluate(collection, questions(4), metrics=["mrr@10"], runs=[file], ignore_missing=True)
    assert report.run("other").metrics["mrr@10"].mean == 0.5
    assert report.warnings == ("`other` ranks 2 ids that are not in the collection; they were left out",)


def test_chunks_of_a_run_count_as_their_documents_the_best_of_each(
    collection: Collection, tmp_path: Path
) -> None:
    file = run_file(tmp_path / "chunks.run", {"q0": ["d5#0", "d5", "d0#0", "d0"]})
    report = evaluate(collection, questions(1), metrics=["mrr@10"], runs=[file])
    assert report.run("other").metrics["mrr@10"].mean == 0.5


def test_documents_of_a_run_cannot_be_judged_by_chunks(collection: Collection, tmp_path: Path) -> None:
    by_chunk = replace(questions(1), grades={"q0": {"d0#0": 1}})
    file = run_file(tmp_path / "documents.run", {"q0": ["d0"]})
    with pytest.raises(InvalidSettings, match="ranks documents, such as d0, and the test set judges chunks"):
        evaluate(collection, by_chunk, runs=[file])


def test_a_run_about_other_questions_is_refused(collection: Collection, tmp_path: Path) -> None:
    file = run_file(tmp_path / "other.run", {"z1": ["d0"], "z2": ["d1"]})
    with pytest.raises(
        InvalidSettings, match="ranks nothing for the 5 questions of `questions`: it has z1, z2"
    ):
        evaluate(collection, questions(5), runs=[file])
    with pytest.raises(PathNotFound, match=r"nowhere\.run"):
        evaluate(collection, questions(5), runs=[tmp_path / "nowhere.run"])


def test_a_questions_own_document_is_no_answer_in_a_run_either(
    collection: Collection, tmp_path: Path
) -> None:
    own = TestSet("own", {"d0": "one", "d1": "two"}, {"d0": {"d1": 1}, "d1": {"d0": 1}}, own_documents=True)
    file = run_file(tmp_path / "own.run", {"d0": ["d0", "d1"], "d1": ["d1", "d0"]})
    report = evaluate(collection, own, metrics=["mrr@10"], runs=[file])
    assert report.run("other").metrics["mrr@10"].mean == 1.0


def test_a_run_that_goes_deeper_than_ours_is_told_where_metrics_can_see_it(
    collection: Collection, tmp_path: Path
) -> None:
    file = run_file(tmp_path / "deep.run", {"q0": [f"d{topic}" for topic in range(TOPICS)]})
    seen = evaluate(collection, questions(1), metrics=["mrr@10", "map"], runs=[file])
    assert seen.warnings == (
        "`other` ranks up to 40 for a question, and ours 20 at most, which map can tell",
    )
    assert evaluate(collection, questions(1), metrics=["mrr@10"], runs=[file]).warnings == ()


# ── what it takes, and what is lost ──


def test_the_price_is_what_these_questions_cost_with_nothing_cached(tmp_path: Path) -> None:
    """A fake token for each passage: 20 of each question, at 50 dollars a million."""
    with filled(tmp_path, NoisyReranker(usd_per_million_tokens=50.0)) as collection:
        report = evaluate(collection, questions(10), metrics=METRICS)
    assert [run.usd for run in report.runs] == [None, pytest.approx(0.01), pytest.approx(0.01)]
    assert report.run("blended").cost is not None
    assert report.run("blended").to_dict()["usd_per_1k"] == pytest.approx(1.0)


def test_where_nothing_is_paid_there_is_no_price_and_latency_is_measured(collection: Collection) -> None:
    report = evaluate(collection, questions(10), metrics=METRICS)
    assert [run.usd for run in report.runs] == [None] * 3
    for run in report.runs:
        assert run.cost is not None
        assert run.cost.p50_ms is not None
        assert run.cost.p95_ms is not None
        assert 0 < run.cost.p50_ms <= run.cost.p95_ms


def test_what_is_not_among_the_first_hits_is_counted_by_where_it_was_lost(collection: Collection) -> None:
    report = evaluate(collection, graded(), metrics=METRICS, top_k=3, limit=10)
    assert report.top_k == 3
    for run in report.runs:
        assert run.misses is not None
        assert (run.misses.top_k, run.misses.relevant) == (3, 40)
        assert sum(count.misses for count in run.misses.reasons) == len(run.misses.misses)
    assert 10 in [depth.depth for depth in report.depths]
    assert report.depth_metric == "ndcg@10"


# ── as JSON ──


def test_the_json_is_the_contract_with_at_most_six_digits(collection: Collection, tmp_path: Path) -> None:
    file = run_file(tmp_path / "other.run", {"q0": ["d0"]})
    found: Any = evaluate(collection, graded(), metrics=METRICS, runs=[file]).to_dict(explain=True)
    ours, foreign = found["runs"][:3], found["runs"][3]
    check({**found, "runs": ours})
    assert list(foreign) == list(ours[0])
    assert foreign["settings"] is foreign["latency_ms"] is foreign["usd"] is foreign["misses"] is None
    assert list(ours[0]["metrics"]) == list(METRICS)
    assert list(ours[0]["metrics"]["ndcg@10"]) == ["mean", "low", "high"]
    assert ours[0]["against"] is None
    assert list(ours[1]["against"]) == list(METRICS)
    means = [value for run in ours for metric in run["metrics"].values() for value in metric.values()]
    assert all(value == round(value, 6) for value in means)
    assert (found["corpus"], found["queries"], found["missing_ids"]) == ("questions", 20, 0)


def test_every_single_miss_is_listed_only_where_that_is_asked_for(collection: Collection) -> None:
    report = evaluate(collection, graded(), metrics=METRICS)
    plain: Any = report.to_dict()
    assert all(run["misses"]["each"] is None for run in plain["runs"])
    explained: Any = report.to_dict(explain=True)
    assert all(len(run["misses"]["each"]) == run["misses"]["missed"] for run in explained["runs"])


# ── while it works ──


def test_progress_is_told_step_by_step(collection: Collection) -> None:
    told: list[tuple[str, int, int]] = []
    evaluate(
        collection,
        questions(5),
        metrics=METRICS,
        progress=lambda step, done, of: told.append((step, done, of)),
    )
    assert list(dict.fromkeys(step for step, _, _ in told)) == ["embed", "search", "read", "time"]
    assert [done for step, done, _ in told if step == "embed"] == [1, 2, 3, 4, 5]
    assert all(0 <= done <= of for _, done, of in told)


def test_how_much_is_to_be_read_is_said_where_that_is_much(collection: Collection) -> None:
    said: list[str] = []
    evaluate(collection, questions(), metrics=METRICS, say=said.append)
    assert said == ["noisy is to read 800 passages; without a cache, nothing of it is kept"]
    said.clear()
    evaluate(collection, questions(5), metrics=METRICS, say=said.append)
    assert said == []


def test_what_is_in_the_cache_is_not_said_to_be_read(collection: Collection) -> None:
    said: list[str] = []
    for _ in range(2):
        evaluate(collection, questions(), metrics=METRICS, say=said.append, rerank_model="word-overlap")
    assert said == ["word-overlap is to read 800 passages; what it has read is kept, and is not read again"]


def test_reading_that_is_paid_for_is_always_said(tmp_path: Path) -> None:
    said: list[str] = []
    with filled(tmp_path, NoisyReranker(usd_per_million_tokens=0.05)) as collection:
        evaluate(collection, questions(2), metrics=METRICS, say=said.append)
    assert said == [
        "noisy is to read 40 passages, for 0.05 USD a million tokens; without a cache, nothing of it is kept"
    ]
