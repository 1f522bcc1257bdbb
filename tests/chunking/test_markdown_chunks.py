"""How the structure of Markdown decides chunks and their heading paths."""

from __future__ import annotations

import pytest

from chunk_samples import chunked, document, headings, sentence, sizes, texts, token_ends, tokens_in, words
from vai.chunking import split
from vai.chunking.markdown import plain_heading
from vai.types import Chunk


def markdown(*blocks: str, limit: int = 40) -> list[Chunk]:
    return chunked("\n\n".join(blocks), "markdown", limit=limit)


def paths_in(text: str) -> list[tuple[str, ...]]:
    """The heading paths of a text whose sections are too long to be joined."""
    return headings(chunked(text, "markdown", limit=12))


# ── which sections are read together ──


def test_a_section_begins_a_chunk() -> None:
    chunks = markdown("# A", sentence(20), "# B", sentence(20))
    assert headings(chunks) == [("A",), ("B",)]
    assert [chunk.text[:3] for chunk in chunks] == ["# A", "# B"]


def test_text_before_the_first_heading_is_under_none() -> None:
    chunks = markdown(sentence(20), "# A", sentence(30))
    assert headings(chunks) == [(), ("A",)]


def test_a_section_that_fits_with_all_it_holds_is_one_chunk_under_its_own_path() -> None:
    chunks = markdown(
        "# Top", sentence(38), "## A", sentence(10), "### B", sentence(10), "## C", sentence(30)
    )
    assert headings(chunks) == [("Top",), ("Top", "A"), ("Top", "C")]
    assert chunks[1].text.startswith("## A") and "### B" in chunks[1].text


def test_a_document_that_fits_is_one_chunk_under_what_its_sections_share() -> None:
    assert headings(markdown("# A", "one", "## B", "two", "## C", "three")) == [("A",)]
    assert headings(markdown("# A", "one", "# B", "two")) == [()]


def test_a_heading_with_nothing_below_goes_with_the_first_section_under_it() -> None:
    chunks = markdown("# Top", "## A", sentence(30), "## B", sentence(30))
    assert chunks[0].text.startswith("# Top\n\n## A")
    assert headings(chunks) == [("Top", "A"), ("Top", "B")]


def test_a_heading_with_nothing_below_is_not_left_alone_if_the_section_under_it_is_too_long() -> None:
    chunks = markdown("# Top", "## A", f"{sentence(20)} {sentence(18)}")
    assert headings(chunks) == [("Top", "A"), ("Top", "A")]
    assert chunks[0].text.startswith("# Top\n\n## A\n\nWord0")


def test_a_heading_with_nothing_below_goes_with_its_twin() -> None:
    chunks = markdown("# Top", sentence(38), "## get(a)", "## get(a, b)", sentence(20))
    assert chunks[1].text.startswith("## get(a)\n\n## get(a, b)")
    assert headings(chunks) == [("Top",), ("Top",)]


def test_a_section_of_a_few_words_goes_with_the_first_one_inside_it() -> None:
    chunks = markdown("# A", "few words", "## B", sentence(30), "## C", sentence(30))
    assert headings(chunks) == [("A",), ("A", "C")]
    assert chunks[0].text.startswith("# A\n\nfew words\n\n## B")


def test_a_section_of_a_few_words_stays_alone_where_the_one_inside_does_not_fit_with_it() -> None:
    chunks = markdown("# A", "few words", "## B", sentence(37), "## C", sentence(30))
    assert headings(chunks) == [("A",), ("A", "B"), ("A", "C")]


def test_neighbouring_sections_of_a_few_words_go_together_under_what_holds_them() -> None:
    terms = [part for number in range(12) for part in (f"## T{number}", "few words")]
    chunks = markdown("# Terms", *terms)
    assert {chunk.heading for chunk in chunks} == {("Terms",)}
    assert sizes(chunks) == [37, 25]


def test_neighbouring_sections_of_more_than_a_few_words_stay_apart() -> None:
    chunks = markdown("# Questions", *(part for _ in range(4) for part in ("## Why", sentence(12))))
    assert headings(chunks) == [("Questions", "Why")] * 4


def test_short_sections_of_different_parents_stay_apart() -> None:
    chunks = markdown("# A", sentence(38), "## B", "two", "# C", "## D", "two", "## E", sentence(36))
    assert headings(chunks) == [("A",), ("A", "B"), ("C", "D"), ("C", "E")]
    chunks = markdown("# A", sentence(38), "## B", "two", "# C", "two", "# D", sentence(38))
    assert headings(chunks) == [("A",), ("A", "B"), ("C",), ("D",)]


