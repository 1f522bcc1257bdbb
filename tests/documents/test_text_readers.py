from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document_samples import read, read_one, refusal
from vai.documents.decoding import BINARY_PREFIX, decode, mended
from vai.documents.frontmatter import front_matter, is_unread_front_matter
from vai.documents.source import Unfit
from vai.documents.text import markdown_title, rst_title

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


# ── decoding ──


@given(st.text(characters))
def test_what_was_encoded_is_decoded_to_the_same_text(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode(text.encode()) == text
    assert decode(codecs.BOM_UTF8 + text.encode()) == text
    assert decode(codecs.BOM_UTF16_LE + text.encode("utf-16-le")) == text
    assert decode(codecs.BOM_UTF16_BE + text.encode("utf-16-be")) == text
    assert decode(codecs.BOM_UTF32_LE + text.encode("utf-32-le")) == text


@given(st.binary())
def test_bytes_are_decoded_exactly_or_refused(data: bytes) -> None:
    try:
        text = decode(data)
    except Unfit as unfit:
        assert unfit.reason.startswith("is ")
    else:
        assert text.encode() in (data, data.removeprefix(codecs.BOM_UTF8)) or data[:2] in (
            b"\xff\xfe",
            b"\xfe\xff",
        )


def test_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.txt", "a\r\nb\rc\n\x0bd\u2028e").text == "a\r\nb\rc\n\x0bd\u2028e"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.txt", codecs.BOM_UTF8 + b"text").text == "text"
    assert read_one(tmp_path / "b.txt", "\ufefftext".encode("utf-16-le")).text == "text"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"caf\xe9 au lait", "is not UTF-8: invalid byte 0xe9 at offset 3"),
        (codecs.BOM_UTF8 + b"caf\xe9", "is not UTF-8: invalid byte 0xe9 at offset 6"),
        (b"\xc3", "is not UTF-8: invalid byte 0xc3 at offset 0"),
        (codecs.BOM_UTF16_LE + b"a\0\xff", "is not UTF-16: invalid byte 0xff at offset 4"),
    ],
)
def test_a_file_in_another_encoding_is_skipped_with_the_place_and_kept(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    skipped = refusal(tmp_path / "a.md", content)
    assert (skipped.reason, skipped.kept) == (reason, True)


@pytest.mark.parametrize("name", ["a.md", "a.unknown-format", "a.html", "a.jsonl", "a.csv"])
def test_a_binary_file_is_skipped_whatever_its_name(tmp_path: Path, name: str) -> None:
    skipped = refusal(tmp_path / name, b"text, then \0\1\2")
    assert (skipped.reason, skipped.kept) == ("is binary", False)


def test_a_nul_far_into_a_text_does_not_make_it_binary(tmp_path: Path) -> None:
    assert len(read_one(tmp_path / "a.txt", b"x" * BINARY_PREFIX + b"\0").text) == BINARY_PREFIX + 1


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.html"])
def test_white_space_alone_is_skipped(tmp_path: Path, name: str) -> None:
    skipped = refusal(tmp_path / name, " \n\t\n")
    assert (skipped.reason, skipped.kept) == ("holds nothing but white space", False)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert mended("a\ud800b") == "a\ufffdb"
    assert mended("\ud83d\ude00 é") == "😀 é"


# ── text and code ──


@pytest.mark.parametrize("name", ["a.txt", "README", "a.toml", "a.json", "a.unknown-format"])
def test_text_is_titled_by_its_name(tmp_path: Path, name: str) -> None:
    document = read_one(tmp_path / name, "some text")
    assert (document.id, document.source, document.text) == (name, name, "some text")
    assert (document.title, document.format, document.lined) == (name, "text", True)
    assert (document.line, document.pages, document.metadata) == (None, (), {})


@pytest.mark.parametrize(
    ("name", "language"),
    [
        *[("a.py", "python"), ("a.RS", "rust"), ("a.tsx", "tsx"), ("a.h", "c"), ("Makefile", "make")],
        *[("Dockerfile", "dockerfile"), ("CMakeLists.txt", "cmake"), ("a.sh", "bash")],
    ],
)
def test_code_knows_its_language(tmp_path: Path, name: str, language: str) -> None:
    document = read_one(tmp_path / name, "x = 1\n")
    assert (document.format, document.language, document.title) == ("code", language, name)


# ── Markdown ──


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# A title\n", "A title"),
        ("text\n\n# Later #\n", "Later"),
        ("Set below\r\n=========\r\n", "Set below"),
        ("## Second level only\n", ""),
        ("#no-space\n", ""),
        ("```\n# in a fence\n```\n# outside\n", "outside"),
        ("~~~~ python\n# in a fence\n~~~\n~~~~\n# outside\n", "outside"),
        ("```\n# in a fence that never ends\n", ""),
        ("```inline``` code\n# after\n", "after"),
        ("# *Very* `marked` **up** [link](http://x) ![i](j)\n", "Very marked up link i"),
        ("# Vec\\<T\\>\n", "Vec<T>"),
        ("<h1 align='center'>\n  <img src='x'>\n  A logo's name\n</h1>\n", "A logo's name"),
        ("<h1><img src='x'></h1>\n\n# Then this\n", "Then this"),
        ("# \n# Not empty\n", "Not empty"),
    ],
)
def test_the_first_heading_of_level_one_is_the_title(text: str, title: str) -> None:
    assert markdown_title(text) == title


