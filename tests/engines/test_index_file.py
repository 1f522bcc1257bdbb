"""The approximate index: what it finds, and that its file is there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from machine import Unprivileged, largest_file
from vai.arrays import Matrix
from vai.engines.index import (
    EXACT_BELOW,
    AnnIndex,
    IndexDamagedError,
    IndexFile,
    build,
    expected_cost,
    extend,
    needs_rebuild,
    stamped,
    verify,
)
from vai.types import IndexProgress, Precision

DIMENSION = 24
ROWS = 2_500
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "binary")


def clustered(count: int, seed: int) -> Matrix:
    """Unit vectors around the same forty directions, as texts are about a number of subjects."""
    subjects = np.random.default_rng(0).standard_normal((40, DIMENSION))
    random = np.random.default_rng(seed)
    drawn = subjects[random.integers(0, 40, count)] + 0.6 * random.standard_normal((count, DIMENSION))
    unit: Matrix = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


VECTORS = clustered(ROWS, seed=1)
QUERIES = clustered(50, seed=2)


def best_of(rows: NDArray[np.int64], query: NDArray[np.float32], vectors: Matrix) -> set[int]:
    """The ten of these rows that are most similar to the query, by definition."""
    return set(rows[np.argsort(-(vectors[rows] @ query), kind="stable")][:10].tolist())


def recall(index: AnnIndex, depth: int, vectors: Matrix = VECTORS) -> float:
    """The mean share of a query's best ten rows that are found by searching so deep and comparing exactly."""
    everything = np.arange(len(vectors))
    shares = [
        len(best_of(everything, query, vectors) & best_of(index.search(query, depth), query, vectors)) / 10
        for query in QUERIES
    ]
    return float(np.mean(shares))


def built(path: Path, vectors: Matrix = VECTORS, precision: Precision = "int8") -> IndexFile:
    """An index over all of the vectors, the same every time."""
    return build(path, vectors, np.arange(len(vectors)), precision, threads=1)


@pytest.fixture(scope="module", params=PRECISIONS)
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IndexFile]:
    """For every precision, a folder and the index in it."""
    folder = tmp_path_factory.mktemp(request.param)
    return folder, built(folder / "index.ann", precision=request.param)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IndexFile]:
    """A folder and the index in it, which tests only read."""
    folder = tmp_path_factory.mktemp("original")
    return folder, built(folder / "index.ann", VECTORS[:1_000])


@pytest.fixture
def copied(original: tuple[Path, IndexFile], tmp_path: Path) -> tuple[Path, IndexFile]:
    """A copy to damage; the file has the time that was noted."""
    folder, file = original
    (tmp_path / file.name).write_bytes((folder / file.name).read_bytes())
    os.utime(tmp_path / file.name, ns=(file.mtime_ns, file.mtime_ns))
    return tmp_path, file


# ── finding ──────────────────────────────────────────────────────────────────────────────────────


def test_nearly_all_of_the_best_rows_are_found(each: tuple[Path, IndexFile]) -> None:
    index = AnnIndex.open(*each)
    assert recall(index, depth=600 if each[1].precision == "binary" else 50) >= 0.99
    index.close()


def test_searching_deeper_never_lowers_mean_recall(each: tuple[Path, IndexFile]) -> None:
    index = AnnIndex.open(*each)
    recalls = [recall(index, depth) for depth in (10, 20, 40, 80, 160, 320)]
    assert all(shallow <= deep for shallow, deep in pairwise(recalls))
    assert recalls[0] < recalls[-1]
    index.close()


def test_a_search_finds_as_many_rows_as_it_is_deep_and_never_one_twice(each: tuple[Path, IndexFile]) -> None:
    index = AnnIndex.open(*each)
    for depth in (1, 7, 100):
        rows = index.search(QUERIES[0], depth)
        assert (rows.dtype.name, np.unique(rows).size) == ("int64", depth)
    index.close()


