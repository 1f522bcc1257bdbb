"""What works on this machine: each part that `vai` needs is looked at, none is taken for granted."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vai.collection import Collection, survey_collections
from vai.errors import StoreNotFound, VaiError
from vai.models.catalog import bundled_manifests, core_count, open_embedder, open_reranker
from vai.models.manifest import Manifest, damaged_files
from vai.settings import Settings, load_settings
from vai.types import CollectionInfo, Freshness, IndexInfo

TOLERANCE = 0.02
"""Relative; processors differ in the last bits, a wrong instruction set or a damaged file by far more."""
LOW_DISK = 500_000_000
MENDED_BY = "`vai index`"
"""What a fault names that is one of the index alone; a collection need not be made again for it."""

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
    yield Finding("sqlite", "fine", sqlite3.sqlite_version)


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
    return float(open_reranker(manifest.name, threads=1).score(probe.query, [probe.passage]).values[0])


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
        whole, damaged = survey_collections(store)
    except StoreNotFound:
        yield Finding("store", "note", f"none at {store} yet", hint="`vai ingest PATH` makes one")
        return
    except VaiError as error:
        yield Finding("store", "fault", error.message, hint=error.hint)
        return
    yield _room(store, len(whole) + len(damaged))
    for info in whole:
        try:
            yield from _collection(store, info, verify=verify)
        except VaiError as error:
            yield Finding(f"collection {info.name}", "fault", error.message, hint=error.hint)
    for item in damaged:
        yield Finding(f"collection {item.name}", "fault", item.fault, hint=item.hint)


def _room(store: Path, collections: int) -> Finding:
    """Where the store is, and whether it can grow."""
    free = shutil.disk_usage(store).free
    held = f"{store}, {collections} collection{'' if collections == 1 else 's'}, {free / 1e9:,.1f} GB free"
    if not os.access(store, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return Finding("store", "note", f"{held}; it can be read but not written to")
    if free < LOW_DISK:
        return Finding("store", "note", held, hint="a large ingest may fill the disk: make room first")
    return Finding("store", "fine", held)


def _collection(store: Path, info: CollectionInfo, *, verify: bool) -> Iterator[Finding]:
    """Whether a collection is whole, if that is to be verified, and up to date; and how its index is."""
    with Collection.open(store, info.name, create=False, settings=Settings()) as collection:
        fresh = collection.freshness()
        faults = collection.check() if verify else ()
        index = collection.index()
    of_index = [fault for fault in faults if MENDED_BY in fault]
    yield _contents(store, info, fresh, [fault for fault in faults if fault not in of_index], verify=verify)
    yield from _index(index, of_index)


def _contents(
    store: Path, info: CollectionInfo, fresh: Freshness, faults: Sequence[str], *, verify: bool
) -> Finding:
    about = f"collection {info.name}"
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


def _index(index: IndexInfo, faults: Sequence[str]) -> Iterator[Finding]:
    """The index of a collection, if there is one or should be. It is derived: what is wrong with it loses nothing."""
    about = f"index of {index.collection}"
    hint = f"`vai index --collection {index.collection}` builds a new one; the next ingest does too"
    if faults or index.state == "damaged":
        message = (
            "; ".join(fault.partition(f": {MENDED_BY}")[0] for fault in faults) or "it is gone or damaged"
        )
        yield Finding(about, "fault", f"{message}; every vector is compared instead", hint=hint)
    elif index.state == "missing":
        yield Finding(about, "note", "there is none yet; every vector is compared instead", hint=hint)
    elif index.state == "fresh":
        beside = f", {index.unindexed:,} beside it" if index.unindexed else ""
        yield Finding(about, "fine", f"{index.precision}, {index.covered:,} chunks{beside}")
