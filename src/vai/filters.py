"""Which chunks a query is about: conditions on fields, as values. What they mean is defined here, once.

The meaning is MongoDB's: a condition holds if it does for the value of the field or, where that is an array, for
any of its elements; `ne`, `nin` and `Negated` are complements, so they also let through what has no such field.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from vai.types import Json

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists", "glob"]

FIELDS = ("id", "path", "title", "type", "modified", "heading")
"""What every chunk has besides its metadata; all but `heading` are of the whole document."""

METADATA_PREFIX = "metadata."
"""Before the name of a metadata field that has the name of one of `FIELDS`."""

DEEPEST_METADATA = 20
"""Objects within objects whose fields can be named; what lies deeper exists, and cannot be asked for."""

Scalar = None | bool | int | float | str

Kind = Literal["null", "boolean", "number", "text"]
"""Values of different kinds are never equal, and neither is less than the other."""


# ── filters ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field has to be. `metadata` says that it is one of the document's metadata, and not of `FIELDS`.

    `value` is a tuple of scalars for "in" and "nin", a boolean for "exists", a pattern for "glob", else a scalar.
    """

    field: str
    metadata: bool
    operator: Operator
    value: Json


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """Not this."""

    filter: Filter


Filter = Condition | Every | Some | Negated


def conditions(filter: Filter) -> Iterator[Condition]:
    """All conditions inside a filter, from left to right."""
    match filter:
        case Condition():
            yield filter
        case Every(filters) | Some(filters):
            for inner in filters:
                yield from conditions(inner)
        case Negated(inner):
            yield from conditions(inner)


def metadata_fields(filter: Filter) -> tuple[str, ...]:
    """Names of the metadata fields that a filter speaks of, each once, as they come."""
    return tuple(dict.fromkeys(found.field for found in conditions(filter) if found.metadata))


def is_about_documents(filter: Filter) -> bool:
    """Whether a filter lets through all chunks of a document or none: it does not ask for headings."""
    return all(found.metadata or found.field != "heading" for found in conditions(filter))


def require_about_documents(filter: Filter) -> None:
    """Raises ValueError for a filter about headings, which lets through chunks of a document and not others."""
    if not is_about_documents(filter):
        raise ValueError("a filter about headings lets chunks through, and not documents")


def filter_to_json(filter: Filter) -> dict[str, Json]:
    """A filter in MongoDB's notation, always written the same way; `filter_from_json` reads it back."""
    match filter:
        case Condition(_, _, wanted, value):
            plain = list(value) if isinstance(value, tuple) else value
            return {written_field(filter): {f"${wanted}": plain}}
        case Every(()):
            return {}
        case Every(filters):
            return {"$and": [filter_to_json(inner) for inner in filters]}
        case Some(filters):
            return {"$or": [filter_to_json(inner) for inner in filters]}
        case Negated(Some(filters)):
            return {"$nor": [filter_to_json(inner) for inner in filters]}
        case Negated(inner):
            return {"$nor": [filter_to_json(inner)]}


def written_field(condition: Condition) -> str:
    """A condition's field as users write it: with `metadata.` only where the name would mean something else."""
    name = condition.field
    taken = name in FIELDS or name.startswith((METADATA_PREFIX, "$"))
    return f"{METADATA_PREFIX}{name}" if condition.metadata and taken else name


# ── fields ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class FilterFields:
    """What a filter looks at, of one chunk. `modified` is an ISO 8601 time in UTC, `metadata` as `flattened`."""

    id: str
    path: str
    title: str
    type: str
    modified: str
    heading: tuple[str, ...]
    metadata: Mapping[str, Sequence[Scalar]]

    def values(self, condition: Condition) -> Sequence[Scalar] | None:
        """The values that the condition's field has, None if there is no such field."""
        if condition.metadata:
            return self.metadata.get(condition.field)
        match condition.field:
            case "heading":
                return self.heading or None
            case "id":
                return (self.id,)
            case "path":
                return (self.path,)
            case "title":
                return (self.title,)
            case "type":
                return (self.type,)
            case "modified":
                return (self.modified,)
            case _:
                raise ValueError(f"there is no built-in field `{condition.field}`")


def filter_fields(
    *,
    document_id: str,
    source: str,
    title: str = "",
    mtime_ns: int,
    heading: tuple[str, ...] = (),
    metadata: Mapping[str, Json],
) -> FilterFields:
    """The fields of a chunk, given its document, its heading path and when its source was modified (Unix, ns)."""
    return FilterFields(
        id=document_id,
        path=source,
        title=title,
        type=type_of(source),
        modified=modified_at(mtime_ns),
        heading=heading,
        metadata=flattened(metadata),
    )


def type_of(source: str) -> str:
    """The suffix of a source's name in lower case and without the dot; "" if it has none."""
    stem, _, suffix = source.rpartition("/")[2].rpartition(".")
    return suffix.lower() if stem.strip(".") else ""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = -62_135_596_800
LATEST = 253_402_300_799
"""The first second of year 1 and the last of year 9999, in Unix time; times beyond count as these."""


