"""Settings, from the weakest to the strongest: defaults, user file, project file, environment, flags.

A project file (`vai.toml` beside the store) can come with somebody else's repository, so it cannot make text leave
the machine: remote models are honoured only from the user's own file, the environment or a flag.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from vai.errors import InvalidSettings
from vai.types import Fusion, Stage1, Stage1Mode

Choice = TypeVar("Choice", bound=str)

STORE_FOLDER = ".vai"
PROJECT_FILE = "vai.toml"
USER_FILE = "config.toml"

DEFAULT_LIMIT = 20
DEFAULT_TOP_K = 5
DEFAULT_CHUNK_TOKENS = 200
DEFAULT_MAX_FILE_MB = 20.0
DEFAULT_CACHE_MB = 256
DEFAULT_STAGE1 = Stage1(mode="hybrid", fusion="scores", words_weight=0.25)
"""What finds the best candidates in the mean of the evaluation sets (docs/stage1.md)."""
STAGE1_MODES: tuple[Stage1Mode, ...] = get_args(Stage1Mode)
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
MOST_WORDS_WEIGHT = 100.0
CANDIDATES_PER_LIMIT = 20
MOST_CANDIDATES = 10_000
"""Both as MongoDB's `$vectorSearch` has them: 20 × limit is its advice, 10,000 its bound."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user's files and environment say; None where they say nothing.

    Args:
        collection: the collection meant when none is named.
        embedder: for collections still to be made.
        rerank_model: for stage 2.
        rerank: whether stage 2 runs.
        limit, top_k, num_candidates, blend: of a query.
        stage1: what finds candidates: `vector`, `words` or `hybrid`.
        fusion: how a hybrid search joins the two: by `scores` or by `ranks`.
        words_weight: what the best BM25 score counts beside a similarity of 1, in a fusion of scores.
        chunk_tokens: for collections still to be made.
        threads: texts that local models read at a time; as many as there are cores.
        strict: whether a stage that fails while working is an error.
        budget_ms: milliseconds that a query may take, from when it is read.
        min_relevance: hits below it are left out.
        query_embedder: embeds queries, where it shares the embedder's space.
        dimension: of the vectors of collections still to be made, where the embedder offers several.
        rerank_fallback: the model on this machine that reads where the one of stage 2 fails.
        cache: whether what stage 2 has read is kept, and not read again.
        cache_mb: megabytes that is kept of it at most.
        max_usd_per_month: US dollars that all runs together may spend in a calendar month.
        question_model: the language model that writes questions for `vai testset`.
        voyage_api_key, rerank_api_key, embeddings_api_key, llm_api_key: keys, for Voyage and for servers named by
            address: rerankers, embedders and language models.
    """

    collection: str = "default"
    embedder: str | None = None
    rerank_model: str | None = None
    rerank: bool = True
    limit: int | None = None
    top_k: int | None = None
    num_candidates: int | None = None
    blend: float | None = None
    stage1: Stage1Mode | None = None
    fusion: Fusion | None = None
    words_weight: float | None = None
    chunk_tokens: int | None = None
    threads: int | None = None
    strict: bool = False
    budget_ms: int | None = None
    min_relevance: float | None = None
    query_embedder: str | None = None
    dimension: int | None = None
    rerank_fallback: str | None = None
    cache: bool = True
    cache_mb: int | None = None
    max_usd_per_month: float | None = None
    question_model: str | None = None
    voyage_api_key: str | None = field(default=None, repr=False)
    rerank_api_key: str | None = field(default=None, repr=False)
    embeddings_api_key: str | None = field(default=None, repr=False)
    llm_api_key: str | None = field(default=None, repr=False)


KEYS = ("voyage_api_key", "rerank_api_key", "embeddings_api_key", "llm_api_key")
USER_ONLY = frozenset({"max_usd_per_month", "question_model", *KEYS})
"""Settings that a project's file may not have: it could come with somebody else's repository. Every language model is
behind an address, so there is none that such a file could name."""
NAMES_OF_MODELS = frozenset({"rerank_model", "embedder", "query_embedder", "rerank_fallback"})


def find_store(named: Path | None, environment: Mapping[str, str], start: Path) -> Path:
    """The store that is meant: the one named, `VAI_STORE`, the nearest `.vai` upward, else `.vai` at `start`.

    Raises:
        InvalidSettings: the name begins with the home folder of a user who is not known.
    """
    if named is None and environment.get("VAI_STORE"):
        named = Path(environment["VAI_STORE"])
    if named is not None:
        try:
            return (start / named.expanduser()).resolve()
        except RuntimeError as error:
            raise InvalidSettings(f"`{named}` cannot name a store: {error}") from error
    for folder in (start, *start.parents):
        if _is_store(folder / STORE_FOLDER):
            return folder / STORE_FOLDER
    return start / STORE_FOLDER


def _is_store(folder: Path) -> bool:
    try:
        return (folder / "store.json").is_file()
    except OSError:  # one that may not be looked into belongs to somebody else
        return False


def load_settings(
    store: Path, environment: Mapping[str, str], *, user_folder: Path | None = None
) -> Settings:
    """The settings for a store, flags apart.

    Raises:
        InvalidSettings: a file cannot be read, names an unknown setting, or gives one an impossible value.
    """
    values = _from_file(_user_file(user_folder), trusted=True)
    values |= _from_file(store.parent / PROJECT_FILE, trusted=False)
    return Settings(**(values | _from_environment(environment)))


def load_user_settings(environment: Mapping[str, str], *, user_folder: Path | None = None) -> Settings:
    """The settings that hold wherever the user works: those of no project. Raises as `load_settings`."""
    return Settings(**(_from_file(_user_file(user_folder), trusted=True) | _from_environment(environment)))


def _user_file(folder: Path | None) -> Path:
    if folder is None:
        import platformdirs

        folder = platformdirs.user_config_path("vai", appauthor=False)
    return folder / USER_FILE


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, convert in _CONVERTERS.items():
        variable = f"VAI_{name.upper()}"
        if environment.get(variable):
            values[name] = convert(environment[variable], f"the variable {variable}")
    return values


def _from_file(path: Path, *, trusted: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return values
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"the settings in `{path}` cannot be read: {error}") from error
    for name, value in table.items():
        if name not in _CONVERTERS:
            nearest = difflib.get_close_matches(name, _CONVERTERS, n=1)
            raise InvalidSettings(
                f"`{path}` has an unknown setting: {name}",
                hint=f"did you mean `{nearest[0]}`?" if nearest else f"known are {', '.join(_CONVERTERS)}",
            )
        place = f"`{name}` in `{path}`"
        if not trusted and name in USER_ONLY:
            raise InvalidSettings(
                f"{place} is not for a project's file, which can come with somebody else's repository",
                hint=f"put it into your own settings or the environment (`VAI_{name.upper()}`)",
            )
        values[name] = _CONVERTERS[name](value, place)
        if not trusted and name in NAMES_OF_MODELS:
            _refuse_remote(str(values[name]), place, name)
    return values


def _refuse_remote(model: str, place: str, setting: str) -> None:
    from vai.models.catalog import is_remote

    if is_remote(model):
        raise InvalidSettings(
            f"{place} names a remote model, which a project's file may not: {model}",
            hint=f"if you trust it, put it into your own settings or the environment (`VAI_{setting.upper()}`)",
        )


def _integer(value: object, place: str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise InvalidSettings(f"{place} must be a whole number from 1: {value}")
    return number


def _share(value: object, place: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise InvalidSettings(f"{place} must be a number from 0 to 1: {value}")
    return number


def _switch(value: object, place: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if str(value).lower() not in known:
        raise InvalidSettings(f"{place} must be true or false: {value}")
    return known[str(value).lower()]


def words_weight_of(value: object, place: str) -> float:
    """What words count, as a number. Raises `InvalidSettings` unless it is one in range."""
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= MOST_WORDS_WEIGHT:
        raise InvalidSettings(f"{place} must be a number from 0 to {MOST_WORDS_WEIGHT:g}: {value}")
    return number


def _dollars(value: object, place: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0.0 <= number < math.inf:
        raise InvalidSettings(f"{place} must be a number of US dollars from 0: {value}")
    return number


def one_of(known: tuple[Choice, ...], value: object, place: str) -> Choice | None:
    """The one of the known values that is meant; None for None.

    Raises:
        InvalidSettings: it is none of them; the message calls it by its `place`.
    """
    if value is None:
        return None
    for choice in known:
        if choice == value:
            return choice
    nearest = difflib.get_close_matches(str(value), known, n=1)
    raise InvalidSettings(
        f"{place} must be one of {', '.join(known)}: {value}",
        hint=f"did you mean `{nearest[0]}`?" if nearest else None,
    )


def _key(value: object, place: str) -> str:
    """A key, which is not repeated in what is said of it."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidSettings(f"{place} must be a key in quotation marks")
    return value.strip()


def _name(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidSettings(f"{place} must be a name: {value!r}")
    return value.strip()


_KINDS: dict[str, Callable[[object, str], object]] = {
    "str": _name,
    "str | None": _name,
    "bool": _switch,
    "int | None": _integer,
    "float | None": _share,
    "Stage1Mode | None": lambda value, place: one_of(STAGE1_MODES, value, place),
    "Fusion | None": lambda value, place: one_of(FUSIONS, value, place),
}
_CONVERTERS = {setting.name: _KINDS[str(setting.type)] for setting in fields(Settings)} | {
    "words_weight": words_weight_of,
    "max_usd_per_month": _dollars,
    **dict.fromkeys(KEYS, _key),
}
