"""What a local model is made of, without loading it: bundled ones by their manifest, others by their folder's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vai.errors import UnsupportedModel, VaiError
from vai.types import Calibration

if TYPE_CHECKING:
    from vai.models.local.heads import Step


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a network, by name, and what is done with it until it is a vector or a logit."""

    name: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How texts are made for a network, and what is done with its output. Token counts include special tokens.

    Args:
        name, revision, languages: as the protocols of embedder and reranker have them.
        network: the ONNX file; `outputs` of it that can be used, the best first.
        full_range: see `vai.models.local.encoder.Network`.
        tokenizer: a `tokenizer.json`; `lower_case` makes texts lower case first.
        typed: whether tokens have the tokenizer's types; else all have type 0.
        first_position: of the first token.
        max_tokens: what is read at once; `max_query_tokens` of that at most are the query's.
        dimension: of an embedder's vectors; 0 if only the network knows.
        query_prompt, document_prompt: put before texts.
        calibration, blend, similarity_scale: see `vai.protocols.Reranker`.
    """

    name: str
    revision: str
    languages: tuple[str, ...]
    network: Path
    outputs: tuple[Output, ...]
    full_range: bool
    tokenizer: Path
    lower_case: bool = False
    typed: bool = True
    first_position: int = 0
    max_tokens: int
    max_query_tokens: int = 0
    dimension: int = 0
    query_prompt: str = ""
    document_prompt: str = ""
    calibration: Calibration | None = None
    blend: float = 0.0
    similarity_scale: float = 1.0

    def unusable(self, reason: str) -> VaiError:
        """The error that says that the model cannot be used."""
        return unusable(self.name, reason)


def unusable(name: str, reason: str) -> UnsupportedModel:
    """The error that says that a model cannot be used, and why."""
    legible = "".join(character for character in " ".join(reason.split()) if character.isprintable())
    return UnsupportedModel(
        f"the model `{name}` cannot be used: {legible.rstrip('.'):.300}",
        hint="`docs/models.md` says which models can be run here",
    )
