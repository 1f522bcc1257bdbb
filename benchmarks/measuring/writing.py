"""The write path: how fast and in how much memory a corpus is ingested, and what it costs when nothing changed."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from measuring.corpus import Corpus
from measuring.processes import PROGRAMS, bare_models, command_line, run_program, timed, write_job
from measuring.sampling import Comparison, Goal, Samples, alternate
from vai.freshness import RACY_NS
from vai.models.catalog import core_count

SHARE_OF_BARE = Goal(0.85, more_is_better=True)
PEAK_MB = Goal(600)
REINGEST_SECONDS = Goal(2.0)
FILES_PER_FOLDER = 100


def ingest(corpus: Corpus, store: Path, scratch: Path, rounds: int) -> list[Comparison]:
    """The whole ingest into a fresh store against the bare model on the same passages; and its memory.

    Every round makes `store` anew; the last one stays.
    """
    job = write_job(
        scratch / "passages.json",
        {**bare_models(), "threads": core_count(), "passages": list(corpus.passages.values())},
    )
    tokens: list[float] = []
    peaks: list[float] = []

    def bare(_: int) -> float:
        answer = run_program("bare_embedder.py", job)
        tokens.append(answer["tokens"])
        return float(answer["seconds"])

    def ours(_: int) -> float:
        shutil.rmtree(store, ignore_errors=True)
        answer = fill(store, corpus)
        peaks.append(answer["peak_bytes"] / 1e6)
        return float(answer["seconds"])

    ours_seconds, bare_seconds = alternate(rounds, ours, bare, warm_up=False)
    speed = Comparison(
        name=f"ingest, {len(corpus.chunks):,} chunks, {tokens[0]:,.0f} tokens as the model reads them",
        unit="tokens/s",
        ours=Samples(tuple(tokens[0] / seconds for seconds in ours_seconds.values)),
        reference_name="the bare model, same passages tokenised beforehand",
        reference=Samples(tuple(tokens[0] / seconds for seconds in bare_seconds.values)),
        ratio_goal=SHARE_OF_BARE,
    )
    memory = Comparison(
        name="peak resident memory of that ingest", unit="MB", ours=Samples(tuple(peaks)), goal=PEAK_MB
    )
    return [speed, memory]


def fill(store: Path, corpus: Corpus) -> Any:
    """Ingest the corpus in another process and make sure that it holds the passages that were counted.

    A store that holds them already is left as it is.
    """
    answer = run_program("ingest.py", store, corpus.path)
    report = answer["report"]
    fresh = report["unchanged"] == 0 and report["changed"] == 0
    expected = (len(corpus.chunks), sum(chunk.tokens for chunk in corpus.chunks))
    if fresh and (report["chunks"], report["tokens"]) != expected:
        raise SystemExit(
            f"the ingest made {report['chunks']:,} chunks of {report['tokens']:,} tokens, not the "
            f"{expected[0]:,} of {expected[1]:,} that the bare model is given"
        )
    return answer


def unchanged_reingest(folder: Path, files: int, repeats: int) -> Comparison:
    """`vai ingest` of many small files that have not changed, start to exit of the process."""
    made = make_small_files(folder / "files", files)
    command: list[str | Path] = [command_line(), "ingest", made, "--store", folder / ".vai", "--json"]
    timed(command)

    def ours(_: int) -> float:
        seconds, output = timed(command)
        report = json.loads(output)
        if report["unchanged"] != files or report["added"] or report["changed"]:
            raise SystemExit(f"not everything was unchanged: {output}")
        return seconds

    def walk(_: int) -> float:
        seconds, output = timed([sys.executable, PROGRAMS / "walk.py", made])
        if int(output) != files:
            raise SystemExit(f"the walk found {output.strip()} files instead of {files}")
        return seconds

    measured, reference = alternate(repeats, ours, walk, warm_up=True)
    return Comparison(
        name=f"unchanged re-ingest of {files:,} small files, start to exit",
        unit="s",
        ours=measured,
        reference_name="a new interpreter that looks at every file",
        reference=reference,
        goal=REINGEST_SECONDS,
    )


def make_small_files(folder: Path, count: int) -> Path:
    """Text files of one line, a hundred to a folder, older than what counts as just written."""
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(count):
        path = folder / f"{number // FILES_PER_FOLDER:03d}" / f"note-{number:05d}.txt"
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_text(
            f"Note {number}: what room {number % 97} keeps on shelf {number % 31}.\n", encoding="utf-8"
        )
    # A file so young proves nothing by its time stamp, so the first re-ingest would read all of them again.
    time.sleep(RACY_NS / 1e9 + 0.2)
    return folder
