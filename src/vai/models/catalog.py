"""Which models there are, by name, and how each is opened. Nothing is loaded before it is opened."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from vai.errors import UnknownModel
from vai.models.manifest import BUNDLED, Manifest, read_manifest
from vai.protocols import Embedder, Reranker

Part = TypeVar("Part")

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
DEFAULT_RERANKER = "vai-reranker-mini"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What can be named and what it takes: `where` is "bundled", "Voyage" or "for tests".

    `usd_per_million_tokens` is 0 for models that run here; token limits include special tokens.
    """

    name: str
    kind: str
    where: str
    languages: tuple[str, ...]
    dimension: int | None
    max_tokens: int
    usd_per_million_tokens: float
    needs: str | None
    licence: str | None


def core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bundled_manifests() -> list[Manifest]:
    """The models in the package."""
    return [
        read_manifest(folder) for folder in sorted(BUNDLED.iterdir()) if (folder / "model.json").is_file()
    ]


def open_embedder(name: str = DEFAULT_EMBEDDER, *, threads: int | None = None) -> Embedder:
    """The embedder of that name, loaded; a local one reads `threads` texts at a time, one a core by default.

    Raises:
        UnknownModel: there is none.
    """
    return _opener(_embedders(), name, "embedder")(threads or core_count())


def open_reranker(name: str = DEFAULT_RERANKER, *, threads: int | None = None) -> Reranker:
    """The reranker of that name, loaded, as `open_embedder`; a remote one is not called yet.

    Raises:
        UnknownModel: there is none.
        KeyMissing: it is a remote model whose key is not set.
    """
    return _opener(_rerankers(), name, "reranker")(threads or core_count())


def is_remote(name: str) -> bool:
    """Whether a model of that name would send text to another machine."""
    from vai.models.voyage import RERANK_MODELS

    return name in RERANK_MODELS


def known_models() -> list[ModelInfo]:
    """Everything that can be named, bundled models first."""
    from vai.models.voyage import RERANK_MODELS

    local = [
        ModelInfo(
            name=manifest.name,
            kind=manifest.kind,
            where="bundled",
            languages=manifest.languages,
            dimension=manifest.dimension or None,
            max_tokens=manifest.max_tokens,
            usd_per_million_tokens=0.0,
            needs=None,
            licence=manifest.licence,
        )
        for manifest in bundled_manifests()
    ]
    remote = [
        ModelInfo(
            name=name,
            kind="reranker",
            where="Voyage",
            languages=(),
            dimension=None,
            max_tokens=model.pair_tokens,
            usd_per_million_tokens=model.price,
            needs="VOYAGE_API_KEY",
            licence=None,
        )
        for name, model in RERANK_MODELS.items()
    ]
    fakes = [
        ModelInfo("hashing", "embedder", "for tests", (), 64, 256, 0.0, None, "Apache-2.0"),
        ModelInfo("word-overlap", "reranker", "for tests", (), None, 256, 0.0, None, "Apache-2.0"),
    ]
    return [*local, *remote, *fakes]


def _embedders() -> dict[str, Callable[[int], Embedder]]:
    return {DEFAULT_EMBEDDER: _bundled_embedder, "hashing": _hashing}


def _rerankers() -> dict[str, Callable[[int], Reranker]]:
    from vai.models.voyage import RERANK_MODELS

    return {
        DEFAULT_RERANKER: _bundled_reranker,
        **{name: _voyage(name) for name in RERANK_MODELS},
        "word-overlap": _word_overlap,
    }


def _opener(openers: Mapping[str, Callable[[int], Part]], name: str, kind: str) -> Callable[[int], Part]:
    if name in openers:
        return openers[name]
    nearest = difflib.get_close_matches(name, openers, n=1, cutoff=0.5)
    guess = f"did you mean `{nearest[0]}`? " if nearest else ""
    raise UnknownModel(
        f"there is no {kind} called `{name}`", hint=f"{guess}`vai models` lists what can be named"
    )


def _bundled_embedder(threads: int) -> Embedder:
    from vai.models.onnx import OnnxEmbedder

    return OnnxEmbedder(read_manifest(BUNDLED / DEFAULT_EMBEDDER), threads=threads)


def _bundled_reranker(threads: int) -> Reranker:
    from vai.models.onnx import OnnxReranker

    return OnnxReranker(read_manifest(BUNDLED / DEFAULT_RERANKER), threads=threads)


def _voyage(name: str) -> Callable[[int], Reranker]:
    def opened(_: int) -> Reranker:
        from vai.models.voyage import open_voyage_reranker

        return open_voyage_reranker(name, os.environ)

    return opened


def _hashing(_: int) -> Embedder:
    from vai.models.fakes import HashingEmbedder

    return HashingEmbedder()


def _word_overlap(_: int) -> Reranker:
    from vai.models.fakes import WordOverlapReranker

    return WordOverlapReranker()
