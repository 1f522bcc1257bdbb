"""Fixtures that tests of several parts share."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from vai.engines.embedded import EmbeddedEngine
from vai.engines.exact import ExactEngine
from vai.protocols import Engine

# Without a deadline, because machines that run tests are slow now and then; the same examples in every run, so
# that a test fails for the change at hand and not by luck.
settings.register_profile("vai", deadline=None, derandomize=True)
settings.load_profile("vai")

NOBODY = 65534
ENGINES: dict[str, Callable[[Path], Engine]] = {
    "embedded": EmbeddedEngine,
    "exact": lambda _: ExactEngine(),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store can be made."""
    return tmp_path / ".vai"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, store: Path) -> Iterator[Engine]:
    """Every engine, empty."""
    opened = ENGINES[request.param](store)
    yield opened
    opened.close()


@dataclass(frozen=True)
class Unprivileged:
    """A folder that a test fills, and a user who owns nothing in it."""

    folder: Path

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Be a user who may write to nothing in the folder."""
        _set_writable(self.folder, False)
        privileged = os.geteuid() == 0
        try:
            if privileged:
                os.seteuid(NOBODY)
            yield
        finally:
            if privileged:
                os.seteuid(0)
            _set_writable(self.folder, True)


@pytest.fixture
def unprivileged() -> Iterator[Unprivileged]:
    """A folder that a user without rights can read and not write, even where the tests run as root.

    What that user imports has to be imported before, because the installation may be unreadable to them.
    """
    import filelock  # noqa: F401

    import vai.engines.writer  # noqa: F401

    folder = Path(tempfile.mkdtemp(prefix="vai-unprivileged-"))
    folder.chmod(0o755)
    yield Unprivileged(folder)
    shutil.rmtree(folder)


def _set_writable(folder: Path, writable: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode | 0o444
        path.chmod(mode | 0o200 if writable else mode & ~0o222)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """Every SQLite connection that is made; at the end all must have been closed, whatever Python warns of."""
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def recorded(*args: Any, **options: Any) -> sqlite3.Connection:
        made.append(connect(*args, **options))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", recorded)
    yield made
    assert not [connection for connection in made if _is_open(connection)]


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.in_transaction  # noqa: B018
        connection.cursor()
    except sqlite3.ProgrammingError:
        return False
    return True
