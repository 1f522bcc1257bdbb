"""What a result was measured on, so that it can be compared with another."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from vai import __version__
from vai.models.catalog import bundled_manifests, core_count
from vai.types import Json

LIBRARIES = ("onnxruntime", "numpy", "tokenizers")


def provenance() -> dict[str, Json]:
    """Commit, time, machine, versions and model revisions."""
    return {
        "commit": commit(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_model(),
            "cores": core_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {"vai": __version__, **{name: version(name) for name in LIBRARIES}},
        "models": {manifest.name: manifest.revision for manifest in bundled_manifests()},
    }


def describe(found: Mapping[str, Json]) -> str:
    """The provenance on a few lines."""
    machine, versions, models = (_mapping(found[key]) for key in ("machine", "versions", "models"))
    return "\n".join(
        [
            f"{machine['cpu']}, {machine['cores']} cores, {machine['platform']}, Python {machine['python']}",
            " · ".join(f"{name} {number}" for name, number in versions.items()),
            " · ".join(f"{name} {revision}" for name, revision in models.items()),
            f"commit {found['commit']}",
        ]
    )


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The checked-out commit, with `-changed` behind it if the files are not what it says."""
    number = _git("rev-parse", "--short=12", "HEAD")
    if number is None:
        return "no-commit"
    return f"{number}-changed" if _git("status", "--porcelain") else number


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _mapping(value: Json) -> Mapping[str, Json]:
    assert isinstance(value, Mapping)
    return value
