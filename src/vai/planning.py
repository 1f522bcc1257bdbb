"""What one query is to do: what was asked for, else the settings, else what was measured to be best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from vai.errors import InvalidSettings
from vai.reranking import checked_budget, checked_relevance
from vai.settings import (
    CANDIDATES_PER_LIMIT,
    DEFAULT_LIMIT,
    DEFAULT_STAGE1,
    DEFAULT_TOP_K,
    FUSIONS,
    MOST_CANDIDATES,
    STAGE1_MODES,
    Settings,
    one_of,
    words_weight_of,
)
from vai.types import BY_VECTOR, Json, Stage1

if TYPE_CHECKING:
    from vai.filters import Filter


@dataclass(frozen=True, slots=True)
class Depths:
    """How many passages each step keeps: `top_k` ≤ `limit` ≤ `num_candidates`."""

    top_k: int
    limit: int
    num_candidates: int


class QueryOptions(TypedDict, total=False):
    """What can be said of a query, named as the flags are; what is left out, or None, is as the settings have it.

    Keys:
        limit: candidates that stage 1 keeps; 20.
        top_k: hits; 5.
        num_candidates: how deep an approximate index is searched, and how many of each search a hybrid one joins;
            20 × limit.
        stage1: what finds candidates: "vector", "words" or "hybrid".
        fusion: how a hybrid search joins the two: by "scores" or by "ranks".
        words_weight: what the best BM25 score counts beside a similarity of 1, in a fusion of scores.
        filter: only chunks that it lets through: in MongoDB's notation, as conditions that all have to hold
            (["year>=2024", "path~docs/*"]), or as a value of `vai.filters`.
        rerank_model: the model of stage 2, by name.
        rerank: whether stage 2 runs; it does unless the settings say otherwise.
        blend: share of stage 1 in the final order: 0 is stage 2 alone, 1 is stage 1 alone.
        min_relevance: leave out hits that stage 2 gives less, 0–1.
        budget_ms: milliseconds from reading the query to the answer; what stage 2 has not read by then follows in
            stage 1's order.
        exact: compare every vector, whatever index there is.
        strict: an error when stage 2 does not read everything, instead of stage 1's order.
        explain: list the candidates that did not become hits too.
        cache: whether what stage 2 has read earlier is used again, and kept.
    """

    limit: int | None
    top_k: int | None
    num_candidates: int | None
    stage1: str | None
    fusion: str | None
    words_weight: float | None
    filter: Filter | Mapping[str, Json] | Sequence[str] | None
    rerank_model: str | None
    rerank: bool | None
    blend: float | None
    min_relevance: float | None
    budget_ms: int | None
    exact: bool
    strict: bool | None
    explain: bool
    cache: bool | None


class IngestOptions(TypedDict, total=False):
    """How files are read and cut, named as the flags are; what is left out, or None, is as usual.

    Keys:
        chunk_tokens: the size of chunks in the embedder's tokens; what the collection has, else 200.
        chunking: whether documents are cut into chunks; if not, each is one chunk, of which the embedder reads the
            beginning. As the collection has it, else they are.
        text_field, title_field, id_field: the fields of records (JSONL, CSV), where not the usual ones.
        max_file_mb: larger files are skipped, and named; records are read whatever the size of their file. 20.
    """

    chunk_tokens: int | None
    chunking: bool | None
    text_field: str | None
    title_field: str | None
    id_field: str | None
    max_file_mb: float


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """One query's settings in force; `rerank_model` is None where none was named, `blend` where it is the model's."""

    depths: Depths
    stage1: Stage1 = BY_VECTOR
    filter: Filter | None = None
    rerank: bool = True
    rerank_model: str | None = None
    blend: float | None = None
    min_relevance: float | None = None
    budget_ms: int | None = None
    exact: bool = False
    strict: bool = False
    explain: bool = False
    cache: bool = True


def plan_query(
    settings: Settings,
    *,
    limit: int | None = None,
    top_k: int | None = None,
    num_candidates: int | None = None,
    stage1: str | None = None,
    fusion: str | None = None,
    words_weight: float | None = None,
    filter: Filter | Mapping[str, Json] | Sequence[str] | None = None,
    rerank_model: str | None = None,
    rerank: bool | None = None,
    blend: float | None = None,
    min_relevance: float | None = None,
    budget_ms: int | None = None,
    exact: bool = False,
    strict: bool | None = None,
    explain: bool = False,
    cache: bool | None = None,
) -> QueryPlan:
    """The plan for what was asked, the keys of `QueryOptions`.

    Raises:
        InvalidSettings: a value is out of range, or two that were asked for contradict each other.
    """
    if rerank is False:
        for flag, value in (
            ("--rerank-model", rerank_model),
            ("--blend", blend),
            ("--min-relevance", min_relevance),
        ):
            if value is not None:
                raise InvalidSettings(
                    f"--no-rerank and {flag} {value} contradict each other: without stage 2 it has no effect",
                    hint="leave one of them out",
                )
    runs = (settings.rerank or rerank_model is not None) if rerank is None else rerank
    return QueryPlan(
        depths=resolve_depths(settings, top_k=top_k, limit=limit, num_candidates=num_candidates),
        stage1=resolve_stage1(settings, mode=stage1, fusion=fusion, words_weight=words_weight),
        filter=filter_of(filter),
        rerank=runs,
        rerank_model=rerank_model,
        blend=_checked_blend(settings.blend if blend is None else blend),
        min_relevance=_least_relevance(settings, min_relevance, runs=runs),
        budget_ms=checked_budget(settings.budget_ms if budget_ms is None else budget_ms),
        exact=exact,
        strict=settings.strict if strict is None else strict,
        explain=explain,
        cache=settings.cache if cache is None else cache,
    )


def filter_of(given: Filter | Mapping[str, Json] | Sequence[str] | None) -> Filter | None:
    """What a filter says that was given in one of the ways there are. Raises as `vai.filter_syntax.as_filter`."""
    if given is None:
        return None
    from vai.filter_syntax import as_filter

    return as_filter(given)


def _checked_blend(blend: float | None) -> float | None:
    if blend is not None and not 0.0 <= blend <= 1.0:
        raise InvalidSettings(f"--blend must be from 0 to 1: {blend:g}")
    return blend


def _least_relevance(settings: Settings, asked: float | None, *, runs: bool) -> float | None:
    """The least relevance; that of the settings has no meaning where stage 2 does not run."""
    if asked is not None and not runs:
        raise InvalidSettings(
            f"--min-relevance {asked:g} needs stage 2, which the settings switch off",
            hint="add `--rerank-model NAME`",
        )
    return checked_relevance((settings.min_relevance if runs else None) if asked is None else asked)


def resolve_depths(
    settings: Settings,
    *,
    top_k: int | None = None,
    limit: int | None = None,
    num_candidates: int | None = None,
) -> Depths:
    """The depths in force: what was asked for as it is, the rest from the settings, made to fit.

    Raises:
        InvalidSettings: a number is out of range, or two that were asked for contradict each other.
    """
    for name, value in (("top-k", top_k), ("limit", limit), ("num-candidates", num_candidates)):
        if value is not None and not 1 <= value <= MOST_CANDIDATES:
            raise InvalidSettings(f"--{name} must be from 1 to {MOST_CANDIDATES:,}: {value}")
    _refuse_less(("limit", limit), ("top-k", top_k))
    _refuse_less(("num-candidates", num_candidates), ("limit", limit))
    _refuse_less(("num-candidates", num_candidates), ("top-k", top_k))
    kept = limit or min(max(settings.limit or DEFAULT_LIMIT, top_k or 1), num_candidates or MOST_CANDIDATES)
    deep = num_candidates or max(kept, settings.num_candidates or kept * CANDIDATES_PER_LIMIT)
    return Depths(
        top_k=top_k or min(settings.top_k or DEFAULT_TOP_K, kept),
        limit=kept,
        num_candidates=min(deep, MOST_CANDIDATES),
    )


def resolve_stage1(
    settings: Settings,
    *,
    mode: str | None = None,
    fusion: str | None = None,
    words_weight: float | None = None,
) -> Stage1:
    """How candidates are found: what was asked for, else the settings, else what was measured to be best.

    Raises:
        InvalidSettings: a value is none of those there are, or was asked for where it has no effect.
    """
    chosen = one_of(STAGE1_MODES, mode, "--stage1") or settings.stage1 or DEFAULT_STAGE1.mode
    joined = one_of(FUSIONS, fusion, "--fusion")
    weight = words_weight if words_weight is None else words_weight_of(words_weight, "--words-weight")
    for flag, value in (("--fusion", joined), ("--words-weight", None if weight is None else f"{weight:g}")):
        if value is not None and chosen != "hybrid":
            raise InvalidSettings(
                f"{flag} {value} is of a hybrid search, and this one is by {chosen}",
                hint="add `--stage1 hybrid`",
            )
    if joined == "ranks" and weight is not None:
        raise InvalidSettings(
            f"--words-weight {weight:g} and --fusion ranks contradict each other: ranks have no weights",
            hint="leave one of them out",
        )
    return Stage1(
        mode=chosen,
        fusion=joined or settings.fusion or DEFAULT_STAGE1.fusion,
        words_weight=_first(weight, settings.words_weight, DEFAULT_STAGE1.words_weight),
    )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _refuse_less(deeper: tuple[str, int | None], shallower: tuple[str, int | None]) -> None:
    (deep_name, deep), (shallow_name, shallow) = deeper, shallower
    if deep is not None and shallow is not None and deep < shallow:
        raise InvalidSettings(
            f"--{deep_name} {deep} is less than --{shallow_name} {shallow}",
            hint=f"what {shallow_name} keeps is chosen from what {deep_name} finds: "
            f"raise --{deep_name} to {shallow} or more",
        )
