"""What the command line says to libraries before they are loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHOW = (
    "import atexit, os, sys; from vai.cli import main; "
    "atexit.register(lambda: print(os.environ['OPENBLAS_THREAD_TIMEOUT'], 'numpy' in sys.modules)); main(['--version'])"
)


@pytest.mark.parametrize(("before", "after"), [({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_threads_that_compare_vectors_are_told_to_sleep_before_they_exist(
    before: dict[str, str], after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    ended = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == f"{after} False"
