"""Models in a folder: which files count, what is computed, and what is refused."""

from __future__ import annotations

import json
import math
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import tiny_models
from tiny_models import Array, TinyModel, write_json
from vai.errors import UnknownModel, UnsupportedModel
from vai.models.local import folders
from vai.models.local.encoder import load_tokenizer
from vai.models.local.families import family_of
from vai.models.local.folders import (
    NETWORKS_FOR,
    Located,
    chosen_network,
    has_network,
    named_weights,
    open_folder_embedder,
    open_folder_reranker,
    processor,
    wanted_files,
)
from vai.models.local.onnx import OnnxEmbedder, OnnxReranker

QUERY = "how do i run code when the interpreter exits?"
PASSAGES = (
    "functions registered with atexit run when the interpreter exits",
    "bread, butter and jam",
    "Überraschung! 日本語",
    "",
    QUERY,
)


def opened_reranker(folder: Path, threads: int = 2) -> OnnxReranker:
    """The reranker in a folder, named after it."""
    return open_folder_reranker(Located(folder, folder.name, None), threads=threads)


def opened_embedder(folder: Path, name: str | None = None) -> OnnxEmbedder:
    """The embedder in a folder, named after it if no name is given."""
    return open_folder_embedder(Located(folder, name or folder.name, None), threads=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for a model."""
    made = tmp_path / "model"
    made.mkdir()
    return made


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, set[str]], None]]:
    """Pretend that the processor is of a kind."""

    def pretend(machine: str, abilities: set[str]) -> None:
        processor.cache_clear()
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(folders, "_x86_abilities", lambda: abilities)

    yield pretend
    monkeypatch.undo()
    processor.cache_clear()


def weights_beside(folder: Path, name: str) -> Path:
    """Move the weights of a model's network into a file of that name beside it; returns the file."""
    network = folder / "onnx" / "model.onnx"
    onnx.save_model(
        onnx.load(network), network, save_as_external_data=True, location=name, size_threshold=1_024
    )
    return network.with_name(name)


# ── which files count ──

QUANTISED = [
    "onnx/model.onnx",
    "onnx/model_O4.onnx",
    "onnx/model_fp16.onnx",
    "onnx/model_qint8_arm64.onnx",
    "onnx/model_qint8_avx512.onnx",
    "onnx/model_qint8_avx512_vnni.onnx",
    "onnx/model_quint8_avx2.onnx",
]


@pytest.mark.parametrize(
    ("machine", "abilities", "network"),
    [
        ("x86_64", {"AVX2", "AVX512F", "AVX512BW", "AVX512VNNI"}, "model_qint8_avx512_vnni.onnx"),
        ("AMD64", {"AVX2", "AVX512F", "AVX512BW"}, "model_qint8_avx512.onnx"),
        ("x86_64", {"AVX2"}, "model_quint8_avx2.onnx"),
        ("arm64", set(), "model_qint8_arm64.onnx"),
        ("aarch64", set(), "model_qint8_arm64.onnx"),
        ("x86_64", set(), "model.onnx"),
        ("riscv64", set(), "model.onnx"),
    ],
)
def test_the_network_is_the_one_for_the_processor(
    on: Callable[[str, set[str]], None], machine: str, abilities: set[str], network: str
) -> None:
    on(machine, abilities)
    assert chosen_network(QUANTISED) == f"onnx/{network}"
    assert processor() in NETWORKS_FOR


def test_any_quantised_network_is_preferred_to_one_that_is_not() -> None:
    names = ["onnx/model.onnx", "onnx/model_quantized.onnx", "onnx/model_q4.onnx"]
    assert chosen_network(names) == "onnx/model_quantized.onnx"
    assert chosen_network(["model.onnx", "model_int8.onnx"]) == "model_int8.onnx"
    assert chosen_network(["model_int8.onnx", "onnx/model.onnx"]) == "onnx/model.onnx"
    assert chosen_network(["onnx/model_q4.onnx", "model.safetensors"]) is None


def test_of_a_repository_only_what_is_read_is_wanted() -> None:
    names = [
        ".gitattributes", "README.md", "config.json", "tokenizer.json", "vocab.txt", "modeling_custom.py",
        "model.safetensors", "pytorch_model.bin", "modules.json", "0_Transformer/model.safetensors",
        "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin",
        "onnx/config.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_fp16.onnx", "openvino/model.bin",
    ]  # fmt: skip
    assert wanted_files(names) == [
        "config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", "2_Dense/config.json",
        "2_Dense/model.safetensors", "onnx/model.onnx", "onnx/model.onnx_data",
    ]  # fmt: skip
    assert wanted_files(["config.json", "model.safetensors"]) == []


@pytest.mark.parametrize(
    "name",
    [
        "onnx/model.onnx_data/../../../other/model.onnx",
        "onnx/model.onnx_data/model.onnx",
        "../config.json",
        "1_Pooling/../config.json",
        "/config.json",
    ],
)
def test_a_name_that_leads_elsewhere_is_not_wanted(name: str) -> None:
    """Names come from a server."""
    assert wanted_files(["config.json", "tokenizer.json", "onnx/model.onnx", name]) == [
        "config.json", "tokenizer.json", "onnx/model.onnx",
    ]  # fmt: skip


def test_a_folder_says_whether_there_is_a_network(folder: Path) -> None:
    assert not has_network(folder)
    assert not has_network(folder / "none")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").touch()
    assert has_network(folder)


# ── rerankers ──


def odds(logits: Array) -> float:
    """What a head's numbers say: one is the logit, of two it is their difference."""
    return float(logits[0] if len(logits) == 1 else logits[1] - logits[0])


@pytest.mark.parametrize(
    ("make", "typed"),
    [
        (tiny_models.bert_reranker, True),
        (tiny_models.roberta_reranker, False),
        (tiny_models.xlm_roberta_reranker, False),
    ],
)
def test_a_logit_is_that_of_the_pair_as_the_tokenizer_joins_it(
    folder: Path, make: Callable[[Path], TinyModel], typed: bool
) -> None:
    """Computed again with NumPy from the same weights: tokens, types, positions and mask are right."""
    model = make(folder)
    reading = opened_reranker(folder).score(QUERY, PASSAGES)
    for passage, value in zip(PASSAGES, reading.values.tolist(), strict=True):
        ids, types = model.pair(QUERY, passage)
        expected = odds(model.network.logits(ids, types if typed else [0] * len(ids)))
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert reading.tokens == sum(len(model.pair(QUERY, passage)[0]) for passage in PASSAGES)


def test_a_head_beside_the_network_is_computed_with_its_own_weights(folder: Path) -> None:
    """ModernBERT: the first token's state through dense, GELU, layer norm and dense."""
    model = tiny_models.modernbert_reranker(folder)
    modules = model.modules
    reading = opened_reranker(folder).score(QUERY, PASSAGES)
    for passage, value in zip(PASSAGES, reading.values.tolist(), strict=True):
        hidden = modules["2_Dense"]["linear.weight"] @ model.network.states(*model.pair(QUERY, passage))[0]
        bent = np.array([x * 0.5 * (1 + math.erf(x / 2**0.5)) for x in hidden])
        scaled = (bent - bent.mean()) / np.sqrt(bent.var() + 1e-5)
        normed = scaled * modules["3_LayerNorm"]["norm.weight"] + modules["3_LayerNorm"]["norm.bias"]
        expected = modules["4_Dense"]["linear.weight"] @ normed + modules["4_Dense"]["linear.bias"]
        assert value == pytest.approx(float(expected[0]), rel=1e-4, abs=1e-4)


def test_every_part_of_a_row_matters_to_the_tiny_networks(folder: Path) -> None:
    """Or the tests above would prove nothing: another type, position or token changes the logit."""
    model = tiny_models.bert_reranker(folder)
    ids, types = model.pair(QUERY, PASSAGES[0])
    value = odds(model.network.logits(ids, types))
    assert abs(odds(model.network.logits(ids, [0] * len(ids))) - value) > 1e-2
    assert abs(odds(model.network.logits(ids[::-1], types)) - value) > 1e-2
    assert abs(odds(model.network.logits(ids[:-1], types[:-1])) - value) > 1e-2
    moved = tiny_models.TinyNetwork(model.network.weights, first_position=2)
    assert abs(odds(moved.logits(ids, types)) - value) > 1e-2


def test_of_a_reranker_nothing_is_known_but_what_it_computes(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    reranker = opened_reranker(folder)
    assert (reranker.name, reranker.languages, reranker.calibration) == ("model", (), None)
    assert (reranker.blend, reranker.similarity_scale, reranker.usd_per_million_tokens) == (0.0, 1.0, 0.0)


def test_a_default_prompt_stands_before_the_query(folder: Path) -> None:
    model = tiny_models.bert_reranker(folder)
    prompts = {"prompts": {"web": "query : ", "other": "x"}, "default_prompt_name": "web"}
    write_json(folder / "config_sentence_transformers.json", prompts)
    (value,) = opened_reranker(folder).score(QUERY, PASSAGES[:1]).values.tolist()
    expected = odds(model.network.logits(*model.pair("query : " + QUERY, PASSAGES[0])))
    assert value == pytest.approx(expected, rel=1e-4)


def test_a_long_passage_is_worth_its_best_window(folder: Path) -> None:
    """Each window is joined with the whole query; the characters that it holds are said."""
    model = tiny_models.roberta_reranker(folder)
    passage = "bread and butter and jam " * 8 + QUERY + " bread and butter" * 20
    reading = opened_reranker(folder).score("bread", [passage, "bread"])
    assert reading.window(1) is None
    assert reading.seen.tolist() == [1.0, 1.0]
    start, stop = reading.window(0) or (0, 0)
    alone = opened_reranker(folder).score("bread", [passage[start:stop]])
    assert alone.window(0) is None
    assert reading.values[0] == pytest.approx(alone.values[0], rel=1e-5)
    whole = model.tokenizer.encode(passage, add_special_tokens=False)
    tried = [
        opened_reranker(folder).score("bread", [passage[spans[0][0] : spans[-1][1]]]).values[0]
        for spans in (whole.offsets[first : first + 40] for first in range(0, len(whole.offsets), 30))
    ]
    assert reading.values[0] > min(tried)


@pytest.mark.parametrize(
    ("config", "tokenizer", "transformer", "expected"),
    [
        ({"max_position_embeddings": 66, "model_type": "roberta", "pad_token_id": 1}, {}, {}, 64),
        ({"max_position_embeddings": 66, "model_type": "roberta"}, {}, {}, 64),
        ({"max_position_embeddings": 66, "model_type": "bert", "pad_token_id": 1}, {}, {}, 66),
        ({"max_position_embeddings": 8192}, {}, {}, 512),
        ({}, {"model_max_length": 1e30}, {}, 512),
        ({"max_position_embeddings": 512}, {"model_max_length": 256}, {"max_seq_length": 128}, 128),
        ({"max_position_embeddings": 512}, {"model_max_length": 100}, {"max_seq_length": None}, 100),
        ({}, {}, {}, 512),
    ],
)
def test_what_is_read_at_once_is_the_least_that_any_file_says(
    folder: Path,
    config: dict[str, object],
    tokenizer: dict[str, object],
    transformer: dict[str, object],
    expected: int,
) -> None:
    tiny_models.mean_embedder(folder)
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer_config.json", tokenizer)
    write_json(folder / "sentence_bert_config.json", transformer)
    write_json(folder / "config_sentence_transformers.json", {})
    assert opened_embedder(folder).max_tokens == expected


# ── embedders ──


def unit(vector: Array) -> Array:
    """At length 1."""
    scaled: Array = vector / np.linalg.norm(vector)
    return scaled


def test_a_vector_is_the_mean_over_all_tokens_at_unit_length_with_the_models_prompts(folder: Path) -> None:
    model = tiny_models.mean_embedder(folder)
    embedder = opened_embedder(folder)
    documents = embedder.embed_documents(PASSAGES)
    for passage, vector in zip(PASSAGES, documents, strict=True):
        expected = unit(model.network.states(*model.single("passage: " + passage)).mean(axis=0))
        assert vector == pytest.approx(expected, abs=1e-5)
    expected = unit(model.network.states(*model.single("query: " + QUERY)).mean(axis=0))
    assert embedder.embed_query(QUERY) == pytest.approx(expected, abs=1e-5)


def test_a_vector_may_be_the_first_token_through_a_dense_layer(folder: Path) -> None:
    model = tiny_models.cls_embedder(folder)
    embedder = opened_embedder(folder)
    assert embedder.dimension == 16
    for passage, vector in zip(PASSAGES, embedder.embed_documents(PASSAGES), strict=True):
        ids, _ = model.single(passage)
        first = model.network.states(ids, [0] * len(ids))[0]
        expected = unit(np.tanh(model.modules["2_Dense"]["linear.weight"] @ first))
        assert vector == pytest.approx(expected, abs=1e-5)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_a_network_that_gives_the_vector_itself_is_believed_where_nothing_else_is_said(folder: Path) -> None:
    """Where `modules.json` says how the token states are pooled, that is done instead."""
    model = tiny_models.mean_embedder(folder)
    network = onnx.load(folder / "onnx" / "model.onnx")
    last = helper.make_node("ReduceMax", ["last_hidden_state"], ["sentence_embedding"], axes=[1], keepdims=0)
    network.graph.node.append(last)
    network.graph.output.append(
        helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", tiny_models.WIDTH])
    )
    onnx.save(network, folder / "onnx" / "model.onnx")
    states = model.network.states(*model.single("passage: bread"))
    pooled = opened_embedder(folder).embed_documents(["bread"])[0]
    assert pooled == pytest.approx(unit(states.mean(axis=0)), abs=1e-5)
    (folder / "modules.json").unlink()
    given = opened_embedder(folder).embed_documents(["bread"])[0]
    assert given == pytest.approx(unit(states.max(axis=0)), abs=1e-5)


def test_a_prompt_takes_from_what_a_document_may_have(folder: Path) -> None:
    """`passage: ` are two tokens of the 128 that the model reads; the query's prompt is no concern of documents."""
    tiny_models.mean_embedder(folder)
    embedder = opened_embedder(folder)
    assert embedder.max_tokens == 128 - 2
    texts = ["word " * 124, "word " * 124 + "bread", "word " * 123 + "bread"]
    full, longer, shorter = embedder.embed_documents(texts)
    assert np.array_equal(full, longer)
    assert not np.array_equal(full, shorter)


@pytest.mark.parametrize("prompts", [{}, {"query": "", "document": ""}])
def test_a_family_is_known_by_its_name_where_its_files_say_nothing(folder: Path, prompts: object) -> None:
    model = tiny_models.mean_embedder(folder)
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    (folder / "modules.json").unlink()
    bge = opened_embedder(folder, "BAAI/bge-small-en-v1.5@main")
    prompt = "Represent this sentence for searching relevant passages: "
    expected = unit(model.network.states(*model.single(prompt + QUERY))[0])
    assert bge.embed_query(QUERY) == pytest.approx(expected, abs=1e-5)
    expected = unit(model.network.states(*model.single(QUERY))[0])
    assert bge.embed_documents([QUERY])[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "query_prompt", "document_prompt"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("/home/me/models/e5-base-v2/", "query: ", "passage: "),
        ("C:\\models\\e5-large", "query: ", "passage: "),
        ("nomic-ai/nomic-embed-text-v1.5@abc/def", "search_query: ", "search_document: "),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("Xenova/all-MiniLM-L6-v2", "", ""),
        ("me/my-e5-small", "", ""),
    ],
)
def test_families_are_known_by_the_last_part_of_a_name(
    name: str, query_prompt: str, document_prompt: str
) -> None:
    family = family_of(name)
    assert (family.query_prompt, family.document_prompt) == (query_prompt, document_prompt)


def test_texts_are_made_lower_case_where_the_model_asks_for_it(folder: Path) -> None:
    """Its tokenizer would not."""
    tiny_models.cls_embedder(folder)
    described = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    described["normalizer"] = None
    write_json(folder / "tokenizer.json", described)
    load_tokenizer.cache_clear()
    lower, upper = opened_embedder(folder).embed_documents(["bread", "BREAD"])
    assert not np.array_equal(lower, upper)
    write_json(folder / "sentence_bert_config.json", {"do_lower_case": True})
    lower, upper = opened_embedder(folder).embed_documents(["bread", "BREAD"])
    assert np.array_equal(lower, upper)


# ── revisions ──


def test_a_revision_changes_with_any_file_that_is_read_and_with_no_other(folder: Path) -> None:
    tiny_models.modernbert_reranker(folder)
    revisions = [opened_reranker(folder).revision]
    (folder / "README.md").write_text("about it")
    revisions.append(opened_reranker(folder).revision)
    assert len(set(revisions)) == 1
    write_json(folder / "tokenizer_config.json", {"model_max_length": 100})
    revisions.append(opened_reranker(folder).revision)
    shutil.copy(folder / "onnx" / "model.onnx", folder / "onnx" / "model_quantized.onnx")
    revisions.append(opened_reranker(folder).revision)
    assert len(set(revisions)) == 3


def test_a_revision_changes_with_weights_whatever_their_file_is_called(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    weights = weights_beside(folder, "parameters")
    before = opened_reranker(folder)
    weights.write_bytes(bytes(weights.stat().st_size))
    after = opened_reranker(folder)
    assert before.score(QUERY, PASSAGES).values.tolist() != after.score(QUERY, PASSAGES).values.tolist()
    assert before.revision != after.revision


@pytest.mark.parametrize("place", ["head", "deep/down/2_Dense"])
def test_a_revision_changes_with_a_module_wherever_it_is(folder: Path, place: str) -> None:
    tiny_models.modernbert_reranker(folder)
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / "2_Dense").rename(folder / place)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    write_json(folder / "modules.json", [*modules[:2], {**modules[2], "path": place}, *modules[3:]])
    before = opened_reranker(folder).revision
    save_file({"linear.weight": np.zeros((64, 64), np.float32)}, folder / place / "model.safetensors")
    assert opened_reranker(folder).revision != before


def test_a_network_that_breaks_off_behind_the_name_of_a_file_names_none(folder: Path) -> None:
    network = folder / "model.onnx"
    network.write_bytes(b"\x0a\x08location\x12\x05a.bin..\x0a\x08location\x12")
    assert named_weights(network) == {"a.bin", ""}


def test_a_revision_of_the_hub_is_kept_with_the_network_that_was_chosen(folder: Path) -> None:
    tiny_models.mean_embedder(folder)
    embedder = open_folder_embedder(Located(folder, "me/model", "0123abc"), threads=1)
    assert embedder.revision == "0123abc/onnx/model.onnx/1"


# ── what is refused ──


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"no model in `.*none`") as caught:
        opened_reranker(tmp_path / "none")
    assert "config.json" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", r"`config\.json` is missing"),
        ("tokenizer.json", r"`tokenizer\.json` is missing"),
        ("onnx/model.onnx", "no ONNX network"),
    ],
)
def test_a_file_that_is_missing_is_named(folder: Path, missing: str, message: str) -> None:
    tiny_models.bert_reranker(folder)
    (folder / missing).unlink()
    with pytest.raises(UnsupportedModel, match=message) as caught:
        opened_reranker(folder)
    assert caught.value.hint


