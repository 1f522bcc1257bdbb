"""What becomes of a network's output: pooling, and the small layers that sentence-transformers keeps beside a network.

`modules.json` names them in order, and each has a folder with its configuration and its weights. They are computed
here with NumPy, on one text at a time. https://sbert.net/docs/package_reference/base/modules.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vai.models.local.configs import Config, module_folder, read_config

if TYPE_CHECKING:
    from vai.types import Json

Array = NDArray[np.float32]
Step = Callable[[Array], Array]
"""From one array to the next: pooling takes token states [t, d] to a vector, the others a vector to a vector."""


# ── pooling ──────────────────────────────────────────────────────────────────────────────────────


def _first(states: Array) -> Array:
    first: Array = states[0]
    return first


def _last(states: Array) -> Array:
    last: Array = states[-1]
    return last


def _mean(states: Array) -> Array:
    mean: Array = states.mean(axis=0)
    return mean


def _greatest(states: Array) -> Array:
    greatest: Array = states.max(axis=0)
    return greatest


def _mean_by_root(states: Array) -> Array:
    mean: Array = states.sum(axis=0) / np.float32(math.sqrt(len(states)))
    return mean


def _weighted_mean(states: Array) -> Array:
    """Later tokens weigh more: 1, 2, 3, … (Muennighoff 2022, *SGPT*)."""
    weights = np.arange(1, len(states) + 1, dtype=np.float32)
    mean: Array = weights @ states / weights.sum()
    return mean


POOLINGS: Mapping[str, Step] = {
    "cls": _first,
    "lasttoken": _last,
    "mean": _mean,
    "max": _greatest,
    "mean_sqrt_len_tokens": _mean_by_root,
    "weightedmean": _weighted_mean,
}
"""By the names of `pooling_mode`; every token of a text counts, since nothing is padded."""

_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""How older files say it: several can be true, and are put one behind the other in this order."""


def pooling(*modes: str) -> Step:
    """Token states [t, d] to a vector, several ways of pooling one behind the other.

    Raises:
        ValueError: there is no such way.
    """
    unknown = [mode for mode in modes if mode not in POOLINGS]
    if unknown or not modes:
        raise ValueError(f"it pools in a way that is not known: {unknown or modes!r:.60}")
    ways = [POOLINGS[mode] for mode in modes]
    return ways[0] if len(ways) == 1 else lambda states: np.concatenate([way(states) for way in ways])


def _pooling(config: Config, _: Path) -> Step:
    if config.flag("include_prompt", True) is False:
        raise ValueError("it leaves prompts out of its pooling")
    mode = config.value("pooling_mode")
    if mode is None:
        modes = [mode for key, mode in _POOLING_FLAGS.items() if config.flag(key, False)] or ["mean"]
    else:
        modes = [str(each) for each in mode] if isinstance(mode, list) else [str(mode)]
    return pooling(*modes)


# ── layers on a vector ───────────────────────────────────────────────────────────────────────────


def unit(vector: Array) -> Array:
    """The vector at length 1; one of length 0 stays what it is."""
    scaled: Array = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return scaled


def log_odds(logits: Array) -> Array:
    """What a classifier's logits say for the pair being relevant: one is it already, of two the odds of the second.

    Raises:
        ValueError: there are more.
    """
    if logits.size == 1:
        return logits.reshape(1)
    if logits.shape == (2,):
        return logits[1:] - logits[:1]
    raise ValueError(f"it gives {logits.shape[-1]} numbers for a pair, not one or two")


def _gelu(values: Array) -> Array:
    """Of x it makes x · Φ(x), exactly (Hendrycks and Gimpel 2016)."""
    error_function = np.vectorize(math.erf, otypes=[np.float32])
    activated: Array = values * np.float32(0.5) * (1 + error_function(values / np.float32(math.sqrt(2))))
    return activated


def _sigmoid(values: Array) -> Array:
    activated: Array = (1 / (1 + np.exp(-values))).astype(np.float32)
    return activated


def _same(values: Array) -> Array:
    return values


ACTIVATIONS: Mapping[str, Step] = {
    "torch.nn.modules.linear.Identity": _same,
    "torch.nn.modules.activation.Tanh": np.tanh,
    "torch.nn.modules.activation.ReLU": lambda values: np.maximum(values, 0),
    "torch.nn.modules.activation.GELU": _gelu,
    "torch.nn.modules.activation.Sigmoid": _sigmoid,
    "torch.nn.modules.activation.SiLU": lambda values: values * _sigmoid(values),
}
"""By the names in the configuration of a dense layer."""

