"""Which of the files that were named bring their vectors along, and where those stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vai.documents import ReadOptions, SourceFile, find_sources
from vai.documents.parquet import list_columns, pyarrow_parquet
from vai.errors import InvalidSettings, PathNotFound
from vai.ingest.vector_files import Beside, Column, VectorFile, Within, faults_named

VECTOR_COLUMN = "vector"
"""The column of a Parquet file that holds vectors, where no other is named."""


def find_vector_files(
    paths: Sequence[Path],
    *,
    root: Path,
    options: ReadOptions,
    vectors: Path | None,
    vector_field: str | None,
) -> tuple[VectorFile, ...]:
    """The files that bring their vectors along; none if the texts are to be embedded.

    Args:
        vectors: a NumPy file with the vectors of the one file in `paths`.
        vector_field: the field of records, or column of a table, that holds them. Without either, a Parquet file
            with a column `vector` is the only one that has them.

    Raises:
        PathNotFound: a file is not there.
        InvalidSettings: what was asked for contradicts itself, or a file cannot have vectors.
        MissingPart: a Parquet file needs a package that is not installed.
    """
    tables = [path for path in paths if path.suffix.lower() == ".parquet" and path.is_file()]
    if tables:
        pyarrow_parquet()
    if vectors is not None:
        return (_beside(paths, vectors, vector_field, root, options),)
    if vector_field is not None:
        return tuple(_within(path, vector_field, root, options) for path in paths)
    holders = [path for path in tables if _holds_vectors(path)]
    if not holders:
        return ()
    others = [path for path in paths if path not in holders]
    if others:
        raise InvalidSettings(
            f"`{holders[0]}` holds ready-made vectors, and `{others[0]}` does not",
            hint="ingest the two one after the other",
        )
    return tuple(_within(path, VECTOR_COLUMN, root, options) for path in holders)


def _beside(
    paths: Sequence[Path], vectors: Path, vector_field: str | None, root: Path, options: ReadOptions
) -> VectorFile:
    if vector_field is not None:
        raise InvalidSettings(
            f"--vectors {vectors} and --vector-field {vector_field} contradict each other",
            hint="vectors stand in a file of their own or in the records: leave one of the two out",
        )
    if len(paths) != 1:
        raise InvalidSettings(
            f"--vectors holds the vectors of one file of records, and {len(paths)} paths are named"
        )
    if not vectors.exists():
        raise PathNotFound(
            f"there is no file at `{vectors}`", hint=f"relative paths are looked up in `{Path.cwd()}`"
        )
    if vectors.is_dir():
        raise InvalidSettings(f"`{vectors}` is a folder, and --vectors names a file that `numpy.save` wrote")
    source = _records(paths[0], root, options)
    if source.reader == "parquet" and _holds_vectors(paths[0]):
        raise InvalidSettings(
            f"`{source.name}` has a column `{VECTOR_COLUMN}` of its own", hint="leave --vectors out"
        )
    return Beside(source, vectors)


def _within(path: Path, field: str, root: Path, options: ReadOptions) -> VectorFile:
    source = _records(path, root, options)
    if source.reader != "parquet":
        return Within(source, field)
    with faults_named(source.name), path.open("rb") as file:
        columns = list_columns(file)
    if field not in columns:
        raise InvalidSettings(
            f"`{source.name}` has no column `{field}` of lists of numbers",
            hint=f"it has such columns called {', '.join(columns)}" if columns else "it has no such column",
        )
    return Column(source, field)


def _records(path: Path, root: Path, options: ReadOptions) -> SourceFile:
    """A file of records that was named."""
    if path.is_dir():
        raise InvalidSettings(
            f"`{path}` is a folder, and vectors belong to the records of a file",
            hint="name the file itself",
        )
    for found in find_sources([path], root=root, options=options):
        if not isinstance(found, SourceFile):
            raise InvalidSettings(f"`{found.source}` cannot be imported: it {found.reason}")
        if path.is_file() and found.reader in {"jsonl", "csv", "parquet"}:
            return found
        break
    raise InvalidSettings(
        f"`{path}` is no file of records, and vectors belong to records",
        hint="JSONL, CSV and Parquet files hold records",
    )


def _holds_vectors(path: Path) -> bool:
    """Whether a table has the usual column of vectors.

    Raises:
        InvalidSettings: it has another one that could be meant, which is not for anybody to guess.
    """
    with faults_named(str(path)), path.open("rb") as file:
        columns = list_columns(file)
    if columns and VECTOR_COLUMN not in columns:
        raise InvalidSettings(
            f"`{path}` has no column `{VECTOR_COLUMN}`, but `{columns[0]}` holds lists of numbers",
            hint=f"`--vector-field {columns[0]}` takes them for vectors; to have the texts embedded instead, write "
            "the table without that column",
        )
    return VECTOR_COLUMN in columns
