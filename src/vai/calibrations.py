"""What `vai calibrate` has measured of rerankers, kept in the store that it was measured in.

<store>/calibrations.json, schema `vai.calibrations/1`: one entry for each model and revision.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vai.disk import NO_RIGHT, NO_ROOM, reason_of, write_whole
from vai.errors import StoreCorrupt, StoreFailure, StoreFull, StoreReadOnly, StoreTooNew
from vai.types import Calibration, Json, as_json
from vai.wrapping import RerankerWrapper

CALIBRATIONS_FILE = "calibrations.json"
SCHEMA = "vai.calibrations/1"
LARGEST_FILE = 4_000_000
"""Bytes; some ten thousand entries."""


@dataclass(frozen=True, slots=True)
class MeasuredCalibration:
    """A calibration, with what it was measured on.

    Args:
        model, revision: of the reranker.
        slope, intercept, error: the calibration.
        collection, test_set: where the candidates came from, and the questions with their judgements.
        queries, pairs, positives: how many were read, and how many of the pairs are of a relevant passage.
        limit: candidates of each query.
        measured: when, ISO 8601 in UTC.
    """

    model: str
    revision: str
    slope: float
    intercept: float
    error: float
    collection: str
    test_set: str
    queries: int
    pairs: int
    positives: int
    limit: int
    measured: str

    @property
    def calibration(self) -> Calibration:
        """The curve alone."""
        return Calibration(self.slope, self.intercept, self.error)


@dataclass(frozen=True, slots=True)
class Calibrated(RerankerWrapper):
    """A reranker with another calibration than its own; everything else is the reranker's."""

    calibration: Calibration


def read_calibrations(store: Path) -> Mapping[tuple[str, str], Calibration]:
    """The calibrations measured in a store, by name and revision of the model; none if nothing was measured.

    Raises as `list_calibrations` does.
    """
    return {(known.model, known.revision): known.calibration for known in list_calibrations(store)}


def list_calibrations(store: Path) -> list[MeasuredCalibration]:
    """All that was measured in a store, in the order of models.

    Raises:
        StoreCorrupt: the file is not what was written.
        StoreTooNew: a later version wrote it.
        StoreFailure: it cannot be read.
    """
    path = store / CALIBRATIONS_FILE
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreFailure(f"`{path}` cannot be read: {reason_of(error)}") from error
    try:
        return _parsed(data, path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        said = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
        raise StoreCorrupt(
            f"`{path}` does not hold calibrations: {said[:200].rstrip('.')}",
            hint="remove the file, and run `vai calibrate` again",
        ) from error


def write_calibration(store: Path, measured: MeasuredCalibration) -> Path:
    """Keep a calibration in the store, instead of an earlier one of the same model and revision.

    The file is replaced at once: a reader sees the old one or the new one. Returns where it is.

    Raises:
        StoreReadOnly, StoreFull, StoreFailure: it cannot be written; the old one stays.
        StoreCorrupt, StoreTooNew: the old one cannot be read.
    """
    key = (measured.model, measured.revision)
    others = [known for known in list_calibrations(store) if (known.model, known.revision) != key]
    kept = sorted([*others, measured], key=lambda known: (known.model, known.revision))
    entries: list[Json] = [as_json(known) for known in kept]
    text = json.dumps({"schema": SCHEMA, "calibrations": entries}, ensure_ascii=False, indent=2)
    path = store / CALIBRATIONS_FILE
    try:
        write_whole(path, f"{text}\n")
    except OSError as error:
        raise _not_written(path, error) from error
    return path


def _parsed(data: bytes, path: Path) -> list[MeasuredCalibration]:
    if len(data) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE:,} bytes")
    content = json.loads(data)
    schema = str(content["schema"])
    name, _, version = schema.rpartition("/")
    if name == SCHEMA.rpartition("/")[0] and version.isdigit() and schema != SCHEMA:
        raise StoreTooNew(
            f"`{path}` was written by a later version of vai: its schema is {schema}",
            hint="install that version, or remove the file and run `vai calibrate` again",
        )
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema!r}")
    return [_entry(entry) for entry in content["calibrations"]]


def _entry(entry: Mapping[str, Any]) -> MeasuredCalibration:
    """One entry, each of its values of the kind that it has to be; fields of later versions are passed over."""
    kinds = {"str": str, "int": int, "float": float}
    values = {item.name: kinds[str(item.type)](entry[item.name]) for item in fields(MeasuredCalibration)}
    measured = MeasuredCalibration(**values)
    if not all(map(math.isfinite, (measured.slope, measured.intercept, measured.error))):
        raise ValueError(f"the calibration of {measured.model} is not finite")
    if measured.slope <= 0.0:
        raise ValueError(f"the calibration of {measured.model} falls: its slope is {measured.slope:g}")
    return measured


def _not_written(path: Path, error: OSError) -> StoreFailure:
    if error.errno in NO_ROOM:
        return StoreFull(f"there is no room for `{path}`", hint="make room, and run `vai calibrate` again")
    if error.errno in NO_RIGHT:
        return StoreReadOnly(
            f"`{path}` may not be written: {reason_of(error)}", hint="run it as a user who may"
        )
    return StoreFailure(f"`{path}` cannot be written: {reason_of(error)}")
