"""The embedded engine's filters let through what `vai.filters.matches` says, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vai.engines import fields
from vai.engines.database import SCHEMA, create_tables
from vai.engines.fields import (
    FIELDS_SCHEMA,
    LONGEST_VALUE,
    MOST_FIELDS,
    MOST_VALUES,
    FieldsWriter,
    field_names,
)
from vai.engines.selection import allowed_documents, allowed_rows
from vai.filter_syntax import filter_from_json, parse_filters
from vai.filters import (
    Condition,
    Every,
    Filter,
    Negated,
    Some,
    filter_fields,
    flattened,
    is_about_documents,
    matches,
)
from vai.types import Json, StoredDocument

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Stored:
    """A document with its source's time and the heading of each of its chunks."""

    document: StoredDocument
    mtime_ns: int = 0
    headings: tuple[tuple[str, ...], ...] = ((),)


def stored(
    document_id: str,
    metadata: Mapping[str, Json] | None = None,
    *,
    source: str = "notes.md",
    title: str = "",
    modified: int = 0,
    headings: Sequence[tuple[str, ...]] = ((),),
) -> Stored:
    """A document; `modified` in seconds."""
    document = StoredDocument(document_id, source, title, "digest", metadata or {})
    return Stored(document, modified * SECOND, tuple(headings))


