"""Stage 2: a reranker reads candidates, and what came of it is told in full.

`query.py` uses it on what stage 1 found; `rerank` is stage 2 alone, on texts of the user's own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vai.errors import BudgetSpent, InvalidQuery, InvalidSettings, RemoteUnavailable
from vai.protocols import Reranker
from vai.types import Reading, RerankedText, RerankResponse, RerankStage, Span

LONGEST_QUERY = 20_000
"""Characters; some thousand words, more than any of the models reads."""

MOST_TEXTS = 10_000
LONGEST_BUDGET_MS = 86_400_000
"""A day."""


@dataclass(frozen=True, slots=True)
class Stage2:
    """Stage 2 as it is to run.

    Args:
        reranker: reads the candidates.
        fallback: opens the model that reads them where `reranker` fails while working or costs more than is
            allowed; None leaves what it did not read in stage 1's order.
        strict: raise instead of either.
    """

    reranker: Reranker
    fallback: Callable[[], Reranker] | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of stage 2: who read, and what, in the order of the passages; NaN where nobody did.

    `reason` says why passages stayed unread, `why_instead` why `reranker` read them `instead_of` another. `usd` is the
    price of all that was read, also by the one that was stood in for.
    """

    reranker: Reranker
    reading: Reading
    values: list[float]
    relevance: list[float]
    ms: float
    reason: str | None
    instead_of: str | None = None
    why_instead: str | None = None
    usd: float | None = None

    @property
    def read(self) -> int:
        """How many passages were read."""
        return sum(not math.isnan(value) for value in self.values)

    @property
    def truncated(self) -> int:
        """How many passages were read, but not to their end."""
        pairs = zip(self.values, self.reading.seen.tolist(), strict=True)
        return sum(not math.isnan(value) and share < 1.0 for value, share in pairs)

    def relevance_at(self, index: int) -> float | None:
        """Relevance of a passage; None where it was not read."""
        return None if math.isnan(self.values[index]) else self.relevance[index]

    def seen_at(self, index: int) -> float | None:
        """The share of a passage that was read; None where it was not."""
        return None if math.isnan(self.values[index]) else round(float(self.reading.seen[index]), 4)

    def window_at(self, index: int, length: int) -> Span | None:
        """The characters of a passage's first `length` that scored best; None where it was read at once."""
        window = self.reading.window(index)
        if window is None or window[0] >= length:
            return None
        return window[0], min(window[1], length)


def checked_query(text: str) -> str:
    """The query without white space around it.

    Raises:
        InvalidQuery: nothing is left, it is longer than `LONGEST_QUERY`, or no Unicode text.
    """
    text = text.strip()
    if not text:
        raise InvalidQuery("the query is empty", hint="say in a few words what you look for")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidQuery("the query holds half a character: it is not UTF-8 text")
    if len(text) > LONGEST_QUERY:
        raise InvalidQuery(
            f"the query is longer than {LONGEST_QUERY:,} characters",
            hint="ask with a few sentences; to compare whole texts, use their beginning",
        )
    return text


