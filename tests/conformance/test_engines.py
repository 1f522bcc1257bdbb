"""What every engine does, whatever it keeps collections in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_samples import (
    DIMENSION,
    EAST,
    NAME,
    NORTH,
    NORTH_EAST,
    PROVENANCE,
    SOUTH,
    UP,
    chunk,
    directions,
    document,
    found_ids,
    put,
    state,
    store_documents,
    unit,
)
from vai.arrays import Vector
from vai.engines.exact import ExactEngine
from vai.errors import CollectionNotFound, StoreBusy
from vai.filters import FIELDS, Condition, Every, Filter, Negated, Operator, Some
from vai.protocols import Engine
from vai.types import Candidate, Chunk, Claim, Json, Provenance, Stage1, StoredDocument

# ── collections ──────────────────────────────────────────────────────────────────────────────────


def test_a_fresh_engine_holds_no_collection(engine: Engine) -> None:
    assert list(engine.collections()) == []


def test_a_created_collection_is_empty_and_knows_its_provenance(engine: Engine) -> None:
    provenance = Provenance("all-MiniLM-L6-v2", "abc", 384, 128)
    engine.create("papers", provenance)
    info = engine.describe("papers")
    assert (info.name, info.provenance) == ("papers", provenance)
    assert (info.sources, info.documents, info.chunks) == (0, 0, 0)


def test_creating_a_collection_again_changes_nothing(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    engine.create(NAME, replace(PROVENANCE, embedder="another"))
    assert engine.describe(NAME).provenance == PROVENANCE
    assert found_ids(engine, EAST) == ["a#0"]


def test_collections_are_listed_by_name(engine: Engine) -> None:
    for name in ("b", "a", "B.2", "c-3_x"):
        engine.create(name, PROVENANCE)
    assert [info.name for info in engine.collections()] == ["B.2", "a", "b", "c-3_x"]
    assert list(engine.collections()) == [engine.describe(info.name) for info in engine.collections()]


def test_collections_hold_their_own_documents(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]}, collection="one")
    store_documents(engine, {"a": [NORTH], "b": [NORTH]}, collection="two")
    assert found_ids(engine, EAST, collection="one") == ["a#0"]
    assert engine.describe("two").documents == 2


def test_a_dropped_collection_is_gone_and_can_be_made_anew(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    engine.drop(NAME)
    assert list(engine.collections()) == []
    with pytest.raises(CollectionNotFound):
        engine.describe(NAME)
    store_documents(engine, {"b": [NORTH]})
    assert found_ids(engine, EAST) == ["b#0"]


NEEDING_A_COLLECTION: dict[str, Callable[[Engine], object]] = {
    "describe": lambda engine: engine.describe("none"),
    "drop": lambda engine: engine.drop("none"),
    "writing": lambda engine: engine.writing("none").__enter__(),
    "search": lambda engine: engine.search("none", EAST, limit=1, num_candidates=1),
    "pool": lambda engine: engine.pool("none", EAST, text="", limit=1, num_candidates=1),
    "chunks": lambda engine: engine.chunks("none", ["a#0"]),
    "source_states": lambda engine: engine.source_states("none"),
    "check": lambda engine: engine.check("none"),
}


@pytest.mark.parametrize("method", NEEDING_A_COLLECTION)
def test_a_collection_that_is_not_there_is_named(engine: Engine, method: str) -> None:
    engine.create("another", PROVENANCE)
    with pytest.raises(CollectionNotFound, match="`none`"):
        NEEDING_A_COLLECTION[method](engine)
    assert [info.name for info in engine.collections()] == ["another"]


def test_a_closed_engine_opens_again_by_itself(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    engine.close()
    assert found_ids(engine, EAST) == ["a#0"]
    engine.close()
    engine.close()


# ── commit ───────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_visible_before_commit(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    before = engine.describe(NAME)
    with engine.writing(NAME) as writer:
        put(writer, document("b", "b.md"), [EAST])
        writer.finish_source(state("b.md"))
        writer.remove_document("a")
        assert replace(engine.describe(NAME), bytes=before.bytes) == before
        assert found_ids(engine, EAST) == ["a#0"]
        assert [known.name for known in engine.source_states(NAME)] == ["notes.md"]
        assert not engine.chunks(NAME, ["b#0"])
        writer.commit()
        assert found_ids(engine, EAST) == ["b#0"]


def test_leaving_without_commit_forgets(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    with engine.writing(NAME) as writer:
        writer.remove_source("notes.md")
        put(writer, document("b"), [EAST])
    assert found_ids(engine, EAST) == ["a#0"]
    store_documents(engine, {"c": [NORTH]}, source="c.md")
    assert found_ids(engine, EAST) == ["a#0", "c#0"]
    assert engine.check(NAME) == []


def test_an_error_forgets_what_was_not_committed(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    with pytest.raises(ZeroDivisionError), engine.writing(NAME) as writer:
        put(writer, document("b"), [EAST])
        writer.commit()
        put(writer, document("c"), [EAST])
        raise ZeroDivisionError
    assert found_ids(engine, EAST) == ["a#0", "b#0"]


def test_a_writer_can_commit_many_times(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        for number in range(3):
            put(writer, document(str(number)), [EAST])
            writer.commit()
            assert engine.describe(NAME).documents == number + 1
        writer.commit()
    assert found_ids(engine, EAST) == ["0#0", "1#0", "2#0"]


def test_chunks_can_be_added_after_a_commit_to_documents_put_before(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        put(writer, document("a"), [EAST])
        writer.commit()
        writer.add([chunk(document("a"), 1)], np.array([NORTH]))
        writer.commit()
    assert found_ids(engine, EAST) == ["a#0", "a#1"]


def test_a_second_writer_is_refused_while_there_is_one(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME):
        with pytest.raises(StoreBusy, match=NAME):
            engine.writing(NAME).__enter__()
        with pytest.raises(StoreBusy, match=NAME):
            engine.drop(NAME)
    with engine.writing(NAME) as writer:
        put(writer, document("a"), [EAST])
        writer.commit()
    assert found_ids(engine, EAST) == ["a#0"]


def test_two_collections_can_be_written_at_once(engine: Engine) -> None:
    engine.create("one", PROVENANCE)
    engine.create("two", PROVENANCE)
    with engine.writing("one") as one, engine.writing("two") as two:
        put(one, document("a"), [EAST])
        put(two, document("b"), [EAST])
        two.commit()
        one.commit()
    assert found_ids(engine, EAST, collection="one") == ["a#0"]
    assert found_ids(engine, EAST, collection="two") == ["b#0"]


# ── documents ────────────────────────────────────────────────────────────────────────────────────


def test_a_document_put_again_is_replaced_with_all_its_chunks(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST, NORTH, UP], "b": [EAST]})
    with engine.writing(NAME) as writer:
        put(writer, document("a", digest="2"), [SOUTH], text="new")
        writer.commit()
    assert found_ids(engine, EAST) == ["b#0", "a#0"]
    assert engine.chunks(NAME, ["a#0", "a#1"])["a#0"].text == "new"
    assert engine.describe(NAME).chunks == 2


def test_a_document_put_twice_before_a_commit_is_the_second_one(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        put(writer, document("a"), [EAST, EAST], text="first")
        put(writer, document("a"), [NORTH], text="second")
        writer.commit()
    assert {chunk.text for chunk in engine.chunks(NAME, ["a#0", "a#1"]).values()} == {"second"}
    assert engine.check(NAME) == []


def test_a_removed_document_is_found_no_more(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST, NORTH], "b": [EAST]})
    with engine.writing(NAME) as writer:
        writer.remove_document("a")
        writer.remove_document("not there")
        writer.commit()
    assert found_ids(engine, EAST) == ["b#0"]
    assert not engine.chunks(NAME, ["a#0", "a#1"])
    info = engine.describe(NAME)
    assert (info.documents, info.chunks) == (1, 1)


def test_a_document_without_chunks_is_counted_and_never_found(engine: Engine) -> None:
    store_documents(engine, {"a": [], "b": [EAST]})
    assert engine.describe(NAME).documents == 2
    assert found_ids(engine, EAST) == ["b#0"]


def test_a_document_can_move_to_another_source(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]}, source="old.md")
    store_documents(engine, {"a": [NORTH]}, source="new.md")
    assert engine.chunks(NAME, ["a#0"])["a#0"].source == "new.md"
    with engine.writing(NAME) as writer:
        assert (writer.document_count("old.md"), writer.document_count("new.md")) == (0, 1)
        assert writer.remove_source("old.md") == 0
        writer.commit()
    assert found_ids(engine, EAST) == ["a#0"]


def test_chunks_of_a_document_that_was_not_put_are_refused_and_leave_no_trace(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    with engine.writing(NAME) as writer:
        put(writer, document("b"), [NORTH])
        with pytest.raises(ValueError, match="`ghost`"):
            writer.add([chunk(document("b"), 1), chunk(document("ghost"))], np.array([EAST, EAST]))
        put(writer, document("c"), [UP])
        writer.commit()
    assert [found_ids(engine, query, 1) for query in (EAST, NORTH, UP)] == [["a#0"], ["b#0"], ["c#0"]]
    assert engine.check(NAME) == []


def test_as_many_vectors_as_chunks_are_needed(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        writer.put(document("a"))
        with pytest.raises(ValueError, match="1"):
            writer.add([chunk(document("a"))], directions(2))


# ── sources ──────────────────────────────────────────────────────────────────────────────────────


def test_claims_tell_source_and_digest_of_the_documents_that_are_stored(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST], "b#1": []})
    with engine.writing(NAME) as writer:
        assert writer.claims(["a", "b#1", "c"]) == {
            "a": Claim("notes.md", "1", current=False),
            "b#1": Claim("notes.md", "1", current=False),
        }
        assert writer.claims([]) == {}


def test_claims_of_more_documents_than_one_statement_takes(engine: Engine) -> None:
    store_documents(engine, {str(number): [] for number in range(1_200)})
    with engine.writing(NAME) as writer:
        assert writer.claims([str(number) for number in range(2_000)]).keys() == {
            str(number) for number in range(1_200)
        }


def test_a_document_is_current_once_it_was_put_or_kept_until_its_source_is_finished(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST], "b": [EAST]})
    with engine.writing(NAME) as writer:
        writer.put(document("a", digest="2"))
        writer.keep({"b": None})
        assert writer.claims(["a", "b"]) == {
            "a": Claim("notes.md", "2", current=True),
            "b": Claim("notes.md", "1", current=True),
        }
        writer.commit()
        assert all(claim.current for claim in writer.claims(["a", "b"]).values())
        writer.finish_source(state("notes.md"))
        assert not any(claim.current for claim in writer.claims(["a", "b"]).values())


def test_a_removed_document_is_not_current_when_it_comes_back(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        writer.put(document("a"))
        writer.remove_document("a")
        assert writer.claims(["a"]) == {}
        assert writer.finish_source(state("notes.md")) == 0


def test_finishing_a_source_removes_what_it_no_longer_holds(engine: Engine) -> None:
    store_documents(engine, {"kept": [EAST], "changed": [EAST], "gone": [EAST], "gone too": []})
    store_documents(engine, {"elsewhere": [EAST]}, source="other.md")
    with engine.writing(NAME) as writer:
        writer.keep({"kept": None})
        put(writer, document("changed", digest="2"), [NORTH])
        put(writer, document("new"), [NORTH])
        assert writer.finish_source(state("notes.md", content="2")) == 2
        writer.commit()
    assert found_ids(engine, EAST) == ["kept#0", "elsewhere#0", "changed#0", "new#0"]
    assert [known.content for known in engine.source_states(NAME, ["notes.md"])] == ["2"]


def test_keeping_moves_the_lines_of_a_record_and_leaves_those_of_a_file(engine: Engine) -> None:
    store_documents(engine, {"record": [EAST, NORTH], "file": [EAST]})
    with engine.writing(NAME) as writer:
        writer.keep({"record": 7, "file": None, "not there": 9})
        assert writer.finish_source(state("notes.md")) == 0
        writer.commit()
    chunks = engine.chunks(NAME, ["record#0", "record#1", "file#0"]).values()
    assert [(chunk.start_line, chunk.end_line) for chunk in chunks] == [(7, 7), (7, 7), (1, 1)]


def test_keeping_gives_lines_to_chunks_that_had_none_or_ended_elsewhere(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    record = document("a")
    with engine.writing(NAME) as writer:
        writer.put(record)
        ended_elsewhere = replace(chunk(record, 1, line=7), end_line=9)
        writer.add([chunk(record, 0, line=None), ended_elsewhere], directions(2))
        writer.keep({"a": 7})
        writer.commit()
    chunks = engine.chunks(NAME, ["a#0", "a#1"]).values()
    assert [(chunk.start_line, chunk.end_line) for chunk in chunks] == [(7, 7), (7, 7)]


def test_a_source_is_known_from_when_it_is_finished(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    finished = state("notes.md", content="x", recipe="y", size=2**40)
    with engine.writing(NAME) as writer:
        put(writer, document("a"), [EAST])
        assert writer.source("notes.md") is None
        writer.commit()
        assert list(engine.source_states(NAME)) == []
        assert engine.describe(NAME).sources == 0
        writer.finish_source(finished)
        assert writer.source("notes.md") == finished
        writer.commit()
    assert list(engine.source_states(NAME)) == [finished]
    assert engine.describe(NAME).sources == 1


def test_noting_a_source_changes_its_state_and_keeps_its_documents(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST], "b": [EAST]})
    touched = state("notes.md", size=9)
    with engine.writing(NAME) as writer:
        writer.note_source(touched)
        assert writer.source("notes.md") == touched
        writer.commit()
    assert list(engine.source_states(NAME)) == [touched]
    assert found_ids(engine, EAST) == ["a#0", "b#0"]


def test_removing_a_source_removes_its_documents_alone(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST], "b": [EAST]})
    store_documents(engine, {"c": [EAST]}, source="other.md")
    with engine.writing(NAME) as writer:
        assert writer.document_count("notes.md") == 2
        assert writer.remove_source("notes.md") == 2
        assert writer.remove_source("never seen") == 0
        assert writer.document_count("notes.md") == 0
        writer.commit()
    assert [known.name for known in engine.source_states(NAME)] == ["other.md"]
    assert found_ids(engine, EAST) == ["c#0"]


def test_a_source_that_an_interrupted_ingest_left_unfinished_is_listed_and_can_be_removed(
    engine: Engine,
) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        put(writer, document("a", "half.jsonl"), [EAST])
        writer.commit()
    with engine.writing(NAME) as writer:
        assert list(writer.sources_under("")) == ["half.jsonl"]
        assert writer.remove_source("half.jsonl") == 1
        writer.commit()
    assert found_ids(engine, EAST) == []


SOURCES = [
    "a.md",
    "a/b.md",
    "a/é.md",
    "a/😀.md",
    "a_b",
    "aXb",
    "a%",
    "a%b",
    "A/b.md",
    "b/\U0010ffff",
    "b/\ud7ff",
]


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/b.md", "a_", "a%", "a/é", "A", "b/\U0010ffff", "b/\ud7ff", "c", "[a", "*"]
)
def test_sources_under_a_prefix_are_those_that_begin_with_it_in_order(engine: Engine, prefix: str) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        for source in SOURCES:
            writer.finish_source(state(source))
        assert list(writer.sources_under(prefix)) == sorted(
            source for source in SOURCES if source.startswith(prefix)
        )


def test_source_states_are_those_named_in_that_order_or_all_by_name(engine: Engine) -> None:
    for source in ("b.md", "a.md", "c.md"):
        store_documents(engine, {}, source=source)
    assert [known.name for known in engine.source_states(NAME)] == ["a.md", "b.md", "c.md"]
    assert [known.name for known in engine.source_states(NAME, ["c.md", "none", "a.md"])] == ["c.md", "a.md"]
    assert list(engine.source_states(NAME, [])) == []


# ── search ───────────────────────────────────────────────────────────────────────────────────────


def test_the_most_similar_chunks_come_first_with_cosine_and_rank(engine: Engine) -> None:
    store_documents(engine, {"south": [SOUTH], "east": [EAST], "both": [NORTH_EAST], "north": [NORTH]})
    found = engine.search(NAME, NORTH, limit=4, num_candidates=4)
    assert [candidate.chunk.id for candidate in found.candidates] == [
        "north#0",
        "both#0",
        "east#0",
        "south#0",
    ]
    similarities = [candidate.similarity for candidate in found.candidates]
    assert similarities == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-6)
    assert [candidate.stage1_score for candidate in found.candidates] == similarities
    assert [candidate.stage1_rank for candidate in found.candidates] == [1, 2, 3, 4]
    assert [candidate.vector_rank for candidate in found.candidates] == [1, 2, 3, 4]
    assert {(candidate.words_rank, candidate.words_score) for candidate in found.candidates} == {(None, None)}
    assert found.unindexed == 0


def test_candidates_hold_the_whole_chunk(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST, NORTH]})
    (candidate,) = engine.search(NAME, NORTH, limit=1, num_candidates=1).candidates
    assert candidate.chunk == chunk(document("a"), 1)


def test_equal_similarities_stay_in_stored_order(engine: Engine) -> None:
    store_documents(engine, {"b": [EAST, EAST], "a": [EAST], "c": [NORTH, EAST]})
    assert found_ids(engine, EAST) == ["b#0", "b#1", "a#0", "c#1", "c#0"]
    assert found_ids(engine, EAST, 3) == ["b#0", "b#1", "a#0"]


@pytest.mark.parametrize("count", [2, 3, 5, 7, 64, 131])
def test_equal_vectors_are_equally_similar_wherever_they_are_stored(engine: Engine, count: int) -> None:
    """A product of matrix and vector rounds by the row's place; what the user sees must not."""
    vector, query = unit(*range(1, 31)), unit(*range(30, 0, -1))
    engine.create(NAME, replace(PROVENANCE, dimension=30))
    with engine.writing(NAME) as writer:
        put(writer, document("a"), [vector] * count)
        writer.commit()
    found = engine.search(NAME, query, limit=count, num_candidates=count)
    assert [candidate.chunk.ordinal for candidate in found.candidates] == list(range(count))
    assert {candidate.similarity for candidate in found.candidates} == {float(np.dot(vector, query))}


