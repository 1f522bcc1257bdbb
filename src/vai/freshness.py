"""Whether a file is still what was ingested, in most cases without reading it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vai.types import SourceState, Stamp

RACY_NS = 2 * 10**9
"""File systems count time in steps of up to 2 s (FAT): a change within one step leaves no trace in a stamp."""


def stamp_of(path: Path) -> Stamp:
    """What the file system says of a file. Raises OSError."""
    return stamp_from(os.stat(path))  # noqa: PTH116 - called for every file


def stamp_from(status: os.stat_result) -> Stamp:
    """The part of a stat result that a change to the file would show in."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def content_digest(path: Path) -> str:
    """BLAKE2b of the file's bytes, 32 hex digits, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def is_racy(state: SourceState) -> bool:
    """Whether the file was so young when it was read that its stamp proves nothing ("racily clean" in git).

    Recording such a source again once its content was compared makes the next comparison cheap.
    """
    return max(state.stamp.mtime_ns, state.stamp.ctime_ns) >= state.read_ns - RACY_NS


def is_unchanged(state: SourceState, path: Path, stamp: Stamp) -> bool:
    """Whether the file at `path`, now of `stamp`, still holds what was ingested.

    The stamp alone decides where it can; otherwise the content does, unless the size settles it. A file that
    cannot be read counts as changed.
    """
    if stamp == state.stamp and not is_racy(state):
        return True
    if stamp.size != state.stamp.size:
        return False
    try:
        return content_digest(path) == state.content
    except OSError:
        return False
