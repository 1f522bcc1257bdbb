"""The bundled models on ONNX Runtime: what they read, what they cut, what their numbers mean."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

import tiny_models
from vai.arrays import Vector
from vai.errors import StoreCorrupt
from vai.models.local import encoder, onnx
from vai.models.local.encoder import load_tokenizer, pieces_of
from vai.models.local.onnx import OnnxEmbedder, OnnxReranker
from vai.models.local.templates import READING, token_windows
from vai.models.manifest import BUNDLED, Manifest, read_manifest

EMBEDDER = read_manifest(BUNDLED / "all-MiniLM-L6-v2")
RERANKER = read_manifest(BUNDLED / "vai-reranker-mini")
PASSAGES = ("atexit runs functions when the interpreter exits", "bread and butter", "exit")


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    """The bundled embedder."""
    return OnnxEmbedder(EMBEDDER, threads=2)


@pytest.fixture(scope="module")
def reranker() -> OnnxReranker:
    """The bundled reranker."""
    return OnnxReranker(RERANKER, threads=2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Times that `time.monotonic` gives, one after the other."""
    times: list[float] = []
    monkeypatch.setattr(onnx, "time", SimpleNamespace(monotonic=lambda: times.pop(0)))
    yield times
    assert times == []


# ── the embedder ──


def test_the_embedder_says_what_its_manifest_says(embedder: OnnxEmbedder) -> None:
    assert (embedder.name, embedder.revision) == (EMBEDDER.name, EMBEDDER.revision)
    assert (embedder.dimension, embedder.max_tokens, embedder.languages) == (384, 256, ("en",))


def test_two_of_the_tokens_are_its_own(embedder: OnnxEmbedder) -> None:
    """254 of the text's are read: the 254th changes the vector, the 255th does not."""
    texts = ["word " * 253, "word " * 253 + "bread", "word " * 253 + "bread butter"]
    short, full, long = embedder.embed_documents(texts)
    assert not np.array_equal(short, full)
    assert np.array_equal(full, long)


def test_a_query_is_embedded_as_a_document_is(embedder: OnnxEmbedder) -> None:
    assert np.array_equal(embedder.embed_query("bread"), embedder.embed_documents(["bread"])[0])


@pytest.mark.parametrize("threads", [1, 3])
def test_how_many_threads_there_are_changes_no_vector(embedder: OnnxEmbedder, threads: int) -> None:
    other = OnnxEmbedder(EMBEDDER, threads=threads)
    assert np.array_equal(other.embed_documents(PASSAGES), embedder.embed_documents(PASSAGES))


@given(
    words=st.lists(
        st.sampled_from(["exit", "wörld", "日本", "x,y", "e\u0301", "\n", " ", "don't", "😀"]), max_size=40
    )
)
def test_a_long_text_is_measured_in_pieces_as_it_would_be_whole(
    embedder: OnnxEmbedder, words: list[str]
) -> None:
    text = " ".join(words)
    whole = list(embedder.token_ends(text))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder, "PIECE", 16)
        assert list(embedder.token_ends(text)) == whole


def test_a_long_text_without_white_space_is_measured_to_its_end(embedder: OnnxEmbedder) -> None:
    ends = embedder.token_ends("x" * (encoder.PIECE + 1) + "日本" * encoder.PIECE)
    assert ends[-1] == 3 * encoder.PIECE + 1


def test_models_share_one_tokenizer(embedder: OnnxEmbedder, reranker: OnnxReranker) -> None:
    """Loading it takes as long as a network does; it cuts nothing off by itself."""
    assert embedder._encoder.tokenizer is reranker._encoder.tokenizer
    encoding = embedder._encoder.tokenizer.encode("word " * 1_000, add_special_tokens=False)
    assert len(encoding.ids) == 1_000


@pytest.mark.parametrize(
    "tokenizer",
    [tiny_models.roberta_tokenizer(), tiny_models.unigram_tokenizer()],
    ids=["bytes", "sentence pieces"],
)
@given(
    words=st.lists(st.sampled_from(["exit", "wörld", "x,y", "don't", "😀", "how  to", "a\nb"]), max_size=40)
)
def test_pieces_cut_no_token_of_tokenizers_that_begin_tokens_with_a_space(
    embedder: OnnxEmbedder, tokenizer: Tokenizer, words: list[str]
) -> None:
    text = " ".join(words)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder, "PIECE", 24)
        pieces = [tokenizer.encode(piece, add_special_tokens=False).ids for _, piece in pieces_of(text)]
    assert [each for ids in pieces for each in ids] == tokenizer.encode(text, add_special_tokens=False).ids


