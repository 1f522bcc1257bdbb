"""What was measured of rerankers is kept in the store, and read with care."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation_samples import MEASURED
from machine import Unprivileged, largest_file
from vai.calibrations import (
    CALIBRATIONS_FILE,
    Calibrated,
    MeasuredCalibration,
    list_calibrations,
    read_calibrations,
    write_calibration,
)
from vai.errors import StoreCorrupt, StoreFailure, StoreFull, StoreReadOnly, StoreTooNew
from vai.models.fakes import WordOverlapReranker
from vai.types import Calibration

ENTRY = {name: getattr(MEASURED, name) for name in MeasuredCalibration.__slots__}


def saved(store: Path, content: object) -> Path:
    """A file of calibrations with whatever in it."""
    path = store / CALIBRATIONS_FILE
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_calibration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_calibration(tmp_path, MEASURED)
    assert list_calibrations(tmp_path) == [MEASURED]
    assert read_calibrations(tmp_path) == {("word-overlap", "1"): Calibration(2.5, -1.25, 0.04)}


def test_a_store_in_which_nothing_was_measured_has_none(tmp_path: Path) -> None:
    assert read_calibrations(tmp_path) == {}
    assert read_calibrations(tmp_path / "no such store") == {}


def test_a_new_calibration_of_the_same_model_and_revision_replaces_the_old_one(tmp_path: Path) -> None:
    other = replace(MEASURED, revision="2", slope=9.0)
    for measured in (MEASURED, other, replace(MEASURED, slope=3.0)):
        write_calibration(tmp_path, measured)
    found = read_calibrations(tmp_path)
    assert {key: known.slope for key, known in found.items()} == {
        ("word-overlap", "1"): 3.0,
        ("word-overlap", "2"): 9.0,
    }


def test_writing_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    assert write_calibration(tmp_path, MEASURED) == tmp_path / CALIBRATIONS_FILE
    assert [path.name for path in tmp_path.iterdir()] == [CALIBRATIONS_FILE]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        {},
        {"schema": "vai.calibrations/1"},
        {"schema": "vai.calibrations/1", "calibrations": [[]]},
        {"schema": "vai.calibrations/1", "calibrations": [{}]},
        {"schema": "vai.calibrations/1", "calibrations": [{**ENTRY, "slope": "steep"}]},
        {"schema": "vai.calibrations/1", "calibrations": [{**ENTRY, "slope": float("nan")}]},
        {"schema": "vai.calibrations/1", "calibrations": [{**ENTRY, "slope": -0.5}]},
        {"schema": "vai.calibrations/1", "calibrations": [{**ENTRY, "queries": None}]},
        {"schema": "vai.calibrations/1", "calibrations": [{**ENTRY, "queries": float("inf")}]},
        {"schema": "another/1", "calibrations": []},
    ],
)
def test_a_damaged_file_is_one_sentence_that_names_it(tmp_path: Path, content: object) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(StoreCorrupt) as raised:
        read_calibrations(tmp_path)
    assert str(path) in raised.value.message
    assert not raised.value.message.endswith(".")
    assert "`vai calibrate`" in (raised.value.hint or "")


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    path = saved(tmp_path, "{")
    with pytest.raises(StoreCorrupt):
        write_calibration(tmp_path, MEASURED)
    assert path.read_text() == "{"


def test_a_file_of_a_later_version_is_not_called_damaged(tmp_path: Path) -> None:
    saved(tmp_path, {"schema": "vai.calibrations/2", "curves": []})
    with pytest.raises(StoreTooNew, match=r"vai\.calibrations/2"):
        read_calibrations(tmp_path)


def test_fields_that_a_later_version_added_are_passed_over(tmp_path: Path) -> None:
    saved(tmp_path, {"schema": "vai.calibrations/1", "calibrations": [{**ENTRY, "more": [1]}], "more": {}})
    assert list_calibrations(tmp_path) == [MEASURED]


def test_a_store_that_may_not_be_written_to_is_said_to_be_so(unprivileged: Unprivileged) -> None:
    with unprivileged.acting(), pytest.raises(StoreReadOnly, match=CALIBRATIONS_FILE):
        write_calibration(unprivileged.folder, MEASURED)
    assert list(unprivileged.folder.iterdir()) == []


def test_a_disk_without_room_keeps_the_old_calibration(tmp_path: Path) -> None:
    write_calibration(tmp_path, MEASURED)
    with largest_file(16), pytest.raises(StoreFull):
        write_calibration(tmp_path, replace(MEASURED, slope=3.0))
    assert list_calibrations(tmp_path) == [MEASURED]
    assert [path.name for path in tmp_path.iterdir()] == [CALIBRATIONS_FILE]


def test_a_folder_in_the_place_of_the_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / CALIBRATIONS_FILE).mkdir()
    with pytest.raises(StoreFailure, match="cannot be read"):
        read_calibrations(tmp_path)


def test_a_calibrated_reranker_is_the_reranker_but_for_its_calibration() -> None:
    reranker, curve = WordOverlapReranker(), Calibration(2.0, -1.0, 0.1)
    calibrated = Calibrated(reranker, curve)
    assert calibrated.calibration == curve
    assert reranker.calibration is None
    for name in ("name", "revision", "blend", "similarity_scale", "languages", "usd_per_million_tokens"):
        assert getattr(calibrated, name) == getattr(reranker, name)
    read = calibrated.score("a replica set", ["a set", "nothing"])
    assert read.values.tolist() == reranker.score("a replica set", ["a set", "nothing"]).values.tolist()
    assert calibrated.score("a", ["b"], deadline=0.0).stopped == "deadline"
