"""The settings that tuning chose, put into the project's file, with the evidence beside them.

vai.toml        the settings, below a comment that says where they come from; everything else stays as it was
vai.tune.json   the whole report
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vai.disk import NO_RIGHT, NO_ROOM, reason_of, write_whole
from vai.errors import InvalidSettings, StoreFailure, StoreFull, StoreReadOnly
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.tuning import TuneReport
from vai.evaluation.tuning.verdict import evidence, sentence, unbroken
from vai.models.catalog import is_remote
from vai.models.names import canonical_name
from vai.settings import PROJECT_FILE, Settings, load_settings

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

REPORT_FILE = "vai.tune.json"
OURS = "# vai tune: "
"""What each line of the comment begins with, by which it is found again."""
WIDTH = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written.

    Args:
        path: the project's settings file.
        report: the file with the whole report.
        written: the settings, by name.
        left: a sentence for everything that keeps the chosen configuration from being in force.
    """

    path: Path
    report: Path
    written: Mapping[str, Value]
    left: tuple[str, ...] = ()


def settings_of(configuration: Configuration) -> dict[str, Value | None]:
    """The settings that make a query what a configuration says; None for what must not be set.

    All that has a meaning is said, also where it is the default: what was measured stays when a default changes. What
    has no meaning, such as the weight of words in a search by vectors, is not touched.
    """
    stage1 = configuration.stage1
    settings: dict[str, Value | None] = {"stage1": stage1.mode}
    if stage1.mode == "hybrid":
        settings["fusion"] = stage1.fusion
        if stage1.fusion == "scores":
            settings["words_weight"] = float(stage1.words_weight)
    settings |= {"limit": configuration.limit, "num_candidates": configuration.num_candidates}
    if configuration.reranker is None:
        return settings | {"rerank": False}
    least = configuration.min_relevance
    return settings | {
        "rerank": True,
        "rerank_model": configuration.reranker,
        "blend": float(configuration.blend),
        "min_relevance": None if least is None else float(least),
    }


def apply_settings(store: Path, report: TuneReport, environment: Mapping[str, str]) -> Applied:
    """Write what was chosen into the settings file beside a store, and the report next to it.

    Comments, order and other settings stay. Doing it again replaces what was written before.

    Args:
        environment: whose variables are stronger than the file, which is said where it matters.

    Raises:
        InvalidSettings: the settings that are there are broken; they are not touched.
        StoreReadOnly, StoreFull, StoreFailure: a file cannot be written; the old one stays.
    """
    load_settings(store, environment)
    path, evidence_path = store.parent / PROJECT_FILE, store.parent / REPORT_FILE
    now = datetime.now(UTC)
    wanted = settings_of(report.best)
    before = _read(path)
    document = _parsed(before, path)
    for_file = {name: _for_file(name, value, document) for name, value in wanted.items()}
    written = {name: value for name, value in for_file.items() if value is not None}
    after = _with_settings(document, for_file, _comment(report, list(written), f"{now:%Y-%m-%d}"), path)
    kept = {**report.to_dict(), "applied": {"date": now.isoformat(timespec="seconds"), "settings": written}}
    _write(evidence_path, f"{json.dumps(kept, ensure_ascii=False, indent=2)}\n")
    _write(path, after.replace("\n", "\r\n") if "\r\n" in before and os.linesep == "\n" else after)
    return Applied(
        path, evidence_path, written, tuple(_left(wanted, load_settings(store, environment), environment))
    )


def _for_file(name: str, value: Value | None, document: TOMLDocument) -> Value | None:
    """What the project's file may, and has to, say of a setting; None if nothing."""
    if name != "rerank_model" or not isinstance(value, str):
        return value
    if is_remote(value):
        return None
    there = str(document.get(name, ""))
    return there if there and canonical_name(there) == value else value


# ── what is not as it was chosen ──