def test_stored_order_is_the_order_in_which_chunks_were_added(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        first, second = document("first"), document("second")
        writer.put(first)
        writer.put(second)
        writer.add([chunk(second)], np.array([EAST]))
        writer.add([chunk(first)], np.array([EAST]))
        writer.commit()
    assert found_ids(engine, EAST) == ["second#0", "first#0"]


def test_a_limit_beyond_the_collection_gives_all_of_it(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST], "b": [NORTH]})
    assert sorted(found_ids(engine, UP, 10_000)) == ["a#0", "b#0"]


def test_an_empty_collection_answers_with_nothing(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    assert engine.search(NAME, EAST, limit=5, num_candidates=100).candidates == ()
    store_documents(engine, {"a": [EAST]})
    with engine.writing(NAME) as writer:
        writer.remove_source("notes.md")
        writer.commit()
    assert engine.search(NAME, EAST, limit=5, num_candidates=100).candidates == ()


def oracle(vectors: dict[str, list[Vector]]) -> ExactEngine:
    """The exact engine with these documents."""
    exact = ExactEngine()
    store_documents(exact, vectors)
    return exact


def test_an_exact_search_finds_what_the_oracle_finds(engine: Engine) -> None:
    vectors = {str(number): list(directions(5, seed=number)) for number in range(40)}
    store_documents(engine, vectors)
    expected = oracle(vectors)
    for query in directions(10, seed=99):
        found = engine.search(NAME, query, limit=20, num_candidates=20, exact=True)
        assert found.exact
        assert found == expected.search(NAME, query, limit=20, num_candidates=20)


def test_a_larger_num_candidates_never_lowers_mean_recall(engine: Engine) -> None:
    vectors = {str(number): list(directions(10, seed=number)) for number in range(50)}
    store_documents(engine, vectors)
    expected, queries = oracle(vectors), directions(20, seed=99)

    def mean_recall(num_candidates: int) -> float:
        shares = []
        for query in queries:
            right = {*found_ids(expected, query, 10)}
            found = engine.search(NAME, query, limit=10, num_candidates=num_candidates).candidates
            shares.append(len(right & {candidate.chunk.id for candidate in found}) / len(right))
        return sum(shares) / len(shares)

    recalls = [mean_recall(num_candidates) for num_candidates in (10, 20, 100, 500)]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1.0


# ── chunks ───────────────────────────────────────────────────────────────────────────────────────

json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
lines = st.none() | st.integers(1, 2**40)


@st.composite
def stored_chunks(draw: st.DrawFn) -> tuple[StoredDocument, list[Chunk]]:
    """A document with chunks of any content."""
    of = StoredDocument(
        id=draw(st.text(min_size=1)),
        source=draw(st.text(min_size=1)),
        title=draw(st.text()),
        digest=draw(st.text()),
        metadata=draw(st.dictionaries(st.text(), json_values, max_size=3)),
    )
    chunks = [
        Chunk(
            document_id=of.id,
            ordinal=ordinal,
            source=of.source,
            title=of.title,
            text=draw(st.text()),
            start=draw(st.integers(0, 2**40)),
            end=draw(st.integers(0, 2**40)),
            start_line=draw(lines),
            end_line=draw(lines),
            page=draw(lines),
            heading=tuple(draw(st.lists(st.text(), max_size=3))),
            tokens=draw(st.integers(0, 2**31)),
            metadata=of.metadata,
        )
        for ordinal in range(draw(st.integers(1, 3)))
    ]
    return of, chunks


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(stored=stored_chunks())
def test_a_chunk_comes_back_as_it_was_stored(
    engine: Engine, stored: tuple[StoredDocument, list[Chunk]]
) -> None:
    of, chunks = stored
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        writer.put(of)
        writer.add(chunks, directions(len(chunks)))
        writer.commit()
    assert engine.chunks(NAME, [chunk.id for chunk in chunks]) == {chunk.id: chunk for chunk in chunks}
    found = engine.search(NAME, EAST, limit=100, num_candidates=100).candidates
    assert {candidate.chunk.id: candidate.chunk for candidate in found}.items() >= {
        chunk.id: chunk for chunk in chunks
    }.items()
    engine.drop(NAME)


def test_chunks_are_found_by_ids_that_hold_a_number_sign(engine: Engine) -> None:
    store_documents(engine, {"c#": [EAST], "c": [NORTH], "c#0": [UP], "": [SOUTH]})
    found = engine.chunks(NAME, ["c##0", "c#0", "c#0#0", "#0"])
    assert {chunk_id: chunk.document_id for chunk_id, chunk in found.items()} == {
        "c##0": "c#",
        "c#0": "c",
        "c#0#0": "c#0",
        "#0": "",
    }


def test_chunks_that_are_not_stored_are_left_out(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST]})
    assert list(engine.chunks(NAME, ["a#1", "a", "", "#", "a#x", "b#0", "a#0"])) == ["a#0"]
    assert engine.chunks(NAME, []) == {}


