"""Word files before and after kreuzberg 4, whose reader drops `&amp;`, `&lt;` and their like from the text.

Each such reference is put as a character of a private plane that stands for one, and taken back afterwards.
Its successor under another name has this mended.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from html import unescape

UNPACKED_LIMIT = 128 * 2**20
"""Bytes of XML above which a file is left as it is: it may be made to burst memory."""

_REFERENCE = re.compile(rb"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")
_PARTS = re.compile(r"word/[^/]+\.xml|docProps/core\.xml")
_PRIVATE = 0x10F000
_ORIGINALS = {_PRIVATE + code: chr(code) for code in range(128)}


def with_stand_ins(data: bytes) -> bytes:
    """The file with stand-ins for references; as it is if it has none or is no such file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = [item for item in package.infolist() if _PARTS.fullmatch(item.filename)]
            if sum(item.file_size for item in parts) > UNPACKED_LIMIT:
                return data
            texts = {item.filename: package.read(item) for item in parts}
            if not any(_REFERENCE.search(text) for text in texts.values()):
                return data
            return _repacked(package, {name: _REFERENCE.sub(_stand_in, text) for name, text in texts.items()})
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        return data  # for its reader to say what is wrong


def restored(text: str) -> str:
    """Text with what the stand-ins stand for, one character for one."""
    return text if text.isascii() else text.translate(_ORIGINALS)


def _repacked(package: zipfile.ZipFile, texts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for item in package.infolist():
            copy.writestr(item.filename, texts.get(item.filename) or package.read(item))
    return target.getvalue()


def _stand_in(reference: re.Match[bytes]) -> bytes:
    character = unescape(reference[0].decode())
    if len(character) != 1:  # a number that is no character
        return b""
    return (chr(_PRIVATE + ord(character)) if character.isascii() else character).encode()