def test_a_search_deeper_than_there_are_rows_finds_about_all(each: tuple[Path, IndexFile]) -> None:
    index = AnnIndex.open(*each)
    assert 0.99 * ROWS <= index.search(QUERIES[0], 10 * ROWS).size <= ROWS
    index.close()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_only_rows_that_were_given_are_found(tmp_path: Path, precision: Precision) -> None:
    rows = np.arange(1, 1_000, 3)
    file = build(tmp_path / "index.ann", VECTORS, rows, precision, threads=1)
    assert (file.covered, file.watermark) == (rows.size, ROWS)
    index = AnnIndex.open(tmp_path, file)
    assert set(index.search(QUERIES[0], ROWS).tolist()) <= set(rows.tolist())
    index.close()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_index_over_nothing_finds_nothing_and_can_be_extended(
    tmp_path: Path, precision: Precision
) -> None:
    nothing = np.empty(0, dtype=np.int64)
    file = build(tmp_path / "old.ann", VECTORS[:0], nothing, precision, threads=1)
    index = AnnIndex.open(tmp_path, file)
    assert (index.covered, index.search(QUERIES[0], 10).size) == (0, 0)
    index.close()
    file = extend(tmp_path, file, tmp_path / "new.ann", VECTORS, np.arange(100), threads=1)
    index = AnnIndex.open(tmp_path, file)
    assert set(index.search(QUERIES[0], 1_000).tolist()) == set(range(100))
    index.close()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_many_equal_vectors_do_not_hide_the_others(tmp_path: Path, precision: Precision) -> None:
    """As they do in a graph that holds them all."""
    vectors = VECTORS.copy()
    vectors[::3] = vectors[0]
    file = built(tmp_path / "index.ann", vectors, precision)
    assert file.repeats >= ROWS // 3
    index = AnnIndex.open(tmp_path, file)
    others = np.flatnonzero(np.arange(ROWS) % 3)[:200].tolist()
    assert len([row for row in others if row in index.search(vectors[row], 50)]) >= 199
    index.close()


def test_equal_vectors_are_all_found_in_the_order_of_their_rows(tmp_path: Path) -> None:
    vectors = VECTORS[:1_000].copy()
    equal = [7, 30, 31, 500, 990]
    vectors[equal] = vectors[7]
    old = built(tmp_path / "old.ann", vectors[:600])
    new = extend(tmp_path, old, tmp_path / "new.ann", vectors, np.arange(600, 1_000), threads=1)
    assert (old.covered, old.repeats, new.covered, new.repeats) == (600, 3, 1_000, 4)
    index = AnnIndex.open(tmp_path, new)
    assert index.search(vectors[7], 20).tolist()[:5] == equal
    assert index.search(vectors[7], 20).size == 20
    assert index.search(vectors[7], 3).tolist() == equal[:3]
    index.close()


def test_threads_that_search_the_same_index_find_what_one_finds(each: tuple[Path, IndexFile]) -> None:
    index = AnnIndex.open(*each)
    expected = [index.search(query, 30).tolist() for query in QUERIES]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda query: index.search(query, 30).tolist(), list(QUERIES) * 4)
        assert list(found) == expected * 4
    index.close()


def test_a_closed_index_says_so(original: tuple[Path, IndexFile]) -> None:
    index = AnnIndex.open(*original)
    index.close()
    index.close()
    with pytest.raises(ValueError, match="closed"):
        index.search(QUERIES[0], 10)


def test_an_index_may_be_forgotten_without_being_closed(copied: tuple[Path, IndexFile]) -> None:
    folder, file = copied
    for _ in range(3):
        assert AnnIndex.open(folder, file).search(QUERIES[0], 10).size == 10


def test_an_index_that_is_open_outlives_its_file(copied: tuple[Path, IndexFile]) -> None:
    folder, file = copied
    index = AnnIndex.open(folder, file)
    expected = index.search(QUERIES[0], 10).tolist()
    (folder / file.name).unlink()
    assert index.search(QUERIES[0], 10).tolist() == expected
    index.close()


def test_opening_an_index_loads_no_more_of_the_library_than_it_needs(
    original: tuple[Path, IndexFile],
) -> None:
    """And whoever imports the library in the same process gets that same part of it."""
    folder, file = original
    program = """if True:
        import json, sys
        from pathlib import Path
        from vai.engines.index import AnnIndex, IndexFile
        before = {*sys.modules}
        AnnIndex.open(Path(sys.argv[1]), IndexFile.from_json(json.loads(sys.argv[2]))).close()
        print(*sorted({"urllib.request", "usearch", "usearch.compiled"} & {*sys.modules} - before))
        loaded = sys.modules["usearch.compiled"]
        from usearch.index import Index
        print(isinstance(Index(ndim=2)._compiled, loaded.Index))
    """
    arguments = [sys.executable, "-c", program, str(folder), json.dumps(file.to_json())]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["usearch.compiled", "True"]


