"""Calibrating a reranker: its scores of candidates whose relevance is known become a curve, with its error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from vai.calibration import (
    Doubles,
    NotCalibratable,
    brier_score,
    calibration_error,
    fit,
    probabilities,
)
from vai.calibrations import MeasuredCalibration
from vai.collection import Collection
from vai.errors import InvalidSettings
from vai.evaluation.calibrating.gathering import JudgedPairs, gather
from vai.evaluation.data.matching import Matched, match
from vai.evaluation.data.testsets import TestSet
from vai.types import Calibration, Json, as_json

FEWEST_QUESTIONS = 30
FEWEST_ANSWERED = 20
"""Questions with something relevant among their candidates; with less, the curve would be made of chance."""
FOLDS = 5
SEED = 20261124
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the rows in which what was said is laid beside what was found."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pairs of which from `least` to `most` was said, `said` in the mean, and the share that was `found` relevant."""

    least: float
    most: float
    said: float
    found: float
    pairs: int


@dataclass(frozen=True, slots=True)
class ThresholdShares:
    """What `--min-relevance` would do: the shares of relevant passages and of others that reach a relevance."""

    relevance: float
    relevant_kept: float
    others_kept: float


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was measured of a reranker.

    All figures but the curve itself are of questions that the curve they were made with was not fitted on.

    Args:
        queries, pairs, positives, unjudged: questions, their passages, those that are relevant, and those that
            nobody has judged, which count as not relevant. Where documents were judged, a passage is the best chunk
            of one.
        missing, left_out: judged ids that are not in the collection, and questions left out for that.
        measured: when, ISO 8601 in UTC.
        calibration: None if no rising curve fits, for the reason in `refused`.
        brier: the mean square of what was said less what was found.
    """

    collection: str
    test_set: str
    model: str
    revision: str
    limit: int
    queries: int
    pairs: int
    positives: int
    unjudged: int
    missing: int
    left_out: int
    measured: str
    calibration: Calibration | None = None
    refused: str | None = None
    brier: float | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    thresholds: tuple[ThresholdShares, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.calibrate/1`."""
        return {"schema": "vai.calibrate/1", **as_json(self)}

    def to_keep(self) -> MeasuredCalibration | None:
        """What the store keeps of it; None if there is no calibration."""
        if self.calibration is None:
            return None
        return MeasuredCalibration(
            model=self.model,
            revision=self.revision,
            slope=self.calibration.slope,
            intercept=self.calibration.intercept,
            error=self.calibration.error,
            collection=self.collection,
            test_set=self.test_set,
            queries=self.queries,
            pairs=self.pairs,
            positives=self.positives,
            limit=self.limit,
            measured=self.measured,
        )


def calibrate(
    collection: Collection,
    test_set: TestSet,
    *,
    rerank_model: str | None = None,
    limit: int | None = None,
    ignore_missing: bool = False,
    progress: Callable[[int], None] | None = None,
) -> CalibrationReport:
    """Fit a calibration to what a reranker makes of stage 1's candidates for a test set.

    Every question weighs the same. The error is that of five curves, each fitted without a fifth of the questions
    and measured on it.

    Args:
        rerank_model: by name; the collection's own by default.
        limit: candidates that are read for each question; as many as a query reads by default.
        ignore_missing: leave out judged ids that are not in the collection.
        progress: called with the number of questions asked so far.

    Raises:
        InvalidSettings: there is too little to fit a curve to, or judged ids are missing.
        RemoteFailure, BudgetSpent: not every candidate could be read; what was read is in the cache of scores.
    """
    began = time.monotonic()
    matched = match(test_set, collection, ignore_missing=ignore_missing)
    _require_questions(matched)
    gathered = gather(collection, matched, rerank_model=rerank_model, limit=limit, progress=progress)
    pairs = gathered.pairs
    _require_answers(pairs, test_set.name)
    report = CalibrationReport(
        collection=collection.name,
        test_set=test_set.name,
        model=gathered.model,
        revision=gathered.revision,
        limit=gathered.limit,
        queries=pairs.queries,
        pairs=len(pairs),
        positives=int(pairs.relevant.sum()),
        unjudged=int((~pairs.judged).sum()),
        missing=len(matched.missing),
        left_out=matched.left_out,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=tuple(_warnings(pairs, matched)),
    )
    return replace(_with_curve(report, pairs), seconds=round(time.monotonic() - began, 3))


