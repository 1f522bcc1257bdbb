"""A project to ask questions about, apart from the settings, the stores and the keys of whoever runs the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from command_line import vai, written

DOCUMENTS = {
    "replication.md": "# Replication\n\nA replica set is a group of servers that hold the same data.\n",
    "members.md": (
        "# Configure a replica set\n\nStart every server with the name of the set, then configure the replica "
        "set from one of them.\nReplica sets need an odd number of voting members.\n"
    ),
    "failover.md": "# Failover\n\nWhen the primary is lost, the others elect a new one.\n",
    "scaling.md": "# Scaling\n\nScaling out means more servers, scaling up means larger ones.\n",
    "sharding.md": "# Sharding\n\nA shard key spreads documents over servers.\n",
    "lookup.txt": "A quick lookup needs an index.\n\nWithout an index every document is read.\n",
}
"""Six files that are one chunk each."""


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working directory, with a folder `docs`, and nothing of the outer environment that `vai` reads."""
    for name in list(os.environ):
        if name.startswith(("VAI_", "VOYAGE_")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / ".local" / "share"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "90")
    # What nobody foresaw is raised, so that no test takes it for a message that was meant.
    monkeypatch.setenv("VAI_TRACEBACK", "1")
    folder = tmp_path / "project"
    written(folder / "docs", DOCUMENTS)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def store(project: Path) -> Path:
    """The project's store with what is in `docs`, made with a model that needs no time to load."""
    assert vai("ingest", "docs", "--embedder", "hashing").exit_code == 0
    return project / ".vai"
