"""What holds for the chunks of every text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chunk_samples import document, token_ends
from vai.chunking import split
from vai.types import Chunk, Document, Format

LIMITS = st.sampled_from([1, 2, 3, 5, 8, 20, 50, 200])

PIECES: dict[str, tuple[Format, str, str]] = {
    "text": (
        "text",
        "",
        "One two. |three |- item\n|2. item\n|:\n|xxxxxxxxxxxxxxxxxxxx|字。|👩\u200d👧|e\u0301",
    ),
    "markdown": (
        "markdown",
        "",
        "# A\n|## B ##\n|Title\n===\n|---\n|```\n|~~~~\n|- |> |¦ a ¦ b ¦\n|¦---¦---¦\n|<!--|-->|<pre>\n|word "
        '|One. Two! |<a id="x"></a>\n|    |title: x\n',
    ),
    "rst": (
        "rst",
        "",
        "Title\n=====\n|----\n|Sub\n---\n|==\nOver\n==\n|a::\n|.. code:: x\n|.. _label:\n|   |word |+---+\n|== ==\n"
        "|¦ a ¦\n|One. Two! ",
    ),
    "python": (
        "code",
        "python",
        "class A:\n|    def f(self):\n|        return 1\n|def g(): pass\n|# comment\n|@decorated\n|x = 1\n|    |if x:\n"
        "|else:\n|'''|(|)|\\\n",
    ),
    "other": (
        "code",
        "other",
        "fn f() {\n|}\n|    call();\n|class A {\n|// comment\n|/* one\n|*/\n|x = 1\n|#define X\n|public:\n"
        "|int main()\n{\n|impl A for B {\n",
    ),
}
"""What generated texts of each format are made of, between bars; a broken bar stands for one."""

SPACES = ["\n", "\n\n", "\r\n", "\r", " ", "\t", "\x0c", "\u2028", ""]


def texts_of(name: str) -> st.SearchStrategy[str]:
    pieces = st.sampled_from(PIECES[name][2].split("|") + SPACES).map(lambda piece: piece.replace("¦", "|"))
    return st.lists(pieces | st.text(max_size=5), max_size=50).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    name = draw(st.sampled_from(list(PIECES)))
    text = draw(texts_of(name))
    pages = draw(st.lists(st.integers(0, len(text)), max_size=4).map(sorted))
    return document(text, PIECES[name][0], language=PIECES[name][1], pages=tuple(pages))


def chunks_of(given_document: Document, limit: int) -> list[Chunk]:
    return split(given_document, token_ends, chunk_tokens=limit)


# ── any text ──


@given(documents(), LIMITS)
def test_chunks_are_the_text_in_order_and_nothing_is_lost(given_document: Document, limit: int) -> None:
    text, position = given_document.text, 0
    for ordinal, chunk in enumerate(chunks_of(given_document, limit)):
        assert chunk.ordinal == ordinal
        assert chunk.text == text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert not text[position : chunk.start].strip()
        position = chunk.end
    assert not text[position:].strip()


@given(st.text(max_size=300), st.sampled_from(list(PIECES)), LIMITS)
def test_no_text_is_lost_whatever_its_characters_and_its_format(text: str, name: str, limit: int) -> None:
    chunks = chunks_of(document(text, PIECES[name][0], language=PIECES[name][1]), limit)
    assert "".join("".join(chunk.text for chunk in chunks).split()) == "".join(text.split())


@given(documents(), LIMITS)
def test_no_chunk_has_more_tokens_than_it_may(given_document: Document, limit: int) -> None:
    ends = token_ends(given_document.text)
    for chunk in chunks_of(given_document, limit):
        assert chunk.tokens == sum(chunk.start < end <= chunk.end for end in ends) <= limit


@given(documents(), st.sampled_from([3, 8, 20]), st.randoms(use_true_random=False))
def test_the_limit_holds_for_tokens_of_any_shape(
    given_document: Document, limit: int, random: Random
) -> None:
    """Some tokenizers make several tokens of one character, and one token of several words."""
    ends = [end + 1 for end in range(len(given_document.text)) for _ in range(random.choice([0, 0, 1, 2, 3]))]
    for chunk in split(given_document, lambda _: ends, chunk_tokens=limit):
        assert chunk.tokens <= limit


@given(documents(), LIMITS)
def test_the_same_document_always_gives_the_same_chunks(given_document: Document, limit: int) -> None:
    assert chunks_of(given_document, limit) == chunks_of(given_document, limit)


@given(documents(), LIMITS)
def test_lines_are_those_that_the_first_and_last_character_stand_on(
    given_document: Document, limit: int
) -> None:
    def line(offset: int) -> int:
        before = given_document.text[: offset + 1]
        return len(re.split(r"\r\n|\r|\n", before[:-1] if before[-1] in "\r\n" else before))

    for chunk in chunks_of(given_document, limit):
        assert (chunk.start_line, chunk.end_line) == (line(chunk.start), line(chunk.end - 1))


@given(documents(), LIMITS)
def test_the_page_is_that_of_the_first_character(given_document: Document, limit: int) -> None:
    for chunk in chunks_of(given_document, limit):
        begun = sum(page <= chunk.start for page in given_document.pages)
        assert chunk.page == (max(begun, 1) if given_document.pages else None)


@given(documents())
def test_a_document_that_fits_is_one_chunk(given_document: Document) -> None:
    assert len(chunks_of(given_document, 5_000)) == bool(given_document.text.strip())


# ── sections ──


Section = tuple[int, str, list[str]]
"""Level, name and paragraphs."""


@st.composite
def sections(draw: st.DrawFn) -> list[Section]:
    """Sections whose levels first appear in order, as reStructuredText needs them; each name is there once."""
    paragraph = st.integers(1, 25).map(lambda count: " ".join(["word"] * count) + ".")
    made: list[Section] = []
    deepest = 0
    for number in range(draw(st.integers(1, 12))):
        level = draw(st.integers(1, min(deepest + 1, 6)))
        deepest = max(deepest, level)
        made.append((level, f"Section {number}", draw(st.lists(paragraph, max_size=3))))
    return made


def as_markdown(given_sections: Sequence[Section]) -> str:
    blocks = [[f"{'#' * level} {name}", *paragraphs] for level, name, paragraphs in given_sections]
    return "\n\n".join(block for section in blocks for block in section)


def as_restructured(given_sections: Sequence[Section]) -> str:
    blocks = [[f"{name}\n{'=-~^+#'[level - 1] * len(name)}", *texts] for level, name, texts in given_sections]
    return "\n\n".join(block for section in blocks for block in section)


def paths_of(given_sections: Sequence[Section]) -> dict[str, tuple[str, ...]]:
    """The path of each section, by its name."""
    paths: dict[str, tuple[str, ...]] = {}
    around: list[tuple[int, str]] = []
    for level, name, _ in given_sections:
        around = [(outer, title) for outer, title in around if outer < level] + [(level, name)]
        paths[name] = tuple(title for _, title in around)
    return paths


def shared(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """What all paths begin with."""
    levels = zip(*paths, strict=False)
    return tuple(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))


def path_by_lines(chunk: Chunk, paths: dict[str, tuple[str, ...]], text: str) -> tuple[str, ...]:
    """The heading path of a chunk, from the section that each of its lines stands in."""
    above = re.findall(r"Section \d+", text[: chunk.start])
    current = paths[above[-1]] if above else ()
    stood_in: list[tuple[str, ...]] = []
    only_heading = False
    for line in filter(None, chunk.text.split("\n")):
        named = re.search(r"Section \d+", line)
        if named and only_heading and paths[named[0]][: len(current)] == current:
            stood_in.pop()  # a heading right above one that lies in it says nothing else
        if named or "word" in line:
            current = paths[named[0]] if named else current
            stood_in.append(current)
            only_heading = named is not None
    return shared(stood_in)


@given(sections(), st.sampled_from([20, 40, 80]))
def test_the_heading_path_is_what_all_lines_of_a_chunk_share(
    given_sections: list[Section], limit: int
) -> None:
    paths = paths_of(given_sections)
    markdown = document(as_markdown(given_sections), "markdown")
    restructured = document(as_restructured(given_sections), "rst")
    for given_document in (markdown, restructured):
        for chunk in chunks_of(given_document, limit):
            assert chunk.heading == path_by_lines(chunk, paths, given_document.text)


@given(sections(), st.sampled_from([20, 40, 80]))
def test_a_heading_and_its_first_words_are_in_the_same_chunk(
    given_sections: list[Section], limit: int
) -> None:
    chunks = chunks_of(document(as_markdown(given_sections), "markdown"), limit)
    whole = " ".join(" ".join(chunk.text.split()) + " |" for chunk in chunks)
    for _, name, paragraphs in given_sections:
        if paragraphs:
            assert f"# {name} word" in whole


@st.composite
def modules(draw: st.DrawFn, depth: int = 0) -> str:
    """Classes, functions and statements, each definition with a name of its own."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["statement", "function", "class"] if depth < 3 else ["statement"]))
        if kind == "statement":
            lines += [f"value = {number}" for number in range(draw(st.integers(1, 8)))]
            continue
        if draw(st.booleans()):
            lines += ["", "# What follows.", "@decorated"]
        keyword = "class" if kind == "class" else "def"
        lines += [
            f"{keyword} Name(Base):",
            *(f"    {line}" for line in draw(modules(depth + 1)).splitlines()),
        ]
        lines += [""] * draw(st.integers(0, 2))
    return "\n".join(lines)


