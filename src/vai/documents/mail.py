"""Mail messages: who, to whom, when, and what; attachments are not read."""

from __future__ import annotations

from vai.documents.decoding import mended
from vai.documents.html import read_page
from vai.documents.source import SourceFile, Unfit
from vai.types import Document, Format

HEADERS = ("From", "To", "Cc", "Date")


def read_mail(source: SourceFile, data: bytes) -> Document:
    """A message as text, titled by its subject; one that is only HTML becomes Markdown.

    Raises:
        Unfit: it has neither header nor body.
    """
    from email import message_from_bytes, policy

    message = message_from_bytes(data, policy=policy.default)
    headers = "\n".join(f"{name}: {message[name]}" for name in HEADERS if message[name])
    part = message.get_body(("plain", "html"))
    body = str(part.get_content()) if part is not None else ""
    structure: Format = "text"
    if part is not None and part.get_content_subtype() == "html":
        body, structure = read_page(body).markdown, "markdown"
    text = mended(f"{headers}\n\n{body}".strip())
    if not text:
        raise Unfit("holds no text", kept=False)
    title = mended(" ".join(str(message["Subject"] or "").split()))
    return Document(
        source.name, source.name, text, title=title or source.file_name, format=structure, lined=False
    )
