from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from document_samples import DEFAULTS, fill, source
from vai.documents import ReadOptions, SourceFile, formats, read_documents, recipe
from vai.documents.reading import VERSIONS
from vai.types import Document, Skipped


class Barring(Protocol):
    def __call__(self, path: Path) -> AbstractContextManager[None]: ...


def changing(path: Path, monkeypatch: pytest.MonkeyPatch, contents: list[str]) -> None:
    """Let the file change each time right after its bytes were read, as long as there are contents."""
    opened = Path.open

    def open_and_change(self: Path, *args: object, **options: object) -> object:
        file = opened(self, *args, **options)  # type: ignore[call-overload]
        if self == path and contents and args == ("rb",):
            content = contents.pop(0)
            replacement = path.with_suffix(".new")
            with opened(replacement, "w") as new:
                new.write(content)
            os.replace(replacement, path)  # noqa: PTH105 - another file under the same name
        return file

    monkeypatch.setattr(Path, "open", open_and_change)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"a.md": "one"})
    item = source(tmp_path / "a.md")
    changing(tmp_path / "a.md", monkeypatch, ["two"])
    (document,) = read_documents(item, DEFAULTS)
    assert isinstance(document, Document)
    assert document.text == "two"


def test_a_file_that_keeps_changing_is_skipped_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"a.md": "one"})
    item = source(tmp_path / "a.md")
    changing(tmp_path / "a.md", monkeypatch, ["two", "three"])
    assert list(read_documents(item, DEFAULTS)) == [Skipped("a.md", "changed while it was read", kept=True)]


def test_records_that_change_while_they_are_read_are_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"a.jsonl": '{"text": "one"}\n'})
    item = source(tmp_path / "a.jsonl")
    changing(tmp_path / "a.jsonl", monkeypatch, ['{"text": "two"}\n'])
    document, skipped = read_documents(item, DEFAULTS)
    assert isinstance(document, Document)
    assert skipped == Skipped("a.jsonl", "changed while it was read", kept=True)


def test_records_that_are_removed_while_they_are_read_are_not_finished(tmp_path: Path) -> None:
    fill(tmp_path, {"a.jsonl": '{"text": "one"}\n' * 2})
    documents = read_documents(source(tmp_path / "a.jsonl"), DEFAULTS)
    assert isinstance(next(documents), Document)
    (tmp_path / "a.jsonl").unlink()
    assert list(documents)[-1] == Skipped("a.jsonl", "changed while it was read", kept=True)


@pytest.mark.parametrize("name", ["a.md", "a.jsonl", "a.pdf", "folder/a.csv"])
def test_a_file_that_is_gone_is_skipped_and_not_kept(tmp_path: Path, name: str) -> None:
    fill(tmp_path, {name: "text"})
    item = source(tmp_path / name)
    (tmp_path / name).unlink()
    if "/" in name:
        (tmp_path / "folder").rmdir()
        fill(tmp_path, {"folder": "a file now"})
    assert list(read_documents(item, DEFAULTS)) == [
        Skipped(item.name, "was removed before it was read", kept=False)
    ]


@pytest.mark.parametrize("name", ["a.md", "a.jsonl"])
def test_a_file_that_may_not_be_read_is_skipped_and_kept(
    open_folder: Path, barred: Barring, name: str
) -> None:
    fill(open_folder, {name: "text"})
    item = source(open_folder / name)
    import vai.documents.records
    import vai.documents.tables
    import vai.documents.text  # noqa: F401 - another user may not be able to import them

    with barred(open_folder / name):
        result = list(read_documents(item, DEFAULTS))
    assert result == [Skipped(name, "cannot be read: permission denied", kept=True)]


def test_a_file_that_has_grown_over_the_limit_since_the_walk_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    options = ReadOptions(max_file_bytes=2**20)
    item = source(tmp_path / "a.md", options)
    fill(tmp_path, {"a.md": "x" * (3 * 2**20)})
    (skipped,) = read_documents(item, options)
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "is 3 MB, more than the limit of 1 MB (raise it with `--max-file-mb`)"
    assert not skipped.kept


def test_a_file_that_was_emptied_since_the_walk_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    item = source(tmp_path / "a.md")
    fill(tmp_path, {"a.md": ""})
    assert list(read_documents(item, DEFAULTS)) == [Skipped("a.md", "is empty", kept=False)]


def test_a_reader_that_fails_is_a_reason_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Document:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("vai.documents.text.read_markdown", fail)
    fill(tmp_path, {"a.md": "x"})
    assert list(read_documents(source(tmp_path / "a.md"), DEFAULTS)) == [
        Skipped("a.md", "its reader failed: ZeroDivisionError: by zero", kept=True)
    ]


def test_a_source_is_read_by_its_name_not_its_path(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    item = replace(source(tmp_path / "a.md"), name="docs/guide.md")
    (document,) = read_documents(item, DEFAULTS)
    assert isinstance(document, Document)
    assert (document.id, document.source, document.title) == ("docs/guide.md", "docs/guide.md", "guide.md")


# ── recipes ──


def recipes(options: ReadOptions) -> dict[str, str]:
    stamp = source(Path(__file__)).stamp
    return {reader: recipe(SourceFile(Path(), "a", reader, stamp), options) for reader in VERSIONS}


def test_every_reader_has_a_recipe_of_its_own() -> None:
    made = recipes(DEFAULTS)
    assert len(set(made.values())) == len(made)
    assert made == recipes(DEFAULTS)


def test_every_reader_that_a_name_leads_to_has_a_version() -> None:
    assert {
        *formats.READERS.values(),
        *formats.READ_WHEN_NAMED.values(),
        "text",
        "code",
        "office",
        "json",
    } == set(VERSIONS)


@pytest.mark.parametrize(
    "options",
    [ReadOptions(text_field="x"), ReadOptions(title_field="x"), ReadOptions(id_field="x")],
    ids=["text", "title", "id"],
)
def test_flags_about_fields_change_the_recipe_of_records_alone(options: ReadOptions) -> None:
    before, after = recipes(DEFAULTS), recipes(options)
    changed = {reader for reader in before if before[reader] != after[reader]}
    assert changed == {"json", "jsonl", "csv", "parquet"}


def test_the_limit_of_size_changes_no_recipe() -> None:
    assert recipes(DEFAULTS) == recipes(ReadOptions(max_file_bytes=1))


def test_a_reader_of_a_later_version_changes_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipes(DEFAULTS)
    monkeypatch.setattr("vai.documents.reading.VERSIONS", {**VERSIONS, "html": 99})
    assert {reader for reader, made in recipes(DEFAULTS).items() if before[reader] != made} == {"html"}


def test_another_version_of_the_library_changes_the_recipe_of_office_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = recipes(DEFAULTS)
    monkeypatch.setattr("vai.documents.office.library_version", lambda: "9.9")
    assert {reader for reader, made in recipes(DEFAULTS).items() if before[reader] != made} == {"office"}


# ── imports ──


def test_nothing_heavy_is_imported_before_a_file_needs_it() -> None:
    code = "import sys, vai.documents; print(*{'kreuzberg', 'yaml', 'email', 'csv', 'html'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == []
