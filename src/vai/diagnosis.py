"""What works on this machine: each part that `vai` needs is looked at, none is taken for granted."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vai.collection import Collection, list_collections
from vai.errors import StoreNotFound, VaiError
from vai.models.catalog import bundled_manifests, core_count, open_embedder, open_reranker
from vai.models.manifest import Manifest, damaged_files
from vai.settings import Settings, load_settings
from vai.types import CollectionInfo

TOLERANCE = 0.02
"""Relative; processors differ in the last bits, a wrong instruction set or a damaged file by far more."""
LOW_DISK = 500_000_000

State = Literal["fine", "note", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part: all is fine, something to know, or a fault with what to do about it."""

    about: str
    state: State
    message: str
    hint: str | None = None


def diagnose(store: Path, *, verify_store: bool = False) -> list[Finding]:
    """Look at every part; with `verify_store`, read all of the store too."""
    looks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _sqlite,
        _models,
        _documents,
        _voyage,
        lambda: _settings(store),
        lambda: _store(store, verify=verify_store),
    ]
    return [finding for look in looks for finding in look()]


def _python() -> Iterator[Finding]:
    cores = core_count()
    yield Finding(
        "python",
        "fine",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} "
        f"core{'' if cores == 1 else 's'} to use",
    )


def _sqlite() -> Iterator[Finding]:
    connection = sqlite3.connect(":memory:")
    try:
        options = {name for (name,) in connection.execute("PRAGMA compile_options")}
    finally:
        connection.close()
    if "ENABLE_FTS5" in options:
        yield Finding("sqlite", "fine", f"{sqlite3.sqlite_version} with full-text search")
    else:
        yield Finding(
            "sqlite",
            "note",
            f"{sqlite3.sqlite_version} without full-text search (FTS5)",
            hint="searching by words will need a Python whose SQLite has it",
        )


def _models() -> Iterator[Finding]:
    for manifest in bundled_manifests():
        damaged = damaged_files(manifest)
        if damaged:
            yield Finding(
                manifest.name,
                "fault",
                f"{', '.join(damaged)} is not what was shipped",
                hint="install vai again: `pip install --force-reinstall --no-deps vai-retrieval`",
            )
            continue
        try:
            value = _probe(manifest)
        except Exception as error:  # noqa: BLE001 - whatever a broken installation raises is the finding
            yield Finding(
                manifest.name,
                "fault",
                f"cannot run: {error}",
                hint="is onnxruntime installed for this machine?",
            )
            continue
        expected = manifest.probe.value
        if abs(value - expected) <= TOLERANCE * max(1.0, abs(expected)):
            yield Finding(
                manifest.name, "fine", f"revision {manifest.revision}, gives {value:.3f} as it should"
            )
        else:
            yield Finding(
                manifest.name,
                "fault",
                f"gives {value:.3f} where {expected:.3f} is right",
                hint="this processor or this onnxruntime computes something else: try another onnxruntime version",
            )


def _probe(manifest: Manifest) -> float:
    """What the model makes of the question and passage in its manifest: a similarity, or a logit."""
    probe = manifest.probe
    if manifest.kind == "embedder":
        embedder = open_embedder(manifest.name, threads=1)
        return float(embedder.embed_query(probe.query) @ embedder.embed_documents([probe.passage])[0])
    reading = open_reranker(manifest.name, threads=1).score(probe.query, [probe.passage])
    return float((reading.relevance if reading.logits is None else reading.logits)[0])


def _documents() -> Iterator[Finding]:
    try:
        import kreuzberg
    except ImportError as error:
        yield Finding(
            "kreuzberg",
            "fault",
            f"PDF, office and HTML files cannot be read: {error}",
            hint="`pip install kreuzberg`",
        )
    else:
        yield Finding("kreuzberg", "fine", f"{kreuzberg.__version__} reads PDF, office and HTML files")


def _voyage() -> Iterator[Finding]:
    if os.environ.get("VOYAGE_API_KEY"):
        yield Finding(
            "voyage", "fine", "VOYAGE_API_KEY is set; it is used only when one of its models is named"
        )
    else:
        yield Finding(
            "voyage",
            "note",
            "VOYAGE_API_KEY is not set, so its models cannot be named; everything else works without",
            hint="`export VOYAGE_API_KEY=…`, if you want `--rerank-model rerank-2.5`",
        )


def _settings(store: Path) -> Iterator[Finding]:
    try:
        load_settings(store, os.environ)
    except VaiError as error:
        yield Finding("settings", "fault", error.message, hint=error.hint)
    else:
        yield Finding("settings", "fine", "files and environment can be read")


def _store(store: Path, *, verify: bool) -> Iterator[Finding]:
    try:
        collections = list_collections(store)
    except StoreNotFound:
        yield Finding("store", "note", f"none at {store} yet", hint="`vai ingest PATH` makes one")
        return
    except VaiError as error:
        yield Finding("store", "fault", error.message, hint=error.hint)
        return
    yield _room(store, len(collections))
    for info in collections:
        try:
            yield _collection(store, info, verify=verify)
        except VaiError as error:
            yield Finding(f"collection {info.name}", "fault", error.message, hint=error.hint)


def _room(store: Path, collections: int) -> Finding:
    """Where the store is, and whether it can grow."""
    free = shutil.disk_usage(store).free
    held = f"{store}, {collections} collection{'' if collections == 1 else 's'}, {free / 1e9:,.1f} GB free"
    if not os.access(store, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return Finding("store", "note", f"{held}; it can be read but not written to")
    if free < LOW_DISK:
        return Finding("store", "note", held, hint="a large ingest may fill the disk: make room first")
    return Finding("store", "fine", held)


def _collection(store: Path, info: CollectionInfo, *, verify: bool) -> Finding:
    """Whether a collection is whole, if that is to be verified, and up to date."""
    about = f"collection {info.name}"
    with Collection.open(store, info.name, create=False, settings=Settings()) as collection:
        fresh = collection.freshness()
        faults = collection.check() if verify else ()
    if faults:
        return Finding(
            about,
            "fault",
            "; ".join(faults),
            hint=f"delete `{store / 'collections' / info.name}` and ingest again; your files are untouched",
        )
    chunks = f"{info.chunks:,} chunk{'' if info.chunks == 1 else 's'}{', all verified' if verify else ''}"
    if fresh.changed or fresh.gone:
        return Finding(
            about,
            "note",
            f"{chunks}; of {info.sources:,} sources {fresh.changed:,} changed since they were ingested, "
            f"{fresh.gone:,} gone",
            hint="`vai ingest PATH` brings it up to date",
        )
    return Finding(about, "fine", chunks)
