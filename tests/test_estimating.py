"""What something would cost, before anything is sent: the same requests, counted instead of made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from command_line import written
from vai.arrays import Matrix, Vector
from vai.documents import ReadOptions
from vai.engines.embedded import EmbeddedEngine
from vai.errors import InvalidQuery, PathNotFound
from vai.estimating import estimate_ingest, estimate_query, estimate_rerank
from vai.filter_syntax import as_filter
from vai.ingest import ingest
from vai.models.access import Access
from vai.models.catalog import open_reranker
from vai.models.fakes import HashingEmbedder
from vai.models.paying.prices import Tariff, tariff_of
from vai.models.paying.spending import Purse
from vai.models.remote.embedding import token_ends
from vai.planning import Depths, QueryPlan
from vai.types import Estimate
from voyage_stub import VoyageStub

FILES = {
    "replication.md": "# Replication\n\nA replica set is a group of servers that hold the same data.\n",
    "members.md": "# Members\n\nReplica sets need an odd number of voting members.\n",
    "scaling.md": "# Scaling\n\nScaling out means more servers, scaling up means larger ones.\n",
    "notes.jsonl": '{"_id": "a", "text": "The first record."}\n{"_id": "b", "text": "The second record."}\n',
}
LOCAL = tariff_of("hashing")
RERANK = tariff_of("rerank-2.5")
PLAN = QueryPlan(Depths(top_k=2, limit=3, num_candidates=60))


class SentAway(HashingEmbedder):
    """An embedder whose texts leave the machine: what was sent is kept."""

    name = "voyage-4"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def token_ends(self, text: str) -> Sequence[int]:
        return token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.sent += texts
        return super().embed_documents(texts)

    def embed_query(self, text: str, *, deadline: float | None = None) -> Vector:
        if text not in self.sent:
            raise AssertionError("a query was sent")
        return super().embed_query(text)


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return written(tmp_path / "docs", FILES)


@pytest.fixture
def engine(docs: Path) -> Iterator[EmbeddedEngine]:
    """With nothing stored yet."""
    opened = EmbeddedEngine(docs.parent / ".vai")
    yield opened
    opened.close()


@pytest.fixture
def filled(engine: EmbeddedEngine, docs: Path) -> EmbeddedEngine:
    """With the files in it, embedded on this machine."""
    _ingest(engine, docs, HashingEmbedder())
    return engine


def _ingest(engine: EmbeddedEngine, docs: Path, embedder: HashingEmbedder) -> None:
    ingest(
        [docs],
        engine=engine,
        collection="default",
        embedder=embedder,
        root=docs.parent,
        read_options=ReadOptions(),
        chunk_tokens=100,
    )


def _of_ingest(
    engine: EmbeddedEngine, docs: Path, embedding: Tariff, embedder: HashingEmbedder | None = None
) -> Estimate:
    return estimate_ingest(
        [docs],
        engine=engine,
        collection="default",
        embedding=embedding,
        embedder=embedder,
        root=docs.parent,
        read_options=ReadOptions(),
        chunk_tokens=100,
    )


def _of_queries(
    engine: EmbeddedEngine,
    queries: Sequence[str],
    *,
    plan: QueryPlan = PLAN,
    embedding: Tariff = LOCAL,
    embedder: HashingEmbedder | None = None,
    reranking: Tariff | None = RERANK,
) -> Estimate:
    return estimate_query(
        queries,
        engine=engine,
        collection="default",
        plan=plan,
        embedding=embedding,
        embedder=embedder,
        reranking=reranking,
    )


def _tokens(*texts: str) -> int:
    return sum(math.ceil(len(text.encode()) / 4) for text in texts)


def _state(folder: Path) -> dict[str, str]:
    """What a store holds, file by file, but for the lock and what readers leave behind."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.stat().st_size
        and not path.name.startswith(("writer.", "collection.db-shm"))
    }


# ── texts ──


def test_the_query_is_paid_for_with_every_text() -> None:
    query, texts = "what is it?", ["one text", "another text, longer"]
    tokens = _tokens(query + texts[0], query + texts[1])
    estimate = estimate_rerank(query, texts, reranking=RERANK)
    (call,) = estimate.calls
    assert (call.model, call.stage, call.requests, call.tokens) == ("rerank-2.5", "rerank", 1, tokens)
    assert estimate.usd == call.usd == pytest.approx(tokens * 0.05e-6)
    assert call.usd is not None
    assert estimate.usd_at_most is not None
    assert estimate.usd_at_most > call.usd


