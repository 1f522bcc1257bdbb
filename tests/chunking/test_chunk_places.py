"""What a chunk says of itself: its text, its place, and what it takes over from its document."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chunk_samples import chunked, document, sentence, texts, token_ends, words
from vai.chunking import CHUNKING_VERSION, split
from vai.errors import InvalidSettings
from vai.types import Document


def test_the_document_is_tokenised_once_and_whole() -> None:
    read: list[str] = []

    def counting(text: str) -> Sequence[int]:
        read.append(text)
        return token_ends(text)

    text = "\n\n".join(sentence(30) for _ in range(200))
    split(document(text), counting, chunk_tokens=40)
    assert read == [text]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\r\n\t \u2003\x0c"])
def test_a_text_without_characters_has_no_chunks(text: str) -> None:
    assert chunked(text, "markdown") == []


def test_a_text_that_fits_is_one_chunk_without_the_white_space_around_it() -> None:
    (chunk,) = chunked("\n\n  one two\n\nthree \n")
    assert (chunk.text, chunk.start, chunk.end, chunk.tokens) == ("one two\n\nthree", 4, 18, 3)


def test_a_chunk_takes_over_what_its_document_is() -> None:
    metadata = {"year": 1999}
    given = Document(
        "an id", "a/source.txt", f"{sentence(30)}\n\n{sentence(30)}", title="A title", metadata=metadata
    )
    chunks = split(given, token_ends, chunk_tokens=40)
    assert [chunk.id for chunk in chunks] == ["an id#0", "an id#1"]
    assert {(chunk.document_id, chunk.source, chunk.title) for chunk in chunks} == {
        ("an id", "a/source.txt", "A title")
    }
    assert all(chunk.metadata is metadata for chunk in chunks)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_from_one_whatever_ends_them(line_end: str) -> None:
    text = line_end.join(["", words(30), "", words(10), words(20), "", ""])
    assert [(chunk.start_line, chunk.end_line) for chunk in chunked(text)] == [(2, 2), (4, 5)]


def test_chunks_of_a_record_stand_on_the_line_of_the_record() -> None:
    record = Document("d", "d.jsonl", f"{sentence(30)}\n\n{sentence(30)}", line=17)
    chunks = split(record, token_ends, chunk_tokens=40)
    assert [(chunk.start_line, chunk.end_line) for chunk in chunks] == [(17, 17), (17, 17)]


def test_chunks_of_a_text_without_lines_name_none() -> None:
    paper = Document("d", "d.pdf", "one\ntwo", lined=False)
    (chunk,) = split(paper, token_ends)
    assert (chunk.start_line, chunk.end_line) == (None, None)


def test_a_chunk_says_the_page_that_it_begins_on() -> None:
    text = f"{sentence(30, 'one')}\n\n{sentence(30, 'two')}\n\n{sentence(30, 'three')}"
    chunks = chunked(text, pages=(0, text.index("Two0"), text.index("Three0")))
    assert [chunk.page for chunk in chunks] == [1, 2, 3]


def test_a_chunk_of_a_document_without_pages_has_none() -> None:
    assert chunked("one")[0].page is None


def test_pages_without_text_are_counted() -> None:
    (chunk,) = chunked("\n\none", pages=(0, 1, 2))
    assert chunk.page == 3


def test_a_chunk_size_below_one_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match="0") as refused:
        split(document("one"), token_ends, chunk_tokens=0)
    assert refused.value.hint


def test_the_default_size_is_two_hundred_tokens() -> None:
    chunks = split(document("\n".join(sentence(10) for _ in range(60))), token_ends)
    assert [chunk.tokens for chunk in chunks] == [200, 200, 200]


def test_the_version_is_a_short_word() -> None:
    assert CHUNKING_VERSION.isalnum()


def test_text_in_markdown_that_is_all_front_matter_gives_no_chunks() -> None:
    given = document("---\ntitle: A\n---\n", "markdown", metadata={"title": "A"})
    assert texts(split(given, token_ends)) == []
