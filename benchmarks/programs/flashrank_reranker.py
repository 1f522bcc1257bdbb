"""FlashRank at its defaults: all passages of a question in one padded batch through ONNX Runtime.

    python flashrank_reranker.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed. Its models are downloads; it is given the
`network` of the job (a file in the job's `peer_model`) under the name of one of them, with pairs cut at the 512 tokens
that are its default. It has no setting for threads: ONNX Runtime takes one for each core. What it is asked: see
serving.py.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from flashrank import Ranker, RerankRequest
from flashrank.Config import model_file_map
from serving import Question, read_job, serve

STANDS_IN_FOR = "ms-marco-MiniLM-L-12-v2"


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job, questions = read_job(job_file)
    with tempfile.TemporaryDirectory() as cache:
        link_model(Path(job["peer_model"]), job["network"], Path(cache) / STANDS_IN_FOR)
        ranker = Ranker(model_name=STANDS_IN_FOR, cache_dir=cache, log_level="WARNING")

    def read(asked: Sequence[Question]) -> list[float]:
        values: list[float] = []
        for question in asked:
            passages = [{"id": number, "text": text} for number, text in enumerate(question.passages)]
            found = ranker.rerank(RerankRequest(query=question.query, passages=passages))
            values += [float(item["score"]) for item in sorted(found, key=lambda item: item["id"])]
        return values

    about = {name: version(name) for name in ("flashrank", "onnxruntime", "tokenizers")}
    serve({**about, "network": job["network"]}, questions, read)


def link_model(source: Path, network: str, folder: Path) -> None:
    """The files under the names that the library looks for."""
    folder.mkdir()
    for path in source.glob("*.json"):
        (folder / path.name).symlink_to(path)
    (folder / model_file_map[STANDS_IN_FOR]).symlink_to(source / network)


if __name__ == "__main__":
    main(sys.argv[1])
