"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from machine import Unprivileged, largest_file
from vai.disk import NO_RIGHT, NO_ROOM, reason_of, write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for text in ("größe", "", "more\n"):
        write_whole(tmp_path / "file", text)
        assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [
            ("file", text)
        ]


def test_a_disk_without_room_keeps_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    with largest_file(16), pytest.raises(OSError, match="large") as raised:
        write_whole(tmp_path / "file", "new" * 100)
    assert raised.value.errno in NO_ROOM
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_that_may_not_be_written_to_stays_as_it_is(unprivileged: Unprivileged) -> None:
    with unprivileged.acting(), pytest.raises(PermissionError) as raised:
        write_whole(unprivileged.folder / "file", "new")
    assert raised.value.errno in NO_RIGHT
    assert list(unprivileged.folder.iterdir()) == []


def test_a_reason_is_a_part_of_a_sentence() -> None:
    assert reason_of(OSError(errno.ENOSPC, "No space left on device")) == "no space left on device"
    assert reason_of(OSError("Nobody knows")) == "nobody knows"
