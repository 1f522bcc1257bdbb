"""What the documentation says is what the package does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vai

PROJECT = Path(__file__).parent.parent
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")])


def python_in(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "code"),
    [
        pytest.param(page, code, id=f"{page.name}-{number}")
        for page in PAGES
        for number, code in enumerate(python_in(page))
    ],
)
def test_the_python_in_the_documentation_runs(
    page: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "replication.md").write_text(
        "# Replica sets\n\nConfigure replica sets in `mongod.conf`.", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    exec(compile(code, str(page), "exec"), {})


def test_the_public_names_are_those_that_the_documentation_lists() -> None:
    page = (PROJECT / "docs" / "python.md").read_text(encoding="utf-8")
    listed = {
        name
        for row in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert listed == set(vai.__all__)


def test_every_public_name_is_there_and_explained() -> None:
    for name in vai.__all__:
        if name != "__version__":
            assert getattr(vai, name).__doc__, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target
