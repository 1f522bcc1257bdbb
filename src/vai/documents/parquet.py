"""Parquet tables: each row is a record, and a column may hold ready-made vectors.

pyarrow, which reads them, is an extra: `vai-retrieval[parquet]`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

from vai.documents.records import METADATA_FIELD, Record
from vai.documents.source import Unfit
from vai.errors import MissingPart
from vai.types import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROVENANCE_KEY = "vai"
"""Of what a table says of itself: the embedder that made its vectors, and its revision, as an export writes it."""

BATCH_ROWS = 1024
BUFFER = 2**20
"""Bytes read at a time of each column, so that a file of one row group is not read whole."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a table: the records, and of the column of vectors float64 [n, d]."""

    records: list[Record]
    vectors: NDArray[np.float64]


def pyarrow_parquet() -> Any:
    """The module `pyarrow.parquet`.

    Raises:
        MissingPart: it is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPart(
            "Parquet files need the package pyarrow, which is not installed",
            hint="`pip install 'vai-retrieval[parquet]'`",
        ) from error
    return parquet


def list_columns(file: BinaryIO) -> list[str]:
    """Names of the columns that hold lists of floating-point numbers. Raises as `read_parquet` does."""
    import pyarrow.types as kinds

    def holds_lists(kind: Any) -> bool:
        listed = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
        return bool(listed and kinds.is_floating(kind.value_type))

    return [field.name for field in _opened(file).schema_arrow if holds_lists(field.type)]


def vectors_made_by(file: BinaryIO) -> tuple[str, str] | None:
    """Embedder and revision of an exported table's vectors; None if it does not say. Raises as `read_parquet` does."""
    told = (_opened(file).schema_arrow.metadata or {}).get(PROVENANCE_KEY.encode())
    if told is None:
        return None
    with suppress(ValueError, LookupError, TypeError):
        made_by = json.loads(told)
        return str(made_by["embedder"]), str(made_by["revision"])
    return None


def read_parquet(file: BinaryIO) -> Generator[Record, None, None]:
    """The rows of a table as records, as they are read; their places, and lines, are their ranks from 1.

    Raises:
        Unfit: it is no Parquet file, or a damaged one.
        MissingPart: pyarrow is not installed.
    """
    place = 0
    for batch in _batches(file, None):
        for fields in batch.to_pylist():
            place += 1
            yield _record(place, fields)


def read_with_vectors(file: BinaryIO, column: str) -> Iterator[Rows]:
    """The rows with what the column of vectors holds. Raises as `read_parquet` and `read_vectors` do."""
    place = 0
    for batch in _batches(file, None):
        vectors = _vectors(batch.column(column), place)
        fields = batch.drop_columns([column]).to_pylist()
        yield Rows([_record(place + number, row) for number, row in enumerate(fields, 1)], vectors)
        place += len(fields)


def read_vectors(file: BinaryIO, column: str) -> Iterator[NDArray[np.float64]]:
    """The column of vectors alone, float64 [n, d], some rows at a time.

    Raises:
        Unfit: a row has no vector, or one of another length than the rows before it.
        and as `read_parquet` does.
    """
    place = 0
    for batch in _batches(file, [column]):
        yield _vectors(batch.column(0), place)
        place += batch.num_rows


def _opened(file: BinaryIO) -> Any:
    parquet = pyarrow_parquet()
    with _faults_named():
        return parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)


def _batches(file: BinaryIO, columns: list[str] | None) -> Iterator[Any]:
    batches = _opened(file).iter_batches(batch_size=BATCH_ROWS, columns=columns)
    while True:
        with _faults_named():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


@contextmanager
def _faults_named() -> Iterator[None]:
    """What pyarrow raises about a file, as `Unfit`; what the system says of it keeps its number."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())[:200]
        raise Unfit(f"cannot be read as Parquet: {reason}", kept=True) from error


def _vectors(column: Any, before: int) -> NDArray[np.float64]:
    """Lists of numbers as rows, float64 [n, d]; `before` rows precede them."""
    import numpy as np
    import pyarrow.compute as compute

    lengths = compute.list_value_length(column).to_numpy(zero_copy_only=False)
    width = lengths[0] if len(lengths) else 0
    wrong = np.flatnonzero(lengths != width)  # where there is no list, the length is NaN
    if wrong.size or width != width:
        row = int(wrong[0]) if width == width else 0
        held = lengths[row]
        place = f"in row {before + row + 1:,} (from 1)"
        what = "no vector" if held != held else f"a vector of length {held:.0f}"
        others = "" if held != held else f", where others have {width:.0f} numbers"
        raise Unfit(f"has {what} {place}{others}", kept=True)
    numbers = column.flatten().cast("float64").to_numpy(zero_copy_only=False)
    rows: NDArray[np.float64] = numbers.reshape(len(column), int(width))
    return rows


def _record(place: int, fields: Mapping[str, Any]) -> Record:
    """A row as a record. Metadata written as a JSON object, as an export has it, is read as one."""
    values = {name: _plain(value) for name, value in fields.items() if value is not None}
    nested = values.get(METADATA_FIELD)
    if isinstance(nested, str) and nested.startswith("{"):
        with suppress(ValueError):
            values[METADATA_FIELD] = json.loads(nested)
    return Record(place, place, values)


def _plain(value: object) -> Json:
    """A cell as JSON has it: times in ISO 8601, what JSON has no number for as null, the rest as it is shown."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return float(value) if value.is_finite() else None
        case bytes():
            return value.decode("utf-8", "replace")
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return str(value)
