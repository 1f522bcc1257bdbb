"""Pooling and the layers behind a network, each against its formula."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from vai.models.local.heads import ACTIVATIONS, POOLINGS, log_odds, pooling, read_steps, unit

STATES = np.array([[1.0, -2.0], [3.0, 4.0], [5.0, 10.0]], dtype=np.float32)
VECTOR = np.array([1.0, -2.0, 0.5], dtype=np.float32)


def step(
    folder: Path,
    kind: str,
    config: object,
    weights: dict[str, NDArray[Any]] | None = None,
    path: str = "1_Step",
) -> NDArray[np.float32]:
    """What one module, as a folder has it, makes of token states if it pools, else of a vector."""
    (folder / path).mkdir(exist_ok=True)
    (folder / path / "config.json").write_text(json.dumps(config))
    if weights is not None:
        save_file(weights, folder / path / "model.safetensors")
    modules = [{"type": "sentence_transformers.models.Transformer", "path": ""}, {"type": kind, "path": path}]
    (made,) = read_steps(folder, modules)
    return made(STATES if kind.endswith("Pooling") else VECTOR)


def module(kind: str) -> str:
    """A module's type as `modules.json` has it."""
    return f"sentence_transformers.models.{kind}"


# ── pooling ──


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("cls", [1, -2]),
        ("lasttoken", [5, 10]),
        ("mean", [3, 4]),
        ("max", [5, 10]),
        ("mean_sqrt_len_tokens", [9 / math.sqrt(3), 12 / math.sqrt(3)]),
        ("weightedmean", [(1 * 1 + 2 * 3 + 3 * 5) / 6, (-2 + 2 * 4 + 3 * 10) / 6]),
    ],
)
def test_each_way_of_pooling_is_its_formula(mode: str, expected: list[float]) -> None:
    vector = pooling(mode)(STATES)
    assert vector == pytest.approx(np.array(expected), rel=1e-6)
    assert vector.dtype == np.float32
    assert mode in POOLINGS


def test_pooling_is_read_from_its_folder(tmp_path: Path) -> None:
    kind = module("Pooling")
    assert step(tmp_path, kind, {"pooling_mode": "cls"}).tolist() == [1, -2]
    assert step(tmp_path, kind, {"pooling_mode": ["cls", "mean"]}).tolist() == [1, -2, 3, 4]
    assert step(tmp_path, kind, {"word_embedding_dimension": 2}).tolist() == [3, 4]


def test_older_files_say_pooling_with_flags_whose_order_is_fixed(tmp_path: Path) -> None:
    flags = {
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": True,
        "pooling_mode_max_tokens": False,
    }
    assert step(tmp_path, module("Pooling"), flags).tolist() == [1, -2, 3, 4]


@pytest.mark.parametrize(
    "config", [{"pooling_mode": "median"}, {"pooling_mode": []}, {"include_prompt": False}]
)
def test_a_way_of_pooling_that_is_not_known_is_refused(tmp_path: Path, config: object) -> None:
    with pytest.raises(ValueError, match="pool"):
        step(tmp_path, module("Pooling"), config)


# ── layers ──


def test_a_dense_layer_is_a_product_and_a_bias_through_an_activation(tmp_path: Path) -> None:
    weight = np.array([[1.0, 0.0, 2.0], [0.5, 0.5, 0.0]], dtype=np.float32)
    bias = np.array([0.25, -0.5], dtype=np.float32)
    config = {"activation_function": "torch.nn.modules.linear.Identity"}
    made = step(tmp_path, module("Dense"), config, {"linear.weight": weight, "linear.bias": bias})
    assert made.tolist() == [1 + 1 + 0.25, 0.5 - 1 - 0.5]


def test_a_dense_layer_may_have_no_bias_and_bends_by_tanh_if_nothing_is_said(tmp_path: Path) -> None:
    weight = np.ones((1, 3), dtype=np.float16)
    made = step(tmp_path, module("Dense"), {"bias": False}, {"linear.weight": weight})
    assert made == pytest.approx(np.tanh([-0.5]), rel=1e-6)
    assert made.dtype == np.float32


def test_a_dense_layer_may_add_what_came_in(tmp_path: Path) -> None:
    """As it is where sizes agree, else through a layer of its own."""
    config = {"bias": False, "use_residual": True, "activation_function": "torch.nn.modules.activation.ReLU"}
    square = {"linear.weight": np.eye(3, dtype=np.float32)}
    assert step(tmp_path, module("Dense"), config, square).tolist() == [2, -2, 1]
    narrow = {
        "linear.weight": np.ones((1, 3), dtype=np.float32),
        "residual.weight": np.array([[0.0, 1.0, 0.0]], dtype=np.float32),
    }
    assert step(tmp_path, module("Dense"), config, narrow).tolist() == [-2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("linear.Identity", lambda x: x),
        ("activation.Tanh", math.tanh),
        ("activation.ReLU", lambda x: max(x, 0.0)),
        ("activation.GELU", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
        ("activation.Sigmoid", lambda x: 1 / (1 + math.exp(-x))),
        ("activation.SiLU", lambda x: x / (1 + math.exp(-x))),
    ],
)
def test_each_activation_is_its_formula(name: str, expected: Any) -> None:
    activated = ACTIVATIONS[f"torch.nn.modules.{name}"](VECTOR)
    assert activated == pytest.approx([expected(x) for x in VECTOR.tolist()], rel=1e-6, abs=1e-7)
    assert activated.dtype == np.float32


