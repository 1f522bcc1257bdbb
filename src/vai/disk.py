"""Files that are there whole or not at all, and why the operating system would not write one."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The disk is full, or the user's share of it, or the file as long as one may be."""

NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""The user may not write there, or nobody may."""


def write_whole(path: Path, text: str) -> None:
    """Put a text in a file's place at once: whoever reads it sees what was there before, or all of this.

    Raises:
        OSError: it cannot be written; what was there before stays, and nothing else.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):  # where it could not be written, it may not be there to be removed
            unfinished.unlink(missing_ok=True)
        raise


def reason_of(error: OSError) -> str:
    """What the operating system says, as a part of a sentence."""
    return (error.strerror or str(error)).lower()
