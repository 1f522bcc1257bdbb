"""What services answer, read strictly: what is not as promised is a `BrokenAnswer`, never a wrong number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from vai.models.remote.exchange import BrokenAnswer
from vai.types import Json

T = TypeVar("T")

LARGEST_NUMBER = 3.4028234e38
"""Values become float32, in which more is infinite."""

MOST_TOKENS = 1 << 40
"""Of one request; what a service says beyond it is nonsense, and no sum of money."""


def field_of(value: Json, name: str) -> Json:
    """A field of an object."""
    if not isinstance(value, dict) or name not in value:
        raise BrokenAnswer(f"lacks `{name}`")
    field: Json = value[name]
    return field


def in_order(results: Json, count: int, read: Callable[[Json], T]) -> list[T]:
    """What `read` makes of each of `count` results, in the order in which their texts were sent.

    Services sort them as they like, and say by `index` which text each belongs to.
    """
    if not isinstance(results, list):
        raise BrokenAnswer(f"has results that are not a list: {results!r:.40}")
    if len(results) != count:
        raise BrokenAnswer(f"has {len(results)} results for {count} texts")
    placed: dict[int, T] = {}
    for result in results:
        index = _index(field_of(result, "index"), count)
        if index in placed:
            raise BrokenAnswer(f"has index {index} twice")
        placed[index] = read(result)
    return [placed[index] for index in range(count)]


def _index(value: Json, count: int) -> int:
    if type(value) is not int or not 0 <= value < count:
        raise BrokenAnswer(f"has an index that is none of 0 to {count - 1}: {value!r:.40}")
    return value


def number(value: Json, what: str) -> float:
    """A finite number, as a float32 too."""
    if not _lies_within(value, -LARGEST_NUMBER, LARGEST_NUMBER):
        raise BrokenAnswer(f"has a {what} that is no number: {value!r:.40}")
    return float(value)  # type: ignore[arg-type]


def relevance(value: Json) -> float:
    """A number from 0 to 1."""
    if not _lies_within(value, 0.0, 1.0):
        raise BrokenAnswer(f"has a relevance that is not in 0 to 1: {value!r:.40}")
    return float(value)  # type: ignore[arg-type]


def _lies_within(value: Json, low: float, high: float) -> bool:
    # a boolean is an int to Python, every comparison with NaN is false, and an int can be too large for a float
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def total_tokens(answer: Json) -> int:
    """What `usage` says of the tokens that were read."""
    return token_count(field_of(field_of(answer, "usage"), "total_tokens"))


def token_count(value: Json) -> int:
    """A whole number from 0, of which the price can be told."""
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise BrokenAnswer(f"has a token count that is none: {value!r:.40}")
    return value


def vector(value: Json, dimension: int | None) -> Sequence[float]:
    """Finite numbers, as many as the dimension says if it is known, and not all of them 0."""
    if not isinstance(value, list) or not value:
        raise BrokenAnswer(f"has a vector that is no list of numbers: {value!r:.40}")
    if dimension is not None and len(value) != dimension:
        raise BrokenAnswer(f"has a vector of {len(value)} numbers instead of {dimension}")
    numbers = [number(item, "coordinate") for item in value]
    if not any(numbers):
        raise BrokenAnswer("has a vector of zeros")
    return numbers
