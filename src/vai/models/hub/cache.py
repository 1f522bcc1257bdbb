"""Which models of the Hugging Face hub are on this machine: read from its cache, without its library or a network.

The cache is the one that the library `huggingface_hub` keeps and other programs share:

<cache>/models--<owner>--<name>/
  blobs/ refs/ snapshots/<commit>/    the library's
  vai/<revision>.json                 ours, written last (schema `vai.hub/1`): that all we need of a commit is there

So a model is used as it was when it was fetched, whatever has become of the branch since, until somebody asks for
another revision or for an update.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vai.disk import write_whole
from vai.models.names import HubName

SCHEMA = "vai.hub/1"
DEFAULT_REVISION = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})


@dataclass(frozen=True, slots=True)
class Pin:
    """What was fetched of a repository: `files` maps those that are needed to their sizes in bytes.

    `revision` is what was asked for (a branch, a tag, a commit), `commit` what it was then. `kind` is what its files
    say that it is, licence and languages are those that its card names.
    """

    repository: str
    revision: str
    kind: str
    commit: str
    files: Mapping[str, int]
    licence: str | None = None
    languages: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the model is named to get this one."""
        return self.repository if self.revision == DEFAULT_REVISION else f"{self.repository}@{self.revision}"

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.files.values())

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return snapshot_folder(self.repository, self.commit)

    def is_whole(self) -> bool:
        """Whether all its files are there, each as long as it should be."""
        return all(_size_of(self.folder / name) == size for name, size in self.files.items())


def cache_folder() -> Path:
    """Where the library keeps what it fetches: HF_HUB_CACHE, or below HF_HOME, as it documents them."""
    environment = os.environ
    caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{caches}/huggingface"
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(named)).expanduser().absolute()


def is_offline() -> bool:
    """Whether the user told the library not to use the network."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in _TRUE


def snapshot_folder(repository: str, commit: str) -> Path:
    """Where the files of one commit are."""
    return _repository_folder(repository) / "snapshots" / commit


def pin_of(asked: HubName) -> Pin | None:
    """What was fetched under this name; None if nothing was."""
    revision = asked.revision or DEFAULT_REVISION
    return _read(_pin_path(asked.repository, revision))


def pins() -> list[Pin]:
    """All that was fetched and is still whole, by name."""
    try:
        found = [_read(path) for path in cache_folder().glob("models--*/vai/*.json")]
    except OSError:  # somebody else's cache
        return []
    whole = [pin for pin in found if pin is not None and pin.is_whole()]
    return sorted(whole, key=lambda pin: pin.name)


def write_pin(pin: Pin) -> None:
    """Say that a model has been fetched: the last thing that is done."""
    path = _pin_path(pin.repository, pin.revision)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"schema": SCHEMA, **asdict(pin)}, indent=1) + "\n")


def listed_by_the_library(asked: HubName) -> tuple[str, Mapping[str, int]] | None:
    """The commit and all files with their sizes, as another program that uses the library has left them.

    None if none has, or if its list of files is missing: then nobody could tell whether what is there is all.
    """
    folder, revision = _repository_folder(asked.repository), asked.revision or DEFAULT_REVISION
    try:
        is_commit = COMMIT.fullmatch(revision)
        commit = revision if is_commit else (folder / "refs" / revision).read_text(encoding="utf-8").strip()
        listing = json.loads((folder / "trees" / f"{commit}.json").read_text(encoding="utf-8"))
        files = {str(name): int(file["size"]) for name, file in listing["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return (commit, files) if COMMIT.fullmatch(commit) else None


def _repository_folder(repository: str) -> Path:
    return cache_folder() / f"models--{repository.replace('/', '--')}"


def _pin_path(repository: str, revision: str) -> Path:
    return _repository_folder(repository) / "vai" / f"{revision.replace('/', '%2F')}.json"


def _read(path: Path) -> Pin | None:
    """A pin; None if there is none, or one that another version of vai wrote."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.pop("schema") != SCHEMA:
            return None
        files = {str(name): int(size) for name, size in raw["files"].items()}
        languages = tuple(str(language) for language in raw["languages"])
        pin = Pin(**{**raw, "files": files, "languages": languages})
        named = _pin_path(pin.repository, pin.revision)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return pin if COMMIT.fullmatch(str(pin.commit)) and path == named else None


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
