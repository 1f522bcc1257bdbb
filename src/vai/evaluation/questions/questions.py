"""A starting test set from a collection's own text, for want of questions that somebody has asked.

Nobody has judged anything in it. What is relevant follows from how the text is arranged: what stands below a heading
answers it, what follows a question answers that, and a passage answers the question that a language model has written
for it. So every line is marked as synthetic, and the report says what such a test set cannot tell.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vai.collection import Collection
from vai.disk import reason_of, write_whole
from vai.errors import InvalidSettings
from vai.evaluation.data.matching import Unit
from vai.evaluation.questions.asking import Written, write_questions
from vai.evaluation.questions.harvest import (
    MOST_RELEVANT,
    Candidate,
    MadeFrom,
    by_document,
    candidates,
    is_worth_asking_about,
    shared_with,
)
from vai.evaluation.questions.made import Rejected, TestSetReport, made_questions, warnings_of
from vai.evaluation.questions.sampling import Priority, Reservoir, Sightings, prioritised, shares, spread
from vai.evaluation.questions.wording import key_of
from vai.evaluation.replaying.bench import Progress
from vai.exporting.targets import require_free
from vai.protocols import LanguageModel
from vai.types import Chunk, Json

DEFAULT_COUNT = 100
MOST_QUESTIONS = 10_000
CANDIDATES_PER_QUESTION = 20
FEWEST_CANDIDATES = 2_000
"""Kept while the collection is read: most headings of a large one stand in several documents, and are dropped."""

FOUND: tuple[MadeFrom, ...] = ("heading", "question")


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a collection offers to ask, best first: questions found in it, and passages to write one for."""

    found: dict[MadeFrom, list[tuple[Priority, Candidate]]]
    passages: list[tuple[Priority, Chunk]]
    documents: int


