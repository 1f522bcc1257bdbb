"""What filters mean, and how they are written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.errors import InvalidSettings
from vai.filter_syntax import (
    DEEPEST,
    LONGEST_GLOB,
    LONGEST_TEXT,
    MOST_PARTS,
    as_filter,
    filter_from_json,
    parse_filters,
)
from vai.filters import (
    DEEPEST_METADATA,
    Condition,
    Every,
    field_names,
    field_warnings,
    filter_fields,
    filter_to_json,
    flattened,
    is_about_documents,
    matches,
    metadata_fields,
    modified_text,
    type_of,
)
from vai.types import Json


def lets_through(
    filter: str | Mapping[str, Json],
    metadata: Mapping[str, Json] | None = None,
    *,
    document_id: str = "docs/setup.md",
    source: str = "docs/setup.md",
    title: str = "",
    modified: int = 1_717_200_000,  # 2024-06-01T00:00:00Z
    heading: tuple[str, ...] = (),
) -> bool:
    """Whether a filter lets a chunk of such a document through."""
    parsed = parse_filters([filter]) if isinstance(filter, str) else filter_from_json(filter)
    assert parsed is not None
    return matches(
        parsed,
        filter_fields(
            document_id=document_id,
            source=source,
            title=title,
            mtime_ns=modified * 1_000_000_000,
            heading=heading,
            metadata=metadata or {},
        ),
    )


# ── meaning ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("filter", "metadata", "expected"),
    [
        ({"year": 2024}, {"year": 2024}, True),
        ({"year": 2024}, {"year": 2024.0}, True),
        ({"year": 2024}, {"year": "2024"}, False),
        ({"year": 2024}, {"year": [1999, 2024]}, True),
        ({"year": 2024}, {"year": [[2024]]}, False),
        ({"year": 2024}, {}, False),
        ({"draft": True}, {"draft": True}, True),
        ({"draft": True}, {"draft": 1}, False),
        ({"draft": 1}, {"draft": True}, False),
        ({"draft": 0}, {"draft": False}, False),
        ({"draft": None}, {"draft": None}, True),
        ({"draft": None}, {}, True),
        ({"draft": None}, {"draft": []}, False),
        ({"draft": None}, {"draft": [1, None]}, True),
        ({"draft": None}, {"draft": {"by": None}}, False),
        ({"draft": {"$ne": None}}, {}, False),
        ({"draft": {"$ne": True}}, {}, True),
        ({"draft": {"$ne": True}}, {"draft": [False, True]}, False),
        ({"draft": {"$in": [1, None]}}, {}, True),
        ({"draft": {"$in": []}}, {"draft": 1}, False),
        ({"draft": {"$nin": []}}, {"draft": 1}, True),
        ({"draft": {"$nin": [1, 2]}}, {}, True),
        ({"draft": {"$nin": [1, 2]}}, {"draft": [3, 2]}, False),
        ({"year": {"$gt": 2023}}, {"year": 2024}, True),
        ({"year": {"$gt": 2023}}, {"year": "2024"}, False),
        ({"year": {"$gt": 2023}}, {"year": True}, False),
        ({"year": {"$gt": 0}}, {"year": True}, False),
        ({"year": {"$gt": "2023"}}, {"year": "2024"}, True),
        ({"year": {"$gt": "2023"}}, {"year": 2024}, False),
        ({"year": {"$gte": 2024}}, {"year": 2024}, True),
        ({"year": {"$lt": 2024}}, {"year": 2024}, False),
        ({"year": {"$lte": 2024}}, {"year": 2024}, True),
        ({"year": {"$lt": 5}}, {}, False),
        ({"year": {"$gt": 1, "$lt": 5}}, {"year": [0, 9]}, True),  # each by some element, as in MongoDB
        ({"year": {"$not": {"$gt": 2023}}}, {}, True),
        ({"year": {"$not": {"$gt": 2023}}}, {"year": "a"}, True),
        ({"year": {"$exists": True}}, {"year": None}, True),
        ({"year": {"$exists": True}}, {"year": {"of": []}}, True),
        ({"year": {"$exists": True}}, {}, False),
        ({"year": {"$exists": False}}, {}, True),
        ({"author.name": "Ada"}, {"author": {"name": "Ada"}}, True),
        ({"author.name": "Ada"}, {"author": [{"name": "Bo"}, {"name": "Ada"}]}, True),
        ({"author.name": "Ada"}, {"author.name": "Ada"}, True),
        ({"author.name": {"$exists": False}}, {"author": "Ada"}, True),
        ({"name": {"$glob": "A*a"}}, {"name": "Ada"}, True),
        ({"name": {"$glob": "a*"}}, {"name": "Ada"}, False),
        ({"name": {"$glob": "*"}}, {"name": 5}, False),
        ({"name": {"$glob": "b?"}}, {"name": ["a", "bc"]}, True),
        ({"name": {"$glob": "[!a]b"}}, {"name": "bb"}, True),
        ({"big": 2**70}, {"big": 2**70 + 1}, True),  # beyond 64 bits, integers are floating-point numbers
        ({"big": {"$lt": 10**400}}, {"big": 1}, True),
        ({"$or": [{"a": 1}, {"b": 1}]}, {"b": 1}, True),
        ({"$and": [{"a": 1}, {"b": 1}]}, {"b": 1}, False),
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, True),
        ({"$nor": [{"a": 1}, {"b": 1}]}, {"c": 1}, True),
        ({"$nor": [{"a": 1}, {"b": 1}]}, {"b": 1}, False),
        ({"$not": {"a": 1}}, {"a": 2}, True),
        ({}, {}, True),
    ],
    ids=repr,
)
def test_conditions_mean_what_they_do_in_mongodb(
    filter: Mapping[str, Json], metadata: Mapping[str, Json], expected: bool
) -> None:
    assert lets_through(filter, metadata) is expected


@pytest.mark.parametrize(
    ("filter", "metadata", "expected"),
    [
        ("year=2024", {"year": 2024}, True),
        ("year=2024", {"year": "2024"}, True),
        ("year = 2024 ", {"year": "2024"}, True),
        ('year="2024"', {"year": "2024"}, True),
        ('year="2024"', {"year": 2024}, False),
        ("year!=2024", {"year": 2024}, False),
        ("year!=2024", {"year": "2024"}, False),
        ("year!=2024", {}, True),
        ("year>2023", {"year": 2024}, True),
        ("year>2023", {"year": "2024"}, True),
        ("year>=2024", {"year": 2024}, True),
        ("year<=2024", {"year": 2024}, True),
        ("year<2024", {"year": 2024}, False),
        ("size<10", {"size": 9}, True),
        ("size<10", {"size": "9"}, False),
        ("size=1e3", {"size": 1000}, True),
        ("size=-0.5", {"size": -0.5}, True),
        ("version=007", {"version": 7}, False),
        ("version=007", {"version": "007"}, True),
        ("version<v2", {"version": "v10"}, True),
        ("version<true", {"version": False}, False),
        ("draft=true", {"draft": True}, True),
        ("draft=true", {"draft": "true"}, True),
        ("draft=true", {"draft": 1}, False),
        ("draft=false", {"draft": False}, True),
        ("draft=null", {}, True),
        ("draft=", {"draft": ""}, True),
        ("draft=", {}, False),
        ("tags=a", {"tags": ["b", "a"]}, True),
        ("tags~a*", {"tags": ["b", "ab"]}, True),
        ("first author.last-name=van Dyck", {"first author": {"last-name": "van Dyck"}}, True),
        ("equation= =x", {"equation": "=x"}, True),
        ('{"year": 2024}', {"year": "2024"}, False),
        (' {"year": {"$gte": 2024}}', {"year": 2024}, True),
        ("metadata.path=x", {"path": "x"}, True),
        ("path=x", {"path": "x"}, False),
        ("metadata=x", {"metadata": "x"}, True),
        ("metadata.metadata.x=1", {"metadata": {"x": 1}}, True),
    ],
)
def test_values_without_a_type_match_all_that_they_may_stand_for(
    filter: str, metadata: Mapping[str, Json], expected: bool
) -> None:
    assert lets_through(filter, metadata) is expected


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("path=docs/setup.md", True),
        ("path~docs/*", True),
        ("path~*.md", True),
        ("path~setup*", False),
        ("id=docs/setup.md", True),
        ("id>docs", True),
        ("title=The *guide*", True),
        ("title~the*", False),
        ("type=md", True),
        ("type=.MD", True),
        ("type!=pdf", True),
        ("modified>=2024-06-01", True),
        ("modified>2024-06-01", True),
        ("modified<2024-06-01", False),
        ("modified<2024-06-02", True),
        ("modified=2024-06-01T00:00:00Z", True),
        ("modified=2024-06-01 00:00:00Z", True),
        ("modified<=2024", False),
        ("modified>=2024-06-01T00:00", True),
        ("modified~2024-06-*", True),
        ("heading=Install", True),
        ("heading=install", False),
        ("heading~On *", True),
        ("heading!=Usage", True),
        ('{"heading": {"$exists": true}}', True),
        ('{"path": 5}', False),
        ('{"path": null}', False),
        ('{"type": {"$exists": false}}', False),
    ],
)
def test_every_chunk_has_the_built_in_fields(filter: str, expected: bool) -> None:
    assert lets_through(filter, title="The *guide*", heading=("Install", "On Windows")) is expected


def test_a_chunk_without_headings_has_no_heading() -> None:
    assert lets_through({"heading": {"$exists": False}})
    assert lets_through({"heading": None})
    assert not lets_through("heading~*")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("notes.MD", "md"),
        ("a.b/notes", ""),
        ("archive.tar.gz", "gz"),
        (".bashrc", ""),
        ("folder/.config.toml", "toml"),
        ("..", ""),
        ("ends.", ""),
        ("Übung.TXT", "txt"),
        ("", ""),
    ],
)
def test_the_type_is_the_suffix_in_lower_case(source: str, expected: str) -> None:
    assert type_of(source) == expected


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_times_as_text_are_in_the_order_of_time(one: int, other: int) -> None:
    earlier, later = sorted((one, other))
    assert modified_text(earlier) <= modified_text(later)


def test_times_are_written_in_utc_and_kept_within_four_digits_of_years() -> None:
    assert modified_text(0) == "1970-01-01T00:00:00Z"
    assert modified_text(-(10**15)) == "0001-01-01T00:00:00Z"
    assert modified_text(10**15) == "9999-12-31T23:59:59Z"


def test_nested_fields_have_dots_and_containers_are_fields_without_values() -> None:
    metadata: Mapping[str, Json] = {
        "a": {"b": [1, {"c": 2}, [3]], "d": {}},
        "e": [],
        "f": [None, True],
        "g": float("nan"),
    }
    assert flattened(metadata) == {
        "a": [],
        "a.b": [1],
        "a.b.c": [2],
        "a.d": [],
        "e": [],
        "f": [None, True],
        "g": [],
    }
    assert list(field_names(metadata)) == list(flattened(metadata))


def test_what_lies_too_deep_is_there_and_cannot_be_asked_for() -> None:
    metadata: dict[str, Json] = {"x": 1}
    for _ in range(DEEPEST_METADATA + 900):
        metadata = {"x": metadata}
    names = list(field_names(metadata))
    assert len(names) == DEEPEST_METADATA
    assert names[-1] == ".".join("x" * DEEPEST_METADATA)


def test_a_condition_on_a_built_in_field_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="author"):
        matches(
            Condition("author", False, "eq", 1),
            filter_fields(document_id="", source="", mtime_ns=0, metadata={}),
        )


# ── notation ─────────────────────────────────────────────────────────────────────────────────────


def test_no_texts_make_no_filter_and_several_all_have_to_hold() -> None:
    assert parse_filters([]) is None
    assert parse_filters(["a~x"]) == Condition("a", True, "glob", "x")
    assert parse_filters(["a~x", '{"b": 1}']) == Every(
        (Condition("a", True, "glob", "x"), Condition("b", True, "eq", 1))
    )


def test_a_filter_can_be_given_in_any_form() -> None:
    condition = Condition("a", True, "eq", "x")
    assert as_filter(None) is None
    assert as_filter(condition) is condition
    assert as_filter({"a": "x"}) == condition
    assert as_filter(["a=x"]) == condition
    assert as_filter("a=x") == condition
    assert as_filter([]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year=2024", {"year": {"$in": [2024, "2024"]}}),
        ("year!=2024", {"year": {"$nin": [2024, "2024"]}}),
        ("year<5", {"$or": [{"year": {"$lt": 5}}, {"year": {"$lt": "5"}}]}),
        ("name=a", {"name": {"$eq": "a"}}),
        ("path=5", {"path": {"$eq": "5"}}),
        ("metadata.path=a", {"metadata.path": {"$eq": "a"}}),
        ("metadata.name=a", {"name": {"$eq": "a"}}),
        ("metadata.metadata.a=b", {"metadata.metadata.a": {"$eq": "b"}}),
        ("metadata.$x=b", {"metadata.$x": {"$eq": "b"}}),
        (
            '{"a": 1, "b": {"$gt": 1, "$lt": 3}}',
            {"$and": [{"a": {"$eq": 1}}, {"$and": [{"b": {"$gt": 1}}, {"b": {"$lt": 3}}]}]},
        ),
        ('{"a": {"$not": {"$gt": 1}}}', {"$nor": [{"a": {"$gt": 1}}]}),
        ('{"$nor": [{"a": 1}, {"b": 2}]}', {"$nor": [{"a": {"$eq": 1}}, {"b": {"$eq": 2}}]}),
        ("{}", {}),
    ],
)
def test_a_filter_is_reported_in_mongodbs_notation(text: str, expected: Json) -> None:
    parsed = parse_filters([text])
    assert parsed is not None
    assert filter_to_json(parsed) == expected
    assert filter_from_json(json.loads(json.dumps(filter_to_json(parsed)))) == parsed


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
names = st.sampled_from(["a", "a.b", "path", "heading", "metadata.path", "metadata.x y", "modified.x"])
ordered = st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
operators = st.fixed_dictionaries(
    {},
    optional={
        "$eq": scalars,
        "$ne": scalars,
        "$gt": ordered,
        "$lte": ordered,
        "$in": st.lists(scalars, max_size=3),
        "$nin": st.lists(scalars, max_size=3),
        "$exists": st.booleans(),
        "$glob": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    },
).filter(bool)
json_filters = st.recursive(
    st.dictionaries(names, scalars | operators | operators.map(lambda inner: {"$not": inner}), max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3), max_size=2
    ),
    max_leaves=5,
)


@given(json_filters)
def test_what_is_written_reads_as_the_same_filter(written: dict[str, Json]) -> None:
    filter = filter_from_json(written)
    again = filter_to_json(filter)
    assert filter_from_json(again) == filter
    assert filter_to_json(filter_from_json(again)) == again
    assert filter_from_json(json.loads(json.dumps(again))) == filter


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("year", "the filter `year` has no operator", "FIELD=VALUE"),
        ("", "the filter `` has no operator", "FIELD=VALUE"),
        ("=5", "condition on ``", "FIELD=VALUE"),
        ("metadata.=5", "condition on `metadata.`", "FIELD=VALUE"),
        ("a==5", "unknown operator `==`", "!= <= >= = < > ~"),
        ("a=~5", "unknown operator `=~`", "space"),
        ("a!~5", "unknown operator `!~`", "!= <= >= = < > ~"),
        ("a<>5", "unknown operator `<>`", "!= <= >= = < > ~"),
        ("a=>5", "unknown operator `=>`", "!= <= >= = < > ~"),
        ("modified>yesterday", "`yesterday` is no time", "2024-05-31"),
        ("modified>2024-5-1", "`2024-5-1` is no time", "2024-05-31"),
        ("a=\udcff", "not text in Unicode", None),
        ("\udcff=a", "no name of a field", None),
        ("a~\udcff", "a pattern is a text", None),
        ("a~" + "*" * (LONGEST_GLOB + 1), "longer than 1,000", None),
        ("a=" + "x" * LONGEST_TEXT, "may have 1,000,000", None),
        ('{"a": 1', "is not JSON: Expecting ',' delimiter at character 8", "single ones"),
        ("{'a': 1}", "is not JSON", "double quotes"),
        ('{"a": NaN}', "`NaN` is no value", None),
        ('{"a": 1e999}', "which is no number", None),
        ('{"a": ' + "[" * 100_000, "is not JSON that can be read", None),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON that can be read", None),
        ('{"a": {"$gt": 1}, "a": {"$lt": 5}}', "has `a` twice", "$and"),
        ('{"$gte": 5}', "`$gte` stands where a field should", '{"year": {"$gte": …}}'),
        ('{"a": {"$gtt": 5}}', "no operator `$gtt`", "did you mean `$gt`?"),
        ('{"a": {"$regex": "x"}}', "no operator `$regex`", "did you mean `$glob`?"),
        ('{"a": {"$where": "x"}}', "no operator `$where`", "operators are $eq"),
        ('{"$an": []}', "no operator `$an`", "did you mean `$and`?"),
        ('{"$and": {"a": 1}}', "`$and` takes an array of filters", "$and"),
        ('{"$or": []}', "`$or` takes an array of filters, and `[]` is none", "$or"),
        ('{"$or": [5]}', "`5` is no filter", "FIELD=VALUE"),
        ('{"a": {}}', "says nothing of `a`", "FIELD=VALUE"),
        ('{"a": {"b": 1}}', "`a` is compared with an object", '{"a.b": …}'),
        ('{"a": {"$gt": 1, "b": 1}}', "`a` is compared with an object", '{"a.b": …}'),
        ('{"a": [1, 2]}', "`a` is compared with the array `[1, 2]`", "$in"),
        ('{"a": {"$in": 5}}', "`$in` takes an array, and `5` is none", '{"a": {"$in": [5]}}'),
        ('{"a": {"$in": [[1]]}}', "`a` is compared with the array `[1]`", "$in"),
        ('{"a": {"$in": [{}]}}', "which is no text, number, true, false or null", None),
        ('{"a": {"$gt": true}}', "`$gt` compares numbers and texts, and `true` is neither", None),
        ('{"a": {"$lt": null}}', "`$lt` compares numbers and texts, and `null` is neither", None),
        ('{"a": {"$exists": 1}}', "`$exists` takes true or false, and `1` is neither", None),
        ('{"a": {"$glob": 1}}', "a pattern is a text, and `1` is none", "docs/*.md"),
        ('{"a": {"$not": 1}}', "`$not` takes operators, and `1` is none", '{"a": {"$ne": 1}}'),
        ('{"modified": 2024}', "`2024` is no time", "2024-05-31"),
        ('{"": 5}', "condition on ``", "FIELD=VALUE"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_malformed_filter_is_refused_with_the_part_that_is_wrong(
    text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        parse_filters([text])
    assert message in refused.value.message
    assert len(refused.value.message) < 250
    assert not refused.value.message.endswith(".")
    assert refused.value.message.encode("utf-8")
    assert (hint or "") in (refused.value.hint or "")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "value", [b"bytes", object(), {1, 2}, complex(1)], ids=lambda value: type(value).__name__
)
def test_values_that_json_has_not_are_refused(value: Any) -> None:
    with pytest.raises(InvalidSettings, match="which is no text, number, true, false or null"):
        filter_from_json({"a": value})


def test_names_of_fields_are_texts() -> None:
    numbered: Any = {5: 1}
    with pytest.raises(InvalidSettings, match="no name of a field"):
        filter_from_json(numbered)


def test_filters_are_bounded() -> None:
    nested: Json = {"a": 1}
    for _ in range(DEEPEST):
        nested = {"$and": [nested, nested]} if not nested else {"$or": [nested]}
    with pytest.raises(InvalidSettings, match="nests deeper than 20"):
        filter_from_json(nested)
    with pytest.raises(InvalidSettings, match="more than 20,000"):
        filter_from_json({"a": {"$in": list(range(MOST_PARTS))}})
    with pytest.raises(InvalidSettings, match="more than 20,000"):
        filter_from_json({"$or": [{"a": 1}] * (MOST_PARTS + 1)})
    assert filter_from_json({"a": {"$in": list(range(MOST_PARTS - 10))}})


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["$not"] = endless
    with pytest.raises(InvalidSettings, match="nests deeper"):
        filter_from_json(endless)
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    with pytest.raises(InvalidSettings, match="compared with the array"):
        filter_from_json({"a": cyclic})


# ── what a filter is about ───────────────────────────────────────────────────────────────────────


def test_the_metadata_fields_of_a_filter_are_named_once() -> None:
    filter = filter_from_json(
        {"$or": [{"a": 1}, {"$nor": [{"b": 1}, {"a": {"$gt": 2}}]}], "path": "x", "metadata.path": 1}
    )
    assert metadata_fields(filter) == ("a", "b", "path")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path=a", True),
        ("metadata.heading=a", True),
        ("heading=a", False),
        ('{"$nor": [{"a": 1}, {"heading": 1}]}', False),
    ],
)
def test_only_headings_differ_within_a_document(text: str, expected: bool) -> None:
    filter = parse_filters([text])
    assert filter is not None
    assert is_about_documents(filter) is expected


def test_an_unknown_field_is_named_with_the_nearest_ones() -> None:
    filter = parse_filters(["yera=1", "Author=x", "pth=a", "zzzz=1", "year=1"])
    assert filter is not None
    assert field_warnings(filter, ["year", "author", "author.name"]) == [
        "no document has a metadata field `yera`; did you mean `year`?",
        "no document has a metadata field `Author`; did you mean `author` or `author.name`?",
        "no document has a metadata field `pth`; did you mean `path`?",
        "no document has a metadata field `zzzz`",
    ]


def test_built_in_fields_are_never_unknown_and_many_unknown_ones_are_counted() -> None:
    built_in = parse_filters(["path=1", "heading=a"])
    assert built_in is not None
    assert field_warnings(built_in, []) == []
    many = parse_filters([f"field{number}=1" for number in range(1000)])
    assert many is not None
    warnings = field_warnings(many, [])
    assert len(warnings) == 6
    assert warnings[-1] == "no document has 995 more fields that the filter names"


def test_the_filters_in_the_documentation_can_be_read() -> None:
    page = (Path(__file__).parent.parent / "docs" / "filters.md").read_text(encoding="utf-8")
    lines = [shlex.split(line) for line in page.splitlines() if line.startswith("vai query")]
    shown = [word for words in lines for before, word in pairwise(words) if before == "--filter"]
    assert len(shown) >= 5
    for text in (*shown, *re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)):
        assert parse_filters([text])


def test_a_metadata_field_with_the_name_of_one_that_every_chunk_has_is_pointed_at() -> None:
    wanted = Condition("id", metadata=False, operator="eq", value="1")
    (sentence,) = field_warnings(wanted, ["id", "year"])
    assert "`metadata.id`" in sentence
    assert field_warnings(wanted, ["year"]) == []
    assert field_warnings(Condition("id", metadata=True, operator="eq", value="1"), ["id"]) == []