@given(text=st.text(st.sampled_from("ab \n"), max_size=60), size=st.integers(1, 10))
def test_pieces_are_the_text_with_their_offsets(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder, "PIECE", size)
        pieces = list(pieces_of(text))
    assert "".join(piece for _, piece in pieces) == text
    assert all(0 < len(piece) <= size and text.startswith(piece, start) for start, piece in pieces)


def test_a_long_text_is_read_as_it_would_be_in_one_piece(embedder: OnnxEmbedder) -> None:
    text = "register functions that run when the interpreter exits. " * 3
    whole = embedder.embed_query(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder, "PIECE", 16)
        assert np.array_equal(embedder.embed_query(text), whole)


# ── the reranker ──


def test_the_reranker_says_what_its_manifest_says(reranker: OnnxReranker) -> None:
    assert (reranker.name, reranker.languages) == ("vai-reranker-mini", ("en",))
    assert reranker.calibration == RERANKER.calibration
    assert (reranker.blend, reranker.similarity_scale) == (RERANKER.blend, RERANKER.similarity_scale)


def test_its_revision_changes_with_the_way_it_reads(reranker: OnnxReranker) -> None:
    assert reranker.revision == f"{RERANKER.revision}/{READING}"


def test_tokens_are_those_of_query_and_passages_with_three_of_its_own(reranker: OnnxReranker) -> None:
    reading = reranker.score("bread and butter", ["bread", "bread and butter", ""])
    assert reading.tokens == (3 + 3) * 3 + 1 + 3 + 0


def test_a_passage_is_read_at_once_where_query_and_passage_fill_the_model(reranker: OnnxReranker) -> None:
    room = 512 - 2 - 3
    reading = reranker.score("two words", ["x " * room, "x " * (room + 1)])
    assert reading.window(0) is None
    assert reading.window(1) in {(0, 633), (380, 1015)}
    assert reading.seen.tolist() == [1.0, 1.0]
    assert reading.tokens == 512 + 2 * (5 + 317)


def test_a_passage_that_does_not_fit_is_worth_its_best_window(reranker: OnnxReranker) -> None:
    """The window reads to the last bit as it would by itself, and its characters are where it says."""
    query, answer = "when do registered functions run", "atexit runs functions when the interpreter exits. "
    filling = "bread and butter and jam. " * 120
    passage = filling + answer + filling
    reading = reranker.score(query, [passage])
    start, stop = reading.window(0) or (0, 0)
    assert answer.strip() in passage[start:stop]
    assert reranker.score(query, [passage[start:stop]]).values.tolist() == reading.values.tolist()
    assert reranker.score(query, [filling]).values[0] < reading.values[0]


def test_beyond_the_most_windows_a_passage_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "token_windows", partial(token_windows, most=2))
    one_by_one = OnnxReranker(RERANKER, threads=1)
    room = 512 - 1 - 3
    read = 2 * room - room // 4
    reading = one_by_one.score("bread", ["x " * 2 * read, "x " * read])
    assert reading.seen.tolist() == pytest.approx([0.5, 1.0], abs=0.001)
    assert reading.values[0] == reading.values[1]


def test_a_query_is_cut_at_128_tokens(reranker: OnnxReranker) -> None:
    whole = reranker.score("exit " * 128, PASSAGES)
    longer = reranker.score("exit " * 128 + "bread " * 128, PASSAGES)
    assert (whole.query_seen, longer.query_seen) == (1.0, 0.5)
    assert whole.values.tolist() == longer.values.tolist()


def test_a_query_of_which_no_token_is_left_was_seen_whole(reranker: OnnxReranker) -> None:
    assert reranker.score("\u200b", PASSAGES).query_seen == 1.0


@pytest.mark.parametrize("threads", [1, 3])
def test_how_many_threads_there_are_changes_no_logit(reranker: OnnxReranker, threads: int) -> None:
    passages = [*PASSAGES * 12, "x " * 1_200]
    other = OnnxReranker(RERANKER, threads=threads)
    assert other.score("exit", passages).values.tolist() == reranker.score("exit", passages).values.tolist()


