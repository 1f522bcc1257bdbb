"""Structure of source code: Python by its syntax tree, other languages by lines that look like definitions."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from vai.chunking.outline import Definition, Marks, Outline, sections_within, with_notes

LONGEST_PARSED = 1_000_000
"""Characters of Python that are parsed: a syntax tree takes a hundred times the memory of its text."""

_LINE_END = re.compile(r"\n")
_STATEMENTS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Where syntax nodes keep statements, in the order of the text."""

_Defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_outline(text: str, lines: str, language: str) -> Outline:
    """Sections by class and function.

    `lines` is the text with every line end made a line feed, of the same length.
    """
    definitions = _python_definitions(text, lines) if language == "python" else None
    if definitions is None:
        definitions = list(_likely_definitions(lines))
    return Outline(text, sections_within(text, definitions))


# ── Python ───────────────────────────────────────────────────────────────────────────────────────


def _python_definitions(text: str, lines: str) -> list[Definition] | None:
    """The definitions of a module from first to last; None if it does not parse."""
    if len(text) > LONGEST_PARSED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the compiler thinks of the user's code is not our matter
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    starts = [0, *(found.end() for found in _LINE_END.finditer(lines)), len(lines)]
    return [_definition(node, lines, starts) for node in _defined(tree)]


def _defined(tree: ast.Module) -> Iterator[_Defined]:
    """Classes and functions, outer before inner, also those under `if`, `try` and the like."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Defined):
            yield node
        inner = [
            child for field in _STATEMENTS for child in getattr(node, field, ()) if _has_statements(child)
        ]
        waiting.extend(reversed(inner))


def _has_statements(node: ast.AST) -> bool:
    return hasattr(node, "body") and not isinstance(node, ast.expr)


def _definition(node: _Defined, lines: str, starts: list[int]) -> Definition:
    """One node with the comments around it. `starts` are the offsets of the lines, and of the text's end."""
    comment_above = re.compile(rf"[ \t]{{{node.col_offset}}}#")
    start = with_notes(lines, 0, starts[_first_line(node) - 1], comment_above)
    body = starts[_first_line(node.body[0]) - 1]
    end = starts[min(node.end_lineno or node.lineno, len(starts) - 1)]
    comment_below = rf"(?:(?:[ \t]*+\n)*+[ \t]{{{node.col_offset + 1},}}#[^\n]*+(?:\n|\Z))*+"
    below = re.compile(comment_below).match(lines, end)
    return Definition(start, body, below.end() if below else end, node.name)


def _first_line(node: ast.stmt) -> int:
    """The line (from 1) that a statement begins on, with its decorators."""
    return min((item.lineno for item in getattr(node, "decorator_list", ())), default=node.lineno)


# ── other languages ──────────────────────────────────────────────────────────────────────────────

_UNINDENTED = re.compile(r"^[^\s][^\n]*$", re.MULTILINE)
_COMMENT = re.compile(r"//|/\*|\*|--|;;|@|#(?:[ !\[#]|$)")
_CONTINUES = re.compile(
    r"[)\]}{]|#|[\w ]+:$|(?:end|else|elif|elsif|catch|except|finally|rescue|ensure|where|begin|then|do)\b"
)
_KEYWORD = re.compile(
    r"""(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|sealed|open|override
        |async|unsafe|extern|const|inline|virtual|partial|local|data|case|pub(?:\([^()\n]*\))?)[ \t]+)*
    (?:class|struct|enum|union|interface|trait|protocol|record|object|module|namespace|type|typedef
        |def|defp|defmodule|func|fn|fun|function|sub|proc|procedure|macro|mod|extension|actor|contract)
    \b\*?[ \t]+(?:\([^()\n]*\)[ \t]*)?(?P<name>[A-Za-z_$](?:[\w.$]|::)*)""",
    re.VERBOSE,
)
_IMPLEMENTATION = re.compile(r"(?:default[ \t]+)?(?:unsafe[ \t]+)?impl\b[^;]*$")
_ASSIGNED = re.compile(
    r"(?:export[ \t]+)?(?:const|let|var)[ \t]+(?P<name>[\w$]+)[ \t]*="
    r"[ \t]*(?:async[ \t]*)?(?:function\b|\(|\w+[ \t]*=>)"
)
_CALLABLE = re.compile(
    r"(?!(?:if|for|while|switch|catch|else|return|do|foreach|with|unless|until|try|match)\b)"
    r"[A-Za-z_~][^\n;=\"'(){}#]{0,160}\([^\n;=\"'(){}]{0,400}\)[^\n;=\"'(){}]{0,80}\n?\{"
)
_BEFORE_PARENTHESIS = re.compile(r"[\w:~]+(?=[ \t]*\()")
_LONGEST_SIGNATURE = 80


def _likely_definitions(lines: str) -> Iterator[Definition]:
    """Definitions that begin at the left margin, each up to the next line there that does not belong to it."""
    opened: tuple[int, int, str] | None = None
    above: int | None = None  # where the comments right above the current line begin
    position, marks = 0, Marks(lines)
    while line := _UNINDENTED.search(lines, position):
        position = line.end()
        if _COMMENT.match(line[0]):
            above = line.start() if above is None else above
            position = _comment_end(marks, line)
            continue
        name = _defined_name(lines, line)
        if name is None and _CONTINUES.match(line[0]):
            above = None
            continue
        start = line.start() if above is None else above
        if opened is not None:
            yield Definition(opened[0], opened[1], start, opened[2])
        opened = (start, line.end(), name) if name is not None else None
        above = None
    if opened is not None:
        yield Definition(opened[0], opened[1], len(lines), opened[2])


def _comment_end(marks: Marks, line: re.Match[str]) -> int:
    """After a block comment that begins on the line, else where the line ends."""
    if not line[0].startswith("/*"):
        return line.end()
    return max(marks.after("*/", line.start() + 2) or 0, line.end())


def _defined_name(lines: str, line: re.Match[str]) -> str | None:
    """What a line defines: its name, or the start of the line where that says more; None if it defines nothing."""
    called = _CALLABLE.match(lines, line.start())
    if called is not None:
        name = _BEFORE_PARENTHESIS.search(called[0])
        return name[0] if name else _signature(line[0])
    defined = _KEYWORD.match(line[0]) or _ASSIGNED.match(line[0])
    if defined is not None:
        return defined["name"]
    return _signature(line[0]) if _IMPLEMENTATION.match(line[0]) else None


def _signature(line: str) -> str:
    said = line.rstrip("{ \t:")
    return said if len(said) <= _LONGEST_SIGNATURE else said[: _LONGEST_SIGNATURE - 1] + "…"
