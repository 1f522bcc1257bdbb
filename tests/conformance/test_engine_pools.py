"""A pool holds all that a search by vectors and words finds: from it follows every order of stage 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_samples import EAST, NAME, PROVENANCE, SOUTH, chunk, directions, document, state
from vai.arrays import Vector
from vai.evaluation.replaying.pools import pools_of, stage1_order
from vai.filters import Condition, Filter
from vai.protocols import Engine
from vai.types import Candidate, Json, Pool, Stage1

PALETTE = directions(6)
"""Few, so that many chunks are equally similar."""
TEXTS = (
    "the ferry leaves the harbour",
    "the ferry waits for the tide, the tide",
    "bread and salt",
    "a hot oven bakes bread",
    "terns fly along the coast to the harbour",
)
"""Few, so that many chunks are equal in their words."""
DOCUMENTS = 60
QUESTIONS = ("the ferry and the tide", "bread", "harbour harbour salt", "zyzzyva", "", "the of and")
QUERIES = (*directions(3, seed=4), PALETTE[2])
FILTERS: tuple[Filter | None, ...] = (
    None,
    Condition("third", metadata=True, operator="eq", value=1),
    Condition("id", metadata=False, operator="ne", value="d7"),
    Condition("third", metadata=True, operator="eq", value=9),
)
STAGE1 = (
    Stage1("vector"),
    Stage1("words"),
    Stage1("hybrid"),
    Stage1("hybrid", "scores", 0.0),
    Stage1("hybrid", "scores", 1.7),
    Stage1("hybrid", "ranks"),
)


@pytest.fixture
def filled(engine: Engine) -> Iterator[Engine]:
    """Documents of one to three chunks, many of them equal, and some of which were removed."""
    engine.create(NAME, PROVENANCE)
    random = np.random.default_rng(2)
    with engine.writing(NAME) as writer:
        for number in range(DOCUMENTS):
            metadata: dict[str, Json] = {"third": number % 3}
            of = document(f"d{number}", metadata=metadata)
            writer.put(of)
            texts = random.choice(TEXTS, size=1 + number % 3).tolist()
            vectors = PALETTE[random.integers(0, len(PALETTE), size=len(texts))]
            writer.add([chunk(of, ordinal, text) for ordinal, text in enumerate(texts)], vectors)
        writer.finish_source(state("notes.md"))
        writer.commit()
        for number in (4, 5, 30):
            writer.remove_document(f"d{number}")
        writer.commit()
    yield engine


def pool(
    engine: Engine,
    query: Vector,
    text: str,
    *,
    limit: int = 10,
    num_candidates: int = 20,
    filter: Filter | None = None,
    exact: bool = False,
) -> Pool:
    return engine.pool(
        NAME, query, text=text, limit=limit, num_candidates=num_candidates, filter=filter, exact=exact
    )


def in_order(found: Pool, stage1: Stage1, *, limit: int, num_candidates: int) -> list[tuple[Any, ...]]:
    """What stage 1 says of the `limit` best that follow from a pool, best first."""
    pools = pools_of([found], [{}], unit="chunk", num_candidates=num_candidates, limit=limit)
    order = stage1_order(pools, stage1, num_candidates=num_candidates, limit=limit)
    known, by_both = found.scores, stage1.mode == "hybrid"
    return [
        (
            found.ids[column],
            score,
            known.similarities[column].item(),
            known.vector_ranks[column].item() or None if by_both or stage1.mode == "vector" else None,
            known.words_ranks[column].item() or None if by_both or stage1.mode == "words" else None,
            known.words_scores[column].item() if stage1.mode != "vector" else None,
        )
        for column, score in zip(order.columns[0].tolist(), order.scores[0].tolist(), strict=True)
        if column >= 0
    ]


def said(candidate: Candidate) -> tuple[Any, ...]:
    """The same of a candidate that a search found."""
    return (
        candidate.chunk.id,
        candidate.stage1_score,
        candidate.similarity,
        candidate.vector_rank,
        candidate.words_rank,
        candidate.words_score,
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_the_best_of_every_search_follow_from_the_pool(filled: Engine, data: st.DataObject) -> None:
    num_candidates = data.draw(st.integers(1, 130))
    limit = data.draw(st.integers(1, num_candidates))
    query, text = data.draw(st.sampled_from(QUERIES)), data.draw(st.sampled_from(QUESTIONS))
    filter, exact = data.draw(st.sampled_from(FILTERS)), data.draw(st.booleans())
    options: dict[str, Any] = {
        "limit": limit,
        "num_candidates": num_candidates,
        "filter": filter,
        "exact": exact,
    }
    whole = pool(filled, query, text, **options)
    for stage1 in STAGE1:
        found = filled.search(NAME, query, text=text, stage1=stage1, **options)
        expected = [said(candidate) for candidate in found.candidates]
        assert in_order(whole, stage1, limit=limit, num_candidates=num_candidates) == expected
        assert whole.exact == found.exact


@pytest.mark.parametrize("text", QUESTIONS)
@pytest.mark.parametrize("filter", FILTERS)
def test_a_pool_is_in_the_collection_s_order_with_what_both_searches_found(
    filled: Engine, filter: Filter | None, text: str
) -> None:
    found = pool(filled, QUERIES[0], text, num_candidates=15, filter=filter)
    stored = [chunk.id for chunks, _ in filled.scan(NAME, filter) for chunk in chunks]
    assert list(found.ids) == [chunk_id for chunk_id in stored if chunk_id in set(found.ids)]
    ranks = found.scores.vector_ranks, found.scores.words_ranks
    for found_at, most in zip(ranks, (min(15, len(stored)), 15), strict=True):
        given_ranks = sorted(found_at[found_at > 0].tolist())
        assert given_ranks == list(range(1, len(given_ranks) + 1))
        assert len(given_ranks) <= most
    assert (ranks[0] > 0).sum() == min(15, len(stored))
    assert ((ranks[0] > 0) | (ranks[1] > 0)).all()
    assert ((ranks[1] > 0) <= (found.scores.words_scores > 0)).all()
    assert {len(values) for values in _columns(found)} == {len(found.ids)}


def _columns(found: Pool) -> tuple[Any, ...]:
    scores = found.scores
    return scores.similarities, scores.words_scores, scores.vector_ranks, scores.words_ranks


def test_the_numbers_of_a_pool_have_the_types_they_are_said_to_have(filled: Engine) -> None:
    kinds = [values.dtype.name for values in _columns(pool(filled, EAST, "bread"))]
    assert kinds == ["float32", "float32", "int32", "int32"]


def test_a_pool_of_nothing_is_empty(engine: Engine) -> None:
    engine.create(NAME, PROVENANCE)
    found = pool(engine, SOUTH, "bread")
    assert (found.ids, [len(values) for values in _columns(found)]) == ((), [0, 0, 0, 0])
    for stage1 in STAGE1:
        assert in_order(found, stage1, limit=10, num_candidates=20) == []


def test_where_no_vector_is_left_out_a_pool_holds_for_every_search(filled: Engine) -> None:
    found = pool(filled, EAST, "bread", limit=3, num_candidates=50)
    assert (found.exact, found.depth, found.any_depth, found.any_limit) == (True, None, True, True)
    for num_candidates, limit in ((50, 50), (49, 2), (7, 7), (1, 1)):
        shallow = pool(filled, EAST, "bread", limit=limit, num_candidates=num_candidates)
        for stage1 in STAGE1:
            order = {"limit": limit, "num_candidates": num_candidates}
            pools = pools_of([found], [{}], unit="chunk", num_candidates=50, limit=3)
            columns = stage1_order(pools, stage1, **order).columns[0]
            ids = [found.ids[column] for column in columns.tolist() if column >= 0]
            assert ids == [chunk_id for chunk_id, *_ in in_order(shallow, stage1, **order)]


def test_a_query_of_another_shape_is_refused(filled: Engine) -> None:
    with pytest.raises(ValueError, match="3"):
        pool(filled, np.ones(3, dtype=np.float32), "bread")


def test_one_commit_is_seen(filled: Engine) -> None:
    before = pool(filled, EAST, "bread", num_candidates=200)
    with filled.writing(NAME) as writer:
        writer.remove_document("d0")
        assert pool(filled, EAST, "bread", num_candidates=200).ids == before.ids
        writer.commit()
    after = pool(filled, EAST, "bread", num_candidates=200)
    assert set(before.ids) - set(after.ids) == {"d0#0"}
    assert after.depth is None
    assert astuple(after)[0] == after.ids
