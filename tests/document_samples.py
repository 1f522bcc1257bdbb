"""What the tests of documents share: small folders, and files of formats that are made by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from vai.documents import ReadOptions, SourceFile, find_sources, read_documents
from vai.types import Document, Skipped

DEFAULTS = ReadOptions()


def fill(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def found(
    root: Path, *paths: Path, options: ReadOptions = DEFAULTS
) -> tuple[list[str], list[tuple[str, str, bool]]]:
    """What `find_sources` finds in `paths` (or `root`): names, and what was skipped, why and whether kept."""
    everything = list(find_sources(paths or (root,), root=root, options=options))
    names = [item.name for item in everything if isinstance(item, SourceFile)]
    return names, [(item.source, item.reason, item.kept) for item in everything if isinstance(item, Skipped)]


def source(path: Path, options: ReadOptions = DEFAULTS) -> SourceFile:
    """The one source that a file is."""
    (item,) = find_sources([path], root=path.parent, options=options)
    assert isinstance(item, SourceFile)
    return item


def read(
    path: Path, content: str | bytes, options: ReadOptions = DEFAULTS
) -> tuple[list[Document], list[Skipped]]:
    """What a file with that content becomes, and what of it was skipped."""
    fill(path.parent, {path.name: content})
    everything = list(read_documents(source(path, options), options))
    documents = [item for item in everything if isinstance(item, Document)]
    return documents, [item for item in everything if isinstance(item, Skipped)]


def read_one(path: Path, content: str | bytes) -> Document:
    """The one document that a file with that content is."""
    (document,), skipped = read(path, content)
    assert skipped == []
    return document


def refusal(path: Path, content: str | bytes, options: ReadOptions = DEFAULTS) -> Skipped:
    """The one reason why a file with that content is no document."""
    documents, (skipped,) = read(path, content, options)
    assert documents == []
    assert skipped.source == path.name
    return skipped


def zipped(parts: Mapping[str, str]) -> bytes:
    """An archive of text parts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return target.getvalue()


def pdf(pages: Sequence[Sequence[str]], *, title: str = "", locked: bool = False) -> bytes:
    """A PDF with these lines on its pages; `locked` as one that needs a password."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, lines in enumerate(pages):
        shown = " ".join(f"({line}) Tj T*" for line in lines)
        stream = f"BT /F1 12 Tf 72 720 Td 14 TL {shown} ET"
        objects += [
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>" if title else "<< >>")
    trailer = f"/Root 1 0 R /Info {len(objects)} 0 R"
    if locked:
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{'11' * 32}> /U <{'22' * 32}> >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    return _pdf_file(objects, trailer)


def _pdf_file(objects: Sequence[str], trailer: str) -> bytes:
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} {trailer} >>\n"
    return data + f"{end}startxref\n{len(data)}\n%%EOF\n".encode()


_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def docx(paragraphs: Sequence[tuple[str, str]], *, title: str = "") -> bytes:
    """A Word file of (style, text as XML) paragraphs; the style "Heading1" and the like make headings."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType="application/'
        'vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{_WORD}">{_word_style(1)}{_word_style(2)}</w:styles>',
        "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:coreProperties>',
    }
    return zipped(parts)


def _word_style(level: int) -> str:
    return (
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        f'<w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr></w:style>'
    )
