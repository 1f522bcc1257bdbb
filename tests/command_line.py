"""`vai` as a user meets it: in this process for speed, or as the installed command where only that will do."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from vai._version import __version__
from vai.cli import main

VAI = str(Path(sysconfig.get_path("scripts")) / "vai")

OVERLAP = ("--rerank-model", "word-overlap")
"""A reranker that needs no time to load."""

MASKS = {
    rf"\bvai {re.escape(__version__)}\b": "vai [version]",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\+00:00)?": "[time]",
    r" +\d+(\.\d)? ms\b": " [ms]",
    r"\b\d+\.\d s\b": "[s]",
    r"[\d,]+ tokens/s": "[rate]",
    r"\b\d+\.\d [KMG]B {2,}": "[size]  ",
    r"\bprocess \d+ on \S+ since": "process [id] since",
}


@dataclass(frozen=True)
class Outcome:
    """What a command ended with and printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output, which has to be one JSON value and nothing else."""
        return json.loads(self.stdout)

    def masked(self, **names: Path | str) -> str:
        """All of it, for a snapshot: with `[name]` for each path, and without what differs from run to run."""
        text = f"exit code {self.exit_code}\n── stdout ──\n{self.stdout}── stderr ──\n{self.stderr}"
        for name, value in names.items():
            text = text.replace(str(value), f"[{name}]")
        for pattern, mask in MASKS.items():
            text = re.sub(pattern, mask, text)
        return "\n".join(line.rstrip() for line in text.splitlines())


def vai(*arguments: str | Path, stdin: bytes | None = b"") -> Outcome:
    """Run a command in this process; `stdin` None is a closed standard input."""
    given = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    stdout, stderr = _stream(), _stream()
    with mock.patch.multiple(sys, stdin=given, stdout=stdout, stderr=stderr):
        exit_code = _exit_code([str(argument) for argument in arguments])
    return Outcome(exit_code, _written(stdout), _written(stderr))


def ingest(*arguments: str | Path) -> Outcome:
    """Run `vai ingest` with a model that needs no time to load."""
    return vai("ingest", *arguments, "--embedder", "hashing")


def _exit_code(arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return ended.code
    raise AssertionError("the command line ended without an exit code")


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")


def installed(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> Outcome:
    """Run the installed command in a process of its own, with more variables in its environment."""
    return finished([VAI, *map(str, arguments)], stdin=stdin, **environment)


def finished(command: list[str], *, stdin: bytes = b"", **environment: str) -> Outcome:
    """Run any command to its end."""
    ended = subprocess.run(
        command, input=stdin, capture_output=True, env={**os.environ, **environment}, timeout=60, check=False
    )
    return Outcome(ended.returncode, ended.stdout.decode("utf-8"), ended.stderr.decode("utf-8"))


def complaint(outcome: Outcome, exit_code: int) -> str:
    """The one sentence, with its hint, of a command that printed nothing else and ended with this code."""
    lines = outcome.stderr.splitlines()
    assert (outcome.exit_code, outcome.stdout) == (exit_code, "")
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith("error: ")
    assert not lines[0].endswith(".")
    assert all(line.startswith("hint: ") for line in lines[1:])
    return outcome.stderr


def stored() -> dict[str, str]:
    """Every stored text by its chunk's id."""
    hits = vai("query", "anything", "-k", "1000", "--no-rerank", "--json").json["hits"]
    return {hit["id"]: hit["text"] for hit in hits}


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A folder with these files in it, besides what it held."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@contextlib.contextmanager
def garbled(path: Path, offset: int, data: bytes) -> Iterator[None]:
    """Other bytes in a file, for a while."""
    before = path.read_bytes()
    path.write_bytes(before[:offset] + data + before[offset + len(data) :])
    try:
        yield
    finally:
        path.write_bytes(before)
