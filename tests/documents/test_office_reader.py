from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from document_samples import docx, fill, pdf, read_one, refusal, zipped
from vai.documents import office
from vai.documents.docx import restored, with_stand_ins
from vai.documents.outline import Outline

THREE_PAGES = pdf([["The first page.", "Its second line."], [], ["About replica sets."]], title="A manual")


def pages_of(text: str, pages: tuple[int, ...]) -> list[str]:
    return [text[begin:end].strip() for begin, end in zip(pages, [*pages[1:], len(text)], strict=True)]


# ── PDF ──


def test_a_pdf_becomes_markdown_that_knows_its_pages(tmp_path: Path) -> None:
    document = read_one(tmp_path / "a.pdf", THREE_PAGES)
    assert (document.title, document.format, document.lined) == ("A manual", "markdown", False)
    assert document.text == "The first page.\nIts second line.\n\nAbout replica sets."
    assert pages_of(document.text, document.pages) == [
        "The first page.\nIts second line.",
        "",
        "About replica sets.",
    ]


def test_a_pdf_without_a_title_goes_by_its_name(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.pdf", pdf([["text"]])).title == "a.pdf"
    assert read_one(tmp_path / "b.pdf", pdf([["text"]], title="Untitled 3")).title == "b.pdf"
    assert read_one(tmp_path / "c.pdf", pdf([["text"]], title="Microsoft Word - Plan")).title == "Plan"


def test_a_pdf_without_text_is_skipped(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.pdf", pdf([[], []]))
    assert (skipped.reason, skipped.kept) == ("holds no text (a scan?)", False)


def test_a_pdf_that_needs_a_password_is_skipped(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.pdf", pdf([["text"]], locked=True))
    assert (skipped.reason, skipped.kept) == ("is protected by a password", True)


@pytest.mark.parametrize(
    "name", ["a.pdf", "a.docx", "a.pptx", "a.xlsx", "a.odt", "a.epub", "a.doc", "a.ipynb"]
)
def test_a_damaged_file_is_skipped_with_the_reason_and_kept(tmp_path: Path, name: str) -> None:
    skipped = refusal(tmp_path / name, b"not what its name says")
    assert skipped.reason.startswith(f"cannot be read as .{name[2:]}: ")
    assert "\n" not in skipped.reason
    assert skipped.kept


def test_nothing_is_printed_or_left_behind(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    here = Path.cwd()
    folder = tmp_path / "working"
    folder.mkdir()
    os.chdir(folder)
    try:
        read_one(tmp_path / "a.pdf", THREE_PAGES)
        refusal(tmp_path / "b.pdf", b"%PDF-1.4 nonsense")
    finally:
        os.chdir(here)
    assert list(folder.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_standard_error_is_silent_only_while_a_file_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    with office._silenced_errors():
        os.write(2, b"from native code")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_a_process_without_standard_error_can_read(tmp_path: Path) -> None:
    fill(tmp_path, {"a.pdf": THREE_PAGES})
    code = (
        "from pathlib import Path; from vai.documents import *\n"
        "(source,) = find_sources([Path('a.pdf')], root=Path(), options=ReadOptions())\n"
        "print(next(read_documents(source, ReadOptions())).title)"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"A manual\n"


def test_a_failure_of_native_code_is_a_reason_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kreuzberg

    class PanicException(BaseException):
        pass

    def panic(*_: object) -> None:
        raise PanicException("index out of bounds\nand a stack")

    monkeypatch.setattr(kreuzberg, "extract_bytes_sync", panic)
    skipped = refusal(tmp_path / "a.pdf", THREE_PAGES)
    assert skipped.reason == "cannot be read as .pdf: index out of bounds"


def test_an_interruption_is_not_mistaken_for_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kreuzberg

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(kreuzberg, "extract_bytes_sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        refusal(tmp_path / "a.pdf", THREE_PAGES)


def test_a_library_that_another_user_could_have_put_there_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "kreuzberg-pdfium").mkdir()
    (tmp_path / "kreuzberg-pdfium").chmod(0o777)
    skipped = refusal(tmp_path / "a.pdf", THREE_PAGES)
    assert "which another user could have put there (set `TMPDIR`)" in skipped.reason
    assert skipped.kept


# ── Word ──


def test_a_word_file_becomes_markdown(tmp_path: Path) -> None:
    content = docx([("Heading1", "Chapter"), ("Normal", "Some text."), ("Heading2", "Part")], title="A book")
    document = read_one(tmp_path / "a.docx", content)
    assert document.text == "# Chapter\n\nSome text.\n\n## Part"
    assert (document.title, document.format, document.lined) == ("A book", "markdown", False)
    assert document.pages == ()


def test_a_word_file_without_a_title_is_titled_by_its_first_heading(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.docx", docx([("Heading1", "R&amp;D"), ("Normal", "x")])).title == "R&D"


def test_characters_that_xml_has_to_escape_are_in_the_text(tmp_path: Path) -> None:
    content = docx(
        [("Normal", "AT&amp;T: List&lt;int&gt; &quot;q&quot; &#65;&#x2014;&#1;b")], title="R&amp;D"
    )
    document = read_one(tmp_path / "a.docx", content)
    assert (document.text, document.title) == ('AT&T: List<int> "q" A—b', "R&D")


def test_a_paragraph_that_looks_like_a_heading_is_escaped(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.docx", docx([("Normal", "# 1")])).text == "\\# 1"


def test_a_word_file_without_text_is_skipped(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.docx", docx([]))
    assert (skipped.reason, skipped.kept) == ("holds no text", False)


def test_an_encrypted_office_file_is_skipped_as_protected(tmp_path: Path) -> None:
    content = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    assert refusal(tmp_path / "a.docx", content).reason == "is protected by a password"


def test_what_has_no_references_is_handed_on_as_it_is() -> None:
    plain = docx([("Normal", "text")])
    assert with_stand_ins(plain) is plain
    assert with_stand_ins(b"no archive") == b"no archive"
    assert restored("plain é") == "plain é"


def test_a_damaged_archive_is_handed_on_as_it_is() -> None:
    whole = bytearray(docx([("Normal", "a &amp; b")]))
    whole[whole.index(b"<w:body>") + 3] ^= 1  # its checksum is wrong now
    assert with_stand_ins(bytes(whole)) == bytes(whole)


def test_an_archive_that_unpacks_to_too_much_is_handed_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    content = docx([("Normal", "a &amp; b")])
    monkeypatch.setattr("vai.documents.docx.UNPACKED_LIMIT", 10)
    assert with_stand_ins(content) is content


def test_other_parts_of_the_archive_stay_as_they_are() -> None:
    content = zipped({"word/document.xml": "<a>&amp;</a>", "word/media/x.xml": "&amp;", "other.xml": "&lt;"})
    with zipfile.ZipFile(io.BytesIO(with_stand_ins(content))) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert restored(texts["word/document.xml"]) == "<a>&</a>"
    assert (texts["word/media/x.xml"], texts["other.xml"]) == ("&amp;", "&lt;")


# ── slides, notebooks, books ──


def slides(*texts: tuple[str, str, str]) -> bytes:
    """A presentation of (title, text, notes) slides."""
    office_types = "application/vnd.openxmlformats-officedocument.presentationml"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    spaces = (
        'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="{relations}"'
    )

    def shape(kind: str, text: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr>'
            f"</p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def relation(number: int, kind: str, target: str) -> str:
        return f'<Relationship Id="r{number}" Type="{relations}/{kind}" Target="{target}"/>'

    count = range(1, len(texts) + 1)
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/ppt/presentation.xml" '
        f'ContentType="{office_types}.presentation.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}">'
        f"{relation(1, 'officeDocument', 'ppt/presentation.xml')}</Relationships>",
        "ppt/presentation.xml": f"<p:presentation {spaces}><p:sldIdLst>"
        + "".join(f'<p:sldId id="{255 + number}" r:id="r{number}"/>' for number in count)
        + "</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": f'<Relationships xmlns="{package}">'
        + "".join(relation(number, "slide", f"slides/slide{number}.xml") for number in count)
        + "</Relationships>",
    }
    for number, (title, text, notes) in enumerate(texts, 1):
        tree = f"{shape('title', title)}{shape('body', text)}"
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {spaces}><p:cSld><p:spTree>{tree}</p:spTree></p:cSld></p:sld>"
        )
        if notes:
            parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = (
                f'<Relationships xmlns="{package}">'
                f"{relation(1, 'notesSlide', f'../notesSlides/notesSlide{number}.xml')}</Relationships>"
            )
            parts[f"ppt/notesSlides/notesSlide{number}.xml"] = (
                f"<p:notes {spaces}><p:cSld><p:spTree>{shape('body', notes)}</p:spTree></p:cSld></p:notes>"
            )
    return zipped(parts)


def test_slides_are_pages_and_keep_their_notes(tmp_path: Path) -> None:
    content = slides(("Sales", "Up &amp; up", "Say why"), ("Costs", "Down", ""), ("End", "Thanks", "Smile"))
    document = read_one(tmp_path / "a.pptx", content)
    assert pages_of(document.text, document.pages) == [
        "## Sales\n\nUp & up\n\nNotes: Say why",
        "## Costs\n\nDown",
        "## End\n\nThanks\n\nNotes: Smile",
    ]


def test_a_notebook_becomes_text_and_code_without_its_pictures(tmp_path: Path) -> None:
    notebook = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
      {"cell_type": "markdown", "metadata": {}, "source": ["# A study\\n", "of x < y"]},
      {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["x = 1\\n", "x"],
       "outputs": [{"output_type": "display_data", "data": {"image/png": "iVBORw0KAAAA"}, "metadata": {}}]}]}"""
    document = read_one(tmp_path / "a.ipynb", notebook)
    assert document.text == "# A study\n\nof x < y\n\n```\nx = 1\nx\n```"
    assert document.title == "A study"


def test_rich_text_becomes_text_and_tables(tmp_path: Path) -> None:
    content = r"{\rtf1\ansi{\info{\title A memo}}{\b Hello} there\par\pard\intbl a\cell b\cell\row}"
    document = read_one(tmp_path / "a.rtf", content)
    assert (document.title, document.text) == ("A memo", "Hello there\n\n| a | b |\n| --- | --- |")


# ── outlines ──


def outline(*nodes: dict[str, object]) -> Outline:
    made = Outline(office._PAGE_BEGINS)
    made.add({"content": content} for content in nodes)
    return made


def test_nodes_of_every_kind_are_written_as_markdown() -> None:
    cells = [{"row": 0, "col": 0, "content": "h\nh"}, {"row": 1, "col": 1, "content": "x"}]
    text = outline(
        {"node_type": "title", "text": "A\ntitle"},
        {"node_type": "group", "heading_text": "repeated below"},
        {"node_type": "heading", "level": 9, "text": "Deep"},
        {"node_type": "list", "ordered": False},
        {"node_type": "list_item", "text": "one"},
        {"node_type": "code", "text": "a\n```\n", "language": "c"},
        {"node_type": "table", "grid": {"rows": 2, "cols": 2, "cells": cells}},
        {"node_type": "image", "description": "a picture"},
        {"node_type": "metadata_block", "entries": [["From", "me"]]},
        {"node_type": "paragraph", "text": "bro\x02ken\r\nline\x00"},
        {"node_type": "of-a-kind-yet-unknown", "text": "kept"},
        {"node_type": "paragraph", "text": "  "},
    ).text
    assert text == (
        "# A title\n\n###### Deep\n\n- one\n\n````c\na\n```\n````\n\n| h h |  |\n| --- | --- |\n|  | x |\n\n"
        "From: me\n\nbroken\nline\n\nkept"
    )


def test_running_headers_and_footers_are_left_out() -> None:
    made = Outline(office._PAGE_BEGINS)
    made.add(
        {"content": {"node_type": "paragraph", "text": text}, "content_layer": layer}
        for text, layer in [("head", "header"), ("body", "body"), ("foot", "footer"), ("note", "footnote")]
    )
    assert made.text == "body\n\nnote"


def test_pages_without_text_begin_where_the_next_one_does() -> None:
    made = Outline(office._PAGE_BEGINS)
    made.add({"content": {"node_type": "paragraph", "text": "x"}, "page": page} for page in (2, 2, 5))
    made.begin_page(7)
    assert made.text == "x\n\nx\n\nx"
    assert made.pages == (0, 0, 6, 6, 6, 7, 7)
