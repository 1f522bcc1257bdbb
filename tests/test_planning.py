"""What one query is to do, from what was asked and the settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.errors import InvalidSettings
from vai.planning import Depths, QueryOptions, plan_query, resolve_depths
from vai.settings import MOST_CANDIDATES, Settings

# ── all of it ────────────────────────────────────────────────────────────────────────────────────


def test_without_a_word_the_defaults_are_in_force() -> None:
    plan = plan_query(Settings())
    assert (plan.depths, plan.stage1.mode, plan.rerank) == (Depths(5, 20, 400), "hybrid", True)
    assert (plan.blend, plan.min_relevance, plan.budget_ms) == (None, None, None)
    assert (plan.exact, plan.strict, plan.explain, plan.cache) == (False, False, False, True)


def test_what_is_asked_goes_before_what_the_settings_say() -> None:
    settings = Settings(blend=0.5, budget_ms=100, min_relevance=0.5, strict=True, cache=False)
    assert plan_query(settings).budget_ms == 100
    plan = plan_query(settings, blend=0.0, budget_ms=7, min_relevance=0.0, strict=False, cache=True)
    assert (plan.blend, plan.budget_ms, plan.min_relevance) == (0.0, 7, 0.0)
    assert (plan.strict, plan.cache) == (False, True)


def test_every_option_is_known_to_the_plan() -> None:
    """The list that users read and the function that takes them are the same."""
    taken = plan_query.__annotations__.keys() - {"settings", "return"}
    assert taken == QueryOptions.__annotations__.keys()
    with pytest.raises(TypeError, match="limt"):
        plan_query(Settings(), limt=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rerank": False, "rerank_model": "m"}, "--no-rerank and --rerank-model m contradict each other"),
        ({"rerank": False, "blend": 0.5}, "--no-rerank and --blend 0.5 contradict each other"),
        (
            {"rerank": False, "min_relevance": 0.5},
            "--no-rerank and --min-relevance 0.5 contradict each other",
        ),
        ({"blend": 1.5}, "--blend must be from 0 to 1: 1.5"),
        ({"blend": float("nan")}, "--blend must be from 0 to 1: nan"),
        ({"min_relevance": -0.1}, "--min-relevance must be from 0 to 1: -0.1"),
        ({"budget_ms": 0}, "--budget-ms must be from 1 to 86,400,000: 0"),
        ({"budget_ms": 10**400}, "--budget-ms must be from 1 to 86,400,000: 1000"),
    ],
)
def test_what_contradicts_or_cannot_be_is_refused(options: QueryOptions, sentence: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        plan_query(Settings(), **options)
    assert caught.value.message.startswith(sentence)


def test_stage_2_switched_off_in_the_settings_runs_once_a_model_is_named() -> None:
    settings = Settings(rerank=False, min_relevance=0.5)
    assert not plan_query(settings).rerank
    assert plan_query(settings).min_relevance is None, "it has no meaning without stage 2"
    assert plan_query(settings, rerank_model="word-overlap").rerank
    with pytest.raises(InvalidSettings, match=r"--min-relevance 0\.3 needs stage 2"):
        plan_query(settings, min_relevance=0.3)


# ── depths ───────────────────────────────────────────────────────────────────────────────────────

depths = st.none() | st.integers(1, 60) | st.integers(1, MOST_CANDIDATES)
in_settings = st.none() | st.integers(1, 60) | st.integers(1, 3 * MOST_CANDIDATES)


@given(
    settings=st.builds(Settings, limit=in_settings, top_k=in_settings, num_candidates=in_settings),
    top_k=depths,
    limit=depths,
    num_candidates=depths,
)
def test_what_was_asked_for_is_kept_and_the_rest_made_to_fit(
    settings: Settings, top_k: int | None, limit: int | None, num_candidates: int | None
) -> None:
    """Two that were asked for and contradict each other are refused; a default never contradicts a flag."""
    asked = [value for value in (top_k, limit, num_candidates) if value is not None]
    if asked != sorted(asked):
        with pytest.raises(InvalidSettings, match="is less than"):
            resolve_depths(settings, top_k=top_k, limit=limit, num_candidates=num_candidates)
        return
    resolved = resolve_depths(settings, top_k=top_k, limit=limit, num_candidates=num_candidates)
    assert 1 <= resolved.top_k <= resolved.limit <= resolved.num_candidates <= MOST_CANDIDATES
    assert top_k in {None, resolved.top_k}
    assert limit in {None, resolved.limit}
    assert num_candidates in {None, resolved.num_candidates}


@pytest.mark.parametrize(
    ("settings", "flags", "expected"),
    [
        (Settings(), {}, Depths(5, 20, 400)),
        (Settings(), {"top_k": 30}, Depths(30, 30, 600)),
        (Settings(), {"limit": 3}, Depths(3, 3, 60)),
        (Settings(), {"limit": 50, "top_k": 10}, Depths(10, 50, 1_000)),
        (Settings(), {"num_candidates": 10}, Depths(5, 10, 10)),
        (Settings(), {"limit": 1_000}, Depths(5, 1_000, 10_000)),
        (Settings(limit=8, top_k=2, num_candidates=9), {}, Depths(2, 8, 9)),
        (Settings(limit=8, top_k=2, num_candidates=9), {"top_k": 40}, Depths(40, 40, 40)),
        (Settings(limit=8), {"limit": 100}, Depths(5, 100, 2_000)),
        (Settings(top_k=30), {}, Depths(20, 20, 400)),
    ],
)
def test_depths_by_hand(settings: Settings, flags: dict[str, int], expected: Depths) -> None:
    assert resolve_depths(settings, **flags) == expected


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"top_k": 10, "limit": 5}, "--limit 5 is less than --top-k 10"),
        ({"limit": 50, "num_candidates": 20}, "--num-candidates 20 is less than --limit 50"),
        ({"top_k": 50, "num_candidates": 20}, "--num-candidates 20 is less than --top-k 50"),
        ({"top_k": 0}, "--top-k must be from 1 to 10,000: 0"),
        ({"limit": -1}, "--limit must be from 1 to 10,000: -1"),
        ({"num_candidates": 10_001}, "--num-candidates must be from 1 to 10,000: 10001"),
    ],
)
def test_impossible_depths_are_refused_with_a_sentence(flags: dict[str, int], sentence: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        resolve_depths(Settings(), **flags)
    assert caught.value.message == sentence


def test_the_hint_of_a_contradiction_says_what_to_raise() -> None:
    with pytest.raises(InvalidSettings) as caught:
        resolve_depths(Settings(), top_k=10, limit=5)
    assert caught.value.hint == (
        "what top-k keeps is chosen from what limit finds: raise --limit to 10 or more"
    )
