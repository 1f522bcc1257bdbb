"""What is chosen among configurations is the cheapest of the good ones, and its worth is that on other questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vai.arrays import Doubles
from vai.evaluation.measures import intervals as intervals_module
from vai.evaluation.measures.costs import Cost
from vai.evaluation.measures.intervals import interval
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.choosing import (
    Contest,
    choose,
    cross_fitted,
    cross_fitted_interval,
    decide,
    folds,
    held_out,
    is_cheaper,
    questions_needed,
)
from vai.types import Stage1

QUESTIONS = 60
HYBRID = Stage1("hybrid")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here depends on the third digit of a bound."""
    monkeypatch.setattr(intervals_module, "RESAMPLES", 1_000)


def alone(limit: int = 20, stage1: Stage1 = HYBRID) -> Configuration:
    return Configuration(stage1, limit, 400)


def reranked(limit: int = 20, blend: float = 0.5, stage1: Stage1 = HYBRID) -> Configuration:
    return Configuration(stage1, limit, 400, "noisy", blend)


def cost(configuration: Configuration) -> Cost:
    """10 ms for stage 1, and 10 for each candidate that is read."""
    ms = 10.0 + 10.0 * configuration.limit * (configuration.reranker is not None)
    return Cost(ms / 2, ms, None)


def values(*means: float, spread: float = 0.1, questions: int = QUESTIONS, seed: int = 0) -> Doubles:
    """Values with about these means; what makes questions easy or hard is alike for all configurations."""
    random = np.random.default_rng(seed)
    shared = random.normal(0.0, 1.0, questions)
    noise = random.normal(0.0, spread, (len(means), questions))
    centred: Doubles = noise - noise.mean(axis=1, keepdims=True)
    return np.array(means)[:, None] + shared + centred


def contest(
    configurations: Sequence[Configuration],
    found: Doubles,
    costs: Sequence[Cost] | None = None,
    *,
    budget_ms: float | None = None,
    max_usd_per_1k: float | None = None,
) -> Contest:
    return Contest.of(
        configurations,
        found,
        [cost(item) for item in configurations] if costs is None else costs,
        budget_ms=budget_ms,
        max_usd_per_1k=max_usd_per_1k,
    )


def chosen(of: Contest) -> int:
    return choose(of, of.allowed, of.all_questions)


# ── one choice ──


def test_the_best_is_chosen_where_the_others_are_clearly_worse() -> None:
    limits = [reranked(20), reranked(10), reranked(50)]
    assert chosen(contest(limits, values(0.5, 0.4, 0.6))) == 2


def test_fewer_candidates_are_chosen_where_more_of_them_add_nothing_that_is_clear() -> None:
    limits = [reranked(50), reranked(30), reranked(20), reranked(10)]
    assert chosen(contest(limits, values(0.602, 0.600, 0.599, 0.4))) == 2


def test_what_is_worse_by_more_than_a_standard_error_is_not_chosen_for_being_cheaper() -> None:
    steady = values(0.6, 0.58, spread=0.01)
    assert chosen(contest([reranked(50), reranked(10)], steady)) == 0


def test_what_is_in_force_is_chosen_among_those_that_are_as_good_and_as_cheap() -> None:
    blends = [reranked(blend=0.5), reranked(blend=0.4), reranked(blend=0.6)]
    assert chosen(contest(blends, values(0.598, 0.600, 0.599))) == 0


def test_of_those_as_good_the_one_is_chosen_that_changes_least() -> None:
    words = Stage1("hybrid", "scores", 0.35)
    others = [
        reranked(blend=0.5),
        reranked(blend=0.3, stage1=words),
        reranked(blend=0.1),
        reranked(blend=0.3),
    ]
    assert chosen(contest(others, values(0.3, 0.6, 0.6, 0.6))) == 3


def test_latencies_that_nobody_can_tell_apart_count_as_the_same() -> None:
    same = [Cost(5.0, 14.0, None), Cost(3.0, 6.0, None)]
    other = [Cost(5.0, 30.0, None), Cost(3.0, 6.0, None)]
    configurations = [alone(), alone(stage1=Stage1("words"))]
    assert chosen(contest(configurations, values(0.6, 0.6), same)) == 0
    assert chosen(contest(configurations, values(0.6, 0.6), other)) == 1


