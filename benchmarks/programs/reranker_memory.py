"""How much memory the bundled reranker needs for many long passages.

    python reranker_memory.py JOB

The job has `model`, `threads`, `query` and `passages`. Prints the greatest resident memory of the process in bytes,
how much of it was there after one passage, and how many tokens were read, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ingest import peak_bytes

import vai


def main(job_file: str) -> None:
    """Read the passages, and print what it took."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    reranker = vai.open_reranker(job["model"], threads=job["threads"])
    reranker.score(job["query"], job["passages"][:1])
    before = peak_bytes()
    reading = reranker.score(job["query"], job["passages"])
    print(json.dumps({"peak_bytes": peak_bytes(), "before_bytes": before, "tokens": reading.tokens}))


if __name__ == "__main__":
    main(sys.argv[1])