def test_a_deadline_in_the_middle_leaves_the_rest_unread(clock: list[float]) -> None:
    one_by_one = OnnxReranker(RERANKER, threads=1)
    clock += [1.0, 2.0]
    reading = one_by_one.score("bread", ["bread and butter", *PASSAGES[:2]], deadline=2.0)
    assert np.isnan(reading.values).tolist() == [False, True, True]
    assert reading.seen.tolist() == [1.0, 0.0, 0.0]
    assert reading.tokens == 1 + 3 + 3
    assert (reading.stopped, reading.reason) == ("deadline", "the time was up")


def test_a_passage_whose_windows_were_not_all_read_in_time_is_unread(clock: list[float]) -> None:
    """What was read of it counts among the tokens, and nowhere else."""
    one_by_one = OnnxReranker(RERANKER, threads=1)
    clock += [1.0, 1.0, 2.0]
    reading = one_by_one.score("bread", ["bread and butter", "x " * 509], deadline=2.0)
    assert np.isnan(reading.values).tolist() == [False, True]
    assert (reading.seen.tolist(), reading.windows) == ([1.0, 0.0], ())
    assert reading.tokens == (1 + 3 + 3) + (1 + 3 + 318)


def test_with_a_deadline_passages_are_begun_in_the_order_given(clock: list[float]) -> None:
    one_by_one = OnnxReranker(RERANKER, threads=1)
    clock += [1.0, 1.0, 2.0]
    reading = one_by_one.score(
        "bread", ["short", "longer than that", "the longest of them all"], deadline=2.0
    )
    assert np.isnan(reading.values).tolist() == [False, False, True]


def test_a_failure_in_a_thread_stops_the_others_and_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    other = OnnxReranker(RERANKER, threads=3)
    begun = []

    def run(ids: Sequence[int], types: Sequence[int]) -> Vector:
        begun.append(len(ids))
        raise MemoryError("no room")

    monkeypatch.setattr(other._encoder, "run", run)
    with pytest.raises(MemoryError, match="no room"):
        other.score("exit", ["bread"] * 100)
    assert len(begun) <= 3


def test_a_network_that_gives_no_number_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float16 networks overflow on some texts; nothing is made up for them."""
    other = OnnxReranker(RERANKER, threads=1)
    monkeypatch.setattr(
        other._encoder, "run", lambda ids, types: np.array([np.nan if len(ids) > 6 else 1.0], np.float32)
    )
    reading = other.score("exit", ["bread", "bread and butter and jam"])
    assert reading.values[0] == 1.0
    assert np.isnan(reading.values[1])
    assert (reading.stopped, reading.seen.tolist()) == ("failed", [1.0, 0.0])
    assert reading.reason == "the model gave no number for 1 of 2 passages"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_passage_with_a_window_that_gives_no_finite_number_is_unread(
    monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    other = OnnxReranker(RERANKER, threads=1)
    (oil,) = other._encoder.tokenizer.encode("oil", add_special_tokens=False).ids
    monkeypatch.setattr(
        other._encoder, "run", lambda ids, types: np.array([number if oil in ids else 1.0], np.float32)
    )
    reading = other.score("exit", ["x " * 600 + "oil", "x " * 600])
    assert np.isnan(reading.values).tolist() == [True, False]
    assert reading.seen.tolist() == [0.0, 1.0]
    assert (reading.window(0), reading.window(1)) == (None, (0, 727))
    assert reading.stopped == "failed"


def batches_of(reranker: OnnxReranker, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Characters that its tokenizer is given, call by call."""
    sizes: list[int] = []
    tokenizer = reranker._encoder.tokenizer

    class Counting:
        """A tokenizer that notes how much it is given."""

        def encode(self, text: str, *, add_special_tokens: bool) -> object:
            sizes.append(len(text))
            return tokenizer.encode(text, add_special_tokens=add_special_tokens)

        def encode_batch_fast(self, texts: Sequence[str], *, add_special_tokens: bool) -> object:
            sizes.append(sum(map(len, texts)))
            return tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)

    monkeypatch.setattr(reranker._encoder, "tokenizer", Counting())
    return sizes


