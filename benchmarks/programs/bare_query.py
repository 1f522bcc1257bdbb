"""The bare start of the runtime and the models: everything a query costs that is not vai's doing.

    python bare_query.py JOB

Imports numpy, ONNX Runtime and tokenizers, loads what is needed, embeds one query and, if the job names
passages, scores each together with it; prints the logits as JSON. Built to be fast: both models load at the same
time, and the pairs are read one per call on as many threads as there are cores. vai is not imported.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer


def main(job_file: str) -> None:
    """Do the job and print what came of it."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    with ThreadPoolExecutor(job["threads"]) as pool:
        loading = pool.submit(open_session, job["reranker"]) if job["passages"] else None
        embedder = open_session(job["embedder"])
        tokenizer = Tokenizer.from_file(job["tokenizer"])
        tokenizer.no_truncation()
        tokenizer.no_padding()
        cls, sep = tokenizer.encode("").ids
        query = tokenizer.encode(job["query"], add_special_tokens=False).ids
        kept = query[: job["embedder_tokens"] - 2]
        run(embedder, [cls, *kept, sep], len(kept) + 2)
        logits: list[float] = []
        if loading is not None:
            reranker = loading.result()
            head = [cls, *query[: job["query_tokens"]], sep]
            room = job["reranker_tokens"] - len(head) - 1
            passages = tokenizer.encode_batch_fast(job["passages"], add_special_tokens=False)
            pairs = [[*head, *passage.ids[:room], sep] for passage in passages]
            logits = [float(logit[0]) for logit in pool.map(lambda ids: run(reranker, ids, len(head)), pairs)]
    print(json.dumps({"logits": logits}))


def open_session(path: str) -> Any:
    """A session for few runs: weights are not packed beforehand, which would take longer than it saves."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session: Any, ids: list[int], second_from: int) -> NDArray[np.float32]:
    """The output for one text; token types are 1 from `second_from` on."""
    input_ids = np.array([ids], dtype=np.int64)
    types = np.zeros_like(input_ids)
    types[0, second_from:] = 1
    output: NDArray[np.float32] = session.run(None, {"input_ids": input_ids, "token_type_ids": types})[0][0]
    return output


if __name__ == "__main__":
    main(sys.argv[1])
