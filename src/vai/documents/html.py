"""HTML → Markdown: the text a reader sees, with its headings, lists, code and tables.

Written on the standard library's parser instead of a converter, because what a hit shows and the models read
is then text: link targets, image data and what pages hide are left out, and tables and lists whose end tags
are implied keep all they hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from vai.documents.decoding import decode, decode_as, encoding_of
from vai.documents.markup import code_block, escaped
from vai.documents.source import SourceFile, Unfit
from vai.types import Document


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEADINGS = {f"h{level}": level for level in range(1, 7)}
HIDDEN = _words("script style template svg nav noscript iframe object button select dialog")
"""Elements whose content is not read."""
HIDEABLE = _words("a aside div footer form header ol section span table ul")
"""Elements that are not read when they say so: those that have an end tag for sure."""
BLOCKS = _words(
    "address article aside blockquote body caption center details dd div dl dt fieldset figcaption figure "
    "footer form header hr legend li main ol p section summary table tbody tfoot thead tr ul"
)
TIGHT = _words("dd li tr caption")
"""Blocks that begin on the next line, without an empty one before them."""
CODE = _words("code kbd samp tt")
PERMALINKS = frozenset("¶§#🔗")
"""What documentation puts beside a heading to link to it."""

_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:language|lang|highlight)-([\w+#-]+)")

Attributes = Sequence[tuple[str, str | None]]


def read_html(source: SourceFile, data: bytes) -> Document:
    """An HTML file as Markdown, titled by its `<title>`, or its first heading of level 1."""
    page = read_page(_decoded(data))
    return Document(
        source.name,
        source.name,
        page.markdown,
        title=page.title or page.heading or source.file_name,
        format="markdown",
        lined=False,
    )


def read_page(text: str) -> Page:
    """The page that HTML text describes."""
    page = Page()
    page.feed(text)
    page.close()
    return page


def _decoded(data: bytes) -> str:
    """The text, in UTF-8 if it can be that, else in the encoding it declares in its first KiB."""
    mark, _ = encoding_of(data)
    declared = None if mark else _DECLARED.search(data[:1024])
    try:
        return decode(data)
    except Unfit:
        if declared is None:
            raise
    try:
        return decode_as(data, declared[1].decode())
    except LookupError:
        raise Unfit(f"declares an unknown encoding: {declared[1].decode()}", kept=True) from None


class Page(HTMLParser):
    """Collects a page's Markdown while it is parsed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.heading = ""
        self._pieces: list[str] = []
        self._gap = 0  # line ends owed before the next text
        self._space = False  # white space owed before the next text
        self._lists: list[int | None] = []  # of each open list: its last number, None for bullets
        self._marker = ""  # what the next text is preceded by: a bullet or `#`s
        self._hidden: list[str] = []
        self._code: list[str] | None = None  # in <pre>: its text so far
        self._language = ""
        self._in_title = False
        self._in_heading: int | None = None  # where in the pieces the heading began
        self._in_link = False

    @property
    def markdown(self) -> str:
        """What was read so far."""
        return "".join(self._pieces)

    def handle_starttag(self, tag: str, attributes: Attributes) -> None:
        if self._hidden:
            self._hidden += [tag] if tag == self._hidden[0] else []
        elif tag in HIDDEN or (tag in HIDEABLE and _says_hidden(attributes)):
            self._hidden.append(tag)
        elif tag == "title":
            self._in_title = not self.title
        elif tag == "a":
            self._in_link = True
        elif self._code is not None:
            self._start_in_code(tag, attributes)
        elif tag == "br":
            self._break(1)
        elif tag == "img":
            self.handle_data(dict(attributes).get("alt") or "")
        elif tag in CODE:
            self._write("`")
        elif tag in ("td", "th"):
            self._start_cell()
        else:
            self._start_block(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            self._hidden = self._hidden[:-1] if tag == self._hidden[0] else self._hidden
        elif tag == "title":
            self._in_title = False
        elif tag == "a":
            self._in_link = False
        elif self._code is not None:
            if tag == "pre":
                self._end_code()
        elif tag in CODE:
            self._end_code_span()
        elif tag in HEADINGS:
            self._end_heading()
        elif _is_block(tag):
            self._end_block(tag)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = " ".join(f"{self.title} {data}".split())
        elif self._hidden or (self._in_link and data.strip() in PERMALINKS):
            return
        elif self._code is not None:
            self._code.append(data)
        elif words := data.split():
            self._space = self._space or data[0].isspace()
            self._write(escaped(" ".join(words)) if self._at_line_start else " ".join(words))
            self._space = data[-1].isspace()
        else:
            self._space = self._space or bool(data)

    def close(self) -> None:
        super().close()
        if self._code is not None:
            self._end_code()
        self._end_heading()

    def _start_block(self, tag: str, attributes: Attributes) -> None:
        if tag == "pre":
            self._code, self._language = [], _language(attributes)
        elif tag in HEADINGS:
            self._end_heading()
            self._break(2)
            self._marker = "#" * HEADINGS[tag] + " "
            self._in_heading = len(self._pieces)
        elif tag in ("ul", "ol"):
            self._break(1 if self._lists else 2)
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._break(1)
            self._marker = self._bullet()
        elif _is_block(tag):
            self._break(1 if tag in TIGHT or self._lists else 2)

    def _end_block(self, tag: str) -> None:
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        self._break(1 if tag in TIGHT or self._lists else 2)

    def _bullet(self) -> str:
        indent = "  " * (len(self._lists) - 1)
        if not self._lists or (number := self._lists[-1]) is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number + 1}. "

    def _start_cell(self) -> None:
        if self._pieces and not self._gap:
            self._space = True
            self._write("|")
        self._space = True

    def _end_code_span(self) -> None:
        after, self._space = self._space, False
        self._write("`")
        self._space = after

    def _start_in_code(self, tag: str, attributes: Attributes) -> None:
        if tag == "br" and self._code is not None:
            self._code.append("\n")
        self._language = self._language or _language(attributes)

    def _end_code(self) -> None:
        text = "".join(self._code or ()).strip("\n")
        self._code, self._marker = None, ""
        if text.strip():
            self._break(2)
            self._write(code_block(text, self._language))
        self._break(2)

    def _end_heading(self) -> None:
        if self._in_heading is None:
            return
        text = "".join(self._pieces[self._in_heading :]).strip()
        if text.startswith("# ") and not self.heading:
            self.heading = text[2:].replace("`", "")
        self._in_heading, self._marker = None, ""
        self._break(2)

    def _break(self, lines: int) -> None:
        """End the line, and leave an empty one if `lines` is 2; a heading stays on its line."""
        if self._in_heading is not None:
            self._space = True
        else:
            self._gap = max(self._gap, lines)
            self._space = False

    @property
    def _at_line_start(self) -> bool:
        return not self._marker and (self._gap > 0 or not self._pieces)

    def _write(self, text: str) -> None:
        if self._pieces:
            self._pieces.append("\n" * self._gap or " " * self._space)
        self._pieces.append(self._marker + text)
        self._marker, self._gap, self._space = "", 0, False


def _says_hidden(attributes: Attributes) -> bool:
    said = dict(attributes)
    return (
        "hidden" in said or said.get("aria-hidden") == "true" or said.get("role") in ("navigation", "search")
    )


def _is_block(tag: str) -> bool:
    return tag in BLOCKS or "-" in tag  # custom elements have a hyphen in their name


def _language(attributes: Attributes) -> str:
    match = _LANGUAGE.search(dict(attributes).get("class") or "")
    return match[1] if match else ""
