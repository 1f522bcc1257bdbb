"""The models that a collection works with: which are opened, what stands before them, and what is told of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from evaluation_samples import MEASURED
from model_stub import ModelStub, status
from server_stubs import OpenAI
from tiny_models import bert_reranker
from vai import Collection, Embedder, Reranker, Settings, list_collections
from vai.calibrations import write_calibration
from vai.engines.embedded import EmbeddedEngine
from vai.errors import (
    CollectionNotFound,
    EmbedderMismatch,
    InvalidSettings,
    RemoteRefused,
    RemoteUnavailable,
    UnknownModel,
)
from vai.models.fakes import HashingEmbedder, WordOverlapReranker
from vai.types import Provenance
from voyage_stub import VoyageStub

TEXTS = {
    "sets.txt": "replica sets keep copies",
    "bread.txt": "bread needs flour",
    "sea.txt": "the sea is deep",
}
QUERY = "replica sets"


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
            replace(MEASURED, revision=revision, slope=0.1, intercept=-2.0),
        )
        with Collection.open(store, settings=Settings(rerank_model="word-overlap")) as collection:
            response = collection.query(QUERY)
        assert response.stages.rerank is not None
        applied = revision == WordOverlapReranker.revision
        assert response.stages.rerank.calibrated == applied
        assert (response.hits[0].relevance != plain.relevance) == applied
        assert response.hits[0].score == plain.score, "the order is not by relevance"


# ── opened for others ──


def test_the_reranker_that_queries_use_can_be_opened_whether_or_not_they_use_one(
    store: Path, docs: Path
) -> None:
    settings = Settings(rerank_model="word-overlap", rerank=False, blend=0.3, min_relevance=0.9, budget_ms=1)
    with opened(store, docs, settings) as collection:
        reranker = collection.open_reranker()
        texts = list(TEXTS.values())
        assert (reranker.name, reranker.revision) == ("word-overlap", WordOverlapReranker.revision)
        expected = WordOverlapReranker().score(QUERY, texts).values.tolist()
        assert reranker.score(QUERY, texts).values.tolist() == expected


def test_a_reranker_that_is_opened_by_name_is_that_one(store: Path, docs: Path, tmp_path: Path) -> None:
    named = tmp_path / "model"
    bert_reranker(named)
    with opened(store, docs) as collection:
        assert collection.open_reranker(str(named)).name == str(named)
        assert collection.open_reranker().name == "word-overlap"
    with Collection.open(store, reranker="word-overlap", settings=Settings()) as collection:
        assert collection.open_reranker().name == "word-overlap"
        with pytest.raises(UnknownModel, match="`word-overlp`"):
            collection.open_reranker("word-overlp")


def test_an_opened_reranker_shares_the_cache_of_queries_unless_told_otherwise(
    store: Path, docs: Path
) -> None:
    with opened(store, docs) as collection:
        stored = collection.chunks([hit.id for hit in collection.query(QUERY).hits])
        texts = [chunk.passage_to_rerank for chunk in stored.values()]
        assert collection.open_reranker().score(QUERY, texts).cached == 3
        assert collection.open_reranker(cache=False).score(QUERY, texts).cached == 0
        assert collection.open_reranker().score("the sea", texts).cached == 0
        stage = collection.query("the sea").stages.rerank
        assert stage is not None
        assert stage.cached == 3


def test_a_reranker_of_the_callers_own_is_given_back_as_it_is(store: Path, docs: Path) -> None:
    own = WordOverlapReranker()
    with opened(store, docs, reranker=own) as collection:
        assert collection.open_reranker() is own
        assert collection.open_reranker("word-overlap") is not own


def test_an_opened_reranker_is_calibrated_as_that_of_queries(store: Path, docs: Path) -> None:
    with opened(store, docs):
        write_calibration(store, replace(MEASURED, revision=WordOverlapReranker.revision, slope=0.1))
    with Collection.open(store, settings=Settings(rerank_model="word-overlap")) as collection:
        calibration = collection.open_reranker().calibration
        assert calibration is not None
        assert calibration.slope == 0.1


def test_the_embedder_of_queries_can_be_opened(store: Path, docs: Path) -> None:
    with opened(store, docs) as collection:
        embedder = collection.open_query_embedder()
        assert (embedder.name, embedder.dimension) == ("hashing", 64)
        assert collection.open_query_embedder() is embedder
    with (
        Collection.open(store, embedder="all-MiniLM-L6-v2", settings=Settings()) as collection,
        pytest.raises(EmbedderMismatch, match="`hashing`"),
    ):
        collection.open_query_embedder()
    with (
        Collection.open(store, "nothing yet", settings=Settings()) as collection,
        pytest.raises(CollectionNotFound, match="`nothing yet`"),
    ):
        collection.open_query_embedder()


def test_the_embedder_of_queries_is_the_one_named_for_them(
    store: Path, docs: Path, voyage: VoyageStub
) -> None:
    with Collection.open(store, embedder="voyage-4", dimension=256, settings=Settings()) as collection:
        collection.ingest(docs)
    with Collection.open(store, query_embedder="voyage-4-lite", settings=Settings()) as collection:
        embedder = collection.open_query_embedder()
        assert (embedder.name, embedder.embed_query(QUERY).shape) == ("voyage-4-lite", (256,))


def test_a_collection_tells_where_it_lives_and_the_settings_in_force(store: Path, docs: Path) -> None:
    settings = Settings(rerank_model="word-overlap", limit=7)
    with opened(store, docs, settings) as collection:
        assert collection.settings == settings
        assert collection.engine.describe(collection.name) == collection.describe()


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


def test_a_fallback_that_is_no_reranker_is_told_before_it_is_needed(store: Path, docs: Path) -> None:
    settings = Settings(rerank_model="word-overlap", rerank_fallback="word-overlp")
    with opened(store, docs, settings) as collection, pytest.raises(UnknownModel) as caught:
        collection.query(QUERY)
    assert "`word-overlp`" in caught.value.message
    assert str(caught.value.hint).startswith("the setting `rerank_fallback` names it; ")


def test_a_fallback_that_cannot_be_opened_is_told_with_its_setting(
    store: Path, docs: Path, voyage: VoyageStub, tmp_path: Path
) -> None:
    settings = Settings(rerank_model="rerank-2.5", rerank_fallback=str(tmp_path / "nothing"))
    voyage.then(*[status(503)] * 4)
    with opened(store, docs, settings) as collection, pytest.raises(UnknownModel) as caught:
        collection.query(QUERY)
    assert str(caught.value.hint).startswith("the setting `rerank_fallback` names it; ")


def test_a_model_that_could_not_be_opened_is_tried_again(store: Path, docs: Path, tmp_path: Path) -> None:
    """The hub, or a disk, may be there the next time."""
    named = tmp_path / "model"
    with opened(store, docs) as collection:
        with pytest.raises(UnknownModel, match="no such folder"):
            collection.query(QUERY, rerank_model=str(named))
        bert_reranker(named)
        stage = collection.query(QUERY, rerank_model=str(named)).stages.rerank
        assert stage is not None
        assert (stage.model, stage.reranked) == (str(named), 3)


# ── a first ingest ──


def test_a_first_ingest_that_fails_leaves_no_collection_behind(
    store: Path, docs: Path, voyage: VoyageStub
) -> None:
    """Else what it was to be made with would hold for what comes next, mistake or not."""
    voyage.then(status(401))
    with Collection.open(store, embedder="voyage-4", dimension=256, settings=Settings()) as collection:
        with pytest.raises(RemoteRefused, match="401"):
            collection.ingest(docs)
        assert list_collections(store) == ()
    with Collection.open(store, embedder="hashing", settings=Settings()) as collection:
        assert collection.ingest(docs).added == 3
        voyage.then(status(401))
    with Collection.open(store, embedder="voyage-4", settings=Settings()) as collection:
        with pytest.raises(EmbedderMismatch):
            collection.ingest(docs)
        assert collection.describe().documents == 3, "what another one has stored is left alone"


def test_chunks_of_a_new_collection_fit_a_model_that_reads_little(store: Path, docs: Path) -> None:
    class Short(HashingEmbedder):
        max_tokens = 64

    with Collection.open(store, embedder=Short(), settings=Settings()) as collection:
        collection.ingest(docs)
        assert collection.describe().provenance.chunk_tokens == 64 - 2 - 24
    with (
        Collection.open(store, "other", embedder=Short(), settings=Settings()) as collection,
        pytest.raises(InvalidSettings, match="--chunk-tokens must be from 16 to 38 for hashing"),
    ):
        collection.ingest(docs, chunk_tokens=200)


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


def test_an_embedder_of_queries_in_the_settings_is_for_collections_of_its_space_alone(
    store: Path, docs: Path
) -> None:
    opened(store, docs).close()
    with Collection.open(
        store, settings=Settings(query_embedder="voyage-4-lite", rerank=False)
    ) as collection:
        assert collection.query(QUERY).stages.embed.model == "hashing"
        assert collection.estimate_query([QUERY]).calls[0].model == "hashing"


# ── dimensions ──


def test_another_dimension_than_the_collections_is_refused(
    store: Path, docs: Path, voyage: VoyageStub
) -> None:
    with Collection.open(store, embedder="voyage-4", dimension=256, settings=Settings()) as collection:
        collection.ingest(docs)
    for dimension in (256, None):
        with Collection.open(store, dimension=dimension, settings=Settings(dimension=512)) as collection:
            assert collection.ingest(docs).unchanged == 3
    with (
        Collection.open(store, dimension=512, settings=Settings()) as collection,
        pytest.raises(EmbedderMismatch, match="have 256 dimensions, not 512"),
    ):
        collection.ingest(docs)


def test_a_dimension_in_the_settings_is_for_embedders_that_offer_several(store: Path, docs: Path) -> None:
    with Collection.open(store, embedder="hashing", settings=Settings(dimension=512)) as collection:
        assert collection.ingest(docs).added == 3
        assert collection.describe().provenance.dimension == 64
    with (
        Collection.open(store, "other", embedder="hashing", dimension=512, settings=Settings()) as collection,
        pytest.raises(InvalidSettings, match="`hashing` has 64 dimensions, not 512"),
    ):
        collection.ingest(docs)


# ── a store of somebody else's ──

ELSEWHERE = "openai:https://vectors.example.invalid/v1#model"


def made_with(store: Path, embedder: str, dimension: int = 64) -> None:
    with contextlib.closing(EmbeddedEngine(store)) as engine:
        engine.create("default", Provenance(embedder, "as served", dimension, 200))


def test_a_server_that_only_the_store_names_is_sent_nothing(store: Path, docs: Path) -> None:
    made_with(store, ELSEWHERE)
    with Collection.open(store, settings=Settings(rerank=False)) as collection:
        for work in (lambda: collection.query(QUERY), lambda: collection.ingest(docs)):
            with pytest.raises(InvalidSettings, match="has to be named by you too") as caught:
                work()
            assert ELSEWHERE in str(caught.value.hint)


def test_a_server_that_the_user_names_too_is_asked(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, **_: object) -> Embedder:
        raise RemoteRefused(f"{name} was asked")

    monkeypatch.setattr("vai.parts.open_embedder", refused)
    made_with(store, ELSEWHERE)
    for settings, named in (
        (Settings(rerank=False, embedder=ELSEWHERE), None),
        (Settings(rerank=False), ELSEWHERE),
    ):
        with (
            Collection.open(store, query_embedder=named, settings=settings) as collection,
            pytest.raises(RemoteRefused, match="was asked"),
        ):
            collection.query(QUERY)


def test_a_server_on_this_machine_needs_no_second_naming(store: Path, docs: Path) -> None:
    with ModelStub(OpenAI()) as stub:
        name = f"openai:{stub.address}/v1#nomic-embed-text"
        with Collection.open(store, embedder=name, settings=Settings(rerank=False)) as collection:
            collection.ingest(docs)
        with Collection.open(store, settings=Settings(rerank=False)) as collection:
            assert collection.query(QUERY).hits[0].document_id.endswith("sets.txt")


def test_an_embedder_whose_folder_is_gone_is_told_by_its_place(store: Path, tmp_path: Path) -> None:
    made_with(store, str(tmp_path / "model"))
    with (
        Collection.open(store, settings=Settings(rerank=False)) as collection,
        pytest.raises(EmbedderMismatch, match="there is no model in that folder"),
    ):
        collection.query(QUERY)


# ── prices of models that are none ──


@pytest.mark.parametrize("name", ["rerank-2.5", "word-overlap", "nobody", "tei:http://127.0.0.1:9"])
def test_what_is_no_embedder_has_no_price_as_one(store: Path, docs: Path, name: str) -> None:
    with (
        Collection.open(store, embedder=name, settings=Settings()) as collection,
        pytest.raises(UnknownModel, match=name),
    ):
        collection.estimate_ingest(docs)


@pytest.mark.parametrize("name", ["voyage-4", "hashing", "nobody", "openai:http://127.0.0.1:9/v1"])
def test_what_is_no_reranker_has_no_price_as_one(store: Path, docs: Path, name: str) -> None:
    with opened(store, docs) as collection, pytest.raises(UnknownModel, match=name):
        collection.estimate_query([QUERY], rerank_model=name)


def test_an_estimate_refuses_an_embedder_of_another_space_as_the_query_does(store: Path, docs: Path) -> None:
    opened(store, docs).close()
    with (
        Collection.open(store, query_embedder="voyage-4", settings=Settings()) as collection,
        pytest.raises(InvalidSettings, match="makes other vectors"),
    ):
        collection.estimate_query([QUERY])


# ── the end ──


def test_closing_waits_for_a_model_that_is_still_being_loaded(
    store: Path, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ending the interpreter in the middle of that would abort the process."""
    opened(store, docs).close()
    begun, loaded = Event(), Event()

    def slowly(name: str, **_: object) -> Reranker:
        begun.set()
        loaded.wait(0.05)  # nobody sets it: loading goes on while the embedder is refused
        loaded.set()
        return WordOverlapReranker()

    monkeypatch.setattr("vai.parts.open_reranker", slowly)
    with pytest.raises(EmbedderMismatch), Collection.open(store, embedder="all-MiniLM-L6-v2") as collection:
        collection.query(QUERY)
    assert begun.is_set()
    assert loaded.is_set()
