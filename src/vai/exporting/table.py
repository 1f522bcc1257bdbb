"""Chunks as a Parquet table, by pyarrow, which is an extra: `vai-retrieval[parquet]`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from vai.arrays import Matrix
from vai.documents.parquet import PROVENANCE_KEY, pyarrow_parquet
from vai.exporting.lines import fields_of
from vai.types import Chunk, Provenance

ROWS_PER_GROUP = 8192


class TableWriter:
    """Writes a row for each chunk; metadata as a JSON object, because each document has fields of its own.

    Raises:
        MissingPart: pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO, made_by: Provenance, *, with_vectors: bool) -> None:
        parquet = pyarrow_parquet()
        self.bytes = 0
        self._dimension = made_by.dimension
        self._schema = _schema(made_by, with_vectors=with_vectors)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._chunks: list[Chunk] = []
        self._vectors: list[Matrix] = []

    def write(self, chunks: Sequence[Chunk], vectors: Matrix | None) -> None:
        """Append chunks, with vectors float32 [n, d] if the table has a column of them."""
        self._chunks += chunks
        if vectors is not None:
            self._vectors.append(vectors)
        if len(self._chunks) >= ROWS_PER_GROUP:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        if self._chunks:
            self._write_group()
        self._writer.close()

    def close(self) -> None:
        """Let go of the file, also where it is not whole."""
        self._chunks = []
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow

        rows = [fields_of(chunk) for chunk in self._chunks]
        for row in rows:
            row["metadata"] = json.dumps(row["metadata"], ensure_ascii=False)
        names = [name for name in self._schema.names if name != "vector"]
        columns = [
            pyarrow.array([row[name] for row in rows], type=self._schema.field(name).type) for name in names
        ]
        if self._vectors:
            numbers = pyarrow.array(np.concatenate(self._vectors).reshape(-1))
            columns.append(pyarrow.FixedSizeListArray.from_arrays(numbers, self._dimension))
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema))
        self._chunks, self._vectors = [], []


def _schema(made_by: Provenance, *, with_vectors: bool) -> Any:
    import pyarrow

    text, number = pyarrow.string(), pyarrow.int64()
    fields = {
        **dict.fromkeys(("_id", "document_id", "source", "title"), text),
        "heading": pyarrow.list_(text),
        "text": text,
        **dict.fromkeys(("start_line", "end_line", "page"), number),
        "metadata": text,
    }
    if with_vectors:
        fields["vector"] = pyarrow.list_(pyarrow.float32(), made_by.dimension)
    told = {"embedder": made_by.embedder, "revision": made_by.revision}
    return pyarrow.schema(fields.items(), metadata={PROVENANCE_KEY: json.dumps(told)})
