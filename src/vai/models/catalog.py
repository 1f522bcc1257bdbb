"""Which models there are, by name, and how each is opened. Nothing is loaded before it is opened."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from vai.errors import InvalidSettings, UnknownModel
from vai.models.access import Access
from vai.models.manifest import BUNDLED, Manifest, read_manifest
from vai.models.names import folder_path, place_of
from vai.protocols import Embedder, Reranker
from vai.settings import load_user_settings

if TYPE_CHECKING:
    from vai.models.local.folders import Located
    from vai.models.remote.voyage import VoyageEmbedding, VoyageModel

Part = TypeVar("Part")

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
DEFAULT_RERANKER = "vai-reranker-mini"
VOYAGE_KEY = "VOYAGE_API_KEY"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What can be named and what it takes.

    Args:
        kind: "embedder" or "reranker".
        where: "bundled", "Voyage", "hub" (what was fetched from it) or "for tests".
        languages: ISO 639-1; empty for any.
        dimension: of an embedder's vectors; None for rerankers, and where only the network knows.
        max_tokens: what it reads at once, special tokens included.
        usd_per_million_tokens: 0 for models that run here.
        needs: the environment variable that it takes a key from.
    """

    name: str
    kind: str
    where: str
    languages: tuple[str, ...] = ()
    dimension: int | None = None
    max_tokens: int = field(kw_only=True)
    usd_per_million_tokens: float = 0.0
    needs: str | None = None
    licence: str | None = None


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


def open_embedder(
    name: str = DEFAULT_EMBEDDER,
    *,
    threads: int | None = None,
    dimension: int | None = None,
    access: Access | None = None,
) -> Embedder:
    """The embedder of that name, loaded; a remote one is not called yet.

    Args:
        name: of a model in the package or at Voyage, a folder (`./model`), a repository on the hub
            (`owner/name@revision`), or a server (`openai:https://host/v1#model`).
        threads: texts that a local one reads at a time, one a core by default.
        dimension: of its vectors, where it offers several; its own by default.
        access: how remote ones are reached; as the environment says by default.

    Raises:
        UnknownModel, UnsupportedModel: there is none, or none that can be run.
        KeyMissing: it is a remote model whose key is not set.
        InvalidSettings: it has no such dimension.
        RemoteFailure: it is on the hub, which did not give it.
    """
    access = access or _access()
    place, count = place_of(name), threads or core_count()
    if place == "server":
        from vai.models.remote.openai import open_openai_embedder

        return open_openai_embedder(name, dimension=dimension, access=access)
    if name not in _embedders() and name in _voyage_embedders():
        from vai.models.remote.voyage import open_voyage_embedder

        return open_voyage_embedder(name, dimension=dimension, access=access)
    if place == "known":
        embedder = _opener(_embedders(), name, "embedder")(count)
    else:
        embedder = _open_folder_embedder(_located(name, "embedder", access), count)
    if dimension not in {None, embedder.dimension}:
        raise InvalidSettings(f"`{name}` has {embedder.dimension} dimensions, not {dimension}")
    return embedder


def require_same_space(embedder: str, query_embedder: str) -> None:
    """Make sure that queries embedded by the one can be compared with documents embedded by the other.

    Raises:
        InvalidSettings: they cannot.
    """
    from vai.models.remote.voyage import mates_of

    mates = mates_of(embedder)
    if query_embedder in mates:
        return
    alone = f"`{embedder}` shares its space with no other model: leave `--query-embedder` out"
    raise InvalidSettings(
        f"`{query_embedder}` makes other vectors than `{embedder}`, so it cannot embed queries for it",
        hint=f"{', '.join(mates)} share a space" if len(mates) > 1 else alone,
    )


def open_reranker(
    name: str = DEFAULT_RERANKER, *, threads: int | None = None, access: Access | None = None
) -> Reranker:
    """The reranker of that name, loaded; a remote one is not called yet.

    Args:
        name: as for `open_embedder`; servers are `cohere:https://host/v2/rerank#model` and `tei:http://host`.
        threads: pairs that a local one reads at a time, one a core by default.
        access: how remote ones are reached; as the environment says by default.

    Raises:
        UnknownModel, UnsupportedModel, KeyMissing, RemoteFailure: as `open_embedder`.
    """
    access = access or _access()
    place, count = place_of(name), threads or core_count()
    if place == "server":
        from vai.models.remote.servers import open_server_reranker

        return open_server_reranker(name, access=access)
    if name not in _rerankers() and name in _voyage_rerankers():
        from vai.models.remote.voyage import open_voyage_reranker

        return open_voyage_reranker(name, access=access)
    if place == "known":
        return _opener(_rerankers(), name, "reranker")(count)
    return _open_folder_reranker(_located(name, "reranker", access), count)


