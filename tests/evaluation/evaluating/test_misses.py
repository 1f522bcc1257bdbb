"""Every relevant passage that is not shown was lost somewhere, and the place is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from evaluation_samples import NoisyReranker
from vai import Collection, Settings
from vai.evaluation.data.matching import match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.evaluating import places
from vai.evaluation.evaluating.ceilings import depth_table
from vai.evaluation.evaluating.misses import REASONS, Miss, Misses, attribute
from vai.evaluation.evaluating.places import exact_ranks
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Bench
from vai.evaluation.replaying.replay import Replay
from vai.models.fakes import HashingEmbedder
from vai.planning import QueryOptions
from vai.types import Hit, Json, Pool, PoolScores, Reading, as_json

COLOURS = ("red", "green", "blue", "grey", "black")


# ── a case made by hand: what stands where can be read off the texts ──

BY_HAND = {
    "best": "red red red red red",
    "good": "red red red red grey",
    "fair": "red red red grey grey",
    "weak": "red red grey grey grey",
    "far": "red grey grey grey grey",
    "lost": "green green green green green",
    "long": " ".join(["blue"] * 300 + ["red"] * 5),
}
"""By similarity to the question `red`, from the best to the worst."""


@dataclass
class Judge:
    """Gives each passage the value, and the share that it has read, which stand in a list by what it begins with."""

    values: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    name: str = "judge"
    revision: str = "1"
    blend: float = 0.0
    similarity_scale: float = 1.0
    calibration: None = None
    languages: tuple[str, ...] = ()
    usd_per_million_tokens: float = 0.0

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        names = [
            next(name for name, text in BY_HAND.items() if passage.startswith(text)) for passage in passages
        ]
        return Reading(
            logits=None,
            relevance=np.array([self.values.get(name, 0.5) for name in names], dtype=np.float32),
            tokens=len(passages),
            seen=np.array([self.shares.get(name, 1.0) for name in names], dtype=np.float32),
        )


@pytest.fixture
def judge() -> Judge:
    """A reranker to give values to."""
    return Judge()


@pytest.fixture
def by_hand(tmp_path: Path, judge: Judge) -> Iterator[Collection]:
    """The texts as whole documents."""
    records = tmp_path / "corpus.jsonl"
    records.write_text("".join(f"{json.dumps({'_id': i, 'text': text})}\n" for i, text in BY_HAND.items()))
    with Collection.open(
        tmp_path / ".vai", embedder=HashingEmbedder(), reranker=judge, settings=Settings()
    ) as collection:
        collection.ingest(records, chunking=False)
        yield collection


def found(collection: Collection, relevant: Mapping[str, int], top_k: int, **options: Any) -> Misses:
    """What is missed of what answers the question `red`."""
    test_set = TestSet("set", {"q": "red"}, {"q": relevant})
    bench = Bench.open(collection, match(test_set, collection, ignore_missing=True))
    configuration = bench.configuration(**{"stage1": "vector", **options})
    replay = Replay.of(bench, [configuration])
    return attribute(replay, configuration, top_k=top_k, original=test_set)


def only(misses: Misses) -> Miss:
    """The one there is."""
    (miss,) = misses.misses
    return miss


def test_what_is_shown_is_no_miss(by_hand: Collection) -> None:
    misses = found(by_hand, {"best": 1, "good": 2, "far": 0}, top_k=2, rerank=False)
    assert (misses.misses, misses.reasons, misses.relevant, misses.top_k) == ((), (), 2, 2)
    assert misses.summary == "no misses: all that is relevant, 2, is in the top 2"


def test_an_id_that_is_not_in_the_collection_was_not_ingested(by_hand: Collection) -> None:
    misses = found(by_hand, {"best": 1, "gone": 2, "never": 0}, top_k=1, rerank=False)
    assert only(misses) == Miss("q", "red", "gone", 2, "not ingested")
    assert misses.relevant == 2


def test_questions_that_were_left_out_count_as_not_ingested(by_hand: Collection) -> None:
    test_set = TestSet("set", {"q": "red", "p": "green"}, {"q": {"best": 1}, "p": {"gone": 1, "lost": 0}})
    bench = Bench.open(by_hand, match(test_set, by_hand, ignore_missing=True))
    configuration = bench.configuration(rerank=False)
    replay = Replay.of(bench, [configuration])
    misses = attribute(replay, configuration, top_k=5, original=test_set)
    assert only(misses) == Miss("p", "green", "gone", 1, "not ingested")
    assert attribute(replay, configuration, top_k=5).misses == ()


def test_below_limit_says_how_deep_stage_1_has_it(by_hand: Collection) -> None:
    miss = only(found(by_hand, {"weak": 1}, top_k=2, limit=2, num_candidates=5))
    assert (miss.reason, miss.stage1_rank, miss.final_rank, miss.chunk) == ("below limit", 4, None, "weak#0")
    assert miss.similarity == pytest.approx(2 / 13**0.5, abs=1e-6)
    assert (miss.relevance, miss.seen) == (None, None)


def test_what_neither_search_found_has_no_rank(by_hand: Collection) -> None:
    miss = only(found(by_hand, {"lost": 1}, top_k=2, limit=2, num_candidates=2))
    assert (miss.reason, miss.stage1_rank, miss.similarity, miss.chunk) == (
        "below limit",
        None,
        None,
        "lost#0",
    )


@pytest.mark.parametrize("filter", ["id=best", "heading=Nowhere"])
def test_filtered_out_is_what_the_filter_lets_nothing_of_through(by_hand: Collection, filter: str) -> None:
    test_set = TestSet("set", {"q": "red"}, {"q": {"best": 1, "good": 1}})
    bench = Bench.open(by_hand, match(test_set, by_hand), filter=[filter])
    configuration = bench.configuration(rerank=False)
    misses = attribute(Replay.of(bench, [configuration]), configuration, top_k=5)
    lost = {"good"} if filter == "id=best" else {"best", "good"}
    assert {(miss.unit, miss.reason) for miss in misses.misses} == {(unit, "filtered out") for unit in lost}


def test_truncated_is_what_the_embedder_has_not_read_to_its_end(by_hand: Collection) -> None:
    """The document is red where the embedder does not read it."""
    miss = only(found(by_hand, {"long": 1}, top_k=2, limit=2))
    assert (miss.reason, miss.stage1_rank, miss.seen) == ("truncated", 7, None)
    as_deep = only(found(by_hand, {"long": 1}, top_k=2, limit=2, num_candidates=2))
    assert (as_deep.reason, as_deep.stage1_rank, as_deep.chunk) == ("truncated", None, "long#0")


def test_words_are_read_to_the_end_so_nothing_is_truncated_there(by_hand: Collection) -> None:
    miss = only(found(by_hand, {"long": 1}, top_k=2, limit=2, stage1="words"))
    assert miss.reason == "below limit"


def test_truncated_is_a_candidate_that_the_reranker_has_not_read_to_its_end(
    by_hand: Collection, judge: Judge
) -> None:
    judge.values = {"best": 0.1}
    judge.shares = {"best": 0.25}
    miss = only(found(by_hand, {"best": 1}, top_k=2, limit=5))
    assert (miss.reason, miss.stage1_rank, miss.final_rank, miss.seen) == ("truncated", 1, 5, 0.25)


def test_without_a_reranker_a_candidate_too_low_may_be_truncated_by_the_embedder(by_hand: Collection) -> None:
    assert only(found(by_hand, {"long": 1}, top_k=2, limit=7, rerank=False)).reason == "truncated"
    assert only(found(by_hand, {"lost": 1}, top_k=2, limit=7, rerank=False)).reason == "not promoted"


def test_below_relevance_would_be_shown_without_the_least_relevance(
    by_hand: Collection, judge: Judge
) -> None:
    judge.values = {"best": 0.9, "good": 0.8, "fair": 0.2, "weak": 0.1}
    misses = found(by_hand, {"fair": 1, "weak": 1}, top_k=3, limit=4, min_relevance=0.3)
    reasons = {miss.unit: (miss.reason, miss.final_rank) for miss in misses.misses}
    assert reasons == {"fair": ("below relevance", None), "weak": ("not promoted", None)}
    assert misses.misses[0].relevance == pytest.approx(0.2)


def test_tied_has_the_score_of_the_last_that_is_shown(by_hand: Collection, judge: Judge) -> None:
    judge.values = {"best": 0.9, "good": 0.4, "fair": 0.4, "weak": 0.3, "far": 0.2}
    misses = found(by_hand, {"fair": 1, "weak": 1}, top_k=2, limit=5)
    assert {miss.unit: miss.reason for miss in misses.misses} == {"fair": "tied", "weak": "not promoted"}


def test_demoted_was_shown_by_stage_1_and_is_weighed_against_what_was_promoted(
    by_hand: Collection, judge: Judge
) -> None:
    judge.values = {"best": 0.1, "good": 0.2, "fair": 0.3, "weak": 0.4, "far": 0.5}
    misses = found(by_hand, {"best": 1, "good": 2, "far": 3}, top_k=2, limit=5)
    assert [(miss.unit, miss.reason, miss.stage1_rank, miss.final_rank) for miss in misses.misses] == [
        ("best", "demoted", 1, 5),
        ("good", "demoted", 2, 4),
    ]
    assert [(won.unit, won.grade, won.stage1_rank, won.final_rank) for won in misses.promoted] == [
        ("far", 3, 5, 1)
    ]
    assert (misses.relevant, misses.displaced) == (3, 2)


@dataclass
class Forgetful:
    """An engine whose approximate search does not find the chunks of some documents; exact search does."""

    engine: Any
    forgotten: frozenset[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def pool(self, *args: Any, exact: bool = False, **options: Any) -> Pool:
        whole: Pool = self.engine.pool(*args, exact=exact, **options)
        if exact:
            return whole
        kept = [n for n, chunk in enumerate(whole.ids) if chunk.rpartition("#")[0] not in self.forgotten]
        scores = whole.scores
        ranks = scores.vector_ranks[kept]
        return replace(
            whole,
            ids=tuple(whole.ids[n] for n in kept),
            scores=PoolScores(
                scores.similarities[kept],
                scores.words_scores[kept],
                np.array([np.count_nonzero((ranks > 0) & (ranks <= rank)) for rank in ranks], dtype=np.int32),
                scores.words_ranks[kept],
            ),
            exact=False,
        )


def test_cut_by_the_index_is_what_exact_search_has_among_the_candidates(
    by_hand: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Forgetful(by_hand.engine, frozenset({"good", "far"}))
    monkeypatch.setattr(by_hand, "_engine", engine)
    misses = found(by_hand, {"good": 1, "weak": 1, "far": 1}, top_k=3, limit=3)
    assert [(miss.unit, miss.reason, miss.exact_rank, miss.stage1_rank) for miss in misses.misses] == [
        ("good", "cut by the index", 2, None),
        ("far", "below limit", None, None),
    ]
    assert found(by_hand, {"weak": 1}, top_k=1, limit=3).misses[0].exact_rank is None


def test_many_questions_are_searched_exactly_again_in_parts(
    by_hand: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {f"q{number}": "red grey"[: 3 + 5 * (number % 2)] for number in range(5)}
    bench = Bench.open(
        by_hand, match(TestSet("set", asked, {query: {"best": 1} for query in asked}), by_hand)
    )
    configuration = bench.configuration(limit=3, rerank=False)
    at_once = exact_ranks(bench, configuration, [0, 1, 2, 4])
    monkeypatch.setattr(places, "AT_ONCE", 2)
    assert exact_ranks(bench, configuration, [0, 1, 2, 4]) == at_once
    assert (list(at_once), len(at_once[0])) == ([0, 1, 2, 4], 3)


def test_the_summary_counts_the_most_frequent_first_with_the_questions_behind_each(
    by_hand: Collection,
) -> None:
    test_set = TestSet(
        "set",
        {"p": "red", "q": "red grey"},
        {"p": {"weak": 1, "far": 1, "lost": 1, "best": 1}, "q": {"good": 1, "gone": 1}},
    )
    bench = Bench.open(by_hand, match(test_set, by_hand, ignore_missing=True))
    configuration = bench.configuration(rerank=False, stage1="vector", limit=4)
    misses = attribute(Replay.of(bench, [configuration]), configuration, top_k=3, original=test_set)
    assert misses.summary == "of 4 misses: 2 below limit, 1 not ingested, 1 not promoted"
    assert [(count.reason, count.misses, count.queries) for count in misses.reasons] == [
        ("not ingested", 1, ("q",)),
        ("below limit", 2, ("p",)),
        ("not promoted", 1, ("p",)),
    ]
    written = as_json(misses)
    assert json.loads(json.dumps(written)) == written


# ── beside what queries say ──


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Documents of one to four chunks, of few words, so that much is alike."""
    folder = tmp_path_factory.mktemp("lively")
    random = np.random.default_rng(5)
    texts = [
        "\n\n".join(" ".join(random.choice(COLOURS, size=12)) for _ in range(random.integers(1, 5)))
        for _ in range(25)
    ]
    records = folder / "corpus.jsonl"
    records.write_text(
        "".join(f"{json.dumps({'_id': f'd{n}', 'text': text})}\n" for n, text in enumerate(texts))
    )
    with Collection.open(
        folder / ".vai", embedder=HashingEmbedder(), reranker=NoisyReranker(worth=1.0), settings=Settings()
    ) as collection:
        collection.ingest(records, chunk_tokens=16)
        yield collection