@pytest.mark.parametrize(
    "chunk_id",
    [
        *(
            "",
            "x",
            "#",
            "x#",
            "#0",
            "x#-1",
            "x#+1",
            "x#01",
            "x#00",
            "x#1 ",
            "x# 1",
            "x#1_0",
            "x#0.0",
            "x#1e0",
        ),
        *("x#٠", "x#²", "x#一", "x#0x1", f"x#{10**8}", f"x#{10**9}", f"x#{2**63}", f"x#{10**30}", "x#0#0"),
        *("X#0", "x\0#0", " x#0", "x#0\n", "\udc80#0", "x#\udc80", "\ud800x#0", "x\udfff#1"),
    ],
)
def test_what_is_no_chunk_s_id_is_none(engine: Engine, chunk_id: str) -> None:
    store_documents(engine, {"x": [EAST, NORTH], "é#": [UP]})
    assert engine.chunks(NAME, [chunk_id]) == {}
    assert list(engine.chunks(NAME, [chunk_id, "x#1", chunk_id, "é##0"])) == ["x#1", "é##0"]


def test_single_chunks_are_found_in_the_order_asked_for_each_once(engine: Engine) -> None:
    store_documents(engine, {"a": [EAST] * 12, "a#1": [NORTH] * 3})
    asked = ["a#11", "a#1#2", "a#1", "a#11", "a#1#0", "b#0", "a#12"]
    assert list(engine.chunks(NAME, asked)) == ["a#11", "a#1#2", "a#1", "a#1#0"]
    assert {chunk.id for chunk in engine.chunks(NAME, asked).values()} == {"a#11", "a#1#2", "a#1", "a#1#0"}


