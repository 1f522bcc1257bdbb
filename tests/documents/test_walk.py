from __future__ import annotations

import os
import socket
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from document_samples import fill, found
from vai.documents import ReadOptions, SourceFile, find_sources, source_name
from vai.errors import PathNotFound
from vai.types import Skipped, Stamp

DEFAULTS = ReadOptions()


class Barring(Protocol):
    def __call__(self, path: Path) -> AbstractContextManager[None]: ...


# ── order and names ──


def test_files_come_ordered_by_path_whichever_way_they_were_made(tmp_path: Path) -> None:
    fill(tmp_path, {"b/z.md": "x", "b/a.md": "x", "b.md": "x", "b-c.md": "x", "a.md": "x", "c/d/e.md": "x"})
    names, skipped = found(tmp_path)
    assert names == ["a.md", "b-c.md", "b.md", "b/a.md", "b/z.md", "c/d/e.md"]
    assert names == sorted(names)
    assert skipped == []


def test_the_order_of_the_arguments_does_not_matter(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x", "b/c.md": "x"})
    paths = [tmp_path / "b", tmp_path / "a.md"]
    assert found(tmp_path, *paths) == found(tmp_path, *reversed(paths)) == (["a.md", "b/c.md"], [])


def test_overlapping_paths_yield_each_file_once(tmp_path: Path) -> None:
    fill(tmp_path, {"a/b.md": "x", "a/c.md": "", "d.md": "x"})
    names, skipped = found(tmp_path, tmp_path / "a", tmp_path / "a/b.md", tmp_path / "a/c.md", tmp_path)
    assert names == ["a/b.md", "d.md"]
    assert skipped == [("a/c.md", "is empty", False)]


def test_a_source_carries_its_absolute_path_its_stamp_and_its_reader(tmp_path: Path) -> None:
    fill(tmp_path, {"docs/a.md": "text"})
    (item,) = find_sources([tmp_path / "docs"], root=tmp_path, options=DEFAULTS)
    status = (tmp_path / "docs/a.md").stat()
    stamp = Stamp(4, status.st_mtime_ns, status.st_ctime_ns)
    assert item == SourceFile(tmp_path / "docs/a.md", "docs/a.md", "markdown", stamp)


def test_names_are_absolute_outside_the_root(tmp_path: Path) -> None:
    fill(tmp_path, {"in/a.md": "x", "out/b.md": "x"})
    names, _ = found(tmp_path / "in", tmp_path / "in", tmp_path / "out")
    assert names == ["a.md", f"{tmp_path.as_posix()}/out/b.md"]


def test_relative_paths_start_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"docs/a.md": "x"})
    monkeypatch.chdir(tmp_path / "docs")
    assert found(tmp_path, Path("a.md"))[0] == found(tmp_path, Path())[0] == ["docs/a.md"]


def test_a_file_has_one_name_however_its_folder_was_reached(tmp_path: Path) -> None:
    fill(tmp_path, {"real/docs/a.md": "x"})
    (tmp_path / "link").symlink_to("real")
    reached = tmp_path / "link/docs/a.md"
    assert source_name(reached, tmp_path / "real") == source_name(reached, tmp_path / "link") == "docs/a.md"
    assert found(tmp_path / "link", tmp_path / "link/docs")[0] == ["docs/a.md"]


def test_the_name_of_the_root_itself_is_a_dot(tmp_path: Path) -> None:
    assert source_name(tmp_path, tmp_path) == "."


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        *[
            ("a.md", "markdown"),
            ("A.MD", "markdown"),
            ("a.rst", "rst"),
            ("a.txt", "text"),
            ("README", "text"),
        ],
        *[("a.py", "code"), ("Makefile", "code"), ("CMakeLists.txt", "code"), ("a.toml", "text")],
        *[
            ("a.yaml", "text"),
            ("a.html", "html"),
            ("a.pdf", "office"),
            ("a.docx", "office"),
            ("a.eml", "mail"),
        ],
        *[
            ("a.jsonl", "jsonl"),
            ("a.ndjson", "jsonl"),
            ("a.csv", "csv"),
            ("a.tsv", "csv"),
            ("a.json", "text"),
        ],
        ("a.of-no-known-format", "text"),
    ],
)
def test_the_reader_follows_from_the_name(tmp_path: Path, name: str, reader: str) -> None:
    fill(tmp_path, {name: "x"})
    (item,) = find_sources([tmp_path], root=tmp_path, options=DEFAULTS)
    assert isinstance(item, SourceFile)
    assert item.reader == reader


def test_a_json_file_goes_to_the_reader_of_records_when_a_text_field_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"a.json": "[]"})
    (item,) = find_sources([tmp_path], root=tmp_path, options=ReadOptions(text_field="body"))
    assert isinstance(item, SourceFile)
    assert item.reader == "json"


