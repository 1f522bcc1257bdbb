"""Where a text without headings is cut."""

from __future__ import annotations

import pytest

from chunk_samples import chunked, document, sentence, sizes, texts, token_ends, words
from vai.chunking import split


def paragraphs(*counts: int) -> str:
    return "\n\n".join(sentence(count, f"p{number}w") for number, count in enumerate(counts))


def test_as_many_paragraphs_as_fit_are_one_chunk() -> None:
    assert sizes(chunked(paragraphs(10, 10, 10, 10, 10, 10, 10, 10))) == [40, 40]


def test_paragraphs_are_not_cut_where_they_can_stay_whole() -> None:
    assert sizes(chunked(paragraphs(25, 30, 12, 22))) == [25, 30, 34]


def test_what_is_a_little_too_long_becomes_two_halves() -> None:
    """At sentences: 42 tokens are not 40 and 2."""
    assert sizes(chunked(" ".join(sentence(7) for _ in range(6)))) == [21, 21]
    assert sizes(chunked(words(42))) == [21, 21]


def test_no_small_paragraph_is_left_alone_where_a_sentence_ends() -> None:
    sentences = " ".join(sentence(9) for _ in range(4))
    assert sizes(chunked(f"{sentences}\n\n{sentence(5)}")) == [36, 5]
    assert sizes(chunked(f"{sentences} {sentence(3)}\n\n{sentence(4)}")) == [18, 25]


def test_a_small_paragraph_is_left_alone_rather_than_a_sentence_cut() -> None:
    assert sizes(chunked(paragraphs(40, 3))) == [40, 3]
    assert sizes(chunked(paragraphs(3, 40))) == [3, 40]


def test_a_page_break_is_better_than_a_paragraph() -> None:
    text = paragraphs(10, 12, 10, 12)
    page = text.index("P1w0")
    assert sizes(chunked(text, pages=(0, page))) == [10, 34]
    assert sizes(chunked(text)) == [22, 22]


def test_a_page_break_alone_cuts_nothing_that_fits() -> None:
    text = paragraphs(10, 10)
    assert len(chunked(text, pages=(0, text.index("P1w0")))) == 1


def test_a_blank_line_above_unindented_text_is_better_than_above_indented_text() -> None:
    text = f"{sentence(12)}\n\n{sentence(12)}\n\n    {sentence(12)}\n\n    {sentence(12)}"
    assert sizes(chunked(text)) == [12, 36]


def test_list_items_are_cut_between_and_outer_ones_first() -> None:
    items = [
        f"- {sentence(9)}",
        f"  - {sentence(9)}",
        f"  - {sentence(9)}",
        f"- {sentence(9)}",
        f"  - {sentence(9)}",
    ]
    first, second = chunked("\n".join(items))
    assert first.text == "\n".join(items[:3])
    assert second.text == "\n".join(items[3:])


def test_list_items_are_cut_before_their_sentences() -> None:
    item = f"1. {sentence(5)} {sentence(6)}"
    assert [text[:2] for text in texts(chunked("\n".join([item] * 5)))] == ["1.", "1."]


def test_sentences_are_better_than_the_lines_of_a_wrapped_paragraph() -> None:
    text = f"{words(14)}\nends here. {words(9).capitalize()}\n{words(14)}\n{words(9)}"
    assert chunked(text)[0].text.endswith("ends here.")


def test_lines_of_a_log_are_better_than_sentences_inside_them() -> None:
    line = f"2024 INFO {words(6)}. Retrying {words(3)}"
    assert all(text.startswith("2024") for text in texts(chunked("\n".join([line] * 12))))


def test_wrapped_lines_are_better_than_words() -> None:
    text = "\n".join([words(16)] * 4)
    assert sizes(chunked(text)) == [32, 32]


def test_a_point_before_a_small_letter_ends_no_sentence() -> None:
    text = f"{words(12)} e.g. {words(16)} done. {sentence(14)}"
    assert texts(chunked(text))[1] == sentence(14)


@pytest.mark.parametrize("end", ["。", "！", "？」"])
def test_sentences_of_scripts_without_spaces_are_cut_between(end: str) -> None:
    text = f"{'字' * 30}{end}" * 3
    chunks = split(document(text), lambda text: range(1, len(text) + 1), chunk_tokens=40)
    assert all(chunk.text.endswith(end) for chunk in chunks)


def test_words_are_cut_between_when_there_is_nothing_better() -> None:
    assert sizes(chunked(words(100))) == [33, 33, 34]


def test_marks_inside_a_string_without_spaces_are_better_than_its_characters() -> None:
    chunks = split(document("abcdefgh," * 10), lambda text: range(1, len(text) + 1), chunk_tokens=40)
    assert sizes(chunks) == [27, 27, 36]


def test_a_string_without_any_boundary_is_cut_evenly() -> None:
    text = "x" * 100
    chunks = split(document(text), lambda text: range(1, len(text) + 1), chunk_tokens=40)
    assert [len(chunk.text) for chunk in chunks] == [33, 33, 34]


def test_a_string_that_is_one_token_is_cut_by_its_length() -> None:
    chunks = chunked("x" * 10_000)
    assert [len(chunk.text) for chunk in chunks] == [1250] * 8


def test_words_with_much_space_between_them_are_parted() -> None:
    assert texts(chunked(f"one{' ' * 10_000}two")) == ["one", "two"]


@pytest.mark.parametrize("character", ["e\u0301", "👩\u200d👧", "❤\ufe0f", "👍🏽", "क\u094dष"])
def test_a_character_of_several_code_points_is_not_cut(character: str) -> None:
    chunks = split(document(character * 50), lambda text: range(1, len(text) + 1), chunk_tokens=40)
    if character == "क\u094dष":  # a cluster of two letters: only the mark must stay with its letter
        assert not any(chunk.text.startswith("\u094d") for chunk in chunks)
    else:
        assert all(len(chunk.text) % len(character) == 0 for chunk in chunks)


def test_a_character_of_more_tokens_than_a_chunk_has_is_a_chunk() -> None:
    chunks = split(
        document("🦀🦀"),
        lambda text: [end for end in range(1, len(text) + 1) for _ in range(4)],
        chunk_tokens=2,
    )
    assert [(chunk.text, chunk.tokens) for chunk in chunks] == [("🦀", 4), ("🦀", 4)]


def test_what_a_colon_announces_stays_with_it() -> None:
    text = f"{sentence(14)}\n\n{words(9)}:\n\n{sentence(10)}\n\n{sentence(14)}"
    assert [text[:2] for text in texts(chunked(text, limit=38))] == ["Wo", "wo"]
    assert texts(chunked(text, limit=38))[1].startswith(f"{words(9)}:\n\n")


def test_tokens_may_come_in_any_sequence_of_integers() -> None:
    text = paragraphs(30, 30)
    ends = tuple(token_ends(text))
    assert sizes(split(document(text), lambda _: ends, chunk_tokens=40)) == [30, 30]


def test_a_line_of_a_megabyte_is_chunked() -> None:
    assert sizes(chunked("word " * 200_000, limit=200)) == [200] * 1000