@pytest.mark.parametrize("labels", [3, 5])
def test_a_classifier_of_more_than_two_classes_is_no_reranker(folder: Path, labels: int) -> None:
    tokenizer = tiny_models.wordpiece_tokenizer()
    network = tiny_models.tiny_network(tokenizer.get_vocab_size(), labels=labels)
    tiny_models.write_model(folder, tokenizer, network, {"model_type": "bert"})
    with pytest.raises(UnsupportedModel, match=f"gives {labels} numbers for a pair, not one or two"):
        opened_reranker(folder)


def test_a_generative_model_is_no_reranker(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    write_json(folder / "config.json", {"architectures": ["Qwen3ForCausalLM"]})
    with pytest.raises(UnsupportedModel, match=r"is generative \(Qwen3ForCausalLM\)"):
        opened_reranker(folder)


def test_an_embedder_is_no_reranker_and_the_other_way_round(tmp_path: Path) -> None:
    for name, make in (("embedder", tiny_models.mean_embedder), ("reranker", tiny_models.bert_reranker)):
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    with pytest.raises(UnsupportedModel, match=r"gives \d+ numbers for a pair"):
        opened_reranker(tmp_path / "embedder")
    with pytest.raises(UnsupportedModel, match="gives `logits`"):
        opened_embedder(tmp_path / "reranker")


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    tiny_models.bert_reranker(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", {**config, "auto_map": {"AutoModel": "modeling.Model"}})
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    opened_reranker(folder).score(QUERY, PASSAGES)
    assert not (tmp_path / "ran").exists()


def test_an_input_that_is_not_known_is_named(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    network = onnx.load(folder / "onnx" / "model.onnx")
    network.graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1]))
    onnx.save(network, folder / "onnx" / "model.onnx")
    with pytest.raises(UnsupportedModel, match="asks for `pixel_values`"):
        opened_reranker(folder)


