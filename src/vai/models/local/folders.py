"""Models in a folder, laid out as on the Hugging Face hub: which files count, and how a model is opened from them.

<folder>/
  config.json                        what the network is
  tokenizer.json                     its tokenizer
  onnx/model.onnx                    the network, in one or more variants (or beside `config.json`)
  modules.json                       what is done with the network's output, of sentence-transformers models
  1_Pooling/config.json              … one folder a step
  2_Dense/config.json, model.safetensors
  config_sentence_transformers.json  prompts

Nothing but these is read: no Python that comes with a model, no pickled weights.
"""

from __future__ import annotations

import hashlib
import mmap
import platform
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vai.errors import UnknownModel
from vai.models.local.families import family_of, prompts_of
from vai.models.local.recipes import Output, Recipe, unusable
from vai.models.local.templates import READING

if TYPE_CHECKING:
    from vai.models.local.configs import Description
    from vai.models.local.heads import Step
    from vai.models.local.onnx import OnnxEmbedder, OnnxReranker

DESCRIPTIONS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)
"""Files beside each other that describe a model; only the first two are needed."""

NETWORK_FOLDERS = ("onnx/", "")
"""Where networks are, the first that has one counts."""

NETWORKS_FOR = {
    "x86 VNNI": ("model_qint8_avx512_vnni.onnx",),
    "x86 AVX-512": ("model_qint8_avx512.onnx", "model_quint8_avx2.onnx"),
    "x86 AVX2": ("model_quint8_avx2.onnx",),
    "ARM": ("model_qint8_arm64.onnx",),
    "other": (),
}
"""Networks that were quantised for a kind of processor, as sentence-transformers names them."""

NETWORKS = ("model_quantized.onnx", "model_int8.onnx", "model.onnx")
"""Networks for any processor, the fastest first."""

_MODULE_FILE = re.compile(r"(?P<folder>[1-9]\d*_[A-Za-z]+)/(?:config\.json|model\.safetensors)")
"""What comes after the network. The network itself can be a module too, with 0 as its number."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model's folder, what the model is called, and the revision it was fetched at (None: the user's own)."""

    folder: Path
    name: str
    revision: str | None


# ── which files count ────────────────────────────────────────────────────────────────────────────


def wanted_files(names: Sequence[str]) -> list[str]:
    """Which files of a repository a model is opened from: all that describe it, and the one network that fits.

    Args:
        names: of all its files, `/` between folders. Without an ONNX network, none is wanted.
    """
    network = chosen_network(names)
    if network is None:
        return []
    wanted = [name for name in names if name in DESCRIPTIONS or _MODULE_FILE.fullmatch(name)]
    return [*wanted, network, *data_files(network, names)]


def data_files(network: str, names: Sequence[str]) -> list[str]:
    """The files that hold a network's weights where they are kept apart from it."""
    apart = re.compile(rf"{re.escape(network)}[_.]data[\w.-]*")
    return [name for name in names if apart.fullmatch(name)]


def chosen_network(names: Collection[str]) -> str | None:
    """The network among these files that suits this processor best; None if there is none."""
    for folder in NETWORK_FOLDERS:
        for network in (*NETWORKS_FOR[processor()], *NETWORKS):
            if folder + network in names:
                return folder + network
    return None


def has_network(folder: Path) -> bool:
    """Whether there is an ONNX network in a folder."""
    return chosen_network(file_names(folder)) is not None


def files_of(located: Located) -> list[str]:
    """The files of a model's folder.

    Raises:
        UnknownModel: there is no such folder, or nothing in it.
    """
    names = file_names(located.folder)
    if not names:
        raise UnknownModel(
            f"there is no model in `{located.folder}`: no such folder, or nothing in it",
            hint="name the folder that holds the model's `config.json`",
        )
    return names


def file_names(folder: Path) -> list[str]:
    """The files of a folder and of the folders in it, as `wanted_files` takes them."""
    try:
        return sorted(
            path.relative_to(folder).as_posix()
            for pattern in ("*", "*/*")
            for path in folder.glob(pattern)
            if path.is_file()
        )
    except OSError:
        return []


@cache
def processor() -> str:
    """The kind of processor this is, of those in `NETWORKS_FOR`; "other" where that cannot be found out."""
    machine = platform.machine().lower()
    if machine in {"arm64", "aarch64"}:
        return "ARM"
    if machine not in {"x86_64", "amd64"}:
        return "other"
    able = _x86_abilities()
    if {"AVX512F", "AVX512BW", "AVX512VNNI"} <= able:
        return "x86 VNNI"
    if {"AVX512F", "AVX512BW"} <= able:
        return "x86 AVX-512"
    return "x86 AVX2" if "AVX2" in able else "other"


def _x86_abilities() -> set[str]:
    """What NumPy has found the processor to be able to do, which it finds out on every platform."""
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            features: Mapping[str, bool] = import_module(module).__cpu_features__
        except (
            ImportError,
            AttributeError,
        ):  # it is not public: without it, networks for any processor serve
            continue
        return {name for name, there in features.items() if there}
    return set()


# ── opening ──────────────────────────────────────────────────────────────────────────────────────

STATES = ("last_hidden_state", "token_embeddings")
"""What a network calls its output where that is a vector for each token."""


