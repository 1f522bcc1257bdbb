"""Questions to an index of words, vai's or FTS5's, in a process of its own.

    python search_words.py vai|FTS5 DATABASE QUESTIONS

Answers one line of JSON: ms of the first question from opening the database on, and of all questions after that.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vai.engines.analysis import STOP_WORDS
from vai.engines.words import Words, best, segments_of

LIMIT = 100
_WORD = re.compile(r"\w+")


def main(side: str, path: str, questions_file: str) -> None:
    """Ask and print how long it took."""
    questions = json.loads(Path(questions_file).read_text(encoding="utf-8"))
    began = time.perf_counter()
    database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    ask = OPEN[side](database)
    ask(questions[0])
    first = time.perf_counter() - began
    warm = []
    for question in questions:
        began = time.perf_counter()
        ask(question)
        warm.append((time.perf_counter() - began) * 1e3)
    database.close()
    print(json.dumps({"first_ms": first * 1e3, "warm_ms": warm}))


def open_ours(database: sqlite3.Connection) -> Callable[[str], list[int]]:
    """The best rows by vai's index."""
    words = Words()
    words.load(database)
    rows = segments_of(database)[-1].last
    none_dead = np.empty(0, dtype=np.int64)
    return lambda question: best(words.scores(database, question, rows, none_dead), LIMIT).tolist()


def open_fts5(database: sqlite3.Connection) -> Callable[[str], list[int]]:
    """The best rows by FTS5, for any of the words."""

    def ask(question: str) -> list[int]:
        words = dict.fromkeys(_WORD.findall(question.casefold()))
        asked = [word for word in words if word not in STOP_WORDS] or list(words)
        match = " OR ".join(f'"{word}"' for word in asked)
        return [
            row
            for row, _ in database.execute(
                "SELECT rowid, bm25(words) FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
                (match, LIMIT),
            )
        ]

    return ask


OPEN = {"vai": open_ours, "FTS5": open_fts5}


if __name__ == "__main__":
    main(*sys.argv[1:])