def test_a_network_that_asks_for_positions_is_told_them(folder: Path) -> None:
    model = tiny_models.roberta_reranker(folder)
    network = onnx.load(folder / "onnx" / "model.onnx")
    network.graph.input.append(
        helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["batch", "sequence"])
    )
    gather = next(node for node in network.graph.node if node.output[0] == "of_places")
    gather.input[1] = "position_ids"
    onnx.save(network, folder / "onnx" / "model.onnx")
    (value,) = opened_reranker(folder).score(QUERY, PASSAGES[:1]).values.tolist()
    ids, _ = model.pair(QUERY, PASSAGES[0])
    assert value == pytest.approx(odds(model.network.logits(ids, [0] * len(ids))), rel=1e-4)


@pytest.mark.parametrize("file", ["onnx/model.onnx", "tokenizer.json"])
def test_a_damaged_file_makes_a_model_unusable(folder: Path, file: str) -> None:
    tiny_models.bert_reranker(folder)
    (folder / file).write_bytes(b"neither of the two")
    load_tokenizer.cache_clear()
    with pytest.raises(UnsupportedModel, match="`model` cannot be used"):
        opened_reranker(folder)


@pytest.mark.parametrize("location", ["../secret.bin", "{outside}", "link.bin"])
def test_weights_outside_the_folder_are_not_read(folder: Path, tmp_path: Path, location: str) -> None:
    tiny_models.bert_reranker(folder)
    secret = tmp_path / "secret.bin"
    network = onnx.load(folder / "onnx" / "model.onnx")
    words = next(each for each in network.graph.initializer if each.name == "words")
    secret.write_bytes(words.raw_data)
    (folder / "onnx" / "link.bin").symlink_to(secret)
    onnx.external_data_helper.set_external_data(words, location.format(outside=secret))
    words.ClearField("raw_data")
    (folder / "onnx" / "model.onnx").write_bytes(network.SerializeToString())
    with pytest.raises(UnsupportedModel, match="cannot be used"):
        opened_reranker(folder)


