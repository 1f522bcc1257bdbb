"""Conditions of a filter as SQLite can look for them: as tests of one kind of value, or as intervals of time."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from vai.filters import EARLIEST, LATEST, ORDERED, Condition, Kind, comparable, glob_pattern, modified_text

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SECOND = 1_000_000_000
_LEAST, _GREATEST = -(2**63), 2**63 - 1
"""What SQLite can hold as an integer."""


def positive(condition: Condition) -> tuple[Condition, bool]:
    """A condition that is "in", "exists" with true, an order or "glob", and whether its complement is meant."""
    match condition.operator:
        case "eq" | "ne":
            return replace(condition, operator="in", value=(condition.value,)), condition.operator == "ne"
        case "nin":
            return replace(condition, operator="in"), True
        case "exists":
            return replace(condition, value=True), condition.value is False
        case _:
            return condition, False


@dataclass(frozen=True, slots=True)
class Test:
    """What a value of one kind has to be: SQL in which `{value}` stands for it, and what to verify of those found.

    `many` says that many values may pass.
    """

    kind: Kind
    where: str
    parameters: tuple[int | float | str, ...]
    pattern: re.Pattern[str] | None = None
    many: bool = True


def tests(condition: Condition) -> Iterator[Test]:
    """The tests of which a value has to pass one, for a positive condition other than "exists"."""
    match condition.operator:
        case "in":
            for kind, value in _wanted(condition):
                yield Test(kind, "{value} = ?", (value,), many=False)
        case "glob":
            yield _glob_test(str(condition.value))
        case _:
            [(kind, value)] = _wanted(condition)
            if kind in ORDERED:
                yield Test(kind, f"{{value}} {_SIGNS[condition.operator]} ?", (value,))


def wanted_texts(condition: Condition) -> list[str]:
    """The texts among the values of a condition that is "in"."""
    return [value for _, value in _wanted(condition) if isinstance(value, str)]


def wants_null(condition: Condition) -> bool:
    """Whether a positive condition lets through what does not have the field."""
    return condition.operator == "in" and any(kind == "null" for kind, _ in _wanted(condition))


def _wanted(condition: Condition) -> list[tuple[Kind, int | float | str]]:
    value: Any = condition.value
    return [comparable(one) for one in (value if condition.operator == "in" else (value,))]


def _glob_test(glob: str) -> Test:
    """What can be said of a match in SQL; the pattern verifies it unless that is all."""
    pieces = literals(glob)
    if glob == pieces[0]:
        return Test("text", "{value} = ?", (glob,), many=False)
    where, parameters = _beginning_with(pieces[0])
    if is_prefix(glob):
        return Test("text", where, parameters)
    longest = max(pieces, key=len)
    return Test("text", f"{where} AND instr({{value}}, ?)", (*parameters, longest), glob_pattern(glob))


def literals(glob: str) -> list[str]:
    """Texts that every match holds, the first at its beginning; some may be empty."""
    return re.split(r"[*?]", glob.partition("[")[0])


def is_prefix(glob: str) -> bool:
    """Whether it matches all that begins with a text."""
    return glob == f"{literals(glob)[0]}*"


def _beginning_with(prefix: str) -> tuple[str, tuple[str, ...]]:
    following = _following(prefix)
    if following is None:
        return "{value} >= ?", (prefix,)
    return "{value} >= ? AND {value} < ?", (prefix, following)


def _following(prefix: str) -> str | None:
    """The least text after all that begin with `prefix`, None if there is none."""
    shortened = prefix.rstrip("\U0010ffff")
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    return shortened[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters


def heading_literal(condition: Condition) -> str:
    """A text that is in the JSON of every heading path that a positive condition lets through; may be empty."""
    if condition.operator == "glob":
        literal = max(literals(str(condition.value)), key=len)
        return json.dumps(literal, ensure_ascii=False)[1:-1]
    if condition.operator == "in":
        texts = wanted_texts(condition)
        return json.dumps(texts[0], ensure_ascii=False) if len(texts) == 1 else ""
    return ""


# ── time ──


def intervals(condition: Condition) -> Iterator[tuple[int, int]]:
    """First and last Unix time in ns, so that a time passes a positive condition only if it lies between two.

    That is sufficient too, unless the condition is a glob that is no prefix.
    """
    match condition.operator:
        case "in":
            for text in wanted_texts(condition):
                yield from _interval(_first_from(text), _first_after(text))
        case "glob":
            prefix = literals(str(condition.value))[0]
            following = _following(prefix)
            yield from _interval(
                _first_from(prefix), LATEST + 1 if following is None else _first_from(following)
            )
        case _ if not isinstance(condition.value, str):
            return
        case "gt":
            yield from _interval(_first_after(condition.value), LATEST + 1)
        case "gte":
            yield from _interval(_first_from(condition.value), LATEST + 1)
        case "lt":
            yield from _interval(EARLIEST, _first_from(condition.value))
        case "lte":
            yield from _interval(EARLIEST, _first_after(condition.value))


_SECONDS = range(EARLIEST, LATEST + 1)


def _first_from(text: str) -> int:
    """The first second whose text is not less."""
    return EARLIEST + bisect.bisect_left(_SECONDS, text, key=modified_text)


def _first_after(text: str) -> int:
    """The first second whose text is greater."""
    return EARLIEST + bisect.bisect_right(_SECONDS, text, key=modified_text)


def _interval(first: int, end: int) -> Iterator[tuple[int, int]]:
    """From a second until another, if there is one between that SQLite can hold."""
    start = _LEAST if first <= EARLIEST else first * _SECOND
    last = _GREATEST if end > LATEST else end * _SECOND - 1
    if first < end and start <= _GREATEST and last >= _LEAST:
        yield max(start, _LEAST), min(last, _GREATEST)
