"""A program that ingests again and again, and is killed again and again; and what its store may then hold.

    python killed_writer.py FOLDER LIVES SEED

For each life it forks a process that takes up the work where the last one was acknowledged, and kills it after a
random time. Then it prints the number of the last acknowledged step and waits for a line on standard input.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

FILES = 7
LONGEST_LIFE = 0.12
"""Seconds: some steps, each of which takes some hundredths of a second."""


def files_after(step: int) -> dict[str, str]:
    """Names and texts of the files that step 0, 1, … `step` have left."""
    files: dict[str, str] = {}
    for number in range(step + 1):
        name = f"{number % FILES}.md"
        paragraphs = [f"step{number} paragraph{part} of {name}\n" for part in range(1 + number * 5 % 23)]
        files[name] = "\n".join(paragraphs)
        if number % 11 == 10:
            files.pop(f"{number % 5}.md", None)
    return files


def write_files(folder: Path, step: int) -> None:
    """Bring the folder to what it is after a step."""
    files = files_after(step)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def live(folder: Path, steps: range, acknowledge: int) -> None:
    """Take step after step, and write the number of each that is done to a file descriptor."""
    from vai.collection import Collection
    from vai.engines import indexing, writer
    from vai.ingest import committing
    from vai.models.fakes import HashingEmbedder
    from vai.settings import Settings

    # Small numbers, so that everything that happens to a large collection happens here every few steps.
    writer.COMPACT_FROM = 20
    vars(indexing)["EXACT_BELOW"] = 30
    committing.COMMIT_SECONDS = 0.0
    with Collection.open(folder / ".vai", embedder=HashingEmbedder(), settings=Settings()) as collection:
        for step in steps:
            write_files(folder / "files", step)
            collection.ingest(folder / "files", chunk_tokens=16)
            os.write(acknowledge, f"{step}\n".encode())


def main() -> None:
    """Live, be killed, say how far it came; then again."""
    folder, lives, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # Forking does things to threads that Python warns of; what is forked here is killed anyway.
    warnings.simplefilter("ignore", DeprecationWarning)
    with Path(os.devnull).open("wb") as nowhere:  # everything is imported once, and not in every life
        live(folder / "warm", range(12), nowhere.fileno())
    rolls = random.Random(seed)
    done = -1
    for _ in range(lives):
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            live(folder, range(done + 1, done + 1000), writing)
            os._exit(1)
        os.close(writing)
        time.sleep(rolls.uniform(0.0, LONGEST_LIFE))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            sys.exit("it ended by itself")
        with os.fdopen(reading) as acknowledged:
            done = max([done, *(int(line) for line in acknowledged)])
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    main()
