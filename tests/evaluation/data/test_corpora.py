"""A corpus with its questions, in a store of its own that is used again where nothing has changed."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command_line import written
from vai import Collection, Settings
from vai.arrays import Matrix
from vai.documents import ReadOptions, find_sources
from vai.errors import InvalidSettings, PathNotFound, StoreReadOnly, WrongUse
from vai.evaluation.data.beir import BeirZip
from vai.evaluation.data.corpora import PreparedCorpus, _collection_name, prepare_corpus
from vai.evaluation.data.matching import match
from vai.models.fakes import HashingEmbedder

QUERIES = '{"_id": "q1", "text": "what is a set?"}\n{"_id": "q2", "text": "and a shard?"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n"
TEXTS = {"d1": "A set is a group.", "d2": "A shard is a part.", "d3": "word " * 400}


class CountingEmbedder(HashingEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self, dimension: int = 64) -> None:
        super().__init__(dimension)
        self.passages: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.passages += texts
        return super().embed_documents(texts)


def corpus_of(texts: Mapping[str, str]) -> str:
    return "".join(
        f"{json.dumps({'_id': name, 'title': '', 'text': text})}\n" for name, text in texts.items()
    )


def files_of(texts: Mapping[str, str] = TEXTS) -> dict[str, str]:
    return {"queries.jsonl": QUERIES, "corpus.jsonl": corpus_of(texts), "qrels/test.tsv": QRELS}


def folder_of(path: Path, files: Mapping[str, str]) -> Path:
    (path / "qrels").mkdir(parents=True)
    return written(path, files)


def zip_of(path: Path, files: Mapping[str, str], *, inside: str = "sets/") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(inside + name, text)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where corpora of their own are kept, instead of the user's."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache" / "corpora"


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


Prepare = Callable[..., PreparedCorpus]


@pytest.fixture
def prepare(embedder: CountingEmbedder) -> Iterator[Prepare]:
    """Prepares a corpus, and closes what was opened at the end."""
    opened: list[Collection] = []

    def prepared(path: Path, **options: Any) -> PreparedCorpus:
        corpus = prepare_corpus(f"beir:{path}", **{"embedder": embedder, "settings": Settings(), **options})
        opened.append(corpus.collection)
        return corpus

    yield prepared
    for collection in opened:
        collection.close()


def test_a_corpus_is_ingested_and_its_questions_are_about_it(tmp_path: Path, prepare: Prepare) -> None:
    corpus = prepare(folder_of(tmp_path / "Tiny set!", files_of()))
    assert corpus.collection.name == "Tiny-set-hashing"
    assert (corpus.ingest.added, corpus.test_set.name) == (3, "Tiny set!")
    assert corpus.test_set.own_documents
    assert match(corpus.test_set, corpus.collection).missing == ()
    assert corpus.collection.query("what is a set?", top_k=1, rerank=False).hits[0].document_id == "d1"


def test_a_folder_is_ingested_where_it_lies_and_of_a_zip_only_the_corpus_is_copied(
    tmp_path: Path, prepare: Prepare, cache: Path
) -> None:
    folder = folder_of(tmp_path / "folder", files_of())
    lying = prepare(folder)
    assert not list(cache.rglob("*.jsonl"))
    copied = prepare(zip_of(tmp_path / "packed.zip", files_of()))
    (copy,) = cache.rglob("*.jsonl")
    assert copy.read_text() == files_of()["corpus.jsonl"]
    for corpus, source in ((lying, str(folder / "corpus.jsonl")), (copied, f".corpora/{copy.name}")):
        hits = corpus.collection.query("shard", rerank=False).hits
        assert {hit.source for hit in hits} == {source}
        assert not any(hit.stale for hit in hits)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_corpus_that_has_not_changed_costs_no_model_call_and_no_copy(
    tmp_path: Path, prepare: Prepare, embedder: CountingEmbedder, cache: Path, form: str
) -> None:
    path = (
        folder_of(tmp_path / "set", files_of())
        if form == "folder"
        else zip_of(tmp_path / "a.zip", files_of())
    )
    prepare(path).collection.close()
    embedder.passages.clear()
    copies = {copy: copy.stat().st_ino for copy in cache.rglob("*.jsonl")}
    again = prepare(path)
    assert (again.ingest.unchanged, again.ingest.chunks, embedder.passages) == (3, 0, [])
    assert {copy: copy.stat().st_ino for copy in cache.rglob("*.jsonl")} == copies


def test_of_a_corpus_that_has_changed_only_that_is_embedded(
    tmp_path: Path, prepare: Prepare, embedder: CountingEmbedder
) -> None:
    path = zip_of(tmp_path / "set.zip", files_of())
    prepare(path).collection.close()
    embedder.passages.clear()
    os.utime(zip_of(path, files_of()), ns=(1, 1))
    assert (prepare(path).ingest.unchanged, embedder.passages) == (3, []), "it was only touched"
    zip_of(path, files_of({"d1": TEXTS["d1"], "d2": "A shard is new.", "d4": "More."}))
    report = prepare(path).ingest
    assert (report.added, report.changed, report.unchanged, report.removed) == (1, 1, 1, 1)
    assert embedder.passages == ["A shard is new.", "More."]


def test_a_copy_that_is_gone_or_was_cut_is_made_again(tmp_path: Path, prepare: Prepare, cache: Path) -> None:
    path = zip_of(tmp_path / "set.zip", files_of())
    prepare(path).collection.close()
    (copy,) = cache.rglob("*.jsonl")
    copy.write_text("")
    assert prepare(path).ingest.unchanged == 3
    copy.unlink()
    assert prepare(path).ingest.unchanged == 3


def test_each_way_to_ingest_has_a_collection_of_its_own(
    tmp_path: Path, prepare: Prepare, embedder: CountingEmbedder
) -> None:
    path = folder_of(tmp_path / "set", files_of())
    cut, left = prepare(path), prepare(path, chunking=False)
    other = prepare(path, embedder=HashingEmbedder(32), dimension=32)
    assert [corpus.collection.name for corpus in (cut, left, other)] == [
        "set-hashing",
        "set-whole-hashing",
        "set-hashing-32",
    ]
    assert [corpus.collection.describe().chunks for corpus in (cut, left, other)] == [4, 3, 4]
    assert cut.collection.root == left.collection.root


@pytest.mark.parametrize(
    ("test_set", "embedder", "expected"),
    [
        ("scifact", None, "scifact"),
        ("scifact", "all-MiniLM-L6-v2", "scifact"),
        ("scifact", "voyage-4", "scifact-voyage-4"),
        ("-–-", None, "corpus"),
        ("a" * 80, None, None),
        ("set", f"openai:https://host/v1#{'m' * 60}", None),
    ],
)
def test_names_of_collections_can_always_be_ones(
    store: Path, test_set: str, embedder: str | None, expected: str | None
) -> None:
    name = _collection_name(test_set, embedder, None, chunking=True)
    assert expected in {None, name}
    with Collection.open(store, name, embedder=HashingEmbedder(), settings=Settings()) as collection:
        collection.ingest(written(store.parent / "docs", {"a.txt": "text"}))
    longer = _collection_name(f"{test_set}b", embedder, None, chunking=True)
    assert longer != name or expected == "corpus"


def test_corpora_of_one_name_have_stores_of_their_own(tmp_path: Path, prepare: Prepare, cache: Path) -> None:
    for parent in ("one", "two"):
        (tmp_path / parent).mkdir()
        prepare(zip_of(tmp_path / parent / "set.zip", files_of({**TEXTS, "d3": parent})))
    assert len(list(cache.glob("set-*/.vai"))) == 2


def test_a_store_can_be_named_and_copies_lie_hidden_beside_it(
    tmp_path: Path, prepare: Prepare, cache: Path
) -> None:
    (tmp_path / "place").mkdir()
    prepare(zip_of(tmp_path / "set.zip", files_of()), store=tmp_path / "place" / ".vai")
    assert not cache.exists()
    assert {path.name for path in (tmp_path / "place").iterdir()} == {".vai", ".corpora"}
    assert list(find_sources([tmp_path / "place"], root=tmp_path, options=ReadOptions())) == []


def test_a_collection_of_something_else_is_refused_and_left_as_it_is(
    tmp_path: Path, prepare: Prepare, embedder: CountingEmbedder
) -> None:
    docs = written(tmp_path / "docs", {"a.txt": "text"})
    with Collection.open(tmp_path / ".vai", "set-hashing", embedder=embedder, settings=Settings()) as mine:
        mine.ingest(docs)
        with pytest.raises(
            InvalidSettings, match=r"`set-hashing` is not of this corpus alone: it holds `docs/a.txt`"
        ):
            prepare(folder_of(tmp_path / "set", files_of()), store=tmp_path / ".vai")
        assert mine.describe().documents == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "--corpus is a kind and a path"),
        ("set", "--corpus is a kind and a path"),
        ("beir:", "--corpus is a kind and a path, and the one kind there is is beir: beir:"),
        ("trec:set", "--corpus is a kind and a path"),
        ("beir:nowhere", "there is no corpus at `nowhere`"),
        ("beir:~nobody-of-this-name/set", "`~nobody-of-this-name/set` cannot name a corpus"),
        ("beir:questions", "there is no `corpus.jsonl` in "),
        ("beir:questions.zip", "there is no `corpus.jsonl` in "),
        ("beir:empty", "is no test set in BEIR's layout"),
        ("beir:text.zip", "is no zip that can be read"),
        ("beir:text.txt", "is no zip that can be read"),
    ],
)
def test_what_is_no_corpus_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, spec: str, said: str
) -> None:
    files = {name: text for name, text in files_of().items() if name != "corpus.jsonl"}
    folder_of(tmp_path / "questions", files)
    zip_of(tmp_path / "questions.zip", files)
    written(tmp_path, {"text.zip": "text", "text.txt": "text"})
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUse) as raised:
        prepare_corpus(spec, settings=Settings())
    assert said in raised.value.message
    assert "\n" not in raised.value.message
    assert not cache.exists()


def test_names_in_a_zip_lead_nowhere(tmp_path: Path, prepare: Prepare, cache: Path) -> None:
    prepare(zip_of(tmp_path / "set.zip", files_of(), inside="../../outside/"))
    copies = set(tmp_path.rglob("*.jsonl"))
    assert {copy.parent.parent.parent for copy in copies} == {cache}


def test_a_corpus_that_cannot_be_unpacked_leaves_no_copy_and_no_model_call(
    tmp_path: Path, prepare: Prepare, embedder: CountingEmbedder, cache: Path
) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, text in files_of().items():
            archive.writestr(name, text)
    path.write_bytes(path.read_bytes().replace(b"A shard is a part.", b"A shard is a cart."))
    with pytest.raises(InvalidSettings, match=r"`corpus.jsonl` in .* cannot be unpacked: Bad CRC-32"):
        prepare(path)
    assert (embedder.passages, list(cache.rglob("*.jsonl*"))) == ([], [])


def test_copying_that_was_interrupted_is_done_again(
    tmp_path: Path, prepare: Prepare, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_of(tmp_path / "set.zip", files_of())

    def interrupted(*_: object) -> Iterator[bytes]:
        yield b"{"
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(BeirZip, "blocks", interrupted)
        prepare(path)
    assert list(cache.rglob("*.jsonl*")) == []
    assert prepare(path).ingest.added == 3


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path, prepare: Prepare) -> None:
    folder = written(tmp_path / "place", {".corpora": "in the way"})
    with pytest.raises(StoreReadOnly, match=r"\.jsonl` cannot be written: file exists"):
        prepare(zip_of(tmp_path / "set.zip", files_of()), store=folder / ".vai")


def test_the_collection_stays_open_for_queries_until_it_is_closed(tmp_path: Path, prepare: Prepare) -> None:
    with closing(prepare(folder_of(tmp_path / "set", files_of())).collection) as collection:
        assert collection.describe().documents == 3


def test_paths_that_are_not_there_are_told_from_what_is_no_corpus() -> None:
    with pytest.raises(PathNotFound):
        prepare_corpus("beir:nowhere", settings=Settings())
