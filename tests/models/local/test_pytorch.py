"""Models without an ONNX network, through a stand-in for sentence-transformers; `conformance/` has the rest."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from torch_samples import NETWORK, POOLING, save_embedder, save_model, save_reranker, stand_in
from vai.errors import UnknownModel, UnsupportedModel
from vai.models.local.folders import Located
from vai.models.local.onnx import OnnxEmbedder, OnnxReranker
from vai.models.local.pytorch import open_torch_embedder, open_torch_reranker


@pytest.fixture
def library() -> Iterator[ModuleType]:
    """The stand-in."""
    with stand_in() as module:
        yield module


def model(folder: Path, files: Mapping[str, object], **config: object) -> Located:
    """Any model in a folder."""
    save_model(folder, files, **config)
    return Located(folder, "owner/model", "c" * 40)


def reranker(folder: Path, **config: object) -> OnnxReranker:
    save_reranker(folder, **config)
    return open_torch_reranker(Located(folder, "owner/model", "c" * 40), threads=2)


def embedder_in(folder: Path, **described: object) -> Located:
    save_embedder(folder, described=described)
    return Located(folder, "owner/model", "c" * 40)


# ── rerankers ──


@pytest.mark.usefixtures("library")
def test_logits_come_without_an_activation(tmp_path: Path) -> None:
    reading = reranker(tmp_path).score("bread butter", ["bread butter jam", "bread", "jam", ""])
    assert reading.values.tolist() == [4.0, 0.0, -4.0, -4.0]
    assert reading.logits is not None
    assert reading.seen.tolist() == [1.0] * 4
    assert reading.tokens == 8 + 6 + 6 + 5


@pytest.mark.usefixtures("library")
def test_of_two_labels_the_log_odds_count(tmp_path: Path) -> None:
    reading = reranker(tmp_path, num_labels=2).score("bread butter", ["bread butter jam", "jam"])
    assert reading.values.tolist() == [4.0, -4.0]


@pytest.mark.usefixtures("library")
def test_three_labels_are_no_reranker(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="it gives 3 numbers for a pair, not one or two"):
        reranker(tmp_path, num_labels=3)


@pytest.mark.usefixtures("library")
def test_a_long_passage_is_worth_its_best_window(tmp_path: Path) -> None:
    passage = "x " * 60 + "bread butter" + " x" * 60
    reading = reranker(tmp_path).score("bread butter", [passage, "bread"])
    window = reading.window(0)
    assert window is not None
    assert "bread butter" in passage[slice(*window)]
    assert reading.values.tolist() == [4.0, 0.0]
    assert reading.window(1) is None


def test_the_library_is_opened_as_it_is_safe_to(library: ModuleType, tmp_path: Path) -> None:
    """The stand-in refuses other arguments: no Python of the model's, nothing from the hub, nothing pickled."""
    reranker(tmp_path)
    opened = library.OPENED[-1]
    assert (opened.dtype, opened.training) == ("float32", False)
    assert sys.modules["torch"].THREADS == [1]


def test_a_model_without_token_types_is_given_none(library: ModuleType, tmp_path: Path) -> None:
    located = model(
        tmp_path,
        {"tokenizer_config.json": {"model_input_names": ["input_ids", "attention_mask"]}},
        architectures=["BertForSequenceClassification"],
    )
    open_torch_reranker(located, threads=1).score("bread", ["bread"])
    assert library.OPENED[-1].given[-1] == {"input_ids", "attention_mask"}


