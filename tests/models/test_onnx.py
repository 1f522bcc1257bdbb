"""The bundled models on ONNX Runtime: what they read, what they cut, what their numbers mean."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.errors import StoreCorrupt
from vai.models import onnx
from vai.models.manifest import BUNDLED, read_manifest
from vai.models.onnx import OnnxEmbedder, OnnxReranker, load_tokenizer

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
        patched.setattr(onnx, "PIECE", 16)
        assert list(embedder.token_ends(text)) == whole


def test_a_long_text_without_white_space_is_measured_to_its_end(embedder: OnnxEmbedder) -> None:
    ends = embedder.token_ends("x" * (onnx.PIECE + 1) + "日本" * onnx.PIECE)
    assert ends[-1] == 3 * onnx.PIECE + 1


def test_models_share_one_tokenizer() -> None:
    assert load_tokenizer(EMBEDDER.tokenizer) is load_tokenizer(EMBEDDER.tokenizer)
    encoding = load_tokenizer(RERANKER.tokenizer).encode("word " * 1_000, add_special_tokens=False)
    assert len(encoding.ids) == 1_000


# ── the reranker ──


def test_the_reranker_says_what_its_manifest_says(reranker: OnnxReranker) -> None:
    assert (reranker.name, reranker.languages, reranker.calibrated) == ("vai-reranker-mini", ("en",), True)
    assert (reranker.blend, reranker.similarity_scale) == (RERANKER.blend, RERANKER.similarity_scale)


def test_relevance_is_the_logit_through_the_logistic_curve_of_the_card(reranker: OnnxReranker) -> None:
    reading = reranker.score("when does the interpreter exit", PASSAGES)
    assert reading.logits is not None
    for logit, relevance in zip(reading.logits.tolist(), reading.relevance.tolist(), strict=True):
        assert relevance == pytest.approx(1 / (1 + math.exp(-(0.181 * logit - 3.317))), rel=1e-6)


def test_without_a_calibration_the_curve_is_the_plain_one_and_it_says_so() -> None:
    plain = OnnxReranker(replace(RERANKER, calibration=None), threads=1)
    reading = plain.score("when does the interpreter exit", PASSAGES)
    assert not plain.calibrated
    assert reading.logits is not None
    assert reading.relevance == pytest.approx(1 / (1 + np.exp(-reading.logits)), rel=1e-6)


def test_tokens_are_those_of_query_and_passages_with_three_of_its_own(reranker: OnnxReranker) -> None:
    reading = reranker.score("bread and butter", ["bread", "bread and butter", ""])
    assert reading.tokens == (3 + 3) * 3 + 1 + 3 + 0


def test_a_passage_is_cut_where_query_and_passage_fill_the_model(reranker: OnnxReranker) -> None:
    room = 512 - 2 - 3
    reading = reranker.score("two words", ["x " * room, "x " * room + "y", "x " * room + "z " * room])
    assert reading.logits is not None
    assert len(set(reading.logits.tolist())) == 1
    assert reading.seen.tolist() == pytest.approx([1.0, room / (room + 1), 0.5])
    assert reading.tokens == 3 * 512


def test_a_query_is_cut_at_128_tokens(reranker: OnnxReranker) -> None:
    whole = reranker.score("exit " * 128, PASSAGES)
    longer = reranker.score("exit " * 128 + "bread " * 128, PASSAGES)
    assert (whole.query_seen, longer.query_seen) == (1.0, 0.5)
    assert whole.logits is not None
    assert longer.logits is not None
    assert whole.logits.tolist() == longer.logits.tolist()


def test_a_query_of_which_no_token_is_left_was_seen_whole(reranker: OnnxReranker) -> None:
    assert reranker.score("\u200b", PASSAGES).query_seen == 1.0


def test_a_deadline_in_the_middle_leaves_the_rest_unread(clock: list[float]) -> None:
    one_by_one = OnnxReranker(RERANKER, threads=1)
    clock += [1.0, 2.0, 3.0]
    reading = one_by_one.score("bread", ["bread and butter", *PASSAGES[:2]], deadline=2.0)
    assert reading.logits is not None
    assert np.isnan(reading.logits).tolist() == [False, True, True]
    assert np.isnan(reading.relevance).tolist() == [False, True, True]
    assert reading.seen.tolist() == [1.0, 0.0, 0.0]
    assert reading.tokens == 1 + 3 + 3
    assert reading.reason == "the deadline came first"


# ── damaged models ──


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


def test_a_tokenizer_of_another_kind_of_model_is_named(folder: Path) -> None:
    described = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    del described["model"]["vocab"]["[CLS]"]
    described["added_tokens"] = []
    described["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(StoreCorrupt, match=r"the tokenizer has no \[CLS\] token"):
        OnnxEmbedder(read_manifest(folder), threads=1)
    load_tokenizer.cache_clear()
