"""A replay has the hits that a query has, to the last digit, and needs no model for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from evaluation_samples import NoisyReranker
from replay_samples import (
    QUESTIONS,
    RERANKERS,
    answers,
    asked,
    bench_of,
    configurations,
    hits_of,
    questions,
    replayed,
    written,
)
from vai import Collection, Settings
from vai.evaluation.data.matching import match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.pools import Pools, stage1_order
from vai.evaluation.replaying.replay import Replay, unit_ranks
from vai.models.fakes import HashingEmbedder
from vai.types import Stage1

BENCHES: dict[str, dict[str, Any]] = {
    **{name: {"reranker": name} for name in RERANKERS},
    "filtered": {"filter": ["year>=2003"]},
    "nothing passes": {"filter": ["year>=3000"]},
    "own documents": {"own_documents": True},
    "own documents, filtered": {"own_documents": True, "filter": {"year": {"$ne": 2001}}},
    "chunks": {"chunks": True},
    "exact": {"exact": True},
}
"""A reranker, a test set and options by what is special about them."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("replay"))


def opened_bench(
    store: Path,
    *,
    reranker: str = "logits",
    own_documents: bool = False,
    chunks: bool = False,
    **options: Any,
) -> Bench:
    test_set = questions(own_documents=own_documents, chunks=chunks)
    return bench_of(store, RERANKERS[reranker](), test_set, **options)


@pytest.fixture(scope="module")
def benches(store: Path) -> Iterator[dict[str, Bench]]:
    """Every bench, with its reranker opened."""
    opened = {name: opened_bench(store, **special) for name, special in BENCHES.items()}
    for bench in opened.values():
        bench.opened(None)
    yield opened
    for bench in opened.values():
        bench.collection.close()


@pytest.fixture
def bench(store: Path) -> Iterator[Bench]:
    """One of its own."""
    opened = opened_bench(store)
    yield opened
    opened.collection.close()


def rerankers(bench: Bench) -> list[str | None]:
    return [None, *bench.rerankers]


def given_reranker(bench: Bench) -> Any:
    (reranker,) = bench.rerankers.values()
    return reranker


# ── the same as a query ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", BENCHES)
@settings(max_examples=12)
@given(data=st.data())
def test_a_replay_has_the_hits_of_a_query_in_their_order_with_their_scores(
    benches: dict[str, Bench], name: str, data: st.DataObject
) -> None:
    bench = benches[name]
    chosen = data.draw(st.lists(configurations(rerankers(bench)), min_size=1, max_size=4))
    replay = Replay.of(bench, chosen)
    for configuration in chosen:
        live = answers(bench, configuration)
        assert replayed(replay, configuration) == [hits_of(response) for response in live]
        for number, response in enumerate(live):
            best: dict[str, float | None] = {}
            for hit in response.hits:
                best.setdefault(hit.id if bench.matched.unit == "chunk" else hit.document_id, hit.score)
            assert replay.ranking(configuration, number) == list(best.items())


@pytest.mark.parametrize("name", [*RERANKERS, "own documents", "chunks"])
def test_what_is_read_of_a_hit_is_what_a_query_says_of_it(benches: dict[str, Bench], name: str) -> None:
    bench = benches[name]
    configuration = Configuration(Stage1("hybrid"), 12, 40, given_reranker(bench).name, 0.4)
    replay = Replay.of(bench, [configuration])
    pools, readings = replay.pools(configuration), replay.readings(configuration)
    assert readings is not None
    reranker = given_reranker(bench)
    assert (readings.model, readings.scale) == (reranker.name, reranker.similarity_scale)
    grades = list(bench.matched.test_set.grades.values())
    for number, response in enumerate(answers(bench, configuration)):
        for hit in response.hits:
            place = number, pools.ids[number].index(hit.id)
            unit = hit.id if name == "chunks" else hit.document_id
            assert pools.scores.similarities[place] == hit.similarity
            assert (pools.grades[place], pools.judged[place]) == (
                grades[number].get(unit, 0),
                unit in grades[number],
            )
            assert np.isnan(readings.relevance[place]) == (hit.relevance is None)
            if hit.relevance is not None:
                assert (readings.relevance[place], readings.seen[place]) == (hit.relevance, hit.seen)


