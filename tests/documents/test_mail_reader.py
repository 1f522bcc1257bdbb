from __future__ import annotations

from pathlib import Path

from document_samples import read_one, refusal


def test_a_message_is_its_headers_and_its_text(tmp_path: Path) -> None:
    message = (
        "From: Ann <ann@example.org>\nTo: bob@example.org\nSubject: =?utf-8?q?H=C3=A9llo?=\n"
        "Date: Mon, 01 Jan 2024 00:00:00 +0000\nX-Other: x\n\nBody\ntext\n"
    )
    document = read_one(tmp_path / "a.eml", message)
    assert document.title == "Héllo"
    assert document.text == (
        "From: Ann <ann@example.org>\nTo: bob@example.org\nDate: Mon, 01 Jan 2024 00:00:00 +0000\n\nBody\ntext"
    )
    assert (document.format, document.lined) == ("text", False)


def test_plain_text_is_preferred_and_attachments_are_not_read(tmp_path: Path) -> None:
    message = (
        "Subject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"
        "--B\nContent-Type: multipart/alternative; boundary=C\n\n"
        "--C\nContent-Type: text/plain; charset=utf-8\n\nplain é\n\n"
        "--C\nContent-Type: text/html\n\n<p>html</p>\n--C--\n"
        "--B\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nattached\n--B--\n"
    )
    assert read_one(tmp_path / "a.eml", message).text == "plain é"


def test_a_message_that_is_only_html_becomes_markdown(tmp_path: Path) -> None:
    message = (
        "Subject: S\nContent-Type: text/html; charset=utf-8\n\n<h1>Offer</h1><p>See <a href='u'>it</a>.</p>"
    )
    document = read_one(tmp_path / "a.eml", message)
    assert (document.text, document.format) == ("# Offer\n\nSee it.", "markdown")


def test_a_message_without_a_subject_goes_by_its_name(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.eml", "From: a@example.org\n\nx").title == "a.eml"


def test_a_message_without_anything_is_skipped(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.eml", "X-Other: x\n\n")
    assert (skipped.reason, skipped.kept) == ("holds no text", False)


def test_an_unknown_encoding_is_a_reason(tmp_path: Path) -> None:
    skipped = refusal(tmp_path / "a.eml", "Content-Type: text/plain; charset=klingon\n\nx")
    assert skipped.reason == "its reader failed: LookupError: unknown encoding: klingon"
    assert skipped.kept