QUESTIONS = {"p": "red red green", "q": "blue", "r": "grey black black"}
JUDGED = some.dictionaries(some.sampled_from([f"d{n}" for n in range(25)]), some.integers(-1, 3), max_size=12)
OPTIONS = some.fixed_dictionaries(
    {
        "stage1": some.sampled_from(["vector", "words", "hybrid"]),
        "limit": some.sampled_from([1, 4, 9, 20]),
        "num_candidates": some.sampled_from([20, 40]),
    }
)
STAGE2 = some.one_of(
    some.just({"rerank": False}),
    some.fixed_dictionaries(
        {"blend": some.sampled_from([0.0, 0.5, 1.0])},
        optional={"min_relevance": some.sampled_from([0.5, 0.7])},
    ),
)


@settings(max_examples=50)
@given(
    grades=some.fixed_dictionaries(dict.fromkeys(QUESTIONS, JUDGED)),
    stage1=OPTIONS,
    stage2=STAGE2,
    top_k=some.integers(1, 12),
)
def test_it_is_what_reading_the_answers_to_queries_says(
    lively: Collection,
    grades: Mapping[str, Mapping[str, int]],
    stage1: Mapping[str, Json],
    stage2: Mapping[str, Json],
    top_k: int,
) -> None:
    options: QueryOptions = {}
    options.update({**stage1, **stage2})  # type: ignore[typeddict-item]
    bench = Bench.open(lively, match(TestSet("set", QUESTIONS, grades), lively))
    configuration = bench.configuration(**options)
    misses = attribute(Replay.of(bench, [configuration]), configuration, top_k=top_k)
    lost, won = [], []
    for query in grades:
        read = Read.of(lively, QUESTIONS[query], options)
        relevant = {unit: grade for unit, grade in grades[query].items() if grade > 0}
        lost += [
            (query, unit, *read.fate(unit, top_k)) for unit in relevant if not read.is_shown(unit, top_k)
        ]
        won += [
            (query, unit)
            for unit in relevant
            if read.is_shown(unit, top_k) and read.stage1.index(unit) >= top_k
        ]
    assert [
        (m.query_id, m.unit, m.reason, m.stage1_rank, m.final_rank, m.chunk) for m in misses.misses
    ] == lost
    assert [(promotion.query_id, promotion.unit) for promotion in misses.promoted] == won
    assert misses.relevant == sum(grade > 0 for given in grades.values() for grade in given.values())
    assert sum(count.misses for count in misses.reasons) == len(misses.misses)
    assert [count.reason for count in misses.reasons] == [
        reason for reason in REASONS if any(miss.reason == reason for miss in misses.misses)
    ]