# ── paths that are not there ──


def test_a_path_that_is_not_there_is_refused_before_anything_is_found(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    with pytest.raises(PathNotFound, match=r"there is no file or folder at `.*missing`"):
        find_sources([tmp_path / "a.md", tmp_path / "missing"], root=tmp_path, options=DEFAULTS)


def test_a_path_below_a_file_is_not_there(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    with pytest.raises(PathNotFound):
        find_sources([tmp_path / "a.md/b.md"], root=tmp_path, options=DEFAULTS)


def test_a_named_link_that_leads_nowhere_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "link.md").symlink_to("missing.md")
    with pytest.raises(PathNotFound):
        find_sources([tmp_path / "link.md"], root=tmp_path, options=DEFAULTS)


# ── what is skipped, and said ──


def test_an_empty_file_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "", "package/__init__.py": "", "py.typed": ""})
    assert found(tmp_path) == ([], [("a.md", "is empty", False)])


def test_a_file_over_the_limit_is_skipped_with_how_to_raise_it(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": b"x" * (3 * 2**20), "b.md": b"x" * 2**20})
    names, skipped = found(tmp_path, options=ReadOptions(max_file_bytes=3 * 2**19))
    assert names == ["b.md"]
    reason = "is 3 MB, more than the limit of 1.5 MB (raise it with `--max-file-mb`)"
    assert skipped == [("a.md", reason, False)]


def test_records_have_no_limit(tmp_path: Path) -> None:
    fill(tmp_path, {"a.jsonl": "{}\n" * 100, "b.csv": "text\n" * 100})
    assert found(tmp_path, options=ReadOptions(max_file_bytes=10)) == (["a.jsonl", "b.csv"], [])


def test_a_format_without_a_reader_is_skipped_by_name(tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": "x", "b.zip": "x"})
    names, skipped = found(tmp_path)
    assert names == []
    assert skipped == [
        ("a.png", "is an image (.png), a format that vai does not read", False),
        ("b.zip", "is an archive (.zip), a format that vai does not read", False),
    ]


def test_pipes_and_sockets_are_skipped_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(tmp_path)  # the path of a socket must be short
            listener.bind("socket.md")
        finally:
            os.fchdir(here)
            os.close(here)
        assert found(tmp_path) == (
            [],
            [("pipe.md", "is a pipe, not a file", False), ("socket.md", "is a socket, not a file", False)],
        )
    assert found(tmp_path, tmp_path / "pipe.md")[1] == [("pipe.md", "is a pipe, not a file", False)]


def test_a_device_is_skipped_when_it_is_named(tmp_path: Path) -> None:
    assert found(tmp_path, Path(os.devnull))[1] == [(os.devnull, "is a device, not a file", False)]


def test_a_name_that_is_not_utf8_is_skipped_and_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.md").write_text("x")  # as Python writes the byte 0xe9
    assert found(tmp_path) == ([], [("caf?.md", "has a name that is not UTF-8", False)])


def test_a_name_beyond_ascii_is_a_name_like_any_other(tmp_path: Path) -> None:
    fill(tmp_path, {"été/日本語 #1.md": "x"})
    assert found(tmp_path)[0] == ["été/日本語 #1.md"]


# ── links ──


def test_a_link_to_a_file_that_is_reached_anyway_adds_nothing(tmp_path: Path) -> None:
    fill(tmp_path, {"b.md": "x"})
    (tmp_path / "a.md").symlink_to("b.md")
    assert found(tmp_path) == (["b.md"], [])


def test_a_file_that_only_a_link_leads_to_goes_by_the_links_name_once(tmp_path: Path) -> None:
    fill(tmp_path, {".versions/3.md": "x"})
    (tmp_path / "current.md").symlink_to(".versions/3.md")
    (tmp_path / "latest.md").symlink_to(".versions/3.md")
    assert found(tmp_path) == (["current.md"], [])


def test_a_named_link_is_followed_wherever_it_leads(tmp_path: Path) -> None:
    fill(tmp_path, {"out/b.md": "x", "in/c.md": "x"})
    (tmp_path / "in/a.md").symlink_to("../out/b.md")
    assert found(tmp_path / "in", tmp_path / "in/a.md") == (["a.md"], [])


def test_a_link_that_leaves_the_folder_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path, {"out/b.md": "x", "in/c.md": "x"})
    (tmp_path / "in/a.md").symlink_to("../out/b.md")
    (tmp_path / "in/folder").symlink_to("../out")
    names, skipped = found(tmp_path / "in")
    assert names == ["c.md"]
    assert skipped == [
        ("a.md", "is a symlink that leaves the folder", False),
        ("folder", "is a symlink that leaves the folder", False),
    ]


def test_a_link_that_leads_nowhere_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to("missing.md")
    assert found(tmp_path)[1] == [("a.md", "is a symlink that leads nowhere", False)]


def test_links_in_a_circle_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to("b.md")
    (tmp_path / "b.md").symlink_to("a.md")
    loop = [("a.md", "is a symlink loop", False), ("b.md", "is a symlink loop", False)]
    assert found(tmp_path) == ([], loop)
    assert found(tmp_path, tmp_path / "a.md") == ([], loop[:1])


def test_a_link_to_a_folder_above_is_a_loop_that_is_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, {"a/b.md": "x"})
    (tmp_path / "a/up").symlink_to("..")
    assert found(tmp_path) == (["a/b.md"], [("a/up", "is a symlink loop", False)])


