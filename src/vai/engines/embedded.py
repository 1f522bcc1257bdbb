"""The default engine: collections in one folder of the user's machine.

<store>/
  store.json             format of the store
  .gitignore             keeps the store out of version control
  collections/<name>/
    collection.db        SQLite: what exists (documents, chunks, what was ingested of each source)
    vectors-0001.f32     the vectors, addressed by row
    owners-0001.u32      for each of them the number of its document
    index-0001-0001.ann  the approximate index; can be thrown away and built anew
    writer.lock          held by the one who writes, writer.json says who that is
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vai.engines.analysis import ANALYSIS_VERSION
from vai.engines.database import NeedsMigrationError, create_database, failures_named
from vai.engines.layout import DATABASE, owners_name, vectors_name
from vai.engines.reader import Reader
from vai.engines.searching import Search
from vai.errors import (
    CollectionNotFound,
    InvalidSettings,
    StoreBusy,
    StoreCorrupt,
    StoreNotFound,
    StoreTooNew,
)
from vai.types import (
    BY_BOTH,
    BY_VECTOR,
    Chunk,
    CollectionInfo,
    Found,
    IndexCost,
    IndexInfo,
    IndexProgress,
    Pool,
    Precision,
    Provenance,
    SourceState,
    Stage1,
)

if TYPE_CHECKING:
    from vai.arrays import Matrix, Vector
    from vai.engines.writer import EmbeddedWriter
    from vai.filters import Filter

STORE_SCHEMA = "vai.store/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class EmbeddedEngine:
    """See `vai.protocols.Engine`. Any number of threads may read; it is closed when it is no longer used.

    Args:
        store: the folder.
        create: the first collection that is made may make the store too.

    Raises:
        StoreNotFound: there is no store at that place, and none is to be made.
        StoreCorrupt, StoreTooNew: what is there is no store of this version.
    """

    name = "embedded"

    def __init__(self, store: Path, *, create: bool = True) -> None:
        self.store = store
        self._readers: dict[str, list[Reader]] = {}
        self._finalizer = weakref.finalize(self, _close_readers, self._readers)
        with failures_named(store, "read"):
            found = (store / "store.json").is_file()
        if found:
            _check_store(store)
        elif not create:
            raise StoreNotFound(
                f"there is no store at `{store}`",
                hint="`vai ingest PATH` makes one, `--store DIR` names another",
            )

    def close(self) -> None:
        """Let go of all files. The engine can still be used: it opens them again."""
        _close_readers(self._readers)

    def collections(self) -> Sequence[CollectionInfo]:
        return [self.describe(name) for name in self.names()]

    def names(self) -> Sequence[str]:
        """The collections that are there, whether or not they can be read."""
        folder = self.store / "collections"
        with failures_named(folder, "read"):
            names = sorted(path.parent.name for path in folder.glob(f"*/{DATABASE}"))
        return [name for name in names if _NAME.fullmatch(name)]

    def describe(self, collection: str) -> CollectionInfo:
        with self._reader(collection) as reader:
            return reader.describe(collection)

    def provenance(self, collection: str) -> Provenance:
        with self._reader(collection) as reader:
            return reader.provenance()

    def create(self, collection: str, provenance: Provenance) -> None:
        if not _NAME.fullmatch(collection):
            raise InvalidSettings(
                f"`{collection}` cannot name a collection",
                hint="use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
            )
        with failures_named(self.store):
            if not (self.store / "store.json").is_file():
                _create_store(self.store)
        folder = self.store / "collections" / collection
        with failures_named(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / DATABASE).exists():
                return
            with self._lock(collection):
                if (folder / DATABASE).exists():
                    return
                for leftover in folder.glob(f"{DATABASE}*"):  # a `-wal` would be read into the new database
                    leftover.unlink()
                unfinished = folder / f"{DATABASE}.new"
                meta: dict[str, str | int] = {
                    "embedder": provenance.embedder,
                    "revision": provenance.revision,
                    "dimension": provenance.dimension,
                    "chunk_tokens": provenance.chunk_tokens,
                    "vectors": vectors_name(1),
                    "index": "",
                    "analysis": ANALYSIS_VERSION,
                    "rows": 0,
                    "changes": 0,
                    "updated": datetime.now(UTC).isoformat(timespec="seconds"),
                }
                (folder / vectors_name(1)).touch()
                (folder / owners_name(1)).touch()
                create_database(unfinished, meta)
                unfinished.rename(folder / DATABASE)

    def drop(self, collection: str) -> None:
        folder = self._folder(collection)
        with self._lock(collection), failures_named(folder):
            _close_readers({collection: self._readers.get(collection, [])})
            (folder / DATABASE).unlink()  # first, so that a half-removed collection is no collection
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def writing(self, collection: str) -> Iterator[EmbeddedWriter]:
        from vai.engines.writer import EmbeddedWriter

        self._folder(collection)
        with self._lock(collection):
            folder = self._folder(collection)  # which may have been dropped meanwhile
            with failures_named(folder):
                writer = EmbeddedWriter(folder)
            try:
                yield writer
                writer.compact()
            finally:
                writer.close()

    def search(
        self,
        collection: str,
        vector: Vector,
        *,
        limit: int,
        num_candidates: int,
        exact: bool = False,
        text: str = "",
        stage1: Stage1 = BY_VECTOR,
        filter: Filter | None = None,
    ) -> Found:
        with self._reader(collection) as reader:
            return reader.search(Search(vector, limit, num_candidates, exact, text, stage1, filter))

    def pool(
        self,
        collection: str,
        vector: Vector,
        *,
        text: str,
        limit: int,
        num_candidates: int,
        exact: bool = False,
        filter: Filter | None = None,
    ) -> Pool:
        with self._reader(collection) as reader:
            return reader.pool(Search(vector, limit, num_candidates, exact, text, BY_BOTH, filter))

    def fields(self, collection: str) -> Sequence[str]:
        with self._reader(collection) as reader:
            return reader.fields()

    def documents(self, collection: str, filter: Filter | None = None) -> Sequence[str]:
        with self._reader(collection) as reader:
            return reader.documents(filter)

    def scan(self, collection: str, filter: Filter | None = None) -> Iterator[tuple[Sequence[Chunk], Matrix]]:
        with self._reader(collection) as reader:
            yield from reader.scan(filter)

    def sample(self, collection: str, count: int) -> Matrix:
        with self._reader(collection) as reader:
            return reader.sample(count)

    def index(self, collection: str) -> IndexInfo:
        with self._reader(collection) as reader:
            return reader.index(collection)

    def index_cost(self, collection: str, precision: Precision | None = None) -> IndexCost:
        with self._reader(collection) as reader:
            return reader.covering().cost(precision)

    def build_index(
        self,
        collection: str,
        precision: Precision | None = None,
        progress: Callable[[IndexProgress], None] | None = None,
    ) -> IndexInfo:
        with self.writing(collection) as writer:
            writer.build_index(precision, progress)
        return self.index(collection)

    def chunks(self, collection: str, ids: Sequence[str]) -> Mapping[str, Chunk]:
        with self._reader(collection) as reader:
            return reader.chunks(ids)

    def source_states(self, collection: str, names: Sequence[str] | None = None) -> Sequence[SourceState]:
        with self._reader(collection) as reader:
            return reader.source_states(names)

    def check(self, collection: str) -> Sequence[str]:
        with self._reader(collection) as reader:
            return reader.check()

    def _folder(self, collection: str) -> Path:
        folder = self.store / "collections" / collection
        with failures_named(folder, "read"):
            found = _NAME.fullmatch(collection) is not None and (folder / DATABASE).is_file()
        if not found:
            raise CollectionNotFound(
                f"there is no collection `{collection}` in `{self.store}`",
                hint="`vai status` lists those there are, `vai ingest PATH --collection NAME` makes one",
            )
        return folder

    @contextmanager
    def _reader(self, collection: str) -> Iterator[Reader]:
        """A reader that no other thread has at the same time; readers are kept for the next who asks."""
        folder = self._folder(collection)
        with failures_named(folder, "read"):
            free = self._readers.setdefault(collection, [])
            reader = _take(free, folder / DATABASE) or self._open_reader(collection, folder)
            try:
                yield reader
            except BaseException:
                reader.close()
                raise
            free.append(reader)

    def _open_reader(self, collection: str, folder: Path) -> Reader:
        """A new reader, after bringing the collection to this version's format where that is needed."""
        try:
            return Reader(folder)
        except NeedsMigrationError:
            with self.writing(collection):
                return Reader(folder)

    @contextmanager
    def _lock(self, collection: str) -> Iterator[None]:
        """The right to write, which one process has at a time."""
        from filelock import FileLock, Timeout

        folder = self.store / "collections" / collection
        holder = folder / "writer.json"
        lock = FileLock(folder / "writer.lock", timeout=0)
        with failures_named(folder):
            try:
                lock.acquire()
            except Timeout as error:
                raise StoreBusy(
                    f"the collection `{collection}` is being written to by {_described(holder)}",
                    hint="try again when it has finished; queries go on meanwhile",
                ) from error
        try:
            with suppress(OSError):  # it only serves to tell others who writes
                holder.write_text(json.dumps(_this_process()), encoding="utf-8")
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            lock.release()


