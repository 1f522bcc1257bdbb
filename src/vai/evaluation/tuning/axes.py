"""Axes of a picture: where on it a number lies, and which numbers are written beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

SPANS_DECADES = 12.0
"""Greatest over least, from which on a logarithmic axis tells more."""
GUTTER = 0.08
"""Share of a logarithmic axis on which what is 0 has its place."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Numbers from `low` to `high`, drawn from `start` to `end` (pixels, of which `end` may be the smaller).

    On a logarithmic axis with `zero`, what is 0 lies near its start, apart from the rest.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    zero: bool = False

    def at(self, value: float) -> float:
        """The place of a number, in pixels; what lies outside is at the nearest end."""
        return self.start + self._share(value) * (self.end - self.start)

    def _share(self, value: float) -> float:
        if not self.logarithmic:
            return _within((value - self.low) / (self.high - self.low))
        if value <= 0.0:
            return GUTTER * 0.4
        share = math.log(value / self.low) / math.log(self.high / self.low)
        gutter = GUTTER if self.zero else 0.0
        return gutter + (1.0 - gutter) * _within(share)

    def ticks(self, most: int) -> list[float]:
        """Round numbers to write beside it, at most so many where that is possible."""
        if not self.logarithmic:
            return _linear_ticks(self.low, self.high, most)
        return [0.0] * self.zero + _logarithmic_ticks(self.low, self.high, most - self.zero)


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))


def axis_of_costs(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis for what something takes: from about 0, or logarithmic where the values are of several magnitudes."""
    positive = [value for value in values if value > 0.0]
    if positive and max(positive) / min(positive) >= SPANS_DECADES:
        air = (max(positive) / min(positive)) ** 0.04
        zero = len(positive) < len(values)
        return Axis(min(positive) / air, max(positive) * air, start, end, logarithmic=True, zero=zero)
    high = max(values, default=0.0) or 1.0
    return Axis(-0.03 * high, high * 1.06, start, end)


def axis_between(low: float, high: float, start: float, end: float) -> Axis:
    """A linear axis with some air above and below, also where there is only one number."""
    air = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Axis(low - air, high + air, start, end)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten.

    Heckbert 1990, "Nice Numbers for Graph Labels", in Graphics Gems.
    """
    for step in _nice_steps((high - low) / max(most, 1)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [number * step for number in range(first, last + 1)]
    raise AssertionError("some step is large enough")


def _nice_steps(least: float) -> Iterator[float]:
    exponent = math.floor(math.log10(least))
    while True:
        for factor in (1.0, 2.0, 5.0):
            if factor * 10.0**exponent >= least * 0.999:
                yield factor * 10.0**exponent
        exponent += 1


def _logarithmic_ticks(low: float, high: float, most: int) -> list[float]:
    """1, 2 and 5 times powers of ten, or the powers alone where those would be too many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= most:
            return inside
    return inside[:: math.ceil(len(inside) / most)]


def decimals_of(ticks: Iterable[float]) -> int:
    """How many decimals tell neighbouring ticks apart."""
    ordered = sorted(set(ticks))
    steps = [after - before for before, after in itertools.pairwise(ordered)]
    return max(0, -math.floor(math.log10(min(steps)) + 1e-9)) if steps else 3
