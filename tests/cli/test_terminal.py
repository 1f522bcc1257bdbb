"""What only a terminal, a pipe or a signal shows: colour, the progress bar, ends that come from outside."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from command_line import OVERLAP, VAI, finished, installed, vai, written
from vai._version import __version__
from vai.ingest.steps import BATCH_CHUNKS

RUN = "from vai.cli import main; main()"


def on_terminal(
    *arguments: str, output: bool = True, environment: Mapping[str, str] | None = None
) -> tuple[str, bytes]:
    """What the installed command writes to a terminal, and to a pipe where `output` is not on the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [VAI, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs if output else subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **(environment or {})},
    ) as process:
        os.close(theirs)
        shown = _all_of(ours)
        piped = process.stdout.read() if process.stdout else b""
    os.close(ours)
    assert process.returncode == 0
    return shown.replace("\r\n", "\n"), piped


def _all_of(terminal: int) -> str:
    shown = b""
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not data:
            break
        shown += data
    return shown.decode()


# ── colour ──


def test_a_terminal_gets_colour(store: Path) -> None:
    shown, _ = on_terminal("query", "replica set", "-k", "1", *OVERLAP)
    assert "1. \x1b[1mdocs/members.md:1-4\x1b[0m  Configure a replica set\n\x1b[2m   relevance" in shown
    assert "\x1b[32m\x1b[1mreplica\x1b[0m" in shown
    assert "**" not in shown


@pytest.mark.parametrize("without", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb terminal"])
def test_a_terminal_that_wants_no_colour_gets_none(store: Path, without: dict[str, str]) -> None:
    shown, _ = on_terminal("query", "replica set", "-k", "1", *OVERLAP, environment=without)
    assert "\x1b[" not in shown
    assert "**replica** **set**" in shown


def test_a_pipe_gets_no_colour(store: Path) -> None:
    _, piped = on_terminal("query", "replica set", "-k", "1", *OVERLAP, output=False)
    assert b"\x1b[" not in piped
    assert b"**replica** **set**" in piped


def test_doctor_needs_no_colour_to_be_understood(store: Path) -> None:
    shown, _ = on_terminal("doctor")
    assert "\x1b[32mok   \x1b[0m  sqlite: " in shown


# ── progress ──


def test_a_bar_is_shown_on_a_terminal_and_leaves_nothing_behind_in_the_output(project: Path) -> None:
    shown, piped = on_terminal("ingest", "docs", "--embedder", "hashing", output=False)
    assert "looking" in shown
    assert piped.startswith(b"6 files into `default` in ")
    assert b"\x1b" not in piped


def test_quiet_shows_no_bar(project: Path) -> None:
    assert on_terminal("ingest", "docs", "--embedder", "hashing", "-q", output=False)[0] == ""


def test_a_pipe_sees_no_bar(project: Path) -> None:
    assert installed("ingest", "docs", "--embedder", "hashing").stderr == ""


# ── the installed command ──


def test_the_version_is_the_packages() -> None:
    answer = installed("--version")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, f"vai {__version__}\n", "")


def test_the_package_runs_as_a_module_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "vai", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"vai {__version__}\n"


def test_exit_codes_reach_the_shell(project: Path) -> None:
    assert installed("query", " ").exit_code == 2
    assert installed("query", "anything").exit_code == 3
    assert installed("ingest", ".").exit_code == 0


def test_a_reader_that_has_seen_enough_hears_no_complaint(project: Path, store: Path) -> None:
    """The answers are many times what a pipe holds, so that `vai` is still writing when the pipe is closed."""
    written(project, {"questions.txt": "replica set\n" * 300})
    with subprocess.Popen(
        [VAI, "query", "--batch", "questions.txt", *OVERLAP], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b'{"schema": "vai.query/1"')
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_does_no_harm(store: Path, closed: str) -> None:
    command = f'exec "{VAI}" query "replica set" --rerank-model word-overlap {closed}'
    answer = finished(["sh", "-c", command])
    assert answer.exit_code == 0
    assert "Traceback" not in answer.stderr
    assert (answer.stdout == "") == (closed == ">&-")


def test_output_that_finds_no_room_is_one_sentence(project: Path, store: Path) -> None:
    written(project, {"questions.txt": "replica set\n" * 300})
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({2**17}, {2**17})); {RUN}"
    command = f'exec "{sys.executable}" -c "{limited}" query --batch questions.txt --no-rerank >answers.txt'
    answer = finished(["sh", "-c", command], VAI_TRACEBACK="")
    assert answer.exit_code == 3
    assert answer.stderr == "error: the output cannot be written: File too large\n"
    assert (project / "answers.txt").stat().st_size == 2**17


# ── Ctrl-C ──

INTERRUPTED = f"""
import os, signal, threading
from concurrent.futures import Future
from vai.models import catalog, fakes

waiting = threading.Semaphore(0)
result = Future.result

def waited_for(future):
    waiting.release()
    return result(future)

class Embedder(fakes.HashingEmbedder):
    batches = 0

    def embed_documents(self, texts):
        Embedder.batches += 1
        if Embedder.batches == 4:
            for batch in range(4):  # until nothing is left to do but to wait for this batch
                waiting.acquire()
            os.kill(os.getpid(), signal.SIGINT)
        return super().embed_documents(texts)

Future.result = waited_for
catalog._hashing = lambda loading: Embedder()
{RUN}
"""


def test_what_was_stored_before_ctrl_c_stays_and_the_same_command_does_the_rest(project: Path) -> None:
    many = {f"f{number:03}.txt": f"text number {number}" for number in range(700)}
    written(project / "many", many)
    command = ["ingest", "many", "--embedder", "hashing"]
    stopped = finished([sys.executable, "-c", INTERRUPTED, *command])
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    stored = 3 * BATCH_CHUNKS
    assert stopped.stderr == (
        f"\nerror: stopped; new or changed documents that are stored: {stored}\n"
        "hint: run the same command again to do the rest\n"
    )
    (collection,) = vai("status", "--json").json["collections"]
    assert collection["documents"] == stored
    assert vai("doctor", "--check", "--json").json["findings"][-1]["message"].endswith("all verified")
    rest = vai(*command, "--json").json
    assert (rest["added"], rest["unchanged"]) == (700 - stored, stored)


def test_ctrl_c_anywhere_else_is_one_word(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("vai.collection.Collection.open", pressed)
    answer = vai("query", "anything")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (130, "", "\nerror: stopped\n")


AT_WORK = """
import atexit, sys, threading
from vai.cli import main
atexit.register(print, "in order")
if sys.argv[1] == "at work":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
del sys.argv[1]
main()
"""
"""The command, in a process in which a thread is at work that nobody waits for, or is not."""


@pytest.mark.parametrize(("threads", "last"), [("idle", "in order\n"), ("at work", "")])
def test_native_code_at_work_does_not_see_the_end_of_the_interpreter(threads: str, last: str) -> None:
    """Before Python 3.14 it would abort the process, which would end with 134."""
    fine = finished([sys.executable, "-c", AT_WORK, threads, "models", "--json"])
    assert fine.exit_code == 0
    assert fine.stdout.endswith(f"}}\n{last}")
    failed = finished([sys.executable, "-c", AT_WORK, threads, "query", " "])
    assert (failed.exit_code, failed.stdout) == (2, last)
    assert failed.stderr.startswith("error: the query is empty\n")
