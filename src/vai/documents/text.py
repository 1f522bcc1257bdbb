"""Readers of what is text already: the document is the whole file, so that its offsets are the file's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vai.documents.decoding import as_text, decode
from vai.documents.formats import language_of
from vai.documents.frontmatter import front_matter
from vai.documents.source import SourceFile
from vai.types import Document

_MARKDOWN_TITLE = re.compile(
    r"""
    ^(?:
        \ {0,3} (?P<fence>`{3,}(?![^\n]*`)|~{3,}) .*? (?: ^\ {0,3}(?P=fence) | \Z )  # no headings in code
      | \#[ \t]+ (?P<atx>[^\r\n]*?) (?:[ \t]+\#+)? [ \t]*\r?$
      | (?P<setext>[^\s\#>`~=+*-][^\r\n]*) \r?\n =+ [ \t]*\r?$
      | <h1\b[^>]*> (?P<html>.{1,500}?) </h1>
    )
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
_MARKDOWN_MARKUP = re.compile(
    r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])|[*`]+|\\(?=\W)"
    r"|</?(?:a|b|br|center|code|em|font|i|img|kbd|p|picture|small|source|span|strong|sub|sup)\b[^>]*>"
)
_RST_TITLE = re.compile(
    r"^[ \t]*(?P<title>\S[^\r\n]*)\r?\n(?P<line>([!-/:-@\[-`{-~])\3+)[ \t]*\r?$", re.MULTILINE
)
_RST_MARKUP = re.compile(r"(?::[\w:+.-]+:)?`{1,2}[!~]?([^`<]*?)\s*(?:<[^`]*>)?`{1,2}_{0,2}|\*+|\\(?=\W)")


def read_text(source: SourceFile, data: bytes) -> Document:
    """Text without structure, titled by the file's name."""
    return Document(source.name, source.name, decode(data), title=source.file_name)


def read_code(source: SourceFile, data: bytes) -> Document:
    """Source code, titled by the file's name."""
    language = language_of(source.file_name)
    return Document(
        source.name, source.name, decode(data), title=source.file_name, format="code", language=language
    )


def read_markdown(source: SourceFile, data: bytes) -> Document:
    """Markdown; its front matter is part of the text and, read as YAML, the metadata."""
    text = decode(data)
    metadata, body = front_matter(text)
    title = as_text(metadata.get("title")) or markdown_title(text[body:]) or source.file_name
    return Document(source.name, source.name, text, title=title, format="markdown", metadata=metadata)


def read_rst(source: SourceFile, data: bytes) -> Document:
    """reStructuredText, titled by its first section title."""
    text = decode(data)
    return Document(source.name, source.name, text, title=rst_title(text) or source.file_name, format="rst")


def markdown_title(text: str) -> str:
    """The first heading of level 1 as plain text, or ""."""
    titles = (match["atx"] or match["setext"] or match["html"] for match in _MARKDOWN_TITLE.finditer(text))
    return _first_plain(titles, _MARKDOWN_MARKUP)


def rst_title(text: str) -> str:
    """The first line that is underlined at its full length as plain text, or ""."""
    matches = _RST_TITLE.finditer(text)
    titles = (
        match["title"].strip() for match in matches if len(match["line"]) >= len(match["title"].strip())
    )
    return _first_plain((title for title in titles if len({*title}) > 1 or title.isalnum()), _RST_MARKUP)


def _first_plain(titles: Iterable[str | None], markup: re.Pattern[str]) -> str:
    """The first of the titles that is not empty without its markup, on one line."""
    plain = (" ".join(markup.sub(r"\1", title or "").split()) for title in titles)
    return next(filter(None, plain), "")
