"""Write the documentation inside Python's standard library as a folder of Markdown files, one per module.

    python scripts/stdlib_corpus.py DEST

It is a real corpus that every machine with Python has: `atexit.md`, `argparse.md`, `os.path.md` …, each with
the module's docstring, then its public functions and classes (`## atexit.register(func, …)`), each class with
its public methods (`### ArgumentParser.error(message)`). What has no docstring is left out or, if it is a
method, only named.

Python source is parsed, not imported. What source cannot show (modules in C, names that a module takes over
from a private one) is imported and inspected; nothing is called. The same interpreter always writes the same
bytes.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import inspect
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

LIBRARY = Path(sysconfig.get_path("stdlib"))

LEFT_OUT = {
    "jokes, tests, applications and tables": (
        "antigravity this test idlelib lib2to3 turtledemo turtle tkinter ensurepip encodings pydoc_data"
    ),
    "the workings behind `os`, `os.path`, `re` and `dis`, documented under those names": (
        "nt posix ntpath posixpath genericpath nturl2path sre_compile sre_constants sre_parse opcode"
    ),
    "gone from versions after 3.11": (
        "aifc asynchat asyncore audioop binhex cgi cgitb chunk crypt distutils imghdr imp mailcap msilib nis "
        "nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib"
    ),
    "not on every system, or noisy to import": "msvcrt winreg winsound readline",
}
"""Modules that have no page, by reason."""

INNER_WORDS = re.compile(r"\.(_|tests?\b|windows|popen_)|win32|macholib")
"""Modules inside packages that nobody is meant to import, or that are for one system only."""

WRITTEN_ELSEWHERE = {
    "collections.abc": "_collections_abc.py",
    "datetime": "_pydatetime.py",  # from 3.12 on
    "decimal": "_pydecimal.py",
    "os.path": "posixpath.py",
}
"""Modules whose own file, if any, only takes over the names of another, where the docstrings are."""

LONGEST_HEADING = 72  # characters; a longer signature goes below the heading

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Entry:
    """A function or class (level 2) or a method (level 3); `signature` is "" for what is not called."""

    name: str
    signature: str
    text: str
    level: int = 2


def write_corpus(destination: Path) -> list[Path]:
    """Write a page for each documented module of this interpreter; the files written, in order of name."""
    modules = library_modules()
    written = []
    for name, source in modules.items():
        page = module_page(name, source, modules)
        if page:
            file = destination / f"{name}.md"
            file.write_text(page, encoding="utf-8", newline="\n")
            written.append(file)
    return written


# ── which modules ────────────────────────────────────────────────────────────────────────────────


def library_modules() -> dict[str, Path | None]:
    """The public modules of this interpreter by name, each with its source (None: written in C)."""
    modules: dict[str, Path | None] = {}
    left_out = {name for names in LEFT_OUT.values() for name in names.split()}
    for name in filter(is_public, sys.stdlib_module_names - left_out):
        source = LIBRARY / f"{name}.py"
        if (LIBRARY / name / "__init__.py").exists():
            modules.update(modules_of_package(LIBRARY / name))
        else:
            modules[name] = source if source.exists() else None
    elsewhere = {name: LIBRARY / file for name, file in WRITTEN_ELSEWHERE.items()}
    modules.update((name, source) for name, source in elsewhere.items() if source.exists())
    return dict(sorted(modules.items()))


def modules_of_package(package: Path) -> Iterator[tuple[str, Path]]:
    for source in package.rglob("*.py"):
        inside = source.relative_to(LIBRARY).with_suffix("")
        name = ".".join(inside.parts).removesuffix(".__init__")
        if not INNER_WORDS.search(name):
            yield name, source


def imported(name: str) -> ModuleType | None:
    """The module, or None where this system does not have it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# ── one page ─────────────────────────────────────────────────────────────────────────────────────


