"""Models without an ONNX network, run by sentence-transformers: the extra `vai-retrieval[torch]`.

Only their network is run there, with the steps that its `modules.json` names. What is read, how it is joined, cut and
windowed, is the same as for ONNX networks. So is that texts are read one at a time, on a thread each: in a batch, even
of texts of one length, the last bits of a value depend on its neighbours, and on a processor it is no faster.

Weights are read from safetensors only, and no Python that comes with a model is ever run.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vai.errors import UnsupportedModel
from vai.models.hub.files import AROUND_WEIGHTS, WEIGHTS, kind_of
from vai.models.local.configs import Description, describe, module_folder, read_config, read_json
from vai.models.local.families import family_of, prompts_of
from vai.models.local.folders import Located, digest_of, file_names, files_of, module_files
from vai.models.local.recipes import Recipe, unusable

if TYPE_CHECKING:
    from vai.arrays import Vector
    from vai.models.local.onnx import OnnxEmbedder, OnnxReranker

INSTALL = (
    "`pip install 'vai-retrieval[torch]'` installs it (1.3 GB), or name a model that has an ONNX network"
)
PRECISION = "float32"
"""What weights are computed in, whatever they are stored in: half precision is slow on most processors."""

Output = Literal["scores", "sentence_embedding"]


def is_installed() -> bool:
    """Whether the extra is."""
    return find_spec("sentence_transformers") is not None


def open_torch_reranker(located: Located, *, threads: int) -> OnnxReranker:
    """The cross-encoder in a folder, tried on a pair.

    Raises:
        UnknownModel: there is no such folder.
        UnsupportedModel: sentence-transformers is missing, or what is in the folder cannot be used.
    """
    from vai.models.local.onnx import OnnxReranker

    recipe = _recipe(located, "reranker")
    reranker = OnnxReranker(recipe, threads=threads, network=_network(recipe, located.folder, "scores"))
    reranker.try_out()
    return reranker


def open_torch_embedder(located: Located, *, threads: int) -> OnnxEmbedder:
    """The bi-encoder in a folder, tried on a text. Raises as `open_torch_reranker` does."""
    from vai.models.local.onnx import OnnxEmbedder

    recipe = _recipe(located, "embedder")
    network = _network(recipe, located.folder, "sentence_embedding")
    return OnnxEmbedder(recipe, threads=threads, network=network)


# ── the network ──────────────────────────────────────────────────────────────────────────────────


class TorchNetwork:
    """A model of sentence-transformers that is given tokens, and gives one of its outputs.

    Args:
        model: a `CrossEncoder` or a `SentenceTransformer`.
        output: the name that it gives its result.
    """

    def __init__(self, model: Any, output: Output) -> None:
        import torch

        torch.set_num_threads(1)  # of one text; there are threads enough that read one each
        self._model = model.float().eval()
        self._output = output
        self._inputs = {*model.tokenizer.model_input_names}

    def run(self, ids: Sequence[int], types: Sequence[int]) -> Vector:
        """float32 [d] of one text, or [1] of one pair: a logit, or the log odds of two."""
        import torch

        from vai.models.local.heads import log_odds, unit

        rows = {"input_ids": [*ids], "attention_mask": [1] * len(ids)}
        if "token_type_ids" in self._inputs:
            rows["token_type_ids"] = [*types]
        with torch.inference_mode():
            given = {name: torch.tensor([row], device=self._model.device) for name, row in rows.items()}
            values = self._model(given)[self._output][0].float().cpu().numpy()
        return log_odds(values) if self._output == "scores" else unit(values)


def _network(recipe: Recipe, folder: Path, output: Output) -> TorchNetwork:
    with _quiet():
        try:
            return TorchNetwork(_loaded(folder, output), output)
        except Exception as error:  # neither library has a class for it
            raise recipe.unusable(str(error)) from error


def _loaded(folder: Path, output: Output) -> Any:
    import sentence_transformers

    kinds = {
        "scores": sentence_transformers.CrossEncoder,
        "sentence_embedding": sentence_transformers.SentenceTransformer,
    }
    return kinds[output](
        str(folder),
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Both libraries without bars and warnings while a model is loaded: what matters is an error of ours."""
    from transformers.utils import logging as reports

    own = logging.getLogger("sentence_transformers")
    before = (reports.get_verbosity(), own.level, reports.is_progress_bar_enabled())
    reports.set_verbosity(logging.CRITICAL)
    own.setLevel(logging.CRITICAL)
    reports.disable_progress_bar()
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        verbosity, level, bars = before
        reports.set_verbosity(verbosity)
        own.setLevel(level)
        if bars:
            reports.enable_progress_bar()


