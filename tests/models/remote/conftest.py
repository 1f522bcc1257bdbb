"""Services on this machine, and time that passes at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from model_stub import Judge, ModelStub, Serve, Waits, unhurried
from vai.models.remote.http import Patience
from voyage_stub import VoyageStub


@pytest.fixture
def stub() -> Iterator[VoyageStub]:
    """Voyage, where a module has no service of its own."""
    with VoyageStub() as running:
        yield running


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts services, which end with the test."""
    with ExitStack() as stack:

        def start(judge: Judge, key: str | None = None) -> ModelStub:
            return stack.enter_context(ModelStub(judge, key))

        yield start


@pytest.fixture
def waits() -> Waits:
    """What was waited for."""
    return Waits()


@pytest.fixture
def patience(waits: Waits) -> Patience:
    """As many attempts as usual, and waits that are only noted."""
    return unhurried(waits)