def is_remote(name: str) -> bool:
    """Whether naming such a model sends text to another machine, or fetches a model from one."""
    if place_of(name) in {"server", "hub"}:
        return True
    if name in _rerankers() or name in _embedders():
        return False
    return name in _voyage_rerankers() or name in _voyage_embedders()


def _access() -> Access:
    """What the environment and the user's own settings say."""
    return Access.configured(load_user_settings(os.environ), os.environ)


def _located(name: str, kind: str, access: Access) -> Located:
    """The folder that a name means, fetched from the hub if that is where it is."""
    from vai.models.local.folders import Located

    if place_of(name) == "folder":
        folder = folder_path(name)
        return Located(folder, name=str(folder), revision=None)
    from vai.models.hub.fetching import fetched

    return fetched(name, kind, say=access.say)


def _open_folder_embedder(located: Located, threads: int) -> Embedder:
    from vai.models.local.folders import has_network, open_folder_embedder

    if has_network(located.folder):
        return open_folder_embedder(located, threads=threads)
    from vai.models.local.pytorch import open_torch_embedder

    return open_torch_embedder(located, threads=threads)


def _open_folder_reranker(located: Located, threads: int) -> Reranker:
    from vai.models.local.folders import has_network, open_folder_reranker

    if has_network(located.folder):
        return open_folder_reranker(located, threads=threads)
    from vai.models.local.pytorch import open_torch_reranker

    return open_torch_reranker(located, threads=threads)


def _voyage_rerankers() -> Mapping[str, VoyageModel]:
    from vai.models.remote.voyage import RERANK_MODELS

    return RERANK_MODELS


def _voyage_embedders() -> Mapping[str, VoyageEmbedding]:
    from vai.models.remote.voyage import EMBEDDING_MODELS

    return EMBEDDING_MODELS


def known_models() -> list[ModelInfo]:
    """Everything that can be named, bundled models first."""
    fakes = [
        ModelInfo("hashing", "embedder", "for tests", dimension=64, max_tokens=256, licence="Apache-2.0"),
        ModelInfo("word-overlap", "reranker", "for tests", max_tokens=256, licence="Apache-2.0"),
    ]
    return [*map(_bundled_info, bundled_manifests()), *_voyage_infos(), *fakes]


def _bundled_info(manifest: Manifest) -> ModelInfo:
    return ModelInfo(
        manifest.name,
        manifest.kind,
        "bundled",
        languages=manifest.languages,
        dimension=manifest.dimension or None,
        max_tokens=manifest.max_tokens,
        licence=manifest.licence,
    )


def _voyage_infos() -> Iterator[ModelInfo]:
    from vai.models.remote.voyage import CONTEXT_TOKENS, DEFAULT_DIMENSION

    for name, embedder in _voyage_embedders().items():
        yield ModelInfo(
            name,
            "embedder",
            "Voyage",
            dimension=DEFAULT_DIMENSION,
            max_tokens=CONTEXT_TOKENS,
            usd_per_million_tokens=embedder.price,
            needs=VOYAGE_KEY,
        )
    for name, reranker in _voyage_rerankers().items():
        yield ModelInfo(
            name,
            "reranker",
            "Voyage",
            max_tokens=reranker.pair_tokens,
            usd_per_million_tokens=reranker.price,
            needs=VOYAGE_KEY,
        )


def _embedders() -> dict[str, Callable[[int], Embedder]]:
    return {DEFAULT_EMBEDDER: _bundled_embedder, "hashing": _hashing}


def _rerankers() -> dict[str, Callable[[int], Reranker]]:
    return {DEFAULT_RERANKER: _bundled_reranker, "word-overlap": _word_overlap}


def _opener(openers: Mapping[str, Callable[[int], Part]], name: str, kind: str) -> Callable[[int], Part]:
    if name in openers:
        return openers[name]
    names = [model.name for model in known_models() if model.kind == kind]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean `{nearest[0]}`? " if nearest else ""
    raise UnknownModel(
        f"there is no {kind} called `{name}`", hint=f"{guess}`vai models` lists what can be named"
    )


def _bundled_embedder(threads: int) -> Embedder:
    from vai.models.local.onnx import OnnxEmbedder

    return OnnxEmbedder(read_manifest(BUNDLED / DEFAULT_EMBEDDER), threads=threads)


def _bundled_reranker(threads: int) -> Reranker:
    from vai.models.local.onnx import OnnxReranker

    return OnnxReranker(read_manifest(BUNDLED / DEFAULT_RERANKER), threads=threads)


def _hashing(_: int) -> Embedder:
    from vai.models.fakes import HashingEmbedder

    return HashingEmbedder()


def _word_overlap(_: int) -> Reranker:
    from vai.models.fakes import WordOverlapReranker

    return WordOverlapReranker()