def test_more_chunks_than_one_statement_takes_can_be_asked_for(engine: Engine) -> None:
    store_documents(engine, {str(number): [EAST, NORTH] for number in range(1_100)})
    ids = [f"{number}#{ordinal}" for ordinal in (1, 0) for number in range(1_100)]
    assert list(engine.chunks(NAME, ids)) == ids
    assert list(engine.chunks(NAME, [f"{number}#7" for number in range(3_000)] + ids[-1:])) == ids[-1:]


# ── words ────────────────────────────────────────────────────────────────────────────────────────

WORDS, HYBRID = Stage1("words"), Stage1("hybrid")


def asked(
    engine: Engine,
    query: Vector,
    text: str,
    stage1: Stage1,
    *,
    limit: int = 10,
    num_candidates: int = 10,
    filter: Filter | None = None,
) -> list[Candidate]:
    """The candidates of one search."""
    found = engine.search(
        NAME,
        query,
        limit=limit,
        num_candidates=num_candidates,
        text=text,
        stage1=stage1,
        filter=filter,
    )
    return list(found.candidates)


def store_texts(engine: Engine, texts: Mapping[str, tuple[str, Vector]]) -> None:
    """A document of one chunk for each text."""
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        for document_id, (text, vector) in texts.items():
            put(writer, document(document_id), [vector], text=text)
        writer.finish_source(state("notes.md"))
        writer.commit()