def test_the_lower_price_is_chosen_where_latencies_are_not_known() -> None:
    costs = [Cost(None, None, 2.0), Cost(None, None, 1.0)]
    assert chosen(contest([reranked(20), reranked(10)], values(0.6, 0.6), costs)) == 1


def test_fewer_candidates_are_chosen_where_neither_latency_nor_price_is_known() -> None:
    unknown = [Cost(None, None, None)] * 3
    assert chosen(contest([reranked(20), reranked(10), reranked(15)], values(0.6, 0.3, 0.6), unknown)) == 2


def test_a_budget_of_time_excludes_what_takes_longer_and_what_takes_nobody_knows_how_long() -> None:
    configurations = [reranked(20), reranked(10), alone()]
    costs = [cost(configurations[0]), Cost(None, None, None), cost(configurations[2])]
    assert contest(configurations, values(1, 1, 1), costs, budget_ms=50).allowed.tolist() == [
        False,
        False,
        True,
    ]


def test_a_budget_of_money_excludes_what_costs_more() -> None:
    costs = [Cost(1.0, 1.0, 2.0), Cost(1.0, 1.0, 0.5), Cost(1.0, 1.0, None)]
    found = contest([reranked(20), reranked(10), alone()], values(1, 1, 1), costs, max_usd_per_1k=1.0)
    assert found.allowed.tolist() == [False, True, True]


def test_cheaper_is_what_takes_less_in_one_way_and_more_in_none() -> None:
    costs = [Cost(1.0, 100.0, 1.0), Cost(1.0, 50.0, 1.0), Cost(1.0, 50.0, 2.0), Cost(1.0, 99.0, 1.0)]
    found = contest([reranked()] * 4, values(1, 1, 1, 1), costs)
    assert is_cheaper(found, 1, 0)
    assert not is_cheaper(found, 2, 0)
    assert not is_cheaper(found, 3, 0)
    assert not is_cheaper(found, 0, 1)


# ── the whole decision ──


def test_reranking_is_decided_for_where_its_gain_is_certain() -> None:
    choice = decide(of := contest([alone(), reranked()], values(0.4, 0.6)), of.all_questions)
    assert choice.reranks
    assert choice.chosen == 1
    assert choice.rerank_gain is not None
    assert choice.rerank_gain.mean() == pytest.approx(0.2)


@pytest.mark.parametrize("gain", [-0.2, -0.001, 0.0, 0.01])
def test_reranking_is_refused_where_it_loses_or_may_gain_by_chance(gain: float) -> None:
    found = contest([reranked(), alone()], values(0.5 + gain, 0.5, spread=0.3))
    choice = decide(found, found.all_questions)
    assert not choice.reranks
    assert choice.chosen == 1


def test_what_is_in_force_is_kept_unless_another_is_better_for_certain_or_cheaper() -> None:
    doubtful = contest([alone(20), alone(30)], values(0.5, 0.57, spread=0.3, seed=1))
    certain = contest([alone(20), alone(30)], values(0.5, 0.7, spread=0.3, seed=1))
    assert choose(doubtful, doubtful.allowed, doubtful.all_questions) == 1
    assert decide(doubtful, doubtful.all_questions).chosen == 0
    assert decide(certain, certain.all_questions).chosen == 1


def test_nobody_is_told_to_give_up_what_is_most_likely_better() -> None:
    """The gain of reranking is not certain, and still doing without is worse by more than one standard error."""
    found = contest([reranked(), alone()], values(0.56, 0.5, spread=0.3, seed=4))
    choice = decide(found, found.all_questions)
    assert choice.rerank_gain is not None
    assert cross_fitted_interval(choice.rerank_gain).low < 0.0 < choice.rerank_gain.mean()
    assert choice.chosen == 0
    assert choice.reranks


