"""How texts become the row of tokens that a model reads, and where a long one is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, processors

from tiny_models import modernbert_tokenizer, roberta_tokenizer, unigram_tokenizer, wordpiece_tokenizer
from vai.models.local.templates import Template, pair_template, single_template, token_windows

TOKENIZERS = {
    "BERT": wordpiece_tokenizer(),
    "RoBERTa": roberta_tokenizer(),
    "XLM-RoBERTa": unigram_tokenizer(),
    "ModernBERT": modernbert_tokenizer(),
}
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(
    st.sampled_from(["how", "exit", "[SEP]", "</s>", "Überraschung", " ", "\n", "日本", "e\u0301", "?"]),
    max_size=8,
).map(" ".join)


def own_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """A text's tokens without any around it."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


@pytest.mark.parametrize("family", TOKENIZERS)
@settings(max_examples=60)
@given(query=any_text, passage=any_text)
@example(query="", passage="")
@example(query="how to", passage="")
def test_a_query_and_a_passage_are_joined_as_the_tokenizer_itself_does(
    family: str, query: str, passage: str
) -> None:
    """Ids and types, though query and passage were tokenised apart."""
    tokenizer = TOKENIZERS[family]
    joined = tokenizer.encode(query, passage)
    ids, types = pair_template(tokenizer).filled(own_ids(tokenizer, query), own_ids(tokenizer, passage))
    assert (ids, types) == (joined.ids, joined.type_ids)


@pytest.mark.parametrize("family", TOKENIZERS)
@settings(max_examples=40)
@given(text=any_text)
def test_a_single_text_is_wrapped_as_the_tokenizer_itself_does(family: str, text: str) -> None:
    tokenizer = TOKENIZERS[family]
    whole = tokenizer.encode(text)
    ids, types = single_template(tokenizer).filled(own_ids(tokenizer, text))
    assert (ids, types) == (whole.ids, whole.type_ids)


def test_special_tokens_are_counted() -> None:
    counts = {
        family: (single_template(tokenizer).own, pair_template(tokenizer).own)
        for family, tokenizer in TOKENIZERS.items()
    }
    assert counts == {"BERT": (2, 3), "RoBERTa": (2, 4), "XLM-RoBERTa": (2, 4), "ModernBERT": (2, 3)}


def test_types_are_the_second_texts_own_unless_they_are_left_out() -> None:
    template = pair_template(TOKENIZERS["BERT"])
    assert template.filled([7], [8, 9])[1] == [0, 0, 0, 1, 1, 1]
    assert template.untyped().filled([7], [8, 9]) == (template.filled([7], [8, 9])[0], [0] * 6)


def test_a_tokenizer_without_special_tokens_puts_texts_end_to_end() -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    assert pair_template(tokenizer) == Template(((), (), ()), ((), (), ()), (0, 1))


@pytest.mark.parametrize("pair", ["$A $B $A", "$B:0 $A:1"])
def test_a_tokenizer_that_does_not_put_one_text_behind_the_other_is_refused(pair: str) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair=pair, special_tokens=[])
    with pytest.raises(ValueError, match="does not put one text behind the other"):
        pair_template(tokenizer)


# ── windows ──

sizes = {"tokens": st.integers(0, 5_000), "room": st.integers(1, 600), "most": st.integers(1, 70)}


@given(**sizes)
def test_windows_hold_every_token_in_order_and_none_is_too_long(tokens: int, room: int, most: int) -> None:
    """Up to the most there may be; those that follow each other leave no token out."""
    windows = token_windows(tokens, room, most)
    assert windows[0][0] == 0
    assert len(windows) <= most
    assert all(0 <= stop - start <= room for start, stop in windows)
    assert all(start < after <= stop for (start, stop), (after, _) in itertools.pairwise(windows))
    assert windows[-1][1] == tokens or len(windows) == most


@given(**sizes)
def test_windows_are_of_one_length_and_overlap_by_a_quarter_of_the_room(
    tokens: int, room: int, most: int
) -> None:
    """The last is no remainder, and what lies at one's edge is well inside another."""
    windows = token_windows(tokens, room, most)
    assert len({stop - start for start, stop in windows}) == 1
    overlaps = [stop - after for (_, stop), (after, _) in itertools.pairwise(windows)]
    assert all(overlap >= room // 4 for overlap in overlaps)


@given(**sizes)
def test_there_are_no_more_windows_than_are_needed(tokens: int, room: int, most: int) -> None:
    fewer = len(token_windows(tokens, room, most)) - 1
    assert fewer == 0 or fewer * (room - room // 4) + room // 4 < tokens


def test_a_text_that_fits_is_one_window_and_one_token_more_makes_two() -> None:
    assert token_windows(100, 100) == [(0, 100)]
    assert token_windows(0, 100) == [(0, 0)]
    assert token_windows(101, 100) == [(0, 63), (38, 101)]


def test_beyond_sixty_four_windows_the_rest_is_left_out() -> None:
    windows = token_windows(1_000_000, 100)
    assert (len(windows), windows[1], windows[-1]) == (64, (75, 175), (4_725, 4_825))
