"""What the configuration files of a model say, with every value checked before it is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vai.types import Json

LARGEST_CONFIG = 1 << 20
"""Bytes; those there are have a few thousand."""

LONGEST_READ = 512
"""Tokens that are read at once even of models that could read more: time and memory grow with the square."""

MOST_QUERY_TOKENS = 128
"""Of what a reranker reads at once; a quarter of it, if that is less."""

SHORTEST_READ = 8
"""Tokens; with fewer there is no room for a query, a passage and the special tokens around them."""

POSITIONS_BEGIN_BEHIND_PADDING = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm"}
    | {"xlm-roberta", "xlm-roberta-xl", "xmod"}
)
"""Types of models whose first token is at position `pad_token_id + 1`, so that they read so many tokens less than
they have positions (fairseq's habit, kept in `transformers`)."""

TOKENIZERS_WITHOUT_TYPES = ("Camembert", "DistilBert", "MPNet", "Roberta", "XLMRoberta")
"""Beginnings of the names of tokenizers that give no token types, whatever their post-processor says."""


@dataclass(frozen=True, slots=True)
class Config:
    """The values of one file; each is asked for as what it should be.

    Every method raises `ValueError` where the value is something else. A value that is null counts as absent.
    """

    file: str
    values: Mapping[str, Json]

    def value(self, key: str) -> Json:
        """The value as it is; None if it is absent."""
        return self.values.get(key)

    def text(self, key: str) -> str | None:
        """A string."""
        value = self.value(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, value)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, value)
        return default if value is None else value

    def count(self, key: str) -> int | None:
        """A number of something. `transformers` writes 1e30 for "as many as you like", which is one too."""
        value = self.value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise self._wrong(key, value)
        return int(min(value, 1 << 31))

    def part(self, key: str) -> Config:
        """An object inside this one, empty if it is absent."""
        value = self.value(key)
        if value is not None and not isinstance(value, Mapping):
            raise self._wrong(key, value)
        return Config(self.file, value or {})

    def _wrong(self, key: str, value: Json) -> ValueError:
        return ValueError(f"its `{self.file}` has an impossible `{key}`: {value!r:.60}")


def read_json(path: Path) -> Json:
    """What a JSON file holds; None if it is not there.

    Raises:
        ValueError: it is larger than any such file, or no JSON.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_CONFIG + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(f"its `{path.name}` cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_CONFIG:
        raise ValueError(f"its `{path.name}` is larger than {LARGEST_CONFIG:,} bytes")
    try:
        value: Json = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its `{path.name}` is no JSON: {error}") from None
    return value


def read_config(path: Path) -> Config:
    """The object in a JSON file; without values if it is not there. Raises as `read_json` does."""
    value = read_json(path)
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"its `{path.name}` holds no object")
    return Config(path.name, value or {})


def module_folder(folder: Path, place: str) -> Path:
    """Where the files of a module are, one of the steps that a `modules.json` names.

    Raises:
        ValueError: outside the model's folder.
    """
    if not (folder / place).resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"it has a module outside its folder: {place!r:.80}")
    return folder / place


@dataclass(frozen=True, slots=True)
class Description:
    """What the files at the top of a model's folder say of it.

    Args:
        architecture: the class of the network, such as `BertForSequenceClassification`; "" if nothing says it.
        max_tokens: what is read at once, special tokens included: at most `LONGEST_READ`.
        first_position: of the first token, for networks that are told positions.
        typed: whether token types are those of the tokenizer; else all are 0.
        lower_case: whether texts are read in lower case, besides what the tokenizer does.
        prompts: what is put before texts, by the name of what they are for.
        default_prompt: the name of the one for rerankers.
    """

    architecture: str
    max_tokens: int
    first_position: int
    typed: bool
    lower_case: bool
    prompts: Mapping[str, str]
    default_prompt: str | None

    @property
    def generative(self) -> bool:
        """Whether the network continues texts, instead of scoring pairs or making vectors."""
        return self.architecture.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))

    @property
    def max_query_tokens(self) -> int:
        """What a reranker reads of a query."""
        return min(MOST_QUERY_TOKENS, self.max_tokens // 4)

    def prompt_for(self, *purposes: str) -> str:
        """The prompt for the first of these purposes that it has one for; "" if it has none."""
        return next((self.prompts[purpose] for purpose in purposes if purpose in self.prompts), "")


def describe(folder: Path) -> Description:
    """What a model's folder says of it.

    Raises:
        ValueError: it says something impossible.
    """
    config, tokenizer = read_config(folder / "config.json"), read_config(folder / "tokenizer_config.json")
    transformer = read_config(folder / "sentence_bert_config.json")
    library = read_config(folder / "config_sentence_transformers.json")
    architectures = config.value("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else ""
    prompts = library.part("prompts")
    return Description(
        architecture=str(named),
        max_tokens=_max_tokens(config, tokenizer, transformer),
        first_position=_first_position(config),
        typed=_typed(config, tokenizer),
        lower_case=transformer.flag("do_lower_case", False),
        prompts={name: prompts.text(name) or "" for name in prompts.values},
        default_prompt=library.text("default_prompt_name"),
    )


def _max_tokens(config: Config, tokenizer: Config, transformer: Config) -> int:
    positions = config.count("max_position_embeddings")
    limits = {
        "max_position_embeddings": None if positions is None else positions - _first_position(config),
        "model_max_length": tokenizer.count("model_max_length"),
        "max_seq_length": transformer.count("max_seq_length"),
    }
    said = {key: limit for key, limit in limits.items() if limit is not None}
    shortest = min(said, key=lambda key: said[key], default=None)
    if shortest is None:
        return LONGEST_READ
    if said[shortest] < SHORTEST_READ:
        raise ValueError(f"it reads only {said[shortest]} tokens, says its `{shortest}`")
    return min(said[shortest], LONGEST_READ)


def _first_position(config: Config) -> int:
    if config.text("model_type") not in POSITIONS_BEGIN_BEHIND_PADDING:
        return 0
    padding = config.count("pad_token_id")
    return (1 if padding is None else padding) + 1


def _typed(config: Config, tokenizer: Config) -> bool:
    """As `transformers` gives token types: only where network and tokenizer have them."""
    kinds = config.count("type_vocab_size")
    if kinds is not None and kinds < 2:
        return False
    inputs = tokenizer.value("model_input_names")
    if isinstance(inputs, list):
        return "token_type_ids" in inputs
    return not (tokenizer.text("tokenizer_class") or "").startswith(TOKENIZERS_WITHOUT_TYPES)
