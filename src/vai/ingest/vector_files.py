"""Ready-made vectors beside their records: in a NumPy file, in a field of each record, in a column of a table.

What is read here is checked here: as many vectors as records, each as long as the embedder's, finite, and of unit
length or made so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.documents import SourceFile, Unfit, opened_records
from vai.documents.parquet import read_vectors, read_with_vectors, vectors_made_by
from vai.documents.records import Broken, Record
from vai.errors import EmbedderMismatch, InvalidSettings
from vai.freshness import stamp_of
from vai.ingest.numbers import BLOCK_ROWS, NpyFile, unit_rows
from vai.types import Json, Provenance

Row = tuple[Record | Broken, Vector | None]
"""A record with its vector; what is broken may have none."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a first look at all vectors found: how many there are, and how many had to be scaled."""

    rows: int
    scaled: int


class VectorFile(Protocol):
    """A file of records whose vectors are there already.

    `companion` is the file that holds the vectors, or `field` says where in the records they stand.
    """

    @property
    def source(self) -> SourceFile: ...
    @property
    def companion(self) -> Path | None: ...
    @property
    def field(self) -> str | None: ...

    def look(self, made_by: Provenance) -> Looked:
        """Check every vector, and that there are as many as records, before anything is stored.

        Raises:
            InvalidSettings: something is wrong; the message says where.
        """
        ...

    def rows(self, made_by: Provenance) -> Iterator[Row]:
        """The records with their vectors, float32 [d] and of unit length. Raises as `look` does."""
        ...


@dataclass(frozen=True, slots=True)
class Beside:
    """Vectors in a NumPy file: row i belongs to record i."""

    source: SourceFile
    companion: Path

    @property
    def field(self) -> None:
        return None

    def look(self, made_by: Provenance) -> Looked:
        vectors = NpyFile.open(self.companion)
        with faults_named(self.source.name), opened_records(self.source) as records:
            count = sum(1 for _ in records)
        if vectors.rows != count:
            raise InvalidSettings(
                f"`{self.companion}` holds {vectors.rows:,} vectors and `{self.source.name}` {count:,} records",
                hint="row i of the one belongs to record i of the other; lines that hold nothing are no records",
            )
        require_dimension(vectors.dimension, made_by, f"`{self.companion}` holds")
        scaled = sum(unit_rows(block, vectors.place_after(start))[1] for start, block in vectors.blocks())
        return Looked(count, scaled)

    def rows(self, made_by: Provenance) -> Iterator[Row]:
        vectors = NpyFile.open(self.companion)
        with faults_named(self.source.name), opened_records(self.source) as records:
            for start, block in vectors.blocks():
                matrix, _ = unit_rows(block, vectors.place_after(start))
                beside = list(islice(records, len(matrix)))
                if len(beside) < len(matrix):
                    raise Unfit("changed while it was read", kept=True)
                yield from zip(beside, matrix, strict=True)
            if next(records, None) is not None:
                raise Unfit("changed while it was read", kept=True)


@dataclass(frozen=True, slots=True)
class Within:
    """Vectors in a field of each record, as a list of numbers."""

    source: SourceFile
    field: str

    @property
    def companion(self) -> None:
        return None

    def look(self, made_by: Provenance) -> Looked:
        count, scaled = 0, 0
        for records, _, crooked in self._blocks(made_by):
            count, scaled = count + len(records), scaled + crooked
        return Looked(count, scaled)

    def rows(self, made_by: Provenance) -> Iterator[Row]:
        for records, matrix, _ in self._blocks(made_by):
            vectors = iter(matrix)
            for record in records:
                yield (record, None) if isinstance(record, Broken) else (record, next(vectors))

    def _blocks(self, made_by: Provenance) -> Iterator[tuple[list[Record | Broken], Matrix, int]]:
        """Some records, without the field, with the vectors of those that are whole, and how many were scaled."""
        with faults_named(self.source.name), opened_records(self.source) as records:
            while block := list(islice(records, BLOCK_ROWS)):
                whole = [record for record in block if isinstance(record, Record)]
                lines = [record.line for record in whole]
                numbers = [self._numbers(record, made_by) for record in whole]
                matrix, scaled = unit_rows(
                    np.array(numbers, dtype=np.float64).reshape(len(numbers), made_by.dimension),
                    lambda row, lines=lines: f"on line {lines[row]:,} of `{self.source.name}`",  # type: ignore[misc]
                )
                yield [self._without(record) for record in block], matrix, scaled

    def _numbers(self, record: Record, made_by: Provenance) -> NDArray[np.float64]:
        place = f"line {record.line:,} of `{self.source.name}`"
        value = record.fields.get(self.field)
        numbers = _as_numbers(value)
        if numbers is None:
            held = "nothing" if value is None else "something else than a list of numbers"
            raise InvalidSettings(
                f"{place} has {held} in the field `{self.field}`",
                hint="every record needs its vector; `--vector-field FIELD` says where it stands",
            )
        require_dimension(len(numbers), made_by, f"{place} holds")
        return numbers

    def _without(self, record: Record | Broken) -> Record | Broken:
        if isinstance(record, Broken):
            return record
        fields = {name: value for name, value in record.fields.items() if name != self.field}
        return replace(record, fields=fields)


