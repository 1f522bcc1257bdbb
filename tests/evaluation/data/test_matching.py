"""A test set in the ids of a collection: what is missing is counted, and never a silent zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import written
from evaluation_samples import NoisyReranker, filled, questions
from vai import Collection, Settings
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import match
from vai.evaluation.data.testsets import TestSet
from vai.models.fakes import HashingEmbedder


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Documents d0 … d39, each of one chunk."""
    with filled(tmp_path, NoisyReranker()) as opened:
        yield opened


def judging(*judgements: dict[str, int]) -> TestSet:
    """A test set with a question for each of these judgements."""
    named = {f"q{number}": grades for number, grades in enumerate(judgements)}
    return TestSet("set", dict.fromkeys(named, "why?"), named)


def test_a_set_whose_ids_are_all_there_stays_as_it_is(collection: Collection) -> None:
    matched = match(questions(), collection)
    assert (matched.test_set, matched.unit, matched.missing, matched.left_out) == (
        questions(),
        "document",
        (),
        0,
    )


def test_missing_ids_are_an_error_that_counts_them(collection: Collection) -> None:
    with pytest.raises(InvalidSettings) as raised:
        match(judging({"d1": 1, "x1": 1}, {"x2": 1, "x3": 0, "x4": 2}), collection)
    assert "4 of the 5 ids judged in `set` are not in the collection `default`: x1, x2, x3, …" in str(
        raised.value
    )
    assert "`--ignore-missing`" in (raised.value.hint or "")


def test_missing_ids_can_be_left_out_with_the_questions_that_have_nothing_relevant_left(
    collection: Collection,
) -> None:
    given = judging({"d1": 1, "x1": 1}, {"x2": 1, "d2": 0}, {}, {"x3": 0, "d3": 0})
    matched = match(given, collection, ignore_missing=True)
    assert matched.test_set.grades == {"q0": {"d1": 1}, "q2": {}, "q3": {"d3": 0}}
    assert list(matched.test_set.queries) == ["q0", "q2", "q3"]
    assert (matched.missing, matched.left_out) == (("x1", "x2", "x3"), 1)


def test_a_set_of_which_nothing_is_there_is_refused_whatever_is_ignored(collection: Collection) -> None:
    for ignore in (False, True):
        with pytest.raises(InvalidSettings, match="none of the 2 ids judged in `set` is in the collection"):
            match(judging({"x1": 1}, {"x2": 1}), collection, ignore_missing=ignore)


def test_a_set_can_judge_chunks(collection: Collection) -> None:
    matched = match(judging({"d1#0": 1, "d2#0": 0}), collection)
    assert (matched.unit, matched.test_set.grades) == ("chunk", {"q0": {"d1#0": 1, "d2#0": 0}})
    with pytest.raises(InvalidSettings, match="1 of the 2 ids"):
        match(judging({"d1#0": 1, "d1#1": 1}), collection)


def test_documents_and_chunks_are_not_mixed(collection: Collection) -> None:
    with pytest.raises(InvalidSettings, match="judges both documents and chunks"):
        match(judging({"d1#0": 1, "d2": 1}), collection)


def test_an_id_that_looks_like_a_chunks_is_the_document_of_that_name(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text('{"_id": "a#1", "text": "one"}\n')
    with Collection.open(tmp_path / ".vai", embedder=HashingEmbedder(), settings=Settings()) as collection:
        collection.ingest(records)
        assert match(judging({"a#1": 1}), collection).unit == "document"
        assert match(judging({"a#1#0": 1}), collection).unit == "chunk"


def test_a_path_means_the_document_of_that_file_wherever_it_is_written_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = written(tmp_path / "project" / "docs", {"a.md": "one", "b.md": "two"})
    with Collection.open(docs.parent / ".vai", embedder=HashingEmbedder(), settings=Settings()) as collection:
        collection.ingest(docs)
        monkeypatch.chdir(docs)
        given = judging({"docs/a.md": 1}, {"b.md": 2}, {str(docs / "a.md"): 1})
        assert list(match(given, collection).test_set.grades.values()) == [
            {"docs/a.md": 1},
            {"docs/b.md": 2},
            {"docs/a.md": 1},
        ]


def test_an_id_that_can_be_no_path_is_only_missing(collection: Collection) -> None:
    given = judging({"d1": 1, "nul\0": 1, "~nobody-of-that-name/a": 1})
    assert match(given, collection, ignore_missing=True).missing == ("nul\0", "~nobody-of-that-name/a")


def test_questions_made_from_the_text_are_remarked_on(collection: Collection) -> None:
    test_set = replace(questions(3), synthetic=frozenset({"q0", "q2", "elsewhere"}))
    (remark,) = match(test_set, collection).remarks
    assert remark.startswith("2 of 3 questions are synthetic")
    assert match(questions(3), collection).remarks == ()


def test_questions_that_are_there_twice_are_counted_for_they_make_figures_look_surer(
    collection: Collection,
) -> None:
    (remark,) = match(judging({"d1": 1}, {"d2": 1}, {"d3": 1}), collection).remarks
    assert remark.startswith("2 of 3 questions repeat an earlier one word for word")
