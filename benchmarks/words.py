"""What words cost: building, bytes and queries of the index beside FTS5 and, if there is a peer, bm25s.

    python benchmarks/words.py --texts DIR --sizes 10000,200000
    python benchmarks/words.py --texts FILE.jsonl --questions FILE.jsonl --sizes 200000,1000000
    python benchmarks/words.py --texts DIR --peer-python PEER/bin/python

DIR holds test collections in BEIR's layout, each a folder or a zip, whose documents are the texts and whose queries are
the questions; FILE.jsonl has one object a line, with `text` and perhaps `title`. Where a size is greater than the
number of texts, the others are made of two each, the first half of one and the second half of another.

All sides index the same texts on one thread, commit every 10,000 of them where they can, and then answer the same
questions in a new process: the first query with everything it opens, then all of them again, 100 best each. FTS5 is
asked for any of the terms that the question has beside stop words, by its tokenizer `porter unicode61`, ordered by
`bm25`; it indexes an external content table, which is not counted. bm25s stems with the same library.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring.beir import SEED, find_sets, unpacked
from measuring.machine import describe, provenance
from measuring.processes import PROGRAMS, timed
from measuring.report import save, say, table
from measuring.sampling import Percentiles, percentiles
from vai.engines.words import WORDS_SCHEMA, WordsWriter
from vai.types import Json, as_json

COMMIT_EVERY = 10_000
LIMIT = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What one side took.

    Args:
        first_ms: from opening to the first answer in a new process, imports apart.
        warm: ms of a query, analysis of the question and the order of the best included.
    """

    side: str
    texts: int
    build_seconds: float
    bytes: int
    first_ms: float
    warm: Percentiles


def main() -> None:
    """Measure, print the table, write the file."""
    options = parsed_options()
    with tempfile.TemporaryDirectory() as scratch:
        texts, questions = read_corpus(options.texts, options.questions, Path(scratch))
        say(f"{len(texts):,} texts, {len(questions):,} questions")
        costs = [
            cost
            for size in options.sizes
            for cost in costs_at(size, texts, questions[: options.asked], Path(scratch), options.peer_python)
        ]
    report(costs, options.json)


def parsed_options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--texts", type=Path, required=True, help="a folder of BEIR sets, or a JSONL file")
    parser.add_argument("--questions", type=Path, help="a JSONL file of questions, for texts from a file")
    parser.add_argument("--sizes", type=_sizes, default=[10_000], help="numbers of texts, with commas")
    parser.add_argument("--asked", type=int, default=300, help="questions at most")
    parser.add_argument("--peer-python", type=Path, help="an interpreter that has bm25s and PyStemmer")
    parser.add_argument("--json", type=Path, help="a file or folder for the result")
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


# ── texts ──


def read_corpus(source: Path, questions: Path | None, scratch: Path) -> tuple[list[str], list[str]]:
    """Texts and questions in random order, always the same one."""
    if source.is_file():
        texts = list(_texts(source))
        asked = list(_texts(questions)) if questions else [" ".join(text.split()[:8]) for text in texts]
    else:
        folders = [unpacked(found, scratch) for found in find_sets(source, [])]
        texts = [text for folder in folders for text in _texts(folder / "corpus.jsonl")]
        asked = [text for folder in folders for text in _texts(folder / "queries.jsonl")]
    chance = random.Random(SEED)
    chance.shuffle(texts)
    chance.shuffle(asked)
    return texts, asked


