"""A bundled model's folder: what its `model.json` says of it.

<folder>/
  model.json      name, kind, limits, digests of the files (schema `vai.model/1`)
  model.onnx      the network
  tokenizer.json  its tokenizer, unless the manifest names another model's
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vai.errors import StoreCorrupt, VaiError
from vai.models.local.recipes import Output, Recipe
from vai.types import Calibration

BUNDLED = Path(__file__).parent / "bundled"
SCHEMA = "vai.model/1"
OUTPUTS = {"embedder": "sentence_embedding", "reranker": "logits"}


@dataclass(frozen=True, slots=True)
class Probe:
    """What the model must make of a query and a passage: their similarity, or the passage's logit."""

    query: str
    passage: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Recipe):
    """What a bundled model is, without loading it."""

    folder: Path
    kind: str
    licence: str
    files: tuple[tuple[str, str], ...]
    probe: Probe

    def unusable(self, reason: str) -> VaiError:
        """A bundled model can be used, unless its files are damaged."""
        return StoreCorrupt(
            f"the model `{self.name}` cannot be loaded: {reason}",
            hint="`vai doctor` names damaged files; install vai again to restore the bundled models",
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder.

    Raises:
        StoreCorrupt: there is none, or it is not one of ours.
    """
    path = folder / "model.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise ValueError(f"its schema is {raw['schema']!r}")
        calibration = raw.get("calibration")
        return Manifest(
            folder=folder,
            name=raw["name"],
            kind=raw["kind"],
            revision=raw["revision"],
            licence=raw["licence"],
            languages=tuple(raw["languages"]),
            network=folder / "model.onnx",
            outputs=(Output(OUTPUTS[raw["kind"]]),),
            full_range=False,  # they are within ±63, whose products fit into 16 bits
            tokenizer=folder / raw["tokenizer"],
            max_tokens=raw["max_tokens"],
            files=tuple(sorted(raw["files"].items())),
            probe=Probe(**raw["probe"]),
            dimension=raw.get("dimension", 0),
            max_query_tokens=raw.get("max_query_tokens", 0),
            calibration=Calibration(**calibration) if calibration else None,
            blend=raw.get("blend", 0.0),
            similarity_scale=raw.get("similarity_scale", 1.0),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreCorrupt(
            f"`{path}` does not describe a model: {error}",
            hint="install vai again to restore the bundled models",
        ) from error


def damaged_files(manifest: Manifest) -> list[str]:
    """Names of the model's files whose bytes are not those that the manifest was written for."""
    damaged = []
    for name, expected in manifest.files:
        path = manifest.folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            damaged.append(name)
    return damaged