# ── what is in the folder ────────────────────────────────────────────────────────────────────────


def _recipe(located: Located, kind: Literal["embedder", "reranker"]) -> Recipe:
    """How texts are made for a model, from what its files say."""
    _check_files(located)
    try:
        told = kind_of(located.folder)
        if told != kind and (told is not None or kind == "reranker"):
            raise ValueError(f"it is no {kind}")
        described = describe(located.folder)
        if described.generative:
            raise ValueError(
                f"it is generative ({described.architecture}), and neither embedder nor reranker"
            )
        _check_modules(located.folder)
        query, document = _prompts(located, described, kind)
        return Recipe(
            name=located.name,
            revision=f"{located.revision or _digest(located.folder)}/{PRECISION}",
            languages=(),
            network=located.folder,
            outputs=(),
            full_range=False,
            tokenizer=located.folder / "tokenizer.json",
            lower_case=described.lower_case,
            typed=described.typed,
            max_tokens=described.max_tokens,
            max_query_tokens=described.max_query_tokens,
            query_prompt=query,
            document_prompt=document,
        )
    except (ValueError, OSError) as error:
        raise unusable(located.name, str(error)) from error


def _check_files(located: Located) -> None:
    names = files_of(located)
    if not any(WEIGHTS.fullmatch(name) for name in names):
        raise unusable(located.name, "it has no network that can be run here, neither ONNX nor safetensors")
    if "tokenizer.json" not in names:
        raise unusable(located.name, "`tokenizer.json` is missing")
    if not is_installed():
        raise UnsupportedModel(
            f"`{located.name}` has no ONNX network, and PyTorch, which could run it, is not installed",
            hint=INSTALL,
        )


def _check_modules(folder: Path) -> None:
    """Refuse steps that are somebody else's Python, or that are not told apart by tokens alone."""
    modules = read_json(folder / "modules.json")
    for module in modules if isinstance(modules, list) else []:
        kind = str(module.get("type")) if isinstance(module, dict) else ""
        if not kind.startswith("sentence_transformers.") or kind.endswith(
            (".Router", ".Asym", ".LogitScore")
        ):
            raise ValueError(f"it has a module that is not known: {kind:.80}")
        home = module_folder(folder, str(module.get("path") or "") if isinstance(module, dict) else "")
        if kind.endswith(".Pooling") and not read_config(home / "config.json").flag("include_prompt", True):
            raise ValueError("it leaves prompts out of its pooling")


def _prompts(located: Located, described: Description, kind: str) -> tuple[str, str]:
    """What is put before queries and before documents."""
    if kind == "reranker":
        return described.prompt_for(described.default_prompt or ""), ""
    if family_of(located.name).pooling != "mean" and not (located.folder / "modules.json").exists():
        raise ValueError("it does not say how token states become a vector: `modules.json` is missing")
    return prompts_of(located.name, described)


def _digest(folder: Path) -> str:
    """What changes with the files that are read."""
    around = [
        name for name in file_names(folder) if WEIGHTS.fullmatch(name) or AROUND_WEIGHTS.fullmatch(name)
    ]
    return digest_of(folder, {*around, *module_files(folder)})
