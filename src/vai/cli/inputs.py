"""What a command reads besides the collection: a file that was named, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from vai.errors import InvalidSettings, PathNotFound

STANDARD_INPUT = Path("-")


def input_name(path: Path) -> str:
    """How messages call it."""
    return "standard input" if path == STANDARD_INPUT else f"`{path}`"


def read_input(path: Path, most: int) -> bytes:
    """The bytes of a file or, for `-`, of standard input; no more than `most` + 1 of them.

    Raises:
        PathNotFound: there is no such file.
        InvalidSettings: it cannot be read.
    """
    try:
        if path == STANDARD_INPUT:
            return b"" if sys.stdin is None else sys.stdin.buffer.read(most + 1)
        with path.open("rb") as file:
            return file.read(most + 1)
    except FileNotFoundError as error:
        raise PathNotFound(
            f"there is no file at {input_name(path)}", hint=f"relative paths are looked up in `{Path.cwd()}`"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidSettings(f"{input_name(path)} cannot be read: {reason}") from error