@pytest.mark.parametrize(
    "texts",
    [
        ["short"],
        ["a text about scaling"] * 1_500,  # more than one request may hold
        ["word " * 20_000, "short"],  # more than the model reads at once
        ["ü" * 50, "再起動" * 20, ""],
    ],
    ids=["one", "many", "long", "other scripts"],
)
def test_what_it_costs_at_most_is_what_a_purse_has_to_hold(texts: list[str]) -> None:
    """And the requests are those that are made; with too little, none is."""
    estimate = estimate_rerank("scaling", texts, reranking=RERANK)
    assert estimate.usd_at_most is not None
    with VoyageStub() as stub:
        enough, too_little = (
            open_reranker(
                "rerank-2.5", access=Access(voyage_key=stub.key, voyage_url=stub.base_url, purse=Purse(usd))
            )
            for usd in (estimate.usd_at_most, estimate.usd_at_most / 10_000)
        )
        assert enough.score("scaling", texts).stopped is None
        assert len(stub.requests) == estimate.calls[0].requests
        assert too_little.score("scaling", texts).stopped == "spent"
        assert len(stub.requests) == estimate.calls[0].requests


def test_texts_whose_scores_are_kept_cost_nothing() -> None:
    estimate = estimate_rerank(
        "scaling", ["kept", "new"], reranking=RERANK, unread=lambda _, texts: texts[1:]
    )
    assert estimate.calls == estimate_rerank("scaling", ["new"], reranking=RERANK).calls
    nothing = estimate_rerank("scaling", ["kept"], reranking=RERANK, unread=lambda *_: [])
    assert (nothing.usd, nothing.calls[0].requests, nothing.notes) == (0.0, 0, ())


def test_a_query_has_to_be_one() -> None:
    with pytest.raises(InvalidQuery):
        estimate_rerank("  ", ["text"], reranking=RERANK)


def test_an_unknown_price_makes_the_whole_unknown_and_says_why() -> None:
    estimate = estimate_rerank("scaling", ["text"], reranking=tariff_of("tei:http://127.0.0.1:8080"))
    assert (estimate.usd, estimate.usd_at_most) == (None, None)
    assert estimate.notes == (
        "the price of tei:http://127.0.0.1:8080 is not known: it is a server that was named by its address",
    )


# ── queries ──


def test_a_query_costs_what_the_candidates_of_stage_1_cost(filled: EmbeddedEngine) -> None:
    embedder = HashingEmbedder()
    found = filled.search(
        "default", embedder.embed_query("replica servers"), limit=3, num_candidates=60
    ).candidates
    estimate = _of_queries(filled, ["replica servers"], embedder=embedder)
    embed, rerank = estimate.calls
    assert (embed.stage, embed.usd, embed.requests) == ("embed", 0.0, 0)
    assert rerank.tokens == _tokens(*("replica servers" + each.chunk.passage_to_rerank for each in found))
    assert (rerank.requests, estimate.usd) == (1, rerank.usd)
    assert estimate.notes == ("hashing runs here, and costs nothing",)


def test_queries_that_run_here_cost_nothing(filled: EmbeddedEngine) -> None:
    estimate = _of_queries(
        filled, ["servers", "members"], embedder=HashingEmbedder(), reranking=tariff_of("word-overlap")
    )
    assert (estimate.usd, estimate.usd_at_most) == (0.0, 0.0)
    assert estimate.notes == (
        "hashing runs here, and costs nothing",
        "word-overlap runs here, and costs nothing",
    )


def test_several_queries_cost_what_each_of_them_costs(filled: EmbeddedEngine) -> None:
    def price(*queries: str) -> Estimate:
        return _of_queries(filled, queries, embedder=HashingEmbedder())

    one, other, both = price("servers"), price("voting members"), price("servers", "voting members")
    assert both.calls[1].tokens == one.calls[1].tokens + other.calls[1].tokens
    assert both.calls[1].requests == 2


def test_a_remote_embedder_is_not_called_and_chunks_stand_for_what_it_would_find(
    engine: EmbeddedEngine, docs: Path
) -> None:
    embedder = SentAway()
    _ingest(engine, docs, embedder)
    estimate = _of_queries(engine, ["servers"], embedding=tariff_of("voyage-4"), embedder=embedder)
    embed, rerank = estimate.calls
    assert (embed.requests, embed.tokens) == (1, 2)
    passages = [chunk.passage_to_rerank for chunks, _ in engine.scan("default") for chunk in chunks]
    mean = sum(_tokens("servers" + passage) for passage in passages) / len(passages)
    assert (rerank.requests, rerank.tokens) == (1, round(3 * mean))
    assert "the candidates are not known before voyage-4 has embedded the query" in estimate.notes[0]