def test_a_link_to_a_folder_inside_is_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, {"b/c.md": "x"})
    (tmp_path / "a").symlink_to("b")
    assert found(tmp_path) == (["b/c.md"], [])


def test_a_named_link_to_a_folder_stands_for_the_folder(tmp_path: Path) -> None:
    fill(tmp_path, {"b/c.md": "x"})
    (tmp_path / "a").symlink_to("b")
    assert found(tmp_path, tmp_path / "a", tmp_path / "b") == (["b/c.md"], [])


def test_a_link_to_a_file_with_secrets_leads_to_nothing(tmp_path: Path) -> None:
    fill(tmp_path, {".env": "KEY=1"})
    (tmp_path / "notes.md").symlink_to(".env")
    assert found(tmp_path) == ([], [])
    assert found(tmp_path, tmp_path / "notes.md")[0] == []


# ── what is left out ──


def test_dotfiles_are_left_out_of_a_walk_and_ingested_when_named(tmp_path: Path) -> None:
    fill(tmp_path, {".notes.md": "x", ".config/a.md": "x"})
    assert found(tmp_path) == ([], [])
    named = found(tmp_path, tmp_path / ".notes.md", tmp_path / ".config")
    assert named == ([".config/a.md", ".notes.md"], [])


@pytest.mark.parametrize("name", ["package-lock.json", "Cargo.lock", "app.min.js", "app.js.map", "uv.lock"])
def test_generated_files_are_left_out_of_a_walk_and_ingested_when_named(tmp_path: Path, name: str) -> None:
    fill(tmp_path, {name: "x"})
    assert found(tmp_path) == ([], [])
    assert found(tmp_path, tmp_path / name) == ([name], [])


@pytest.mark.parametrize(
    "files",
    [
        {"node_modules/a/readme.md": "x"},
        {"lib/python3.11/site-packages/a.py": "x"},
        {"__pycache__/a.txt": "x"},
        {"env/pyvenv.cfg": "home = /usr", "env/a.py": "x"},
        {"out/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n", "out/a.md": "x"},
        {"CVS/Entries": "x", "CVS/Root": "x"},
        {".git/config": "x", ".hg/a.txt": "x", "_darcs/a.txt": "x"},
        {".vai/store.json": '{"schema": "vai.store/1"}', ".vai/a.txt": "x"},
        {"mine/store.json": '{"schema": "vai.store/1", "more": 1}', "mine/a.txt": "x"},
    ],
    ids=lambda files: next(iter(files)).partition("/")[0],
)
def test_folders_of_dependencies_caches_versions_and_stores_are_not_entered(
    tmp_path: Path, files: dict[str, str]
) -> None:
    fill(tmp_path, {**files, "kept.md": "x"})
    assert found(tmp_path) == (["kept.md"], [])


