"""Questions that a document holds itself, each with the chunks that answer it: one document at a time, and pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vai.documents.formats import language_of
from vai.evaluation.questions.wording import (
    FEWEST_WORDS,
    QUESTION_MARKS,
    cleaned,
    heading_query,
    is_asked,
    is_code,
    is_question,
    shared_words,
)
from vai.types import Chunk

MadeFrom = Literal["heading", "question", "llm"]
"""A heading (also one that is a question), a question in the text, or a passage that a language model has read."""

MOST_RELEVANT = 10
"""Chunks that answer a question; a heading above more of them names a subject and asks for nothing."""
FEWEST_TOKENS = 20
"""Of the chunks below a heading; less is no answer."""
FEWEST_WORDS_BEHIND = 8
"""A question at the end of a chunk is answered in another, or not at all."""

QUESTION_FIELDS = ("question", "query", "questions", "faq")
"""Of a record, where a question stands that its text answers; the models read nothing of it."""

_PARAGRAPH = re.compile(r"\S(?:[^\n]|\n(?![ \t]*\n))*")
_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,}).*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_PROSE = re.compile(r"(?:[-*+] |\d{1,3}[.)] )?[*_]{0,3}[^\W_]|[¿\"'“„«]")
_MARKUP = re.compile(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=[\w?])[*_](?!\w)")
_SENTENCE_END = re.compile(r"(?<!^\d)(?<!^\d\d)[.!?…][*_\"'”»)]{0,3}(?=\s)|[。！？]")
_FIRST_IS_QUESTION = re.compile(r"[^.!?。！？]*[?？]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question, and what answers it.

    Args:
        relevant: ids of chunks, in order.
        source: the file that they came from.
        of_whole: whether all chunks of the document answer it: its title, or a question that came with it.
        shared: see `shared_with`; it is measured of those that are chosen.
    """

    query: str
    made_from: MadeFrom
    document_id: str
    relevant: tuple[str, ...]
    source: str
    of_whole: bool = False
    shared: float = 0.0


def candidates(chunks: Sequence[Chunk]) -> Iterator[Candidate]:
    """What a document, given by its chunks in order, can be asked: nothing where it is source code."""
    if language_of(chunks[0].source.rpartition("/")[2]):
        return
    yield from _from_fields(chunks)
    yield from _from_headings(chunks)
    for chunk in chunks:
        yield from _from_sentences(chunk)


def is_worth_asking_about(chunk: Chunk) -> bool:
    """Whether a chunk is long enough, and prose enough, for somebody to look for it."""
    return chunk.tokens >= 2 * FEWEST_TOKENS and sum(map(str.isalpha, chunk.text)) * 2 > len(chunk.text)


def own_text(chunk: Chunk) -> str:
    """The text of a chunk without the lines that only say a heading above it."""
    said = {_bare(name) for name in (chunk.title, *chunk.heading)}
    return "\n".join(line for line in chunk.text.splitlines() if _bare(line) not in said)


def shared_with(question: str, chunks: Iterable[Chunk]) -> float:
    """The share of a question's words that stand in the text of the chunk that has most of them, headings apart."""
    return max((shared_words(question, own_text(chunk)) for chunk in chunks), default=0.0)


def _bare(line: str) -> str:
    return "".join(re.findall(r"\w+", line)).strip("_").casefold()


def _from_fields(chunks: Sequence[Chunk]) -> Iterator[Candidate]:
    """The question that a record has in a field of its own; its text is the answer."""
    for name in QUESTION_FIELDS:
        value = chunks[0].metadata.get(name)
        if isinstance(value, str) and is_asked(asked := " ".join(value.split())):
            yield _candidate(asked, "question", chunks, of_whole=True)
            return


def _from_headings(chunks: Sequence[Chunk]) -> Iterator[Candidate]:
    """A question for each heading, whose answer is all that stands below it."""
    below: dict[tuple[str, ...], list[Chunk]] = {}
    for chunk in chunks:
        for path in _paths(chunk):
            below.setdefault(path, []).append(chunk)
    for path, found in below.items():
        query = heading_query(path)
        if query is not None and sum(chunk.tokens for chunk in found) >= FEWEST_TOKENS:
            yield _candidate(query, "heading", found, of_whole=len(found) == len(chunks))


def _paths(chunk: Chunk) -> Iterator[tuple[str, ...]]:
    """Every heading above a chunk, with those above it; a title that is only the file's name is none."""
    title = () if chunk.title in ("", chunk.source.rpartition("/")[2], *chunk.heading[:1]) else (chunk.title,)
    whole = (*title, *chunk.heading)
    for depth in range(1, len(whole) + 1):
        yield whole[:depth]


def _from_sentences(chunk: Chunk) -> Iterator[Candidate]:
    """The questions with which a paragraph of a chunk begins, and which it goes on to answer.

    In the middle of a paragraph they are mostly rhetorical, and in a row of questions none is answered.
    """
    if not any(mark in chunk.text for mark in QUESTION_MARKS):
        return
    headings = {_bare(name) for name in (chunk.title, *chunk.heading)}
    for sentence, behind in _openings(chunk.text):
        answered = len(behind.split()) >= FEWEST_WORDS_BEHIND and not _FIRST_IS_QUESTION.match(behind)
        asked = is_question(sentence) and is_asked(sentence) and not is_code(sentence)
        if answered and asked and len(sentence.split()) >= FEWEST_WORDS and _bare(sentence) not in headings:
            yield _candidate(sentence, "question", [chunk])


def _openings(text: str) -> Iterator[tuple[str, str]]:
    """The first sentence of each paragraph of prose, without markup, and all that stands behind it in the text."""
    prose = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for paragraph in _PARAGRAPH.finditer(prose):
        indent = paragraph.start() - (prose.rfind("\n", 0, paragraph.start()) + 1)
        if indent > 3 or not _PROSE.match(paragraph[0]):
            continue
        ended = _SENTENCE_END.search(paragraph[0])
        end = paragraph.end() if ended is None else paragraph.start() + ended.end()
        yield cleaned(_MARKUP.sub("", " ".join(prose[paragraph.start() : end].split()))), text[end:].lstrip()


def _candidate(
    query: str, made_from: MadeFrom, chunks: Sequence[Chunk], *, of_whole: bool = False
) -> Candidate:
    return Candidate(
        query=query,
        made_from=made_from,
        document_id=chunks[0].document_id,
        relevant=tuple(chunk.id for chunk in chunks),
        source=chunks[0].source,
        of_whole=of_whole,
    )


def by_document(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """The chunks of each document, which have to come together."""
    group: list[Chunk] = []
    for chunk in chunks:
        if group and group[0].document_id != chunk.document_id:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group
