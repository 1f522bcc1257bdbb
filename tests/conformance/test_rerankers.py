"""What every reranker does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiny_models
from model_stub import ModelStub
from server_stubs import Cohere, Tei
from torch_samples import save_reranker, stand_in
from vai.calibration import relevance_of
from vai.models.access import Access
from vai.models.catalog import DEFAULT_RERANKER, open_reranker
from vai.protocols import Reranker
from vai.scores import SCORES_FILE, CachedReranker, ScoreStore
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


# ── which there are ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Case:
    """A reranker, and what it can do.

    Args:
        reranker: ready to use.
        windowed: how many short words are too many to be read at once, and are read in windows.
        limits_query: whether it reads a query only so far.
        rereads: whether a passage that occurs twice in a list is read twice.
    """

    reranker: Reranker
    windowed: int
    limits_query: bool
    rereads: bool = True


@contextmanager
def bundled(_: Path) -> Iterator[Case]:
    """The one in the package."""
    yield Case(open_reranker(threads=2), windowed=1_000, limits_query=True)


@contextmanager
def word_overlap(_: Path) -> Iterator[Case]:
    """The one for tests."""
    yield Case(open_reranker("word-overlap"), windowed=1_000, limits_query=False)


@contextmanager
def voyage(_: Path) -> Iterator[Case]:
    """Voyage's, which talks to a stand-in on this machine."""
    with VoyageStub() as stub:
        access = Access(voyage_key=stub.key, voyage_url=stub.base_url)
        yield Case(open_reranker("rerank-2.5", access=access), windowed=60_000, limits_query=True)


def at_address(
    judge: Cohere | Tei, name: str, key: str | None = None
) -> Callable[[Path], AbstractContextManager[Case]]:
    """One behind an address, at which a stand-in on this machine answers."""

    @contextmanager
    def opened(_: Path) -> Iterator[Case]:
        with ModelStub(judge, key) as stub:
            reranker = open_reranker(name.format(stub.address), access=Access(rerank_key=stub.key))
            yield Case(reranker, windowed=1_000, limits_query=True)

    return opened


class Forgetful(CachedReranker):
    """Knows nothing at the beginning of each call, so that the one inside is always called."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        self.store.clear()
        return super().score(query, passages, deadline=deadline)


@contextmanager
def cached(folder: Path) -> Iterator[Case]:
    """One with the score cache before it."""
    with closing(ScoreStore(folder / SCORES_FILE)) as store:
        reranker = Forgetful(open_reranker("word-overlap"), store)
        yield Case(reranker, windowed=1_000, limits_query=False, rereads=False)
        assert store.fault is None


def in_folder(
    make: Callable[[Path], tiny_models.TinyModel],
) -> Callable[[Path], AbstractContextManager[Case]]:
    """One in a folder, named by it."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Case]:
        make(folder)
        yield Case(open_reranker(str(folder), threads=2), windowed=1_000, limits_query=True)

    return opened


@contextmanager
def with_pytorch(folder: Path) -> Iterator[Case]:
    """One without an ONNX network, which a stand-in for PyTorch runs."""
    with stand_in():
        save_reranker(folder, max_position_embeddings=512)
        yield Case(open_reranker(str(folder), threads=2), windowed=1_000, limits_query=True)


UNTRAINED = {
    "BERT": in_folder(tiny_models.bert_reranker),
    "RoBERTa": in_folder(tiny_models.roberta_reranker),
    "XLM-RoBERTa": in_folder(tiny_models.xlm_roberta_reranker),
    "ModernBERT": in_folder(tiny_models.modernbert_reranker),
    "PyTorch": with_pytorch,
}
"""Networks with random weights, and one that knows few words: what they find relevant means nothing."""

SENSIBLE: dict[str, Callable[[Path], AbstractContextManager[Case]]] = {
    DEFAULT_RERANKER: bundled,
    "word-overlap": word_overlap,
    "word-overlap, cached": cached,
    "rerank-2.5": voyage,
    "Cohere's format": at_address(
        Cohere("m", max_tokens=512), "cohere:{}/v2/rerank?max_tokens=512#m", "c-key"
    ),
    "Cohere's format, logits": at_address(
        Cohere(None, logits=True, says="nothing"), "cohere:{}/v2/rerank?scale=logits&max_tokens=512"
    ),
    "Text Embeddings Inference": at_address(Tei(texts=4), "tei:{}", "t-key"),
}
"""Those that prefer an answer to what has nothing to do with the query."""

