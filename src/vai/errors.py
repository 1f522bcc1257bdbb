"""Everything that can go wrong, as one tree.

    VaiError                          exit code
    ├── WrongUse                      2   the request itself cannot be carried out
    │   ├── InvalidQuery                  empty, or too long
    │   ├── InvalidSettings               a value, a flag or a pair of them that contradict
    │   ├── PathNotFound                  a path to ingest that is not there
    │   └── DuplicateId                   two sources claim one document id
    ├── MissingPart                   3   something the request needs is not here
    │   ├── StoreNotFound
    │   ├── CollectionNotFound
    │   ├── EmbedderMismatch              the collection was made with another embedder
    │   ├── UnknownModel
    │   ├── KeyMissing
    │   ├── UnsupportedModel              a model of that name is there, and is of no kind that can be run
    │   └── UnsupportedByEngine           the engine has no such ability, and says its name
    ├── StoreFailure                  3   the store is there and cannot serve
    │   ├── StoreCorrupt
    │   ├── StoreBusy                     another process is writing
    │   ├── StoreReadOnly
    │   ├── StoreFull                     no room left on the disk
    │   └── StoreTooNew                   written by a later version
    ├── RemoteFailure                 3   a remote model did not do its work
    │   ├── RemoteRefused                 it said no: never tried again, never degraded
    │   └── RemoteUnavailable             it failed while working: tried again, then degraded
    ├── BudgetSpent                   3   the time or the money that was allowed is used up
    └── Interrupted                 130   the user stopped it; what was stored stays

A message is one sentence without a final period that names the offending value; the hint says what to do.
"""

from __future__ import annotations


class VaiError(Exception):
    """The root: one sentence, a hint, and the exit code that the command line ends with."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongUse(VaiError):
    """The request itself cannot be carried out."""

    exit_code = 2


class InvalidQuery(WrongUse):
    """The query is empty or longer than any model could read."""


class InvalidSettings(WrongUse):
    """A setting has an impossible value, or two contradict each other."""


class PathNotFound(WrongUse):
    """A path that was named is not there."""


class DuplicateId(WrongUse):
    """Two sources claim the same document id."""


class MissingPart(VaiError):
    """Something that the request needs is not here."""


class StoreNotFound(MissingPart):
    """There is no store at, or above, the place looked at."""


class CollectionNotFound(MissingPart):
    """The store holds no collection of that name."""


class EmbedderMismatch(MissingPart):
    """The collection's vectors come from another embedder than the one named."""


class UnknownModel(MissingPart):
    """No model goes by that name."""


class KeyMissing(MissingPart):
    """A remote model needs a key that is not set."""


class UnsupportedModel(MissingPart):
    """A model of that name is there, but it is not of a kind that can be run, or a package for it is missing."""


class UnsupportedByEngine(MissingPart):
    """The engine cannot do what was asked; the message names the engine and the ability."""


class StoreFailure(VaiError):
    """The store is there and cannot serve."""


class StoreCorrupt(StoreFailure):
    """What is on disk is not what was written."""


class StoreBusy(StoreFailure):
    """Another process is writing to the collection."""


class StoreReadOnly(StoreFailure):
    """The store cannot be written to."""


class StoreFull(StoreFailure):
    """There is no room left; what was reported as stored is safe."""


class StoreTooNew(StoreFailure):
    """The store was written by a later version of vai."""


class RemoteFailure(VaiError):
    """A remote model did not do its work."""


class RemoteRefused(RemoteFailure):
    """The service said no (400, 401, 403, 422): asking again would not help."""


class RemoteUnavailable(RemoteFailure):
    """The service failed while working (429, 5xx, time-outs, broken answers)."""


class BudgetSpent(VaiError):
    """The time or the money that was allowed for the work is used up."""


class Interrupted(VaiError):
    """The user stopped the work; what was stored stays stored."""

    exit_code = 130
