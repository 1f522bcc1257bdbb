"""A stand-in for sentence-transformers, for tests on machines without PyTorch.

It has what `vai.models.local.pytorch` uses of version 6: the two classes, opened from a folder with the same arguments,
and called with a row of tokens. `benchmarks/agreement.py` uses the real one. What a model gives here can be told
by hand:

    scores              the share of the first text's different tokens that are in the second, times 8, minus 4; of two
                        labels the first is a number of its own, and the difference of the two is that
    sentence_embedding  how often each token of the vocabulary is in the row, the first 16 of them

As with the real one, the last bits of a value depend on the size of the batch.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch  # the stand-in beside this one
from transformers.utils import logging

OPENED: list[Model] = []
"""All models, in the order in which they were opened."""
DIMENSION = 16
LABELS = 2.5
"""The first of two logits."""


class _Tokenizer:
    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.model_input_names: list[str] = settings["model_input_names"]


class Model:
    """What both classes share."""

    output = ""

    def __init__(
        self,
        path: str,
        *,
        trust_remote_code: bool,
        local_files_only: bool,
        model_kwargs: Mapping[str, object],
    ) -> None:
        folder = Path(path)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not (folder / "model.safetensors").exists():
            raise OSError(f"Error no file named model.safetensors found in directory {path}.")
        if "auto_map" in config and not trust_remote_code:
            raise ValueError("requires you to execute the configuration file in that repo.\nPlease pass …")
        assert not trust_remote_code, "nobody's Python is run"
        assert local_files_only, "the hub is not asked"
        assert model_kwargs == {"use_safetensors": True}, "nothing pickled is read"
        if logging.is_progress_bar_enabled():
            sys.stderr.write("Loading weights: 100%\n")
        if logging.get_verbosity() <= 30:
            sys.stderr.write("LOAD REPORT\n")
        warnings.warn("something is deprecated", FutureWarning, stacklevel=2)
        self.labels = int(config.get("num_labels", 1))
        self.tokenizer = _Tokenizer(folder)
        self.device = "cpu"
        self.training, self.dtype = True, "bfloat16"
        self.given: list[set[str]] = []
        OPENED.append(self)

    def eval(self) -> Self:
        self.training = False
        return self

    def __call__(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        assert torch.is_inference_mode_enabled(), "gradients are not kept"
        self.given.append({*features})
        rows: list[list[int]] = features["input_ids"].numpy().tolist()
        values = np.array([self.value(row) for row in rows], dtype=np.float32)
        return {**features, self.output: torch.Tensor(values * np.float32(1 + 1e-6 * (len(rows) - 1)))}

    def value(self, row: list[int]) -> Sequence[float]:
        raise NotImplementedError

    def float(self) -> Self:
        self.dtype = "float32"
        return self


class CrossEncoder(Model):
    """Scores of pairs; special tokens are those that stand first and last."""

    output = "scores"

    def value(self, row: list[int]) -> Sequence[float]:
        end = row[-1]
        cut = row.index(end, 1)
        first, second = {*row[1:cut]}, {*row[cut + 1 :]} - {end}
        share = len(first & second) / len(first) if first else 0.0
        logit = 8.0 * share - 4.0
        return [logit] if self.labels == 1 else [LABELS, LABELS + logit, *[0.0] * (self.labels - 2)]


class SentenceTransformer(Model):
    """Vectors that count tokens."""

    output = "sentence_embedding"

    def value(self, row: list[int]) -> Sequence[float]:
        return [float(count) for count in np.bincount(np.array(row) % DIMENSION, minlength=DIMENSION)]
