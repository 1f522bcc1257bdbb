"""What is in a file that somebody named: bounded, unpacked if it is gzip, and no exception of a library."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

from vai.disk import reason_of
from vai.documents.decoding import decode
from vai.documents.source import Unfit
from vai.errors import InvalidSettings, PathNotFound

LARGEST_FILE = 512_000_000
"""Bytes of a file of questions, judgements or rankings, unpacked."""

_GZIP = b"\x1f\x8b"


def contents(path: Path, what: str = "test set") -> bytes:
    """The bytes of a file, unpacked if it is gzip.

    Args:
        what: it is expected to be, for the message.

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it cannot be read, or is larger than `LARGEST_FILE`.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not packed:
                return bounded(file.read, f"`{path}`")
            with gzip.GzipFile(fileobj=file) as unpacked:
                return bounded(unpacked.read, f"`{path}`")
    except FileNotFoundError as error:
        raise nothing_at(path, what) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidSettings(f"`{path}` cannot be unpacked: {str(error).rstrip('.').lower()}") from error
    except OSError as error:
        raise InvalidSettings(f"`{path}` cannot be read: {reason_of(error)}") from error


def bounded(read: Callable[[int], bytes], what: str) -> bytes:
    """All that `read` gives. Raises `InvalidSettings` if that is more than `LARGEST_FILE`."""
    data = read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise InvalidSettings(f"{what} is larger than {LARGEST_FILE:,} bytes", hint="use a part of it")
    return data


def text_in(data: bytes, file_name: str) -> str:
    """The data as text. Raises `InvalidSettings` if it is none."""
    try:
        return decode(data)
    except Unfit as error:
        raise InvalidSettings(f"`{file_name}` {error.reason}") from error


def nothing_at(path: Path, what: str) -> PathNotFound:
    """The error for a path at which nothing is."""
    return PathNotFound(
        f"there is no {what} at `{path}`", hint=f"relative paths are looked up in `{Path.cwd()}`"
    )