@dataclass(frozen=True)
class Read:
    """What can be read off the answers to one question: units in stage 1's order, and candidates in the final one.

    `chunks` are the first of each unit in stage 1's order, or the only ones.
    """

    stage1: list[str]
    chunks: dict[str, str]
    ordered: list[Hit]
    hits: list[Hit]

    @classmethod
    def of(cls, collection: Collection, text: str, options: QueryOptions) -> Read:
        limit, deep = options["limit"], options["num_candidates"]
        whole: QueryOptions = {**options, "top_k": limit, "explain": True}
        answer = collection.query(text, **whole)
        alone = collection.query(
            text, rerank=False, stage1=options["stage1"], limit=deep, num_candidates=deep, top_k=deep
        )
        every = [*answer.hits, *(answer.dropped or ())]
        ordered = sorted(every, key=lambda hit: (-(hit.score or 0.0), hit.stage1_rank))
        first: dict[str, str] = {}
        for hit in alone.hits:
            first.setdefault(hit.document_id, hit.id)
        return cls(list(first), {**_single(collection), **first}, ordered, list(answer.hits))

    def is_shown(self, unit: str, top_k: int) -> bool:
        return unit in _units(self.hits)[:top_k]

    def fate(self, unit: str, top_k: int) -> tuple[str, int | None, int | None, str | None]:
        """Reason, rank in stage 1, final rank, and the chunk that counts."""
        stage1 = self.stage1.index(unit) + 1 if unit in self.stage1 else None
        final = _units(self.hits).index(unit) + 1 if unit in _units(self.hits) else None
        own = [hit for hit in (self.hits if final else self.ordered) if hit.document_id == unit]
        if not own:
            return "below limit", stage1, final, self.chunks.get(unit)
        place = _units(self.ordered).index(unit) + 1
        if final is None and place <= top_k:
            reason = "below relevance"
        elif final and own[0].score == self._score_of(_units(self.hits)[top_k - 1]):
            reason = "tied"
        else:
            reason = "demoted" if stage1 is not None and stage1 <= top_k else "not promoted"
        return reason, stage1, final, own[0].id

    def _score_of(self, unit: str) -> float | None:
        return next(hit.score for hit in self.hits if hit.document_id == unit)