def module_page(name: str, source: Path | None, modules: Mapping[str, Path | None]) -> str:
    """The Markdown page of a module; "" when nothing in it is documented."""
    prefix = "" if name == "builtins" else f"{name}."
    tree = ast.parse(source.read_bytes() if source else b"")
    written = definitions(tree.body)
    exported = names_exported_by(tree, written) if source else None
    module = imported(name) if exported is None or exported - written.keys() else None
    if exported is None:
        exported = names_exported_when_run(module, written)

    entries: list[Entry] = []
    for public in [known for known in written if known in exported]:
        entries += entries_of_definition(prefix + public, written[public], written)
    for public in sorted(exported - written.keys()):
        value = getattr(module, public, None)
        if name == "builtins" or is_at_home(value, name, modules):
            entries += entries_of_object(prefix + public, value)
    introduction = ast.get_docstring(tree) or (own_docstring(module) if module else "")
    if not introduction and not entries:
        return ""
    parts = [f"# {name}", as_prose(introduction), *map(section, entries)]
    return "\n\n".join(part for part in parts if part) + "\n"


def section(entry: Entry) -> str:
    """An entry as Markdown; a signature too long for a heading is a code block below it."""
    called = entry.name + entry.signature
    marks = "#" * entry.level
    if len(called) <= LONGEST_HEADING:
        return f"{marks} {called}\n\n{as_prose(entry.text)}"
    return f"{marks} {entry.name}(…)\n\n    {called}\n\n{as_prose(entry.text)}"


def as_prose(docstring: str) -> str:
    """The docstring without what Markdown would take for headings (`# …`, lines of `===` or `---`)."""
    without_underlines = re.sub(r"(?m)^ {0,3}(=+|-+)[ \t]*$", "", docstring)
    return re.sub(r"(?m)^( {0,3})(#{1,6}[ \t])", r"\1\\\2", without_underlines).strip()


def documented(head: Entry, methods: Sequence[Entry] = ()) -> list[Entry]:
    """What there is to read: methods without a docstring are only named, below the class."""
    described = [method for method in methods if method.text]
    silent = [method.name.rpartition(".")[2] for method in methods if not method.text]
    if not head.text and not described:
        return []
    text = f"{head.text}\n\nAlso: {', '.join(silent)}." if silent else head.text
    return [replace(head, text=text), *described]


def is_public(name: str) -> bool:
    return not name.startswith("_")


# ── from source ──────────────────────────────────────────────────────────────────────────────────


def definitions(body: Iterable[ast.stmt]) -> dict[str, Definition]:
    """Functions and classes by name, those inside `if` and `try` too; of several, the first with a docstring."""
    found: dict[str, Definition] = {}
    for statement in flattened(body):
        if isinstance(statement, Definition):
            known = found.get(statement.name)
            if known is None or ast.get_docstring(known) is None:
                found[statement.name] = statement
    return found


def flattened(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from flattened(statement.body)
            yield from flattened(statement.orelse)
        if isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from flattened(handler.body)


def names_exported_by(tree: ast.Module, written: Iterable[str]) -> set[str] | None:
    """The public names that source shows; None when they are computed, or taken over from another module."""
    mentions = sum(isinstance(node, ast.Name) and node.id == "__all__" for node in ast.walk(tree))
    takes_over = any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(tree))
    if not mentions and not takes_over:
        return set(filter(is_public, written))
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() | ast.Tuple() as value):
                names = [item.value for item in value.elts if isinstance(item, ast.Constant)]
                return set(map(str, names)) if mentions == 1 and len(names) == len(value.elts) else None
    return None


def entries_of_definition(name: str, node: Definition, known: Mapping[str, Definition]) -> list[Entry]:
    """The entry of a function, or those of a class and its methods."""
    if is_function(node):
        return documented(Entry(name, source_signature(node), ast.get_docstring(node) or ""))
    members = members_of(node, known)
    constructor = members.get("__init__")
    signature = source_signature(constructor, bound=True) if is_function(constructor) else ""
    texts = [ast.get_docstring(part) for part in (node, constructor) if part]
    methods = [
        method_entry(f"{node.name}.{member}", function)
        for member, function in members.items()
        if is_public(member) and is_function(function)
    ]
    return documented(Entry(name, signature, "\n\n".join(filter(None, texts))), methods)


