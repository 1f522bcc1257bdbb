"""From the metrics of every question to means, and to paired differences between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vai.arrays import Doubles
from vai.evaluation.measures.intervals import Interval, intervals

PerQuery = Mapping[str, Mapping[str, Doubles]]
"""Float64 [questions], by the names of runs and of metrics."""
Intervals = Mapping[str, Interval]
"""By the names of metrics."""


def means(values: PerQuery) -> dict[str, Intervals]:
    """The mean of every run and metric with its interval; all over the same draws of questions."""
    keys = [(name, metric) for name, columns in values.items() for metric in columns]
    return _by_run(keys, intervals([values[name][metric] for name, metric in keys]))


def differences(values: PerQuery, baseline: str) -> dict[str, Intervals]:
    """The paired differences of every other run to one of them."""
    keys = [(name, metric) for name, columns in values.items() for metric in columns if name != baseline]
    return _by_run(
        keys, intervals([values[name][metric] - values[baseline][metric] for name, metric in keys])
    )


def _by_run(keys: Sequence[tuple[str, str]], found: Sequence[Interval]) -> dict[str, Intervals]:
    by_run: dict[str, dict[str, Interval]] = {}
    for (name, metric), interval in zip(keys, found, strict=True):
        by_run.setdefault(name, {})[metric] = interval
    return dict(by_run)
