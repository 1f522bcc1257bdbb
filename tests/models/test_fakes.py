"""The fakes' numbers, computed by hand."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.models.fakes import HashingEmbedder, WordOverlapReranker, words


def test_words_are_lower_cased_and_punctuation_counts() -> None:
    assert words("Hello, wörld!  x_1") == ["hello", ",", "wörld", "!", "x_1"]


@given(text=st.text())
def test_an_embedder_measures_in_the_words_it_reads(text: str) -> None:
    assert len(HashingEmbedder().token_ends(text)) == len(words(text))


def test_a_word_counts_at_its_checksum_modulo_the_dimension() -> None:
    embedder = HashingEmbedder(dimension=1_000)
    expected = np.zeros(1_000)
    expected[zlib.crc32(b"bread") % 1_000] = 2 / 5**0.5
    expected[zlib.crc32(b"butter") % 1_000] = 1 / 5**0.5
    assert embedder.embed_query("Bread butter BREAD") == pytest.approx(expected, abs=1e-7)


def test_texts_that_share_half_their_words_have_a_similarity_of_a_half() -> None:
    left, right = HashingEmbedder(dimension=10_000).embed_documents(["bread butter", "bread jam"])
    assert float(left @ right) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_text_without_words_points_along_the_first_axis(text: str) -> None:
    assert HashingEmbedder(dimension=3).embed_query(text).tolist() == [1.0, 0.0, 0.0]


def test_the_dimension_can_be_chosen() -> None:
    assert HashingEmbedder().dimension == 64
    assert HashingEmbedder(dimension=7).embed_documents(["a", "b"]).shape == (2, 7)


def test_relevance_is_the_share_of_the_querys_words_in_the_passage() -> None:
    reading = WordOverlapReranker().score(
        "how to scale scale", ["How to scale", "scale", "bread", "to how how", ""]
    )
    assert reading.logits is None
    assert reading.values == pytest.approx(np.array([1, 1 / 3, 0, 2 / 3, 0]))
    assert reading.tokens == 5 * 3 + 3 + 1 + 1 + 3


def test_a_passage_of_more_words_than_are_read_at_once_counts_by_its_best_window() -> None:
    """300 words are two windows of 182, which share 64; each is read with the whole query."""
    passage = "how " + "x " * 150 + "to scale " + "x " * 147
    reading = WordOverlapReranker().score("to scale", ["scale", passage, "x " * 300])
    assert reading.values.tolist() == [0.5, 1.0, 0.0]
    assert reading.seen.tolist() == [1.0, 1.0, 1.0]
    assert reading.window(0) is None
    start, stop = reading.window(1) or (0, 0)
    assert len(passage[start:stop].split()) == 182
    assert "to scale" in passage[start:stop]
    assert reading.window(2) == (0, 2 * 182 - 1)
    assert reading.tokens == 2 + 1 + 2 * 2 * (2 + 182)


def test_words_beyond_the_last_window_do_not_count() -> None:
    room, step = 256, 192
    last = 63 * step + room
    reading = WordOverlapReranker().score("scale", ["x " * (last - 1) + "scale x", "x " * last + "scale"])
    assert reading.values.tolist() == [1.0, 0.0]
    assert reading.seen.tolist() == pytest.approx([last / (last + 1)] * 2)


def test_a_query_without_words_is_answered_by_nothing() -> None:
    assert WordOverlapReranker().score("  ", ["a"]).values.tolist() == [0.0]


def test_a_deadline_between_two_passages_leaves_the_rest_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    reading = WordOverlapReranker().score("a", ["a", "a", "a"], deadline=3.0)
    assert np.isnan(reading.values).tolist() == [False, False, True]
    assert reading.seen.tolist() == [1.0, 1.0, 0.0]
    assert (reading.stopped, reading.reason) == ("deadline", "the time was up")
    assert reading.tokens == 4