def modified_at(mtime_ns: int) -> str:
    """A Unix time in ns as `modified_text` writes its second."""
    return modified_text(mtime_ns // 1_000_000_000)


def modified_text(second: int) -> str:
    """A second of Unix time as ISO 8601 in UTC. Its order as text is that of the seconds."""
    moment = _EPOCH + timedelta(seconds=min(max(second, EARLIEST), LATEST))
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def flattened(metadata: Mapping[str, Json]) -> dict[str, list[Scalar]]:
    """The values of each field by its name, those of nested objects after a dot.

    The elements of an array are values of its field, and fields of objects in it are fields of the array; an array
    within an array has none, as in MongoDB. A field that holds an object or an empty array is there without a
    value.
    """
    found: dict[str, list[Scalar]] = {}
    _flatten("", metadata, DEEPEST_METADATA, found)
    return found


def field_names(metadata: Mapping[str, Json]) -> Iterable[str]:
    """The names of all fields in a document's metadata."""
    return flattened(metadata).keys()


def _flatten(prefix: str, fields: Mapping[str, Json], depth: int, found: dict[str, list[Scalar]]) -> None:
    if depth == 0:
        return
    for key, value in fields.items():
        name = f"{prefix}{key}"
        values = found.setdefault(name, [])
        for element in value if isinstance(value, list | tuple) else (value,):
            if isinstance(element, Mapping):
                _flatten(f"{name}.", element, depth - 1, found)
            elif _is_scalar(element) and element == element:  # NaN, which JSON has not, is no value
                values.append(element)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def is_text(value: str) -> bool:
    """Whether it is Unicode, as all that is stored: a command line's arguments may hold bytes that are not."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


# ── meaning ──────────────────────────────────────────────────────────────────────────────────────

ORDERED: tuple[Kind, ...] = ("number", "text")
"""Kinds that have an order."""

_ORDERS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def matches(filter: Filter, fields: FilterFields) -> bool:
    """Whether a filter lets a chunk through. Every engine gives the same answer, or refuses the filter."""
    match filter:
        case Condition():
            return _holds(filter.operator, filter.value, fields.values(filter))
        case Every(filters):
            return all(matches(inner, fields) for inner in filters)
        case Some(filters):
            return any(matches(inner, fields) for inner in filters)
        case Negated(inner):
            return not matches(inner, fields)


def _holds(wanted: Operator, value: Any, values: Sequence[Scalar] | None) -> bool:
    match wanted:
        case "eq":
            return _has(values, value)
        case "ne":
            return not _has(values, value)
        case "in":
            return any(_has(values, one) for one in value)
        case "nin":
            return not any(_has(values, one) for one in value)
        case "exists":
            return (values is not None) is value
        case "glob":
            return any(isinstance(one, str) and glob_pattern(value).match(one) for one in values or ())
        case "gt" | "gte" | "lt" | "lte":
            return any(_is_in_order(_ORDERS[wanted], one, value) for one in values or ())


def _has(values: Sequence[Scalar] | None, wanted: Scalar) -> bool:
    if values is None:
        return wanted is None
    return any(comparable(one) == comparable(wanted) for one in values)


def _is_in_order(order: Callable[[Any, Any], bool], one: Scalar, other: Scalar) -> bool:
    (kind, value), (other_kind, other_value) = comparable(one), comparable(other)
    return kind == other_kind and kind in ORDERED and bool(order(value, other_value))


def comparable(value: Scalar) -> tuple[Kind, int | float | str]:
    """What a value is compared by: its kind, and within the kind a number or a text.

    Integers beyond 64 bits count as their nearest floating-point numbers, beyond those as infinite, because that
    is what a database can hold.
    """
    match value:
        case None:
            return "null", 0
        case bool():
            return "boolean", int(value)
        case int():
            return "number", value if -(2**63) <= value < 2**63 else _as_float(value)
        case float():
            return "number", value
        case str():
            return "text", value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@lru_cache(maxsize=256)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """What a glob matches, from a text's beginning to its end, as Python's `fnmatch.fnmatchcase` has it.

    `*` is any text, slashes too; `?` is one character; `[ab]`, `[a-z]` and `[!a-z]` are one of some.
    """
    return re.compile(fnmatch.translate(glob))


# ── warnings ─────────────────────────────────────────────────────────────────────────────────────

_NAMED_EACH = 5


def field_warnings(filter: Filter, known: Sequence[str]) -> list[str]:
    """One sentence for each field of a filter that may not be the one that is meant.

    Those are metadata fields that are not among the `known`, with the nearest names, and fields that every chunk has
    where documents have a metadata field of that name too.
    """
    there = set(known)
    named = dict.fromkeys(condition.field for condition in conditions(filter) if not condition.metadata)
    return _unknown_warnings(filter, there, known) + [
        f"`{name}` in the filter is what every document has; the metadata field of that name is `metadata.{name}`"
        for name in named
        if name in there
    ]


def _unknown_warnings(filter: Filter, there: set[str], known: Sequence[str]) -> list[str]:
    unknown = [name for name in metadata_fields(filter) if name not in there]
    sentences = [_unknown(name, known) for name in unknown[:_NAMED_EACH]]
    if len(unknown) > _NAMED_EACH:
        sentences.append(f"no document has {len(unknown) - _NAMED_EACH:,} more fields that the filter names")
    return sentences


def _unknown(name: str, known: Sequence[str]) -> str:
    names = nearest(name, (*known, *FIELDS))
    sentence = f"no document has a metadata field `{name}`"
    if names:
        return f"{sentence}; did you mean {' or '.join(f'`{near}`' for near in names)}?"
    return sentence


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of `names` that are written nearly like `name`, capitals or not; the nearest first."""
    spelled: dict[str, str] = {}
    for one in names:
        spelled.setdefault(one.casefold(), one)
    return [spelled[near] for near in difflib.get_close_matches(name.casefold(), spelled, cutoff=0.65)]