def make_test_set(
    collection: Collection,
    path: Path,
    *,
    count: int = DEFAULT_COUNT,
    unit: Unit = "chunk",
    seed: int = 0,
    model: LanguageModel | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> TestSetReport:
    """Write a test set of at most `count` questions that `read_test_set` reads; nothing is written if there are none.

    Which questions are found only depends on what is stored and on the seed.

    Args:
        path: a file whose name ends in `.jsonl`.
        unit: judge the chunks that answer, or their whole documents.
        model: writes as many of the questions as were found in each other way; it is sent a passage for each.
        force: replace a file that is there.
        progress: told of chunks that were looked at, and of passages that the model has read.

    Raises:
        InvalidSettings, PathNotFound: the file cannot be written, or is there already.
        CollectionNotFound: there is nothing stored.
        RemoteRefused: the model's server said no.
    """
    began = time.monotonic()
    _require_target(path, count, force=force)
    chunks = _chunks(collection, progress)
    harvest = gather(chunks, count=count, unit=unit, seed=seed, with_passages=model is not None)
    used: Counter[str] = Counter()
    written = _written_by(model, harvest, count, used, progress)
    asked = {key_of(question.query) for question in written.questions}
    found = _found(harvest, count - len(written.questions), used, asked)
    chosen = [_measured(question, collection) for question in (*written.questions, *found)]
    chosen.sort(key=lambda question: (question.document_id, question.made_from, question.query))
    if chosen:
        _write(path, chosen, unit, None if model is None else model.name)
    return TestSetReport(
        collection=collection.name,
        path=str(path) if chosen else None,
        unit=unit,
        seed=seed,
        synthetic=True,
        questions=len(chosen),
        documents=len({question.document_id for question in chosen}),
        of_documents=harvest.documents,
        made=made_questions(chosen),
        model=None if model is None else model.name,
        calls=written.calls,
        rejected=tuple(Rejected(reason, answers) for reason, answers in sorted(written.rejected.items())),
        seconds=round(time.monotonic() - began, 3),
        warnings=tuple(warnings_of(chosen, count, written)),
    )


def gather(
    chunks: Iterable[Chunk], *, count: int, unit: Unit, seed: int, with_passages: bool = False
) -> Harvest:
    """What can be asked, from chunks that come a document at a time; memory does not grow with their number.

    A question that another document, or another place of the same one, gives too is dropped, for nobody could say
    which of them answers it. Near-duplicates are told by the words that they are about (`wording.key_of`).
    """
    room = max(CANDIDATES_PER_QUESTION * count, FEWEST_CANDIDATES)
    kept: dict[MadeFrom, Reservoir[Candidate]] = {kind: Reservoir(room) for kind in FOUND}
    passages: Reservoir[Chunk] = Reservoir(count)
    met, documents = Sightings(), 0
    for document in by_document(chunks):
        documents += 1
        found = list(candidates(document))
        for candidate in found:
            met.add(key_of(candidate.query))
        for kind, reservoir in kept.items():
            for priority, candidate in prioritised(_sharp(found, kind, unit), seed, _place_of_candidate):
                reservoir.add(priority, candidate)
        if with_passages:
            for priority, chunk in prioritised(
                filter(is_worth_asking_about, document), seed, _place_of_chunk
            ):
                passages.add(priority, chunk)
    single = {
        kind: [entry for entry in reservoir.items() if met.is_single(key_of(entry[1].query))]
        for kind, reservoir in kept.items()
    }
    return Harvest(single, passages.items(), documents)


def _sharp(found: Sequence[Candidate], kind: MadeFrom, unit: Unit) -> list[Candidate]:
    """The candidates of a kind that few enough chunks answer; of whole documents one always answers.

    A title is left out where the document has headings: every chunk repeats its words, so that all settings find it.
    """
    most = MOST_RELEVANT if unit == "chunk" else math.inf
    sharp = [one for one in found if one.made_from == kind and len(one.relevant) <= most]
    sections = [one for one in sharp if not one.of_whole]
    chosen = sections if kind == "heading" and sections else sharp
    return [replace(one, relevant=one.relevant[:MOST_RELEVANT]) for one in chosen]


def _place_of_candidate(candidate: Candidate) -> str:
    return f"{candidate.document_id}\0{candidate.query}"


def _place_of_chunk(chunk: Chunk) -> str:
    return chunk.id


# ── choosing ──


def _written_by(
    model: LanguageModel | None,
    harvest: Harvest,
    count: int,
    used: Counter[str],
    progress: Progress | None,
) -> Written:
    """The share of the questions that a language model writes, of as many passages."""
    if model is None:
        return Written((), 0, Counter())
    available = {"llm": len(harvest.passages)} | {kind: len(found) for kind, found in harvest.found.items()}
    calls = shares(count, available)["llm"]
    passages = spread(harvest.passages, calls, document=lambda chunk: chunk.document_id, used=used)
    return write_questions(model, passages, progress)


def _found(harvest: Harvest, count: int, used: Counter[str], keys: set[int]) -> Iterator[Candidate]:
    """Questions that were found, as many of the one kind as of the other, none of them asked already."""
    unasked = {
        kind: [entry for entry in found if key_of(entry[1].query) not in keys]
        for kind, found in harvest.found.items()
    }
    taken = shares(count, {kind: len(found) for kind, found in unasked.items()})
    for kind in reversed(FOUND):  # those that are rarer choose their documents first
        yield from spread(
            unasked[kind], taken[kind], document=lambda candidate: candidate.document_id, used=used
        )


def _measured(question: Candidate, collection: Collection) -> Candidate:
    """The question with the share of its words that stand in its answer."""
    answers = collection.chunks(question.relevant).values()
    return replace(question, shared=round(shared_with(question.query, answers), 3))


# ── the file and what is said of it ──


def _require_target(path: Path, count: int, *, force: bool) -> None:
    if not 1 <= count <= MOST_QUESTIONS:
        raise InvalidSettings(f"--count must be from 1 to {MOST_QUESTIONS:,}: {count}")
    if path.suffix.lower() != ".jsonl":
        raise InvalidSettings(f"a test set is written into a file whose name ends in `.jsonl`: {path}")
    require_free(path, force=force)


def _write(path: Path, questions: Sequence[Candidate], unit: Unit, model: str | None) -> None:
    lines = [
        json.dumps(_record(number, question, unit, model), ensure_ascii=False)
        for number, question in enumerate(questions, start=1)
    ]
    try:
        write_whole(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise InvalidSettings(f"`{path}` cannot be written: {reason_of(error)}") from error


def _record(number: int, question: Candidate, unit: Unit, model: str | None) -> dict[str, Json]:
    record: dict[str, Json] = {
        "query": question.query,
        "relevant": list(question.relevant) if unit == "chunk" else [question.document_id],
        "id": f"s{number}",
        "synthetic": True,
        "made_from": question.made_from,
        "shared_words": question.shared,
        "source": question.source,
    }
    return record | ({"model": model} if question.made_from == "llm" else {})


def _chunks(collection: Collection, progress: Progress | None) -> Iterator[Chunk]:
    total, done = (0 if progress is None else collection.describe().chunks), 0
    for chunks, _ in collection.engine.scan(collection.name):
        yield from chunks
        done += len(chunks)
        if progress is not None:
            progress("looking for questions", done, total)
