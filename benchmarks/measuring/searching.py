"""What is measured of an engine: how deep it has to search, warm and first searches, changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from measuring.engines import Engine
from measuring.processes import PROGRAMS, environment
from measuring.truth import Truth, Vectors

GIVEN_UP = 4_000
"""No deeper than this is searched."""
STEP = 1.12
"""Each depth that is tried is so many times the one before."""

# ── depth ──


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep an engine has to search for a recall, and what it then comes to.

    Args:
        depth: the least that reaches the goal, or the one with the greatest recall where none does.
        tried: each depth that was tried with its recall.
        similarity_error: the greatest difference between a similarity that came back and the exact one.
    """

    limit: int
    depth: int
    recall: float
    reached: bool
    similarity_error: float
    tried: dict[int, float]


def least_depth(engine: Engine, vectors: Vectors, truth: Truth, limit: int, goal: float, count: int) -> Depth:
    """Bisect depths for the least that reaches the goal; recall is taken to grow with depth."""
    grid = _depths(limit) if engine.about["depths"] else [limit]
    answers: dict[int, Any] = {}
    recalls: dict[int, float] = {}

    def reaches(place: int) -> bool:
        depth = grid[place]
        if depth not in recalls:
            answers[depth] = engine.search(vectors, limit, depth, count, seconds=60)
            recalls[depth] = truth.recall(answers[depth]["rows"], limit)
        return recalls[depth] >= goal

    low, high = 0, len(grid) - 1
    if reaches(high):
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if reaches(middle) else (middle + 1, high)
        best = grid[high]
        reaches(high)
    else:
        for place in range(0, len(grid), 4):
            reaches(place)
        best = min(depth for depth, recall in recalls.items() if recall >= max(recalls.values()) - 0.001)
    return Depth(
        limit=limit,
        depth=best,
        recall=recalls[best],
        reached=recalls[best] >= goal,
        similarity_error=_error(answers[best], vectors),
        tried=dict(sorted(recalls.items())),
    )


def _depths(limit: int) -> list[int]:
    count = int(np.log(GIVEN_UP / limit) / np.log(STEP)) + 1
    return sorted({round(limit * STEP**power) for power in range(count + 1)})


def _error(answer: Any, vectors: Vectors) -> float:
    stored, queries = np.load(vectors.collection, mmap_mode="r"), np.load(vectors.queries)
    return max(
        float(np.abs(stored[rows] @ query - np.array(values)).max())
        for rows, values, query in zip(answer["rows"], answer["similarities"], queries, strict=False)
        if rows
    )


# ── warm searches ──


@dataclass(frozen=True, slots=True)
class Warm:
    """One round of searches, one after another on one core, in ms; memory in bytes after those for 20.

    The searches of one category are None for an engine that has none.
    """

    p50_20: float
    p95_20: float
    p50_100: float
    p95_100: float
    p50_category: float | None
    p95_category: float | None
    recall_category: float | None
    memory: int


def warm_searches(
    python: Path,
    name: str,
    folder: Path,
    vectors: Vectors,
    truth: Truth,
    depths: dict[int, Depth],
    count: int,
) -> Warm:
    """One round: a new process opens the collection and asks everything twice; the second time counts."""
    with Engine(python, name, folder) as engine:
        engine.do("open")
        few = engine.search(vectors, 20, depths[20].depth, count)
        few = engine.search(vectors, 20, depths[20].depth, count)
        memory = engine.do("memory")["RssAnon"]
        many = engine.search(vectors, 100, depths[100].depth, count)
        many = engine.search(vectors, 100, depths[100].depth, count)
        p50, p95, recall = None, None, None
        if engine.about["filters"]:
            some = engine.search(vectors, 20, depths[20].depth, count, by_category=True)
            some = engine.search(vectors, 20, depths[20].depth, count, by_category=True)
            p50, p95 = _percentiles(some["ms"])
            recall = truth.recall(some["rows"], 20, by_category=True)
        engine.do("close")
    return Warm(*_percentiles(few["ms"]), *_percentiles(many["ms"]), p50, p95, recall, memory)


def _percentiles(milliseconds: Sequence[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(np.array(milliseconds), [50, 95])
    return float(p50), float(p95)


# ── the first search of a process ──


def first_search(python: Path, name: str, folder: Path, vectors: Vectors, depth: int, scratch: Path) -> float:
    """Milliseconds from the start of a process until it has said what it found for the first query."""
    query = scratch / "query.f32"
    np.load(vectors.queries, mmap_mode="r")[0].tofile(query)
    command: list[str | Path] = [python, PROGRAMS / "first_search.py", name, folder, query, "20", str(depth)]
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = ""
        for line in process.stdout:
            if line.startswith("rows "):
                rows = line
                break
        milliseconds = (time.perf_counter() - began) * 1000
        process.stdout.read()
    if process.returncode or not rows:
        raise SystemExit(f"the first search of {name} failed")
    return milliseconds


# ── changes ──


@dataclass(frozen=True, slots=True)
class Change:
    """Seconds to add and to delete 1 %, each until it is durable and a search has seen it.

    `before` and `after` are the p50 in ms of searches for 20 before and after both.
    """

    add: float
    delete: float
    before: float
    after: float


def change(
    python: Path, name: str, folder: Path, vectors: Vectors, depth: int, scratch: Path, count: int
) -> Change:
    """Add 1 % to a copy of a collection and delete 1 % of it, each in one go by a process that has it open."""
    copy = scratch / "changed"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    os.sync()  # or the first sync of the engine would wait for the copy to reach the disk
    some = max(1, vectors.rows // 100)
    dead = np.random.default_rng(1).choice(vectors.rows, size=some, replace=False)
    stored = str(vectors.collection)
    with Engine(python, name, copy) as engine:
        engine.do("open")
        before = engine.search(vectors, 20, depth, count)["ms"]
        before = engine.search(vectors, 20, depth, count)["ms"]
        add = engine.do("add", vectors=stored, first=vectors.rows, count=some, depth=depth)["seconds"]
        _check_found(engine, vectors, range(vectors.rows, vectors.rows + some, max(1, some // 20)), depth)
        delete = engine.do("delete", vectors=stored, rows=dead.tolist(), depth=depth)["seconds"]
        _check_gone(engine, vectors, dead[:20].tolist(), depth)
        engine.search(vectors, 20, depth, count)
        after = engine.search(vectors, 20, depth, count)["ms"]
        engine.do("close")
    shutil.rmtree(copy)
    return Change(add, delete, float(np.median(before)), float(np.median(after)))


def _check_found(engine: Engine, vectors: Vectors, rows: Sequence[int], depth: int) -> None:
    """Nearly all that was added is found by its own vector: an index may miss some."""
    found = sum(row in _own_search(engine, vectors, row, depth) for row in rows)
    if found < 0.9 * len(rows):
        raise SystemExit(f"{engine.name} finds only {found} of {len(rows)} rows that were added")


def _check_gone(engine: Engine, vectors: Vectors, rows: Sequence[int], depth: int) -> None:
    still = [row for row in rows if row in _own_search(engine, vectors, row, depth)]
    if still:
        raise SystemExit(f"{engine.name} still finds deleted rows: {still}")


def _own_search(engine: Engine, vectors: Vectors, row: int, depth: int) -> list[int]:
    request = {"vectors": str(vectors.collection), "first": row, "count": 1}
    answer = engine.do("search", **request, limit=20, depth=depth, by_category=False, seconds=60)
    rows: list[int] = answer["rows"][0]
    return rows
