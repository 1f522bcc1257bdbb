"""Test collections in BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`, in a folder or a zip."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 20261124


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries by id, and for each the documents that were judged, by id, with their grade (0: not relevant)."""

    queries: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]

    @property
    def documents(self) -> set[str]:
        """Every document that was judged for one of the queries."""
        return {document for judged in self.grades.values() for document in judged}


def find_sets(data: Path, names: Sequence[str]) -> list[Path]:
    """The zips and folders in `data` that are test collections, by name; those named, or all."""
    folders = [path.parent for path in data.glob("*/corpus.jsonl")]
    found = {set_name(path): path for path in [*data.glob("*.zip"), *folders]}
    missing = [name for name in names if name not in found]
    if missing or not found:
        known = ", ".join(sorted(found)) or "none"
        raise SystemExit(f"`{data}` has no set called {', '.join(missing) or 'anything'}; there are: {known}")
    return [found[name] for name in (names or sorted(found))]


def set_name(location: Path) -> str:
    """What the set in a zip or a folder is called."""
    return location.stem if location.suffix == ".zip" else location.name


def unpacked(location: Path, scratch: Path) -> Path:
    """The folder that holds the set's `corpus.jsonl`; a zip is unpacked below `scratch`."""
    if location.suffix != ".zip":
        return location
    folder = scratch / location.stem
    with zipfile.ZipFile(location) as archive:
        archive.extractall(folder)
    found = sorted(folder.rglob("corpus.jsonl"))
    if not found:
        raise SystemExit(f"`{location}` holds no corpus.jsonl")
    return found[0].parent


def read_judged(folder: Path, most: int) -> Judged:
    """At most `most` of the queries for which something relevant was judged, always the same ones."""
    qrels = folder / "qrels" / "test.tsv"
    if not qrels.is_file():
        raise SystemExit(f"`{folder}` holds no qrels/test.tsv")
    grades: dict[str, dict[str, int]] = {}
    with qrels.open(encoding="utf-8") as lines:
        next(lines)  # the header
        for line in lines:
            query, document, grade = line.rstrip("\n").split("\t")
            grades.setdefault(query, {})[document] = int(grade)
    texts = {}
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            texts[record["_id"]] = record["text"]
    usable = sorted(query for query, judged in grades.items() if query in texts and max(judged.values()) > 0)
    chosen = sorted(random.Random(SEED).sample(usable, min(most, len(usable))))
    return Judged({query: texts[query] for query in chosen}, {query: grades[query] for query in chosen})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A test collection that can be ingested: its name, its corpus as a file of records, and what was judged."""

    name: str
    corpus: Path
    judged: Judged


def prepared(location: Path, workspace: Path, *, queries: int, documents: int | None = None) -> Prepared:
    """Unpack a set, choose at most `queries` of its queries, and at most `documents` of its documents."""
    folder = unpacked(location, workspace / "unpacked")
    judged = read_judged(folder, queries)
    name = set_name(location)
    part = name if documents is None else f"{name}-{documents}"
    corpus = workspace / "corpora" / f"{part}.jsonl"
    write_corpus(folder, corpus, judged.documents, documents)
    return Prepared(name, corpus, judged)


def write_corpus(folder: Path, destination: Path, keep: set[str], most: int | None) -> None:
    """Copy the corpus; if it has more than `most` documents, those to `keep` and a random choice of others."""
    lines = (folder / "corpus.jsonl").read_bytes().splitlines(keepends=True)
    if most is not None and len(lines) > most:
        ids = [str(json.loads(line)["_id"]) for line in lines]
        others = [number for number, document in enumerate(ids) if document not in keep]
        room = max(0, most - (len(lines) - len(others)))
        left_out = set(others) - set(random.Random(SEED).sample(others, min(room, len(others))))
        lines = [line for number, line in enumerate(lines) if number not in left_out]
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(b"".join(lines))
