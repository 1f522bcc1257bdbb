"""The patterns of gitignore(5) as regular expressions for one path below the folder they are written in.

Libraries that match whole paths take a pattern for a folder as one for all below it, so that `!docs` after
`build/` would take `docs/build` back in. These are for a walk, which asks about each folder on the way down.
"""

from __future__ import annotations

import re

_SLASH = "/(?=.)"
"""A slash between names: not the one that says that a path is a folder's."""

_ANY_FOLDERS = f"(?:.*{_SLASH})?"
_TRAILING_SPACE = re.compile(r"(?<!\\)((?:\\\\)*) +$")
_TOKEN = re.compile(
    r"""
    (?P<folders> (?: \A | (?<=/) ) \*{2,} / )     # any folders, or none
  | (?P<rest>    (?: \A | (?<=/) ) \*{2,} \Z )    # all that lies in the folder
  | (?P<stars>   \*+ )
  | (?P<one>     \? )
  | \[ (?P<not>[!^])? (?P<set> \]? (?: \[:\w+:\] | \\. | [^\]\\] )* ) \]
  | \\? (?P<literal> (?<=\\) . | [^\\\[] )
    """,
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(r"\[:(?P<named>\w+):\]|(?P<dash>-)|\\?(?P<literal>.)", re.DOTALL)
_NAMED_SETS = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    """What a line of an ignore file says: (expression, whether it excludes); None if it says nothing.

    The expression matches the whole of a path below the folder, which ends with `/` if it is a folder itself.
    """
    pattern = _TRAILING_SPACE.sub(r"\1", line)
    if pattern.startswith("#"):
        return None
    excludes = not pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    bare = pattern.removesuffix("/")
    if not bare:
        return None
    anywhere = "" if "/" in bare else _ANY_FOLDERS
    end = "/?" if bare == pattern else "/"
    try:
        return re.compile(anywhere + _expression(bare.removeprefix("/")) + end, re.DOTALL), excludes
    except (ValueError, re.error):  # git has such patterns match nothing
        return None


def _expression(pattern: str) -> str:
    """Raises ValueError for what is no pattern."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            raise ValueError(pattern)
        parts.append(_part(token))
        position = token.end()
    return "".join(parts)


def _part(token: re.Match[str]) -> str:
    if token["folders"]:
        return _ANY_FOLDERS
    if token["rest"]:
        return ".+"
    if token["stars"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["set"] is not None:
        members = "".join(_member(member) for member in _MEMBER.finditer(token["set"]))
        return f"(?!/)[{'^' if token['not'] else ''}{members}]"
    return _SLASH if token["literal"] == "/" else re.escape(token["literal"])


def _member(member: re.Match[str]) -> str:
    if member["named"]:
        try:
            return _NAMED_SETS[member["named"]]
        except KeyError as error:
            raise ValueError(member["named"]) from error
    return "-" if member["dash"] else re.escape(member["literal"])
