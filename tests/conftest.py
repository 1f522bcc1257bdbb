"""Fixtures that tests of several parts share."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from engine_samples import EAST, NAME, found_ids, store_of
from machine import Unprivileged
from vai.engines.embedded import EmbeddedEngine
from vai.engines.exact import ExactEngine
from vai.models.remote.http import Patience
from vai.protocols import Engine
from voyage_stub import VoyageStub

# Without a deadline, because machines that run tests are slow now and then; the same examples in every run, so
# that a test fails for the change at hand and not by luck.
settings.register_profile("vai", deadline=None, derandomize=True)
settings.load_profile("vai")

ENGINES: dict[str, Callable[[Path], Engine]] = {
    "embedded": EmbeddedEngine,
    "exact": lambda _: ExactEngine(),
}


@pytest.fixture(autouse=True, scope="session")
def own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests spend is not written into the ledger of whoever runs them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VAI_LEDGER", str(tmp_path_factory.mktemp("ledger") / "ledger.db"))
        yield


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


@pytest.fixture
def unprivileged() -> Iterator[Unprivileged]:
    """A folder that a user without rights can read and not write, even where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="vai-unprivileged-"))
    folder.chmod(0o755)
    # The user may be unable to read the installation: all that is imported late has to be there before.
    store_of(folder / "warm", {"a": [EAST]})
    with contextlib.closing(EmbeddedEngine(folder / "warm")) as engine:
        found_ids(engine, EAST)
        engine.drop(NAME)
    shutil.rmtree(folder / "warm")
    yield Unprivileged(folder)
    shutil.rmtree(folder)


@pytest.fixture
def voyage(monkeypatch: pytest.MonkeyPatch) -> Iterator[VoyageStub]:
    """Voyage on this machine, with its key in the environment, and nobody who waits between attempts."""
    with VoyageStub() as stub:
        for name, value in stub.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("vai.models.remote.http.Patience", partial(Patience, sleep=lambda _: None))
        yield stub


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
