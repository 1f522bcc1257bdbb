"""A corpus that comes with its questions, in a store of its own: ingested once, and again only where it has changed.

beir:PATH    a folder or zip in BEIR's layout, with its corpus.jsonl

<cache>/corpora/<name>-<digest of the path>/
  .vai/                                    the store, unless another one was named
  .corpora/<name>-<digest>.jsonl           of a zip, its corpus.jsonl, which an ingest can read as a file
  .corpora/<name>-<digest>.json            what the zip was when that was copied
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vai.collection import Collection, located_store
from vai.disk import NO_ROOM, reason_of, write_whole
from vai.documents import source_name
from vai.errors import CollectionNotFound, InvalidSettings, PathNotFound, StoreFull, StoreReadOnly
from vai.evaluation.data.beir import CORPUS, BeirZip, opened_zip, read_beir
from vai.evaluation.data.testsets import TestSet
from vai.models.catalog import DEFAULT_EMBEDDER
from vai.models.names import canonical_name
from vai.protocols import Embedder, Reranker
from vai.settings import STORE_FOLDER, Settings, load_settings
from vai.types import IndexProgress, IngestProgress, IngestReport

COPIES = ".corpora"
"""Hidden, so that no ingest of the folder that holds the store comes upon them."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class PreparedCorpus:
    """A corpus that is up to date: its collection, open and to be closed, and the questions about it."""

    collection: Collection
    test_set: TestSet
    ingest: IngestReport


def prepare_corpus(
    spec: str,
    *,
    store: Path | None = None,
    split: str = "test",
    chunking: bool = True,
    embedder: str | Embedder | None = None,
    reranker: str | Reranker | None = None,
    dimension: int | None = None,
    query_embedder: str | None = None,
    max_usd: float | None = None,
    settings: Settings | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[IngestProgress], None] | None = None,
    index_progress: Callable[[IndexProgress], None] | None = None,
) -> PreparedCorpus:
    """Bring the collection of a corpus up to date, and open it; a corpus that has not changed costs no model call.

    Each way to make it (whole documents, another embedder, other dimensions) has a collection of its own.

    Args:
        spec: the corpus, as `beir:PATH`.
        store: where its collections are; one of its own in the user's cache folder if None.
        split: which judgements, as for `read_test_set`.
        chunking: whether its documents are cut into chunks.
        embedder, reranker, dimension, query_embedder, max_usd, settings, say: as for `Collection.open`.
        progress, index_progress: as for `Collection.ingest`.

    Raises:
        InvalidSettings: it is no such corpus; or the collection of its name holds something else.
        PathNotFound: nothing is there.
        and all that `Collection.ingest` raises.
    """
    path = _path_in(spec)
    test_set = read_beir(path, split)
    _require_corpus(path)
    key = f"{_as_name(test_set.name)}-{hashlib.blake2b(os.fsencode(path), digest_size=5).hexdigest()}"
    folder = located_store(_cache() / key / STORE_FOLDER if store is None else store)
    in_force = load_settings(folder, os.environ) if settings is None else settings
    name = _collection_name(test_set.name, embedder or in_force.embedder, dimension, chunking=chunking)
    collection = Collection.open(
        folder,
        name,
        embedder=embedder,
        reranker=reranker,
        dimension=dimension,
        query_embedder=query_embedder,
        max_usd=max_usd,
        settings=in_force,
        say=say,
    )
    try:
        corpus = path / CORPUS if path.is_dir() else _copied(path, collection.root / COPIES / f"{key}.jsonl")
        _require_own(collection, corpus)
        report = collection.ingest(
            corpus, chunking=chunking, progress=progress, index_progress=index_progress
        )
    except BaseException:
        collection.close()
        raise
    return PreparedCorpus(collection, test_set, report)


# ── what is meant ──