@settings(max_examples=20)
@given(data=st.data())
def test_a_question_s_own_document_is_as_if_it_were_not_in_the_corpus(
    benches: dict[str, Bench], data: st.DataObject
) -> None:
    bench = benches["own documents"]
    configuration = data.draw(configurations(rerankers(bench)))
    replay = Replay.of(bench, [configuration])
    live = [
        bench.collection.query(text, filter={"id": {"$ne": query}}, **asked(configuration))
        for query, text in QUESTIONS.items()
    ]
    assert replayed(replay, configuration) == [hits_of(response) for response in live]
    number = list(QUESTIONS).index("d7")
    assert not any(chunk.startswith("d7#") for chunk, _, _ in replayed(replay, configuration)[number])


@settings(max_examples=30)
@given(data=st.data())
def test_metrics_of_a_replay_are_those_of_its_rankings(
    benches: dict[str, Bench], data: st.DataObject
) -> None:
    bench = benches[data.draw(st.sampled_from(["faulty", "coarse", "chunks"]))]
    configuration = data.draw(configurations(rerankers(bench)))
    replay = Replay.of(bench, [configuration])
    for name in ("ndcg@10", "mrr", "recall@5", "map@7", "precision@3", "judged"):
        metric = Metric.parse(name)
        values = metric.values(replay.ranked(configuration), bench.judgements)
        for number, value in enumerate(values.tolist()):
            assert value == pytest.approx(
                by_hand(metric, bench, number, replay.ranking(configuration, number)), abs=1e-12
            )


def by_hand(metric: Metric, bench: Bench, number: int, ranking: list[tuple[str, float | None]]) -> float:
    """The metric of one question, as its definition says."""
    grades = bench.matched.test_set.grades[bench.queries[number]]
    units = [unit for unit, _ in ranking][: metric.cutoff]
    gains = [max(0, grades.get(unit, 0)) for unit in units]
    ideal = sorted((max(0, grade) for grade in grades.values()), reverse=True)
    relevant, found = sum(gain > 0 for gain in ideal), [gain > 0 for gain in gains]
    precisions = [sum(found[:rank]) / rank for rank, hit in enumerate(found, start=1) if hit]
    return {
        "ndcg": discounted(gains) / (discounted(ideal[: metric.cutoff]) or 1.0),
        "mrr": max((1 / rank for rank, hit in enumerate(found, start=1) if hit), default=0.0),
        "recall": sum(found) / (relevant or 1),
        "map": sum(precisions) / (relevant or 1),
        "precision": sum(found) / (metric.cutoff or 1),
        "judged": sum(unit in grades for unit in units) / (len(units) or 1),
    }[metric.kind]


def discounted(gains: list[int]) -> float:
    return float(sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains, start=1)))


