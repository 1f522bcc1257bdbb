"""`vai cache`: what is kept of what stage 2 has read, and forgetting it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vai.cli.confirming import confirmed, require_somebody_to_ask
from vai.cli.options import json_option, note, quiet_option, store_option, yes_option
from vai.cli.output import counted, print_json, printable, size_text, table
from vai.collection import located_store
from vai.settings import DEFAULT_CACHE_MB, STORE_FOLDER, load_settings
from vai.types import Json
from vai.types import as_json as to_json

if TYPE_CHECKING:
    from vai.scores import CacheInfo, ScoreStore


@click.group(invoke_without_command=True, subcommand_metavar="[clear]")
@store_option
@json_option
@click.pass_context
def cache(context: click.Context, store: Path, as_json: bool) -> int:
    """Show what is kept of what stage 2 has read.

    It is kept so that asking again costs nothing: by query, passage, model and revision, as digests and numbers,
    without any text. `vai cache clear` forgets it; `cache` and `cache_mb` in the settings switch it off, and bound it.
    """
    if context.invoked_subcommand is not None:
        return 0
    folder = located_store(store)
    with _opened(folder) as scores:
        info = scores.describe()
    enabled = load_settings(folder, os.environ).cache
    if as_json:
        print_json(_json(folder, info, enabled=enabled))
    else:
        click.echo(_text(info, enabled=enabled))
        _complain(info)
    return 0


@cache.command()
@store_option
@click.option("--model", metavar="NAME", help="Only what this model has read, in all its revisions.")
@yes_option
@json_option
@quiet_option
@click.pass_context
def clear(
    context: click.Context, store: Path, model: str | None, yes: bool, as_json: bool, quiet: bool
) -> int:
    """Forget what stage 2 has read: all of it, or what one model has."""
    before = context.parent.params if context.parent else {}
    folder = located_store(before.get("store", store) if store == Path(STORE_FOLDER) else store)
    as_json = as_json or before.get("as_json", False)
    with _opened(folder) as scores:
        info = scores.describe()
        if model is None and not (info.models or info.set_aside or info.fault):
            removed = 0
        else:
            question = _question(info, model)
            require_somebody_to_ask(yes=yes)
            if not confirmed(question, yes=yes):
                note("nothing was forgotten", quiet=quiet)
                return 1
            removed = scores.clear(model)
        info = scores.describe()
    if as_json:
        print_json(_json(folder, info, enabled=load_settings(folder, os.environ).cache, cleared=removed))
    else:
        note(f"{counted(removed, 'score')} forgotten", quiet=quiet)
    return 0


@contextmanager
def _opened(folder: Path) -> Iterator[ScoreStore]:
    """The cache of the store.

    Raises:
        StoreNotFound: there is no store.
    """
    from vai.engines.embedded import EmbeddedEngine
    from vai.scores import SCORES_FILE, ScoreStore

    EmbeddedEngine(folder, create=False).close()  # says so if there is no store
    megabytes = load_settings(folder, os.environ).cache_mb or DEFAULT_CACHE_MB
    with closing(ScoreStore(folder / SCORES_FILE, most_bytes=megabytes * 1_000_000)) as scores:
        yield scores


def _question(info: CacheInfo, model: str | None) -> str:
    """What there is to lose.

    Raises:
        UnknownModel: nothing of that model.
    """
    from vai.scores.contents import nothing_of

    chosen = [known for known in info.models if model in (None, known.name)]
    if model is not None and not chosen:
        raise nothing_of(model)
    if not chosen:
        return f"remove what cannot be used in `{info.path}`?"
    scores = counted(sum(known.scores for known in chosen), "score")
    return f"forget {scores}{f' of `{model}`' if model else ''}?"


# ── how it looks ──


def _json(folder: Path, info: CacheInfo, *, enabled: bool, cleared: int | None = None) -> dict[str, Json]:
    return {
        "schema": "vai.cache/1",
        "store": str(folder),
        **to_json(info),
        "enabled": enabled,
        "cleared": cleared,
    }


def _text(info: CacheInfo, *, enabled: bool) -> str:
    place = f"cache {printable(info.path)}, {size_text(info.bytes)} of at most {size_text(info.most_bytes)}"
    if not enabled:
        place += "\nit is switched off by the setting `cache`"
    if not info.models:
        return f"{place}\n\nnothing is kept yet: `vai query` keeps what its reranker reads"
    rows = [
        [
            printable(model.name),
            printable(model.revision[:16]),
            f"{model.scores:,}",
            f"{model.queries:,}",
            f"{model.tokens:,}",
            model.last_used,
        ]
        for model in info.models
    ]
    return f"{place}\n\n{table(['model', 'revision', 'scores', 'queries', 'tokens', 'last used'], rows)}"


def _complain(info: CacheInfo) -> None:
    """Say what is wrong with the cache, which keeps nobody from asking."""
    if info.set_aside is not None:
        note(f"warning: a damaged cache was set aside as `{info.set_aside}`: `vai cache clear` removes it")
    if info.fault is not None:
        note(f"warning: {info.fault}")
        if info.hint:
            note(f"hint: {info.hint}")
