"""The bare embedder's own speed: given passages, tokenised beforehand, one per call, a thread per core.

    python bare_embedder.py JOB

Prints seconds and tokens (special ones included) as JSON. vai is not imported.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

WARM_UP = 50
"""Passages embedded before the clock starts."""


def main(job_file: str) -> None:
    """Do the job and print what came of it."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    inputs = tokenised(job["tokenizer"], job["passages"], job["embedder_tokens"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(job["embedder"], options, providers=["CPUExecutionProvider"])

    def embed(ids: NDArray[np.int64]) -> None:
        session.run(None, {"input_ids": ids, "token_type_ids": np.zeros_like(ids)})

    with ThreadPoolExecutor(job["threads"]) as pool:
        list(pool.map(embed, inputs[:WARM_UP]))
        began = time.perf_counter()
        list(pool.map(embed, inputs))
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "tokens": sum(ids.size for ids in inputs)}))


def tokenised(tokenizer_file: str, passages: list[str], max_tokens: int) -> list[NDArray[np.int64]]:
    """Token ids int64 [1, n] of each passage, cut to what the model reads."""
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    encodings = tokenizer.encode_batch_fast(passages)
    return [np.array([encoding.ids], dtype=np.int64) for encoding in encodings]


if __name__ == "__main__":
    main(sys.argv[1])
