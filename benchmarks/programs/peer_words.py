"""bm25s on the texts and questions that vai's index of words is given.

    python peer_words.py build TEXTS FOLDER
    python peer_words.py search FOLDER QUESTIONS

To be run by an interpreter that has bm25s and PyStemmer. Both answer one line of JSON: seconds and bytes of the index;
ms of the first question from opening the folder on, and of all questions after that.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path

bm25s = import_module("bm25s")
Stemmer = import_module("Stemmer")

LIMIT = 100
K1, B = 0.9, 0.4  # vai's


def build(texts_file: str, folder: str) -> None:
    """Index the texts and save the index."""
    with Path(texts_file).open(encoding="utf-8") as lines:
        texts = [json.loads(line) for line in lines]
    began = time.perf_counter()
    tokens = bm25s.tokenize(texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index(tokens, show_progress=False)
    index.save(folder)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in Path(folder).iterdir())
    print(json.dumps({"seconds": seconds, "bytes": size}))


def search(folder: str, questions_file: str) -> None:
    """Ask and print how long it took."""
    questions = json.loads(Path(questions_file).read_text(encoding="utf-8"))
    stemmer = Stemmer.Stemmer("english")
    began = time.perf_counter()
    index = bm25s.BM25.load(folder, mmap=True)

    def ask(question: str) -> None:
        tokens = bm25s.tokenize(question, stopwords="en", stemmer=stemmer, show_progress=False)
        index.retrieve(tokens, k=LIMIT, show_progress=False)

    ask(questions[0])
    first = time.perf_counter() - began
    warm = []
    for question in questions:
        began = time.perf_counter()
        ask(question)
        warm.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"first_ms": first * 1e3, "warm_ms": warm}))


if __name__ == "__main__":
    {"build": build, "search": search}[sys.argv[1]](*sys.argv[2:])
