"""The direction of imports, and that nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import vai

PACKAGE = Path(vai.__file__).parent

LAYERS = (
    ("types", "errors", "arrays", "languages", "background", "disk", "_version"),
    ("protocols", "settings", "freshness", "filters", "calibration", "wrapping"),
    ("documents", "chunking", "engines", "models", "reranking", "filter_syntax", "calibrations", "scores"),
    ("planning",),
    ("ingest", "query", "exporting", "recall", "parts"),
    ("estimating",),
    ("collection",),
    ("diagnosis",),
    ("evaluation",),
    ("server", "cli"),
    ("__main__",),
)
"""From the bottom up: a part imports from lower layers, and from its own only itself."""

EXCEPTIONS = {
    ("settings", "models"),  # which models are remote, when a project's file names one
}
"""Allowed inside of functions only, where nothing is loaded before it is needed."""

HEAVY = (
    "numpy",
    "onnxruntime",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "kreuzberg",
    "httpx2",
    "rich",
    "pathspec",
    "yaml",
    "pyarrow",
)


@dataclass(frozen=True)
class Import:
    """One part of the package importing from another; `late` where that happens inside a function."""

    place: str
    importer: str
    imported: str
    late: bool
    typing_only: bool


def part_of(module: str) -> str:
    """The part that a module of the package belongs to: `vai.engines.exact` → `engines`."""
    return module.split(".")[1]


def imports_in(path: Path) -> Iterator[Import]:
    """All imports of `vai` in a file."""
    relative = path.relative_to(PACKAGE.parent)
    importer = part_of(".".join(relative.with_suffix("").parts))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    typing_only = {
        id(node)
        for condition in ast.walk(tree)
        if isinstance(condition, ast.If) and ast.unparse(condition.test) == "TYPE_CHECKING"
        for statement in condition.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for module in _imported(node):
            place = f"{relative}:{getattr(node, 'lineno', 0)}"
            yield Import(place, importer, module, id(node) in late, id(node) in typing_only)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide where they lead"
        modules = (
            [f"vai.{alias.name}" for alias in node.names] if node.module == "vai" else [node.module or ""]
        )
    else:
        modules = []
    return [part_of(module) for module in modules if module.startswith("vai.")]


IMPORTS = [
    found
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
    for found in imports_in(path)
]
LAYER = {part: number for number, parts in enumerate(LAYERS) for part in parts}


def test_every_part_of_the_package_has_a_layer() -> None:
    parts = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"__init__"} - set(LAYER) == set()


def test_parts_import_only_from_the_layers_below_them() -> None:
    """For annotations, from their own as well."""
    wrong = [
        f"{found.place}: {found.importer} imports {found.imported}"
        for found in IMPORTS
        if found.importer != found.imported
        and not (found.late and (found.importer, found.imported) in EXCEPTIONS)
        and LAYER[found.imported] >= LAYER[found.importer] + found.typing_only
    ]
    assert wrong == []


def test_readers_chunkers_engines_and_models_know_nothing_of_each_other() -> None:
    """Not even in annotations."""
    parts = {"documents", "chunking", "engines", "models"}
    wrong = [
        f"{found.place}: {found.importer} imports {found.imported}"
        for found in IMPORTS
        if {found.importer, found.imported} <= parts and found.importer != found.imported
    ]
    assert wrong == []


def test_the_exceptions_are_still_needed() -> None:
    late = {(found.importer, found.imported) for found in IMPORTS if found.late}
    assert late >= EXCEPTIONS


@pytest.mark.parametrize(
    "module",
    [
        "vai",
        "vai.cli",
        "vai.types",
        "vai.errors",
        "vai.protocols",
        "vai.settings",
        "vai.models.catalog",
        "vai.scores",
    ],
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({{*sys.modules}} & {set(HEAVY)}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_the_heavy_libraries_are_there_to_be_loaded() -> None:
    """Otherwise the test above would pass for another reason."""
    program = f"import importlib.util; print([n for n in {HEAVY} if not importlib.util.find_spec(n)])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
