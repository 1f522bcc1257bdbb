"""The models that a collection works with: which are opened, what stands before them, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_stub import status
from vai import Collection, Reranker, Settings
from vai.calibrations import MeasuredCalibration, write_calibration
from vai.errors import EmbedderMismatch, InvalidSettings, RemoteRefused, RemoteUnavailable
from vai.models.fakes import WordOverlapReranker
from vai.models.remote.http import Patience
from voyage_stub import VoyageStub

TEXTS = {
    "sets.txt": "replica sets keep copies",
    "bread.txt": "bread needs flour",
    "sea.txt": "the sea is deep",
}
QUERY = "replica sets"


@pytest.fixture
def voyage(monkeypatch: pytest.MonkeyPatch) -> Iterator[VoyageStub]:
    """Voyage on this machine, with its key in the environment, and nobody who waits between attempts."""
    with VoyageStub() as stub:
        for name, value in stub.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(
            "vai.models.remote.http.Patience", lambda **fields: Patience(sleep=lambda _: None, **fields)
        )
        yield stub


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder of short texts."""
    (tmp_path / "docs").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "docs" / name).write_text(text)
    return tmp_path / "docs"


def opened(
    store: Path, docs: Path, settings: Settings | None = None, reranker: Reranker | None = None
) -> Collection:
    settings = settings or Settings(rerank_model="word-overlap")
    collection = Collection.open(store, embedder="hashing", reranker=reranker, settings=settings)
    collection.ingest(docs)
    return collection


# ── loading ──


def test_what_was_opened_is_told_with_the_first_answer_only(store: Path, docs: Path) -> None:
    with opened(store, docs) as collection:
        first, second = collection.query_many([QUERY, "bread"])
        assert first.stages.load is not None
        assert first.stages.load.models == ("word-overlap",), "the ingest had opened the embedder"
        assert first.stages.load.ms >= 0
        assert second.stages.load is None


# ── the cache ──


def test_what_was_read_is_not_read_again_not_even_by_another_process(store: Path, docs: Path) -> None:
    with opened(store, docs) as collection:
        fresh = collection.query(QUERY)
    with Collection.open(store, settings=Settings(rerank_model="word-overlap")) as collection:
        again = collection.query(QUERY)
        anew = collection.query(QUERY, cache=False)
    cached = [response.stages.rerank.cached for response in (fresh, again, anew) if response.stages.rerank]
    assert cached == [0, 3, 0]
    assert [(hit.id, hit.score) for hit in fresh.hits] == [(hit.id, hit.score) for hit in again.hits]


def test_a_reranker_of_the_callers_own_is_not_cached(store: Path, docs: Path) -> None:
    """Only the caller knows when it changes."""
    with opened(store, docs, reranker=WordOverlapReranker()) as collection:
        stages = [collection.query(QUERY).stages.rerank for _ in range(2)]
    assert [stage.cached for stage in stages if stage] == [0, 0]
    assert not (store / "scores.db").exists()


# ── calibrations ──


def test_what_was_measured_in_the_store_is_applied_to_that_revision_alone(store: Path, docs: Path) -> None:
    with opened(store, docs) as collection:
        plain = collection.query(QUERY).hits[0]
    for revision in ("another", WordOverlapReranker.revision):
        write_calibration(
            store,
            MeasuredCalibration(
                model="word-overlap",
                revision=revision,
                slope=0.1,
                intercept=-2.0,
                error=0.02,
                collection="default",
                test_set="t",
                queries=30,
                pairs=90,
                positives=30,
                limit=3,
                measured="2026-01-01T00:00:00Z",
            ),
        )
        with Collection.open(store, settings=Settings(rerank_model="word-overlap")) as collection:
            response = collection.query(QUERY)
        assert response.stages.rerank is not None
        applied = revision == WordOverlapReranker.revision
        assert response.stages.rerank.calibrated == applied
        assert (response.hits[0].relevance != plain.relevance) == applied
        assert response.hits[0].score == plain.score, "the order is not by relevance"


# ── another that stands in ──


def test_the_fallback_of_the_settings_reads_where_the_service_fails(
    store: Path, docs: Path, voyage: VoyageStub
) -> None:
    settings = Settings(rerank_model="rerank-2.5", rerank_fallback="word-overlap")
    with opened(store, docs, settings) as collection:
        voyage.then(*[status(503)] * 4)
        stage = collection.query(QUERY).stages.rerank
        assert stage is not None
        assert (stage.model, stage.instead_of, stage.reranked) == ("word-overlap", "rerank-2.5", 3)
        assert "503" in str(stage.reason)

        voyage.then(*[status(503)] * 4)
        with pytest.raises(RemoteUnavailable, match="503"):
            collection.query(QUERY, strict=True)

        voyage.then(status(401))
        with pytest.raises(RemoteRefused, match="401"):
            collection.query(QUERY)

        recovered = collection.query(QUERY).stages.rerank
        assert recovered is not None
        assert (recovered.model, recovered.instead_of) == ("rerank-2.5", None)


@pytest.mark.parametrize("name", ["rerank-2.5-lite", "tei:http://127.0.0.1:9"])
def test_a_fallback_has_to_run_on_this_machine(store: Path, docs: Path, name: str) -> None:
    settings = Settings(rerank_model="word-overlap", rerank_fallback=name)
    with opened(store, docs, settings) as collection, pytest.raises(InvalidSettings, match="rerank_fallback"):
        collection.query(QUERY)


# ── embedding queries otherwise ──


def test_queries_can_be_embedded_by_another_model_of_the_same_space(
    store: Path, docs: Path, voyage: VoyageStub
) -> None:
    with Collection.open(store, embedder="voyage-4-large", dimension=256, settings=Settings()) as collection:
        report = collection.ingest(docs)
        assert report.usd == pytest.approx(report.tokens * 0.12 / 1_000_000)
    settings = Settings(query_embedder="voyage-4-lite", rerank=False)
    with Collection.open(store, settings=settings) as collection:
        response = collection.query(QUERY)
        assert collection.describe().provenance.dimension == 256
    embed = response.stages.embed
    assert embed.model == "voyage-4-lite"
    assert embed.usd == pytest.approx(embed.tokens * 0.02 / 1_000_000)
    last = voyage.requests[-1].payload
    assert (last["model"], last["input_type"], last["output_dimension"]) == ("voyage-4-lite", "query", 256)
    assert response.hits[0].document_id.endswith("sets.txt")


def test_a_model_of_another_space_is_refused_before_any_work(store: Path, docs: Path) -> None:
    with opened(store, docs) as collection:
        collection.close()
    with (
        Collection.open(store, query_embedder="voyage-4", settings=Settings()) as collection,
        pytest.raises(InvalidSettings, match="`voyage-4` makes other vectors than `hashing`"),
    ):
        collection.query(QUERY)


def test_another_embedder_than_the_collections_is_refused_by_both_names(store: Path, docs: Path) -> None:
    opened(store, docs).close()
    with (
        Collection.open(store, embedder="all-MiniLM-L6-v2", settings=Settings()) as collection,
        pytest.raises(EmbedderMismatch, match=r"`hashing`.*`all-MiniLM-L6-v2`"),
    ):
        collection.query(QUERY)