def test_intervals_of_cross_fitted_differences_are_wider_around_the_same_mean() -> None:
    differences = np.random.default_rng(1).normal(0.1, 1.0, 50)
    plain, wider = interval(differences), cross_fitted_interval(differences)
    assert wider.mean == plain.mean
    assert wider.high - wider.low == pytest.approx(1.25 * (plain.high - plain.low))


def test_what_is_in_force_is_not_kept_where_it_is_over_the_budget() -> None:
    found = contest([reranked(50), alone()], values(0.9, 0.1), budget_ms=100)
    choice = decide(found, found.all_questions)
    assert choice.chosen == 1
    assert choice.rerank_gain is None


def test_nothing_can_be_decided_where_nothing_is_allowed() -> None:
    found = contest([alone()], values(0.5), budget_ms=1)
    with pytest.raises(ValueError, match="no configuration is allowed"):
        decide(found, found.all_questions)


# ── what it is worth elsewhere ──


@given(st.integers(4, 40))
def test_folds_divide_the_questions_evenly_and_are_always_the_same(count: int) -> None:
    divided = folds(count)
    assert 2 <= len(divided) <= 5
    assert np.sum(divided, axis=0).tolist() == [1] * count
    sizes = [fold.sum() for fold in divided]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2
    assert all(np.array_equal(*pair) for pair in zip(divided, folds(count), strict=True))


def test_three_questions_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="3 questions"):
        folds(3)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 4), st.integers(0, 10_000))
def test_what_a_fold_is_worth_is_decided_without_looking_at_it(number: int, seed: int) -> None:
    """Whatever its values are turned into, the same configuration answers it."""
    configurations = [alone(10), alone(20), reranked(10), reranked(20), reranked(30)]
    found = values(0.5, 0.5, 0.52, 0.55, 0.5, questions=30, seed=seed)
    fold = folds(30)[number]
    turned = found.copy()
    turned[:, fold] = np.arange(5)[:, None] * 100.0
    answers = held_out(contest(configurations, turned))[fold] / 100.0
    rest = np.flatnonzero(~fold)
    decided = decide(contest(configurations, found), rest).chosen
    assert answers.tolist() == [decided] * int(fold.sum())


def test_among_many_configurations_that_differ_by_chance_none_has_a_certain_gain_elsewhere() -> None:
    """On the questions that they were chosen on the best of them seem better, which shows that this is a danger."""
    configurations = [alone(), *(alone(stage1=Stage1("hybrid", "scores", n / 100)) for n in range(1, 60))]
    seen, unseen = [], []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0.0, 1.0, (len(configurations), 40))
        found = contest(configurations, noise)
        best = noise[noise.mean(axis=1).argmax()]
        gain = cross_fitted(found, found.allowed, found.all_questions) - noise[0]
        seen.append(interval(best - noise[0]).low > 0)
        unseen.append(interval(gain).low > 0)
    assert np.mean(seen) > 0.25
    assert np.mean(unseen) <= 0.075


def test_the_whole_procedure_rarely_decides_for_a_reranker_that_orders_at_random() -> None:
    configurations = [
        alone(),
        *(reranked(limit, blend / 10) for limit in (10, 20, 30) for blend in range(10)),
    ]
    decisions = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        found = contest(configurations, random.normal(0.0, 1.0, (len(configurations), 40)))
        decisions.append(decide(found, found.all_questions).reranks)
    assert np.mean(decisions) <= 0.1


def test_the_worth_of_a_clear_gain_is_that_gain() -> None:
    found = contest([alone(), reranked()], values(0.4, 0.6))
    assert (held_out(found) - found.values[0]).mean() == pytest.approx(0.2)


# ── how much can be seen ──


def test_the_number_of_questions_that_a_gain_takes_is_that_of_the_normal_approximation() -> None:
    differences = np.array([0.0, 0.2] * 50)
    spread = differences.std(ddof=1)
    assert questions_needed(differences) == pytest.approx((2.8 * spread / 0.1) ** 2, abs=1)
    assert questions_needed(differences - 0.09) == pytest.approx((2.8 * spread / 0.01) ** 2, rel=0.1)


def test_no_number_of_questions_shows_a_gain_that_is_none() -> None:
    assert questions_needed(np.array([-0.1, 0.1])) is None
