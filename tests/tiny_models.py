"""Small models with random weights, of each family there is, in folders as the hub has them.

They are made with `onnx` and `tokenizers` alone. Their networks are small and real: one layer of attention, in which
every token, its position and its type matter, so that a wrong template, type or mask changes what comes out. The
weights are there for tests to compute the same with NumPy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

Array = NDArray[np.float32]
WIDTH = 64
POSITIONS = 600

TEXT = """how to exit word words another matter x number query passage : , . ? ! - _ ( ) bread butter jam
how do i run something code when the interpreter exits how can i register functions to run when the program exits
functions registered with atexit run when the interpreter exits register functions to be called when the program
exits normally bread needs flour water salt and patience to run something later use a timer a recipe for a loaf of
bread butter and jam the stadium was full long before the match began atexit : register functions to be called at
normal program termination parse command line options with subcommands argparse can parse command line options and
has subcommands a sonnet has fourteen lines capital of france paris is the capital of france . rust has no garbage
collector . replica sets half a character short two a b"""
"""What the tokenizers know whole; other words are read in parts."""


# ── tokenizers ───────────────────────────────────────────────────────────────────────────────────


def wordpiece_tokenizer() -> Tokenizer:
    """As BERT has it: `[CLS] a [SEP] b [SEP]`, types 0 and 1."""
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{each}" for each in characters)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*tokens, *TEXT.split()]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return tokenizer


def byte_level_tokenizer(specials: Sequence[str]) -> Tokenizer:
    """Byte-pair encoding of bytes, trained on `TEXT`; the special tokens come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2_000,
        min_frequency=1,
        special_tokens=[AddedToken(token, special=True) for token in specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT, *TEXT.split()], trainer)
    return tokenizer


def roberta_tokenizer() -> Tokenizer:
    """`<s> a </s></s> b </s>`, without types."""
    tokenizer = byte_level_tokenizer(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def modernbert_tokenizer() -> Tokenizer:
    """`[CLS] a [SEP] b [SEP]`, over bytes."""
    tokenizer = byte_level_tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]",
                pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
            ),
        ]
    )
    return tokenizer