def test_a_heading_is_not_parted_from_its_text() -> None:
    """It would be the nearest paragraph's end, with nothing but the heading before it."""
    chunks = markdown("# A rather long heading of eight", words(38))
    assert [chunk.text.startswith("#") for chunk in chunks] == [True, False]
    assert sizes(chunks) == [22, 23]


# ── what is a heading ──


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("# A b", "A b"),
        ("   ### A", "A"),
        ("# A ##", "A"),
        ("# A #b", "A #b"),
        ("# C#", "C#"),
        ("#\tA", "A"),
        ("# `code()` and [a link](http://x.org/y)", "code() and a link"),
        ("# ![logo](x.png) A [b][c] **bold** *it* {#anchor}", "logo A b bold it"),
        ("# __init__ and snake_case \\_ <em>x</em> 2 * 3 * 4", "__init__ and snake_case _ x 2 * 3 * 4"),
        ("# call(*args, timeout=None, **options)", "call(*args, timeout=None, **options)"),
        ("A\n===", "A"),
        ("A `b`\n---", "A b"),
        ("A\nb\n---", "A b"),
    ],
)
def test_a_heading_says(line: str, name: str) -> None:
    assert paths_in(f"{sentence(12)}\n\n{line}\n\n{sentence(12)}")[-1] == (name,)


@pytest.mark.parametrize(
    "line",
    [
        "#hashtag",
        "####### seven",
        "    # indented",
        "\\# escaped",
        "> # quoted",
        "\n---",
        "- item\n---",
        "a\nb\nc\nd\n---",
        "a\n- - -",
        "a\n    ---",
        "    code\n---",
    ],
)
def test_a_line_is_no_heading(line: str) -> None:
    assert set(paths_in(f"{sentence(12)}\n\n{line}\n\n{sentence(12)}")) == {()}


@pytest.mark.parametrize(
    "block",
    [
        "```\n# A\n```",
        "~~~ sh\n# A\n```\n# A\n~~~",
        "````\n```\n# A\n````",
        "1. x\n\n    ```\n    y\n# B\n",
        "- ```\n  # A\n  ```",
        "> ```\n> # A\n> ```",
        "<!--\n# A\n-->",
        "<pre>\n# A\n</pre>",
        "```\n# A",
    ],
)
def test_a_line_in_a_block_of_code_or_a_comment_is_no_heading(block: str) -> None:
    assert ("A",) not in headings(chunked(block, "markdown", limit=3))


@pytest.mark.parametrize(
    "block",
    [
        "```\nx\n```",
        "- ```\n  x\n  ```",
        "> ```\n> x",
        "1. a\n\n    ```\n    x",
        "<!-- x -->",
        "<!-- x",
        "``` a`b",
    ],
)
def test_a_heading_after_a_block_is_one(block: str) -> None:
    assert headings(chunked(f"{block}\n\n# A\n\n{sentence(12)}", "markdown", limit=12))[-1] == ("A",)


def test_levels_may_be_left_out() -> None:
    text = "".join(
        f"{'#' * level} {name}\n\n{sentence(30)}\n\n"
        for level, name in ((3, "A"), (1, "B"), (4, "C"), (2, "D"))
    )
    assert headings(chunked(text, "markdown")) == [("A",), ("B",), ("B", "C"), ("B", "D")]


def test_a_heading_without_a_name_adds_nothing_to_the_path() -> None:
    chunks = markdown("# A", sentence(30), "##", sentence(30), "### B", sentence(30))
    assert headings(chunks) == [("A",), ("A",), ("A", "B")]


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_other_line_ends_make_the_same_sections(line_end: str) -> None:
    text = f"# A\n\n{sentence(20)}\n\nB\n-\n\n```\n# no\n```\n\n{sentence(20)}\n"
    same = chunked(text.replace("\n", line_end), "markdown")
    assert headings(same) == headings(chunked(text, "markdown")) == [("A",), ("A", "B")]
    assert texts(same) == [part.replace("\n", line_end) for part in texts(chunked(text, "markdown"))]


def test_a_runaway_heading_is_kept_short_in_the_path() -> None:
    chunks = chunked("# " + "very " * 100_000, "markdown", limit=200)
    assert max(len(name) for chunk in chunks for name in chunk.heading) == 300


