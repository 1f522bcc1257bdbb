"""The life of an index: when it is built, what it covers, and what happens when it is damaged or gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine_samples import (
    NAME,
    PROVENANCE,
    chunk,
    collection_folder,
    directions,
    document,
    found_ids,
    state,
)
from vai.arrays import Matrix, Vector
from vai.engines import indexing
from vai.engines import writer as embedded_writer
from vai.engines.embedded import EmbeddedEngine
from vai.engines.exact import ExactEngine
from vai.engines.index import costs
from vai.errors import StoreBusy, UnsupportedByEngine
from vai.filters import Condition
from vai.recall import check_index
from vai.types import Found, IndexProgress, Json, Precision, Stage1

SMALL = 200
VECTORS = directions(600)
QUERIES = directions(20, seed=1)


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, so that a few hundred chunks are a large collection; and one thread, so that a graph is always the
    same."""
    monkeypatch.setattr(indexing, "_threads", lambda: 1)
    monkeypatch.setattr(indexing, "EXACT_BELOW", SMALL)
    monkeypatch.setattr(costs, "TAIL_LEAST", 50)
    monkeypatch.setattr("vai.engines.nearest.EXACT_UNDER_FILTER", 20)
    monkeypatch.setattr("vai.engines.nearest.DEPTH_COST", 1)


@pytest.fixture
def engine(store: Path) -> Iterator[EmbeddedEngine]:
    opened = EmbeddedEngine(store)
    opened.create(NAME, PROVENANCE)
    yield opened
    opened.close()