@pytest.fixture
def boats(engine: Engine) -> Engine:
    """Three texts, of which the one that says E0308 points away from any query."""
    store_texts(
        engine,
        {
            "sails": ("reefing the sails in a storm", EAST),
            "errors": ("mismatched types, error E0308", SOUTH),
            "storms": ("storm, storm and a storm again", NORTH),
        },
    )
    return engine


def test_words_find_what_the_vectors_do_not(boats: Engine) -> None:
    (found,) = asked(boats, EAST, "what is E0308?", WORDS)
    assert (found.chunk.id, found.words_rank, found.vector_rank) == ("errors#0", 1, None)
    assert found.similarity == pytest.approx(0.0)
    assert found.words_score is not None
    assert found.words_score > 0
    assert found.stage1_score == 1.0


def test_by_words_alone_what_has_none_of_them_is_not_found(boats: Engine) -> None:
    assert asked(boats, EAST, "nothing of that kind", WORDS) == []
    assert asked(boats, EAST, "", WORDS) == []


def test_more_of_a_word_ranks_higher(boats: Engine) -> None:
    found = asked(boats, EAST, "storm", WORDS)
    assert [candidate.chunk.id for candidate in found] == ["storms#0", "sails#0"]
    assert [candidate.words_rank for candidate in found] == [1, 2]


