"""Where an index finds candidates, each depth, and now and then each limit, is a search of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_samples import NoisyReranker
from ready_made_samples import DIMENSION, directions, write_lines, write_vectors
from replay_samples import answers, configurations, hits_of, replayed
from vai import Collection, Settings
from vai.evaluation.data.matching import match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.replay import Replay
from vai.models.fakes import HashingEmbedder
from vai.types import Stage1

RECORDS = 2_500
REMOVED = 700
ADDED = 30
DEPTH_COST = 5
DEEPEST = (RECORDS - REMOVED) // DEPTH_COST
"""About how deep a search may be before every vector is compared instead."""

FEW, SOME = ["year<2004"], ["year<2060"]
"""Filters that let through fewer than are always compared, and so few that the index is searched deeper for them."""


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Ready-made vectors with an index over most of them, many deleted since, and some added."""
    folder = tmp_path_factory.mktemp("indexed")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vai.engines.indexing._threads", lambda: 1)
        patched.setattr("vai.engines.indexing.EXACT_BELOW", 200)
        patched.setattr("vai.engines.nearest.EXACT_UNDER_FILTER", 100)
        patched.setattr("vai.engines.nearest.DEPTH_COST", DEPTH_COST)
        with Collection.open(
            folder / ".vai",
            embedder=HashingEmbedder(DIMENSION),
            reranker=NoisyReranker(),
            settings=Settings(),
        ) as opened:
            add(opened, folder / "corpus.jsonl", 0, RECORDS)
            opened.delete(ids=[f"r{number}" for number in range(1_000, 1_000 + REMOVED)])
            add(opened, folder / "more.jsonl", RECORDS, ADDED)
            index = opened.index()
            assert (index.state, index.covered, index.unindexed) == ("fresh", RECORDS - REMOVED, ADDED)
            yield opened


def add(collection: Collection, path: Path, first: int, count: int) -> None:
    """Records of five words each, one of them their own, and vectors that point anywhere."""
    records = [
        {
            "_id": f"r{number}",
            "text": f"word{number} {'ferry' if number % 3 else 'tern'} {'tide' if number % 7 else 'oven'} of text",
            "year": 2000 + number // 25,
        }
        for number in range(first, first + count)
    ]
    vectors = write_vectors(path.with_suffix(".npy"), directions(count, seed=first))
    collection.ingest(write_lines(path, records), vectors=vectors)


def bench_of(collection: Collection, **options: Any) -> Bench:
    texts = ("ferry tide", "the oven of the tern", "word7 word2510", "zyzzyva", "text of text of text")
    queries = {f"q{number}": text for number, text in enumerate(texts)}
    test_set = TestSet("few", queries, {query: {"r1": 1, f"r{len(query)}": 2} for query in queries})
    bench = Bench.open(collection, match(test_set, collection), **options)
    bench.opened(None)
    return bench


@pytest.mark.parametrize("filter", [None, SOME, FEW], ids=["unfiltered", "filtered", "filtered to few"])
@settings(max_examples=12)
@given(data=st.data())
def test_replays_of_searches_by_an_index_have_the_hits_of_queries(
    collection: Collection, filter: list[str] | None, data: st.DataObject
) -> None:
    bench = bench_of(collection, filter=filter)
    any_of_them = configurations([None, "noisy"], deepest=2 * DEEPEST, widest=150)
    chosen = data.draw(st.lists(any_of_them, min_size=2, max_size=5))
    assert_as_queries(Replay.of(bench, chosen), chosen)


def vector(limit: int, num_candidates: int) -> Configuration:
    return Configuration(Stage1("vector"), limit, num_candidates)


def assert_as_queries(replay: Replay, chosen: list[Configuration]) -> None:
    for configuration in chosen:
        live = [hits_of(response) for response in answers(replay.bench, configuration)]
        assert replayed(replay, configuration) == live


def test_the_index_misses_something_or_nothing_here_would_be_tested(collection: Collection) -> None:
    found = {exact: answers(bench_of(collection, exact=exact), vector(30, 30)) for exact in (False, True)}
    assert [response.stages.search.depth for response in found[False]] != [None] * 5
    assert list(map(hits_of, found[False])) != list(map(hits_of, found[True]))


def test_a_search_so_deep_that_it_compares_everything_says_nothing_of_a_shallower_one(
    collection: Collection,
) -> None:
    chosen = [vector(30, 2 * DEEPEST), vector(30, 30)]
    replay = Replay.of(bench_of(collection), chosen)
    deep, shallow = map(replay.pools, chosen)
    assert deep.exact
    assert not deep.any_depth
    assert not shallow.exact
    assert deep is not shallow
    assert_as_queries(replay, chosen)


def test_one_search_holds_for_all_limits_that_do_not_make_it_deeper(collection: Collection) -> None:
    chosen = [vector(limit, 200) for limit in (3, 20, 80)]
    replay = Replay.of(bench_of(collection), chosen)
    assert len({id(replay.pools(configuration)) for configuration in chosen}) == 1
    assert_as_queries(replay, chosen)


def test_a_limit_that_makes_a_search_deeper_has_one_of_its_own(collection: Collection) -> None:
    chosen = [vector(limit, 100) for limit in (3, 40, 100)]
    replay = Replay.of(bench_of(collection, filter=SOME), chosen)
    pools = [replay.pools(configuration) for configuration in chosen]
    assert [pool.any_limit for pool in pools] == [True, False, False]
    assert len(set(map(id, pools))) == 3
    assert_as_queries(replay, chosen)


def test_exact_searches_and_those_of_a_few_hold_for_every_depth(collection: Collection) -> None:
    chosen = [vector(20, depth) for depth in (20, 90, 2 * DEEPEST)]
    for bench in (bench_of(collection, exact=True), bench_of(collection, filter=FEW)):
        replay = Replay.of(bench, chosen)
        assert len({id(replay.pools(configuration)) for configuration in chosen}) == 1
        assert_as_queries(replay, chosen)


def test_what_several_pools_have_in_common_is_read_for_each_and_replayed(collection: Collection) -> None:
    chosen = [
        Configuration(stage1, 15, depth, "noisy", 0.3)
        for depth in (15, 60, 2 * DEEPEST)
        for stage1 in (Stage1("vector"), Stage1("hybrid", "ranks"))
    ]
    replay = Replay.of(bench_of(collection), chosen)
    assert len({id(replay.readings(configuration)) for configuration in chosen}) == 3
    assert_as_queries(replay, chosen)
    assert np.isfinite(replay.final(chosen[0]).scores).all()