def add(
    engine: EmbeddedEngine,
    vectors: Matrix,
    first: int = 0,
    *,
    progress: Callable[[IndexProgress], None] | None = None,
) -> None:
    """Documents of one chunk each, as an ingest stores them."""
    with engine.writing(NAME) as writer:
        for number, vector in enumerate(vectors, start=first):
            metadata: dict[str, Json] = {"hundred": number // 100, "odd": bool(number % 2)}
            of = document(f"{number:04}", f"{number // 100}.md", metadata=metadata)
            writer.put(of)
            writer.add([chunk(of, text=f"word{number}")], vector.reshape(1, -1))
        writer.note_source(state("0.md"))
        writer.commit()
        writer.settle(progress)


def remove(engine: EmbeddedEngine, numbers: Sequence[int]) -> None:
    with engine.writing(NAME) as writer:
        for number in numbers:
            writer.remove_document(f"{number:04}")
        writer.commit()
        writer.settle()


def search(
    engine: EmbeddedEngine, query: Vector, limit: int = 20, depth: int = 100, *, exact: bool = False
) -> Found:
    return engine.search(NAME, query, limit=limit, num_candidates=depth, exact=exact)


def ids(found: Found) -> list[str]:
    return [candidate.chunk.document_id for candidate in found.candidates]


def index_files(store: Path) -> list[str]:
    return sorted(path.name for path in collection_folder(store).glob("index-*"))


def assert_recall(engine: EmbeddedEngine, least: float = 0.97) -> None:
    """What is found is what exact search finds, or nearly."""
    shares = []
    for query in QUERIES:
        truth = search(engine, query, exact=True)
        assert truth.exact
        shares.append(len({*ids(search(engine, query))} & {*ids(truth)}) / len(truth.candidates))
    assert np.mean(shares) >= least


# ── when it is built ──


def test_a_small_collection_has_none_and_is_searched_exactly(engine: EmbeddedEngine, store: Path) -> None:
    add(engine, VECTORS[: SMALL - 1])
    assert index_files(store) == []
    assert engine.index(NAME).state == "none"
    found = search(engine, QUERIES[0])
    assert (found.exact, found.depth, found.unindexed) == (True, None, 0)


def test_the_write_that_makes_it_large_builds_one_and_tells_of_its_progress(
    engine: EmbeddedEngine, store: Path
) -> None:
    told: list[IndexProgress] = []
    add(engine, VECTORS[:300], progress=told.append)
    assert index_files(store) == ["index-0001-0001.ann"]
    assert told[-1] == IndexProgress(done=300, chunks=300)
    info = engine.index(NAME)
    assert (info.state, info.precision, info.covered, info.unindexed) == ("fresh", "int8", 300, 0)
    assert info.bytes == (collection_folder(store) / "index-0001-0001.ann").stat().st_size
    found = search(engine, QUERIES[0])
    assert (found.exact, found.depth, found.unindexed) == (False, 100, 0)
    assert_recall(engine)


def test_similarities_are_those_of_exact_search(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS[:300])
    for query in QUERIES:
        exact = {
            item.chunk.id: item.similarity for item in search(engine, query, 300, 300, exact=True).candidates
        }
        found = search(engine, query).candidates
        assert [item.similarity for item in found] == [exact[item.chunk.id] for item in found]


def test_what_comes_later_is_found_beside_it(engine: EmbeddedEngine, store: Path) -> None:
    add(engine, VECTORS[:300])
    add(engine, VECTORS[300:340], first=300)
    assert index_files(store) == ["index-0001-0001.ann"]
    assert (engine.index(NAME).covered, engine.index(NAME).unindexed) == (300, 40)
    assert search(engine, VECTORS[330], 1).candidates[0].chunk.document_id == "0330"
    assert search(engine, QUERIES[0]).unindexed == 40
    assert_recall(engine)


def test_when_much_came_later_it_is_extended_and_the_old_file_goes(
    engine: EmbeddedEngine, store: Path
) -> None:
    add(engine, VECTORS[:300])
    add(engine, VECTORS[300:400], first=300)
    assert index_files(store) == ["index-0001-0002.ann"]
    assert (engine.index(NAME).covered, engine.index(NAME).unindexed) == (400, 0)
    assert search(engine, QUERIES[0]).unindexed == 0
    assert_recall(engine)


def test_deleted_chunks_are_not_found_and_many_of_them_make_a_new_one(
    engine: EmbeddedEngine, store: Path
) -> None:
    add(engine, VECTORS[:400])
    remove(engine, range(40))
    assert index_files(store) == ["index-0001-0001.ann"]
    for query in VECTORS[:40]:
        assert not {f"{number:04}" for number in range(40)} & {*ids(search(engine, query))}
        assert len(ids(search(engine, query))) == 20
    remove(engine, range(40, 180))
    assert index_files(store) == ["index-0001-0002.ann"]
    assert engine.index(NAME).covered == 220
    assert_recall(engine)


def test_after_compaction_it_is_built_over_the_new_rows(
    engine: EmbeddedEngine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 100)
    add(engine, VECTORS)
    remove(engine, range(0, 600, 2))
    assert index_files(store) == ["index-0002-0001.ann"]
    assert engine.index(NAME).covered == 300
    assert_recall(engine)
    assert engine.check(NAME) == []


def test_a_collection_that_became_small_keeps_the_one_it_has(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS[:210])
    remove(engine, range(20))
    assert engine.index(NAME).state == "fresh"
    assert_recall(engine)


def test_it_can_be_built_at_any_size_and_with_other_numbers(engine: EmbeddedEngine, store: Path) -> None:
    add(engine, VECTORS[:100])
    assert engine.index_cost(NAME, "float32").disk > engine.index_cost(NAME, "int8").disk
    precisions: tuple[Precision, ...] = ("int8", "float32", "binary")
    for number, precision in enumerate(precisions, start=1):
        built = engine.build_index(NAME, precision)
        assert (built.state, built.precision, built.covered) == ("fresh", precision, 100)
        assert index_files(store) == [f"index-0001-{number:04}.ann"]
    assert engine.build_index(NAME).precision == "binary"
    assert engine.index_cost(NAME).precision == "binary"


def test_one_writer_at_a_time_builds(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS[:100])
    with engine.writing(NAME), pytest.raises(StoreBusy):
        engine.build_index(NAME)


def test_the_oracle_has_none() -> None:
    with pytest.raises(UnsupportedByEngine, match="`exact`"):
        ExactEngine().index(NAME)


# ── damage ──


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def overwritten(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2 : len(contents) // 2 + 64] = b"\xff" * 64
    path.write_bytes(contents)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "truncated": truncated,
    "overwritten": overwritten,
    "emptied": emptied,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_noticed_and_the_search_is_exact_and_says_so(
    engine: EmbeddedEngine, store: Path, damage: str
) -> None:
    add(engine, VECTORS[:300])
    truth = search(engine, QUERIES[0], exact=True)
    engine.close()
    DAMAGES[damage](collection_folder(store) / "index-0001-0001.ann")
    found = search(engine, QUERIES[0])
    assert (found.candidates, found.exact) == (truth.candidates, True)
    assert len(found.warnings) == 1
    assert "index-0001-0001.ann" in found.warnings[0]
    assert "`vai index`" in found.warnings[0]
    assert search(engine, QUERIES[0], exact=True).warnings == ()
    by_words = engine.search(
        NAME, QUERIES[0], limit=5, num_candidates=5, text="word3", stage1=Stage1("words")
    )
    assert by_words.warnings == ()
    assert engine.index(NAME).state == "damaged"
    assert any("index-0001-0001.ann" in fault for fault in engine.check(NAME))


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_next_write_builds_a_new_one(engine: EmbeddedEngine, store: Path, damage: str) -> None:
    add(engine, VECTORS[:300])
    engine.close()
    DAMAGES[damage](collection_folder(store) / "index-0001-0001.ann")
    add(engine, VECTORS[300:310], first=300)
    assert index_files(store) == ["index-0001-0002.ann"]
    assert engine.index(NAME).state == "fresh"
    assert search(engine, QUERIES[0]).warnings == ()
    assert engine.check(NAME) == []


def test_a_copied_store_is_not_a_damaged_one(engine: EmbeddedEngine, store: Path) -> None:
    """Its files have other times."""
    add(engine, VECTORS[:300])
    path = collection_folder(store) / "index-0001-0001.ann"
    contents = path.read_bytes()
    path.unlink()
    path.write_bytes(contents)
    engine.close()
    found = search(engine, QUERIES[0])
    assert (found.exact, found.warnings) == (False, ())


def test_the_first_write_to_a_copy_makes_it_open_without_being_read(
    engine: EmbeddedEngine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(engine, VECTORS[:300])
    os.utime(collection_folder(store) / "index-0001-0001.ann", ns=(0, 0))
    add(engine, VECTORS[300:301], first=300)
    engine.close()
    monkeypatch.setattr("vai.engines.index.file.digest_of", lambda *_: pytest.fail("it was read"))
    assert search(engine, QUERIES[0]).depth == 100
    assert index_files(store) == ["index-0001-0001.ann"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_a_build_that_is_interrupted_leaves_no_file_and_the_collection_as_it_was(
    engine: EmbeddedEngine, store: Path, interruption: type[BaseException]
) -> None:
    def interrupted(_: IndexProgress) -> None:
        raise interruption

    with pytest.raises(interruption):
        add(engine, VECTORS[:300], progress=interrupted)
    assert index_files(store) == []
    assert engine.index(NAME).state == "missing"
    assert len(ids(search(engine, QUERIES[0]))) == 20
    add(engine, VECTORS[300:301], first=300)
    assert engine.index(NAME).state == "fresh"


def test_a_reader_that_was_open_goes_on_with_the_old_one_and_then_with_the_new(
    engine: EmbeddedEngine, store: Path
) -> None:
    add(engine, VECTORS[:300])
    onlooker = EmbeddedEngine(store)
    assert search(onlooker, QUERIES[0]).unindexed == 0
    add(engine, VECTORS[300:400], first=300)
    assert search(onlooker, VECTORS[350], 1).candidates[0].chunk.document_id == "0350"
    assert search(onlooker, QUERIES[0]).candidates == search(engine, QUERIES[0]).candidates
    onlooker.close()


def test_an_index_that_nobody_names_is_removed_by_the_next_writer(
    engine: EmbeddedEngine, store: Path
) -> None:
    """As a crash between the file and the commit leaves it."""
    add(engine, VECTORS[:300])
    left = collection_folder(store) / "index-0001-0009.ann"
    left.write_bytes(b"left over")
    with engine.writing(NAME):
        assert index_files(store) == ["index-0001-0001.ann"]


# ── searching ──


def test_where_comparing_every_vector_costs_less_that_is_done(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(engine, VECTORS)
    monkeypatch.setattr("vai.engines.nearest.DEPTH_COST", 4)
    assert search(engine, QUERIES[0], depth=150).depth == 150
    assert search(engine, QUERIES[0], depth=151).exact


def test_a_filter_is_filled_to_the_limit_by_going_deeper(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS)
    for query in QUERIES:
        for hundred in range(6):
            wanted = Condition("hundred", metadata=True, operator="eq", value=hundred)
            found = engine.search(NAME, query, limit=20, num_candidates=20, filter=wanted)
            truth = engine.search(NAME, query, limit=20, num_candidates=20, filter=wanted, exact=True)
            assert found.matched == 100
            assert len(found.candidates) == 20
            assert len({*ids(found)} & {*ids(truth)}) >= 18
            assert all(item.chunk.metadata["hundred"] == hundred for item in found.candidates)


def test_under_a_narrow_filter_every_chunk_is_compared(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vai.engines.nearest.EXACT_UNDER_FILTER", 100)
    add(engine, VECTORS)
    wanted = Condition("hundred", metadata=True, operator="eq", value=3)
    found = engine.search(NAME, QUERIES[0], limit=20, num_candidates=20, filter=wanted)
    truth = engine.search(NAME, QUERIES[0], limit=20, num_candidates=20, filter=wanted, exact=True)
    assert (found.exact, found.candidates) == (True, truth.candidates)


def test_a_filter_that_lets_little_through_still_finds_all_of_it(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS)
    wanted = Condition("hundred", metadata=True, operator="eq", value=3)
    found = engine.search(NAME, QUERIES[0], limit=300, num_candidates=300, filter=wanted)
    assert len(found.candidates) == 100


def test_words_and_vectors_join_through_the_index(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS)
    found = engine.search(
        NAME, VECTORS[5], limit=5, num_candidates=50, text="word417", stage1=Stage1("hybrid", "scores", 2.0)
    )
    first = found.candidates[0]
    assert first.chunk.document_id == "0417"
    assert first.words_rank == 1
    assert first.similarity == pytest.approx(float(VECTORS[5] @ VECTORS[417]), abs=1e-6)
    assert "0005" in ids(found)


def test_a_check_says_which_depth_is_enough(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS)
    checked = check_index(engine, NAME, sample=30)
    assert checked.sample == 30
    assert checked.depth_for_20 == checked.depths[0].depth
    assert checked.depths[-1].recall_at_100 >= 0.99
    assert checked.depth_for_100 == checked.depths[-1].depth


def test_a_check_of_nothing_says_why(engine: EmbeddedEngine, store: Path) -> None:
    add(engine, VECTORS[:100])
    assert check_index(engine, NAME).index.state == "none"
    add(engine, VECTORS[100:300], first=100)
    engine.close()
    (collection_folder(store) / "index-0001-0001.ann").unlink()
    checked = check_index(engine, NAME)
    assert (checked.index.state, checked.sample, checked.depths) == ("damaged", 0, ())


def test_found_ids_are_the_same_with_and_without_it(engine: EmbeddedEngine) -> None:
    add(engine, VECTORS[:300])
    assert found_ids(engine, QUERIES[0], 10) == [
        item.chunk.id for item in search(engine, QUERIES[0], 10, exact=True).candidates
    ]
