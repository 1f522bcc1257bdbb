from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from vai.freshness import content_digest, is_racy, is_unchanged, stamp_of
from vai.types import SourceState, Stamp

SECOND = 10**9


def recorded(path: Path, *, read_after: int = 3 * SECOND, content: str | None = None) -> SourceState:
    """What an ingest would have recorded of a file that it read `read_after` ns after its last change."""
    stamp = stamp_of(path)
    read_ns = max(stamp.mtime_ns, stamp.ctime_ns) + read_after
    return SourceState(path.name, stamp, read_ns, content or content_digest(path), "recipe")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.md"
    file.write_text("some text")
    return file


def test_a_stamp_is_size_and_both_times(path: Path) -> None:
    status = path.stat()
    assert stamp_of(path) == Stamp(9, status.st_mtime_ns, status.st_ctime_ns)


def test_the_digest_is_of_the_bytes(path: Path) -> None:
    assert content_digest(path) == hashlib.blake2b(b"some text", digest_size=16).hexdigest()


def test_an_old_stamp_that_is_the_same_proves_that_nothing_changed_without_reading(path: Path) -> None:
    state = recorded(path, content="not the digest")
    path_that_cannot_be_read = path.with_name("missing.md")
    assert is_unchanged(state, path_that_cannot_be_read, state.stamp)


@pytest.mark.parametrize("read_after", [2 * SECOND, SECOND, 0, -5 * SECOND])
def test_a_stamp_as_young_as_the_reading_proves_nothing(path: Path, read_after: int) -> None:
    state = recorded(path, read_after=read_after, content="not the digest")
    assert is_racy(state)
    assert not is_unchanged(state, path, state.stamp)


@pytest.mark.parametrize("read_after", [2 * SECOND, 0])
def test_then_the_content_decides(path: Path, read_after: int) -> None:
    state = recorded(path, read_after=read_after)
    assert is_unchanged(state, path, state.stamp)


def test_a_change_of_the_inode_counts_as_young_as_well_as_one_of_the_content(path: Path) -> None:
    state = recorded(path)
    old = replace(state.stamp, mtime_ns=0)
    assert not is_racy(replace(state, stamp=old))
    assert is_racy(replace(state, stamp=old, read_ns=old.ctime_ns + SECOND))


def test_a_file_that_was_only_touched_is_unchanged(path: Path) -> None:
    state = recorded(path)
    os.utime(path, ns=(0, 0))
    assert stamp_of(path) != state.stamp
    assert is_unchanged(state, path, stamp_of(path))


def test_another_content_of_the_same_size_is_a_change(path: Path) -> None:
    state = recorded(path)
    path.write_text("same size")
    os.utime(path, ns=(state.stamp.mtime_ns, state.stamp.mtime_ns))
    assert not is_unchanged(state, path, replace(stamp_of(path), ctime_ns=state.stamp.ctime_ns + 1))


def test_another_size_is_a_change_that_needs_no_reading(path: Path) -> None:
    state = recorded(path)
    longer = replace(state.stamp, size=10, mtime_ns=state.stamp.mtime_ns + 1)
    assert not is_unchanged(state, path, longer)


def test_a_file_that_is_gone_has_changed(path: Path) -> None:
    state = recorded(path)
    other = replace(state.stamp, mtime_ns=0)
    path.unlink()
    assert not is_unchanged(state, path, other)
