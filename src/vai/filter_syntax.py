"""Filters as users write them, in MongoDB's notation or as `field OP value`, turned into values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from vai.errors import InvalidSettings
from vai.filters import (
    FIELDS,
    METADATA_PREFIX,
    Condition,
    Every,
    Filter,
    Negated,
    Operator,
    Scalar,
    Some,
    comparable,
    is_text,
    nearest,
)
from vai.types import Json

LONGEST_TEXT = 1_000_000
MOST_PARTS = 20_000
DEEPEST = 20
"""Bounds of one filter: characters as text, conditions and values in all, objects within objects."""

LONGEST_GLOB = 1_000

_EXAMPLE = 'write FIELD=VALUE, with one of != <= >= = < > ~, or an object such as {"year": {"$gte": 2020}}'
_OPERATORS: Mapping[str, Operator] = {
    "$eq": "eq",
    "$ne": "ne",
    "$gt": "gt",
    "$gte": "gte",
    "$lt": "lt",
    "$lte": "lte",
    "$in": "in",
    "$nin": "nin",
    "$exists": "exists",
    "$glob": "glob",
}
_JOINING = ("$and", "$or", "$nor", "$not")
_IN_OTHER_WORDS = {"$regex": "$glob", "$like": "$glob", "$text": "$glob"}
_SIGNS: Mapping[str, Operator] = {
    "=": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "~": "glob",
}
_CONDITION = re.compile(r"(?P<field>.*?)(?P<sign>!?[=<>~][!=<>~]*)(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MODIFIED = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\dZ?)?)?)?)?)?", re.ASCII)


def as_filter(given: Filter | Mapping[str, Json] | Sequence[str] | None) -> Filter | None:
    """A filter in any form that a Python caller may give it: a value, MongoDB's notation, or texts that all hold.

    Raises:
        InvalidSettings: it is malformed.
    """
    match given:
        case None | Condition() | Every() | Some() | Negated():
            return given
        case str():
            return parse_filters([given])
        case Mapping():
            return filter_from_json(given)
        case _:
            return parse_filters(given)


def parse_filters(texts: Sequence[str]) -> Filter | None:
    """The filter that lets through what all of these do; None without any.

    A text that begins with `{` is in MongoDB's notation, another is `field OP value`.

    Raises:
        InvalidSettings: one is malformed; the message names the part.
    """
    found = [_parsed(text) for text in texts]
    return _every(found) if found else None


def filter_from_json(value: Json) -> Filter:
    """A filter from MongoDB's notation.

    Raises:
        InvalidSettings: it is malformed; the message names the part.
    """
    return _Reading().filter(value, DEEPEST)


# ── field OP value ───────────────────────────────────────────────────────────────────────────────


def _parsed(text: str) -> Filter:
    if len(text) > LONGEST_TEXT:
        raise InvalidSettings(f"a filter has {len(text):,} characters, and may have {LONGEST_TEXT:,}")
    if text.lstrip().startswith("{"):
        return filter_from_json(_json(text))
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InvalidSettings(f"the filter {_shown(text)} has no operator", hint=_EXAMPLE)
    sign, value = found["sign"], found["value"]
    if sign not in _SIGNS:
        raise InvalidSettings(
            f"the filter {_shown(text)} has the unknown operator `{sign}`",
            hint="operators are != <= >= = < > ~; a value that begins with one needs a space before it",
        )
    return _compared(found["field"].strip(), _SIGNS[sign], value.strip())


def _compared(name: str, wanted: Operator, text: str) -> Filter:
    """A condition on a text that may stand for a number, true, false or null as well as for itself."""
    readings = _readings(text)
    _, metadata = field_named(name)
    if wanted == "glob" or not metadata:
        return _condition(name, wanted, readings[-1])
    if wanted in ("eq", "ne"):
        if len(readings) == 1:
            return _condition(name, wanted, readings[0])
        return _condition(name, "in" if wanted == "eq" else "nin", readings)
    ordered = [value for value in readings if comparable(value)[0] in ("number", "text")]
    return _some([_condition(name, wanted, value) for value in ordered])


def _readings(text: str) -> list[Scalar]:
    """What an untyped value may mean, as a text last; in double quotes it is that text only."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        with suppress(ValueError):
            return [str(json.loads(text))]
    if text in _CONSTANTS:
        return [_CONSTANTS[text], text]
    if _NUMBER.fullmatch(text):
        with suppress(ValueError):  # an integer longer than Python reads
            number = json.loads(text)
            return [text] if number in (math.inf, -math.inf) else [number, text]
    return [text]