def test_what_the_bundled_models_say_is_replayed_to_the_last_digit(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for number, text in enumerate(
        ("Replica sets keep copies of data.", "Bread needs flour.", "The sea is deep.")
    ):
        (tmp_path / "docs" / f"{number}.md").write_text(
            f"# Notes {number}\n\n{text}\n\n## More\n\n{text} Or not.\n"
        )
    test_set = TestSet(
        "few",
        {"a": "how is data copied?", "b": "baking bread", "c": "x"},
        {query: {"docs/0.md": 1} for query in "abc"},
    )
    chosen = [
        Configuration(stage1, limit, 9, "vai-reranker-mini", blend, least)
        for stage1 in (Stage1("hybrid"), Stage1("words"), Stage1("vector"))
        for limit, blend, least in ((6, 0.5, None), (3, 0.0, 0.2), (5, 0.37, 0.001))
    ]  # fmt: skip
    with Collection.open(tmp_path / ".vai", settings=Settings()) as collection:
        collection.ingest(tmp_path / "docs")
        bench = Bench.open(collection, match(test_set, collection))
        bench.opened(None)
        replay = Replay.of(bench, chosen)
        for configuration in [*chosen, chosen[0].without_reranker]:
            live = [hits_of(response) for response in answers(bench, configuration)]
            assert replayed(replay, configuration) == live
            uncached = [hits_of(response) for response in answers(bench, configuration, cache=False)]
            assert uncached == live


# ── without a model ──────────────────────────────────────────────────────────────────────────────


def test_after_it_was_gathered_nothing_is_read_or_searched_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = bench.opened(None)
    assert isinstance(reranker, NoisyReranker)
    widest = [
        Configuration(stage1, 20, 60, "noisy", 0.5)
        for stage1 in (Stage1("hybrid"), Stage1("vector"), Stage1("words"))
    ]
    replay = Replay.of(bench, widest)
    read = len(reranker.read)
    assert read > 0
    for part, name in (
        (bench.engine, "pool"),
        (bench.engine, "search"),
        (bench.engine, "chunks"),
        (HashingEmbedder, "embed_query"),
        (NoisyReranker, "score"),
    ):
        monkeypatch.setattr(part, name, None)
    for configuration in widest:
        for changed in (
            configuration,
            replace(configuration, limit=3),
            replace(configuration, num_candidates=20),
            replace(configuration, blend=0.01, min_relevance=0.4),
            configuration.without_reranker,
        ):
            assert replay.ranked(changed).ranks.shape == (len(QUESTIONS), changed.limit)
            replay.ranking(changed, 0)
    assert len(reranker.read) == read


def test_each_candidate_of_a_question_is_read_once_however_many_configurations_have_it(bench: Bench) -> None:
    reranker = bench.opened(None)
    assert isinstance(reranker, NoisyReranker)
    chosen = [
        Configuration(Stage1("hybrid", "scores", weight), limit, 60, "noisy", blend)
        for weight in (0.1, 0.2)
        for limit in (5, 9)
        for blend in (0.0, 0.5)
    ]
    replay = Replay.of(bench, chosen)
    candidates = [set(), *(set() for _ in range(len(QUESTIONS) - 1))]  # type: list[set[str]]
    for configuration in chosen:
        for number, hits in enumerate(replayed(replay, configuration)):
            candidates[number] |= {chunk for chunk, _, _ in hits}
    assert len(reranker.read) == sum(map(len, candidates))
    readings = replay.readings(chosen[0])
    assert readings is not None
    assert readings.fresh.tolist() == [len(found) for found in candidates]
    assert (readings.tokens_each == 1).all()


def test_what_the_cache_knows_is_not_read_again(store: Path) -> None:
    configuration = Configuration(Stage1("hybrid"), 12, 60, "word-overlap", 0.5)
    found = []
    for _ in range(2):
        with Collection.open(store, embedder=HashingEmbedder(16), settings=Settings()) as collection:
            bench = Bench.open(collection, match(questions(), collection), cache=True)
            bench.opened("word-overlap")
            replay = Replay.of(bench, [configuration])
            readings = replay.readings(configuration)
            assert readings is not None
            found.append((readings, replayed(replay, configuration)))
    (first, fresh), (second, again) = found
    assert fresh == again
    assert first.fresh.sum() == 12 * len(QUESTIONS)
    assert second.fresh.tolist() == second.fresh_ms.tolist() == [0.0] * len(QUESTIONS)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.seen, second.seen)
    np.testing.assert_allclose(first.tokens_each, second.tokens_each, rtol=0.05)