@pytest.mark.parametrize("fusion", ["scores", "ranks"])
def test_a_hybrid_search_finds_by_either_and_says_by_which(
    boats: Engine, fusion: Literal["scores", "ranks"]
) -> None:
    found = asked(boats, EAST, "E0308", Stage1("hybrid", fusion), limit=2, num_candidates=2)
    seen = {item.chunk.id: (item.vector_rank, item.words_rank) for item in found}
    assert seen["sails#0"] == (1, None)
    assert seen["errors#0"][1] == 1
    assert all(item.words_score is not None for item in found)
    assert [item.stage1_rank for item in found] == [1, 2]
    assert found[0].stage1_score >= found[1].stage1_score


def test_a_vector_search_does_not_look_for_words(boats: Engine) -> None:
    found = asked(boats, EAST, "E0308", Stage1("vector"))
    assert all((item.words_rank, item.words_score) == (None, None) for item in found)
    assert [item.stage1_score for item in found] == [item.similarity for item in found]


def test_title_and_headings_are_words_too(engine: Engine) -> None:
    of = document("a", title="Anchoring")
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        writer.put(of)
        writer.add([replace(chunk(of), heading=("Anchoring", "In mud"))], np.array([EAST]))
        writer.commit()
    assert [found.chunk.id for found in asked(engine, EAST, "mud", WORDS)] == ["a#0"]
    assert [found.chunk.id for found in asked(engine, EAST, "anchoring", WORDS)] == ["a#0"]