_CONSTANTS: Mapping[str, Scalar] = {"true": True, "false": False, "null": None}


# ── MongoDB's notation ───────────────────────────────────────────────────────────────────────────


def _json(text: str) -> Json:
    try:
        value: Json = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidSettings(
            f"the filter {_shown(text)} is not JSON: {error.msg} at character {error.pos + 1}",
            hint="names and texts stand in double quotes; in a shell, put the whole filter in single ones",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidSettings(f"the filter {_shown(text)} is not JSON that can be read: {error}") from None
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object whose names are all different: of two conditions under one name, JSON would lose one."""
    found: dict[str, Json] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidSettings(
                f"the filter has {_shown(name)} twice in one object",
                hint='join them: {"$and": [{…}, {…}]}, or both operators in one object',
            )
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is no value")


class _Reading:
    """Reads one filter, counting its parts."""

    def __init__(self) -> None:
        self.left = MOST_PARTS

    def filter(self, value: Json, depth: int) -> Filter:
        if not isinstance(value, Mapping):
            raise InvalidSettings(f"{_shown(value)} is no filter, which is an object", hint=_EXAMPLE)
        return _every([self._entry(name, inside, depth) for name, inside in value.items()])

    def _entry(self, name: object, value: Json, depth: int) -> Filter:
        self._count(depth)
        match name:
            case "$and":
                return _every(self._filters(name, value, depth))
            case "$or":
                return _some(self._filters(name, value, depth))
            case "$nor":
                return Negated(_some(self._filters(name, value, depth)))
            case "$not":
                return Negated(self.filter(value, depth - 1))
            case str() if name.startswith("$"):
                raise _misplaced(name)
            case str():
                return self._field(name, value, depth)
            case _:
                raise InvalidSettings(f"{_shown(name)} is no name of a field, which is a text")

    def _filters(self, name: str, value: Json, depth: int) -> list[Filter]:
        if not isinstance(value, list | tuple) or not value:
            raise InvalidSettings(
                f"`{name}` takes an array of filters, and {_shown(value)} is none",
                hint=f'{{"{name}": [{{…}}, {{…}}]}}',
            )
        return [self.filter(inside, depth - 1) for inside in value]

    def _field(self, name: str, value: Json, depth: int) -> Filter:
        if not isinstance(value, Mapping):
            return _condition(name, "eq", value)
        self._count(depth)
        if not value:
            raise InvalidSettings(f"the filter says nothing of `{name}`: {{}}", hint=_EXAMPLE)
        return _every([self._operator(name, sign, inside, depth) for sign, inside in value.items()])

    def _operator(self, name: str, sign: object, value: Json, depth: int) -> Filter:
        self._count(depth)
        if not isinstance(sign, str) or not sign.startswith("$"):
            raise InvalidSettings(
                f"`{name}` is compared with an object, which no operator can do",
                hint=f'ask for a field inside of it: {{"{name}.{sign}": …}}',
            )
        if sign == "$not":
            if not isinstance(value, Mapping):
                raise InvalidSettings(
                    f"`$not` takes operators, and {_shown(value)} is none",
                    hint=f'{{"{name}": {{"$ne": {_written(value)}}}}}',
                )
            return Negated(self._field(name, value, depth - 1))
        if sign not in _OPERATORS:
            raise _unknown_operator(sign)
        self._count(depth, len(value) if isinstance(value, list | tuple) else 0)
        return _condition(name, _OPERATORS[sign], value)

    def _count(self, depth: int, parts: int = 1) -> None:
        self.left -= parts
        if depth <= 0:
            raise InvalidSettings(f"the filter nests deeper than {DEEPEST} objects")
        if self.left < 0:
            raise InvalidSettings(f"the filter has more than {MOST_PARTS:,} conditions and values")


def _misplaced(name: str) -> InvalidSettings:
    if name in _OPERATORS:
        return InvalidSettings(
            f"`{name}` stands where a field should",
            hint=f'put it inside of a field: {{"year": {{"{name}": …}}}}',
        )
    return _unknown_operator(name)


def _unknown_operator(name: str) -> InvalidSettings:
    known = (*_OPERATORS, *_JOINING)
    near = [_IN_OTHER_WORDS[name]] if name in _IN_OTHER_WORDS else nearest(name, known)[:1]
    return InvalidSettings(
        f"there is no operator {_shown(name)} in filters",
        hint=f"did you mean `{near[0]}`?" if near else f"operators are {' '.join(known)}",
    )


# ── conditions ───────────────────────────────────────────────────────────────────────────────────


def field_named(name: str) -> tuple[str, bool]:
    """The field that a written name means, and whether it is one of the metadata.

    Raises:
        InvalidSettings: it is no name.
    """
    field = name.removeprefix(METADATA_PREFIX)
    if not field or not is_text(field):
        raise InvalidSettings(
            f"the filter has a condition on {_shown(name)}, which is no name of a field", hint=_EXAMPLE
        )
    return field, name not in FIELDS


def _condition(name: str, wanted: Operator, value: Json) -> Condition:
    """A condition whose value suits its operator."""
    field, metadata = field_named(name)
    built_in = "" if metadata else field
    if wanted in ("in", "nin"):
        if not isinstance(value, list | tuple):
            raise InvalidSettings(
                f"`${wanted}` takes an array, and {_shown(value)} is none",
                hint=f'{{"{name}": {{"${wanted}": [{_written(value)}]}}}}',
            )
        return Condition(field, metadata, wanted, tuple(_scalar(built_in, name, one) for one in value))
    if wanted == "exists":
        if not isinstance(value, bool):
            raise InvalidSettings(f"`$exists` takes true or false, and {_shown(value)} is neither")
        return Condition(field, metadata, wanted, value)
    if wanted == "glob":
        return Condition(field, metadata, wanted, _glob(value))
    scalar = _scalar(built_in, name, value)
    if wanted not in ("eq", "ne") and comparable(scalar)[0] not in ("number", "text"):
        raise InvalidSettings(f"`${wanted}` compares numbers and texts, and {_shown(value)} is neither")
    return Condition(field, metadata, wanted, scalar)


def _glob(value: Json) -> str:
    if not isinstance(value, str) or not is_text(value):
        raise InvalidSettings(f"a pattern is a text, and {_shown(value)} is none", hint='such as "docs/*.md"')
    if len(value) > LONGEST_GLOB:
        raise InvalidSettings(f"a pattern of {len(value):,} characters is longer than {LONGEST_GLOB:,}")
    return value


def _scalar(built_in: str, name: str, value: Json) -> Scalar:
    """A value that a field can be compared with, written as the built-in field is."""
    match value:
        case float() if not math.isfinite(value):
            raise InvalidSettings(f"`{name}` is compared with {value}, which is no number")
        case str() if not is_text(value):
            raise InvalidSettings(f"`{name}` is compared with {_shown(value)}, which is not text in Unicode")
        case str() if built_in == "type":
            return value.lower().removeprefix(".")
        case str() if built_in == "modified" and _MODIFIED.fullmatch(value):
            return value.replace(" ", "T")
        case str() | bool() | int() | float() if built_in == "modified":
            raise InvalidSettings(
                f"{_shown(value)} is no time to compare `modified` with",
                hint="write it as 2024-05-31 or 2024-05-31T12:30:00Z (in UTC), from the left as far as you like",
            )
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            raise InvalidSettings(
                f"`{name}` is compared with the array {_shown(value)}",
                hint='a field equals a value if any of its elements does; for one of several, use "$in"',
            )
        case _:
            raise InvalidSettings(
                f"`{name}` is compared with {_shown(value)}, which is no text, number, true, false or null"
            )


def _every(filters: Sequence[Filter]) -> Filter:
    return filters[0] if len(filters) == 1 else Every(tuple(filters))


def _some(filters: Sequence[Filter]) -> Filter:
    return filters[0] if len(filters) == 1 else Some(tuple(filters))


def _written(value: object) -> str:
    try:
        written = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        written = f"a value of type {type(value).__name__}"
    return written if len(written) <= 60 else f"{written[:59]}…"


def _shown(value: object) -> str:
    """A part of a filter as a message shows it: short, and printable."""
    text = value if isinstance(value, str) else _written(value)
    short = text if len(text) <= 60 else f"{text[:59]}…"
    return f"`{short.encode('utf-8', 'backslashreplace').decode('utf-8')}`"