def test_long_texts_are_tokenised_a_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tokenizer takes neither much memory nor much time at once; a piece is 65,536 characters."""
    other = OnnxReranker(RERANKER, threads=2)
    monkeypatch.setattr(other._encoder, "run", lambda ids, types: np.ones(1, np.float32))
    sizes = batches_of(other, monkeypatch)
    reading = other.score("bread", ["butter " * 20_000, *["jam " * 8_000] * 3, *["exit " * 100] * 200])
    assert max(sizes) <= encoder.PIECE
    assert reading.seen.tolist() == pytest.approx([1.0] * 204)
    assert reading.stopped is None


def test_what_lies_beyond_the_windows_is_not_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 windows of a short query hold some 24,500 tokens, here of two characters each."""
    other = OnnxReranker(RERANKER, threads=1)
    monkeypatch.setattr(other._encoder, "run", lambda ids, types: np.ones(1, np.float32))
    sizes = batches_of(other, monkeypatch)
    reading = other.score("bread", ["x " * 500_000])
    assert sum(sizes) <= 5 + 2 * encoder.PIECE
    assert reading.seen[0] == pytest.approx((63 * 381 + 508) / 500_000, rel=0.001)


def test_tokenising_a_long_text_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """White space has no tokens, so that no number of them would be enough."""
    other = OnnxReranker(RERANKER, threads=1)
    times = iter([1.0, 1.0, 2.0])
    clock = SimpleNamespace(monotonic=lambda: next(times, 2.0))
    monkeypatch.setattr(onnx, "time", clock)
    monkeypatch.setattr(encoder, "time", clock)
    sizes = batches_of(other, monkeypatch)
    reading = other.score("bread", ["butter", " " * 20 * encoder.PIECE], deadline=2.0)
    assert len(sizes) <= 5
    assert np.isnan(reading.values).tolist() == [False, True]
    assert reading.stopped == "deadline"


def test_an_embedder_that_makes_no_numbers_of_a_text_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vector would be neither near nor far from any other."""
    other = OnnxEmbedder(EMBEDDER, threads=2)
    monkeypatch.setattr(other._encoder, "run", lambda ids, types: np.full(384, np.nan, np.float32))
    with pytest.raises(StoreCorrupt, match="no vector of a text of 4 tokens"):
        other.embed_documents(["bread butter"])


# ── damaged models ──


@pytest.mark.parametrize("length", [127, 128])
def test_a_reranker_whose_prompt_leaves_no_room_for_a_query_is_refused(length: int) -> None:
    recipe = replace(RERANKER, query_prompt="x " * length)
    with nullcontext() if length < 128 else pytest.raises(StoreCorrupt, match="128 tokens leaves no room"):
        OnnxReranker(recipe, threads=1)


@pytest.mark.parametrize(
    "recipe",
    [replace(EMBEDDER, query_prompt="x " * 254), replace(EMBEDDER, document_prompt="x " * 254)],
    ids=["query", "document"],
)
def test_an_embedder_whose_prompt_leaves_no_room_for_a_text_is_refused(recipe: Manifest) -> None:
    with pytest.raises(StoreCorrupt, match="254 tokens leaves no room"):
        OnnxEmbedder(recipe, threads=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the embedder's folder, its large network a link to the real one."""
    copy = tmp_path / "model"
    copy.mkdir()
    (copy / "model.onnx").symlink_to(EMBEDDER.network)
    shutil.copy(EMBEDDER.tokenizer, copy)
    shutil.copy(EMBEDDER.folder / "model.json", copy)
    return copy


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_model_that_cannot_be_loaded_is_named(folder: Path, name: str, content: bytes | None) -> None:
    load_tokenizer.cache_clear()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(StoreCorrupt, match="`all-MiniLM-L6-v2` cannot be loaded") as caught:
        OnnxEmbedder(read_manifest(folder), threads=1)
    assert "install vai again" in str(caught.value.hint)
    load_tokenizer.cache_clear()


def test_the_runtime_reports_its_use_to_nobody(tmp_path: Path) -> None:
    """It would keep an id of this machine, and what it is going to send, in the folder for caches."""
    program = "import vai; vai.open_embedder(threads=1).embed_query('x')"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "ORT_DISABLE_TELEMETRY"} and not name.startswith("GITHUB_")
    }
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment | places)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
