"""PDF, office formats and notebooks, through kreuzberg: offline, without OCR, without its cache."""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vai.documents.docx import restored, with_stand_ins
from vai.documents.formats import OFFICE_TYPES, suffix_of
from vai.documents.outline import Node, Outline
from vai.documents.source import SourceFile, Unfit
from vai.types import Document

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

WORD = frozenset(("docx", "docm"))
SLIDES = frozenset(("pptx", "pptm", "ppsx"))
SHEETS = frozenset(("xlsx", "xlsm", "xlsb", "xls", "ods"))
PAGED = SLIDES | {"pdf"}
"""Formats whose pages are real; Word lays its pages out anew on every machine."""

PLACEHOLDER_TITLE = re.compile(
    r"untitled.*|powerpoint presentation|word document|\(unspecified\)|\(anonymous\)", re.IGNORECASE
)
"""What programs call a document that nobody gave a title."""

_PAGE_MARK = "vai-page-{page_num}-begins"
_PAGE_BEGINS = re.compile(r"vai-page-(\d+)-begins")
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how encrypted new office files begin, and old ones
_alone = threading.Lock()


@cache
def library_version() -> str:
    """The library's version, which decides what is found in a file."""
    from importlib.metadata import version

    return version("kreuzberg")


def read_office(source: SourceFile, data: bytes) -> Document:
    """The document as Markdown, titled by its properties or else its first heading.

    Raises:
        Unfit: it is protected or damaged, or holds no text.
    """
    suffix = suffix_of(source.file_name)
    result = _extract(with_stand_ins(data) if suffix in WORD else data, suffix, "markdown")
    outline = Outline(_PAGE_BEGINS)
    outline.add(_with_notes(_nodes(result), _notes(data, suffix) if suffix in SLIDES else {}))
    text = restored(outline.text)
    if not text.strip():
        raise Unfit("holds no text (a scan?)" if suffix == "pdf" else "holds no text", kept=False)
    heading = "" if suffix in SHEETS else outline.first_heading  # there it is the first sheet's name
    return Document(
        source.name,
        source.name,
        text,
        title=restored(_title(result) or heading) or source.file_name,
        format="markdown",
        lined=False,
        pages=outline.pages if suffix in PAGED else (),
    )


def _extract(data: bytes, suffix: str, output: Literal["markdown", "plain"]) -> ExtractionResult:
    from kreuzberg import ExtractionConfig, PageConfig, PostProcessorConfig, extract_bytes_sync

    if suffix == "pdf":
        _refuse_a_planted_library()
    config = ExtractionConfig(
        use_cache=False,  # it would make a folder in the working directory
        disable_ocr=True,  # type: ignore[call-arg]  # missing from the library's stub
        enable_quality_processing=False,
        include_document_structure=True,
        output_format=output,
        pages=PageConfig(extract_pages=True, insert_page_markers=True, marker_format=f"\n\n{_PAGE_MARK}\n\n"),
        postprocessor=PostProcessorConfig(enabled=False),
    )
    try:
        with _silenced_errors():
            return extract_bytes_sync(data, OFFICE_TYPES[suffix], config)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic in native code is no Exception
        raise Unfit(_failure(error, data, suffix), kept=True) from None


def _failure(error: BaseException, data: bytes, suffix: str) -> str:
    said = str(getattr(error, "message", None) or error)
    encrypted = data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data
    if encrypted or "password" in said.lower():
        return "is protected by a password"
    said = re.sub(r"^(.+): \1$", r"\1", said.splitlines()[0] if said else type(error).__name__)
    return f"cannot be read as .{suffix}: {said[:200]}"


def _nodes(result: ExtractionResult) -> Iterable[Node]:
    return result.document["nodes"] if result.document else ()


def _title(result: ExtractionResult) -> str:
    title = " ".join(str(result.metadata.get("title") or "").split())
    title = re.sub(r"^Microsoft (?:Word|PowerPoint|Excel) - ", "", title)
    return "" if PLACEHOLDER_TITLE.fullmatch(title) else title


def _notes(data: bytes, suffix: str) -> Mapping[int, str]:
    """Speaker notes by slide, which only the library's plain text holds: the last thing in each slide."""
    pieces = _PAGE_BEGINS.split(_extract(data, suffix, "plain").content)
    slides = zip(pieces[1::2], pieces[2::2], strict=True)
    parts = ((int(number), text.rpartition("\n\nNotes:\n\n")) for number, text in slides)
    return {number: notes.strip() for number, (_, found, notes) in parts if found}


def _with_notes(nodes: Iterable[Node], notes: Mapping[int, str]) -> Iterator[Node]:
    """The nodes of slides, each slide followed by its notes."""
    slide = 0
    for node in (*nodes, None):
        mark = node and _PAGE_BEGINS.fullmatch(str(node["content"].get("text", "")).strip())
        if (mark or node is None) and slide in notes:
            yield {"content": {"node_type": "paragraph", "text": f"Notes: {notes[slide]}"}}
        slide = int(mark[1]) if mark else slide
        if node is not None:
            yield node


def _refuse_a_planted_library() -> None:
    """Make sure that the PDF library is not loaded from a folder that somebody else made.

    kreuzberg 4 unpacks it to one fixed place below the temporary folder, and loads what lies there already.
    """
    if not hasattr(os, "geteuid"):
        return
    folder = Path(os.environ.get("TMPDIR") or "/tmp", "kreuzberg-pdfium")  # noqa: S108 - where it does that
    try:
        status = folder.lstat()
    except OSError:
        return
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
        reason = f"needs a library in `{folder}`, which another user could have put there (set `TMPDIR`)"
        raise Unfit(reason, kept=True)


@contextmanager
def _silenced_errors() -> Iterator[None]:
    """Standard error goes nowhere meanwhile: native code that crashes prints a report of its own there."""
    with _alone:
        if sys.stderr is not None:  # as in a process started without one
            sys.stderr.flush()
        try:
            before = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
