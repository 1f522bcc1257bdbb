"""What every reranker does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vai.arrays import Vector
from vai.models.catalog import DEFAULT_RERANKER, open_reranker
from vai.models.voyage import VoyageReranker
from vai.protocols import Reranker
from vai.types import Reading
from voyage_stub import VoyageStub

QUERY = "How do I run something when the interpreter exits?"
PASSAGES = (
    "Functions registered with atexit run when the interpreter exits.",
    "Bread needs flour, water, salt and patience.",
    "To run something later, use a timer.",
    "interpreter " * 9,
    "Überraschung! 日本語のテキスト 😀",
    "Functions registered with atexit run when the interpreter exits.",
    "half a character \udc80",
)
relaxed = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Case:
    """A reranker, words that make a passage too long for it, and whether it reads a query only so far."""

    reranker: Reranker
    too_long: int
    limits_query: bool


@pytest.fixture(scope="module", params=[DEFAULT_RERANKER, "word-overlap", "rerank-2.5"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Every reranker; the remote one talks to a stand-in on this machine."""
    if request.param == "rerank-2.5":
        with VoyageStub() as stub:
            voyage = VoyageReranker("rerank-2.5", key=stub.key, base_url=stub.base_url)
            yield Case(voyage, too_long=60_000, limits_query=True)
            voyage.close()
    else:
        reranker = open_reranker(request.param, threads=2)
        yield Case(reranker, too_long=1_000, limits_query=request.param == DEFAULT_RERANKER)


@pytest.fixture
def reranker(case: Case) -> Reranker:
    """The reranker of the case."""
    return case.reranker


def values(reading: Reading) -> Vector:
    """What the order is by."""
    return reading.relevance if reading.logits is None else reading.logits


def assert_fits(reading: Reading, count: int) -> None:
    """Every array of the reading has a float32 for each passage."""
    arrays = [reading.relevance, reading.seen, values(reading)]
    assert [(array.shape, array.dtype) for array in arrays] == [((count,), np.dtype(np.float32))] * 3


def test_it_says_who_it_is(reranker: Reranker) -> None:
    assert reranker.name
    assert 0.0 <= reranker.blend <= 1.0
    assert reranker.similarity_scale > 0.0
    assert reranker.calibrated in {True, False}
    assert all(len(language) == 2 for language in reranker.languages)


def test_every_passage_has_a_value_and_was_seen_to_its_end(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES)
    assert_fits(reading, len(PASSAGES))
    assert np.isfinite(values(reading)).all()
    assert reading.seen.tolist() == [1.0] * len(PASSAGES)
    assert (reading.reason, reading.query_seen) == (None, 1.0)
    assert reading.tokens > 0


def test_relevance_lies_in_0_to_1_and_rises_with_the_logits(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES)
    assert ((reading.relevance >= 0) & (reading.relevance <= 1)).all()
    order = np.argsort(values(reading), kind="stable")
    assert (np.diff(reading.relevance[order]) >= 0).all()


@pytest.fixture(scope="module")
def alone(case: Case) -> list[Reading]:
    """Each passage, read by itself."""
    return [case.reranker.score(QUERY, [passage]) for passage in PASSAGES]


@relaxed
@given(order=st.lists(st.integers(0, len(PASSAGES) - 1), max_size=10))
def test_a_passage_has_the_same_value_alone_and_in_any_list(
    case: Case, alone: list[Reading], order: list[int]
) -> None:
    """To the last bit; values come in the order of the passages, whatever that is."""
    together = case.reranker.score(QUERY, [PASSAGES[index] for index in order])
    for row, index in enumerate(order):
        assert values(together)[row] == values(alone[index])[0]
        assert together.relevance[row] == alone[index].relevance[0]
        assert together.seen[row] == alone[index].seen[0]
    assert together.tokens == sum(alone[index].tokens for index in order)


@relaxed
@given(order=st.permutations(range(len(PASSAGES))))
def test_passages_in_another_order_have_the_same_values_in_that_order(
    reranker: Reranker, alone: list[Reading], order: list[int]
) -> None:
    permuted = reranker.score(QUERY, [PASSAGES[index] for index in order])
    assert values(permuted).tolist() == [float(values(alone[index])[0]) for index in order]


def test_no_passages_make_an_empty_reading(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, [])
    assert_fits(reading, 0)
    assert (reading.tokens, reading.reason) == (0, None)


def test_an_empty_passage_is_worth_less_than_a_right_one(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, ["", PASSAGES[0]])
    assert values(reading)[0] < values(reading)[1]
    assert reading.seen[0] == 1.0


def test_after_the_deadline_nothing_is_read_and_the_reading_says_so(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES, deadline=time.monotonic() - 1)
    assert_fits(reading, len(PASSAGES))
    assert np.isnan(values(reading)).all()
    assert np.isnan(reading.relevance).all()
    assert reading.seen.tolist() == [0.0] * len(PASSAGES)
    assert reading.tokens == 0
    assert reading.reason


def test_a_deadline_far_away_changes_nothing(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES, deadline=time.monotonic() + 3_600)
    assert values(reading).tolist() == values(reranker.score(QUERY, PASSAGES)).tolist()
    assert reading.reason is None


def test_a_passage_too_long_is_seen_in_part(case: Case) -> None:
    reading = case.reranker.score(QUERY, ["words " * case.too_long, "words " * 2 * case.too_long, "short"])
    first, second, short = reading.seen.tolist()
    assert 0 < second < first < 1
    assert short == 1.0
    assert np.isfinite(values(reading)).all()


def test_a_query_too_long_is_seen_in_part_where_the_model_has_a_limit(case: Case) -> None:
    reading = case.reranker.score("exit " * 20_000, [PASSAGES[0], PASSAGES[1]])
    assert 0 < reading.query_seen <= 1
    assert (reading.query_seen < 1) == case.limits_query
    assert np.isfinite(values(reading)).all()


@pytest.mark.parametrize(
    ("query", "right", "unrelated"),
    [
        (QUERY, PASSAGES[0], PASSAGES[1]),
        (
            "parse command line options with subcommands",
            "argparse can parse command line options and has subcommands",
            "A sonnet has fourteen lines",
        ),
        ("capital of France", "Paris is the capital of France.", "Rust has no garbage collector."),
    ],
)
def test_a_passage_that_answers_is_worth_more_than_an_unrelated_one(
    reranker: Reranker, query: str, right: str, unrelated: str
) -> None:
    reading = reranker.score(query, [unrelated, right])
    assert values(reading)[1] > values(reading)[0]
    assert reading.relevance[1] > reading.relevance[0]


@relaxed
@given(query=st.text(st.characters(codec=None), min_size=1, max_size=30), passage=st.text(max_size=30))
def test_any_text_can_be_read(reranker: Reranker, query: str, passage: str) -> None:
    reading = reranker.score(query, [passage])
    assert np.isfinite(values(reading)).all()
    assert reading.query_seen == 1.0
