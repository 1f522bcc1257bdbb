"""The bundled reranker at work, as `vai.open_reranker` opens it: one question at a time.

    python our_reranker.py JOB

What it is asked: see serving.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from serving import Question, read_job, serve

import vai


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job, questions = read_job(job_file)
    reranker = vai.open_reranker(job["model"], threads=job["threads"])

    def read(asked: Sequence[Question]) -> list[float]:
        values: list[float] = []
        for question in asked:
            reading = reranker.score(question.query, question.passages)
            if reading.cached:
                raise SystemExit("values came from a cache: that is not reranking")
            values += reading.values.tolist()
        return values

    serve({"model": reranker.name, "vai": vai.__version__}, questions, read)


if __name__ == "__main__":
    main(sys.argv[1])
