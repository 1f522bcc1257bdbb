"""Engines in processes of their own, and the collections that they have built."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring.machine import commit
from measuring.processes import Worker
from measuring.report import say
from measuring.truth import Vectors


class Engine(Worker):
    """A process with one engine: see `programs/engine_worker.py`.

    Args:
        cores: how many cores it may use, 0 for all.
    """

    def __init__(self, python: Path, name: str, folder: Path, *, cores: int = 1) -> None:
        self.name = name
        super().__init__("engine_worker.py", name, folder, str(cores), python=python)

    def do(self, what: str, **request: Any) -> Any:
        """The answer to a request."""
        return self.ask(json.dumps({"do": what, **request}))

    def search(
        self,
        vectors: Vectors,
        limit: int,
        depth: int,
        count: int,
        *,
        by_category: bool = False,
        seconds: float = 20,
    ) -> Any:
        """Times in ms, rows and similarities for the first `count` queries, or as many as the time allows."""
        return self.do(
            "search",
            vectors=str(vectors.queries),
            first=0,
            count=count,
            limit=limit,
            depth=depth,
            by_category=by_category,
            seconds=seconds,
        )

    def peak_during(self, what: str, **request: Any) -> tuple[Any, int]:
        """The answer to a request, and the most memory of its own that the process had meanwhile, in bytes."""
        peak, done = [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                peak[0] = max(peak[0], own_memory(self._process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            return self.do(what, **request), peak[0]
        finally:
            done.set()
            watcher.join()


def own_memory(process: int) -> int:
    """Bytes of a process that are no file's, now; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


# ── built collections ──


@dataclass(frozen=True, slots=True)
class Built:
    """A collection that was built, and what is known of how.

    `quiet` says that it was built for its time to be told: by all cores, on a machine that did nothing else.
    """

    folder: Path
    seconds: float
    peak_bytes: int
    threads: int
    quiet: bool
    bytes: int
    commit: str
    digest: str


def built(python: Path, name: str, work: Path, vectors: Vectors, *, threads: int, quiet: bool) -> Built:
    """The collection of an engine; built if it is not there, or to tell the time and that was not done yet."""
    folder = work / str(vectors.rows) / name
    note = folder.with_suffix(".json")
    if note.is_file():
        found = Built(**{**json.loads(note.read_text(encoding="utf-8")), "folder": folder})
        if found.digest == vectors.digest and (found.quiet or not quiet):
            return found
        note.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"building {vectors.rows:,} rows with {name}, {threads} threads")
    with Engine(python, name, folder, cores=threads) as engine:
        answer, peak = engine.peak_during(
            "build", vectors=str(vectors.collection), rows=vectors.rows, threads=threads
        )
        engine.do("close")
    size = bytes_below(folder)
    made = Built(folder, answer["seconds"], peak, threads, quiet, size, commit(), vectors.digest)
    fields = {field: getattr(made, field) for field in Built.__slots__ if field != "folder"}
    note.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")  # last: it says that all is there
    say(f"built: {made.seconds:,.1f} s, {made.peak_bytes / 1e6:,.0f} MB, {size / 1e6:,.0f} MB on disk")
    return made


def bytes_below(folder: Path) -> int:
    """Size of all files below a folder, as the disk holds them."""
    return sum(
        path.stat().st_blocks * 512 if hasattr(os.stat_result, "st_blocks") else path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    )