class Database:
    """A collection's tables with what filters need."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.writer = FieldsWriter(connection)
        self.owners: list[int] = []
        create_tables(connection, SCHEMA + FIELDS_SCHEMA)

    def put(self, item: Stored) -> None:
        document = item.document
        self.connection.execute(
            "INSERT INTO sources VALUES (NULL, ?, 0, ?, 0, 0, '', 'recipe')"
            " ON CONFLICT DO UPDATE SET mtime_ns = excluded.mtime_ns",
            (document.source, item.mtime_ns),
        )
        (source,) = self.connection.execute(
            "SELECT number FROM sources WHERE name = ?", (document.source,)
        ).fetchone()
        number = self.connection.execute(
            "INSERT INTO documents VALUES (NULL, ?, ?, ?, '', ?)",
            (document.id, source, document.title, json.dumps(document.metadata, ensure_ascii=False)),
        ).lastrowid
        assert number
        self.writer.put(number, document)
        for ordinal, heading in enumerate(item.headings):
            self.connection.execute(
                "INSERT INTO chunks VALUES (?, ?, ?, '', 0, 0, NULL, NULL, NULL, ?, 1)",
                (len(self.owners), number, ordinal, json.dumps(heading, ensure_ascii=False)),
            )
            self.owners.append(number)

    def remove(self, document_id: str) -> None:
        """Remove a document; its rows in the vector file stay."""
        (number,) = self.connection.execute(
            "SELECT number FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        self.writer.remove(number)
        self.connection.execute("DELETE FROM chunks WHERE document = ?", (number,))
        self.connection.execute("DELETE FROM documents WHERE number = ?", (number,))

    def rows(self, filter: Filter) -> dict[str, list[bool]]:
        """For each document, whether its chunks pass."""
        self.writer.flush()
        allowed = allowed_rows(self.connection, filter, np.array(self.owners, dtype=np.uint32))
        assert allowed.shape == (len(self.owners),)
        assert allowed.dtype == np.dtype(np.bool_)
        found: dict[str, list[bool]] = {}
        for row, document_id in self.connection.execute(
            "SELECT vector, documents.id FROM chunks JOIN documents ON documents.number = document ORDER BY vector"
        ):
            found.setdefault(document_id, []).append(bool(allowed[row]))
        return found

    def documents(self, filter: Filter) -> list[str]:
        """Ids of the documents that pass."""
        self.writer.flush()
        ids = dict(self.connection.execute("SELECT number, id FROM documents"))
        return [ids[number] for number in allowed_documents(self.connection, filter).tolist()]

    def names(self) -> list[str]:
        self.writer.flush()
        return field_names(self.connection)


@contextmanager
def database_of(*items: Stored) -> Iterator[Database]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        database = Database(connection)
        for item in items:
            database.put(item)
        yield database


def passing(filter: Filter, items: Sequence[Stored]) -> dict[str, list[bool]]:
    """What the definition says."""
    return {
        item.document.id: [
            matches(
                filter,
                filter_fields(
                    document_id=item.document.id,
                    source=item.document.source,
                    title=item.document.title,
                    mtime_ns=item.mtime_ns,
                    heading=heading,
                    metadata=item.document.metadata,
                ),
            )
            for heading in item.headings
        ]
        for item in items
    }


def found(filter: str | Mapping[str, Json], *items: Stored) -> list[str]:
    """Ids of the documents that a filter lets through, which the definition has to agree with."""
    parsed = parse_filters([filter]) if isinstance(filter, str) else filter_from_json(filter)
    assert parsed is not None
    with database_of(*items) as database:
        rows = database.rows(parsed)
        assert rows == passing(parsed, items)
        if is_about_documents(parsed):
            assert database.documents(parsed) == [
                item.document.id for item in items if rows[item.document.id][0]
            ]
        return [document_id for document_id, allowed in rows.items() if any(allowed)]


# ── any filter, any document ─────────────────────────────────────────────────────────────────────

LONG = "long " * 60
words = st.sampled_from(
    [
        "",
        "a",
        "ab",
        "b",
        "B",
        "é",
        "日本",
        "😀",
        "2024",
        "true",
        "a\0b",
        "*",
        "[a]",
        'q"q',
        "\\",
        LONG,
        f"{LONG}a",
        f"{LONG}b",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
numbers = (
    st.integers(-3, 3)
    | st.sampled_from(
        [2024, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**70, 2**70 + 1, 10**400, -(10**400)]
    )
    | st.sampled_from([0.0, -0.0, 1.0, 1.5, -1.5, float(2**53), 1e300, 0.1, float("inf")])
)
scalars = st.none() | st.booleans() | numbers | words
names = st.sampled_from(["a", "b", "a.b", "c", "id", "", ".", "metadata", "$x", "ü"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
outsized = st.sampled_from([[*range(MOST_VALUES + 1), "a", None], list(range(MOST_VALUES)), [LONG, "a"]])
metadata = st.dictionaries(names, values | outsized, max_size=4)
seconds = st.sampled_from(
    [0, 1, -1, 1_700_000_000, 1_717_200_000, 1_717_199_999, 253_402_300_799, 2**63 // SECOND, -62_135_596_800]
)
times = st.builds(
    lambda second, rest: max(-(2**63), min(second * SECOND + rest, 2**63 - 1)), seconds, st.integers(0, 5)
)
paths = st.sampled_from(["a.md", "docs/a.md", "docs/b.PDF", "docs/", ".env", "x", "docs/é.md", "docs0"])
headings = st.lists(words, max_size=3).map(tuple)


@st.composite
def collections(draw: st.DrawFn) -> list[Stored]:
    """Documents of a few sources, each of which has one time."""
    modified = {path: draw(times) for path in draw(st.lists(paths, min_size=1, max_size=4, unique=True))}
    ids = draw(st.lists(words, max_size=8, unique=True))
    return [
        Stored(
            StoredDocument(document_id, source, draw(words), "digest", draw(metadata)),
            modified[source],
            tuple(draw(st.lists(headings, min_size=1, max_size=3))),
        )
        for document_id in ids
        for source in [draw(st.sampled_from(sorted(modified)))]
    ]


globs = (
    st.lists(
        st.sampled_from(
            ["*", "?", "[a-c]", "[!a]", "[", "]", "a", "b", "docs/", "2024", "\U0010ffff", "\ud7ff"]
        ),
        max_size=4,
    ).map("".join)
    | words
)
moments = st.sampled_from(
    [
        "2024",
        "2023-11-14",
        "2024-06-01",
        "2024-06-01T00:00:00Z",
        "1970-01-01T00:00:01Z",
        "0001",
        "0000",
        "9999-12-31T23:59:59Z",
        "9999-13",
    ]
)


def conditions_on(name: str, is_metadata: bool, value: st.SearchStrategy[Json]) -> st.SearchStrategy[Filter]:
    ordered = value.filter(lambda one: one is not None and not isinstance(one, bool))

    def condition(operator: str, inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Filter]:
        return inner.map(lambda one: Condition(name, is_metadata, operator, one))  # type: ignore[arg-type]

    return (
        st.sampled_from(["eq", "ne"]).flatmap(lambda operator: condition(operator, value))
        | st.sampled_from(["gt", "gte", "lt", "lte"]).flatmap(lambda operator: condition(operator, ordered))
        | st.sampled_from(["in", "nin"]).flatmap(
            lambda operator: condition(operator, st.lists(value, max_size=3).map(tuple))
        )
        | condition("exists", st.booleans())
        | condition("glob", globs)
    )


single = (
    st.sampled_from(["a", "b", "a.b", "a.a", "c", "id", "", "missing", "ü"]).flatmap(
        lambda name: conditions_on(name, True, scalars)
    )
    | st.sampled_from(["id", "path", "title", "type", "heading"]).flatmap(
        lambda name: conditions_on(name, False, scalars | paths | st.sampled_from(["md", "pdf"]))
    )
    | conditions_on("modified", False, moments)
)
filters: st.SearchStrategy[Filter] = st.recursive(
    single,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: Every(tuple(some)))
        | st.lists(inner, max_size=3).map(lambda some: Some(tuple(some)))
        | inner.map(Negated)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(collections(), st.lists(filters, min_size=1, max_size=4))
def test_rows_and_documents_are_those_that_the_definition_lets_through(
    items: list[Stored], asked: list[Filter]
) -> None:
    with database_of(*items) as database:
        for filter in asked:
            expected = passing(filter, items)
            assert database.rows(filter) == expected
            if is_about_documents(filter):
                assert database.documents(filter) == [
                    document_id for document_id, allowed in expected.items() if allowed[0]
                ]


# ── one thing at a time ──────────────────────────────────────────────────────────────────────────


def test_an_empty_collection_has_no_rows_documents_or_fields() -> None:
    with database_of() as database:
        assert database.rows(Every(())) == {}
        assert database.documents(Every(())) == []
        assert database.names() == []


def test_conditions_on_documents_and_on_headings_are_joined() -> None:
    one = stored("one", {"year": 1}, headings=[("Install",), ("Use", "Install")])
    two = stored("two", {"year": 2}, headings=[("Install",), ()])
    assert found({"heading": "Install", "year": 2}, one, two) == ["two"]
    assert found({"$nor": [{"heading": "Install"}, {"year": 1}]}, one, two) == ["two"]
    assert found({"$or": [{"heading": "Use"}, {"year": 2}]}, one, two) == ["one", "two"]
    assert found({"$nor": [{"heading": "Install"}]}, one, two) == ["two"]
    assert found({"heading": {"$in": ["Use", None]}}, one, two) == ["one", "two"]


def test_a_heading_is_found_by_the_whole_of_it() -> None:
    quoted = stored("quoted", headings=[('say "Install"',), ('a", "Install',), ('x"Install\\',)])
    assert found({"heading": "Install"}, quoted) == []
    assert found({"heading": "Install\\"}, quoted) == []
    assert found({"heading": 'say "Install"'}, quoted) == ["quoted"]
    assert found({"heading": {"$glob": '*"Install*'}}, quoted) == ["quoted"]


def test_documents_are_not_chosen_by_headings() -> None:
    with database_of(stored("one")) as database, pytest.raises(ValueError, match="headings"):
        database.documents(Condition("heading", False, "eq", "Install"))


def test_a_built_in_field_that_does_not_exist_is_a_mistake() -> None:
    with database_of(stored("one")) as database, pytest.raises(ValueError, match="author"):
        database.rows(Condition("author", False, "eq", "Ada"))


def test_texts_too_long_for_the_table_are_compared_to_their_end() -> None:
    long = "x" * LONGEST_VALUE
    items = [stored(name, {"text": long + name}) for name in ("a", "b")] + [stored("exact", {"text": long})]
    assert found({"text": f"{long}a"}, *items) == ["a"]
    assert found({"text": long}, *items) == ["exact"]
    assert found({"text": {"$ne": f"{long}a"}}, *items) == ["b", "exact"]
    assert found({"text": {"$gt": f"{long}a"}}, *items) == ["b"]
    assert found({"text": {"$glob": "*b"}}, *items) == ["b"]
    assert found({"text": {"$exists": True}}, *items) == ["a", "b", "exact"]
    assert found({"title": {"$glob": "*b"}}, stored("a", title=f"{long}b"), stored("b")) == ["a"]


def test_a_vector_in_a_record_can_be_asked_for_and_does_not_fill_the_table() -> None:
    vector = [number / 1000 for number in range(1000)]
    items = [stored("vector", {"embedding": vector, "year": 1}), stored("other", {"embedding": [0.5, 7]})]
    assert found({"embedding": 0.5}, *items) == ["vector", "other"]
    assert found({"embedding": {"$gt": 1}}, *items) == ["other"]
    assert found({"embedding": {"$exists": True}, "year": 1}, *items) == ["vector"]
    with database_of(*items) as database:
        database.writer.flush()
        assert database.connection.execute("SELECT count(*) FROM field_values").fetchone()[0] < 20


@pytest.mark.parametrize(
    "crowd",
    [
        pytest.param({str(number): number for number in range(MOST_FIELDS + 1)}, id="many fields"),
        pytest.param({"n" * (LONGEST_VALUE + 1): 1}, id="a long name"),
    ],
)
def test_a_document_with_too_many_fields_is_looked_at_itself(crowd: Mapping[str, Json]) -> None:
    items = [stored("crowd", {**crowd, "year": 1}), stored("other", {"year": 2})]
    last = list(crowd)[-1]
    assert found({last: crowd[last]}, *items) == ["crowd"]
    assert found({last: {"$exists": True}}, *items) == ["crowd"]
    assert found({last: None}, *items) == ["other"]
    assert found({"year": {"$gte": 1}}, *items) == ["crowd", "other"]
    assert found({"year": {"$ne": 1}}, *items) == ["other"]
    with database_of(*items) as database:
        database.writer.flush()
        assert (
            database.connection.execute("SELECT count(*) FROM field_values").fetchone()[0] < MOST_FIELDS + 30
        )
        assert "year" in database.names()


def test_documents_of_many_blocks_are_found_whether_few_or_many_have_a_value() -> None:
    count = 2 * fields.BLOCK + 100
    items = [
        stored(
            str(number),
            {"parity": number % 2, "hundred": number % 100, "own": number},
            source=f"{number % 3}.md",
        )
        for number in range(count)
    ]
    with database_of(*items) as database:
        database.writer.flush()

        def numbers(filter: Mapping[str, Json]) -> list[int]:
            return [int(document_id) for document_id in database.documents(filter_from_json(filter))]

        assert numbers({"parity": 1}) == list(range(1, count, 2))
        assert numbers({"hundred": 7}) == list(range(7, count, 100))
        assert numbers({"hundred": {"$lt": 2}, "parity": 1}) == list(range(1, count, 100))
        assert numbers({"own": {"$gte": 5000}}) == list(range(5000, count))
        assert numbers({"own": 8191}) == [8191]
        assert numbers({"path": "1.md", "own": {"$lt": 10}}) == [1, 4, 7]
        assert numbers({"parity": {"$exists": False}}) == []
        sizes = {
            (len(packed) if isinstance(packed, bytes) else 1)
            for (packed,) in database.connection.execute("SELECT documents FROM field_values")
        }
        assert {1, fields.BLOCK // 8} <= sizes
        assert max(sizes) <= fields.BLOCK // 8


def test_removed_documents_leave_nothing_behind() -> None:
    items = [stored(str(number), {"year": number % 3, "tags": ["a", number]}) for number in range(900)]
    with database_of(*items) as database:
        database.writer.flush()
        for item in items:
            database.remove(item.document.id)
        database.writer.flush()
        assert database.connection.execute("SELECT count(*) FROM field_values").fetchone() == (0,)
        assert database.names() == []
        allowed = allowed_rows(database.connection, Every(()), np.array(database.owners, dtype=np.uint32))
        assert len(allowed) == 900


changes = st.lists(
    st.tuples(st.sampled_from("abcd"), st.none() | metadata, st.booleans()),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(changes)
def test_after_any_changes_the_table_is_as_if_the_documents_had_been_put_at_once(
    done: list[tuple[str, Mapping[str, Json] | None, bool]],
) -> None:
    """Numbers of removed documents are given again, within a flush or after one."""
    current: dict[str, Stored] = {}
    with database_of() as database:
        for document_id, fields_of_it, flush in done:
            if document_id in current:
                database.remove(document_id)
                del current[document_id]
            if fields_of_it is not None:
                current[document_id] = stored(document_id, fields_of_it)
                database.put(current[document_id])
            if flush:
                database.writer.flush()
        database.writer.flush()
        afterwards = database.connection.execute("SELECT * FROM field_values ORDER BY 1, 2, 3, 4").fetchall()
        database.connection.execute("DELETE FROM field_values")
        database.writer.put_all()
        database.writer.flush()
        anew = database.connection.execute("SELECT * FROM field_values ORDER BY 1, 2, 3, 4").fetchall()
    assert afterwards == anew


def test_what_was_noted_is_written_before_it_takes_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_PENDING", 20)
    with database_of(*(stored(str(number), {"n": number}) for number in range(20))) as database:
        assert database.connection.execute("SELECT count(*) FROM field_values").fetchone()[0] > 10
        assert len(database.documents(Condition("n", True, "gte", 5))) == 15


@settings(max_examples=100, deadline=None)
@given(st.lists(metadata, max_size=4))
def test_the_fields_of_a_collection_are_those_of_its_documents(several: list[Mapping[str, Json]]) -> None:
    with database_of(*(stored(str(number), one) for number, one in enumerate(several))) as database:
        assert database.names() == sorted({name for one in several for name in flattened(one)})


@pytest.mark.parametrize(
    "text",
    [
        "year=1",
        "year>=1",
        "name~a*",
        "path~docs/*",
        "type=md",
        "title=a",
        "id=a",
        "id~a*",
        "modified>=2024-01-01",
    ],
)
def test_no_filter_but_those_on_headings_reads_whole_tables(text: str) -> None:
    """Every statement searches an index."""
    with database_of(*(stored(str(number), {"year": number}) for number in range(3))) as database:
        database.writer.flush()
        statements: list[str] = []
        filter = parse_filters([text])
        assert filter is not None
        database.connection.set_trace_callback(statements.append)
        allowed_rows(database.connection, filter, np.array(database.owners, dtype=np.uint32))
        database.connection.set_trace_callback(None)
        assert len(statements) > 1
        for statement in statements:
            plan = database.connection.execute(f"EXPLAIN QUERY PLAN {statement}")
            details = [str(detail) for *_, detail in plan]
            assert not [
                detail for detail in details if detail.startswith("SCAN") and "subquery" not in detail.lower()
            ]