# ── building ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_remembered_of_an_index_can_be_kept_as_json(original: tuple[Path, IndexFile]) -> None:
    _, file = original
    assert IndexFile.from_json(json.loads(json.dumps(file.to_json()))) == file


def test_on_one_thread_an_index_is_the_same_every_time(
    original: tuple[Path, IndexFile], tmp_path: Path
) -> None:
    folder, file = original
    built(tmp_path / "again.ann", VECTORS[:1_000])
    assert (tmp_path / "again.ann").read_bytes() == (folder / file.name).read_bytes()


def test_progress_comes_to_the_number_of_rows(tmp_path: Path) -> None:
    told: list[IndexProgress] = []
    build(tmp_path / "index.ann", VECTORS, np.arange(ROWS), "int8", 2, told.append)
    assert [step.chunks for step in told] == [ROWS] * len(told)
    assert len(told) > 1
    assert all(earlier.done < later.done for earlier, later in pairwise(told))
    assert told[-1].done == ROWS


def test_an_index_that_is_extended_finds_old_and_new_rows(
    each: tuple[Path, IndexFile], tmp_path: Path
) -> None:
    folder, complete = each
    old = build(tmp_path / "old.ann", VECTORS[:2_000], np.arange(2_000), complete.precision, threads=1)
    before = (tmp_path / "old.ann").read_bytes()
    told: list[IndexProgress] = []
    rows = np.arange(2_000, ROWS)
    new = extend(tmp_path, old, tmp_path / "new.ann", VECTORS, rows, 1, told.append)
    assert (new.name, new.covered, new.watermark) == ("new.ann", ROWS, ROWS)
    assert told[-1] == IndexProgress(500, 500)
    assert (tmp_path / "old.ann").read_bytes() == before
    at_once, extended = AnnIndex.open(folder, complete), AnnIndex.open(tmp_path, new)
    assert recall(extended, 50) >= recall(at_once, 50) - 0.01
    at_once.close()
    extended.close()


def test_a_damaged_index_is_not_extended(copied: tuple[Path, IndexFile]) -> None:
    folder, file = copied
    (folder / file.name).write_bytes(b"")
    with pytest.raises(IndexDamagedError):
        extend(folder, file, folder / "new.ann", VECTORS, np.arange(1_000, 1_100), threads=1)
    assert [path.name for path in folder.iterdir()] == [file.name]


