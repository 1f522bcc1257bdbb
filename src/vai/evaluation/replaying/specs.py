"""Configurations as users write them: a name, settings named as the flags are, or a name followed by settings.

limit=50 blend=0.3          as the settings have it, but for these two
stage1                      stage 1 alone
reranked                    stage 2 alone decides the order: blend=0
blended                     both stages, joined as the settings or the model say
current                     what a query does now
stage1 limit=100            stage 1 alone, with a change
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vai.errors import InvalidSettings
from vai.planning import QueryOptions

Value = str | int | float | bool

NAMED: Mapping[str, Mapping[str, Value]] = {
    "current": {},
    "stage1": {"rerank": False},
    "reranked": {"rerank": True, "blend": 0.0},
    "blended": {"rerank": True},
}
"""Configurations that have a name, and what it fixes."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A configuration that a user has named; `name` is its text in the one form that such a text has here."""

    name: str
    options: QueryOptions


def parse_spec(text: str) -> Spec:
    """The configuration that a text says.

    Settings are `key=value`, with spaces or commas between; a key is named as the flag is, with `-` or `_`. A value
    with spaces stands in quotation marks. A comma in the name of a model belongs to the name unless a setting follows.

    Raises:
        InvalidSettings: a name, a key or a value is none of those there are, or two of them contradict each other.
    """
    words = list(_words(text))
    if not words:
        raise InvalidSettings(
            "a configuration is empty",
            hint=f"name settings, as in `limit=50 blend=0.3`, or one of {_names()}",
        )
    base = words.pop(0) if words[0] in NAMED else "current"
    options: dict[str, Value] = {}
    for word in words:
        key, value = _setting(word)
        if key in options:
            raise InvalidSettings(f"a configuration has `{_flag(key)}` twice: {text}")
        if key in NAMED[base]:
            raise InvalidSettings(
                f"`{base}` already says what {_flag(key)} is, and {word} changes it",
                hint=f"leave `{base}` out, and write all that is meant",
            )
        options[key] = value
    if base == "current" and "rerank" in options:
        base = "blended" if options.pop("rerank") else "stage1"
    ordered = {key: options[key] for key in _KINDS if key in options}
    return Spec(_canonical(base, ordered), _as_options({**NAMED[base], **ordered}))


def _canonical(base: str, options: Mapping[str, Value]) -> str:
    settings = [f"{_flag(key)}={_written(value)}" for key, value in options.items()]
    return " ".join(settings if base == "current" and settings else [base, *settings])


# ── words ──


def _words(text: str) -> Iterator[str]:
    """The name and the settings of a text, each in one piece."""
    for part in re.findall(r"""(?:"[^"]*"|'[^']*'|[^\s"']|["'])+""", text):
        word = ""
        for piece in _between_commas(part):
            if word and _is_of_model(word) and not _begins_setting(piece):
                word += f",{piece}"
                continue
            if word:
                yield word
            word = piece
        if word:
            yield word


def _between_commas(part: str) -> list[str]:
    return re.findall(r"""(?:"[^"]*"|'[^']*'|[^,])+""", part)


def _is_of_model(word: str) -> bool:
    return _key(word.partition("=")[0]) == "rerank_model"


def _begins_setting(piece: str) -> bool:
    key, equals, _ = piece.partition("=")
    return _key(key) in _KINDS if equals else piece in NAMED or _key(piece) in _SWITCHES


def _key(written: str) -> str:
    return written.lstrip("-").replace("-", "_").lower()


def _flag(key: str) -> str:
    return key.replace("_", "-")


def _unquoted(value: str) -> str:
    quoted = re.fullmatch(r"""\"([^"]*)"|'([^']*)'|([^"']*)""", value)
    if quoted is None:
        raise InvalidSettings(f"the quotation marks of a configuration do not go together: {value:.80}")
    return quoted[1] or quoted[2] or quoted[3] or ""


# ── settings ──


