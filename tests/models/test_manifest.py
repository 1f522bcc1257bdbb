"""What a model folder says of itself, and whether its files are those it speaks of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vai.errors import StoreCorrupt
from vai.models.catalog import bundled_manifests
from vai.models.manifest import BUNDLED, Manifest, damaged_files, read_manifest

NAMES = ["all-MiniLM-L6-v2", "vai-reranker-mini"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with small files instead of a network."""
    copy = tmp_path / "model"
    copy.mkdir()
    described = json.loads((BUNDLED / "all-MiniLM-L6-v2" / "model.json").read_text(encoding="utf-8"))
    for name in ("model.onnx", "tokenizer.json"):
        (copy / name).write_text(name)
        described["files"][name] = hashlib.sha256(name.encode()).hexdigest()
    (copy / "model.json").write_text(json.dumps(described))
    return copy


def change(folder: Path, **fields: Any) -> None:
    """Put other values into the manifest; None removes a field."""
    described = json.loads((folder / "model.json").read_text()) | fields
    kept = {name: value for name, value in described.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(kept))


# ── the bundled models ──


def test_two_models_are_bundled() -> None:
    assert [manifest.name for manifest in bundled_manifests()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_bundled_files_are_those_that_the_manifest_was_written_for(name: str) -> None:
    manifest = read_manifest(BUNDLED / name)
    assert "model.onnx" in dict(manifest.files)
    assert damaged_files(manifest) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_revision_follows_from_the_digests_so_that_it_changes_with_the_files(name: str) -> None:
    manifest = read_manifest(BUNDLED / name)
    digests = json.dumps(dict(manifest.files), sort_keys=True)
    assert manifest.revision == hashlib.sha256(digests.encode()).hexdigest()[:12]


def test_the_embedder_is_described() -> None:
    manifest = read_manifest(BUNDLED / "all-MiniLM-L6-v2")
    assert (manifest.kind, manifest.dimension, manifest.max_tokens) == ("embedder", 384, 256)
    assert (manifest.languages, manifest.licence) == (("en",), "Apache-2.0")
    assert manifest.calibration is None


def test_the_reranker_is_described_and_shares_the_embedders_tokenizer() -> None:
    manifest = read_manifest(BUNDLED / "vai-reranker-mini")
    assert (manifest.kind, manifest.max_tokens, manifest.max_query_tokens) == ("reranker", 512, 128)
    assert manifest.calibration is not None
    assert manifest.calibration.slope > 0
    assert 0 < manifest.blend < 1
    assert manifest.tokenizer.resolve() == read_manifest(BUNDLED / "all-MiniLM-L6-v2").tokenizer.resolve()
    assert manifest.tokenizer.is_file()


# ── any model ──


def test_a_model_folder_is_read(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert isinstance(manifest, Manifest)
    assert (manifest.network, manifest.tokenizer) == (folder / "model.onnx", folder / "tokenizer.json")
    assert damaged_files(manifest) == []


def test_damaged_and_missing_files_are_named(folder: Path) -> None:
    (folder / "model.onnx").write_text("model.onny")
    assert damaged_files(read_manifest(folder)) == ["model.onnx"]
    (folder / "tokenizer.json").unlink()
    assert damaged_files(read_manifest(folder)) == ["model.onnx", "tokenizer.json"]
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()
    assert damaged_files(read_manifest(folder)) == ["model.onnx", "tokenizer.json"]


def test_what_a_manifest_leaves_out_has_a_default(folder: Path) -> None:
    change(folder, dimension=None, calibration=None, blend=None)
    manifest = read_manifest(folder)
    assert (manifest.dimension, manifest.max_query_tokens, manifest.calibration) == (0, 0, None)
    assert (manifest.blend, manifest.similarity_scale) == (0.0, 1.0)


@pytest.mark.parametrize("field", ["schema", "name", "kind", "revision", "licence", "languages", "files"])
def test_a_manifest_without_a_field_it_needs_is_refused_by_name(folder: Path, field: str) -> None:
    change(folder, **{field: None})
    with pytest.raises(StoreCorrupt, match=rf"model\.json` does not describe a model: '{field}'") as caught:
        read_manifest(folder)
    assert "install vai again" in str(caught.value.hint)


def test_a_manifest_of_another_schema_is_refused(folder: Path) -> None:
    change(folder, schema="vai.model/2")
    with pytest.raises(StoreCorrupt, match=r"its schema is 'vai\.model/2'"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"])
def test_what_is_no_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.json").write_bytes(content)
    with pytest.raises(StoreCorrupt, match="does not describe a model"):
        read_manifest(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreCorrupt, match="does not describe a model"):
        read_manifest(tmp_path)


any_json = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = ["languages", "tokenizer", "files", "calibration"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(FIELDS), value=any_json)
def test_any_value_in_a_manifest_is_taken_or_refused_with_a_sentence(
    folder: Path, field: str, value: object
) -> None:
    change(folder, **{field: value})
    try:
        assert read_manifest(folder).name == "all-MiniLM-L6-v2"
    except StoreCorrupt as refusal:
        assert "does not describe a model" in refusal.message