def test_weights_in_a_file_beside_the_network_are_read(folder: Path) -> None:
    model = tiny_models.bert_reranker(folder)
    weights_beside(folder, "model.onnx_data")
    (value,) = opened_reranker(folder).score(QUERY, PASSAGES[:1]).values.tolist()
    assert value == pytest.approx(odds(model.network.logits(*model.pair(QUERY, PASSAGES[0]))), rel=1e-4)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "[]"),
        ("config.json", "{"),
        ("config.json", '{"max_position_embeddings": 4}'),
        ("config.json", '{"max_position_embeddings": "many"}'),
        ("config.json", '{"max_position_embeddings": NaN}'),
        ("config.json", '{"max_position_embeddings": true}'),
        ("config.json", '{"model_type": 7}'),
        ("tokenizer_config.json", '{"model_max_length": -1}'),
        ("sentence_bert_config.json", '{"do_lower_case": "no"}'),
        ("config_sentence_transformers.json", '{"prompts": []}'),
        ("config_sentence_transformers.json", '{"prompts": {"query": 7}}'),
        ("config_sentence_transformers.json", '{"default_prompt_name": "none"}'),
        ("modules.json", "{}"),
        ("modules.json", '[{}, {"type": "sentence_transformers.models.Pooling"}]'),
        ("modules.json", "[" * 100_000),
    ],
)
def test_an_impossible_value_in_a_file_is_named(folder: Path, file: str, content: str) -> None:
    tiny_models.bert_reranker(folder)
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(UnsupportedModel, match="the model `model` cannot be used: it") as caught:
        opened_reranker(folder)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400