CASES = {**SENSIBLE, **UNTRAINED}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Every reranker."""
    with CASES[request.param](tmp_path_factory.mktemp("model")) as opened:
        yield opened


@pytest.fixture(scope="module", params=SENSIBLE)
def sensible(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reranker]:
    """Every reranker that knows what is relevant."""
    with SENSIBLE[request.param](tmp_path_factory.mktemp("model")) as opened:
        yield opened.reranker


@pytest.fixture
def reranker(case: Case) -> Reranker:
    """The reranker of the case."""
    return case.reranker


def assert_fits(reading: Reading, count: int) -> None:
    """Either logits or relevance, and every array of the reading has a float32 for each passage."""
    assert (reading.logits is None) != (reading.relevance is None)
    arrays = [reading.seen, reading.values]
    assert [(array.shape, array.dtype) for array in arrays] == [((count,), np.dtype(np.float32))] * 2
    assert len(reading.windows) in {0, count}


# ── what they do ─────────────────────────────────────────────────────────────────────────────────


def test_it_says_who_it_is(reranker: Reranker) -> None:
    assert reranker.name
    assert 0.0 <= reranker.blend <= 1.0
    assert reranker.similarity_scale > 0.0
    assert reranker.revision
    assert reranker.usd_per_million_tokens >= 0.0
    assert all(len(language) == 2 for language in reranker.languages)


def test_every_passage_has_a_value_and_was_seen_to_its_end(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES)
    assert_fits(reading, len(PASSAGES))
    assert np.isfinite(reading.values).all()
    assert reading.seen.tolist() == [1.0] * len(PASSAGES)
    assert (reading.stopped, reading.reason, reading.query_seen) == (None, None, 1.0)
    assert [reading.window(index) for index in range(len(PASSAGES))] == [None] * len(PASSAGES)
    assert (reading.tokens > 0, reading.cached) == (True, 0)


def test_relevance_lies_in_0_to_1(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES)
    relevance = relevance_of(reading, reranker.calibration)
    assert ((relevance >= 0) & (relevance <= 1)).all()


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
        assert together.values[row] == alone[index].values[0]
        assert together.seen[row] == alone[index].seen[0]
    read = order if case.rereads else {PASSAGES[index]: index for index in order}.values()
    assert together.tokens == sum(alone[index].tokens for index in read)


@relaxed
@given(order=st.permutations(range(len(PASSAGES))))
def test_passages_in_another_order_have_the_same_values_in_that_order(
    reranker: Reranker, alone: list[Reading], order: list[int]
) -> None:
    permuted = reranker.score(QUERY, [PASSAGES[index] for index in order])
    assert permuted.values.tolist() == [float(alone[index].values[0]) for index in order]


def test_no_passages_make_an_empty_reading(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, [])
    assert_fits(reading, 0)
    assert (reading.tokens, reading.stopped, reading.reason) == (0, None, None)


def test_an_empty_passage_is_seen_whole_and_has_a_value(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, ["", PASSAGES[0]])
    assert np.isfinite(reading.values).all()
    assert reading.seen.tolist() == [1.0, 1.0]


def test_an_empty_passage_is_worth_less_than_a_right_one(sensible: Reranker) -> None:
    reading = sensible.score(QUERY, ["", PASSAGES[0]])
    assert reading.values[0] < reading.values[1]


def test_after_the_deadline_nothing_is_read_and_the_reading_says_so(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES, deadline=time.monotonic() - 1)
    assert_fits(reading, len(PASSAGES))
    assert np.isnan(reading.values).all()
    assert reading.seen.tolist() == [0.0] * len(PASSAGES)
    assert reading.tokens == 0
    assert reading.stopped == "deadline"
    assert reading.reason


def test_a_deadline_far_away_changes_nothing(reranker: Reranker) -> None:
    reading = reranker.score(QUERY, PASSAGES, deadline=time.monotonic() + 3_600)
    assert reading.values.tolist() == reranker.score(QUERY, PASSAGES).values.tolist()
    assert (reading.stopped, reading.reason) == (None, None)


def test_a_passage_that_does_not_fit_is_read_in_windows_and_says_which_was_best(case: Case) -> None:
    """Together they hold all of it; the short passages around it are as they are alone."""
    passage = "words and " * (case.windowed // 2)
    reading = case.reranker.score(QUERY, ["short", passage, PASSAGES[0]])
    assert reading.seen.tolist() == [1.0, 1.0, 1.0]
    assert (reading.window(0), reading.window(2)) == (None, None)
    start, stop = reading.window(1) or (0, 0)
    assert 0 <= start < stop <= len(passage)
    assert stop - start < len(passage)
    assert np.isfinite(reading.values).all()
    assert reading.values[2] == case.reranker.score(QUERY, [PASSAGES[0]]).values[0]


def test_a_passage_is_worth_at_least_its_part_that_answers(sensible: Reranker) -> None:
    """Wherever it stands."""
    filling = "Bread needs flour, water, salt and patience. " * 200
    reading = sensible.score(QUERY, [filling, filling + PASSAGES[0] + " " + filling])
    assert reading.values[1] > reading.values[0]


def test_a_query_too_long_is_seen_in_part_where_the_model_has_a_limit(case: Case) -> None:
    reading = case.reranker.score("exit " * 20_000, [PASSAGES[0], PASSAGES[1]])
    assert 0 < reading.query_seen <= 1
    assert (reading.query_seen < 1) == case.limits_query
    assert np.isfinite(reading.values).all()


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
    sensible: Reranker, query: str, right: str, unrelated: str
) -> None:
    reading = sensible.score(query, [unrelated, right])
    assert reading.values[1] > reading.values[0]


@relaxed
@given(query=st.text(st.characters(codec=None), min_size=1, max_size=30), passage=st.text(max_size=30))
def test_any_text_can_be_read(reranker: Reranker, query: str, passage: str) -> None:
    reading = reranker.score(query, [passage])
    assert np.isfinite(reading.values).all()
    assert 0.5 < reading.query_seen <= 1.0