def test_an_interrupt_between_blocks_leaves_no_file(tmp_path: Path) -> None:
    def interrupt(_: IndexProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "index.ann", VECTORS, np.arange(ROWS), "int8", 1, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_the_library_works_is_one(tmp_path: Path) -> None:
    """It reports a failure of its own instead."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            while True:
                built(tmp_path / "index.ann", precision="float32")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def test_without_room_no_file_is_left(tmp_path: Path) -> None:
    with largest_file(50_000), pytest.raises(OSError, match="large") as caught:
        built(tmp_path / "index.ann")
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


# ── damage ───────────────────────────────────────────────────────────────────────────────────────


def cut_off(path: Path) -> None:
    """The end is missing."""
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    """There is nothing in it."""
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    """Something else stands where links are."""
    contents = path.read_bytes()
    path.write_bytes(contents[:-5_000] + b"\xff" * 4_000 + contents[-1_000:])


def longer(path: Path) -> None:
    """Something follows."""
    path.write_bytes(path.read_bytes() + b"\0")


def replaced_by_another(path: Path) -> None:
    """It is an index, but of other vectors."""
    built(path, VECTORS[1_000:2_000])


def replaced_by_a_folder(path: Path) -> None:
    """A folder has its name."""
    path.unlink()
    path.mkdir()


def removed(path: Path) -> None:
    """It is not there."""
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [cut_off, emptied, garbled, longer, replaced_by_another, replaced_by_a_folder, removed],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_file_is_refused(copied: tuple[Path, IndexFile], damage: Callable[[Path], None]) -> None:
    """The library, which would crash on some of them, is not asked."""
    folder, file = copied
    damage(folder / file.name)
    with pytest.raises(IndexDamagedError, match=r"index\.ann"):
        AnnIndex.open(folder, file)
    with pytest.raises(IndexDamagedError, match=r"index\.ann"):
        verify(folder, file)


def test_a_file_without_the_right_to_read_it_is_refused(
    unprivileged: Unprivileged, original: tuple[Path, IndexFile]
) -> None:
    folder, file = original
    path = unprivileged.folder / file.name
    path.write_bytes((folder / file.name).read_bytes())
    with unprivileged.acting(unreadable=path), pytest.raises(IndexDamagedError, match="Permission denied"):
        AnnIndex.open(unprivileged.folder, file)


def test_a_file_that_the_library_does_not_know_is_refused(copied: tuple[Path, IndexFile]) -> None:
    """One of another version, say: it is as it was written, and yet it cannot be read."""
    folder, file = copied
    path = folder / file.name
    path.write_bytes(path.read_bytes().replace(b"usearch", b"another"))
    stamped = replace(file, mtime_ns=path.stat().st_mtime_ns)
    with pytest.raises(IndexDamagedError, match="cannot be used"):
        AnnIndex.open(folder, stamped)
    with pytest.raises(IndexDamagedError, match="cannot be used"):
        extend(folder, stamped, folder / "new.ann", VECTORS, np.arange(1_000, 1_100), threads=1)


@pytest.mark.parametrize("change", [{"precision": "float32"}, {"dimension": 25}, {"covered": 999}])
def test_an_index_is_not_taken_for_one_of_other_vectors(
    original: tuple[Path, IndexFile], change: dict[str, Precision | int]
) -> None:
    folder, file = original
    with pytest.raises(IndexDamagedError, match="other vectors"):
        AnnIndex.open(folder, IndexFile.from_json(file.to_json() | change))


def test_a_copy_with_another_time_serves(copied: tuple[Path, IndexFile]) -> None:
    folder, file = copied
    os.utime(folder / file.name, ns=(0, 0))
    index = AnnIndex.open(folder, file)
    assert index.search(QUERIES[0], 10).size == 10
    index.close()
    verify(folder, file)
    assert stamped(folder, file) == replace(file, mtime_ns=0)


def test_damage_that_the_files_time_does_not_show_is_found_by_reading_all(
    copied: tuple[Path, IndexFile],
) -> None:
    folder, file = copied
    garbled(folder / file.name)
    os.utime(folder / file.name, ns=(file.mtime_ns, file.mtime_ns))
    with pytest.raises(IndexDamagedError, match="other contents"):
        verify(folder, file)


# ── costs ────────────────────────────────────────────────────────────────────────────────────────


def test_the_expected_size_is_about_the_real_one(each: tuple[Path, IndexFile]) -> None:
    _, file = each
    _, disk, _ = expected_cost(ROWS, DIMENSION, file.precision, threads=1)
    assert disk == pytest.approx(file.bytes, rel=0.1)


def test_more_chunks_cost_more_and_more_threads_less_time() -> None:
    memory, disk, seconds = expected_cost(100_000, 384, "int8", threads=1)
    assert all(
        small < large
        for small, large in zip((memory, disk, seconds), expected_cost(200_000, 384, "int8", 1), strict=True)
    )
    shared = expected_cost(100_000, 384, "int8", threads=2)
    assert shared[:2] == (memory, disk)
    assert shared[2] == pytest.approx(seconds / 2, rel=0.2)


@pytest.mark.parametrize(
    ("covered", "unindexed", "dead", "expected"),
    [
        (EXACT_BELOW, 0, 0, "no"),
        (EXACT_BELOW, 1_000, 1_000, "no"),
        (EXACT_BELOW, EXACT_BELOW, 0, "extend"),
        (10_000_000, 100_000, 0, "no"),
        (10_000_000, 1_000_000, 0, "extend"),
        (EXACT_BELOW, 0, EXACT_BELOW // 2, "rebuild"),
        (EXACT_BELOW, EXACT_BELOW, EXACT_BELOW // 2, "rebuild"),
    ],
)
def test_what_an_index_needs_follows_from_how_much_of_it_is_dead_and_how_much_it_misses(
    covered: int, unindexed: int, dead: int, expected: str
) -> None:
    assert needs_rebuild(covered, unindexed, dead) == expected
