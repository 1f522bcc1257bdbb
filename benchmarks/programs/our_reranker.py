"""The bundled reranker at work: reads the job's pairs once for every line on standard input.

    python our_reranker.py JOB

Answers one line of JSON when it is ready, and one with the seconds it took for every line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import vai


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    reranker = vai.open_reranker(job["model"], threads=job["threads"])
    reranker.score(job["questions"][0]["query"], job["questions"][0]["passages"])
    print(json.dumps({"model": reranker.name, "vai": vai.__version__}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for question in job["questions"]:
            reranker.score(question["query"], question["passages"])
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
