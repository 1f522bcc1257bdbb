"""The write path: what an ingest stores, leaves, removes and says. With the fakes, so that nothing takes time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vai.arrays import Matrix
from vai.chunking import split, whole
from vai.collection import Collection
from vai.errors import (
    CollectionNotFound,
    DuplicateId,
    EmbedderMismatch,
    Interrupted,
    InvalidSettings,
    PathNotFound,
)
from vai.ingest.steps import BATCH_CHUNKS, LONG_TEXT, Add, Put, Step, batches
from vai.models.fakes import HashingEmbedder, WordOverlapReranker
from vai.settings import Settings
from vai.types import WHOLE, Document, IngestProgress, IngestReport, StoredDocument


class CountingEmbedder(HashingEmbedder):
    """Remembers what it was asked to embed, and stops like a user pressing Ctrl-C after `patience` batches."""

    def __init__(self) -> None:
        super().__init__()
        self.passages: list[str] = []
        self.patience = -1

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        if self.patience == 0:
            raise KeyboardInterrupt
        self.patience -= 1
        self.passages += texts
        return super().embed_documents(texts)

    def taken(self) -> list[str]:
        passages, self.passages = self.passages, []
        return passages


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def collection(tmp_path: Path, embedder: CountingEmbedder) -> Iterator[Collection]:
    with Collection.open(
        tmp_path / ".vai", embedder=embedder, reranker=WordOverlapReranker(), settings=Settings()
    ) as opened:
        yield opened


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.changed, report.unchanged, report.removed


def found(collection: Collection, text: str) -> list[str]:
    return [hit.document_id for hit in collection.query(text, top_k=50, limit=50, rerank=False).hits]


def everything(collection: Collection) -> set[tuple[str, str, float]]:
    hits = collection.query("anything at all", top_k=500, rerank=False).hits
    return {(hit.id, hit.text, round(hit.similarity, 5)) for hit in hits}


def test_a_second_ingest_changes_nothing_and_embeds_nothing(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "a.md", "# Apples\n\nred apples")
    write(folder / "b.txt", "bananas")
    write(folder / "c.jsonl", '{"_id": "r1", "text": "cherry"}\n{"_id": "r2", "title": "date"}\n')
    first = collection.ingest(folder)
    assert counts(first) == (4, 0, 0, 0)
    assert len(embedder.taken()) == first.chunks == 4
    before = everything(collection)
    second = collection.ingest(folder)
    assert counts(second) == (0, 0, 4, 0)
    assert (second.chunks, embedder.taken(), everything(collection)) == (0, [], before)


def test_only_what_changed_is_embedded_again(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "a.txt", "apple")
    write(folder / "b.txt", "banana")
    write(folder / "c.jsonl", "".join(f'{{"_id": "r{n}", "text": "record {n}"}}\n' for n in range(5)))
    collection.ingest(folder)
    embedder.taken()
    write(folder / "b.txt", "blueberry")
    lines = (folder / "c.jsonl").read_text().splitlines()
    write(folder / "c.jsonl", "\n".join([lines[4], '{"_id": "r9", "text": "new"}', *lines[1:4]]))
    report = collection.ingest(folder)
    assert counts(report) == (1, 1, 5, 1)
    assert len(embedder.taken()) == 2
    moved = next(
        hit for hit in collection.query("record 4", top_k=20, rerank=False).hits if hit.document_id == "r4"
    )
    assert (moved.start_line, moved.end_line) == (1, 1), "a record that moved is found where it now stands"


def test_a_touched_file_is_compared_by_content(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    file = write(folder / "a.txt", "apple")
    collection.ingest(folder)
    embedder.taken()
    os.utime(file, ns=(1, 1))
    assert counts(collection.ingest(folder)) == (0, 0, 1, 0)
    assert embedder.taken() == []


def test_a_change_that_keeps_size_and_time_is_noticed(collection: Collection, folder: Path) -> None:
    file = write(folder / "a.txt", "apple")
    collection.ingest(folder)
    stamp = file.stat()
    write(file, "peach")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert counts(collection.ingest(folder)) == (0, 1, 0, 0)
    assert [hit.text for hit in collection.query("peach").hits] == ["peach"]


def test_other_flags_make_other_documents(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "a.jsonl", '{"_id": "1", "text": "one", "body": "two"}\n')
    write(folder / "b.txt", "word " * 100)
    collection.ingest(folder)
    embedder.taken()
    assert counts(collection.ingest(folder, text_field="body")) == (0, 1, 1, 0), "only records have fields"
    assert embedder.taken() == ["two"]
    assert counts(collection.ingest(folder, text_field="body", chunk_tokens=20)) == (0, 2, 0, 0)
    assert len(embedder.taken()) == 6
    assert all(hit.text.count("word") <= 20 for hit in collection.query("word").hits)
    assert collection.describe().provenance.chunk_tokens == 20
    assert counts(collection.ingest(folder, text_field="body")) == (0, 0, 2, 0), "the size of chunks stays"


def test_without_chunking_every_document_is_one_chunk_whatever_its_format(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "a.md", f"# One\n\n{'word ' * 400}\n\n# Two\n\n{'word ' * 400}")
    write(folder / "b.txt", "word " * 1000)
    write(folder / "c.py", "\n\n".join(f"def function_{n}():\n    return {n}" for n in range(100)))
    write(folder / "d.jsonl", f'{{"_id": "1", "text": "{"word " * 300}"}}\n{{"_id": "2", "text": "short"}}\n')
    report = collection.ingest(folder, chunking=False)
    assert (report.added, report.chunks) == (5, 5)
    assert report.tokens <= 5 * embedder.max_tokens, "only what the model read is counted"
    assert "documents that are with their titles longer than the 256 tokens" in report.warnings[0]
    assert collection.describe().provenance.chunk_tokens == WHOLE
    assert {hit.heading for hit in collection.query("word", top_k=20, rerank=False).hits} == {()}


def test_the_choice_of_whole_documents_stays_until_another_is_made(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "a.txt", "word " * 300)
    collection.ingest(folder, chunking=False)
    embedder.taken()
    assert counts(collection.ingest(folder)) == (0, 0, 1, 0)
    assert counts(collection.ingest(folder, chunking=False)) == (0, 0, 1, 0)
    assert embedder.taken() == []
    assert counts(collection.ingest(folder, chunking=True)) == (0, 1, 0, 0)
    assert (len(embedder.taken()), collection.describe().provenance.chunk_tokens) == (2, 200)
    assert counts(collection.ingest(folder)) == (0, 0, 1, 0)
    assert counts(collection.ingest(folder, chunking=False)) == (0, 1, 0, 0)
    assert len(embedder.taken()) == 1
    assert counts(collection.ingest(folder, chunk_tokens=100)) == (0, 1, 0, 0)
    assert (len(embedder.taken()), collection.describe().provenance.chunk_tokens) == (3, 100)


def test_an_estimate_knows_of_whole_documents(collection: Collection, folder: Path) -> None:
    write(folder / "a.txt", "word " * 1000)
    assert "which make 1 chunks" in collection.estimate_ingest(folder, chunking=False).notes[0]
    collection.ingest(folder, chunking=False)
    write(folder / "b.txt", "word " * 1000)
    assert "which make 1 chunks" in collection.estimate_ingest(folder).notes[0]


def test_a_size_of_chunks_and_no_chunking_contradict_each_other(collection: Collection, folder: Path) -> None:
    for asked in (collection.ingest, collection.estimate_ingest):
        with pytest.raises(InvalidSettings, match="--no-chunking and --chunk-tokens 100 contradict"):
            asked(folder, chunking=False, chunk_tokens=100)


def test_few_long_documents_fill_a_batch() -> None:
    """Or a batch of whole documents would not fit in memory."""
    chunks = [whole(Document(str(n), "s", "x" * (40 * LONG_TEXT)), lambda _: [1]) for n in range(8)]
    steps: list[Step] = [
        step
        for number, made in enumerate(chunks)
        for step in (Put(StoredDocument(str(number), "s", "", ""), None), Add(made, last=True))
    ]
    assert [len(batch) for batch in batches(steps)] == [8, 8]


def test_what_is_gone_from_a_folder_is_removed_and_the_rest_is_not(
    collection: Collection, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.txt", "apple")
    write(folder / "sub" / "b.txt", "banana")
    write(tmp_path / "other" / "c.txt", "cherry")
    collection.ingest(folder, tmp_path / "other")
    (folder / "a.txt").unlink()
    shutil.rmtree(folder / "sub")
    assert counts(collection.ingest(folder)) == (0, 0, 0, 2)
    assert found(collection, "fruit") == ["other/c.txt"]


def test_a_file_that_is_empty_now_is_no_document_any_more(collection: Collection, folder: Path) -> None:
    file = write(folder / "a.txt", "apple")
    write(folder / "b.txt", "banana")
    collection.ingest(folder)
    write(file, "")
    report = collection.ingest(file)
    assert counts(report) == (0, 0, 0, 1)
    assert [(skipped.source, skipped.kept) for skipped in report.skipped] == [("docs/a.txt", False)]
    assert found(collection, "fruit") == ["docs/b.txt"]


def test_what_cannot_be_read_is_an_error_and_not_an_absence(collection: Collection, folder: Path) -> None:
    file = write(folder / "a.txt", "apple")
    collection.ingest(folder)
    file.write_bytes(b"apple \xff\xfe\xfa pie")
    report = collection.ingest(folder)
    assert counts(report) == (0, 0, 0, 0)
    assert [(skipped.source, skipped.kept) for skipped in report.skipped] == [("docs/a.txt", True)]
    hits = collection.query("apple").hits
    assert [(hit.text, hit.stale) for hit in hits] == [("apple", True)]


def test_a_folder_that_cannot_be_listed_keeps_its_documents(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "locked" / "a.txt", "apple")
    write(folder / "b.txt", "banana")
    collection.ingest(folder)
    scandir = os.scandir

    def refuse(path: str = ".") -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = collection.ingest(folder)
    assert report.removed == 0
    assert [skipped.source for skipped in report.skipped] == ["docs/locked/"]
    monkeypatch.undo()
    assert sorted(found(collection, "fruit")) == ["docs/b.txt", "docs/locked/a.txt"]


def test_broken_records_are_named_every_time_and_the_good_ones_kept(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "a.jsonl", '{"text": "one"}\n{"text": \n{"text": "three"}\n')
    for expected in ((2, 0, 0, 0), (0, 0, 2, 0)):
        report = collection.ingest(folder)
        assert counts(report) == expected
        assert [skipped.source for skipped in report.skipped] == ["docs/a.jsonl:2"]
    assert len(embedder.taken()) == 2
    assert sorted(found(collection, "number")) == ["docs/a.jsonl:1", "docs/a.jsonl:3"]


def test_an_id_that_stands_twice_in_a_file_is_refused(collection: Collection, folder: Path) -> None:
    write(
        folder / "a.jsonl",
        '{"_id": "x", "text": "one"}\n{"_id": "y", "text": "two"}\n{"_id": "x", "text": "three"}\n',
    )
    with pytest.raises(DuplicateId, match=r"`x` stands twice .* second time in `docs/a.jsonl` on line 3"):
        collection.ingest(folder)
    assert sorted(found(collection, "number")) == ["x", "y"], "what came before is stored"


def test_an_id_that_two_files_claim_is_refused_with_both_names(collection: Collection, folder: Path) -> None:
    write(folder / "a.jsonl", '{"_id": "x", "text": "one"}\n')
    write(folder / "b.jsonl", '{"_id": "x", "text": "two"}\n')
    with pytest.raises(
        DuplicateId, match=r"`x` is claimed by `docs/a.jsonl` and by `docs/b.jsonl` on line 1"
    ):
        collection.ingest(folder)
    assert [hit.text for hit in collection.query("one").hits] == ["one"]


def test_a_record_may_move_to_another_file(collection: Collection, folder: Path) -> None:
    write(folder / "b.jsonl", '{"_id": "x", "text": "one"}\n')
    collection.ingest(folder)
    (folder / "b.jsonl").rename(folder / "a.jsonl")
    report = collection.ingest(folder)
    assert (report.added + report.changed, report.removed) == (1, 0)
    assert [hit.source for hit in collection.query("one").hits] == ["docs/a.jsonl"]


def test_an_interrupted_ingest_keeps_whole_documents_and_the_next_one_does_the_rest(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    for number in range(400):
        write(folder / f"{number:03}.txt", f"document {number}")
    embedder.patience = 2
    with pytest.raises(Interrupted, match=r"stopped; new or changed documents that are stored: \d+"):
        collection.ingest(folder)
    stored = collection.describe().documents
    assert 0 < stored < 400
    assert collection.check() == ()
    embedder.patience = -1
    assert counts(collection.ingest(folder)) == (400 - stored, 0, stored, 0)
    assert collection.describe().documents == 400


def test_an_interruption_while_documents_of_some_length_are_stored_keeps_those_before(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    for number in range(20):
        write(folder / f"{number:02}.txt", "".join(f"Sentence {n} of {number}.\n\n" for n in range(2_000)))
    embedder.patience = 2
    with pytest.raises(Interrupted):
        collection.ingest(folder)
    assert collection.describe().documents > 0


@pytest.mark.parametrize(
    ("chunks", "whole"), [(1, True), (50, True), (127, True), (300, True), (2_000, False)]
)
def test_groups_of_steps_end_between_documents_unless_one_is_very_long(chunks: int, whole: bool) -> None:
    chunk = split(Document("d", "d", "word"), HashingEmbedder().token_ends)[0]
    document = StoredDocument("d", "d", "", "")

    def steps() -> Iterator[Step]:
        for _ in range(40):
            yield Put(document, None)
            for start in range(0, chunks, BATCH_CHUNKS):
                size = min(BATCH_CHUNKS, chunks - start)
                yield Add([chunk] * size, last=start + size == chunks)

    groups = list(batches(steps()))
    assert [step for group in groups for step in group] == list(steps())
    ends = [isinstance(group[-1], Add) and group[-1].last for group in groups]
    assert all(ends) == whole
    assert all(sum(len(step.chunks) for step in group if isinstance(step, Add)) < 640 for group in groups)


def test_an_interruption_in_the_middle_of_a_long_document_leaves_none_of_it(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    write(folder / "long.txt", "".join(f"Sentence {n} of it.\n\n" for n in range(40_000)))
    embedder.patience = 1
    with pytest.raises(Interrupted):
        collection.ingest(folder)
    assert collection.describe().chunks == 0
    embedder.patience = -1
    report = collection.ingest(folder)
    assert counts(report) == (1, 0, 0, 0)
    assert collection.describe().chunks == report.chunks > 128


def test_a_path_that_is_not_there_stops_everything_before_it_begins(
    collection: Collection, folder: Path
) -> None:
    write(folder / "a.txt", "apple")
    with pytest.raises(PathNotFound, match=r"nowhere"):
        collection.ingest(folder, folder / "nowhere")
    with pytest.raises(CollectionNotFound):
        collection.describe()


def test_another_embedder_is_refused_and_both_are_named(
    collection: Collection, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.txt", "apple")
    collection.ingest(folder)
    with (
        Collection.open(tmp_path / ".vai", embedder="all-MiniLM-L6-v2", settings=Settings()) as other,
        pytest.raises(EmbedderMismatch, match=r"`hashing` .* not with `all-MiniLM-L6-v2`"),
    ):
        other.ingest(folder)


@pytest.mark.parametrize("options", [{"chunk_tokens": 5}, {"chunk_tokens": 400}, {"max_file_mb": 0.0}])
def test_impossible_values_are_refused(
    collection: Collection, folder: Path, options: dict[str, float]
) -> None:
    ingest: Callable[..., IngestReport] = collection.ingest
    with pytest.raises(InvalidSettings):
        ingest(folder, **options)
    with pytest.raises(InvalidSettings, match="nothing to ingest"):
        collection.ingest()


def test_progress_only_ever_grows(collection: Collection, folder: Path) -> None:
    for number in range(300):
        write(folder / f"{number}.txt", f"document {number}")
    seen: list[IngestProgress] = []
    report = collection.ingest(folder, progress=seen.append)
    for values in ([at.files for at in seen], [at.bytes for at in seen], [at.tokens for at in seen]):
        assert values == sorted(values)
    assert max(at.tokens for at in seen) == report.tokens
    assert seen[-1].files == 300


def test_text_in_another_language_is_a_warning(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    embedder.languages = ("en",)
    write(
        folder / "de.txt",
        "Wie kann ich das mit einer Datei einstellen? Das ist nicht schwer, und wir werden es sehen.",
    )
    write(folder / "en.txt", "How can I configure it with a file? That is not hard, and we will see it.")
    assert "not look like a language" in collection.ingest(folder).warnings[0]


def test_chunks_that_the_embedder_cuts_off_are_a_warning(
    collection: Collection, folder: Path, embedder: CountingEmbedder
) -> None:
    embedder.max_tokens = 50
    write(folder / "a.md", f"# {'h ' * 35}\n\n## {'i ' * 35}\n\n{'word ' * 20}")
    assert "embedded without their ends" in collection.ingest(folder, chunk_tokens=24).warnings[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a.txt", "b.md", "sub/c.txt", "d.jsonl"]),
            st.lists(st.sampled_from(["red", "green", "blue", "# head", ""]), max_size=4),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_history_ends_where_a_fresh_ingest_does(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, list[str]]]
) -> None:
    """After any sequence of changes a collection is what one ingest of the last state makes."""
    base = tmp_path_factory.mktemp("history")
    folder = base / "docs"
    stores = {"kept": base / "kept", "fresh": base / "fresh"}

    def opened(name: str) -> Collection:
        return Collection.open(stores[name], embedder=HashingEmbedder(), settings=Settings())

    with opened("kept") as kept, opened("fresh") as fresh:
        for state in history:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name, words in state.items():
                text = "\n".join(words)
                if name.endswith(".jsonl"):
                    text = "".join(
                        json.dumps({"_id": f"r{n}", "text": word}) + "\n" for n, word in enumerate(words)
                    )
                write(folder / name, text)
            kept.ingest(folder)
        fresh.ingest(folder)
        assert everything(kept) == everything(fresh)
        assert kept.check() == ()
