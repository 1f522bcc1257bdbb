"""Where a quiz stands, and what its answers have changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation_samples import NoisyReranker, filled, question
from vai import Collection
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import Unit
from vai.evaluation.data.testsets import read_test_set
from vai.evaluation.judging.contenders import candidate_rankings
from vai.evaluation.judging.judging import Contenders, most_disputed
from vai.evaluation.judging.question_file import NO, PARTLY, YES, QuestionFile
from vai.evaluation.judging.quiz import Known, Quiz, known_judgements


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return filled(tmp_path, NoisyReranker())


def asking(folder: Path, *relevant: object) -> QuestionFile:
    """A file with a question for each of the first topics, and what is known to be relevant to it."""
    path = folder / "q.jsonl"
    records = [{"query": question(topic), "relevant": known} for topic, known in enumerate(relevant)]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return QuestionFile.open(path)


def begun(collection: Collection, questions: QuestionFile, count: int = 4) -> Quiz:
    known = known_judgements(questions, collection, None)
    contenders = candidate_rankings(collection, list(questions.test_set.queries.values()), unit=known.unit)
    return Quiz(
        questions,
        most_disputed(list(contenders.rankings.values()), known.grades, count=count),
        contenders,
        known,
    )


# ── what is known ──


@pytest.mark.parametrize(
    ("relevant", "asked", "unit"),
    [
        (["d0"], None, "document"),
        (["d0#0"], None, "chunk"),
        ([], None, "chunk"),
        ([], "document", "document"),
        (["d0"], "document", "document"),
    ],
)
def test_what_is_judged_is_what_was_judged_before(
    collection: Collection, tmp_path: Path, relevant: list[str], asked: Unit | None, unit: Unit
) -> None:
    assert known_judgements(asking(tmp_path, relevant), collection, asked).unit == unit


def test_chunks_and_documents_are_not_mixed(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="`q` judges documents, and --unit chunk would mix both"):
        known_judgements(asking(tmp_path, ["d0"]), collection, "chunk")


def test_paths_and_ids_that_are_gone_do_no_harm(collection: Collection, tmp_path: Path) -> None:
    known = known_judgements(asking(tmp_path, ["d0", "gone"], ["gone"], {"d2": 0}), collection, None)
    assert known.grades == ({"d0": YES}, {}, {"d2": 0})
    assert known.missing == 1


# ── answering ──


def test_each_answer_is_in_the_file_before_the_next_is_asked_for(
    collection: Collection, tmp_path: Path
) -> None:
    questions = asking(tmp_path, [], [])
    quiz = begun(collection, questions)
    for grade in (YES, NO, PARTLY):
        pair, asked, passage = quiz.pairs[quiz.place], quiz.question, quiz.passage
        quiz.answer(grade)
        assert read_test_set(questions.path).grades[str(pair.question + 1)][pair.unit] == grade
        assert passage.id == pair.unit
        assert asked == question(pair.question)
    assert not quiz.is_over
    quiz.skip()
    assert quiz.is_over


def test_going_back_changes_an_answer_and_skipping_then_takes_it_away(
    collection: Collection, tmp_path: Path
) -> None:
    questions = asking(tmp_path, [], [])
    quiz = begun(collection, questions)
    quiz.back()
    assert quiz.place == 0
    quiz.answer(YES)
    quiz.answer(YES)
    quiz.back()
    quiz.back()
    quiz.answer(NO)
    quiz.skip()
    judged = [grade for grades in read_test_set(questions.path).grades.values() for grade in grades.values()]
    assert judged == [NO]
    report = quiz.report("default")
    assert (report.judged, report.yes, report.no, report.skipped) == (1, 0, 1, 1)


def test_going_back_and_leaving_keeps_the_answer(collection: Collection, tmp_path: Path) -> None:
    quiz = begun(collection, asking(tmp_path, [], []))
    quiz.answer(YES)
    quiz.back()
    assert quiz.report("default").yes == 1


def test_what_was_skipped_and_then_answered_was_not_skipped(collection: Collection, tmp_path: Path) -> None:
    quiz = begun(collection, asking(tmp_path, [], []))
    quiz.skip()
    quiz.back()
    quiz.answer(PARTLY)
    assert (quiz.report("default").partly, quiz.report("default").skipped) == (1, 0)


# ── what it changed ──


def test_the_report_compares_before_with_after(tmp_path: Path) -> None:
    questions = asking(tmp_path, {"a": 2})
    contenders = Contenders({"one": [["a", "b"]], "other": [["b", "a"]]}, [{}])
    known = Known("document", ({},), missing=0)
    pairs = most_disputed(list(contenders.rankings.values()), known.grades, count=9)
    quiz = Quiz(questions, pairs, contenders, known)
    assert [pair.unit for pair in pairs] == ["a", "b"]
    quiz.answer(NO)
    quiz.answer(YES)
    report = quiz.report("default", ["watch out"])
    one, other = report.configurations
    assert (one.name, one.before.ndcg, one.before.judged) == ("one", None, 0.0)
    assert (one.after.ndcg, one.after.judged) == (0.6309, 1.0)
    assert (other.after.ndcg, other.after.judged) == (1.0, 1.0)
    assert (report.questions, report.answered, report.pairs, report.warnings) == (1, 1, 2, ("watch out",))
    assert report.to_dict()["schema"] == "vai.judge/1"