def _texts(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield "\n".join(filter(None, [record.get("title"), record["text"]]))


def texts_of_size(texts: Sequence[str], size: int) -> Iterator[str]:
    """The texts, and then others made of two each."""
    chance = random.Random(SEED)
    yield from texts[:size]
    for _ in range(size - len(texts)):
        first, second = chance.choice(texts).split(), chance.choice(texts).split()
        yield " ".join([*first[: len(first) // 2], *second[len(second) // 2 :]])


# ── sides ──


def costs_at(
    size: int, texts: Sequence[str], questions: Sequence[str], scratch: Path, peer: Path | None
) -> Iterator[Cost]:
    """Every side at one size."""
    asked = scratch / "questions.json"
    asked.write_text(json.dumps(list(questions)), encoding="utf-8")
    for side, build in (("vai", build_ours), ("FTS5", build_fts5)):
        say(f"{side}, {size:,} texts")
        database = scratch / f"{side}-{size}.db"
        seconds, used = build(database, texts_of_size(texts, size))
        answer = _ask(Path(sys.executable), "search_words.py", side, database, asked)
        yield _cost(side, size, seconds, used, answer)
        database.unlink()
    if peer:
        say(f"bm25s, {size:,} texts")
        written = scratch / "texts.jsonl"
        with written.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(text) + "\n" for text in texts_of_size(texts, size))
        built = _ask(peer, "peer_words.py", "build", written, scratch / "bm25s")
        answer = _ask(peer, "peer_words.py", "search", scratch / "bm25s", asked)
        yield _cost("bm25s", size, built["seconds"], built["bytes"], answer)


def build_ours(path: Path, texts: Iterator[str]) -> tuple[float, int]:
    """Seconds and bytes of the index."""

    def create(database: sqlite3.Connection) -> Callable[[int, list[str]], None]:
        for statement in WORDS_SCHEMA.split(";\n"):
            database.execute(statement)
        database.execute("CREATE TABLE dead (vector INTEGER PRIMARY KEY)")
        writer = WordsWriter(database)

        def add(first: int, group: list[str]) -> None:
            writer.add(first, group)
            writer.flush()

        return add

    return _build(path, texts, create)


def build_fts5(path: Path, texts: Iterator[str]) -> tuple[float, int]:
    """Seconds and bytes of the index; the table that holds the texts is left empty, as it is not read."""

    def create(database: sqlite3.Connection) -> Callable[[int, list[str]], None]:
        database.execute("CREATE TABLE texts (text TEXT)")
        database.execute(
            "CREATE VIRTUAL TABLE words USING fts5"
            "(text, content = 'texts', tokenize = 'porter unicode61', detail = full)"
        )

        def add(first: int, group: list[str]) -> None:
            database.executemany(
                "INSERT INTO words (rowid, text) VALUES (?, ?)", enumerate(group, start=first)
            )

        return add

    return _build(path, texts, create)


def _build(
    path: Path,
    texts: Iterator[str],
    create: Callable[[sqlite3.Connection], Callable[[int, list[str]], None]],
) -> tuple[float, int]:
    """Index texts in transactions; the time that it takes to make the texts is not counted."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    add = create(database)
    seconds, first = 0.0, 0
    for group in _groups(texts):
        began = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        add(first, group)
        database.execute("COMMIT")
        seconds += time.perf_counter() - began
        first += len(group)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    database.close()
    return seconds, (pages - free) * size


def _groups(texts: Iterator[str]) -> Iterator[list[str]]:
    group: list[str] = []
    for text in texts:
        group.append(text)
        if len(group) == COMMIT_EVERY:
            yield group
            group = []
    if group:
        yield group


def _ask(python: Path, program: str, *arguments: str | Path) -> Any:
    return json.loads(timed([python, PROGRAMS / program, *arguments])[1])


def _cost(side: str, texts: int, seconds: float, used: int, answer: Any) -> Cost:
    return Cost(side, texts, seconds, used, answer["first_ms"], percentiles(side, answer["warm_ms"]))


# ── result ──


def report(costs: Sequence[Cost], destination: Path | None) -> None:
    """The table on standard output, and the file if one is wanted."""
    found = provenance()
    rows = [
        [
            f"{cost.texts:,}",
            cost.side,
            f"{cost.build_seconds:.1f}",
            f"{cost.texts / cost.build_seconds:,.0f}",
            f"{cost.bytes / cost.texts:.0f}",
            f"{cost.first_ms:.1f}",
            f"{cost.warm.p50:.1f}",
            f"{cost.warm.p95:.1f}",
        ]
        for cost in costs
    ]
    header = ["texts", "side", "build s", "texts/s", "bytes/text", "first ms", "p50 ms", "p95 ms"]
    print(describe(found), "", table(header, rows), sep="\n")
    if destination:
        result: dict[str, Json] = {**found, "costs": [as_json(cost) for cost in costs]}
        say(f"written to {save(result, destination, 'words')}")


if __name__ == "__main__":
    main()