def _setting(word: str) -> tuple[str, Value]:
    """The key and the value of one setting."""
    written, equals, value = word.partition("=")
    key = _key(written)
    if not equals and key in _SWITCHES:
        return "rerank", _SWITCHES[key]
    if not equals:
        raise _unknown_word(word)
    if key not in _KINDS:
        raise _unknown_key(key)
    return key, _KINDS[key](_flag(key), _unquoted(value))


def _unknown_word(word: str) -> InvalidSettings:
    if word in NAMED:
        return InvalidSettings(f"`{word}` stands behind other settings", hint="the name comes first")
    if _key(word) in _KINDS:
        return InvalidSettings(f"`{word}` has no value", hint=f"write `{_flag(_key(word))}=…`")
    near = difflib.get_close_matches(word, (*NAMED, "no-rerank"), n=1)
    return InvalidSettings(
        f"there is no configuration `{word:.80}`",
        hint=f"did you mean `{near[0]}`?"
        if near
        else f"there are {_names()}, and settings, as in `limit=50 blend=0.3`",
    )


def _unknown_key(key: str) -> InvalidSettings:
    if key in _OF_ALL:
        return InvalidSettings(
            f"a configuration cannot have `{_flag(key)}`: it is the same for all that are compared",
            hint=_OF_ALL[key],
        )
    near = difflib.get_close_matches(key, _KINDS, n=1)
    return InvalidSettings(
        f"a configuration has no setting `{_flag(key):.80}`",
        hint=f"did you mean `{_flag(near[0])}`?" if near else f"there are {', '.join(map(_flag, _KINDS))}",
    )


def _names() -> str:
    return ", ".join(f"`{name}`" for name in NAMED)


# ── values ──


def _whole(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidSettings(f"`{key}` of a configuration must be a whole number: {value:.40}") from None


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidSettings(f"`{key}` of a configuration must be a number: {value:.40}") from None


def _switch(key: str, value: str) -> bool:
    if value.lower() not in _YES_OR_NO:
        raise InvalidSettings(f"`{key}` of a configuration must be yes or no: {value:.40}")
    return _YES_OR_NO[value.lower()]


def _text(key: str, value: str) -> str:
    if not value.strip():
        raise InvalidSettings(f"`{key}` of a configuration has no value")
    return value


def _written(value: Value) -> str:
    """A value as it can be read again."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return repr(value).removesuffix(".0")
        case str() if re.search(r"[\s\"'=,]", value):
            return f"'{value}'" if '"' in value else f'"{value}"'
        case _:
            return str(value)


def _as_options(values: Mapping[str, Value]) -> QueryOptions:
    options: QueryOptions = {}
    options.update(values)  # type: ignore[typeddict-item]  # each was converted by its key
    return options


_YES_OR_NO = {"yes": True, "true": True, "on": True, "1": True} | dict.fromkeys(
    ("no", "false", "off", "0"), False
)
_SWITCHES = {"no_rerank": False, "rerank": True}
"""What stands without a value, and what it says of stage 2."""

_KINDS: dict[str, Callable[[str, str], Value]] = {
    "stage1": _text,
    "fusion": _text,
    "words_weight": _number,
    "limit": _whole,
    "num_candidates": _whole,
    "rerank": _switch,
    "rerank_model": _text,
    "blend": _number,
    "min_relevance": _number,
}
"""The settings of a configuration, in the order in which they are written, and how their values are read."""

_OF_ALL = {
    "top_k": "metrics have cut-offs of their own, as in ndcg@10",
    "filter": "give it as `--filter`",
    "exact": "give it as `--exact`",
    "budget_ms": "a measurement reads every candidate, however long that takes",
    "strict": "a measurement reads every candidate, or ends with an error",
    "cache": "give it as `--no-cache`",
    "explain": "it changes what is shown, and no order",
}
"""Options of a query that are not part of a configuration, and what to do about them."""
