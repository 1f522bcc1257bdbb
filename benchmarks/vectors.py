"""Vectors to compare engines on: real texts embedded with the bundled model, and as many more like them as wanted.

    python benchmarks/vectors.py --out DIR --texts PATH …
    python benchmarks/vectors.py --out DIR --rows 1010000

In DIR, all float32 [n, 384] and of unit length:

    texts.json       the texts, in the order of the vectors
    real.npy         their vectors
    queries.npy      the last 1,000 of these, which are never in the collection
    neighbours.npy   int32 [n, 10]: the rows most similar to each of the others, found exactly
    collection.npy   the others, then mixtures

Texts are the documents of BEIR sets (a zip, or a folder with `corpus.jsonl`: title and text), of JSONL files ("pos"
or "text"; of a long "pos" also what comes after its first 450 characters), and of both in a `.tar.gz`; each with its
white space joined and cut to 300 characters, those of 40 or fewer left out, each one once, shuffled with a fixed seed.

A mixture is normalise(normalise(t·a + (1 − t)·b) + noise): a is a random real vector, b a random one of its 10 nearest
neighbours, t uniform between .3 and .7, noise Gaussian of the given length. A fixed seed and a block's number decide
what is drawn, so a longer collection begins with the shorter one. What the mixtures are like beside real vectors is
in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import random
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measuring.options import described_parser
from measuring.report import say
from vai import open_embedder
from vai.arrays import Matrix

SEED = 20261124
LONGEST_TEXT = 300
SHORTEST_TEXT = 41
NEIGHBOURS = 10
DRAWN = 65_536
"""Mixtures that one seed is drawn for."""
COMPARED = 1_024
"""Rows compared with all others at a time: 0.9 GB of similarities at 210,000 rows."""
SAMPLE = 20_000
"""Rows out of which a lower bound for the similarity to the last of the neighbours is taken."""


def main() -> None:
    """Make what was asked for and is not there yet."""
    options = parsed_options()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.texts:
        embed(options.texts, options.out, options.most)
    real = np.load(options.out / "real.npy", mmap_mode="r")
    if len(real) <= options.queries:
        raise SystemExit(f"{len(real):,} vectors are too few to hold {options.queries:,} back as queries")
    np.save(options.out / "queries.npy", real[len(real) - options.queries :])
    if options.rows:
        write_collection(real[: len(real) - options.queries], options)


# ── real vectors ──


def embed(places: Iterable[Path], out: Path, most: int) -> None:
    """Write `texts.json` and `real.npy`."""
    texts = list(dict.fromkeys(text for place in places for text in texts_of(place)))
    random.Random(SEED).shuffle(texts)
    del texts[most:]
    (out / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    embedder = open_embedder()
    unfinished = out / "real.npy.new"
    vectors = np.lib.format.open_memmap(
        unfinished, mode="w+", dtype=np.float32, shape=(len(texts), embedder.dimension)
    )
    for start in range(0, len(texts), 1_000):
        vectors[start : start + 1_000] = embedder.embed_documents(texts[start : start + 1_000])
        if start % 20_000 == 0:
            say(f"embedded {start:,} of {len(texts):,} texts")
    vectors.flush()
    unfinished.rename(out / "real.npy")


def texts_of(place: Path) -> Iterator[str]:
    """The texts of a set, a file of records, an archive of such, or a folder of them, as they are embedded."""
    for text in _raw_texts(place):
        joined = " ".join(text.split())[:LONGEST_TEXT]
        if len(joined) >= SHORTEST_TEXT:
            yield joined


def _raw_texts(place: Path) -> Iterator[str]:
    if place.is_dir():
        for inside in sorted(place.iterdir()):
            if inside.is_dir() or inside.name.endswith((".zip", ".tar.gz", ".jsonl")):
                yield from _raw_texts(inside)
    elif place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            for name in archive.namelist():
                if name.endswith(".jsonl"):
                    with archive.open(name) as lines:
                        yield from _texts_of_records(name, lines)
    elif place.name.endswith(".tar.gz"):
        with tarfile.open(place) as tape:
            for member in tape:
                records = tape.extractfile(member) if member.name.endswith(".jsonl") else None
                if records is not None:
                    yield from _texts_of_records(member.name, records)
    else:
        with place.open("rb") as lines:
            yield from _texts_of_records(place.name, lines)


def _texts_of_records(name: str, lines: Iterable[bytes]) -> Iterator[str]:
    if Path(name).name in {"queries.jsonl", "qrels.jsonl"}:
        return
    for line in lines:
        record = json.loads(line)
        text = record.get("pos")
        if text is None:
            yield f"{record.get('title') or ''} {record['text']}"
            continue
        yield text
        if len(text) > 900:
            yield text[450:]


# ── mixtures ──


def write_collection(real: Matrix, options: argparse.Namespace) -> None:
    """Write `collection.npy`: the real vectors, then mixtures, `rows` in all."""
    neighbours = neighbours_of(np.ascontiguousarray(real), options.out / "neighbours.npy")
    unfinished = options.out / "collection.npy.new"
    collection = np.lib.format.open_memmap(
        unfinished, mode="w+", dtype=np.float32, shape=(options.rows, real.shape[1])
    )
    collection[: len(real)] = real[: options.rows]
    for block, start in enumerate(range(len(real), options.rows, DRAWN)):
        there = collection[start : start + DRAWN]
        there[:] = mixtures(real, neighbours, block, options.noise)[: len(there)]
        say(f"wrote {start + len(there):,} of {options.rows:,} vectors")
    collection.flush()
    unfinished.rename(options.out / "collection.npy")


def mixtures(real: Matrix, neighbours: NDArray[np.int32], block: int, noise: float) -> Matrix:
    """float32 [DRAWN, d] of unit length; `noise` is the length of the noise beside vectors of unit length."""
    generator = np.random.default_rng([SEED, block])
    first = generator.integers(len(real), size=DRAWN)
    second = neighbours[first, generator.integers(neighbours.shape[1], size=DRAWN)]
    share = generator.uniform(0.3, 0.7, size=(DRAWN, 1)).astype(np.float32)
    mixed = share * real[first] + (1 - share) * real[second]
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    deviation = noise / np.sqrt(real.shape[1])
    mixed += deviation * generator.standard_normal(size=mixed.shape, dtype=np.float32)
    found: Matrix = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return found.astype(np.float32)


def neighbours_of(vectors: Matrix, kept: Path) -> NDArray[np.int32]:
    """Rows of the nearest neighbours of every row, int32 [n, NEIGHBOURS], best first; kept in a file."""
    if kept.is_file():
        found: NDArray[np.int32] = np.load(kept)
        if len(found) == len(vectors):
            return found
    found = np.empty((len(vectors), NEIGHBOURS), dtype=np.int32)
    for start in range(0, len(vectors), COMPARED):
        found[start : start + COMPARED] = _nearest(vectors, start)
        if start % (20 * COMPARED) == 0:
            say(f"found the neighbours of {start:,} of {len(vectors):,}")
    np.save(kept, found)
    return found


def _nearest(vectors: Matrix, start: int) -> NDArray[np.int64]:
    """The neighbours of a block of rows: those above what a sample says that the last of them has at least."""
    block = vectors[start : start + COMPARED]
    similarities = block @ vectors.T
    similarities[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
    bound = np.partition(similarities[:, :SAMPLE], -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    rows, columns = np.nonzero(similarities >= bound[:, None])
    order = np.lexsort((-similarities[rows, columns], rows))
    first = np.searchsorted(rows[order], np.arange(len(block)))
    found: NDArray[np.int64] = columns[order[first[:, None] + np.arange(NEIGHBOURS)]]
    return found


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="where the files are, or are made")
    add("--texts", type=Path, nargs="+", default=[], metavar="PATH", help="embed these anew")
    add("--most", type=int, default=210_000, metavar="N", help="texts to embed [210,000]")
    add("--queries", type=int, default=1_000, metavar="N", help="real vectors held back as queries [1,000]")
    add("--rows", type=int, default=0, metavar="N", help="make a collection of N rows")
    add("--noise", type=float, default=0.4, metavar="LENGTH", help="length of the mixtures' noise [0.4]")
    options = parser.parse_args()
    if not options.texts and not (options.out / "real.npy").is_file():
        parser.error(f"there is no real.npy in {options.out}: --texts makes it")
    return options


if __name__ == "__main__":
    main()