def test_words_of_removed_and_replaced_documents_are_gone(boats: Engine) -> None:
    with boats.writing(NAME) as writer:
        writer.remove_document("errors")
        put(writer, document("sails", digest="2"), [EAST], text="furled")
        writer.commit()
    assert asked(boats, EAST, "E0308 reefing", WORDS) == []
    assert [found.chunk.id for found in asked(boats, EAST, "furled", WORDS)] == ["sails#0"]


def test_scores_depend_on_what_is_stored_and_not_on_how_it_came_to_be(boats: Engine) -> None:
    before = asked(boats, EAST, "storm", HYBRID)
    for number in range(20):
        store_documents(boats, {"passing": [EAST]}, source="p.md", text=f"storm {number}" * 9)
    with boats.writing(NAME) as writer:
        writer.remove_source("p.md")
        writer.commit()
    assert asked(boats, EAST, "storm", HYBRID) == before


# ── filters ──────────────────────────────────────────────────────────────────────────────────────


def has(field: str, operator: Operator, value: Json) -> Condition:
    """A condition on a metadata field, or on one of those that every chunk has."""
    return Condition(field, field not in FIELDS, operator, value)


@pytest.fixture
def years(engine: Engine) -> Engine:
    """A hundred documents, one of ten years each, all equally similar to the query."""
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        for name in range(4):
            for number in range(name, 100, 4):
                metadata: dict[str, Json] = {"year": 2000 + number % 10, "tags": ["even"] * (number % 2 == 0)}
                put(writer, document(f"{number:02}", f"{name}.md", metadata=metadata), [EAST, UP])
            writer.finish_source(state(f"{name}.md"))
        writer.commit()
    return engine