def test_layer_norm_scales_to_mean_and_variance_and_then_as_it_was_trained(tmp_path: Path) -> None:
    weight, bias = np.array([1.0, 2.0, 3.0], np.float32), np.array([0.0, 1.0, -1.0], np.float32)
    made = step(tmp_path, module("LayerNorm"), {}, {"norm.weight": weight, "norm.bias": bias})
    values = VECTOR.astype(np.float64)
    expected = (values - values.mean()) / np.sqrt(values.var() + 1e-5) * weight + bias
    assert made == pytest.approx(expected, rel=1e-5)
    assert made.dtype == np.float32


def test_normalize_makes_unit_length_and_dropout_nothing(tmp_path: Path) -> None:
    assert np.linalg.norm(step(tmp_path, module("Normalize"), {})) == pytest.approx(1)
    assert step(tmp_path, module("Dropout"), {"dropout": 0.5}).tolist() == VECTOR.tolist()
    assert unit(np.zeros(3, np.float32)).tolist() == [0, 0, 0]


def test_one_logit_is_passed_on_and_of_two_the_odds_of_the_second() -> None:
    assert log_odds(np.array([0.5], np.float32)).tolist() == [0.5]
    assert log_odds(np.array(0.5, np.float32)).tolist() == [0.5]
    assert log_odds(np.array([1.0, 3.0], np.float32)).tolist() == [2.0]
    with pytest.raises(ValueError, match="gives 3 numbers for a pair"):
        log_odds(np.zeros(3, np.float32))


# ── what is refused ──


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("sentence_transformers.models.LSTM", {}),
        ("custom_st.Dense", {}),
        ("sentence_transformers.cross_encoder.modules.LogitScore", {"true_token_id": 1}),
        (module("Dense"), {"activation_function": "evil.Activation"}),
        (module("Dense"), {"module_input_name": "token_embeddings"}),
        (module("Dense"), {"bias": "yes"}),
        (module("Normalize"), {"module_output_name": "token_embeddings"}),
        (module("Dense"), []),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, kind: str, config: object) -> None:
    with pytest.raises(ValueError, match=r"^its? "):
        step(tmp_path, kind, config)


@pytest.mark.parametrize("path", ["../outside", "", "/"])
def test_a_module_outside_the_models_folder_is_refused(tmp_path: Path, path: str) -> None:
    modules = [{"type": module("Transformer"), "path": ""}, {"type": module("Dense"), "path": path}]
    (tmp_path / "outside").mkdir()
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match="outside its folder"):
        read_steps(tmp_path / "model", modules)


@pytest.mark.parametrize("modules", [{}, [], "modules", None, 7])
def test_what_is_no_list_of_modules_is_refused(tmp_path: Path, modules: Any) -> None:
    with pytest.raises(ValueError, match="no list of modules"):
        read_steps(tmp_path, modules)


def test_pickled_weights_are_not_read_and_missing_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "1_Step").mkdir()
    (tmp_path / "1_Step" / "pytorch_model.bin").write_bytes(b"not read")
    with pytest.raises(ValueError, match=r"`1_Step/model.safetensors` is missing"):
        step(tmp_path, module("Dense"), {})


@pytest.mark.parametrize(
    "weights",
    [
        {"linear.bias": np.zeros(3, np.float32)},
        {"linear.weight": np.zeros(3, np.float32), "linear.bias": np.zeros(3, np.float32)},
        {"linear.weight": np.zeros((3, 3), np.int64), "linear.bias": np.zeros(3, np.float32)},
    ],
)
def test_weights_that_are_none_of_a_layer_are_named(tmp_path: Path, weights: dict[str, NDArray[Any]]) -> None:
    with pytest.raises(ValueError, match=r"weights lack `linear.weight`"):
        step(tmp_path, module("Dense"), {}, weights)


def test_a_bias_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    weights = {"linear.weight": np.zeros((3, 3), np.float32), "linear.bias": np.zeros(1, np.float32)}
    with pytest.raises(ValueError, match="do not fit each other"):
        step(tmp_path, module("Dense"), {}, weights)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_weights_of_numbers_that_numpy_does_not_have_are_named(tmp_path: Path, kind: str) -> None:
    size = 2 if kind == "BF16" else 1
    header = json.dumps({"linear.weight": {"dtype": kind, "shape": [1, 1], "data_offsets": [0, size]}})
    (tmp_path / "1_Step").mkdir()
    (tmp_path / "1_Step" / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header.encode() + bytes(size)
    )
    with pytest.raises(ValueError, match=r"model.safetensors` cannot be read|weights lack `linear.weight`"):
        step(tmp_path, module("Dense"), {})


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "1_Step").mkdir()
    (tmp_path / "1_Step" / "model.safetensors").write_bytes(b"\x08\x00\x00\x00")
    with pytest.raises(ValueError, match=r"model.safetensors` cannot be read"):
        step(tmp_path, module("Dense"), {})