def test_more_can_be_read_later_and_what_was_read_stays(bench: Bench) -> None:
    reranker = bench.opened(None)
    assert isinstance(reranker, NoisyReranker)
    narrow = Configuration(Stage1("vector"), 4, 60, "noisy", 0.5)
    wide = replace(narrow, stage1=Stage1("words"), limit=9)
    replay = Replay.searched(bench, [narrow, wide])
    assert reranker.read == []
    replay.read([narrow])
    before, read = replayed(replay, narrow), len(reranker.read)
    replay.read([replace(narrow, blend=0.9), replace(narrow, limit=2), narrow.without_reranker])
    assert len(reranker.read) == read
    replay.read([wide])
    assert replayed(replay, narrow) == before
    assert replayed(replay, wide) == [hits_of(response) for response in answers(bench, wide)]


# ── what was not gathered ──


@pytest.mark.parametrize(
    "other",
    [
        Configuration(Stage1("vector"), 5, 31),
        Configuration(Stage1("vector"), 11, 30),
        Configuration(Stage1("words"), 10, 30, "noisy"),
        Configuration(Stage1("vector"), 10, 30, "noisy"),
    ],
)
def test_what_was_not_gathered_is_refused_instead_of_made_up(bench: Bench, other: Configuration) -> None:
    bench.opened(None)
    replay = Replay.of(
        bench, [Configuration(Stage1("vector"), 10, 30), Configuration(Stage1("vector"), 9, 30, "noisy")]
    )
    with pytest.raises(ValueError, match=f"limit={other.limit}, num_candidates={other.num_candidates}"):
        replay.final(other)


def test_the_order_of_a_deeper_search_does_not_follow_from_a_pool(bench: Bench) -> None:
    pools = Replay.of(bench, [Configuration(Stage1("vector"), 5, 10)]).pools(
        Configuration(Stage1("vector"), 5, 10)
    )
    assert stage1_order(pools, Stage1("words"), num_candidates=9, limit=9).columns.shape == (8, 9)
    with pytest.raises(ValueError, match="11 deep does not follow from one 10 deep"):
        stage1_order(pools, Stage1("words"), num_candidates=11, limit=5)
    bound = replace(pools, any_depth=False)
    with pytest.raises(ValueError, match="9 deep"):
        stage1_order(bound, Stage1("words"), num_candidates=9, limit=5)


@pytest.mark.parametrize(
    ("any_depth", "any_limit", "held"),
    [
        (True, True, {(5, 4), (9, 9), (10, 2), (10, 3), (10, 4)}),
        (False, True, {(10, 2), (10, 3)}),
        (False, False, {(10, 3)}),
    ],
)  # fmt: skip
def test_a_pool_holds_what_would_be_found_all_the_same(
    bench: Bench, any_depth: bool, any_limit: bool, held: set[tuple[int, int]]
) -> None:
    known = Replay.of(bench, [Configuration(Stage1("vector"), 3, 10)]).pools(
        Configuration(Stage1("vector"), 3, 10)
    )
    pools: Pools = replace(known, any_depth=any_depth, any_limit=any_limit)
    pairs = {(5, 4), (9, 9), (10, 2), (10, 3), (10, 4), (11, 3), (11, 4)}
    assert {pair for pair in pairs if pools.hold(*pair)} == held


# ── ranks of units ───────────────────────────────────────────────────────────────────────────────


def naive_ranks(units: list[int], counts: list[bool]) -> list[int]:
    ranks: dict[int, int] = {}
    places = []
    for unit, counted in zip(units, counts, strict=True):
        is_new = counted and unit not in ranks
        if is_new:
            ranks[unit] = len(ranks) + 1
        places.append(ranks[unit] if is_new else 0)
    return places


@given(st.data())
def test_the_rank_of_a_unit_is_that_of_its_first_place_that_counts(data: st.DataObject) -> None:
    shape = data.draw(arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
    units: NDArray[np.int32] = data.draw(arrays.arrays(np.int32, shape, elements=st.integers(0, 4)))
    counts: NDArray[np.bool_] = data.draw(arrays.arrays(np.bool_, shape))
    expected = [naive_ranks(*rows) for rows in zip(units.tolist(), counts.tolist(), strict=True)]
    found = unit_ranks(units, counts)
    assert found.tolist() == expected
    assert (found.dtype.name, found.shape) == ("int32", shape)
