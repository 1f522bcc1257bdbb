"""A writer that is killed at any instant loses nothing that it had reported as stored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from engine_samples import NAME
from killed_writer import files_after
from vai.engines.embedded import EmbeddedEngine

LIVES = 50
TESTS = Path(__file__).parents[1]


def lives(folder: Path, count: int) -> Iterator[int]:
    """The last step that was acknowledged, after every life; the next one begins when the next is asked for."""
    with subprocess.Popen(
        [sys.executable, str(TESTS / "killed_writer.py"), str(folder), str(count), "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            yield int(line)
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0


def stored_texts(engine: EmbeddedEngine) -> dict[str, str]:
    """The text of every file as its chunks hold it, white space apart."""
    texts: dict[str, list[str]] = {}
    for chunks, _ in engine.scan(NAME):
        for chunk in chunks:
            texts.setdefault(chunk.source, []).append(chunk.text)
    return {source: " ".join(" ".join(parts).split()) for source, parts in texts.items()}


def texts_after(step: int) -> dict[str, str]:
    return {f"files/{name}": " ".join(text.split()) for name, text in files_after(step).items()}


def test_killed_at_fifty_instants_it_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Of the step it died in, each file is as before or as after."""
    steps = []
    for step in lives(tmp_path, LIVES):
        steps.append(step)
        if step < 0:
            continue
        engine = EmbeddedEngine(tmp_path / ".vai", create=False)
        stored, before, after = stored_texts(engine), texts_after(step), texts_after(step + 1)
        assert engine.check(NAME) == []
        assert engine.describe(NAME).documents == len(stored)
        engine.close()
        for source in before.keys() | after.keys() | stored.keys():
            assert stored.get(source) in {before.get(source), after.get(source)}, (step, source)
    assert len(steps) == LIVES
    assert steps[-1] > LIVES / 2
