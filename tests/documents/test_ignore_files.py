from __future__ import annotations

from pathlib import Path

import pytest

from document_samples import fill, found
from vai.documents.patterns import rule


def matches(line: str, path: str) -> bool:
    said = rule(line)
    return said is not None and said[0].fullmatch(path) is not None


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        # without a slash: at any depth
        ("a.md", "a.md", True),
        ("a.md", "b/c/a.md", True),
        ("a.md", "a.md/", True),
        ("a.md", "ba.md", False),
        ("*.log", "x/y.log", True),
        ("*.log", ".log", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        # with a slash: from the folder of the file on
        ("/a.md", "a.md", True),
        ("/a.md", "b/a.md", False),
        ("b/a.md", "b/a.md", True),
        ("b/a.md", "c/b/a.md", False),
        ("b/*", "b/c", True),
        ("b/*", "b/c/d", False),
        ("b/*", "b/", False),
        ("*/*", "b/", False),
        # a slash at the end: folders
        ("a/", "a/", True),
        ("a/", "b/a/", True),
        ("a/", "a", False),
        ("/a/", "b/a/", False),
        # two stars
        ("**/a", "a", True),
        ("**/a", "b/c/a", True),
        ("**/a/b", "x/a/b", True),
        ("a/**", "a/b", True),
        ("a/**", "a/b/c/", True),
        ("a/**", "a/", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("a**b", "a-b", True),
        ("x/a**b", "x/a/b", False),
        ("**", "a/b", True),
        # sets
        ("[ab].md", "a.md", True),
        ("[!ab].md", "a.md", False),
        ("[^ab].md", "c.md", True),
        ("[a-c]x", "bx", True),
        ("[]x]a", "]a", True),
        ("[]-]a", "-a", True),
        ("[[:digit:]]", "7", True),
        ("[[:digit:]]", "d", False),
        (r"[\]]", "]", True),
        ("x[!a]y", "x/y", False),
        # escapes, spaces, comments
        (r"\#a", "#a", True),
        (r"\!a", "!a", True),
        ("#a", "#a", False),
        ("a  ", "a", True),
        (r"a\ ", "a ", True),
        (r"a\  ", "a ", True),
        (" a", " a", True),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        ("a.b", "axb", False),
        ("a+(b)", "a+(b)", True),
        # no patterns
        ("", "", False),
        ("/", "", False),
        ("!", "", False),
        ("a[", "a[", False),
        ("a\\", "a\\", False),
        ("[[:nonsense:]]", "a", False),
        ("[z-a]", "b", False),
    ],
)
def test_a_pattern_matches_what_gitignore_says(line: str, path: str, expected: bool) -> None:
    assert matches(line, path) is expected


def test_a_line_with_an_exclamation_mark_takes_back_in() -> None:
    excluding, including = rule("a"), rule("!a")
    assert excluding is not None
    assert including is not None
    assert (excluding[1], including[1]) == (True, False)


def test_ignored_files_and_folders_are_left_out_without_a_word(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {".gitignore": "*.log\nbuild/\n", "a.md": "x", "b.log": "x", "build/c.md": "x", "d/e.log": "x"},
    )
    assert found(tmp_path) == (["a.md"], [])


def test_the_last_line_that_matches_decides(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*.md\n!keep.md\n", "a.md": "x", "keep.md": "x", "b/keep.md": "x"})
    assert found(tmp_path)[0] == ["b/keep.md", "keep.md"]


def test_nothing_below_an_ignored_folder_is_taken_back_in(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "a/\n!a/keep.md\n", "a/.gitignore": "!keep.md\n", "a/keep.md": "x"})
    assert found(tmp_path) == ([], [])


def test_something_of_a_folders_content_can_be_taken_back_in(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "a/**\n!a/keep.md\n", "a/keep.md": "x", "a/b.md": "x", "a/c/d.md": "x"})
    assert found(tmp_path)[0] == ["a/keep.md"]


def test_taking_a_folder_back_in_does_not_reach_what_other_lines_exclude_in_it(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "build/\n!docs/\n", "docs/build/a.md": "x", "docs/b.md": "x"})
    assert found(tmp_path)[0] == ["docs/b.md"]


def test_a_nearer_ignore_file_overrules_one_above(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*.md\n", "a/.gitignore": "!*.md\n/b.md\n", "a/b.md": "x", "a/c/b.md": "x"})
    assert found(tmp_path)[0] == ["a/c/b.md"]


def test_vaiignore_has_the_last_word_in_its_folder(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*.md\n", ".vaiignore": "!a.md\nc.txt\n"})
    fill(tmp_path, {"a.md": "x", "b.md": "x", "c.txt": "x", "d.txt": "x"})
    assert found(tmp_path)[0] == ["a.md", "d.txt"]


def test_a_file_that_is_named_is_ingested_even_if_ignored(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "a.md\n", ".vaiignore": "b.md\n", "a.md": "x", "b.md": "x"})
    assert found(tmp_path, tmp_path, tmp_path / "a.md", tmp_path / "b.md")[0] == ["a.md", "b.md"]


def test_rules_above_a_named_folder_count_up_to_the_top_of_the_work_tree(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "a.md\n", "repo/.git/HEAD": "x", "repo/.gitignore": "b.md\n/docs/c.md\n"})
    fill(tmp_path, {f"repo/docs/{name}.md": "x" for name in "abcd"})
    assert found(tmp_path, tmp_path / "repo/docs")[0] == ["repo/docs/a.md", "repo/docs/d.md"]


def test_rules_above_a_named_folder_count_up_to_the_root_where_there_is_no_work_tree(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "a.md\n", "root/.vaiignore": "b.md\n"})
    fill(tmp_path, {f"root/docs/{name}.md": "x" for name in "abc"})
    assert found(tmp_path / "root", tmp_path / "root/docs")[0] == ["docs/a.md", "docs/c.md"]


def test_rules_above_a_folder_outside_the_root_do_not_count(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*.md\n", "docs/a.md": "x", "root/b.md": "x"})
    assert found(tmp_path / "root", tmp_path / "docs")[0] == [f"{tmp_path.as_posix()}/docs/a.md"]


def test_a_folder_that_is_named_although_ignored_is_read_by_its_own_rules(tmp_path: Path) -> None:
    fill(tmp_path, {".git/HEAD": "x", ".gitignore": "build/\n*.md\n", "build/.gitignore": "b.md\n"})
    fill(tmp_path, {"build/a.md": "x", "build/b.md": "x"})
    assert found(tmp_path, tmp_path / "build")[0] == ["build/a.md"]


def test_ignored_links_are_left_out_too(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "link.md\n"})
    (tmp_path / "link.md").symlink_to("/somewhere/else.md")
    assert found(tmp_path) == ([], [])


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfa.md\r\n# note\r\n\r\nc.md\r\n", "a.md\nc.md", "[\na.md\n!\nc.md\n\\\n"],
    ids=["mark-and-crlf", "no-last-line-end", "lines-that-are-no-patterns"],
)
def test_ignore_files_are_read_as_git_reads_them(tmp_path: Path, content: str | bytes) -> None:
    fill(tmp_path, {".gitignore": content, "a.md": "x", "b.md": "x", "c.md": "x"})
    assert found(tmp_path)[0] == ["b.md"]


def test_names_beyond_utf8_can_be_ignored(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": b"caf\xe9*\n"})
    (tmp_path / "caf\udce9.md").write_text("x")
    assert found(tmp_path) == ([], [])