def rerank(
    query: str,
    texts: Sequence[str],
    reranker: Reranker,
    *,
    top_k: int | None = None,
    strict: bool = False,
    budget_ms: int | None = None,
    min_relevance: float | None = None,
    fallback: Callable[[], Reranker] | None = None,
) -> RerankResponse:
    """Stage 2 alone: the texts in the order in which they answer the query.

    Args:
        texts: at most `MOST_TEXTS`; equal values stay in their order.
        top_k: how many to return, all by default.
        strict: raise when not everything could be read; else what was not follows in the order given.
        budget_ms: milliseconds that reading may take.
        min_relevance: leave out what has less, 0–1, and what was not read.
        fallback: opens the model that reads where `reranker` fails.

    Raises:
        InvalidQuery, InvalidSettings: the query is none; there are no or too many texts; a number is out of range.
        RemoteRefused, RemoteUnavailable, BudgetSpent: as `read_passages`.
    """
    query = checked_query(query)
    if not texts:
        raise InvalidSettings(
            "there are no documents to rerank", hint="name some, or give a `--documents-file`"
        )
    if top_k is not None and top_k < 1:
        raise InvalidSettings(f"--top-k must be at least 1: {top_k}")
    if len(texts) > MOST_TEXTS:
        raise InvalidSettings(
            f"{len(texts):,} documents are more than the {MOST_TEXTS:,} that can be reranked at once",
            hint="`vai ingest` and `vai query` find the best candidates of any number first",
        )
    budget, least = checked_budget(budget_ms), checked_relevance(min_relevance)
    outcome = read_passages(
        Stage2(reranker, fallback=fallback, strict=strict),
        query,
        texts,
        deadline=deadline_after(time.monotonic(), budget),
    )
    order = sorted(
        (index for index in range(len(texts)) if is_relevant(outcome.relevance_at(index), least)),
        key=lambda index: (math.isnan(outcome.values[index]), -outcome.values[index], index),
    )
    return RerankResponse(
        query=query,
        rerank=stage_report(outcome),
        results=tuple(
            RerankedText(
                rank=rank,
                index=index,
                text=texts[index],
                relevance=outcome.relevance_at(index),
                score=None if math.isnan(outcome.values[index]) else outcome.values[index],
                seen=outcome.seen_at(index),
                window=outcome.window_at(index, len(texts[index])),
            )
            for rank, index in enumerate(order[:top_k], start=1)
        ),
        warnings=tuple(outcome_warnings(outcome, least)),
    )


def read_passages(
    stage2: Stage2, query: str, passages: Sequence[str], *, deadline: float | None = None
) -> Outcome:
    """What stage 2 makes of the passages, read in the order given until the deadline, a `time.monotonic()` time.

    Raises:
        RemoteRefused: a remote model said no.
        RemoteUnavailable: `strict`, and a remote model failed before everything was read.
        BudgetSpent: `strict`, and the time or the money was up before that.
    """
    from vai.calibration import relevance_of

    began = time.perf_counter()
    reader = stage2.reranker
    if stage2.strict:
        reading = reader.score(query, passages, deadline=deadline)
        if reading.stopped:
            raise _not_all_read(reader, reading)
    else:
        reading = _read(reader, query, passages, deadline)
    reason, instead_of, why_instead = reading.reason, None, None
    usd = price(reading.tokens, reader.usd_per_million_tokens)
    if stage2.fallback is not None and reading.stopped in {"failed", "spent"}:
        try:
            stand_in = stage2.fallback()
        except RemoteUnavailable as failure:  # it has to be fetched, and cannot be
            reason = f"{reason}; nor can another model read instead: {failure.message}"
        else:
            instead_of, why_instead = reader.name, reason
            reader, reading = stand_in, _read(stand_in, query, passages, deadline)
            reason = reading.reason
    return Outcome(
        reranker=reader,
        reading=reading,
        values=[value if math.isfinite(value) else math.nan for value in reading.values.tolist()],
        relevance=relevance_of(reading, reader.calibration).tolist(),
        ms=round((time.perf_counter() - began) * 1000, 3),
        reason=reason,
        instead_of=instead_of,
        why_instead=why_instead,
        usd=usd,
    )


def _read(reranker: Reranker, query: str, passages: Sequence[str], deadline: float | None) -> Reading:
    """A reading; one of nothing, with the reason, if a remote model failed before it had read anything."""
    import numpy as np

    try:
        return reranker.score(query, passages, deadline=deadline)
    except RemoteUnavailable as failure:
        unread = np.full(len(passages), np.nan, dtype=np.float32)
        return Reading(
            None, unread, tokens=0, seen=np.zeros_like(unread), stopped="failed", reason=failure.message
        )


