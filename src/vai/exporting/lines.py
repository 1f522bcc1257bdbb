"""Chunks as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import BinaryIO

from vai.arrays import Matrix
from vai.types import Chunk, Json


class LineWriter:
    """Writes one JSON object for each chunk; `bytes` counts what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes = 0

    def write(self, chunks: Sequence[Chunk], vectors: Matrix | None) -> None:
        """Append chunks, with vectors float32 [n, d] if they are to stand in the lines."""
        heads = (json.dumps(fields_of(chunk), ensure_ascii=False)[:-1] for chunk in chunks)
        if vectors is None:
            lines = [f"{head}}}\n" for head in heads]
        else:
            # Nine digits tell any two float32 apart, so that reading gives the same number back.
            pattern = ",".join(["%.9g"] * vectors.shape[1])
            rows = (pattern % tuple(row) for row in vectors.tolist())
            lines = [f'{head}, "vector": [{row}]}}\n' for head, row in zip(heads, rows, strict=True)]
        data = "".join(lines).encode()
        self._file.write(data)
        self.bytes += len(data)

    def finish(self) -> None:
        """Hand on what is still held back."""
        self._file.flush()

    def close(self) -> None:
        """Nothing is held."""


def fields_of(chunk: Chunk) -> dict[str, Json]:
    """What is exported of a chunk, its vector apart."""
    return {
        "_id": chunk.id,
        "document_id": chunk.document_id,
        "source": chunk.source,
        "title": chunk.title,
        "heading": list(chunk.heading),
        "text": chunk.text,
        "start_line": chunk.start_line,
        "end_line": chunk.end_line,
        "page": chunk.page,
        "metadata": chunk.metadata,
    }
