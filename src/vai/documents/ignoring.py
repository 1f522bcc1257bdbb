"""`.gitignore` and `.vaiignore`, as git reads them.

Rules are asked about one entry at a time on the way down, and an ignored folder is not entered. That is git's
own way, and it is why nothing below an ignored folder can be taken back in. A `.vaiignore` counts as if its
lines stood at the end of the `.gitignore` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from vai.documents.patterns import rule

IGNORE_FILES = (".gitignore", ".vaiignore")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one folder.

    Args:
        start: where, in an absolute path, the part below the folder begins.
        any_rule: matches what at least one rule matches; most paths match none.
        rules: last line first, each with whether it excludes or takes back in.
    """

    start: int
    any_rule: re.Pattern[str]
    rules: tuple[tuple[re.Pattern[str], bool], ...]


Chain = tuple[Rules, ...]
"""The rules in force in a folder: its own first, then those of the folders above it."""


def is_ignored(path: str, chain: Chain) -> bool:
    """Whether the nearest rule that matches excludes `path`, which ends with `/` if it is a folder."""
    for rules in chain:
        below = path[rules.start :]
        if rules.any_rule.fullmatch(below):
            return next(excludes for pattern, excludes in rules.rules if pattern.fullmatch(below))
    return False


def chain_in(folder: str, above: Chain, names: Collection[str]) -> Chain:
    """The rules in force in a folder that holds `names`, under those of the folders above.

    Raises:
        OSError: an ignore file is there and cannot be read.
    """
    present = [name for name in IGNORE_FILES if name in names]
    lines = [line for name in present for line in _lines(Path(folder, name))]
    rules = _compiled(lines, start=len(folder.rstrip("/")) + 1)
    return above if rules is None else (rules, *above)


def chain_above(folder: str, root: str) -> Chain:
    """The rules that the folders above `folder` set for it.

    They count from the top of its git work tree; outside one, from `root` if that lies above. If they exclude
    `folder` itself, which somebody named all the same, they have no say in it.
    """
    chain: Chain = ()
    for above in _between(_top(folder, root), folder):
        if is_ignored(f"{above}/", chain):
            return ()
        names = [name for name in IGNORE_FILES if Path(above, name).is_file()]
        chain = chain_in(above, chain, names)
    return () if is_ignored(f"{folder}/", chain) else chain


def _top(folder: str, root: str) -> str:
    path = Path(folder)
    work_tree = next((above for above in (path, *path.parents) if (above / ".git").exists()), None)
    if work_tree is not None:
        return work_tree.as_posix()
    return root if path.is_relative_to(root) else folder


def _between(top: str, folder: str) -> list[str]:
    """The folders from `top` down to the one that holds `folder`."""
    path = Path(folder)
    return [above.as_posix() for above in reversed(path.parents) if above.is_relative_to(top)]


def _lines(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")  # file names are decoded the same way
    return [line.removesuffix("\r") for line in text.split("\n")]


def _compiled(lines: Iterable[str], start: int) -> Rules | None:
    rules = [said for line in lines if (said := rule(line)) is not None]
    if not rules:
        return None
    any_rule = "|".join(f"(?:{pattern.pattern})" for pattern, _ in rules)
    return Rules(start, re.compile(any_rule, re.DOTALL), tuple(reversed(rules)))
