"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from vai.errors import InvalidSettings, PathNotFound


def require_free(path: Path, *, force: bool) -> None:
    """Refuse to write where something is that must not be replaced.

    Raises:
        PathNotFound: the folder is not there.
        InvalidSettings: a file is there already, and `force` does not say to replace it; or it is no file.
    """
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise InvalidSettings(f"`{path}` is no file that could be written")
    if path.exists() and not force:
        raise InvalidSettings(f"`{path}` is there already", hint="`--force` replaces it")
    if not path.parent.is_dir():
        raise PathNotFound(f"there is no folder `{path.parent}` to write into")


class NewFile:
    """A file under a passing name beside its place, which it takes when `finish` is called, and is gone otherwise.

    Raises:
        InvalidSettings: it cannot be written there.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        self._path = path
        self._force = force
        self._passing = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        try:
            self.file: BinaryIO = self._passing.open("wb")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InvalidSettings(f"`{path}` cannot be written: {reason}") from error
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()
        finally:
            if not self._finished:
                self._passing.unlink(missing_ok=True)

    def finish(self) -> int:
        """Put the file in its place; returns its size in bytes.

        Raises:
            InvalidSettings: another file has come to be there meanwhile.
        """
        self.file.flush()
        size = self.file.tell()
        self.file.close()
        require_free(self._path, force=self._force)
        self._passing.replace(self._path)
        self._finished = True
        return size