def test_a_markdown_file_without_a_title_goes_by_its_name(tmp_path: Path) -> None:
    document = read_one(tmp_path / "notes.md", "no heading")
    assert (document.title, document.format) == ("notes.md", "markdown")


def test_front_matter_is_metadata_and_stays_in_the_text(tmp_path: Path) -> None:
    text = "---\ntitle: From above\ndate: 2024-01-31\ntags: [a, b]\n---\n# A heading\n"
    document = read_one(tmp_path / "a.md", text)
    assert document.text == text
    assert document.title == "From above"
    assert document.metadata == {"title": "From above", "date": "2024-01-31", "tags": ["a", "b"]}


def test_a_title_that_is_no_text_is_none(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.md", "---\ntitle: [1]\n---\n# Heading\n").title == "Heading"
    assert read_one(tmp_path / "b.md", "---\ntitle: 2024\n---\n# Heading\n").title == "2024"


def test_a_comment_in_front_matter_is_not_taken_for_a_heading(tmp_path: Path) -> None:
    assert read_one(tmp_path / "a.md", "---\n# a comment\na: 1\n---\n# Heading\n").title == "Heading"


def test_front_matter_becomes_what_json_can_hold() -> None:
    yaml = (
        "when: 2024-01-02T03:04:05Z\nnever: ~\nodd: .nan\n1: one\ndeep: {a: [true, 1.5]}\nset: !!set {b, a}\n"
    )
    assert front_matter(f"---\n{yaml}...\ntext")[0] == {
        "when": "2024-01-02T03:04:05+00:00",
        "never": None,
        "odd": None,
        "1": "one",
        "deep": {"a": [True, 1.5]},
        "set": ["a", "b"],
    }


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "yaml",
    [
        *["key: [unclosed", ": :\n - x", "just text", "- a list", "a: 2024-13-45", "a: &a [*a]", "\tx: y"],
        *["!!python/object:os.system x", '"\\ud800": 1', bomb(), "a: x\n" * 20_000],
    ],
    ids=lambda yaml: yaml[:20].replace("\n", " "),
)
def test_what_is_no_front_matter_is_left_as_text(tmp_path: Path, yaml: str) -> None:
    text = f"---\n{yaml}\n---\n\n# Heading\n"
    document = read_one(tmp_path / "a.md", text)
    assert (document.text, document.metadata, document.title) == (text, {}, "Heading")


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("---\ntitle: A: B\n---\ntext", True),
        ("---\nkey: [unclosed\n---\ntext", True),
        ("---\ntitle: A\n---\ntext", False),
        ("---\nWe say: this: is a rule\n---\ntext", False),
        ("---\njust text\n---\n", False),
        ("text\n---\nkey: [unclosed\n---\n", False),
        ("", False),
    ],
    ids=["two colons", "unclosed", "fields", "a rule", "text", "further down", "nothing"],
)
def test_front_matter_that_is_no_yaml_is_told_from_none(text: str, unread: bool) -> None:
    assert is_unread_front_matter(text) is unread


def test_a_rule_further_down_is_no_front_matter() -> None:
    assert front_matter("text\n---\na: 1\n---\n") == ({}, 0)
    assert front_matter("---\na: 1\n") == ({}, 0)


def test_the_text_proper_begins_after_front_matter() -> None:
    text = "---\r\na: 1\r\n---\r\nbody"
    metadata, begins = front_matter(text)
    assert (metadata, text[begins:]) == ({"a": 1}, "body")


# ── reStructuredText ──


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("A title\n=======\n", "A title"),
        ("=======\nA title\n=======\n", "A title"),
        ("=========\n A title\n=========\n", "A title"),
        (".. _label:\r\n\r\nA title\r\n-------\r\n", "A title"),
        ("Too long a title\n===\n\nThis one\n--------\n", "This one"),
        (":mod:`!atexit` --- Exit handlers\n=================================\n", "atexit --- Exit handlers"),
        ("``code`` and `a link <http://x>`_ and *more*\n" + "~" * 50, "code and a link and more"),
        ("no title at all\n", ""),
        ("=====\n=====\n", ""),
    ],
)
def test_the_first_underlined_line_is_the_title(text: str, title: str) -> None:
    assert rst_title(text) == title


def test_restructured_text_is_the_whole_file(tmp_path: Path) -> None:
    document = read_one(tmp_path / "a.rst", "Title\n=====\n\ntext")
    assert (document.title, document.format, document.text) == ("Title", "rst", "Title\n=====\n\ntext")
    assert read_one(tmp_path / "b.rst", "text").title == "b.rst"


def test_reading_a_text_yields_nothing_else(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path / "a.md", "text")
    assert (len(documents), skipped) == (1, [])
