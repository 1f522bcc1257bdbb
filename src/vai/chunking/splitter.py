"""One document into its chunks, from structure to places; or into a single one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vai.chunking.code import code_outline
from vai.chunking.cutting import Cutter
from vai.chunking.grouping import grouped
from vai.chunking.markdown import front_matter_end, markdown_outline
from vai.chunking.measure import Measure
from vai.chunking.outline import Outline, Section, Span, trimmed
from vai.chunking.restructured import restructured_outline
from vai.errors import InvalidSettings
from vai.types import Chunk

if TYPE_CHECKING:
    from vai.protocols import TokenEnds
    from vai.types import Document

CHUNKING_VERSION = "1"
"""Changes whenever the same document would be cut otherwise."""


def split(document: Document, token_ends: TokenEnds, *, chunk_tokens: int = 200) -> list[Chunk]:
    """The document's chunks, in order: `document.text[chunk.start:chunk.end] == chunk.text`.

    Chunks do not overlap, have no white space at their edges, and hold every other character of the text but
    those of a Markdown file's front matter, if the document has it as metadata. `token_ends` is called once,
    with the whole text.

    A chunk has at most `chunk_tokens` tokens, counted as those of the whole text whose last character lies in
    the chunk. (Tokenised by itself a chunk may have a few more or fewer where a word without spaces had to be
    cut, or where tokens span white space. A single character that makes more tokens than that is still a chunk.)

    Raises:
        InvalidSettings: `chunk_tokens` is below 1.
    """
    if chunk_tokens < 1:
        raise InvalidSettings(
            f"a chunk needs at least one token: {chunk_tokens}",
            hint="pass `--chunk-tokens 200`, or leave it out",
        )
    if not document.text or document.text.isspace():
        return []
    lines = _with_line_feeds(document.text)
    outline = _outline(document, lines)
    measure = Measure(token_ends(document.text), chunk_tokens)
    cutter = Cutter(outline, lines, measure, document.pages, is_code=document.format == "code")
    spans = (piece for group in grouped(outline, measure) for piece in cutter.divided(*group))
    return list(_chunks(document, lines, outline, measure, spans))


def whole(document: Document, token_ends: TokenEnds) -> list[Chunk]:
    """The document as one chunk, however long; none if it holds no text.

    It has no heading, no white space at its edges, and no front matter that the document has as metadata.
    `token_ends` is called once, with the whole text.
    """
    if not document.text or document.text.isspace():
        return []
    lines = _with_line_feeds(document.text)
    text_start = front_matter_end(lines) if document.format == "markdown" and document.metadata else 0
    start, end = trimmed(document.text, text_start, len(document.text))
    if start >= end:
        return []
    measure = Measure(token_ends(document.text), limit=1)  # which only counts here
    return list(_chunks(document, lines, _unstructured(document.text), measure, [(start, end)]))


def _with_line_feeds(text: str) -> str:
    """The text with every line end made a line feed, of the same length: structure is looked for in this."""
    return text.replace("\r\n", " \n").replace("\r", "\n")


def _outline(document: Document, lines: str) -> Outline:
    match document.format:
        case "markdown":
            return markdown_outline(document.text, lines, front_matter=bool(document.metadata))
        case "rst":
            return restructured_outline(document.text, lines)
        case "code":
            return code_outline(document.text, lines, document.language)
        case _:
            return _unstructured(document.text)


def _unstructured(text: str) -> Outline:
    return Outline(text, [Section(0, 0, (), 0)])


def _chunks(
    document: Document, lines: str, outline: Outline, measure: Measure, spans: Iterable[Span]
) -> Iterator[Chunk]:
    line, counted = 1, 0
    for ordinal, (start, end) in enumerate(spans):
        line += lines.count("\n", counted, start)
        last_line = line + lines.count("\n", start, end)
        yield Chunk(
            document_id=document.id,
            ordinal=ordinal,
            source=document.source,
            title=document.title,
            text=document.text[start:end],
            start=start,
            end=end,
            start_line=_place(document, line),
            end_line=_place(document, last_line),
            page=max(bisect_right(document.pages, start), 1) if document.pages else None,
            heading=outline.heading(start, end),
            tokens=measure.count(start, end),
            metadata=document.metadata,
        )
        line, counted = last_line, end


def _place(document: Document, line: int) -> int | None:
    """The line of the document's source that a line of its text is; None where lines mean nothing."""
    if document.line is not None:
        return document.line
    return line if document.lined else None
