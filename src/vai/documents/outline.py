"""The outline that kreuzberg makes of a document → Markdown, with the offsets at which pages begin.

Its own Markdown is not used: it says nothing of pages, escapes punctuation that people search for, and writes
link targets and image data into the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vai.documents.markup import code_block, escaped, heading, table

Node = Mapping[str, Any]
"""A node of the outline: `content` (told apart by its `node_type`), `content_layer`, `page`."""

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)"
)  # U+0002 is pdfium's mark of a broken word


class Outline:
    """Collects blocks and pages. `page_mark` finds the number in paragraphs that only say a page begins."""

    def __init__(self, page_mark: re.Pattern[str]) -> None:
        self._page_mark = page_mark
        self._blocks: list[str] = []
        self._length = 0
        self._pages: list[int] = []
        self.first_heading = ""

    @property
    def text(self) -> str:
        """The blocks, with an empty line between them."""
        return "\n\n".join(self._blocks)

    @property
    def pages(self) -> tuple[int, ...]:
        """The offsets in `text` at which pages begin; empty if no page was told of."""
        return tuple(min(offset, len(self.text)) for offset in self._pages)

    def add(self, nodes: Iterable[Node]) -> None:
        """Append what the nodes of a document's body say."""
        for node in nodes:
            content = node["content"]
            if node.get("content_layer") in ("header", "footer"):
                continue
            if mark := self._page_mark.fullmatch(str(content.get("text", "")).strip()):
                self.begin_page(int(mark[1]))
                continue
            self.begin_page(node.get("page") or 0)
            self.append(_block(content))
            if content["node_type"] in ("title", "heading") and not self.first_heading:
                self.first_heading = " ".join(_clean(content["text"]).split())

    def append(self, block: str) -> None:
        """Append one block; an empty one leaves no trace."""
        if block.strip():
            self._blocks.append(block)
            self._length += len(block) + 2

    def begin_page(self, number: int) -> None:
        """Say that what follows stands on page `number` (from 1), and pages before it that none did are empty."""
        while len(self._pages) < number:
            self._pages.append(self._length)


def _block(content: Node) -> str:
    """One node as Markdown; "" for those that only hold others."""
    match content["node_type"]:
        case "title":
            return heading(1, _clean(content["text"]))
        case "heading":
            return heading(content["level"], _clean(content["text"]))
        case "list_item":
            return f"- {_clean(content['text'])}"
        case "code":
            return code_block(_clean(content["text"]).strip("\n"), content.get("language") or "")
        case "table":
            return table(_rows(content["grid"]))
        case "metadata_block":
            return "\n".join(f"{key}: {_clean(str(value))}" for key, value in content["entries"])
        case "group" | "image":
            return ""
        case _:
            return escaped(_clean(str(content.get("text") or "")).strip())


def _rows(grid: Node) -> Sequence[Sequence[str]]:
    rows = [[""] * grid["cols"] for _ in range(grid["rows"])]
    for cell in grid["cells"]:
        rows[cell["row"]][cell["col"]] = _clean(cell["content"])
    return rows


def _clean(text: str) -> str:
    return _CONTROL.sub("", text).replace("\r\n", "\n")
