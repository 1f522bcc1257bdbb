"""One ingest in a process of its own, so that its memory can be told.

    python ingest.py STORE PATH

Prints the seconds that `Collection.ingest` took, the process's greatest resident memory in bytes, and the report,
as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import vai


def main(store: str, path: str) -> None:
    """Ingest, and print what it took."""
    with vai.Collection.open(store, settings=vai.Settings()) as collection:
        began = time.perf_counter()
        report = collection.ingest(path)
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes(), "report": report.to_dict()}))


def peak_bytes() -> int:
    """Greatest resident memory of this process.

    Linux' `getrusage` also counts what the parent had when it started this process, so its `VmHWM`, which begins
    anew with the program, is read instead.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.partition(":")[::2] for line in status.read_text(encoding="utf-8").splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
