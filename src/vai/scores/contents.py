"""What is in the tables of the score cache: finding it, adding to it, listing it, forgetting it.

Every function works inside the transaction that its connection is in.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import get_args

from vai.errors import UnknownModel
from vai.scores.database import give_back, make_tables
from vai.scores.rows import Kind, ModelId, Score, pack, seal_of, unpack

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()

_PARAMETERS = 500
"""Values bound to one statement; every SQLite allows 999."""

_ALL_PAGES = (1 << 31) - 1
_LATEST_DAY = 1_000_000
_TYPES = [int, str, float, int, int, int]


@dataclass(frozen=True, slots=True)
class KnownQuery:
    """What the scores of one query have in common.

    `tokens` were read for `passages` of it in all; `used` is the day of last use, counted from 1970.
    """

    number: int
    kind: Kind
    query_seen: float
    tokens: int
    passages: int
    used: int


@dataclass(frozen=True, slots=True)
class CachedModel:
    """What is kept of one model: scores, of so many queries, that took so many tokens; the day of last use."""

    name: str
    revision: str
    scores: int
    queries: int
    tokens: int
    last_used: str


def today() -> int:
    """Days since 1970, in UTC: the grain in which use is noted, so that reading rarely writes."""
    return int(time.time() // DAY)


# ── finding ──


def find(
    tables: sqlite3.Connection, digest: bytes, passages: Sequence[bytes]
) -> tuple[KnownQuery, Mapping[bytes, Score]] | None:
    """The query with the scores of those of the passages that are known, by digest; None if the query is not."""
    query = _query(tables, digest)
    if query is None:
        return None
    seal = seal_of(query.kind, query.query_seen, digest)
    scores = {}
    for passage, data in _readings(tables, query.number, passages):
        score = unpack(data, passage, seal)
        if score is not None:
            scores[passage] = score
    return query, scores


def _query(tables: sqlite3.Connection, digest: bytes) -> KnownQuery | None:
    """What is known of a query; None if it is damaged, as if it were not there."""
    row = tables.execute(
        "SELECT number, kind, query_seen, tokens, passages, used FROM queries WHERE digest = ?", (digest,)
    ).fetchone()
    if row is None or row[1] not in get_args(Kind) or [type(value) for value in row] != _TYPES:
        return None
    return KnownQuery(*row)


def _readings(
    tables: sqlite3.Connection, number: int, passages: Sequence[bytes]
) -> Iterator[tuple[bytes, object]]:
    for start in range(0, len(passages), _PARAMETERS):
        group = passages[start : start + _PARAMETERS]
        places = ", ".join("?" * len(group))
        yield from tables.execute(
            f"SELECT passage, reading FROM scores WHERE query = ? AND passage IN ({places})", (number, *group)
        )


# ── adding ──


def note_use(tables: sqlite3.Connection, digest: bytes) -> None:
    """Note that a query was asked again today."""
    tables.execute("UPDATE queries SET used = ? WHERE digest = ?", (today(), digest))


def put(
    tables: sqlite3.Connection,
    digest: bytes,
    model: ModelId,
    *,
    kind: Kind,
    query_seen: float,
    tokens: int,
    scores: Mapping[bytes, Score],
) -> None:
    """Add scores of a query, by the digests of the passages, which took so many tokens.

    Where the model reads the query otherwise than it did, nothing that was known of it holds any more.
    """
    query = _query(tables, digest)
    if query is None or (query.kind, query.query_seen) != (kind, query_seen):
        number = _begin(tables, digest, model, kind, query_seen)
    else:
        number = query.number
    tables.execute(
        "UPDATE queries SET tokens = tokens + ?, passages = passages + ?, used = ? WHERE number = ?",
        (tokens, len(scores), today(), number),
    )
    seal = seal_of(kind, query_seen, digest)
    # in order, because pages that are filled from one end are fuller
    rows = [(number, passage, pack(score, passage, seal)) for passage, score in sorted(scores.items())]
    tables.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)


def _begin(tables: sqlite3.Connection, digest: bytes, model: ModelId, kind: Kind, query_seen: float) -> int:
    """The number of a query of which nothing is known, whatever was."""
    former = "SELECT number FROM queries WHERE digest = ?"
    tables.execute(f"DELETE FROM scores WHERE query IN ({former})", (digest,))
    tables.execute("DELETE FROM queries WHERE digest = ?", (digest,))
    names = (_in_unicode(model.name), _in_unicode(model.revision))
    tables.execute("INSERT OR IGNORE INTO models (name, revision) VALUES (?, ?)", names)
    tables.execute(
        "INSERT INTO queries (digest, model, kind, query_seen, tokens, passages, used) "
        "SELECT ?, number, ?, ?, 0, 0, ? FROM models WHERE name = ? AND revision = ?",
        (digest, kind, query_seen, today(), *names),
    )
    row = tables.execute(former, (digest,)).fetchone()
    if row is None:
        raise sqlite3.DatabaseError("what was written just now is not there")
    return int(row[0])


def _in_unicode(name: str) -> str:
    """A name as text that can be stored, which one that stands for a folder need not be."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


# ── listing and forgetting ──


def list_models(tables: sqlite3.Connection) -> tuple[CachedModel, ...]:
    """What is kept of each model and revision, by name."""
    rows = tables.execute(
        "SELECT coalesce(name, ''), coalesce(revision, ''), sum(scores), count(*), "
        "coalesce(CAST(sum(tokens) AS INTEGER), 0), "
        f"coalesce(max(0, min(CAST(max(used) AS INTEGER), {_LATEST_DAY})), 0) FROM ("
        "SELECT model, tokens, used, (SELECT count(*) FROM scores WHERE query = queries.number) AS scores "
        "FROM queries) JOIN models ON models.number = model GROUP BY name, revision ORDER BY name, revision"
    )
    return tuple(
        CachedModel(name, revision, scores, queries, tokens, date.fromordinal(EPOCH + used).isoformat())
        for name, revision, scores, queries, tokens, used in rows
    )


def forget_all(tables: sqlite3.Connection) -> int:
    """Forget everything; returns how many scores that was."""
    (removed,) = tables.execute("SELECT count(*) FROM scores").fetchone()
    make_tables(tables)
    give_back(tables, _ALL_PAGES)
    return int(removed)


def forget_model(tables: sqlite3.Connection, name: str) -> int:
    """Forget all scores of a model, in every revision; returns how many that was.

    Raises:
        UnknownModel: there are none.
    """
    queries = "SELECT number FROM queries WHERE model IN (SELECT number FROM models WHERE name = ?)"
    model = (_in_unicode(name),)
    if tables.execute(queries, model).fetchone() is None:
        raise nothing_of(name)
    removed = tables.execute(f"DELETE FROM scores WHERE query IN ({queries})", model).rowcount
    tables.execute(f"DELETE FROM queries WHERE number IN ({queries})", model)
    tables.execute("DELETE FROM models WHERE name = ?", model)
    give_back(tables, _ALL_PAGES)
    return removed


def nothing_of(model: str) -> UnknownModel:
    """What is said of a model of which nothing is kept."""
    return UnknownModel(
        f"the cache holds no scores of `{model}`", hint="`vai cache` lists the models of which it holds some"
    )
