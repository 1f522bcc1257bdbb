"""fastembed's `TextCrossEncoder` at its defaults: padded batches of 64 through ONNX Runtime, one question at a time.

    python fastembed_reranker.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed. It is given the `network` of the job (a
file in the job's `peer_model`) as a model of the user's own. What it is asked: see serving.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from fastembed.common.model_description import ModelSource
from fastembed.rerank.cross_encoder import TextCrossEncoder
from serving import Question, read_job, serve

NAME = "benchmarks/peer-model"


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job, questions = read_job(job_file)
    TextCrossEncoder.add_custom_model(NAME, sources=ModelSource(hf=NAME), model_file=job["network"])
    model = TextCrossEncoder(NAME, threads=job["threads"], specific_model_path=job["peer_model"])

    def read(asked: Sequence[Question]) -> list[float]:
        return [value for question in asked for value in model.rerank(question.query, question.passages)]

    about = {name: version(name) for name in ("fastembed", "onnxruntime", "tokenizers")}
    serve({**about, "network": job["network"], "threads": job["threads"]}, questions, read)


if __name__ == "__main__":
    main(sys.argv[1])