@pytest.mark.parametrize(
    ("wanted", "matched"),
    [
        (has("year", "eq", 2003), 20),
        (has("year", "gte", 2008), 40),
        (has("year", "ne", 2003), 180),
        (has("tags", "eq", "even"), 100),
        (has("path", "eq", "1.md"), 50),
        (has("year", "exists", False), 0),
        (Every((has("year", "eq", 2002), has("path", "glob", "[02].md"))), 20),
        (Some((has("year", "eq", 2001), has("year", "eq", 2002))), 40),
        (Negated(has("tags", "eq", "even")), 100),
    ],
)
def test_a_filter_lets_through_what_it_says_and_the_limit_is_filled(
    years: Engine, wanted: Filter, matched: int
) -> None:
    found = years.search(NAME, EAST, limit=30, num_candidates=30, filter=wanted)
    assert found.matched == matched
    assert len(found.candidates) == min(30, matched)
    everything = years.search(NAME, EAST, limit=200, num_candidates=200, filter=wanted)
    assert len(everything.candidates) == matched
    scanned = [item.id for chunks, _ in years.scan(NAME, wanted) for item in chunks]
    assert sorted(candidate.chunk.id for candidate in everything.candidates) == sorted(scanned)
    assert len(years.documents(NAME, wanted)) == matched // 2


def test_documents_are_not_found_by_headings_which_are_of_chunks(years: Engine) -> None:
    with pytest.raises(ValueError, match="headings"):
        years.documents(NAME, has("heading", "eq", "Weather"))


def test_a_filter_limits_words_too(years: Engine) -> None:
    found = asked(years, EAST, "words", WORDS, limit=100, num_candidates=100, filter=has("year", "eq", 2003))
    assert len(found) == 20
    assert {item.chunk.metadata["year"] for item in found} == {2003}


def test_without_a_filter_nothing_is_said_of_matches(years: Engine) -> None:
    assert years.search(NAME, EAST, limit=3, num_candidates=3).matched is None


def test_the_fields_of_documents_are_listed(years: Engine) -> None:
    assert list(years.fields(NAME)) == ["tags", "year"]


# ── all of it ────────────────────────────────────────────────────────────────────────────────────


def test_a_scan_gives_every_chunk_with_its_vector_in_order(engine: Engine) -> None:
    vectors = {f"{number:04}": [unit(number + 1, 1, 0, 0)] for number in range(1_200)}
    store_documents(engine, vectors)
    ids, rows = [], []
    for chunks, matrix in engine.scan(NAME):
        ids += [item.id for item in chunks]
        rows += matrix.tolist()
    assert ids == [f"{number:04}#0" for number in range(1_200)]
    assert rows == [vector.tolist() for (vector,) in vectors.values()]


def test_a_sample_is_spread_over_all_and_always_the_same(engine: Engine) -> None:
    store_documents(engine, {"a": list(directions(50))})
    sample = engine.sample(NAME, 5)
    assert sample.tolist() == directions(50)[[0, 10, 20, 30, 40]].tolist()
    assert engine.sample(NAME, 80).tolist() == directions(50).tolist()


# ── check ────────────────────────────────────────────────────────────────────────────────────────


def test_a_collection_that_has_been_through_much_is_whole(engine: Engine) -> None:
    for content in range(4):
        documents = {f"{number}": list(directions(number, seed=content)) for number in range(content, 9)}
        store_documents(engine, documents)
        assert engine.check(NAME) == []


def test_vectors_that_are_not_of_unit_length_are_counted(engine: Engine) -> None:
    wrong = np.zeros((4, DIMENSION), dtype=np.float32)
    wrong[0, 0], wrong[1, 0], wrong[2, 0] = 1.0, 2.0, np.nan
    store_documents(engine, {"a": list(wrong)})
    assert engine.check(NAME) == ["3 vectors are not of unit length"]


def test_a_new_size_of_chunks_becomes_part_of_the_provenance(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    with engine.writing(NAME) as writer:
        writer.note_chunk_tokens(50)
        assert engine.provenance(NAME).chunk_tokens == PROVENANCE.chunk_tokens, "not before the commit"
        writer.commit()
    assert engine.provenance(NAME).chunk_tokens == engine.describe(NAME).provenance.chunk_tokens == 50