def _not_all_read(reranker: Reranker, reading: Reading) -> RemoteUnavailable | BudgetSpent:
    read, of = _count(reading), len(reading.values)
    kind = RemoteUnavailable if reading.stopped == "failed" else BudgetSpent
    return kind(
        f"{reranker.name} read {read} of {of} candidates: {reading.reason}",
        hint="without `--strict` the rest follows in the order it came in",
    )


def _count(reading: Reading) -> int:
    return sum(not math.isnan(value) for value in reading.values.tolist())


# ── time and relevance ──


def checked_budget(budget_ms: int | None) -> int | None:
    """The budget. Raises `InvalidSettings` unless it is some time, a day at most."""
    if budget_ms is not None and not 1 <= budget_ms <= LONGEST_BUDGET_MS:
        raise InvalidSettings(f"--budget-ms must be from 1 to {LONGEST_BUDGET_MS:,}: {budget_ms!s:.40}")
    return budget_ms


def checked_relevance(least: float | None) -> float | None:
    """The least relevance. Raises `InvalidSettings` unless it is one."""
    if least is not None and not 0.0 <= least <= 1.0:
        raise InvalidSettings(f"--min-relevance must be from 0 to 1: {least:g}")
    return least


def deadline_after(start: float, budget_ms: int | None) -> float | None:
    """When the time is up: `budget_ms` after `start`, both on the clock of `time.monotonic()`."""
    return None if budget_ms is None else start + budget_ms / 1000


def is_relevant(relevance: float | None, least: float | None) -> bool:
    """Whether something is relevant enough; what was not read is not known to be."""
    return least is None or (relevance is not None and relevance >= least)


# ── what is said of it ──


def stage_report(outcome: Outcome) -> RerankStage:
    """What stage 2 did."""
    reading, reranker = outcome.reading, outcome.reranker
    return RerankStage(
        ms=outcome.ms,
        model=reranker.name,
        reranked=outcome.read,
        of=len(outcome.values),
        tokens=reading.tokens,
        truncated=outcome.truncated,
        cached=reading.cached,
        calibrated=reranker.calibration is not None,
        reason="; ".join(filter(None, [outcome.why_instead, outcome.reason])) or None,
        windowed=sum(window is not None for window in reading.windows),
        instead_of=outcome.instead_of,
        usd=outcome.usd,
        revision=reranker.revision,
        gives="relevance" if reading.logits is None else "logits",
        best_relevance=max(
            (outcome.relevance[index] for index, value in enumerate(outcome.values) if not math.isnan(value)),
            default=None,
        ),
    )


def price(tokens: int, usd_per_million_tokens: float) -> float | None:
    """What tokens cost in US dollars; None where nothing is paid, or not known what."""
    return round(tokens * usd_per_million_tokens / 1_000_000, 9) if usd_per_million_tokens else None


def outcome_warnings(outcome: Outcome, least: float | None) -> list[str]:
    """A sentence for everything that stage 2 did not read, and for a least relevance that was not measured."""
    warnings = []
    name, of = outcome.reranker.name, len(outcome.values)
    if outcome.instead_of is not None:
        warnings.append(f"{name} reranked instead of {outcome.instead_of}: {outcome.why_instead}")
    if outcome.read < of:
        rest = (
            "follows in the order it came in"
            if least is None
            else "is left out, for its relevance is not known"
        )
        reason = outcome.reason or "the model gave no number"
        warnings.append(f"reranked {outcome.read} of {of}, the rest {rest}: {reason}")
    if outcome.reading.query_seen < 1.0:
        warnings.append(f"{name} read the first {outcome.reading.query_seen:.0%} of the query")
    if outcome.truncated:
        warnings.append(f"{name} did not read {outcome.truncated} of {of} passages to their end")
    if least is not None and outcome.reranker.calibration is None:
        warnings.append(
            f"the relevance of {name} is not calibrated, so {least:g} means what the model means by it: "
            "`vai calibrate` measures it on your data"
        )
    return warnings
