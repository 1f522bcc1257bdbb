"""Questions that a language model writes: what it is asked for, and which of its answers are taken."""

from __future__ import annotations

import pytest

from question_samples import FILLER, Parrot, chunk
from vai.errors import RemoteRefused
from vai.evaluation.questions.asking import cleaned_answer, fault_of, is_copied, write_questions

PASSAGE = (
    "When the primary is lost, the other members hold an election and choose a new one within ten seconds."
)
GOOD = "How long is a cluster without a leader after a crash?"


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"  {GOOD}\n",
        f'"{GOOD}"',
        f"“{GOOD}”",
        f"**{GOOD}**",
        f"Question: {GOOD}",
        f"**Question:** {GOOD}",
        f'Here is a question somebody might type: "{GOOD}"',
        f"<think>The passage is\nabout elections.</think>\n\n{GOOD}",
        f"The passage is about elections.</think>{GOOD}",
    ],
)
def test_a_question_is_taken_out_of_what_models_put_around_it(answer: str) -> None:
    assert cleaned_answer(answer) == GOOD


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        (GOOD, None),
        ("Wie lange ist ein Cluster ohne Leitung?", None),
        ("", "empty"),
        (f"{GOOD}\nAnd why?", "several lines"),
        ("how " * 41 + "long election?", "too long"),
        ("election " + "x" * 300, "too long"),
        ("How long\x1b[2J is an election?", "not printable"),
        ("Why is that so?", "about nothing"),
        ("What does the passage say about elections?", "speaks of the passage"),
        ("According to this document, how long is an election?", "speaks of the passage"),
        ("The other members hold an election and what then?", "copies the passage"),
        ("When the primary is lost", "copies the passage"),
    ],
)
def test_an_answer_is_taken_or_it_is_said_why_not(question: str, fault: str | None) -> None:
    assert fault_of(question, PASSAGE) == fault


@pytest.mark.parametrize(
    ("question", "copied"),
    [
        ("what if the other MEMBERS hold an, election", True),
        ("what if other members hold an auction for a new one", False),
        ("the primary is lost", True),
        ("is the primary lost", False),
    ],
)
def test_six_words_in_a_row_or_a_whole_short_question_are_copied(question: str, copied: bool) -> None:
    assert is_copied(question, PASSAGE) == copied


def test_the_model_gets_the_passage_with_its_headings_and_its_question_is_judged_by_it() -> None:
    parrot = Parrot(lambda _: GOOD)
    asked = chunk(PASSAGE, title="Servers {of} mine", heading=("Elections",), ordinal=3)
    written = write_questions(parrot, [asked])
    (question,) = written.questions
    assert (question.query, question.made_from, question.relevant) == (GOOD, "llm", ("guide.md#3",))
    assert f"----------\nServers {{of}} mine > Elections\n{PASSAGE}\n----------" in parrot.prompts[0]
    assert (written.calls, sum(written.rejected.values()), written.failure) == (1, 0, None)


def test_answers_that_are_not_taken_are_counted_and_never_asked_for_again() -> None:
    said = iter([GOOD, None, "How long was the cluster without a leader after the crash?", PASSAGE, "Why?"])
    parrot = Parrot(lambda _: next(said))
    told: list[tuple[str, int, int]] = []
    chunks = [chunk(PASSAGE, ordinal=number) for number in range(5)]
    written = write_questions(OneAtATime(parrot), chunks, lambda *step: told.append(step))
    assert [question.query for question in written.questions] == [GOOD]
    assert written.rejected == {"empty": 1, "repeated": 1, "copies the passage": 1, "about nothing": 1}
    assert written.calls == len(parrot.prompts) == 5
    assert told == [("asking the language model", number, 5) for number in range(1, 6)]


class OneAtATime:
    """A model that is asked from several threads and answers in the order of the chunks all the same."""

    name = "one at a time"

    def __init__(self, model: Parrot) -> None:
        from threading import Lock

        self._model, self._lock = model, Lock()

    def answer(self, prompt: str) -> str | None:
        with self._lock:
            return self._model.answer(prompt)


def test_a_model_that_fails_while_working_leaves_what_it_has_written() -> None:
    numbers = iter(range(100))
    parrot = Parrot(lambda _: f"How are servers of kind x{next(numbers)} elected again?", fails_after=3)
    chunks = [chunk(FILLER, ordinal=number) for number in range(20)]
    written = write_questions(parrot, chunks)
    assert 1 <= len(written.questions) <= 3
    assert written.failure == "parrot failed after 4 attempts: it answered 503"
    assert len(parrot.prompts) < 20


def test_a_model_that_says_no_is_an_error() -> None:
    def refuse(_: str) -> str:
        raise RemoteRefused("parrot answered 401 Unauthorized")

    with pytest.raises(RemoteRefused):
        write_questions(Parrot(refuse), [chunk(FILLER)])
