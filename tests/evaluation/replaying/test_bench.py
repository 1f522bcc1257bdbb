"""What every evaluation works on: questions that were embedded once, and configurations as queries have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation_samples import NoisyReranker, filled, passage, questions
from vai import Collection, Settings
from vai.errors import BudgetSpent, InvalidQuery, InvalidSettings, RemoteUnavailable, StoreBusy, UnknownModel
from vai.evaluation.data.matching import Matched, match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.replay import Replay
from vai.filters import Condition, Every
from vai.models.fakes import HashingEmbedder
from vai.types import Chunk, Stage1, Stopped

SETTINGS = Settings(stage1="hybrid", words_weight=0.7, limit=9, blend=0.2, min_relevance=0.1)


@pytest.fixture
def reranker() -> NoisyReranker:
    return NoisyReranker()


@pytest.fixture
def collection(tmp_path: Path, reranker: NoisyReranker) -> Iterator[Collection]:
    with filled(tmp_path, reranker, settings=SETTINGS) as opened:
        yield opened


def bench_of(collection: Collection, test_set: TestSet | None = None, **options: Any) -> Bench:
    return Bench.open(collection, match(test_set or questions(5), collection), **options)


# ── questions ──


def test_questions_are_embedded_in_their_order_and_timed(collection: Collection) -> None:
    told: list[tuple[str, int, int]] = []
    bench = bench_of(collection, progress=lambda *news: told.append(news))
    embedder = HashingEmbedder(256)
    assert bench.queries == ("q0", "q1", "q2", "q3", "q4")
    np.testing.assert_array_equal(bench.vectors, [embedder.embed_query(text) for text in bench.texts])
    assert (bench.embed_ms.shape, bench.tokens.tolist()) == ((5,), [8.0] * 5)
    assert (bench.embed_ms >= 0).all()
    assert told == [("embed", number, 5) for number in range(1, 6)]


def test_the_tokens_of_a_question_are_those_that_the_embedder_reads(collection: Collection) -> None:
    long = TestSet("long", {"a": "word " * 1_000, "b": "  word\n"}, {query: {"d1": 1} for query in "ab"})
    bench = bench_of(collection, long)
    assert bench.tokens.tolist() == [HashingEmbedder.max_tokens, 3.0]
    assert bench.texts[1] == "word", "as a query has it"


def test_a_test_set_without_questions_is_refused(collection: Collection) -> None:
    with pytest.raises(InvalidSettings, match="no question of `none` can be judged"):
        Bench.open(collection, Matched(TestSet("none", {}, {}), "document"))


def test_a_question_that_no_query_may_be_is_refused(collection: Collection) -> None:
    with pytest.raises(InvalidQuery):
        bench_of(collection, TestSet("odd", {"a": "\ud800"}, {"a": {"d1": 1}}))


def test_options_that_contradict_each_other_are_refused_before_anything_is_embedded(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HashingEmbedder, "embed_query", None)
    with pytest.raises(InvalidSettings, match="--limit 9 is less than --top-k 10"):
        bench_of(collection, limit=9, top_k=10)


# ── configurations ──


def test_a_configuration_is_what_a_query_does_with_the_settings_in_force(collection: Collection) -> None:
    bench = bench_of(collection)
    assert bench.configuration() == Configuration(Stage1("hybrid", "scores", 0.7), 9, 180, "noisy", 0.2, 0.1)
    assert bench.configuration(stage1="vector", limit=4, num_candidates=30, blend=1.0) == Configuration(
        Stage1("vector", "scores", 0.7), 4, 30, "noisy", 1.0, 0.1
    )
    assert bench.configuration(rerank=False) == Configuration(Stage1("hybrid", "scores", 0.7), 9, 180)
    assert bench.configuration(rerank=False) == bench.configuration().without_reranker
    with pytest.raises(UnknownModel, match="`nobody`"):
        bench.configuration(rerank_model="nobody")


def test_where_nobody_says_how_much_stage_1_counts_the_reranker_does(tmp_path: Path) -> None:
    with filled(tmp_path, NoisyReranker(blend=0.35)) as collection:
        assert bench_of(collection).configuration().blend == 0.35
        assert bench_of(collection).configuration(blend=0.0).blend == 0.0


def test_a_configuration_tells_only_settings_that_mean_something_in_it() -> None:
    by_both = Configuration(Stage1("hybrid", "scores", 0.3), 5, 50, "noisy", 0.4, 0.5)
    assert by_both.to_dict() == {
        "stage1": "hybrid",
        "fusion": "scores",
        "words_weight": 0.3,
        "limit": 5,
        "num_candidates": 50,
        "rerank_model": "noisy",
        "blend": 0.4,
        "min_relevance": 0.5,
    }
    by_ranks = replace(by_both, stage1=Stage1("hybrid", "ranks")).to_dict()
    assert (by_ranks["fusion"], by_ranks["words_weight"]) == ("ranks", None)
    alone = replace(by_both, stage1=Stage1("words")).without_reranker.to_dict()
    meaningless = ("fusion", "words_weight", "rerank_model", "blend", "min_relevance")
    assert [alone[name] for name in meaningless] == [None] * 5


# ── what may be found ──

OTHERS = Condition("id", metadata=False, operator="ne", value="d1")
YEAR = Condition("year", metadata=True, operator="eq", value=2000)


@pytest.mark.parametrize(
    ("own_documents", "filter", "expected"),
    [
        (False, None, None),
        (False, YEAR, YEAR),
        (True, None, OTHERS),
        (True, YEAR, Every((YEAR, OTHERS))),
    ],
)  # fmt: skip
def test_what_may_be_found_is_what_the_user_lets_through_but_a_question_s_own_document(
    collection: Collection, own_documents: bool, filter: Any, expected: object
) -> None:
    queries = {"q0": "subject0", "d1": "subject1", "gone": "subject2"}
    test_set = TestSet("own", queries, {query: {"d2": 1} for query in queries}, own_documents=own_documents)
    bench = bench_of(collection, test_set, filter=filter)
    assert [bench.filter_of(number) for number in range(3)] == [filter, expected, filter]


# ── chunks ──


def test_chunks_are_kept_while_there_is_room(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    stored = collection.chunks

    def recorded(ids: list[str]) -> Mapping[str, Chunk]:
        asked.append(ids)
        return stored(ids)

    monkeypatch.setattr(collection, "chunks", recorded)
    monkeypatch.setattr("vai.evaluation.replaying.bench.CHUNKS_KEPT", 2)
    bench = bench_of(collection)
    asked.clear()
    for ids in (["d0#0", "d1#0"], ["d1#0", "d2#0", "d0#0"], ["d1#0"], ["d1#0", "d3#0", "d3#0"]):
        found = bench.chunks(ids)
        assert {chunk_id: chunk.text for chunk_id, chunk in found.items()} == {
            chunk_id: passage(int(chunk_id[1])) for chunk_id in ids
        }
    assert asked == [["d0#0", "d1#0"], ["d2#0"], ["d1#0", "d3#0", "d3#0"]]


def test_a_collection_that_changes_meanwhile_is_told(collection: Collection) -> None:
    bench = bench_of(collection)
    configuration = bench.configuration()
    replay = Replay.searched(bench, [configuration])
    collection.delete(ids=["d1"])
    with pytest.raises(StoreBusy, match="`default` was changed while it was evaluated"):
        replay.read([configuration])


# ── reading ──


def test_how_far_reading_is_told_with_how_far_searching(
    collection: Collection, reranker: NoisyReranker
) -> None:
    bench = bench_of(collection)
    told: list[tuple[str, int, int]] = []
    Replay.of(bench, [bench.configuration(limit=4)], progress=lambda *news: told.append(news))
    assert [news for news in told if news[0] == "search"] == [("search", number, 5) for number in range(1, 6)]
    assert [news for news in told if news[0] == "read"] == [
        ("read", 4 * number, 20) for number in range(1, 6)
    ]
    assert len(reranker.read) == 20


@pytest.mark.parametrize(
    ("stopped", "kind", "hint"),
    [
        ("failed", RemoteUnavailable, "what has been read is kept in the cache: run the same command again"),
        ("spent", BudgetSpent, "run the same command again, with a higher `--max-usd` or a lower `--limit`"),
        ("deadline", BudgetSpent, "with a higher `--max-usd` or a lower `--limit`"),
    ],
)
def test_an_evaluation_of_what_was_read_by_chance_is_refused(
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
    stopped: Stopped,
    kind: Any,
    hint: str,
) -> None:
    read = NoisyReranker.score

    def stopping(
        self: NoisyReranker, query: str, passages: list[str], *, deadline: float | None = None
    ) -> Any:
        reading = read(self, query, passages, deadline=deadline)
        return reading if len(self.read) < 30 else replace(reading, stopped=stopped, reason="no more")

    monkeypatch.setattr(NoisyReranker, "score", stopping)
    bench = bench_of(collection)
    with pytest.raises(
        kind, match="noisy did not read every candidate of question 4 of 5: no more"
    ) as refused:
        Replay.of(bench, [bench.configuration()])
    assert hint in str(refused.value.hint)