@dataclass(frozen=True, slots=True)
class Column:
    """Vectors in a column of a Parquet table."""

    source: SourceFile
    field: str

    @property
    def companion(self) -> None:
        return None

    def look(self, made_by: Provenance) -> Looked:
        count, scaled = 0, 0
        with faults_named(self.source.name), self.source.path.open("rb") as file:
            self._require_embedder(vectors_made_by(file), made_by)
            for block in read_vectors(file, self.field):
                scaled += self._checked(block, count, made_by)[1]
                count += len(block)
        return Looked(count, scaled)

    def rows(self, made_by: Provenance) -> Iterator[Row]:
        done = 0
        with faults_named(self.source.name), self.source.path.open("rb") as file:
            for block in read_with_vectors(file, self.field):
                matrix, _ = self._checked(block.vectors, done, made_by)
                yield from zip(block.records, matrix, strict=True)
                done += len(matrix)
            if stamp_of(self.source.path) != self.source.stamp:
                raise Unfit("changed while it was read", kept=True)

    def _require_embedder(self, told: tuple[str, str] | None, made_by: Provenance) -> None:
        """Refuse vectors that say they were made by another embedder: their numbers mean something else."""
        if told is not None and told != (made_by.embedder, made_by.revision):
            embedder, revision = told
            raise EmbedderMismatch(
                f"the vectors of `{self.source.name}` were made by `{embedder}` (revision `{revision}`), not by "
                f"`{made_by.embedder}` (revision `{made_by.revision}`)",
                hint=f"`--embedder {embedder}` imports them into a collection of that embedder",
            )

    def _checked(self, block: NDArray[Any], before: int, made_by: Provenance) -> tuple[Matrix, int]:
        require_dimension(block.shape[1], made_by, f"the column `{self.field}` of `{self.source.name}` holds")
        return unit_rows(block, lambda row: f"in row {before + row + 1:,} (from 1) of `{self.source.name}`")


# ── what a vector has to be ──


def require_dimension(found: int, made_by: Provenance, holder: str) -> None:
    """Refuse vectors of another length than the embedder's.

    Raises:
        InvalidSettings: which is said with both numbers.
    """
    if found != made_by.dimension:
        raise InvalidSettings(
            f"{holder} vectors of {found:,} numbers, and the embedder `{made_by.embedder}` makes "
            f"{made_by.dimension:,}",
            hint="name the embedder that made the vectors with `--embedder NAME`",
        )


def _as_numbers(value: Json) -> NDArray[np.float64] | None:
    """A list of numbers, float64 [n]; null stands for what JSON has no number for. None if it is anything else."""
    if not isinstance(value, list) or not value or any(isinstance(item, str | bool) for item in value[:1]):
        return None
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if numbers.ndim == 1 else None


@contextmanager
def faults_named(source: str) -> Iterator[None]:
    """What makes a file of records unfit, as an error: it was named, and without it nothing can be done."""
    try:
        yield
    except Unfit as unfit:
        raise InvalidSettings(f"`{source}` {unfit.reason}") from unfit
    except OSError as error:
        raise InvalidSettings(
            f"`{source}` cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
