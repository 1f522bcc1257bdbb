"""Documents that are not cut: one chunk each, with the same text and places as if they had fitted into one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chunk_samples import document, sentence, token_ends
from vai.chunking import split, whole
from vai.types import Document, Format

MARKDOWN = "---\ntitle: A\n---\n\n# One\n\nSome text.\n\n## Two\n\nMore of it.\n"


def test_a_document_is_one_chunk_however_long_it_is() -> None:
    text = "\n\n".join(sentence(30) for _ in range(1000))
    (chunk,) = whole(document(text), token_ends)
    assert (chunk.text, chunk.tokens, chunk.id) == (text, 30_000, "d#0")
    assert (chunk.start_line, chunk.end_line) == (1, 1999)


def test_headings_are_part_of_the_text_and_no_path() -> None:
    (chunk,) = whole(document(MARKDOWN, "markdown", metadata={"title": "A"}), token_ends)
    assert (chunk.heading, chunk.start_line, chunk.end_line) == ((), 5, 11)
    assert chunk.text == MARKDOWN.partition("---\n\n")[2].strip()


def test_front_matter_that_was_not_understood_is_text() -> None:
    (chunk,) = whole(document(MARKDOWN, "markdown"), token_ends)
    assert chunk.text == MARKDOWN.strip()


def test_a_document_of_white_space_or_front_matter_alone_has_no_chunk() -> None:
    assert whole(document(" \n\t\u2003"), token_ends) == []
    assert whole(document("---\ntitle: A\n---\n", "markdown", metadata={"title": "A"}), token_ends) == []


def test_places_are_those_of_the_format() -> None:
    (record,) = whole(Document("d", "d.jsonl", "one\ntwo", line=17), token_ends)
    assert (record.start_line, record.end_line) == (17, 17)
    (paper,) = whole(Document("d", "d.pdf", "\n\none\ntwo", lined=False, pages=(0, 1, 4)), token_ends)
    assert (paper.start_line, paper.page) == (None, 2)


@given(st.text("ab \n\r#-=`.", max_size=60), st.sampled_from(["text", "markdown", "rst", "code"]))
def test_a_document_that_fits_into_one_chunk_is_the_same_whole(text: str, format: Format) -> None:  # noqa: A002
    given_document = document(text, format)
    cut, left = split(given_document, token_ends), whole(given_document, token_ends)
    assert len(left) == min(len(cut), 1)
    if len(cut) == 1:  # sections that fit can still stand apart
        places = ("text", "start", "end", "start_line", "end_line", "tokens", "id")
        assert [getattr(left[0], place) for place in places] == [getattr(cut[0], place) for place in places]
