"""The runtime's own best: the bundled reranker's network given pairs that were tokenised beforehand.

    python bare_reranker.py JOB

One session, one pair per call, a thread per core. What it is asked: see serving.py. vai is not imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import onnxruntime
from pairing import Pair, Pairing, pairs_by_question
from serving import Question, read_job, serve


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job, questions = read_job(job_file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(job["reranker"], options, providers=["CPUExecutionProvider"])
    tokenised = pairs_by_question(Pairing(job), questions)

    def run(pair: Pair) -> float:
        return float(session.run(None, {"input_ids": pair.ids, "token_type_ids": pair.types})[0][0, 0])

    with ThreadPoolExecutor(job["threads"]) as pool:

        def read(asked: Sequence[Question]) -> list[float]:
            pairs = (
                pair for question in asked for pair in tokenised[question.query][: len(question.passages)]
            )
            return list(pool.map(run, pairs))

        lengths = [pair.ids.size for pairs in tokenised.values() for pair in pairs]
        serve({"onnxruntime": onnxruntime.__version__, "lengths": lengths}, questions, read)


if __name__ == "__main__":
    main(sys.argv[1])
