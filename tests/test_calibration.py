"""From logits to relevance, the curve that is fitted for it, and how far a curve is off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.arrays import Vector
from vai.calibration import (
    NotCalibratable,
    brier_score,
    calibration_error,
    equal_mass_bins,
    fit,
    logits_from,
    logits_of,
    probabilities,
    relevance_of,
)
from vai.types import Calibration, Reading

CURVE = Calibration(slope=0.25, intercept=-4.0, error=0.05)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
STEEP = 1e30


def reading(*, logits: list[float] | None = None, relevance: list[float] | None = None) -> Reading:
    """What a model may have read."""
    values = logits if logits is not None else relevance or []
    return Reading(
        logits=None if logits is None else np.array(logits, dtype=np.float32),
        relevance=None if relevance is None else np.array(relevance, dtype=np.float32),
        tokens=0,
        seen=np.ones(len(values), dtype=np.float32),
    )


def drawn(slope: float, intercept: float, count: int = 20_000) -> tuple[Vector, np.ndarray]:
    """Logits, and relevance that is as probable as a curve says."""
    random = np.random.default_rng(5)
    logits = random.normal(8.0, 5.0, count).astype(np.float32)
    said = probabilities(logits, Calibration(slope, intercept, 0.0))
    return logits, random.random(count) < said


# ── relevance ──


def test_relevance_is_the_logistic_curve_of_the_calibration() -> None:
    relevance = relevance_of(reading(logits=[16.0, 0.0]), CURVE)
    assert relevance.dtype == np.float32
    assert relevance == pytest.approx([0.5, 1 / (1 + math.exp(4.0))])


def test_without_a_calibration_logits_go_through_a_plain_sigmoid() -> None:
    assert relevance_of(reading(logits=[0.0, math.log(3.0)]), None) == pytest.approx([0.5, 0.75])


def test_relevance_that_a_model_gives_is_passed_on_unless_there_is_a_calibration_for_it() -> None:
    given_by_the_model = reading(relevance=[0.1, 0.75])
    assert relevance_of(given_by_the_model, None).tolist() == pytest.approx([0.1, 0.75])
    doubled = Calibration(slope=2.0, intercept=0.0, error=0.0)
    assert relevance_of(given_by_the_model, doubled)[1] == pytest.approx(0.9)


def test_what_was_not_read_has_no_relevance() -> None:
    for curve in (CURVE, None):
        for unread in (reading(logits=[1.0, math.nan]), reading(relevance=[0.5, math.nan])):
            assert np.isnan(relevance_of(unread, curve)).tolist() == [False, True]


@given(st.lists(FLOATS, min_size=1), st.sampled_from([CURVE, None, Calibration(STEEP, -STEEP, 0.0)]))
def test_relevance_lies_in_0_to_1_for_every_logit_there_can_be_and_never_falls(
    logits: list[float], curve: Calibration | None
) -> None:
    relevance = relevance_of(reading(logits=sorted(logits)), curve)
    assert ((relevance >= 0) & (relevance <= 1)).all()
    assert (np.diff(relevance) >= 0).all()


@given(st.lists(st.floats(0, 1, width=32), min_size=1))
def test_a_share_comes_back_from_its_logit(shares: list[float]) -> None:
    back = relevance_of(reading(logits=logits_of(reading(relevance=shares)).tolist()), None)
    assert back == pytest.approx(shares, abs=2e-6)


def test_a_share_of_nan_has_a_logit_of_nan() -> None:
    assert np.isnan(logits_from([math.nan, 0.5])).tolist() == [True, False]


# ── fitting ──


def test_the_curve_that_relevance_was_drawn_from_is_found_again() -> None:
    assert fit(*drawn(0.3, -4.0)) == pytest.approx((0.3, -4.0), rel=0.05)


def test_the_fitted_curve_says_in_the_mean_what_is_relevant_in_the_mean() -> None:
    """A property of the maximum: the gradient with respect to the intercept is zero."""
    logits, relevant = drawn(0.2, -3.0, 500)
    said = probabilities(logits, Calibration(*fit(logits, relevant), 0.0))
    assert said.mean() == pytest.approx(relevant.mean(), abs=0.003)  # but for the smoothed targets


def test_a_weight_of_two_is_the_pair_twice() -> None:
    logits, relevant = drawn(0.3, -3.0, 300)
    weights = np.where(np.arange(300) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(300), weights.astype(int))
    # Not to the last digit, because weights are scaled to the number of pairs and the smoothing counts those.
    assert fit(logits, relevant, weights) == pytest.approx(fit(logits[twice], relevant[twice]), rel=0.01)


def test_only_ratios_of_weights_matter() -> None:
    logits, relevant = drawn(0.3, -3.0, 300)
    weights = np.linspace(1.0, 2.0, 300)
    assert fit(logits, relevant, weights) == pytest.approx(fit(logits, relevant, 1_000 * weights))


@given(st.floats(0.01, 100.0), st.floats(-1_000.0, 1_000.0))
def test_a_model_that_writes_its_scores_in_another_unit_gets_the_same_probabilities(
    unit: float, origin: float
) -> None:
    logits, relevant = drawn(0.3, -3.0, 200)
    others = unit * logits.astype(np.float64) + origin
    said = probabilities(others, Calibration(*fit(others, relevant), 0.0))
    assert said == pytest.approx(probabilities(logits, Calibration(*fit(logits, relevant), 0.0)), abs=1e-6)


def test_scores_that_tell_all_passages_apart_do_not_give_an_endless_slope() -> None:
    slope, intercept = fit([0.0, 1.0, 2.0, 3.0], [False, False, True, True])
    assert 0 < slope < 10
    assert intercept == pytest.approx(-1.5 * slope)


@pytest.mark.parametrize(
    ("logits", "relevant", "why"),
    [
        ([1.0, 2.0, 3.0, 4.0], [True, True, False, False], "do not rise with relevance"),
        ([1.0, 2.0, 1.0, 2.0], [True, True, False, False], "do not rise with relevance"),
        ([2.0, 2.0, 2.0], [True, False, True], "the same score"),
        ([1.0, math.nan, 3.0], [True, False, True], "no finite score"),
        ([1.0, 2.0, math.inf], [False, False, True], "no finite score"),
        ([1.0, 2.0], [False, False], "all 2 passages are not relevant"),
        ([1.0, 2.0], [True, True], "all 2 passages are relevant"),
    ],
)
def test_scores_that_say_nothing_of_relevance_are_refused_with_the_reason(
    logits: list[float], relevant: list[bool], why: str
) -> None:
    with pytest.raises(NotCalibratable, match=why):
        fit(logits, relevant)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_weights_that_are_none_are_a_mistake_in_the_program(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights have to be finite"):
        fit([1.0, 2.0], [False, True], weights)


@given(st.lists(st.tuples(FLOATS, st.booleans()), min_size=2, max_size=40))
def test_whatever_a_model_says_the_curve_is_finite_and_rises_or_is_refused(
    pairs: list[tuple[float, bool]],
) -> None:
    try:
        slope, intercept = fit([logit for logit, _ in pairs], [relevant for _, relevant in pairs])
    except NotCalibratable:
        return
    assert slope > 0
    assert math.isfinite(intercept)


# ── how far a curve is off ──


def test_the_calibration_error_of_what_is_said_of_the_whole_is_how_far_the_whole_is_off() -> None:
    assert calibration_error([0.5] * 4, [True, False, False, False]) == pytest.approx(0.25)


def test_the_calibration_error_is_taken_over_bins_of_equal_mass() -> None:
    """Two bins: 0.2 was said and 0.5 found, 0.8 was said and 1.0 found."""
    said, relevant = [0.2, 0.2, 0.8, 0.8], [True, False, True, True]
    assert calibration_error(said, relevant, bins=2) == pytest.approx((0.3 + 0.2) / 2)
    assert calibration_error(said, relevant, [1, 1, 3, 3], bins=2) == pytest.approx(0.25 * 0.3 + 0.75 * 0.2)


def test_a_curve_has_nearly_no_error_on_what_was_drawn_from_it_and_another_one_has() -> None:
    logits, relevant = drawn(0.3, -3.0)
    assert calibration_error(probabilities(logits, Calibration(0.3, -3.0, 0.0)), relevant) < 0.01
    assert calibration_error(probabilities(logits, Calibration(0.3, -2.0, 0.0)), relevant) > 0.08


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50).flatmap(
        lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))
    )
)
def test_the_calibration_error_does_not_depend_on_the_order_and_lies_in_0_to_1(
    orders: tuple[list[tuple[float, bool]], list[tuple[float, bool]]],
) -> None:
    errors = [
        calibration_error([said for said, _ in pairs], [relevant for _, relevant in pairs])
        for pairs in orders
    ]
    assert 0 <= errors[0] <= 1
    assert errors[0] == pytest.approx(errors[1])


def test_bins_hold_the_same_weight_and_equal_probabilities_stay_together() -> None:
    assert equal_mass_bins([0.4, 0.1, 0.3, 0.2], bins=2).tolist() == [1, 0, 1, 0]
    assert equal_mass_bins([0.1, 0.2, 0.3], [2, 1, 1], bins=2).tolist() == [0, 1, 1]
    assert len(set(equal_mass_bins([0.7] * 9, bins=3).tolist())) == 1


def test_the_brier_score_is_the_mean_square_of_what_was_said_less_what_was_found() -> None:
    assert brier_score([0.5, 1.0], [True, True]) == pytest.approx(0.125)
    assert brier_score([0.5, 1.0], [True, True], [3, 1]) == pytest.approx(0.1875)