def _path_in(spec: str) -> Path:
    kind, colon, path = spec.partition(":")
    if not colon or kind != "beir" or not path:
        raise InvalidSettings(
            f"--corpus is a kind and a path, and the one kind there is is beir: {spec}",
            hint="`--corpus beir:PATH` takes a folder or a zip in BEIR's layout",
        )
    try:
        found = Path(path).expanduser().absolute()
    except RuntimeError as error:  # the home folder of a user who is not known
        raise InvalidSettings(f"`{path}` cannot name a corpus: {error}") from error
    if not found.exists():
        raise PathNotFound(
            f"there is no corpus at `{path}`", hint=f"relative paths are looked up in `{Path.cwd()}`"
        )
    return found


def _require_corpus(path: Path) -> None:
    """Refuse a set of questions without their documents."""
    try:
        if path.is_dir() and not (path / CORPUS).is_file():
            raise PathNotFound(f"there is no `{CORPUS}` in `{path}`")
        if not path.is_dir():
            with opened_zip(path) as archive:
                archive.info(CORPUS)
    except PathNotFound as error:
        raise InvalidSettings(
            error.message, hint="`--test-set` takes questions alone, about a collection that is there"
        ) from error


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("vai", appauthor=False) / "corpora"


def _collection_name(
    test_set: str, embedder: str | Embedder | None, dimension: int | None, *, chunking: bool
) -> str:
    """A name that tells apart the ways in which a corpus can be ingested."""
    model = DEFAULT_EMBEDDER
    if embedder is not None:
        model = canonical_name(embedder) if isinstance(embedder, str) else embedder.name
    parts = [_as_name(test_set)]
    parts += ["whole"] * (not chunking)
    parts += [_as_name(model)] * (model != DEFAULT_EMBEDDER)
    parts += [f"{dimension}"] * (dimension is not None)
    name = "-".join(parts)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}-{digest}"


def _as_name(text: str) -> str:
    """The text with a dash for what no collection's name can hold."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "corpus"


def _require_own(collection: Collection, corpus: Path) -> None:
    """Refuse a collection that something else was ingested into: questions would be asked of a mixture."""
    try:
        states = collection.engine.source_states(collection.name)
    except CollectionNotFound:
        return
    own = source_name(corpus, collection.root)
    others = [state.name for state in states if state.name != own]
    if others:
        raise InvalidSettings(
            f"the collection `{collection.name}` is not of this corpus alone: it holds `{others[0]}`",
            hint=f"name another store, or remove the collection with `vai collections --drop {collection.name}`",
        )


# ── the corpus of a zip, as a file ──


def _copied(path: Path, copy: Path) -> Path:
    """The archive's corpus as a file; it is copied again only when size, time or checksum are others.

    Raises:
        InvalidSettings: it cannot be unpacked.
        StoreFull, StoreReadOnly: it cannot be written.
    """
    with opened_zip(path) as archive:
        is_now = _fingerprint(path, archive)
        if not _is_copied(copy, is_now):
            try:
                _prepare(copy.parent)
                _copy(archive, copy)
                write_whole(copy.with_suffix(".json"), json.dumps(is_now))
            except OSError as error:
                kind = StoreFull if error.errno in NO_ROOM else StoreReadOnly
                raise kind(f"`{copy}` cannot be written: {reason_of(error)}") from error
    return copy


def _fingerprint(path: Path, archive: BeirZip) -> dict[str, int]:
    status, info = path.stat(), archive.info(CORPUS)
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "crc": info.CRC,
        "corpus_size": info.file_size,
    }


def _is_copied(copy: Path, fingerprint: dict[str, int]) -> bool:
    try:
        recorded = json.loads(copy.with_suffix(".json").read_bytes())
        return bool(recorded == fingerprint and copy.stat().st_size == fingerprint["corpus_size"])
    except (OSError, ValueError):
        return False


def _prepare(folder: Path) -> None:
    """A folder for copies, which version control leaves alone."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        write_whole(folder / ".gitignore", "*\n")


def _copy(archive: BeirZip, copy: Path) -> None:
    """The corpus under a passing name, then in its place."""
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}.new")
    try:
        with unfinished.open("wb") as target:
            for block in archive.blocks(CORPUS):
                target.write(block)
        unfinished.replace(copy)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
