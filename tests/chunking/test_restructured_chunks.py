"""How the structure of reStructuredText decides chunks and their heading paths."""

from __future__ import annotations

import pytest

from chunk_samples import chunked, headings, sentence, sizes, texts, words
from vai.types import Chunk


def restructured(*blocks: str, limit: int = 40) -> list[Chunk]:
    return chunked("\n\n".join(blocks), "rst", limit=limit)


def underlined(name: str, mark: str) -> str:
    return f"{name}\n{mark * max(len(name), 4)}"


def overlined(name: str, mark: str) -> str:
    return f"{mark * len(name)}\n{name}\n{mark * len(name)}"


# Rows of marks are tokens too, so sections are made long enough that none is joined with another.


def test_levels_follow_the_order_in_which_styles_appear() -> None:
    chunks = restructured(
        *(overlined("Top level", "="), sentence(120)),
        *(underlined("A", "~"), sentence(120)),
        *(underlined("B", "="), sentence(120)),
        *(underlined("C", "~"), sentence(120)),
        limit=150,
    )
    assert headings(chunks) == [
        ("Top level",),
        ("Top level", "A"),
        ("Top level", "A", "B"),
        ("Top level", "C"),
    ]


def test_a_style_with_a_row_above_is_another_style() -> None:
    chunks = restructured(
        *(underlined("Aaaa", "="), sentence(120)),
        *(overlined("Bbbb", "="), sentence(120)),
        *(underlined("Cccc", "="), sentence(120)),
        limit=150,
    )
    assert headings(chunks) == [("Aaaa",), ("Aaaa", "Bbbb"), ("Cccc",)]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A title\n=======", "A title"),
        ("A title\n====", "A title"),
        ("Hi\n--", "Hi"),
        ("=====\n  A\n=====", "A"),
        (
            "``code`` and :func:`name` in *text*\n####################################",
            "code and name in text",
        ),
        (
            "A `link <http://x.org>`_ and :doc:`page <p>`\n++++++++++++++++++++++++++++++++++++++++",
            "A link and page",
        ),
        (".. _label:\n\nA title\n=======", "A title"),
    ],
)
def test_a_title_says(title: str, name: str) -> None:
    chunks = restructured(sentence(120), title, sentence(150), limit=150)
    assert chunks[-1].heading == (name,)


@pytest.mark.parametrize(
    "block",
    [
        "A title that is longer than\n===",
        "one\ntwo\n---",
        " indented\n---------",
        "----",
        "====\n\ntext\n\n====",
        "===  ===\na    b\n===  ===\n1    2\n===  ===",
        "+---+\n| a |\n+---+",
        ".. comment\n----------",
        "====\none\n----",
        "Example\n::\n\n  A\n  ====",
    ],
)
def test_a_block_is_no_title(block: str) -> None:
    assert set(headings(restructured(sentence(20), block, sentence(20)))) == {()}


def test_a_label_goes_with_the_title_that_it_names() -> None:
    chunks = restructured(sentence(30), ".. _label:", "Title\n-----", sentence(20))
    assert chunks[1].text.startswith(".. _label:\n\nTitle\n-----")


@pytest.mark.parametrize(
    "block",
    [
        "An example::\n\n    one two three\n\n    four five six\n\n    seven eight",
        ".. code-block:: sh\n   :linenos:\n\n   one two three\n\n   four five six seven",
        "  .. code:: sh\n\n    one two three\n\n    four five six seven",
        "+---+---+\n| a | b |\n+---+---+",
        "== ==\na  b\n== ==\n1  2\n== ==",
    ],
)
def test_a_block_that_fits_is_not_cut(block: str) -> None:
    for before in range(4, 40, 5):
        chunks = restructured(sentence(before), block, sentence(20))
        assert any(block.strip() in text for text in texts(chunks))


def test_a_block_ends_where_the_text_is_indented_less() -> None:
    chunks = restructured("One::\n\n    two three", sentence(16), sentence(24))
    assert sizes(chunks) == [21, 24]


def test_an_indented_block_may_begin_a_chunk() -> None:
    assert sizes(restructured(sentence(30), "  .. code:: sh\n\n    one two three four five")) == [30, 11]


def test_a_block_that_is_too_long_is_cut_inside() -> None:
    lines = "\n".join(f"    {words(8)}" for _ in range(10))
    assert max(sizes(restructured(f"Example::\n\n{lines}"))) <= 40
    assert len(restructured(f"Example::\n\n{lines}")) == 3


def test_a_note_is_text_and_no_block() -> None:
    note = f".. note::\n\n   {sentence(16)}\n\n   {sentence(16)}"
    assert sizes(restructured(sentence(20), note)) == [20, 37]
    assert sizes(restructured(note, sentence(4))) == [21, 20]
