"""What a configuration takes is made of what was timed, and what is paid for is not asked again for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_samples import NoisyReranker, filled, questions
from vai import Collection
from vai.evaluation.data.matching import match
from vai.evaluation.measures import timing
from vai.evaluation.measures.costs import Cost, Costs
from vai.evaluation.measures.timing import ReadingTime
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.replay import Replay
from vai.scores import CachedReranker, ScoreStore
from vai.types import Stage1

HYBRID = Configuration(Stage1("hybrid"), 10, 100)
RERANKED = replace(HYBRID, reranker="noisy", blend=0.5)


@pytest.fixture
def reranker() -> NoisyReranker:
    return NoisyReranker()


@pytest.fixture
def collection(tmp_path: Path, reranker: NoisyReranker) -> Iterator[Collection]:
    with filled(tmp_path, reranker) as opened:
        yield opened


def replayed(collection: Collection, *configurations: Configuration) -> Replay:
    bench = Bench.open(collection, match(questions(12), collection))
    bench.opened(None)
    return Replay.of(bench, configurations)


def costs_of(
    replay: Replay, *, searching: Sequence[float] = (7.0,), reading: ReadingTime | None = None
) -> Costs:
    """Costs of what was not timed but said."""
    replay.bench.embed_ms = np.ones(len(replay.bench.texts))
    return Costs(replay, {("hybrid", 100): np.array(searching)}, {"noisy": reading})


# ── the parts of a latency ──


def test_a_latency_is_that_of_embedding_searching_and_reading(collection: Collection) -> None:
    costs = costs_of(replayed(collection, RERANKED), reading=ReadingTime(20.0, 0.0))
    assert costs.of(HYBRID) == Cost(8.0, 8.0, None)
    assert costs.of(RERANKED) == Cost(28.0, 28.0, None)


def test_searches_that_were_timed_stand_for_the_others_in_turn(collection: Collection) -> None:
    costs = costs_of(replayed(collection, RERANKED), searching=(1.0, 2.0, 3.0))
    latencies = costs.latencies(HYBRID)
    assert latencies is not None
    assert latencies.tolist() == [2.0, 3.0, 4.0] * 4


def test_reading_takes_its_time_by_the_characters_of_what_each_question_has_as_candidates(
    collection: Collection,
) -> None:
    replay = replayed(collection, RERANKED)
    costs = costs_of(replay, reading=ReadingTime(0.0, 1.0))
    latencies = costs.latencies(RERANKED)
    assert latencies is not None
    for number, text in enumerate(replay.bench.texts):
        ids = [
            replay.pools(RERANKED).ids[number][column] for column in replay.stage1(RERANKED).columns[number]
        ]
        passages = [chunk.passage_to_rerank for chunk in collection.chunks(ids).values()]
        assert len(passages) == 10
        assert latencies[number] - 8.0 == sum(map(len, passages)) + 10 * len(text)


def test_fewer_candidates_take_less(collection: Collection) -> None:
    """Whichever is asked for first."""
    replay = replayed(collection, RERANKED)
    costs = costs_of(replay, reading=ReadingTime(1.0, 0.1))
    latencies = [costs.of(replace(RERANKED, limit=limit)).p95_ms or 0.0 for limit in (5, 10, 1)]
    assert latencies[2] < latencies[0] < latencies[1]


def test_a_latency_with_an_unknown_part_is_not_known(collection: Collection) -> None:
    assert costs_of(replayed(collection, RERANKED)).of(RERANKED) == Cost(None, None, None)


# ── money ──


def test_what_is_paid_is_the_price_of_what_both_models_read(
    collection: Collection, reranker: NoisyReranker
) -> None:
    """The reranker counts one token a passage, and hashing one a word and two more."""
    reranker.usd_per_million_tokens = 3.0
    replay = replayed(collection, RERANKED)
    replay.bench.embedder.usd_per_million_tokens = 2.0  # type: ignore[misc]
    tokens = replay.bench.tokens.mean()
    costs = costs_of(replay, reading=ReadingTime(0.0, 0.0))
    assert costs.of(HYBRID).usd_per_1k == pytest.approx(tokens * 2.0 / 1_000)
    assert costs.of(RERANKED).usd_per_1k == pytest.approx((tokens * 2.0 + 10 * 3.0) / 1_000)
    assert costs.of(replace(RERANKED, limit=5)).usd_per_1k == pytest.approx((tokens * 2.0 + 15.0) / 1_000)


# ── measuring ──


def test_every_kind_of_search_and_every_reranker_is_timed(collection: Collection) -> None:
    words = replace(HYBRID, stage1=Stage1("words"))
    configurations = [HYBRID, words, RERANKED, replace(HYBRID, stage1=Stage1("hybrid", "ranks"))]
    told: list[tuple[str, int, int]] = []
    costs = Costs.measure(
        replayed(collection, *configurations), configurations, progress=lambda *step: told.append(step)
    )
    assert set(costs.searching) == {("hybrid", 100), ("words", 100)}
    assert all((times > 0).all() for times in costs.searching.values())
    assert told == [("time", 1, 3), ("time", 2, 3), ("time", 3, 3)]
    assert costs.warnings == ()
    alone, both = costs.of(HYBRID), costs.of(RERANKED)
    assert 0 < (alone.p50_ms or 0) <= (alone.p95_ms or 0)
    assert (both.p95_ms or 0) > (alone.p95_ms or 0)


def test_a_model_that_runs_here_reads_again_for_being_timed_past_the_cache(
    collection: Collection, reranker: NoisyReranker, tmp_path: Path
) -> None:
    replay = with_known_scores(collection, tmp_path)
    before = len(reranker.read)
    costs = Costs.measure(replay, [RERANKED])
    assert len(reranker.read) - before == 12 * (5 + 10)
    assert costs.of(RERANKED).p95_ms is not None


def test_a_model_that_is_paid_for_is_not_asked_again_and_how_long_it_takes_is_not_known(
    collection: Collection, reranker: NoisyReranker, tmp_path: Path
) -> None:
    reranker.usd_per_million_tokens = 1.0
    replay = with_known_scores(collection, tmp_path)
    before = len(reranker.read)
    costs = Costs.measure(replay, [RERANKED])
    assert len(reranker.read) == before
    assert costs.of(RERANKED).p95_ms is None
    assert costs.of(RERANKED).usd_per_1k == pytest.approx(10 / 1_000)
    assert costs.warnings == (
        "how long noisy takes is not known: its scores came from the cache, and it is not asked again only to be "
        "timed",
    )


def test_a_model_that_is_paid_for_is_timed_while_it_reads_for_the_first_time(
    collection: Collection, reranker: NoisyReranker
) -> None:
    reranker.usd_per_million_tokens = 1.0
    replay = replayed(collection, RERANKED)
    before = len(reranker.read)
    costs = Costs.measure(replay, [RERANKED])
    assert len(reranker.read) == before
    assert costs.of(RERANKED).p95_ms is not None


def test_what_a_server_costs_that_says_no_price_is_a_warning(
    collection: Collection, reranker: NoisyReranker
) -> None:
    reranker.name = "cohere:http://models.example"
    elsewhere = replace(RERANKED, reranker=reranker.name)
    costs = Costs.measure(replayed(collection, elsewhere), [elsewhere])
    assert costs.warnings == ("what cohere:http://models.example costs is not known, and counts as nothing",)


def with_known_scores(collection: Collection, folder: Path) -> Replay:
    """A replay of which every score came from the cache."""
    bench = Bench.open(collection, match(questions(12), collection))
    kept = ScoreStore(folder / "scores.db", most_bytes=1_000_000)
    cached = CachedReranker(bench.opened(None), kept)
    bench.rerankers["noisy"] = cached
    Replay.of(bench, [RERANKED])
    replay = Replay.of(bench, [RERANKED])
    readings = replay.readings(RERANKED)
    assert readings is not None
    assert not readings.fresh.any()
    return replay


def test_timing_a_slow_search_ends_when_the_time_for_it_is_up(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SEARCH_SECONDS", 0.0)
    bench = Bench.open(collection, match(questions(12), collection))
    assert len(timing.timed_searches(bench, "words", num_candidates=50, limit=10)) == 5
    monkeypatch.setattr(timing, "SEARCH_SECONDS", 60.0)
    assert len(timing.timed_searches(bench, "words", num_candidates=50, limit=10)) == 12


# ── the model of reading ──

parts = st.floats(0.0, 50.0)


@given(parts, st.floats(0.0, 1.0))
def test_times_that_follow_the_model_are_found_again(fixed: float, each: float) -> None:
    characters = np.array([100.0, 500.0, 2_000.0, 9_000.0])
    ms = fixed + each * characters
    found = ReadingTime.fitted(characters, np.maximum(ms, 0.01))
    assert found.of(characters) == pytest.approx(np.maximum(ms, 0.01), rel=0.05, abs=0.05)


@given(st.lists(st.tuples(st.floats(1.0, 10_000.0), st.floats(0.01, 5_000.0)), min_size=1, max_size=20))
def test_no_time_is_below_zero_and_none_shrinks_with_what_is_read(
    timed: list[tuple[float, float]],
) -> None:
    characters, ms = np.array(timed).T
    found = ReadingTime.fitted(characters, ms)
    assert found.fixed_ms >= 0
    assert found.character_ms >= 0


def test_reading_nothing_takes_no_time() -> None:
    assert ReadingTime(5.0, 1.0).of(np.array([0.0, 2.0])).tolist() == [0.0, 7.0]
