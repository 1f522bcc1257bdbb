"""docs/cli.md says what the command line does.

Its commands are written by `UPDATE_DOCS=1 pytest tests/cli/test_docs.py`, and compared without that variable. Line
breaks do not count, because each version of click sets them as it likes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from command_line import vai
from vai.cli import COMMANDS, cli
from vai.documents.formats import OFFICE_TYPES, READERS
from vai.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"


def help_texts() -> Iterator[tuple[str, str]]:
    """Each command's name and what its `--help` prints."""
    for arguments in ([], *(path for name in sorted(COMMANDS) for path in command_paths(name))):
        yield " ".join(["vai", *arguments]), vai(*arguments, "--help").stdout


def command_paths(name: str) -> list[list[str]]:
    """A command, and the commands within it."""
    command = cli.get_command(click.Context(cli), name)
    within = sorted(command.commands) if isinstance(command, click.Group) else []
    return [[name], *([name, inner] for inner in within)]


def commands_section() -> str:
    return "".join(f"\n### `{name}`\n\n```\n{text}```\n" for name, text in help_texts()) + "\n"


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_commands_are_those_that_help_shows() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, _, after = rest.partition(END)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{commands_section()}{END}{after}", encoding="utf-8")
        written = commands_section()
    assert in_one_line(written) == in_one_line(commands_section())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_flag_is_explained(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_every_setting_and_its_variable_is_listed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted((field.name, f"VAI_{field.name.upper()}") for field in fields(Settings))
    for variable in ("VAI_STORE", "VAI_TRACEBACK", "VOYAGE_API_KEY", "VOYAGE_BASE_URL", "NO_COLOR"):
        assert f"`{variable}" in page


def test_every_suffix_with_a_reader_of_its_own_is_listed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for suffix in (*READERS, *OFFICE_TYPES):
        assert f"`.{suffix}`" in page
