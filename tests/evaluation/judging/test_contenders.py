"""What configurations make of the same candidates."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation_samples import NoisyReranker, filled, question
from vai import Collection, Settings
from vai.evaluation.judging.contenders import candidate_rankings

QUESTIONS = [question(3), question(7)]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return filled(tmp_path, NoisyReranker())


def ids(collection: Collection, **options: object) -> list[list[str]]:
    """What queries say, to be compared with."""
    responses = collection.query_many(QUESTIONS, top_k=20, **options)  # type: ignore[arg-type]
    return [[hit.id for hit in response.hits] for response in responses]


def test_each_ranking_is_that_of_a_query_with_such_settings(collection: Collection) -> None:
    found = candidate_rankings(collection, QUESTIONS, unit="chunk")
    assert list(found.rankings) == ["stage1", "vector", "words", "reranked", "blended"]
    assert found.rankings["stage1"] == ids(collection, rerank=False)
    assert found.rankings["reranked"] == ids(collection, blend=0.0)
    assert found.rankings["blended"] == ids(collection)


def test_all_rankings_hold_the_same_candidates_of_which_each_has_its_passage(collection: Collection) -> None:
    found = candidate_rankings(collection, QUESTIONS, unit="chunk", limit=8)
    for number in range(2):
        sets = {frozenset(rankings[number]) for rankings in found.rankings.values()}
        assert sets == {frozenset(found.passages[number])}
        assert all(hit.id == unit for unit, hit in found.passages[number].items())
        assert len(found.passages[number]) == 8


def test_documents_stand_where_their_best_chunk_does(tmp_path: Path) -> None:
    collection = filled(
        tmp_path,
        NoisyReranker(),
        settings=Settings(chunk_tokens=16),
        texts=[f"{question(n)} " * 8 for n in range(9)],
    )
    by_chunk = candidate_rankings(collection, QUESTIONS, unit="chunk")
    by_document = candidate_rankings(collection, QUESTIONS, unit="document")
    for name, rankings in by_document.rankings.items():
        for number, ranking in enumerate(rankings):
            chunks = [unit.rpartition("#")[0] for unit in by_chunk.rankings[name][number]]
            assert list(ranking) == list(dict.fromkeys(chunks))
    best = by_document.passages[0]["d3"].id
    assert best == next(unit for unit in by_chunk.rankings["blended"][0] if unit.startswith("d3#"))


def test_without_stage_2_or_without_words_there_are_fewer_rankings(tmp_path: Path) -> None:
    collection = filled(tmp_path, NoisyReranker(), settings=Settings(stage1="vector"))
    found = candidate_rankings(collection, QUESTIONS, unit="chunk", rerank=False)
    assert list(found.rankings) == ["stage1", "vector"]


def test_what_stage_2_did_not_read_follows_in_stage_1s_order_and_is_warned_of_once(tmp_path: Path) -> None:
    collection = filled(tmp_path, NoisyReranker(stopped_after=0))
    found = candidate_rankings(collection, QUESTIONS, unit="chunk")
    assert found.rankings["reranked"] == found.rankings["stage1"]
    assert len([warning for warning in found.warnings if "the line went dead" in warning]) == 1


def test_progress_is_told_by_the_question(collection: Collection) -> None:
    told: list[tuple[str, int, int]] = []
    candidate_rankings(collection, QUESTIONS, unit="chunk", progress=lambda *step: told.append(step))
    assert told == [("asking the questions", 1, 2), ("asking the questions", 2, 2)]