def _take(free: list[Reader], database: Path) -> Reader | None:
    """A kept reader, unless its database has been replaced by another of the same name."""
    while free:
        try:
            reader = free.pop()
        except IndexError:  # another thread was faster
            return None
        if reader.reads(database):
            return reader
        reader.close()
    return None


def _close_readers(readers: dict[str, list[Reader]]) -> None:
    for free in readers.values():
        while free:
            free.pop().close()


def _create_store(store: Path) -> None:
    store.mkdir(parents=True, exist_ok=True)
    if not any(store.iterdir()):  # what a folder holds already is somebody's work, not to be hidden from git
        (store / ".gitignore").write_text(
            "# The store is made from your files and can be made again.\n*\n", encoding="utf-8"
        )
    unfinished = store / "store.json.new"
    unfinished.write_text(json.dumps({"schema": STORE_SCHEMA}) + "\n", encoding="utf-8")
    unfinished.replace(store / "store.json")


def _check_store(store: Path) -> None:
    path = store / "store.json"
    with failures_named(store, "read"):
        written = path.read_bytes()
    try:
        schema = json.loads(written)["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorrupt(
            f"`{path}` is damaged ({error})",
            hint=f"delete the folder `{store}` and ingest again to build it anew",
        ) from error
    if schema != STORE_SCHEMA:
        raise StoreTooNew(
            f"the store `{store}` has format `{schema}`, and this version of vai knows `{STORE_SCHEMA}`",
            hint="install a newer vai, or name another store with `--store`",
        )


def _this_process() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
    }


def _described(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} since {who['since']} (`{who['command']}`)"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
