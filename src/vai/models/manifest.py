"""A model folder: what its `model.json` says of it.

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

from vai.errors import StoreCorrupt

BUNDLED = Path(__file__).parent / "bundled"
SCHEMA = "vai.model/1"


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(relevant) = 1 / (1 + exp(−(slope · logit + intercept))), Platt scaling (Platt 1999).

    `error` is the expected calibration error on the data named in the model's card.
    """

    slope: float
    intercept: float
    error: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What the model must make of a query and a passage: their similarity, or the passage's logit."""

    query: str
    passage: str
    value: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model is, without loading it. Token counts include special tokens."""

    folder: Path
    name: str
    kind: str
    revision: str
    licence: str
    languages: tuple[str, ...]
    tokenizer: Path
    max_tokens: int
    files: tuple[tuple[str, str], ...]
    probe: Probe
    dimension: int = 0
    max_query_tokens: int = 0
    calibration: Calibration | None = None
    blend: float = 0.0
    similarity_scale: float = 1.0

    @property
    def network(self) -> Path:
        """The ONNX file."""
        return self.folder / "model.onnx"


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