def _single(collection: Collection) -> dict[str, str]:
    """The chunks of documents that have one."""
    documents = collection.engine.documents(collection.name)
    several = collection.chunks([f"{unit}#1" for unit in documents])
    return {unit: f"{unit}#0" for unit in documents if f"{unit}#1" not in several}


def _units(hits: Sequence[Hit]) -> list[str]:
    return list(dict.fromkeys(hit.document_id for hit in hits))


# ── the best that a reranker could do ──


@settings(max_examples=30)
@given(grades=some.fixed_dictionaries(dict.fromkeys(QUESTIONS, JUDGED)), stage1=OPTIONS)
def test_ceilings_are_those_of_the_candidates_in_the_order_of_their_grades(
    lively: Collection, grades: Mapping[str, Mapping[str, int]], stage1: Mapping[str, Any]
) -> None:
    bench = Bench.open(lively, match(TestSet("set", QUESTIONS, grades), lively))
    configuration = bench.configuration(**stage1)
    replay = Replay.of(bench, [configuration])
    metric = Metric("ndcg", 5)
    table = depth_table(replay, configuration, metric, (1, 4, 20, 40))
    assert [row.depth for row in table] == [
        depth for depth in (1, 4, 20, 40) if depth <= stage1["num_candidates"]
    ]
    own = metric.values(replay.ranked(configuration), bench.judgements).mean()
    for row in table:
        recall, best = [], []
        for query, text in QUESTIONS.items():
            hits = lively.query(
                text,
                rerank=False,
                stage1=stage1["stage1"],
                limit=row.depth,
                top_k=row.depth,
                num_candidates=stage1["num_candidates"],
            ).hits
            known = [max(grade, 0) for grade in grades[query].values()]
            gained = [max(grades[query].get(unit, 0), 0) for unit in _units(hits)]
            relevant = sum(grade > 0 for grade in known)
            recall.append(sum(grade > 0 for grade in gained) / relevant if relevant else 0.0)
            best.append(_gain(gained, 5) / _gain(known, 5) if relevant else 0.0)
        assert row.recall == pytest.approx(sum(recall) / len(recall))
        assert row.best == pytest.approx(sum(best) / len(best))
        assert row.gap == pytest.approx(row.best - own)


def _gain(grades: Sequence[int], cutoff: int) -> float:
    best = sorted(grades, reverse=True)[:cutoff]
    return sum(float(grade / np.log2(rank + 1)) for rank, grade in enumerate(best, start=1))


@pytest.mark.parametrize("metric", ["ndcg@10", "ndcg@3", "mrr@5", "map", "recall@5", "precision@3"])
def test_no_order_of_the_same_candidates_is_above_the_ceiling(lively: Collection, metric: str) -> None:
    grades = {query: {f"d{n}": n % 4 for n in range(start, 25, 3)} for start, query in enumerate(QUESTIONS)}
    bench = Bench.open(lively, match(TestSet("set", QUESTIONS, grades), lively))
    reranked = [bench.configuration(limit=12, num_candidates=40, blend=blend) for blend in (0.0, 0.3, 0.6)]
    configurations = [reranked[0].without_reranker, *reranked]
    replay = Replay.of(bench, configurations)
    for configuration in configurations:
        (row,) = depth_table(replay, configuration, Metric.parse(metric), (12,))
        assert row.gap >= 0