def members_of(node: Definition, known: Mapping[str, Definition]) -> dict[str, Definition]:
    """A class's own functions, then those of private classes of the same file that it is built on."""
    members = definitions(node.body)
    for base in node.bases if isinstance(node, ast.ClassDef) else ():
        parent = known.get(base.id) if isinstance(base, ast.Name) and not is_public(base.id) else None
        if isinstance(parent, ast.ClassDef):
            members = members | {k: v for k, v in members_of(parent, known).items() if k not in members}
    return members


def method_entry(name: str, node: Function) -> Entry:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    is_attribute = not decorators.isdisjoint({"property", "cached_property"})
    signature = "" if is_attribute else source_signature(node, bound="staticmethod" not in decorators)
    return Entry(name, signature, ast.get_docstring(node) or "", level=3)


def source_signature(node: Function, *, bound: bool = False) -> str:
    """The parameters as written; of a bound method without the first (`self`, `cls`)."""
    parameters = copy.copy(node.args)
    if bound and parameters.posonlyargs:
        parameters.posonlyargs = parameters.posonlyargs[1:]
    elif bound:
        parameters.args = parameters.args[1:]
    return f"({ast.unparse(parameters)})"


def is_function(node: Definition | None) -> TypeGuard[Function]:
    return isinstance(node, Function)


# ── from the running interpreter ─────────────────────────────────────────────────────────────────


def names_exported_when_run(module: ModuleType | None, written: Iterable[str]) -> set[str]:
    announced: Iterable[str] | None = getattr(module, "__all__", None)
    return set(announced or filter(is_public, [*written, *(vars(module) if module else ())]))


def is_at_home(value: object, name: str, modules: Mapping[str, Path | None]) -> bool:
    """Whether the module `name` is where a reader looks for it: no other public module says it is its own."""
    home = getattr(value, "__module__", None)
    return home == name or home not in modules


def entries_of_object(name: str, value: object) -> list[Entry]:
    """The entry of a function, or those of a class and its methods; nothing for any other value."""
    short_name = name.rpartition(".")[2]
    if inspect.isclass(value):
        head = Entry(name, running_signature(short_name, value), own_docstring(value))
        return documented(head, list(methods_of_type(short_name, value)))
    if inspect.isroutine(value):
        return documented(Entry(name, running_signature(short_name, value), own_docstring(value)))
    return []


def methods_of_type(name: str, kind: type) -> Iterator[Entry]:
    for member, attribute in vars(kind).items():
        is_attribute = inspect.isdatadescriptor(attribute)
        if is_public(member) and (is_attribute or inspect.isroutine(attribute)):
            signature = "" if is_attribute else running_signature(member, getattr(kind, member))
            yield Entry(f"{name}.{member}", signature, own_docstring(attribute), level=3)


def running_signature(name: str, value: Callable[..., object]) -> str:
    """The parameters without `self`; where the interpreter does not know them, as the docstring gives them."""
    try:
        signature = inspect.signature(value)
    except (
        AttributeError,
        NameError,
        TypeError,
        ValueError,
    ):  # also for defaults and types not on this system
        shown = re.match(
            rf"(?:\w+\.)?{re.escape(name)}(\(.*?\))(?: ->|$)", own_docstring(value), re.MULTILINE
        )
        return shown[1] if shown else "(…)"
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    # A default without a literal form shows an address, which differs from run to run.
    return re.sub(r"<[^<>]*>", "…", str(signature.replace(parameters=parameters)))


def own_docstring(value: object) -> str:
    docstring = vars(value).get("__doc__") if inspect.isclass(value) else getattr(value, "__doc__", None)
    return inspect.cleandoc(docstring) if isinstance(docstring, str) else ""


def main() -> None:
    """Read the arguments, write the corpus, say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "destination", metavar="DEST", type=Path, help="the folder to write to; made if missing"
    )
    destination = parser.parse_args().destination
    warnings.simplefilter("ignore")  # some modules announce on import that they will go
    destination.mkdir(parents=True, exist_ok=True)
    files = write_corpus(destination)
    size = sum(file.stat().st_size for file in files)
    print(
        f"{len(files)} files, {size / 1e6:.1f} MB: the documentation inside Python {sys.version.split()[0]}"
    )


if __name__ == "__main__":
    main()
