"""Fixtures of the tests of documents."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from machine import nobody

Barring = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="vai-documents-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def barred() -> Barring:
    """Makes a path unreadable for a while, and the test a user whom that concerns."""
    return _barred


@contextmanager
def _barred(path: Path) -> Iterator[None]:
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with nobody():
            yield
    finally:
        path.chmod(mode)
