"""What was decided, and how sure that is, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from vai.evaluation.data.matching import Matched
from vai.evaluation.measures.intervals import Interval, interval
from vai.evaluation.tuning.choosing import questions_needed
from vai.evaluation.tuning.deciding import Decided

FEW_QUESTIONS = 50
"""Fewer tell only large differences from chance."""


# ── whether to rerank, and why ──


def reason(decided: Decided) -> str:
    """Why the decision is what it is, in one sentence without a beginning capital or a final period."""
    gain, asked = decided.rerank_gain, decided.contest.values.shape[1]
    if gain is None:
        said = _why_not_compared(decided)
    elif decided.choice.reranks and gain.low <= 0.0:
        said = (
            f"its gain may be chance ({signed(gain)} {decided.goal.metric} on questions that were held out), but what "
            "is cheaper does worse there than the settings in force, by more than one standard error"
        )
    elif decided.choice.reranks:
        said = f"it gains {signed(gain)} {decided.goal.metric} on questions that were held out{_for_more_time(decided)}"
    elif gain.high < 0.0:
        said = f"it loses {signed(gain)} {decided.goal.metric} on questions that were held out{_for_more_time(decided)}"
    else:
        said = (
            f"it has no gain that can be told from chance on these {asked:,} questions ({signed(gain)} "
            f"{decided.goal.metric}){_for_more_time(decided)}"
        )
    return said + _of_what_is_in_force(decided)


def signed(gain: Interval) -> str:
    """A difference with its 95 % interval."""
    return f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _why_not_compared(decided: Decided) -> str:
    reranks = decided.contest.reranks
    if not reranks.any():
        return "no reranker was to be tried"
    costs = [cost for cost, is_one in zip(decided.costs, reranks.tolist(), strict=True) if is_one]
    fastest = min((cost.p95_ms for cost in costs if cost.p95_ms is not None), default=None)
    if decided.goal.budget_ms is not None and fastest is None:
        return f"how long a reranker takes is not known, and --budget-ms {decided.goal.budget_ms} has to hold"
    if decided.goal.budget_ms is not None and fastest is not None and fastest > decided.goal.budget_ms:
        return f"it does not fit into --budget-ms {decided.goal.budget_ms}: p95 is {fastest:,.0f} ms at least"
    cheapest = min(cost.usd_per_1k or 0.0 for cost in costs)
    return f"it costs more than is allowed: {cheapest:g} USD for 1,000 queries at least"


def _for_more_time(decided: Decided) -> str:
    """What a reranker takes beside what doing without takes, in the middle of all questions."""
    pair = decided.choice.with_reranker, decided.choice.without
    times = [None if number is None else decided.costs[number].p50_ms for number in pair]
    if times[0] is None or times[1] is None:
        return ""
    return f", and takes {max(0.0, times[0] - times[1]):,.0f} ms more for a query"


def _of_what_is_in_force(decided: Decided) -> str:
    best, in_force = decided.best, decided.in_force
    if best == in_force:
        return "; nothing that was tried is certainly better than the settings in force: keep them"
    if best.reranker and in_force.reranker and best.limit < in_force.limit:
        return f"; fewer candidates are enough: {best.limit} instead of {in_force.limit}"
    return ""


# ── what to know beside that ──


def warnings(decided: Decided, matched: Matched) -> Iterator[str]:
    """A sentence for everything that makes the figures mean less."""
    yield from matched.remarks
    yield from matched.unanswered_remarks
    yield from _of_few_questions(decided)
    least = decided.in_force.min_relevance
    if least is not None and decided.best.reranker is None:
        yield f"without a reranker min_relevance {least:g} has no effect: every query has hits"
    yield from _of_unknown_times(decided)
    yield from decided.warnings


def _of_few_questions(decided: Decided) -> Iterator[str]:
    asked, gain = decided.contest.values.shape[1], decided.choice.rerank_gain
    needed = None if gain is None else questions_needed(gain)
    if gain is not None and needed is not None and needed > asked and not interval(gain).certain:
        yield (
            f"a gain of reranking as large as the one seen here, {gain.mean():+.3f}, takes about {needed:,} questions "
            f"to tell from chance, and there are {asked:,}"
        )
    elif asked < FEW_QUESTIONS:
        yield f"{asked:,} questions are few: only large differences can be told from chance with them"


def _of_unknown_times(decided: Decided) -> Iterator[str]:
    unknown = {
        configuration.reranker: None
        for configuration, cost in zip(decided.configurations, decided.costs, strict=True)
        if cost.p95_ms is None
    }
    if unknown and decided.goal.budget_ms is not None:
        names = ", ".join(str(name) for name in unknown)
        yield f"{names} was left out, for it cannot be said whether it keeps to --budget-ms {decided.goal.budget_ms}"
