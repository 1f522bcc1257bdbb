"""Text that is written as Markdown stays text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.chunking import split
from vai.documents.markup import escaped
from vai.types import Document


def headings_in(text: str) -> set[tuple[str, ...]]:
    def token_ends(text: str) -> list[int]:
        return [match.end() for match in re.finditer(r"\w+|[^\w\s]", text)]

    chunks = split(Document("d", "d", text, format="markdown"), token_ends, chunk_tokens=4)
    return {chunk.heading for chunk in chunks}


@pytest.mark.parametrize("line", ["# a", "###### a", "#", "```", "~~~~", "text\n---", "text\n=", "text\n-  "])
def test_a_line_that_looks_like_structure_is_none(line: str) -> None:
    assert headings_in(escaped(f"before\n\n{line}\n\nafter")) == {()}


def test_what_is_no_structure_stays_as_it_is() -> None:
    for text in ("a\n\n---\n\nb", "#hashtag", "a - b", "- item\n- item", "1 = 2"):
        assert escaped(text) == text


@given(st.lists(st.sampled_from(["a", "# b", "---", "===", "```", "~~~", "", " c"]), max_size=8))
def test_no_text_ever_makes_a_heading(lines: list[str]) -> None:
    assert headings_in(escaped("\n".join(lines))) <= {()}
