"""What a reader makes of files that a writer replaces in the middle of its work: it is nothing to complain of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine_samples import EAST, NAME, collection_folder, directions, found_ids, store_documents
from vai.engines import indexing, searching
from vai.engines import reader as reader_module
from vai.engines import writer as embedded_writer
from vai.engines.embedded import EmbeddedEngine
from vai.engines.index import AnnIndex

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture
def engines(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EmbeddedEngine, EmbeddedEngine]]:
    """A reader and a writer of a collection with an index."""
    monkeypatch.setattr("vai.engines.nearest.DEPTH_COST", 0)
    reader, writing = EmbeddedEngine(store), EmbeddedEngine(store)
    store_documents(writing, {"a": list(directions(30)), "b": [EAST]})
    writing.build_index(NAME)
    yield reader, writing
    reader.close()
    writing.close()


def before(monkeypatch: pytest.MonkeyPatch, place: object, name: str, happens: Callable[[], object]) -> None:
    """Let something happen just before a function is called for the first time."""
    go_on = getattr(place, name)

    def late(*args: object, **options: object) -> object:
        monkeypatch.setattr(place, name, go_on)
        happens()
        return go_on(*args, **options)

    monkeypatch.setattr(place, name, late)


def test_an_index_that_is_replaced_before_a_search_opens_it_is_not_called_gone(
    engines: tuple[EmbeddedEngine, EmbeddedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writing = engines
    before(monkeypatch, searching, "_open_index", lambda: writing.build_index(NAME))
    found = reader.search(NAME, EAST, limit=3, num_candidates=10)
    assert (found.warnings, found.exact) == ((), False)
    assert found.candidates[0].chunk.id == "b#0"


def test_an_index_that_is_replaced_before_it_is_described_is_not_called_damaged(
    engines: tuple[EmbeddedEngine, EmbeddedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writing = engines
    found_ids(reader, EAST)
    before(monkeypatch, AnnIndex, "open", lambda: writing.build_index(NAME))
    assert reader.index(NAME).state == "fresh"


def test_an_index_that_is_replaced_while_a_collection_is_checked_is_no_fault(
    engines: tuple[EmbeddedEngine, EmbeddedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writing = engines
    before(monkeypatch, indexing, "verify", lambda: writing.build_index(NAME))
    assert reader.check(NAME) == []
    for path in collection_folder(reader.store).glob("index-*"):
        path.unlink()
    assert [fault for fault in reader.check(NAME) if "is gone" in fault]


def test_what_an_index_covers_can_be_told_after_the_vectors_have_moved(
    engines: tuple[EmbeddedEngine, EmbeddedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writing = engines
    found_ids(reader, EAST)
    monkeypatch.setattr(embedded_writer, "COMPACT_FROM", 1)
    before(monkeypatch, reader_module, "covering", lambda: store_documents(writing, {"b": [EAST]}))
    assert reader.index_cost(NAME).chunks in {1, 31}
    assert reader.index(NAME).state in {"none", "fresh"}


def test_a_graph_that_does_not_reach_everything_is_searched_no_deeper_than_it_has_rows(
    engines: tuple[EmbeddedEngine, EmbeddedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, _ = engines
    found = AnnIndex.search
    monkeypatch.setattr(AnnIndex, "search", lambda index, query, depth: found(index, query, depth)[:2])
    answer = reader.search(NAME, EAST, limit=3, num_candidates=10)
    assert len(answer.candidates) == 3
    assert answer.exact