def open_folder_embedder(located: Located, *, threads: int) -> OnnxEmbedder:
    """The ONNX embedder in a folder, tried on a text.

    Raises:
        UnknownModel: there is no such folder.
        UnsupportedModel: what is in it cannot be used; the message says why.
    """
    from vai.models.local.onnx import OnnxEmbedder

    return OnnxEmbedder(_recipe(located, _embedder_recipe), threads=threads)


def open_folder_reranker(located: Located, *, threads: int) -> OnnxReranker:
    """The ONNX reranker in a folder, tried on a pair. Raises as `open_folder_embedder` does."""
    from vai.models.local.onnx import OnnxReranker

    reranker = OnnxReranker(_recipe(located, _reranker_recipe), threads=threads)
    reranker.try_out()
    return reranker


def _recipe(located: Located, make: Callable[[Located, Description, Recipe], Recipe]) -> Recipe:
    """What is common to both kinds of models, completed by `make`."""
    from vai.models.local.configs import describe

    network = _checked(located)
    try:
        described = describe(located.folder)
        return make(
            located,
            described,
            Recipe(
                name=located.name,
                revision=_revision(located, network),
                languages=(),
                network=located.folder / network,
                outputs=(),
                full_range=True,
                tokenizer=located.folder / "tokenizer.json",
                lower_case=described.lower_case,
                typed=described.typed,
                first_position=described.first_position,
                max_tokens=described.max_tokens,
            ),
        )
    except (ValueError, OSError) as error:
        raise unusable(located.name, str(error)) from error


def _checked(located: Located) -> str:
    """The network's name, if the folder has all that is needed."""
    names = files_of(located)
    for needed in DESCRIPTIONS[:2]:
        if needed not in names:
            raise unusable(located.name, f"`{needed}` is missing")
    network = chosen_network(names)
    if network is None:
        raise unusable(located.name, f"it has no ONNX network, neither `onnx/{NETWORKS[-1]}` nor another")
    return network


def _embedder_recipe(located: Located, described: Description, recipe: Recipe) -> Recipe:
    from vai.models.local.heads import pooling, unit

    steps = _steps(located.folder)
    whole = Output("sentence_embedding", (unit,))
    if steps:
        outputs = (*(Output(name, (*steps, unit)) for name in STATES), whole)
    else:
        pooled = pooling(family_of(located.name).pooling)
        outputs = (whole, *(Output(name, (pooled, unit)) for name in STATES))
    query_prompt, document_prompt = prompts_of(located.name, described)
    return replace(
        recipe,
        revision=f"{recipe.revision}/{READING}",
        outputs=outputs,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
    )


def _reranker_recipe(located: Located, described: Description, recipe: Recipe) -> Recipe:
    from vai.models.local.heads import log_odds

    if described.generative:
        raise ValueError(f"it is generative ({described.architecture}), and no cross-encoder")
    steps = _steps(located.folder)
    heads = tuple(Output(name, (*steps, log_odds)) for name in STATES) if steps else ()
    prompt = described.default_prompt
    if prompt is not None and prompt not in described.prompts:
        raise ValueError(f"its default prompt is `{prompt:.40}`, which it does not have")
    return replace(
        recipe,
        outputs=(Output("logits", (log_odds,)), *heads),
        max_query_tokens=described.max_query_tokens,
        query_prompt=described.prompts[prompt] if prompt else "",
    )


def _steps(folder: Path) -> tuple[Step, ...]:
    """What comes behind the network; nothing where no `modules.json` says it."""
    from vai.models.local.configs import read_json
    from vai.models.local.heads import read_steps

    modules = read_json(folder / "modules.json")
    return () if modules is None else read_steps(folder, modules)


def _revision(located: Located, network: str) -> str:
    """What changes with the model's files: the revision they were fetched at, or a digest of them."""
    if located.revision is not None:
        return f"{located.revision}/{network}"
    apart = [f"{network.rpartition('/')[0]}/{name}" for name in named_weights(located.folder / network)]
    read = [*wanted_files(file_names(located.folder)), *module_files(located.folder), *apart]
    return digest_of(located.folder, {name.lstrip("/") for name in read})


def module_files(folder: Path) -> Iterator[str]:
    """The files that a `modules.json` says are read, wherever it says they are."""
    from vai.models.local.configs import read_json

    modules = read_json(folder / "modules.json")
    for module in modules if isinstance(modules, list) else []:
        place = module.get("path") if isinstance(module, dict) else None
        if place and isinstance(place, str):
            yield from (f"{place}/config.json", f"{place}/model.safetensors")


_LOCATION = b"\x0a\x08location\x12"
"""Stands before the name of a file that holds weights, in a network: a key and its value in Protocol Buffers."""


def named_weights(network: Path) -> set[str]:
    """What a network calls files beside it that hold its weights; anything goes, besides the usual names."""
    names = set()
    with network.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_LOCATION)
        while place >= 0:
            begin = place + len(_LOCATION) + 1
            length = int.from_bytes(content[begin - 1 : begin], "little")
            names.add(content[begin : begin + length].decode("utf-8", "replace"))
            place = content.find(_LOCATION, begin)
    return names


def digest_of(folder: Path, names: Collection[str]) -> str:
    """Twelve hexadecimal digits that change with these files of a folder, and with no other."""
    digest = hashlib.sha256()
    for name in sorted(name for name in names if (folder / name).is_file()):
        with (folder / name).open("rb") as file:
            digest.update(name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
