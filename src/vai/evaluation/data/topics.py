"""Questions in a file of their own, as judgements in TREC's form have them.

<top> <num> Number: 301 <title> …     TREC's topics, closed by tags or not; the title is the question
id<TAB>question                       on each line
{"_id": …, "text": …}                 on each line, as in BEIR's queries.jsonl
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from vai.errors import InvalidSettings
from vai.evaluation.data.beir import questions
from vai.evaluation.data.contents import contents, text_in

_TOPIC = re.compile(r"<top>(.*?)(?=<top>|</top>|\Z)", re.IGNORECASE | re.DOTALL)
_FIELD = re.compile(r"<(num|title)>\s*([^<]*(?:<(?!/?[a-z]+\s*>)[^<]*)*)", re.IGNORECASE)
_LABEL = {"num": re.compile(r"number\s*:", re.IGNORECASE), "title": re.compile(r"topic\s*:", re.IGNORECASE)}
"""What the fields say of themselves, in the earlier years."""


def read_topics(path: Path) -> dict[str, str]:
    """The questions of a file, by id; a topic without a title is "".

    Raises:
        PathNotFound: nothing is there.
        InvalidSettings: it holds no questions, or a line is wrong, which the message names.
    """
    data = contents(path, "file of topics")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return _once(questions(data, path.name), path.name)
    text = text_in(data, path.name)
    asked = _topics(text) if text.lstrip().startswith("<") else _lines(text, path.name)
    return _once(asked, path.name)


def _once(asked: Iterator[tuple[str, str]], file_name: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for query, text in asked:
        if texts.setdefault(query, text) != text:
            raise InvalidSettings(f"`{file_name}` has two questions of one id: {query}")
    if not texts:
        raise InvalidSettings(f"`{file_name}` holds no question")
    return texts


def _topics(text: str) -> Iterator[tuple[str, str]]:
    for topic in _TOPIC.finditer(text):
        fields = {name.lower(): value for name, value in reversed(_FIELD.findall(topic[1]))}
        number, title = (_said(name, fields.get(name, "")) for name in ("num", "title"))
        if number:
            yield number, title


def _said(name: str, value: str) -> str:
    """What a field says, on one line, without its label."""
    plain = " ".join(html.unescape(value).split())
    label = _LABEL[name].match(plain)
    return plain[label.end() :].strip() if label else plain


def _lines(text: str, file_name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        query, tab, question = line.partition("\t")
        if not tab or not query.strip():
            raise InvalidSettings(
                f"line {number} of `{file_name}` is no question: {line.strip():.40}",
                hint="topics are `<top>` … `</top>`, lines of an id, a tab and a question, or a queries.jsonl",
            )
        yield query.strip(), question.strip()