def test_an_anchor_goes_with_the_heading_that_it_names() -> None:
    chunks = markdown("# A", sentence(20), '<a id="b"></a>', "## B", sentence(36))
    assert chunks[1].text.startswith('<a id="b"></a>\n\n## B')


@pytest.mark.parametrize("name", ["[" * 1000, "`" * 1000, "*" * 1000, "<a " * 300, "\\" * 1000])
def test_markup_that_is_never_closed_stays(name: str) -> None:
    assert len(plain_heading(name)) <= len(name)


# ── front matter ──


FRONT_MATTER = "---\ntitle: A\ntags: [x]\n---\n"


def test_front_matter_that_became_metadata_is_in_no_chunk() -> None:
    given = document(f"{FRONT_MATTER}# B\n\none", "markdown", metadata={"title": "A"})
    (chunk,) = split(given, token_ends)
    assert (chunk.text, chunk.start_line, chunk.heading) == ("# B\n\none", 5, ("B",))


def test_front_matter_that_nobody_understood_is_text() -> None:
    (chunk,) = split(document(f"{FRONT_MATTER}one", "markdown"), token_ends)
    assert chunk.text == f"{FRONT_MATTER}one"


@pytest.mark.parametrize(
    "text", ["---\nplain text\n---\nmore", "---\ntitle: never closed\n", "one\n---\na: b\n---\n"]
)
def test_text_between_rules_is_not_front_matter(text: str) -> None:
    (chunk,) = split(document(text, "markdown", metadata={"a": "b"}), token_ends)
    assert chunk.text == text.strip()


# ── blocks ──


def fence(tokens: int) -> str:
    """A fenced block of so many tokens, one on each line, six of them marks."""
    return "\n".join(["```", *words(tokens - 6, "line").split(), "```"])


def test_a_fence_that_fits_is_not_cut() -> None:
    block = fence(38)
    for before in range(4, 40, 5):
        chunks = markdown(sentence(before), block, sentence(20))
        assert any(block in chunk.text for chunk in chunks)


def test_a_fence_that_fits_is_not_cut_even_below_a_heading_that_does_not() -> None:
    assert texts(markdown("# A heading", fence(38), sentence(20)))[1] == fence(38)


def test_a_fence_that_is_too_long_is_cut_between_lines() -> None:
    chunks = markdown(fence(80), limit=40)
    assert sizes(chunks) == [40, 40]


def test_a_fence_that_is_too_long_is_cut_at_its_blank_lines() -> None:
    code = "\n\n".join("\n".join(words(6, f"p{part}l").split()) for part in range(8))
    assert all(
        text.startswith(("```", "p")) and text.endswith(("l5", "```"))
        for text in texts(markdown(f"```\n{code}\n```"))
    )


def test_the_end_of_a_fence_is_better_than_a_blank_line_in_it() -> None:
    code = "\n\n".join("\n".join(words(8, f"p{part}l").split()) for part in range(7))
    assert sizes(markdown(f"```\n{code}\n```", sentence(20))) == [27, 35, 20]


def test_a_table_that_fits_is_not_cut() -> None:
    table = "\n".join(["| a | b |", "|---|---|", *["| 1 | 2 |"] * 3])
    for before in range(4, 40, 5):
        assert any(table in text for text in texts(markdown(sentence(before), table, sentence(20))))


def test_a_table_that_is_too_long_is_cut_between_rows() -> None:
    table = "\n".join(["a | b", "--|--", *["one two | three four"] * 30])
    assert {text.splitlines()[0] for text in texts(markdown(table))[1:]} == {"one two | three four"}


def test_lines_with_dashes_and_bars_but_no_header_are_no_table() -> None:
    text = f"{sentence(20)}\n|---|\n{sentence(20)}"
    assert tokens_in(text) > 40
    assert len(chunked(text, "markdown")) == 2


def test_a_table_at_the_very_end_is_whole() -> None:
    table = "| a | b |\n|---|---|"
    assert texts(markdown(sentence(38), table))[-1] == table


def test_twenty_thousand_headings_are_chunked() -> None:
    chunks = chunked("".join(f"{'#' * (number % 6 + 1)} h\n" for number in range(20_000)), "markdown")
    assert sum(chunk.tokens for chunk in chunks) == sum(number % 6 + 2 for number in range(20_000))
