"""Which configurations are measured side by side, and what each is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vai.evaluation.replaying.bench import Bench, Configuration
from vai.evaluation.replaying.specs import Spec
from vai.planning import QueryOptions

STAGE1, RERANKED, BLENDED = "stage1", "reranked", "blended"


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Configurations by name; `in_force` names the one that queries have."""

    named: Mapping[str, Configuration]
    in_force: str
    warnings: tuple[str, ...] = ()


def side_by_side(bench: Bench, options: QueryOptions, compare: Iterable[Spec] = ()) -> SideBySide:
    """Stage 1 alone, stage 2 alone and both as queries have them, then those that are to be compared with them.

    What would be there twice is there once.

    Raises:
        InvalidSettings, UnknownModel, KeyMissing: as a query does.
    """
    named, in_force = _stage_by_stage(bench.configuration(**options))
    warnings = []
    for spec in compare:
        configuration = bench.configuration(**changed(options, spec.options))
        same = next((name for name, other in named.items() if other == configuration), None)
        if same is None:
            named[spec.name] = configuration
        elif same != spec.name:
            warnings.append(f"`{spec.name}` is the same as `{same}`, and is listed once")
    return SideBySide(named, in_force, tuple(warnings))


def _stage_by_stage(current: Configuration) -> tuple[dict[str, Configuration], str]:
    alone = current.without_reranker
    if current.reranker is None:
        return {STAGE1: alone}, STAGE1
    named = {STAGE1: alone, RERANKED: replace(current, blend=0.0)}
    if current.blend == 0.0:
        return named, RERANKED
    if current.blend == 1.0 and current.min_relevance is None:
        return named, STAGE1
    return {**named, BLENDED: current}, BLENDED


def changed(options: QueryOptions, changes: QueryOptions) -> QueryOptions:
    """Options with changes, without those that mean nothing any more."""
    base: dict[str, object] = dict(options)
    if changes.get("rerank") is False:
        _drop(base, "rerank_model", "blend", "min_relevance")
    if changes.get("stage1") not in {None, "hybrid"}:
        _drop(base, "fusion", "words_weight")
    if changes.get("fusion") == "ranks":
        _drop(base, "words_weight")
    if changes.get("words_weight") is not None and base.get("fusion") == "ranks":
        _drop(base, "fusion")
    if changes.get("limit") is not None or changes.get("num_candidates") is not None:
        _drop(base, "top_k")
    merged: QueryOptions = {}
    merged.update({**base, **changes})  # type: ignore[typeddict-item]  # both are options of a query
    return merged


def _drop(options: dict[str, object], *names: str) -> None:
    for name in names:
        options.pop(name, None)