def _left(
    wanted: Mapping[str, Value | None], in_force: Settings, environment: Mapping[str, str]
) -> Iterator[str]:
    for name, value in wanted.items():
        found = getattr(in_force, name)
        if found == value or (name == "rerank_model" and found and canonical_name(found) == value):
            continue
        variable = f"VAI_{name.upper()}"
        if environment.get(variable):
            yield f"the variable {variable} is stronger than the file, and sets {name} to {found}: take it away"
        elif name == "rerank_model":
            yield (
                f"`{value}` is not of this machine, and a project's file may not name such a model: put "
                f'`rerank_model = "{value}"` into your own settings, or {variable} into the environment; until then '
                "these settings are used with a model that they were not chosen for"
            )
        else:
            yield f"your own settings have {name} = {found}, which no project's file can take back: remove it there"


# ── the file ──


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _parsed(text: str, path: Path) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    ended = text.replace("\r\n", "\n")
    try:
        return tomlkit.parse(ended if ended.endswith("\n") or not ended else f"{ended}\n")
    except TOMLKitError as error:
        raise InvalidSettings(f"the settings in `{path}` cannot be read: {error}") from error


def _with_settings(
    document: TOMLDocument, settings: Mapping[str, Value | None], comment: list[str], path: Path
) -> str:
    """The text of a file in which settings are changed where they stand.

    The comment takes the place of an earlier one, with settings that are new below it. If there was none, both go to
    the end.

    Raises:
        InvalidSettings: the text is so unusual that something else would change too.
    """
    new = {name: value for name, value in settings.items() if value is not None and name not in document}
    for name, value in settings.items():
        if name in document and value is None:
            document.remove(name)
        elif name in document:
            document[name] = value
    expected = {**document.unwrap(), **new}
    before = document.as_string().removesuffix("\n")
    lines = before.split("\n") if before else []
    place = _place_of_comment(lines, settings, new)
    kept = [[line for line in part if not _is_ours(line)] for part in (lines[:place], lines[place:])]
    if place == len(lines) and lines and lines[-1].strip():
        kept[0].append("")
    added = [f"{name} = {_written(value)}" for name, value in new.items()]
    text = "".join(f"{line}\n" for line in (*kept[0], *comment, *added, *kept[1]))
    if tomllib.loads(text) != expected:
        raise InvalidSettings(
            f"`{path}` cannot be changed without changing what it says besides",
            hint=f"write it yourself: {', '.join(f'{name} = {_written(value)}' for name, value in expected.items())}",
        )
    return text


def _place_of_comment(
    lines: list[str], settings: Mapping[str, Value | None], new: Mapping[str, Value]
) -> int:
    """The line before which the comment goes: that of an earlier one, or of the first setting if none is new."""
    for number, line in enumerate(lines):
        if _is_ours(line):
            return number
    names = "|".join(settings)
    first = (n for n, line in enumerate(lines) if re.match(rf"\s*[\"']?({names})[\"']?\s*=", line))
    return len(lines) if new else next(first, len(lines))


def _is_ours(line: str) -> bool:
    return line.lstrip().startswith(OURS)


def _written(value: Value) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()


def _comment(report: TuneReport, names: list[str], day: str) -> list[str]:
    """The lines of the comment."""
    said = (
        f"{', '.join(names[:-1])} and {names[-1]} were chosen on {day} for {report.target}, among "
        f"{report.configurations:,} configurations and with the questions of `{report.corpus}`. "
        f"{sentence(evidence(report))} The whole report is in {REPORT_FILE}."
    )
    lines = textwrap.wrap(unbroken(_CONTROL.sub("\ufffd", said)), WIDTH - len(OURS), break_on_hyphens=False)
    return [OURS + line.replace("\u00a0", " ") for line in lines]


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path.resolve(), text)  # a link stays one
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> StoreFailure:
    if error.errno in NO_ROOM:
        return StoreFull(f"there is no room for `{path}`", hint="make room, and run `vai tune --apply` again")
    if error.errno in NO_RIGHT:
        return StoreReadOnly(
            f"`{path}` may not be written: {reason_of(error)}", hint="run it as a user who may"
        )
    return StoreFailure(f"`{path}` cannot be written: {reason_of(error)}")
