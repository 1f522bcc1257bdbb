"""Models without an ONNX network, and a stand-in for the libraries that run them (`stand_ins/`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from tiny_models import wordpiece_tokenizer

STAND_INS = Path(__file__).parent / "stand_ins"
PACKAGES = ("sentence_transformers", "torch", "transformers")
POOLING = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
NETWORK = {"type": "sentence_transformers.models.Transformer", "path": ""}


@contextmanager
def stand_in() -> Iterator[ModuleType]:
    """The stand-in for sentence-transformers, as if it were installed."""
    _forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STAND_INS))
        import sentence_transformers

        yield sentence_transformers
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
        del sys.modules[name]


def save_model(folder: Path, files: Mapping[str, object], **config: object) -> None:
    """A model's folder; more files than every model has."""
    folder.mkdir(exist_ok=True)
    wordpiece_tokenizer().save(str(folder / "tokenizer.json"))
    described = {
        "config.json": {"max_position_embeddings": 32, "type_vocab_size": 2, **config},
        "tokenizer_config.json": {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
        **files,
    }
    for name, content in described.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "model.safetensors").write_bytes(b"weights")


def save_reranker(folder: Path, **config: object) -> None:
    """A cross-encoder."""
    save_model(folder, {}, architectures=["BertForSequenceClassification"], **config)


def save_embedder(folder: Path, *, described: Mapping[str, object] | None = None, **config: object) -> None:
    """A bi-encoder; `described` stands in its `config_sentence_transformers.json`."""
    files = {
        "modules.json": [NETWORK, POOLING],
        "config_sentence_transformers.json": {"model_type": "SentenceTransformer", **(described or {})},
    }
    save_model(folder, files, architectures=["BertModel"], **config)
