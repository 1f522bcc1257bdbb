"""The line above each chunk that the models read first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk_samples import chunked
from vai.types import Chunk

CHUNK: Chunk = chunked("some text")[0]


def context(title: str, *heading: str) -> str:
    return replace(CHUNK, title=title, heading=heading).context


@pytest.mark.parametrize(
    ("title", "heading", "expected"),
    [
        ("", (), ""),
        ("Guide", (), "Guide"),
        ("Guide", ("Install", "Linux"), "Guide > Install > Linux"),
        ("Guide", ("Guide", "Linux"), "Guide > Linux"),
        ("", ("Guide", "Linux"), "Guide > Linux"),
    ],
)
def test_it_is_the_title_and_the_headings_each_said_once(
    title: str, heading: tuple[str, ...], expected: str
) -> None:
    assert context(title, *heading) == expected


def test_a_long_name_is_cut() -> None:
    assert context("t" * 80) == "t" * 80
    assert context("t" * 81) == "t" * 79 + "…"


def test_of_a_long_path_title_and_innermost_headings_stay() -> None:
    assert context("T", "a" * 70, "b" * 70, "c" * 70) == f"T > {'b' * 70} > {'c' * 70}"


def test_a_path_of_two_hundred_characters_stays_whole() -> None:
    assert context("t" * 60, "a" * 60, "b" * 74) == f"{'t' * 60} > {'a' * 60} > {'b' * 74}"


@given(st.text(max_size=120), st.lists(st.text(max_size=120), max_size=12))
def test_it_is_never_longer_than_two_hundred_characters(title: str, heading: list[str]) -> None:
    said = context(title, *heading)
    assert len(said) <= 200
    names = [name for name in heading if name]
    assert not names or names[-1][:70].rstrip() in said


def test_the_passage_is_the_context_and_the_text_below_it() -> None:
    assert replace(CHUNK, title="Guide").passage == "Guide\nsome text"
    assert CHUNK.passage == "some text"
