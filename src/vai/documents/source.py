"""What the walk hands to the readers: a file, the name it goes by, and the flags that decide what it becomes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vai.types import Stamp


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The flags that decide what a file becomes.

    Args:
        text_field: of records, the field that holds the text; None for the first of the usual names.
        title_field: of records, the field that holds the title; None for the first of the usual names.
        id_field: of records, the field that holds the id; None for `_id`.
        max_file_bytes: the largest file that is read whole; records stream and have no limit.
    """

    text_field: str | None = None
    title_field: str | None = None
    id_field: str | None = None
    max_file_bytes: int = 20 * 2**20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read: `path` is absolute, `name` what documents call it, `reader` a key of `READERS`."""

    path: Path
    name: str
    reader: str
    stamp: Stamp

    @property
    def file_name(self) -> str:
        """The last part of the name: the title of a text that has none."""
        return self.name.rpartition("/")[2]


class Unfit(Exception):
    """A file that becomes no document: raised by readers, and turned into a `Skipped` in one place."""

    def __init__(self, reason: str, *, kept: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kept = kept


def source_name(path: Path, root: Path) -> str:
    """The name of a file: relative to `root` with `/` between names, or absolute when it lies outside.

    Links in the folders above the file are followed, so that one file has one name however it was reached; a
    link in the last place is not, so that its name stays when it is pointed elsewhere.
    """
    return name_below(canonical(path), os.path.realpath(root).replace(os.sep, "/"))


def canonical(path: str | os.PathLike[str]) -> str:
    """The absolute path, with `/` between names and no link above the last one."""
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    return os.path.join(os.path.realpath(folder), name).replace(os.sep, "/")  # noqa: PTH118 - walked as strings


def name_below(path: str, root: str) -> str:
    """`path` without `root` before it, or as it is when it lies elsewhere; both canonical."""
    prefix = root if root.endswith("/") else f"{root}/"
    if path.startswith(prefix) and path != prefix:
        return path[len(prefix) :]
    return "." if path == root else path


def too_large(size: int, limit: int) -> str:
    """Why a file over the limit is not read, and how to read it all the same."""
    return (
        f"is {_megabytes(size)}, more than the limit of {_megabytes(limit)} (raise it with `--max-file-mb`)"
    )


def unreadable(error: OSError) -> str:
    """Why the system would not let a file be read."""
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f}".removesuffix(".0") + " MB"