def test_a_file_larger_than_any_configuration_is_not_read(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    (folder / "config.json").write_text(" " * (1 << 20) + "{}")
    with pytest.raises(UnsupportedModel, match="larger than"):
        opened_reranker(folder)


def test_a_network_that_reads_less_than_its_files_say_is_named_when_it_fails(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    network = onnx.load(folder / "onnx" / "model.onnx")
    positions = next(each for each in network.graph.initializer if each.name == "positions")
    positions.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(positions)[:64], "positions"))
    onnx.save(network, folder / "onnx" / "model.onnx")
    reranker = opened_reranker(folder)
    assert np.isfinite(reranker.score("exit", ["bread"]).values).all()
    with pytest.raises(UnsupportedModel, match="the model `model` cannot be used") as caught:
        reranker.score("exit", ["bread " * 100])
    assert len(caught.value.message) < 400


def test_an_embedder_without_special_tokens_makes_a_vector_of_nothing_too(folder: Path) -> None:
    tiny_models.mean_embedder(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    write_json(folder / "tokenizer.json", {**tokenizer, "post_processor": None})
    write_json(folder / "config_sentence_transformers.json", {})
    load_tokenizer.cache_clear()
    embedder = opened_embedder(folder)
    vectors = embedder.embed_documents(["", "bread"])
    assert vectors[0].tolist() == [1.0] + [0.0] * 63
    assert np.linalg.norm(vectors[1]) == pytest.approx(1.0)
    assert embedder.embed_query("").tolist() == vectors[0].tolist()


def test_a_vector_of_two_dimensions_is_refused(folder: Path) -> None:
    tiny_models.mean_embedder(folder)
    network = onnx.load(folder / "onnx" / "model.onnx")
    network.graph.output[0].name = network.graph.node[-1].output[0] = "sentence_embedding"
    onnx.save(network, folder / "onnx" / "model.onnx")
    (folder / "modules.json").unlink()
    with pytest.raises(UnsupportedModel, match="makes no vector of a text"):
        opened_embedder(folder)


def test_what_a_file_makes_an_error_say_cannot_write_to_a_terminal(folder: Path) -> None:
    tiny_models.bert_reranker(folder)
    write_json(folder / "config.json", {"architectures": ["\x1b]0;title\x07ForCausalLM"]})
    with pytest.raises(UnsupportedModel, match="generative") as caught:
        opened_reranker(folder)
    assert caught.value.message.isprintable()


def test_a_prompt_that_leaves_no_room_is_refused(folder: Path) -> None:
    tiny_models.mean_embedder(folder)
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"document": "word " * 128}})
    with pytest.raises(UnsupportedModel, match="leaves no room"):
        opened_embedder(folder)
