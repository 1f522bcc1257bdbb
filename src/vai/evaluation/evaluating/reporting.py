"""What an evaluation found, as values, and as JSON of the schema `vai.eval/1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vai.evaluation.data.matching import Unit
from vai.types import Json, as_json

if TYPE_CHECKING:
    from vai.evaluation.evaluating.ceilings import DepthCeiling
    from vai.evaluation.evaluating.misses import Misses
    from vai.evaluation.measures.costs import Cost
    from vai.evaluation.measures.intervals import Interval
    from vai.evaluation.replaying.bench import Configuration

DIGITS = 6


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run: the hits of one configuration, or what a file has.

    Args:
        name: of the configuration, or the tag of the file.
        configuration: None for a file.
        file: None for a configuration.
        metrics: the mean of each over the questions, by its name.
        against: the paired differences to the first run; None for that itself.
        cost: what a query takes; None for a file.
        usd: what these questions would cost with nothing in the cache; None where nothing is paid, or not known what.
        misses: relevant units that are not shown, and why; None for a file.
    """

    name: str
    configuration: Configuration | None
    file: str | None
    metrics: Mapping[str, Interval]
    against: Mapping[str, Interval] | None
    cost: Cost | None
    usd: float | None
    misses: Misses | None

    def to_dict(self, *, explain: bool = False) -> dict[str, Json]:
        """As JSON; every single miss with `explain`."""
        return {
            "name": self.name,
            "settings": None if self.configuration is None else self.configuration.to_dict(),
            "metrics": _intervals(self.metrics),
            "against": None if self.against is None else _intervals(self.against),
            "latency_ms": _latency(self.cost),
            "usd": None if self.usd is None else round(self.usd, DIGITS),
            "usd_per_1k": None if self.cost is None else self.cost.usd_per_1k,
            "file": self.file,
            "misses": None if self.misses is None else _misses(self.misses, explain=explain),
        }


@dataclass(frozen=True, slots=True)
class QuestionReport:
    """What each run makes of one question: metrics by the names of runs."""

    id: str
    query: str
    runs: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Json]:
        """As one line of JSON."""
        runs = {
            name: {metric: round(value, DIGITS) for metric, value in values.items()}
            for name, values in self.runs.items()
        }
        return {"id": self.id, "query": self.query, "runs": runs}


@dataclass(frozen=True, slots=True)
class EvalReport:
    """What an evaluation found.

    Args:
        corpus: the name of the test set.
        unit: what was judged: documents, of which the best chunk counts, or chunks.
        queries: how many questions were asked.
        runs: the first is what the others are compared with.
        in_force: the name of the one that is what queries have now.
        top_k: of the hits, how many a relevant unit has to be among so as not to be a miss.
        depth_metric: what `depths` says the best possible value of, for a perfect reranker.
        depths: of stage 1 as it is in force.
        missing, left_out: judged ids that are not in the collection, and questions left out for that.
        questions: what each run makes of each question; not in the JSON.
    """

    corpus: str
    collection: str
    unit: Unit
    queries: int
    runs: tuple[RunReport, ...]
    in_force: str
    top_k: int
    depth_metric: str
    depths: tuple[DepthCeiling, ...]
    missing: int
    left_out: int
    seconds: float
    warnings: tuple[str, ...] = ()
    questions: tuple[QuestionReport, ...] = ()

    def run(self, name: str) -> RunReport:
        """The run of that name; `KeyError` if there is none."""
        for run in self.runs:
            if run.name == name:
                return run
        raise KeyError(name)

    def to_dict(self, *, explain: bool = False) -> dict[str, Json]:
        """The report as JSON of the schema `vai.eval/1`; every single miss with `explain`."""
        return {
            "schema": "vai.eval/1",
            "corpus": self.corpus,
            "collection": self.collection,
            "unit": self.unit,
            "queries": self.queries,
            "runs": [run.to_dict(explain=explain) for run in self.runs],
            "in_force": self.in_force,
            "top_k": self.top_k,
            "depth_metric": self.depth_metric,
            "depths": [_rounded(as_json(depth)) for depth in self.depths],
            "missing_ids": self.missing,
            "left_out": self.left_out,
            "seconds": self.seconds,
            "warnings": list(self.warnings),
        }


def _intervals(values: Mapping[str, Interval]) -> dict[str, Json]:
    return {name: _rounded(as_json(interval)) for name, interval in values.items()}


def _latency(cost: Cost | None) -> Json:
    if cost is None or cost.p50_ms is None or cost.p95_ms is None:
        return None
    return {"p50": round(cost.p50_ms, 3), "p95": round(cost.p95_ms, 3)}


def _misses(misses: Misses, *, explain: bool) -> dict[str, Json]:
    return {
        "relevant": misses.relevant,
        "missed": len(misses.misses),
        "reasons": [as_json(count) for count in misses.reasons],
        "promoted": len(misses.promoted),
        "displaced": misses.displaced,
        "each": [_rounded(as_json(miss)) for miss in misses.misses] if explain else None,
    }


def _rounded(values: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: round(value, DIGITS) if isinstance(value, float) else value for name, value in values.items()
    }