def _with_curve(report: CalibrationReport, pairs: JudgedPairs) -> CalibrationReport:
    """The report with a curve and how good it is, or with the reason why there is none."""
    try:
        slope, intercept = fit(pairs.logits, pairs.relevant, pairs.weights)
        said = cross_validated(pairs)
    except NotCalibratable as error:
        return replace(
            report, refused=f"{report.model} cannot be calibrated with `{report.test_set}`: {error}"
        )
    off = calibration_error(said, pairs.relevant, pairs.weights)
    return replace(
        report,
        calibration=Calibration(float(f"{slope:.6g}"), float(f"{intercept:.6g}"), round(off, 4)),
        brier=round(brier_score(said, pairs.relevant, pairs.weights), 4),
        reliability=tuple(reliability(said, pairs)),
        thresholds=tuple(threshold_shares(said, pairs)),
    )


# ── what there has to be ──


def _require_questions(matched: Matched) -> None:
    count = len(matched.test_set.queries)
    if count < FEWEST_QUESTIONS:
        rest = f" (and {matched.left_out:,} of which nothing relevant is there)" if matched.left_out else ""
        raise InvalidSettings(
            f"`{matched.test_set.name}` has {count:,} questions{rest}, and a calibration takes at least "
            f"{FEWEST_QUESTIONS}",
            hint="more questions of the kind that will be asked make a calibration that means something",
        )


def _require_answers(pairs: JudgedPairs, name: str) -> None:
    if pairs.answered < FEWEST_ANSWERED:
        raise InvalidSettings(
            f"{pairs.answered:,} questions of `{name}` have something relevant among their candidates, and a "
            f"calibration takes at least {FEWEST_ANSWERED}",
            hint="raise --limit, or judge more questions that the collection can answer",
        )


def _warnings(pairs: JudgedPairs, matched: Matched) -> list[str]:
    warnings = list(matched.remarks)
    silent = len(matched.test_set.queries) - pairs.queries
    if silent:
        warnings.append(f"stage 1 found nothing for {silent:,} question{'' if silent == 1 else 's'}")
    return warnings


# ── how good a curve is ──


def cross_validated(pairs: JudgedPairs) -> Doubles:
    """P(relevant) float64 [n], of each question by a curve fitted without the fifth of the questions it is in.

    Raises:
        NotCalibratable: no rising curve fits what is left.
    """
    count = int(pairs.query.max()) + 1
    fold_of_question = np.random.default_rng(SEED).permutation(count) % FOLDS
    fold = fold_of_question[pairs.query]
    said = np.empty(len(pairs))
    for number in np.unique(fold):
        rest = pairs.part(fold != number)
        slope, intercept = fit(rest.logits, rest.relevant, rest.weights)
        held_out = fold == number
        said[held_out] = probabilities(pairs.logits[held_out], Calibration(slope, intercept, 0.0))
    return said


def reliability(said: Doubles, pairs: JudgedPairs) -> list[ReliabilityBin]:
    """What was said beside what was found, least first; rows that hold nothing are left out."""
    places, weights = np.digitize(said, EDGES[1:-1]), pairs.weights
    rows = []
    for place in np.unique(places):
        row = places == place
        rows.append(
            ReliabilityBin(
                least=EDGES[place],
                most=EDGES[place + 1],
                said=round(float(np.average(said[row], weights=weights[row])), 4),
                found=round(float(np.average(pairs.relevant[row], weights=weights[row])), 4),
                pairs=int(row.sum()),
            )
        )
    return rows


def threshold_shares(said: Doubles, pairs: JudgedPairs) -> list[ThresholdShares]:
    """What a least relevance would keep; every question weighs the same."""
    weights, relevant = pairs.weights, pairs.relevant
    return [
        ThresholdShares(
            relevance=least,
            relevant_kept=round(float(np.average(said[relevant] >= least, weights=weights[relevant])), 4),
            others_kept=round(float(np.average(said[~relevant] >= least, weights=weights[~relevant])), 4),
        )
        for least in THRESHOLDS
    ]