@pytest.mark.parametrize(
    "files",
    [
        {"target/a.md": "x", "vendor/b.md": "x", "build/c.md": "x"},
        {"cache/CACHEDIR.TAG": "a note about caches", "cache/a.md": "x"},
        {"shop/store.json": '{"name": "a shop"}', "shop/a.md": "x"},
        {"CVS/our-pharmacies.md": "x"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_folders_that_only_look_like_those_are_entered(tmp_path: Path, files: dict[str, str]) -> None:
    fill(tmp_path, files)
    assert found(tmp_path)[0] == sorted(files)


def test_a_dependency_folder_that_is_named_is_entered(tmp_path: Path) -> None:
    fill(tmp_path, {"node_modules/a/readme.md": "x", "env/pyvenv.cfg": "home", "env/a.md": "x"})
    names, _ = found(tmp_path, tmp_path / "node_modules/a", tmp_path / "env")
    assert names == ["env/a.md", "env/pyvenv.cfg", "node_modules/a/readme.md"]


@pytest.mark.parametrize(
    "name",
    [
        *[".env", ".env.production", "prod.env", "server.pem", "server.KEY", "id_rsa", "id_ed25519"],
        *[
            "keys.p12",
            "pass.kdbx",
            ".netrc",
            ".pgpass",
            ".git-credentials",
            "credentials",
            "credentials.json",
        ],
        *["secrets.yaml", "secrets.yml", "client_secret_1.json", "terraform.tfstate", ".aws/config"],
    ],
)
def test_files_that_may_hold_secrets_are_never_ingested_and_named_only_if_they_were(
    tmp_path: Path, name: str
) -> None:
    fill(tmp_path, {name: "x"})
    assert found(tmp_path) == ([], [])
    reason = "may hold secrets, and such files are never ingested"
    assert found(tmp_path, tmp_path / name) == ([], [(name, reason, False)])


@pytest.mark.parametrize("name", ["credentials.md", "id_rsa.pub", "environment.md", "keyboard.txt"])
def test_files_that_only_sound_secret_are_ingested(tmp_path: Path, name: str) -> None:
    fill(tmp_path, {name: "x", "credentials/a.md": "x"})
    assert found(tmp_path) == (sorted([name, "credentials/a.md"]), [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".git/config", "belongs to version control, which is never ingested"),
        (".vai/vectors.bin", "belongs to a store of vai, which is never ingested"),
        ("mine/vectors.bin", "belongs to a store of vai, which is never ingested"),
    ],
)
def test_what_is_never_ingested_is_refused_by_name_as_file_and_as_folder(
    tmp_path: Path, name: str, reason: str
) -> None:
    fill(tmp_path, {name: "x", "mine/store.json": '{"schema": "vai.store/1"}'})
    folder = name.partition("/")[0]
    assert found(tmp_path, tmp_path / name) == ([], [(name, reason, False)])
    assert found(tmp_path, tmp_path / folder) == ([], [(folder, reason, False)])


# ── what cannot be read ──


def test_a_folder_that_cannot_be_listed_is_named_with_a_slash_and_kept(
    open_folder: Path, barred: Barring
) -> None:
    fill(open_folder, {"a.md": "x", "locked/b.md": "x"})
    with barred(open_folder / "locked"):
        walked = found(open_folder)
        named = found(open_folder, open_folder / "locked")
    assert walked == (["a.md"], [("locked/", "cannot be read: permission denied", True)])
    assert named == ([], [("locked/", "cannot be read: permission denied", True)])


def test_the_root_that_cannot_be_listed_is_named_as_a_dot(open_folder: Path, barred: Barring) -> None:
    with barred(open_folder):
        assert found(open_folder) == ([], [("./", "cannot be read: permission denied", True)])


def test_a_named_file_in_a_folder_that_cannot_be_searched_is_kept(open_folder: Path, barred: Barring) -> None:
    fill(open_folder, {"locked/b.md": "x"})
    with barred(open_folder / "locked"):
        result = found(open_folder, open_folder / "locked/b.md")
    assert result == ([], [("locked/b.md", "cannot be read: permission denied", True)])


def test_a_folder_whose_ignore_file_cannot_be_read_is_not_entered(open_folder: Path, barred: Barring) -> None:
    fill(open_folder, {"a/.gitignore": "secret.md", "a/secret.md": "x", "b.md": "x"})
    with barred(open_folder / "a/.gitignore"):
        names, skipped = found(open_folder)
    assert names == ["b.md"]
    assert skipped == [("a/", "its `.gitignore` cannot be read: permission denied", True)]


def test_what_goes_while_the_walk_is_under_way_is_no_error(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x", "b/c.md": "x", "d.md": "x"})
    walk = find_sources([tmp_path], root=tmp_path, options=DEFAULTS)
    assert isinstance(next(walk), SourceFile)
    (tmp_path / "b/c.md").unlink()
    (tmp_path / "b").rmdir()
    (tmp_path / "d.md").unlink()
    assert list(walk) == []


def test_a_named_file_that_goes_before_its_turn_is_not_kept(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    walk = find_sources([tmp_path / "a.md"], root=tmp_path, options=DEFAULTS)
    (tmp_path / "a.md").unlink()
    assert list(walk) == [Skipped("a.md", "was removed before it was read", kept=False)]


def test_a_folder_deeper_than_pythons_stack_is_walked_to_its_end(tmp_path: Path) -> None:
    folders = [tmp_path]
    for _ in range(sys.getrecursionlimit() + 100):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    deepest = folders[-1] / "a.md"
    deepest.write_text("x")
    names, skipped = found(tmp_path)
    deepest.unlink()
    for folder in reversed(folders[1:]):  # pytest could not
        folder.rmdir()
    assert names == [deepest.relative_to(tmp_path).as_posix()]
    assert skipped == []


def test_nothing_is_walked_before_it_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, {"a.md": "x"})
    walk = find_sources([tmp_path], root=tmp_path, options=DEFAULTS)
    fill(tmp_path, {"b.md": ""})
    assert [type(item) for item in walk] == [SourceFile, Skipped]