def unigram_tokenizer() -> Tokenizer:
    """As XLM-RoBERTa has it: sentence pieces, `<s> a </s></s> b </s>`, with types that its networks do not take."""
    pieces = [(f"▁{word}", -4.0) for word in dict.fromkeys(TEXT.split())]
    characters = [("▁", -9.0), *((chr(code), -10.0) for code in range(33, 127))]
    specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = Tokenizer(models.Unigram([*specials, *pieces, *characters], unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


# ── networks ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TinyNetwork:
    """One layer of attention over words, positions and types, and the same in NumPy.

    Args:
        weights: `words` [v, d], `positions` [p, d], `query`, `key`, `value`, `mixed` [d, d], `norm` [2, d]; `types`
            [2, d] where tokens have types; `pooler` [d, d] and `classifier` [d, labels] where there is a head.
        first_position: of the first token.
        masked: whether it asks for an attention mask.
    """

    weights: Mapping[str, Array]
    first_position: int = 0
    masked: bool = True

    def states(self, ids: Sequence[int], types: Sequence[int]) -> Array:
        """Token states [t, d]."""
        weights = self.weights
        rows = weights["words"][list(ids)] + weights["positions"][self.first_position :][: len(ids)]
        if "types" in weights:
            rows = rows + weights["types"][list(types)]
        exponents = (rows @ weights["query"]) @ (rows @ weights["key"]).T
        attention = np.exp(exponents - exponents.max(axis=1, keepdims=True))
        attention /= attention.sum(axis=1, keepdims=True)
        mixed = rows + attention @ (rows @ weights["value"]) @ weights["mixed"]
        centred = mixed - mixed.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        states: Array = (centred / spread * weights["norm"][0] + weights["norm"][1]).astype(np.float32)
        return states

    def logits(self, ids: Sequence[int], types: Sequence[int]) -> Array:
        """What the head gives for the first token, [labels]."""
        pooled = np.tanh(self.states(ids, types)[0] @ self.weights["pooler"])
        logits: Array = pooled @ self.weights["classifier"]
        return logits


def tiny_network(
    vocabulary: int,
    *,
    labels: int = 0,
    typed: bool = False,
    first_position: int = 0,
    masked: bool = True,
    seed: int = 1,
) -> TinyNetwork:
    """Random weights; words weigh most, so that texts with the same words have states that are alike.

    Args:
        labels: how many numbers the head gives; 0 for none.
    """
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float) -> Array:
        return random.normal(0.0, scale, shape).astype(np.float32)

    weights = {
        "words": normal(vocabulary, WIDTH, scale=1.0),
        "positions": normal(POSITIONS, WIDTH, scale=0.1),
        **{name: normal(WIDTH, WIDTH, scale=0.05) for name in ("query", "key")},
        **{
            name: np.eye(WIDTH, dtype=np.float32) + normal(WIDTH, WIDTH, scale=0.05)
            for name in ("value", "mixed")
        },
        "norm": np.stack([1 + normal(WIDTH, scale=0.1), normal(WIDTH, scale=0.05)]),
    }
    weights["words"][:4] *= 0.1  # special tokens
    if typed:
        weights["types"] = normal(2, WIDTH, scale=0.15)
    if labels:
        weights["pooler"] = normal(WIDTH, WIDTH, scale=0.5)
        weights["classifier"] = normal(WIDTH, labels, scale=2.0)
    return TinyNetwork(weights, first_position, masked)


def onnx_model(network: TinyNetwork, *, states: str = "last_hidden_state") -> onnx.ModelProto:
    """The network as ONNX, with `logits` as its output if it has a head, else its states under that name."""
    weights, headed = network.weights, "classifier" in network.weights
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    initializers += [
        numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in (
            ("zero", 0, np.int64), ("one", 1, np.int64), ("first", network.first_position, np.int64),
            ("axis", [1], np.int64), ("closed", -1e9, np.float32), ("unit", 1.0, np.float32),
            ("scale", weights["norm"][0], np.float32), ("shift", weights["norm"][1], np.float32),
        )
    ]  # fmt: skip
    steps: list[tuple[str, Sequence[str], str, dict[str, Any]]] = [
        ("Gather", ["words", "input_ids"], "of_words", {}),
        ("Shape", ["input_ids"], "shape", {}),
        ("Gather", ["shape", "one"], "length", {}),
        ("Add", ["length", "first"], "last", {}),
        ("Range", ["first", "last", "one"], "places", {}),
        ("Gather", ["positions", "places"], "of_places", {}),
        ("Add", ["of_words", "of_places"], "placed", {}),
    ]
    rows, inputs = "placed", ["input_ids"]
    if "types" in weights:
        inputs.append("token_type_ids")
        steps += [
            ("Gather", ["types", "token_type_ids"], "of_types", {}),
            ("Add", ["placed", "of_types"], "rows", {}),
        ]
        rows = "rows"
    steps += [
        ("MatMul", [rows, "query"], "asking", {}),
        ("MatMul", [rows, "key"], "answering", {}),
        ("Transpose", ["answering"], "turned", {"perm": [0, 2, 1]}),
        ("MatMul", ["asking", "turned"], "exponents", {}),
    ]
    exponents = "exponents"
    if network.masked:
        inputs.append("attention_mask")
        steps += [
            ("Cast", ["attention_mask"], "open", {"to": TensorProto.FLOAT}),
            ("Sub", ["unit", "open"], "shut", {}),
            ("Mul", ["shut", "closed"], "penalty", {}),
            ("Unsqueeze", ["penalty", "axis"], "penalties", {}),
            ("Add", ["exponents", "penalties"], "masked", {}),
        ]
        exponents = "masked"
    steps += [
        ("Softmax", [exponents], "attention", {"axis": -1}),
        ("MatMul", [rows, "value"], "values", {}),
        ("MatMul", ["attention", "values"], "attended", {}),
        ("MatMul", ["attended", "mixed"], "mixture", {}),
        ("Add", [rows, "mixture"], "summed", {}),
        ("LayerNormalization", ["summed", "scale", "shift"], states, {"axis": -1, "epsilon": 1e-5}),
    ]
    output = helper.make_tensor_value_info(states, TensorProto.FLOAT, ["batch", "sequence", WIDTH])
    if headed:
        steps += [
            ("Gather", [states, "zero"], "first_state", {"axis": 1}),
            ("MatMul", ["first_state", "pooler"], "pooled", {}),
            ("Tanh", ["pooled"], "bent", {}),
            ("MatMul", ["bent", "classifier"], "logits", {}),
        ]
        labels = weights["classifier"].shape[1]
        output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])
    nodes = [helper.make_node(kind, list(taken), [given], **how) for kind, taken, given, how in steps]
    described = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs
    ]
    graph = helper.make_graph(nodes, "tiny", described, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


# ── folders ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TinyModel:
    """A model in a folder, with what it was made of; `modules` holds the weights of steps after the network."""

    folder: Path
    tokenizer: Tokenizer
    network: TinyNetwork
    modules: Mapping[str, Mapping[str, Array]]

    def pair(self, query: str, passage: str) -> tuple[list[int], list[int]]:
        """Ids and types as the tokenizer itself joins them."""
        encoding = self.tokenizer.encode(query, passage)
        return encoding.ids, encoding.type_ids

    def single(self, text: str) -> tuple[list[int], list[int]]:
        """Ids and types of one text."""
        encoding = self.tokenizer.encode(text)
        return encoding.ids, encoding.type_ids


def write_json(path: Path, value: object) -> None:
    """A JSON file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_model(
    folder: Path,
    tokenizer: Tokenizer,
    network: TinyNetwork,
    config: Mapping[str, object],
    *,
    states: str = "last_hidden_state",
    modules: Sequence[tuple[str, Mapping[str, object], Mapping[str, Array]]] = (),
    **files: object,
) -> TinyModel:
    """A model's folder.

    Args:
        modules: kind, configuration and weights of each step after the network; none makes no `modules.json`.
        files: JSON files at the top, by name without the ending.
    """
    write_json(folder / "config.json", config)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "onnx").mkdir()
    onnx.save(onnx_model(network, states=states), folder / "onnx" / "model.onnx")
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    kept: dict[str, Mapping[str, Array]] = {}
    for number, (kind, described, weights) in enumerate(modules, start=1):
        place = f"{number}_{kind}"
        listed.append(
            {
                "idx": number,
                "name": str(number),
                "path": place,
                "type": f"sentence_transformers.models.{kind}",
            }
        )
        write_json(folder / place / "config.json", described)
        if weights:
            save_file(dict(weights), folder / place / "model.safetensors")
        kept[place] = weights
    if modules:
        write_json(folder / "modules.json", listed)
    for name, value in files.items():
        write_json(folder / f"{name}.json", value)
    return TinyModel(folder, tokenizer, network, kept)


def bert_reranker(folder: Path) -> TinyModel:
    """BERT: WordPiece, token types, one logit."""
    tokenizer = wordpiece_tokenizer()
    network = tiny_network(tokenizer.get_vocab_size(), labels=1, typed=True)
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "type_vocab_size": 2}
    return write_model(
        folder,
        tokenizer,
        network,
        {
            **config,
            "max_position_embeddings": 512,
            "sentence_transformers": {"activation_fn": "torch.nn.Identity"},
        },
        tokenizer_config={"model_max_length": 512, "tokenizer_class": "BertTokenizer"},
    )


def roberta_reranker(folder: Path) -> TinyModel:
    """RoBERTa: byte-level BPE, positions from 2, two logits."""
    tokenizer = roberta_tokenizer()
    network = tiny_network(tokenizer.get_vocab_size(), labels=2, first_position=2)
    config = {"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"]}
    return write_model(
        folder,
        tokenizer,
        network,
        {**config, "max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1},
        tokenizer_config={"model_max_length": 1e30, "tokenizer_class": "RobertaTokenizer"},
    )


def xlm_roberta_reranker(folder: Path) -> TinyModel:
    """XLM-RoBERTa: sentence pieces with types, which its network asks for and knows only one of."""
    tokenizer = unigram_tokenizer()
    network = tiny_network(tokenizer.get_vocab_size(), labels=1, typed=True, first_position=2)
    config = {"model_type": "xlm-roberta", "architectures": ["XLMRobertaForSequenceClassification"]}
    return write_model(
        folder,
        tokenizer,
        network,
        {**config, "max_position_embeddings": 514, "pad_token_id": 1, "type_vocab_size": 1},
        tokenizer_config={"model_max_length": 512, "tokenizer_class": "XLMRobertaTokenizer"},
    )


def modernbert_reranker(folder: Path) -> TinyModel:
    """ModernBERT: BPE, and its head beside the network: pooling, dense, layer norm, dense."""
    tokenizer = modernbert_tokenizer()
    network = tiny_network(tokenizer.get_vocab_size())
    random = np.random.default_rng(2)

    def normal(*shape: int) -> Array:
        return random.normal(0.0, 0.5, shape).astype(np.float32)

    hidden = {"in_features": WIDTH, "out_features": WIDTH, "bias": False}
    final = {"in_features": WIDTH, "out_features": 1, "bias": True, "module_output_name": "scores"}
    return write_model(
        folder,
        tokenizer,
        network,
        {"model_type": "modernbert", "architectures": ["ModernBertModel"], "max_position_embeddings": 8192},
        modules=[
            ("Pooling", {"embedding_dimension": WIDTH, "pooling_mode": "cls", "include_prompt": True}, {}),
            (
                "Dense",
                {**hidden, "activation_function": "torch.nn.modules.activation.GELU"},
                {"linear.weight": normal(WIDTH, WIDTH)},
            ),
            (
                "LayerNorm",
                {"dimension": WIDTH},
                {"norm.weight": 1 + normal(WIDTH), "norm.bias": normal(WIDTH)},
            ),
            (
                "Dense",
                {**final, "activation_function": "torch.nn.modules.linear.Identity"},
                {"linear.weight": normal(1, WIDTH), "linear.bias": normal(1)},
            ),
        ],
        config_sentence_transformers={
            "model_type": "CrossEncoder",
            "prompts": {},
            "default_prompt_name": None,
        },
        tokenizer_config={"model_input_names": ["input_ids", "attention_mask"], "model_max_length": 8192},
    )


def mean_embedder(folder: Path) -> TinyModel:
    """BERT without a head: the mean over all tokens, at unit length; with prompts."""
    tokenizer = wordpiece_tokenizer()
    network = tiny_network(tokenizer.get_vocab_size(), typed=True)
    pooling = {
        "word_embedding_dimension": WIDTH,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": False,
    }
    return write_model(
        folder,
        tokenizer,
        network,
        {"model_type": "bert", "architectures": ["BertModel"], "type_vocab_size": 2},
        modules=[("Pooling", pooling, {}), ("Normalize", {}, {})],
        sentence_bert_config={"max_seq_length": 128, "do_lower_case": False},
        config_sentence_transformers={"prompts": {"query": "query: ", "document": "passage: "}},
    )


def cls_embedder(folder: Path) -> TinyModel:
    """XLM-RoBERTa without a head: the first token through a dense layer; states are called as optimum calls them."""
    tokenizer = unigram_tokenizer()
    network = tiny_network(tokenizer.get_vocab_size(), first_position=2)
    network.weights["words"][0] = 0  # the first token's state is then what it has attended to
    weight = np.random.default_rng(3).normal(0.0, 0.3, (16, WIDTH)).astype(np.float32)
    dense = {"in_features": WIDTH, "out_features": 16, "bias": True}
    return write_model(
        folder,
        tokenizer,
        network,
        {
            "model_type": "xlm-roberta",
            "max_position_embeddings": 514,
            "pad_token_id": 1,
            "type_vocab_size": 1,
        },
        states="token_embeddings",
        modules=[
            ("Pooling", {"pooling_mode": "cls"}, {}),
            (
                "Dense",
                {**dense, "activation_function": "torch.nn.modules.activation.Tanh"},
                {"linear.weight": weight, "linear.bias": np.zeros(16, np.float32)},
            ),
        ],
        tokenizer_config={"model_max_length": 512},
    )