def numbered(module: str) -> str:
    """The module with a number behind each name, so that a path tells where it is."""
    parts = module.split("Name(")
    return "".join(f"{part}Name{number}(" for number, part in enumerate(parts[:-1])) + parts[-1]


def paths_of_lines(module: str) -> list[tuple[str, ...]]:
    """For each line the definitions around it, to which their decorators and the comment above belong."""
    paths: list[tuple[str, ...]] = [()] * (module.count("\n") + 1)
    definitions = [
        node for node in ast.walk(ast.parse(module)) if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    for node in definitions:  # outer before inner
        for line in range(node.lineno - 2 * len(node.decorator_list), (node.end_lineno or 0) + 1):
            paths[line - 1] += (node.name,)
    return paths


@given(modules().map(numbered), st.sampled_from([8, 16, 40]))
def test_the_path_of_code_is_true_for_each_of_its_lines(module: str, limit: int) -> None:
    paths_by_line, lines = paths_of_lines(module), module.split("\n")
    for chunk in chunks_of(document(module, "code", language="python"), limit):
        assert chunk.start_line is not None and chunk.end_line is not None
        numbers = [
            number for number in range(chunk.start_line, chunk.end_line + 1) if lines[number - 1].strip()
        ]
        paths = [paths_by_line[number - 1] for number in numbers]
        leads = [re.search(r"(?:class|def) Name|@decorated|# What", lines[number - 1]) for number in numbers]
        for path, lead in zip(paths, leads, strict=True):
            assert path[: len(chunk.heading)] == chunk.heading or (
                lead and chunk.heading[: len(path)] == path
            )
        if len(set(paths)) == 1:
            assert chunk.heading == paths[0]
