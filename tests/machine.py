"""What a machine may lack: rights, and room on its disk."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Be a user whom rights concern, even where the tests run as root."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)


@dataclass(frozen=True)
class Unprivileged:
    """A folder that a test fills, and a user who owns nothing in it."""

    folder: Path

    @contextlib.contextmanager
    def acting(self, *, unreadable: Path | None = None) -> Iterator[None]:
        """Be a user who may read all in the folder but `unreadable`, and write to nothing."""
        modes = {path: path.stat().st_mode for path in (self.folder, *self.folder.rglob("*"))}
        try:
            for path, mode in modes.items():
                path.chmod((mode | 0o444) & ~0o222)
            if unreadable is not None:
                unreadable.chmod(0)
            with nobody():
                yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes: a disk that is full, for one file at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
