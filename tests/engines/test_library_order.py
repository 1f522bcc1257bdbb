"""The index's library and the models' in one process, in the order in which a query loads them."""

from __future__ import annotations

import subprocess
import sys


def test_models_can_be_loaded_after_an_index_was_opened() -> None:
    """usearch 2.26 brings a C++ library of its own, and onnxruntime 1.32 crashes when it is loaded after it."""
    script = "from vai.engines.index.library import compiled; compiled(); import onnxruntime; print('both')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "both")
