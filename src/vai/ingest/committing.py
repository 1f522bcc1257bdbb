"""When an ingest commits: every few seconds, and never a part of what belongs together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vai.errors import DuplicateId, Interrupted, RemoteFailure
from vai.ingest.steps import Tally
from vai.protocols import Writer

COMMIT_SECONDS = 2.0


class Committing:
    """Commits what a writer was told.

    `whole` says whether all that was begun is done to its end; else nothing is committed, also not after the user
    pressed Ctrl-C. `stored` counts the documents, new or changed, that are committed.
    """

    def __init__(self, writer: Writer, tally: Tally) -> None:
        self._writer = writer
        self._tally = tally
        self._last = time.monotonic()
        self.whole = True
        self.stored = 0

    @contextmanager
    def undivided(self) -> Iterator[None]:
        """For what is to be committed only if it is done to its end."""
        self.whole = False
        yield
        self.whole = True

    @contextmanager
    def kept_where_it_ends(self) -> Iterator[None]:
        """For all of an ingest: where it ends early, what was done to its end is committed.

        Raises:
            Interrupted: the user stopped it.
        """
        try:
            yield
        except (DuplicateId, RemoteFailure):
            self.commit()
            raise
        except KeyboardInterrupt as interruption:
            self.commit()
            raise Interrupted(
                f"stopped; new or changed documents that are stored: {self.stored:,}",
                hint="run the same command again to do the rest",
            ) from interruption

    def commit(self) -> None:
        """Commit, unless that would make a part of something visible."""
        if self.whole:
            with self.undivided():
                self._writer.commit()
            self._last = time.monotonic()
            self.stored = self._tally.added + self._tally.changed

    def commit_if_due(self) -> None:
        """Commit if the last time is some seconds ago."""
        if time.monotonic() - self._last > COMMIT_SECONDS:
            self.commit()
