"""A corpus of a given number of chunks out of whatever text there is, and questions to ask of it."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring.beir import unpacked
from vai.chunking import split
from vai.documents import ReadOptions, SourceFile, find_sources, read_documents
from vai.protocols import Embedder
from vai.settings import DEFAULT_CHUNK_TOKENS
from vai.types import Chunk, Document

SEED = 20261124
_WORDS = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s")


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is ingested: `path`, which lies in the folder that holds the store; its chunks, in no special order."""

    path: Path
    documents: int
    chunks: tuple[Chunk, ...]

    @property
    def passages(self) -> dict[str, str]:
        """What the embedder reads of each chunk, by its id."""
        return {chunk.id: chunk.passage for chunk in self.chunks}

    @property
    def passages_to_rerank(self) -> dict[str, str]:
        """What the reranker reads of each chunk, by its id."""
        return {chunk.id: chunk.passage_to_rerank for chunk in self.chunks}


def build_corpus(source: Path, workspace: Path, embedder: Embedder, chunk_count: int) -> Corpus:
    """Take documents at random (always the same ones) until there are about `chunk_count` chunks.

    Args:
        source: a BEIR folder or zip, a JSONL file of records, or a folder of files that vai reads.
        workspace: the corpus is made in it; what documents are called is relative to it.
    """
    folder = workspace / "corpus"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    records = records_file(source, workspace)
    documents = (
        _copied_files(source, folder, workspace)
        if records is None
        else _copied_records(records, folder / "records.jsonl", workspace)
    )
    chunks: list[Chunk] = []
    count = 0
    for document in documents:
        count += 1
        chunks += split(document, embedder.token_ends, chunk_tokens=DEFAULT_CHUNK_TOKENS)
        if len(chunks) >= chunk_count:
            break
    documents.close()
    if not chunks:
        raise SystemExit(f"there is no text in `{source}`")
    return Corpus(folder, count, tuple(chunks))


def records_file(source: Path, workspace: Path) -> Path | None:
    """The file of records that `source` is or holds; None if it is a folder of other files."""
    if source.suffix == ".jsonl":
        return source
    if source.suffix == ".zip" or (source / "corpus.jsonl").is_file():
        return unpacked(source, workspace / "unpacked") / "corpus.jsonl"
    if not source.is_dir():
        raise SystemExit(f"`{source}` is neither a folder nor a BEIR zip nor a .jsonl file")
    return None


def _copied_files(source: Path, folder: Path, root: Path) -> Generator[Document, None, None]:
    """Documents of the files below `source`, each copied to `folder` before it is read there."""
    options = ReadOptions()
    found = find_sources([source], root=source, options=options)
    files = [file for file in found if isinstance(file, SourceFile)]
    random.Random(SEED).shuffle(files)
    for file in files:
        copy = folder / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, copy)
        yield from _documents(copy, root)


def _copied_records(records: Path, copy: Path, root: Path) -> Generator[Document, None, None]:
    """Documents of a file of records in random order; `copy` ends up with those that were asked for."""
    lines = records.read_bytes().splitlines(keepends=True)
    random.Random(SEED).shuffle(lines)
    copy.write_bytes(b"".join(lines))
    taken = 0
    try:
        for document in _documents(copy, root):
            taken = document.line or 0
            yield document
    finally:
        copy.write_bytes(b"".join(lines[:taken]))


def _documents(path: Path, root: Path) -> Iterator[Document]:
    options = ReadOptions()
    for file in find_sources([path], root=root, options=options):
        if isinstance(file, SourceFile):
            yield from (read for read in read_documents(file, options) if isinstance(read, Document))


# ── questions ──


def questions_of(chunks: Sequence[Chunk], count: int) -> list[str]:
    """`count` different questions: titles and headings of three words or more, then first sentences of chunks.

    What people write above a text is short and says what it is about, as what they ask does.
    """
    shuffled = list(chunks)
    random.Random(SEED).shuffle(shuffled)
    headings = (part for chunk in shuffled for part in (*chunk.heading[-1:], chunk.title))
    sentences = (_first_sentence(chunk.text) for chunk in shuffled)
    chosen: dict[str, None] = {}
    for line in (*headings, *sentences):
        if 3 <= len(_WORDS.findall(line)) <= 30:
            chosen[" ".join(line.split())] = None
        if len(chosen) == count:
            return list(chosen)
    raise SystemExit(f"the corpus has only {len(chosen)} lines that could be asked, fewer than {count}")


def _first_sentence(text: str) -> str:
    return " ".join(_WORDS.findall(_SENTENCE_END.split(text.strip(), maxsplit=1)[0])[:15])