def test_no_more_candidates_are_paid_for_than_the_filter_lets_through(
    engine: EmbeddedEngine, docs: Path
) -> None:
    _ingest(engine, docs, SentAway())
    plan = QueryPlan(PLAN.depths, filter=as_filter(["path=docs/members.md"]))
    estimate = _of_queries(engine, ["servers"], plan=plan, embedding=tariff_of("voyage-4"))
    (passage,) = (
        chunk.passage_to_rerank
        for chunks, _ in engine.scan("default")
        for chunk in chunks
        if chunk.source == "docs/members.md"
    )
    assert estimate.calls[1].tokens == _tokens("servers" + passage)


def test_without_stage_2_only_the_query_is_paid_for(filled: EmbeddedEngine) -> None:
    estimate = _of_queries(filled, ["servers"], embedding=tariff_of("voyage-4"), reranking=None)
    assert [call.stage for call in estimate.calls] == ["embed"]


# ── ingests ──


def test_an_ingest_costs_what_it_sends_and_the_second_one_nothing(engine: EmbeddedEngine, docs: Path) -> None:
    voyage = tariff_of("voyage-4")
    before = _of_ingest(engine, docs, voyage)
    embedder = SentAway()
    _ingest(engine, docs, embedder)
    (call,) = before.calls
    assert (call.stage, call.requests, call.tokens) == ("embed", 1, _tokens(*embedder.sent))
    assert before.usd == pytest.approx(call.tokens * 0.06e-6)
    assert before.notes == ("new or changed documents: 5, which make 5 chunks",)
    after = _of_ingest(engine, docs, voyage)
    assert (after.usd, after.usd_at_most, after.calls[0].requests) == (0.0, 0.0, 0)


def test_only_what_changed_is_paid_for(engine: EmbeddedEngine, docs: Path) -> None:
    """Of a file of records, only the record."""
    embedder = SentAway()
    _ingest(engine, docs, embedder)
    written(docs, {"notes.jsonl": FILES["notes.jsonl"].replace("second", "other"), "more.txt": "More."})
    estimate = _of_ingest(engine, docs, tariff_of("voyage-4"))
    embedder.sent.clear()
    _ingest(engine, docs, embedder)
    assert sorted(embedder.sent) == ["The other record.", "more.txt\nMore."]
    assert estimate.calls[0].tokens == _tokens(*embedder.sent)


def test_an_estimate_makes_no_store_and_changes_none(engine: EmbeddedEngine, docs: Path) -> None:
    _of_ingest(engine, docs, tariff_of("voyage-4"))
    assert not engine.store.exists()
    _ingest(engine, docs, SentAway())
    engine.close()
    before = _state(engine.store)
    written(docs, {"scaling.md": "# Scaling\n\nSomething else.\n"})
    assert _of_ingest(engine, docs, tariff_of("voyage-4")).calls[0].requests == 1
    engine.close()
    assert _state(engine.store) == before


def test_an_ingest_that_runs_here_costs_nothing(engine: EmbeddedEngine, docs: Path) -> None:
    estimate = _of_ingest(engine, docs, LOCAL, HashingEmbedder())
    assert (estimate.usd, estimate.calls[0].requests) == (0.0, 0)
    assert estimate.calls[0].tokens > 0


def test_what_would_be_skipped_is_counted(engine: EmbeddedEngine, docs: Path) -> None:
    written(docs, {"empty.txt": ""})
    assert (
        "files and records that would be skipped: 1"
        in _of_ingest(engine, docs, LOCAL, HashingEmbedder()).notes
    )


def test_a_path_that_is_not_there_is_an_error(engine: EmbeddedEngine, docs: Path) -> None:
    with pytest.raises(PathNotFound):
        _of_ingest(engine, docs / "nowhere", LOCAL, HashingEmbedder())


# ── the form ──


def test_an_estimate_is_json_of_its_own_schema() -> None:
    assert estimate_rerank("a", ["bbb"], reranking=RERANK).to_dict() == {
        "schema": "vai.estimate/1",
        "calls": [
            {
                "model": "rerank-2.5",
                "stage": "rerank",
                "requests": 1,
                "tokens": 1,
                "usd": 0.00000005,
                "usd_at_most": 0.000001,
            }
        ],
        "usd": 0.00000005,
        "usd_at_most": 0.000001,
        "notes": [],
    }
