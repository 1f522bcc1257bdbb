"""Models without an ONNX network, read by vai's extra for PyTorch.

    python torch_models.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed, with vai's sources on its path. Prints
what every model in the job's folder says of its queries and passages as JSON, in the form of `random_models.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vai.models.local.folders import Located
from vai.models.local.pytorch import open_torch_embedder, open_torch_reranker


def main(job_file: str) -> None:
    """Open every model, and say what it says."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    answers = []
    for model in job["models"]:
        folder = Path(job["folder"]) / f"{model['name']}-torch"
        values = VALUES[model["kind"]](Located(folder, str(folder), None), job["questions"])
        answers.append({**model, "values": values})
    print(json.dumps({"models": answers}))


def reranker_values(located: Located, questions: list[Any]) -> list[list[float]]:
    """Logits of every pair, question by question."""
    model = open_torch_reranker(located, threads=2)
    return [model.score(item["query"], item["passages"]).values.tolist() for item in questions]


def embedder_values(located: Located, questions: list[Any]) -> list[list[list[float]]]:
    """Vectors of every query and its passages, question by question."""
    model = open_torch_embedder(located, threads=2)
    return [
        [model.embed_query(item["query"]).tolist(), *model.embed_documents(item["passages"]).tolist()]
        for item in questions
    ]


VALUES = {"reranker": reranker_values, "embedder": embedder_values}


if __name__ == "__main__":
    main(sys.argv[1])