@pytest.mark.usefixtures("library")
def test_loading_prints_nothing_and_leaves_reports_as_they_were(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reranker(tmp_path)
    from transformers.utils import logging as reports

    assert capfd.readouterr() == ("", "")
    assert reports.STATE == {"verbosity": 30, "bars": True}


@pytest.mark.usefixtures("library")
def test_the_revision_holds_the_commit_and_the_precision(tmp_path: Path) -> None:
    revision = reranker(tmp_path).revision
    assert revision.startswith(f"{'c' * 40}/float32/")
    assert (revision, 0.0) == (reranker(tmp_path).revision, reranker(tmp_path).usd_per_million_tokens)


@pytest.mark.usefixtures("library")
def test_the_revision_of_a_folder_changes_with_its_weights(tmp_path: Path) -> None:
    located = embedder_in(tmp_path)
    own = Located(located.folder, str(located.folder), None)
    first, again = (open_torch_embedder(own, threads=1).revision for _ in range(2))
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert first == again
    assert open_torch_embedder(own, threads=1).revision != first


# ── embedders ──


@pytest.fixture
def embedder(library: ModuleType, tmp_path: Path) -> OnnxEmbedder:
    return open_torch_embedder(embedder_in(tmp_path), threads=2)


def test_vectors_are_of_unit_length_and_depend_on_no_neighbour(embedder: OnnxEmbedder) -> None:
    texts = ["bread", "bread butter jam", "", "x " * 200]
    together = embedder.embed_documents(texts)
    assert together.shape == (4, embedder.dimension)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert together.tobytes() == b"".join(embedder.embed_documents([text]).tobytes() for text in texts)


def test_a_query_without_prompts_is_as_a_document(embedder: OnnxEmbedder) -> None:
    assert embedder.embed_query("bread").tobytes() == embedder.embed_documents(["bread"]).tobytes()


@pytest.mark.usefixtures("library")
def test_prompts_stand_before_texts(tmp_path: Path) -> None:
    plain = open_torch_embedder(embedder_in(tmp_path / "plain"), threads=1)
    prompts = {"query": "query : ", "document": "passage : "}
    prompted = open_torch_embedder(embedder_in(tmp_path / "prompted", prompts=prompts), threads=1)
    assert prompted.embed_query("bread").tolist() == plain.embed_query("query : bread").tolist()
    assert prompted.embed_documents(["bread"]).tolist() == plain.embed_documents(["passage : bread"]).tolist()
    assert prompted.max_tokens == plain.max_tokens - 2


def test_tokens_are_those_of_the_tokenizer(embedder: OnnxEmbedder) -> None:
    assert [*embedder.token_ends("bread, butter")] == [5, 6, 13]
    assert embedder.max_tokens == 32


# ── what cannot be run ──


def test_without_the_package_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vai.models.local.pytorch.is_installed", lambda: False)
    with pytest.raises(UnsupportedModel, match="PyTorch, which could run it, is not installed") as caught:
        open_torch_embedder(embedder_in(tmp_path), threads=1)
    assert caught.value.hint is not None
    assert "`pip install 'vai-retrieval[torch]'`" in caught.value.hint


@pytest.mark.usefixtures("library")
def test_an_embedder_is_no_reranker_and_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="it is no reranker"):
        open_torch_reranker(embedder_in(tmp_path / "embedder"), threads=1)
    scoring = model(tmp_path / "reranker", {}, architectures=["BertForSequenceClassification"])
    with pytest.raises(UnsupportedModel, match="it is no embedder"):
        open_torch_embedder(scoring, threads=1)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("files", "config", "said"),
    [
        ({"modules.json": [NETWORK, {"type": "own.Module", "path": "1_Own"}]}, {}, "not known: own.Module"),
        ({"modules.json": [NETWORK, {"type": "os.system"}]}, {}, "not known: os.system"),
        ({"modules.json": ["x"]}, {}, "a module that is not known"),
        (
            {"modules.json": [{"type": "sentence_transformers.models.Router"}]},
            {},
            "a module that is not known",
        ),
        (
            {"modules.json": [NETWORK, POOLING], "1_Pooling/config.json": {"include_prompt": False}},
            {},
            "prompts",
        ),
        (
            {"modules.json": [NETWORK, {**POOLING, "path": "../1_Pooling"}]},
            {},
            "it has a module outside its folder",
        ),
        ({}, {"architectures": ["Qwen3ForCausalLM"]}, "it is generative"),
        ({}, {"auto_map": {"AutoModel": "own.Model"}}, "requires you to execute the configuration file"),
        ({"config.json": {"max_position_embeddings": "many"}}, {}, "an impossible `max_position_embeddings`"),
    ],
)
def test_what_is_not_known_or_not_safe_is_refused(
    tmp_path: Path, files: dict[str, object], config: dict[str, object], said: str
) -> None:
    located = model(tmp_path, files, **config)
    with pytest.raises(UnsupportedModel, match=said) as caught:
        open_torch_embedder(located, threads=1)
    assert caught.value.message.startswith("the model `owner/model` cannot be used: ")
    assert "\n" not in caught.value.message


@pytest.mark.usefixtures("library")
def test_a_family_that_pools_otherwise_has_to_say_so(tmp_path: Path) -> None:
    located = model(tmp_path, {}, architectures=["BertModel"])
    bare = Located(located.folder, "BAAI/bge-small-en-v1.5", "c" * 40)
    with pytest.raises(UnsupportedModel, match=r"`modules\.json` is missing"):
        open_torch_embedder(bare, threads=1)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("missing", "said"),
    [("model.safetensors", "safetensors"), ("tokenizer.json", r"`tokenizer\.json` is missing")],
)
def test_a_file_that_is_missing_is_named(tmp_path: Path, missing: str, said: str) -> None:
    located = embedder_in(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(UnsupportedModel, match=said):
        open_torch_embedder(located, threads=1)


def test_a_folder_that_is_not_there_is_an_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no such folder"):
        open_torch_reranker(Located(tmp_path / "none", "none", None), threads=1)
