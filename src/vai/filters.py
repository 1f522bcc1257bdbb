"""Which chunks a query is about: conditions on fields, as values. What they mean is defined here, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vai.types import Json

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists", "glob"]

FIELDS = ("id", "path", "type", "modified", "heading")
"""What every chunk has besides its metadata; all but `heading` are of the whole document."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field has to be. `metadata` says that it is one of the document's metadata, and not of `FIELDS`."""

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
