"""One engine in a process of its own, which does what it is told, a line of JSON at a time.

    python engine_worker.py ENGINE FOLDER CORES

CORES is how many processor cores it may use; 0 for all. It answers a line of JSON when the engine's library has been
imported, and one for every request on standard input: see `measuring/engines.py`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Request = dict[str, Any]


def main(engine: str, folder: str, cores: int) -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    if cores:
        use_cores(cores)

    from peers import make

    peer = make(engine, Path(folder))
    about = {name: getattr(peer, name) for name in ("keeps", "searches", "filters", "depths", "changes")}
    packages = {package: version(package) for package in peer.packages}
    answers.write(json.dumps({**about, "packages": packages}) + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(DO[request["do"]](peer, request)) + "\n")


def use_cores(count: int) -> None:
    """Keep to so many cores, and have no library begin more threads than these can run."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


# ── requests ──


def build(peer: Any, request: Request) -> Any:
    """Store the first `rows` vectors of a file."""
    vectors = mapped(request)[: request["rows"]]
    return timed(lambda: peer.build(vectors, request["threads"]))


def open_(peer: Any, request: Request) -> Any:
    """Open what was built."""
    return timed(peer.open)


def search(peer: Any, request: Request) -> Any:
    """Search for each of the queries from `first` on, `count` of them, no longer than about `seconds`."""
    vectors = read(request)
    limit, depth, by_category = request["limit"], request["depth"], request["by_category"]
    milliseconds, rows, similarities = [], [], []
    clock = time.perf_counter
    last = clock() + request["seconds"]
    for number, vector in enumerate(vectors, start=request["first"]):
        began = clock()
        if by_category:
            found, values = peer.search_category(vector, limit, depth, number % 100)
        else:
            found, values = peer.search(vector, limit, depth)
        ended = clock()
        milliseconds.append((ended - began) * 1000)
        rows.append(list(found))
        similarities.append([float(value) for value in values])
        if ended > last:
            break
    return {"ms": milliseconds, "rows": rows, "similarities": similarities}


def add(peer: Any, request: Request) -> Any:
    """Store the vectors from `first` on, `count` of them, and search once: some engines leave work to that."""
    from peers import text_of

    vectors = read(request)
    text_of(0)  # which makes the words

    def act() -> None:
        peer.add(request["first"], vectors)
        peer.search(vectors[-1], 20, request["depth"])

    return timed(act)


def delete(peer: Any, request: Request) -> Any:
    """Remove rows, and search once."""
    vector = mapped(request)[request["rows"][-1]]

    def act() -> None:
        peer.delete(request["rows"])
        peer.search(vector, 20, request["depth"])

    return timed(act)


def memory(peer: Any, request: Request) -> Any:
    """Bytes of this process that are its own, and that are files mapped into it."""
    fields = dict(
        line.partition(":")[::2]
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    )
    return {name: int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile", "VmHWM")}


def close(peer: Any, request: Request) -> Any:
    """Let go of everything."""
    return timed(peer.close)


def mapped(request: Request) -> Any:
    """The vectors of a file, float32 [n, d]."""
    import numpy as np

    return np.load(request["vectors"], mmap_mode="r")


def read(request: Request) -> Any:
    """Some of the vectors of a file, in memory."""
    import numpy as np

    return np.array(mapped(request)[request["first"] : request["first"] + request["count"]])


def timed(act: Callable[[], None]) -> Any:
    """The seconds that something took."""
    began = time.perf_counter()
    act()
    return {"seconds": time.perf_counter() - began}


DO: dict[str, Callable[[Any, Request], Any]] = {
    "build": build,
    "open": open_,
    "search": search,
    "add": add,
    "delete": delete,
    "memory": memory,
    "close": close,
}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
