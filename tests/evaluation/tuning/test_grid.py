"""The grid holds what can be chosen, the configuration in force always among it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_samples import NoisyReranker
from vai.evaluation.measures.metrics import Metric
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.grid import Grid, fixed_by, plain
from vai.planning import QueryOptions
from vai.types import Stage1

IN_FORCE = Configuration(Stage1("hybrid", "scores", 0.25), 20, 400, "noisy", 0.5)
NDCG = Metric.parse("ndcg@10")

searches = st.builds(
    Stage1,
    st.sampled_from(["vector", "words", "hybrid"]),
    st.sampled_from(["scores", "ranks"]),
    st.sampled_from([0.0, 0.25, 0.3, 7.5]),
)


@st.composite
def in_force(draw: st.DrawFn) -> Configuration:
    """Any configuration that settings can make."""
    limit = draw(st.integers(1, 300))
    alone = Configuration(draw(searches), limit, limit * draw(st.integers(1, 20)))
    if draw(st.booleans()):
        return alone
    blend = draw(st.sampled_from([0.0, 0.33, 0.5, 1.0]))
    return replace(alone, reranker="noisy", blend=blend, min_relevance=draw(st.sampled_from([None, 0.1])))


def around(
    baseline: Configuration = IN_FORCE,
    rerankers: Sequence[str] = ("noisy",),
    *,
    metric: Metric = NDCG,
    max_limit: int = 50,
    exact: bool = True,
) -> Grid:
    models = [NoisyReranker(name=name) for name in rerankers]
    return Grid.around(baseline, models, metric, max_limit=max_limit, exact=exact)


@settings(deadline=None, max_examples=25)
@given(in_force(), st.booleans(), st.integers(1, 60), st.integers(1, 100))
def test_whatever_is_in_force_is_the_first_of_configurations_that_can_all_be_asked_for(
    baseline: Configuration, exact: bool, cutoff: int, max_limit: int
) -> None:
    grid = around(baseline, metric=Metric("ndcg", cutoff), max_limit=max_limit, exact=exact)
    found = grid.configurations()
    different = set(found)
    assert found[0] == plain(baseline)
    assert len(different) == len(found)
    assert len({str(item.to_dict()) for item in found}) == len(found)
    assert all(item.limit <= item.num_candidates for item in found)
    assert {item.min_relevance for item in found if item.reranker} <= {baseline.min_relevance}
    assert {item.without_reranker for item in found} <= different


@given(st.integers(1, 200), st.integers(1, 200))
def test_no_limit_is_below_the_cut_off_of_the_metric_nor_beyond_what_may_be_read(
    cutoff: int, max_limit: int
) -> None:
    grid = around(metric=Metric("recall", cutoff), max_limit=max_limit)
    assert min(grid.limits) == cutoff
    assert max(grid.limits) == max(cutoff, max_limit)


def test_without_a_cut_off_limits_begin_at_ten() -> None:
    assert around(metric=Metric("map")).limits == (10, 15, 20, 30, 50)
    assert around(replace(IN_FORCE, limit=7), metric=Metric("map"), max_limit=7).limits == (7,)


@pytest.mark.parametrize("exact", [True, False])
def test_more_than_a_thousand_configurations_are_compared_by_default(exact: bool) -> None:
    assert len(around(exact=exact).configurations()) >= 1_000


def test_every_kind_of_search_limit_reranker_and_blend_is_tried() -> None:
    found = around(rerankers=("noisy", "other")).configurations()
    assert {item.stage1.mode for item in found} == {"vector", "words", "hybrid"}
    assert {item.stage1.fusion for item in found if item.stage1.mode == "hybrid"} == {"scores", "ranks"}
    assert {item.limit for item in found} == {10, 15, 20, 30, 50}
    assert {item.reranker for item in found} == {None, "noisy", "other"}
    assert {item.blend for item in found if item.reranker} >= {0.0, 0.5, 0.9}


def test_odd_values_that_are_in_force_are_tried_everywhere() -> None:
    odd = Configuration(Stage1("hybrid", "scores", 0.42), 13, 77, "noisy", 0.17)
    found = around(odd).configurations()
    assert replace(odd, limit=50, num_candidates=77) in found
    assert replace(odd, stage1=Stage1("vector"), blend=0.9) in found
    assert Configuration(Stage1("hybrid", "scores", 0.42), 30, 400, "noisy", 0.17) in found


def test_the_blend_that_was_measured_for_a_model_is_tried_with_it() -> None:
    model = NoisyReranker(blend=0.123)
    grid = Grid.around(IN_FORCE, [model], NDCG, max_limit=20, exact=True)
    assert replace(IN_FORCE, blend=0.123) in grid.configurations()


def test_only_where_there_is_an_index_does_a_search_by_vectors_come_in_several_depths() -> None:
    def depths(exact: bool, mode: str) -> set[int]:
        found = around(exact=exact).configurations()
        return {item.num_candidates for item in found if item.stage1.mode == mode and item.limit == 20}

    assert depths(True, "vector") == {400}
    assert depths(False, "vector") == {50, 100, 200, 400, 800}
    assert depths(True, "hybrid") == {100, 400}
    assert depths(False, "words") == {400}


def test_without_rerankers_only_stage_1_is_tried() -> None:
    found = around(IN_FORCE.without_reranker, rerankers=()).configurations()
    assert {item.reranker for item in found} == {None}


# ── what is given as a flag stays ──


@pytest.mark.parametrize(
    ("options", "fixed"),
    [
        (QueryOptions(stage1="hybrid"), ("stage1",)),
        (QueryOptions(limit=20, blend=0.5), ("limit", "blend")),
        (QueryOptions(num_candidates=400), ("num_candidates",)),
        (QueryOptions(fusion="scores", words_weight=0.25), ("fusion", "words_weight")),
        (QueryOptions(top_k=3, rerank=True, limit=None), ()),
    ],
)
def test_what_was_asked_for_is_the_same_in_all_configurations(
    options: QueryOptions, fixed: tuple[str, ...]
) -> None:
    assert fixed_by(options) == fixed
    found = [item.to_dict() for item in around().configurations(fixed)]
    for name in fixed:
        assert {item[name] for item in found if item["rerank_model"] or name != "blend"} == {
            IN_FORCE.to_dict()[name]
        }


def test_a_blend_that_was_asked_for_does_not_rule_out_doing_without_a_reranker() -> None:
    found = around().configurations(("blend",))
    assert {item.reranker for item in found} == {None, "noisy"}


@given(searches)
def test_searches_that_do_the_same_are_written_in_one_way(stage1: Stage1) -> None:
    one = plain(replace(IN_FORCE, stage1=stage1))
    other = plain(replace(IN_FORCE, stage1=replace(stage1, words_weight=9.0)))
    matters = (stage1.mode, stage1.fusion) == ("hybrid", "scores")
    assert (one == other) == (not matters)
    assert one.to_dict() == replace(IN_FORCE, stage1=stage1).to_dict()
