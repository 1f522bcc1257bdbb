"""The demo's corpus: the documentation inside the standard library, as Markdown."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "stdlib_corpus.py"


def written_pages(destination: Path) -> dict[str, str]:
    return {file.name: file.read_bytes().decode() for file in sorted(destination.iterdir())}


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """Pages of two processes, side by side, that differ in how they hash strings."""
    folders = [tmp_path_factory.mktemp("corpus") / "docs" for _ in range(2)]
    runs = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed, folder in enumerate(folders, start=1)
    ]
    for run in runs:
        output, errors = run.communicate()
        assert (run.returncode, errors) == (0, ""), "it succeeds and warns of nothing"
        assert re.fullmatch(r"\d+ files, \d\.\d MB: .*\n", output)
    return written_pages(folders[0]), written_pages(folders[1])


@pytest.fixture(scope="module")
def pages(two_runs: tuple[dict[str, str], dict[str, str]]) -> dict[str, str]:
    return two_runs[0]


def section_of(page: str, heading: str) -> str:
    """What stands between the heading that begins so and the next one."""
    found = re.search(rf"(?ms)^{re.escape(heading)}\b[^\n]*\n(.*?)(?=^#|\Z)", page)
    assert found, f"no heading `{heading}`"
    return found[1]


def test_the_same_interpreter_always_writes_the_same_bytes(
    two_runs: tuple[dict[str, str], dict[str, str]],
) -> None:
    assert two_runs[0] == two_runs[1]


@pytest.mark.parametrize(
    ("file", "heading", "words"),
    [
        ("atexit.md", "## atexit.register", "executed upon normal program termination"),
        ("argparse.md", "## argparse.ArgumentParser", "add_subparsers"),
        ("argparse.md", "### ArgumentParser.error", "Prints a usage message"),
        ("builtins.md", "## len", "number of items"),
        ("builtins.md", "### str.split", "sep"),
        ("concurrent.futures.md", "### Executor.submit", "callable to be executed"),
        ("os.md", "## os.listdir", "names of the files"),
        ("os.path.md", "## os.path.expanduser", "Expand ~"),
        ("collections.md", "### deque.rotate", "Rotate the deque"),
        ("threading.md", "## threading.Thread", "*target* is the callable object"),
        ("asyncio.tasks.md", "## asyncio.tasks.sleep", "Coroutine"),
    ],
)
def test_a_page_holds_the_docstrings_of_its_functions_classes_and_methods(
    pages: Mapping[str, str], file: str, heading: str, words: str
) -> None:
    assert words in section_of(pages[file], heading)


def test_a_page_begins_with_the_modules_own_docstring(pages: Mapping[str, str]) -> None:
    docstring = inspect.getdoc(argparse)
    assert docstring
    assert pages["argparse.md"].startswith(f"# argparse\n\n{docstring.splitlines()[0]}\n")


def test_a_signature_too_long_for_a_heading_stands_below_it(pages: Mapping[str, str]) -> None:
    assert "## subprocess.run(…)\n\n    subprocess.run(*popenargs, " in pages["subprocess.md"]


def test_every_heading_is_a_name_and_none_comes_out_of_a_docstring(pages: Mapping[str, str]) -> None:
    for file, page in pages.items():
        module = file.removesuffix(".md")
        prefix = "" if module == "builtins" else f"{module}."
        first, *others = re.findall(r"(?m)^ {0,3}#{1,6}[ \t].*$", page)
        assert first == f"# {module}"
        for heading in others:
            assert re.match(rf"## {re.escape(prefix)}\w+(\(|$)|### \w+\.\w+(\(|$)", heading), (
                f"{file}: {heading}"
            )
        assert not re.search(r"(?m)^ {0,3}(=+|-+)[ \t]*$", page), f"{file}: underlined heading"


def test_nothing_private_and_no_test_has_a_page(pages: Mapping[str, str]) -> None:
    names = {part for file in pages for part in file.removesuffix(".md").split(".")}
    assert not [
        name for name in names if name.startswith("_") or name in ("test", "tests", "idlelib", "this")
    ]


def test_the_corpus_is_large_enough_to_search_and_small_enough_for_a_minute(pages: Mapping[str, str]) -> None:
    assert len(pages) > 200
    assert 1_000_000 < sum(len(page) for page in pages.values()) < 2_500_000


def test_no_address_in_memory_is_shown(pages: Mapping[str, str]) -> None:
    assert not [file for file, page in pages.items() if re.search(r" at 0x[0-9a-f]{6,}", page)]
