"""Which files of a repository a model is opened from, and what they say that it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from vai.errors import UnsupportedModel
from vai.models.local.configs import read_json
from vai.models.local.folders import wanted_files

Kind = Literal["embedder", "reranker"]

MOST_BYTES = 5_000_000_000
"""More is no model for a processor; it would fill a disk before anybody noticed."""

NEEDED = ("config.json", "tokenizer.json")
NEVER_FETCHED = re.compile(r"\.(bin|pt|pth|pkl|pickle|ckpt|h5|msgpack|npz|py|so|dll)$")
"""Formats that can run code when they are opened; none is ever needed."""
WEIGHTS = re.compile(r"(0_\w+/)?model(-\d{5}-of-\d{5})?\.safetensors")
"""The network itself, as sentence-transformers reads it: in one file, or in parts."""
AROUND_WEIGHTS = re.compile(r"(\d+_\w+/)?(\w+\.json|model\.safetensors(\.index\.json)?)")
"""What it reads besides: descriptions, the tokenizer, and the steps after the network."""

TO_TELL_THE_KIND = ("config_sentence_transformers.json", "modules.json", "config.json")


def chosen_files(repository: str, files: Mapping[str, int]) -> dict[str, int]:
    """The files that are needed, with their sizes: those around an ONNX network, else what PyTorch reads.

    Raises:
        UnsupportedModel: it has neither, or only what a package that is missing could read, or too much of it.
    """
    around = [name for name in wanted_files(list(files)) if not NEVER_FETCHED.search(name)]
    chosen = around or _for_pytorch(repository, files)
    for needed in NEEDED:
        if needed not in chosen:
            raise UnsupportedModel(
                f"`{repository}` has no `{needed}`, without which its network cannot be run",
                hint="see whether another repository holds the same model with it",
            )
    size = sum(files[name] for name in chosen)
    if size > MOST_BYTES:
        raise UnsupportedModel(
            f"`{repository}` is too large: {size_text(size)}, and {size_text(MOST_BYTES)} is the most",
            hint="a smaller model of its family may do, or a server that runs this one",
        )
    return {name: files[name] for name in chosen}


def _for_pytorch(repository: str, files: Collection[str]) -> list[str]:
    from vai.models.local.pytorch import INSTALL, is_installed

    if not any(WEIGHTS.fullmatch(name) for name in files):
        raise UnsupportedModel(
            f"`{repository}` holds no network that can be run here: neither ONNX nor safetensors",
            hint="pickled weights and models that bring Python of their own are never loaded",
        )
    if not is_installed():
        raise UnsupportedModel(
            f"`{repository}` has no ONNX network, and PyTorch, which could run it, is not installed",
            hint=INSTALL,
        )
    return [name for name in files if WEIGHTS.fullmatch(name) or AROUND_WEIGHTS.fullmatch(name)]


def size_text(size: float) -> str:
    """Bytes as people say them, rounded."""
    for unit, most in (("KB", 1e6), ("MB", 1e9)):
        if size < most:
            return f"{max(size / most * 1000, 1):,.0f} {unit}"
    return f"{size / 1e9:,.1f} GB"


def kind_of(folder: Path) -> Kind | None:
    """What the files of a model say that it is."""
    described, modules, config = (_json(folder / name) for name in TO_TELL_THE_KIND)
    match _field(described, "model_type"), modules:
        case "CrossEncoder", _:
            return "reranker"
        case "SentenceTransformer", _:
            return "embedder"
        case _, [*_]:
            return "embedder"
    architectures = _field(config, "architectures")
    named: Sequence[object] = architectures if isinstance(architectures, list) else []
    if any(str(name).endswith("ForSequenceClassification") for name in named):
        return "reranker"
    return None


def _field(content: Any, name: str) -> object:
    return content.get(name) if isinstance(content, dict) else None


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except ValueError:
        return None