_TANH = "torch.nn.modules.activation.Tanh"


def _dense(config: Config, folder: Path) -> Step:
    """Wx + b through an activation, with what came in added to it if it says so."""
    _between(config, "sentence_embedding", ("sentence_embedding", "scores"))
    name = config.text("activation_function") or _TANH
    if name not in ACTIVATIONS:
        raise ValueError(f"it has a dense layer with an activation that is not known: {name:.80}")
    biased, added = config.flag("bias", True), config.flag("use_residual", False)
    activation, weights = ACTIVATIONS[name], _weights(folder)
    linear = _shaped(weights, "linear.weight", 2)
    bias = _shaped(weights, "linear.bias", 1) if biased else np.zeros(len(linear), dtype=np.float32)
    if len(bias) != len(linear):
        raise ValueError(f"a layer's weights do not fit each other: {linear.shape} and {bias.shape}")
    if not added:
        return lambda vector: activation(linear @ vector + bias)
    if linear.shape[0] == linear.shape[1]:
        return lambda vector: activation(linear @ vector + bias) + vector
    residual = _shaped(weights, "residual.weight", 2)
    return lambda vector: activation(linear @ vector + bias) + residual @ vector


LAYER_NORM_EPSILON = 1e-5
"""PyTorch's default, which these layers are made with; no file says it."""


def _layer_norm(_: Config, folder: Path) -> Step:
    """(x − mean) / √(variance + ε) · weight + bias (Ba et al. 2016)."""
    weights = _weights(folder)
    weight, bias = _shaped(weights, "norm.weight", 1), _shaped(weights, "norm.bias", 1)

    def normalised(vector: Array) -> Array:
        centred = vector - vector.mean()
        spread = np.sqrt(np.mean(centred * centred) + np.float32(LAYER_NORM_EPSILON))
        scaled: Array = (centred / spread * weight + bias).astype(np.float32)
        return scaled

    return normalised


def _normalize(config: Config, _: Path) -> Step:
    _between(config, "sentence_embedding", ("sentence_embedding",))
    return unit


def _nothing(_: Config, __: Path) -> Step:
    """Dropout is for training."""
    return _same


MODULES: Mapping[str, Callable[[Config, Path], Step]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _normalize,
    "Dropout": _nothing,
}
"""By the last part of a module's `type`; the packages around it have moved over time."""


def read_steps(folder: Path, modules: Json) -> tuple[Step, ...]:
    """What a `modules.json` says comes after the network.

    Raises:
        ValueError: it says what is not known, or a module's files are not what they should be.
    """
    if not isinstance(modules, list) or not modules:
        raise ValueError("its `modules.json` is no list of modules")
    steps = [_step(folder, module) for module in modules[1:]]
    return tuple(steps)


def _step(folder: Path, module: Json) -> Step:
    described = Config("modules.json", module if isinstance(module, dict) else {})
    kind, place = (described.text("type") or "").rpartition(".")[2], described.text("path") or ""
    if not (described.text("type") or "").startswith("sentence_transformers.") or kind not in MODULES:
        raise ValueError(f"it has a module that is not known: {described.text('type')!r:.80}")
    if not place:
        raise ValueError("it has a module outside its folder, or in none of its own")
    home = module_folder(folder, place)
    return MODULES[kind](read_config(home / "config.json"), home)


def _between(config: Config, taken: str, given: tuple[str, ...]) -> None:
    """Refuse a module that works on something else than the one vector that is passed along."""
    source = config.text("module_input_name") or taken
    target = config.text("module_output_name") or source
    if source != taken or target not in given:
        raise ValueError(f"it has a module from `{source:.40}` to `{target:.40}`, which is not known")


def _weights(folder: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "model.safetensors"
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ValueError(f"`{folder.name}/model.safetensors` is missing") from None
    except (OSError, SafetensorError, TypeError, AttributeError) as error:  # NumPy lacks some types
        raise ValueError(f"`{folder.name}/model.safetensors` cannot be read: {error}") from None


def _shaped(weights: Mapping[str, Any], name: str, dimensions: int) -> Array:
    array = weights.get(name)
    if array is None or array.ndim != dimensions or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"a layer's weights lack `{name}`")
    numbers: Array = array.astype(np.float32)
    return numbers
