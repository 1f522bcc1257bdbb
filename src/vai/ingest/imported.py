"""What a collection remembers of a source whose vectors were ready-made, to tell whether it changed since.

The state of a source has room for one file. What there is to know of the file with the vectors stands in the recipe,
which begins with a mark.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from vai.documents import ReadOptions, SourceFile, recipe
from vai.freshness import content_digest, is_racy, stamp_of
from vai.types import SourceState, Stamp

MARK = "ready-made "
VERSION = 1
"""Grows when the same files become something else."""

WITH_COMPLAINTS, WITH_DELETIONS = " with complaints", " with deletions"
"""What a recipe ends with when its source is to be read again, whatever the stamps say."""


def is_imported(state: SourceState | None) -> bool:
    """Whether a source's vectors were ready-made."""
    return state is not None and state.recipe.startswith(MARK)


def state_now(
    source: SourceFile,
    vectors: Path | None,
    field: str | None,
    options: ReadOptions,
    known: SourceState | None,
) -> SourceState:
    """The state of a source as its files are now; of what `known` proves to be unchanged, nothing is read.

    Args:
        vectors: the file that holds the vectors, if it is one of its own.
        field: the field, or column, that does otherwise.

    Raises:
        OSError: a file cannot be read.
    """
    beside = None
    if vectors is not None:
        found = _looked_at(vectors, stamp_of(vectors), _vectors_state(known))
        beside = [found.content, found.read_ns, found.stamp.size, found.stamp.mtime_ns, found.stamp.ctime_ns]
    itself = _looked_at(source.path, source.stamp, known)
    made_by = [VERSION, recipe(source, options), field]
    return SourceState(
        name=source.name,
        stamp=itself.stamp,
        read_ns=itself.read_ns,
        content=itself.content,
        recipe=MARK + json.dumps({"made_by": made_by, "vectors": beside}),
    )


def is_same(known: SourceState | None, now: SourceState) -> bool:
    """Whether two states are of the same contents, made into documents in the same way."""
    return known is not None and known.content == now.content and _essence(known) == _essence(now)


def _looked_at(path: Path, stamp: Stamp, known: SourceState | None) -> SourceState:
    """A file's state, its content taken over from `known` if the stamp proves it."""
    if known is not None and known.stamp == stamp and not is_racy(known):
        return SourceState(str(path), stamp, known.read_ns, known.content, "")
    read_ns = time.time_ns()
    return SourceState(str(path), stamp, read_ns, content_digest(path), "")


def _written(state: SourceState | None) -> dict[str, list[int | str]]:
    """What the recipe says; nothing if the source was not imported, or is to be read again."""
    if state is None or not is_imported(state) or state.recipe.endswith((WITH_COMPLAINTS, WITH_DELETIONS)):
        return {}
    written: dict[str, list[int | str]] = json.loads(state.recipe.removeprefix(MARK))
    return written


def _vectors_state(state: SourceState | None) -> SourceState | None:
    beside = _written(state).get("vectors")
    if not beside:
        return None
    content, read_ns, size, mtime_ns, ctime_ns = beside
    return SourceState("", Stamp(int(size), int(mtime_ns), int(ctime_ns)), int(read_ns), str(content), "")


def _essence(state: SourceState) -> tuple[object, object] | None:
    """How documents were made, and what the vectors were; None where that is not known for certain."""
    written = _written(state)
    if not written:
        return None
    beside = written["vectors"]
    return written["made_by"], beside[0] if beside else None
