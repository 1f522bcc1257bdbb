"""Paths that somebody named → the files below them, in order, each once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vai.documents import exclusions
from vai.documents.exclusions import never_ingested
from vai.documents.formats import STREAMED, reader_for, why_unread
from vai.documents.ignoring import IGNORE_FILES, Chain, chain_above, chain_in, is_ignored
from vai.documents.source import ReadOptions, SourceFile, canonical, name_below, too_large, unreadable
from vai.errors import PathNotFound
from vai.freshness import stamp_from
from vai.types import Skipped

Found = SourceFile | Skipped

_Item = tuple[str, os.DirEntry[str], Chain]
"""A path on the way, what the listing said of it, and the rules of the folder it lies in."""


def find_sources(paths: Sequence[Path], *, root: Path, options: ReadOptions) -> Iterator[Found]:
    """The files that `paths` name or hold, ordered by path, each once; names are relative to `root`.

    A link to a file inside the folder is followed unless the file is reached by its own name. Links that leave
    the folder are skipped, and links to folders are not entered.

    Raises:
        PathNotFound: one of the paths is not there; nothing was read then.
    """
    named = sorted({_resolved(path) for path in paths})
    return _Walk(_real(root), options).everything(named)


def _resolved(path: Path) -> str:
    """The path as the walk goes by it: canonical, and a folder without any link."""
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - the errors differ from Path.is_dir's
    except PermissionError:
        is_folder = False  # said when its turn comes
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) != errno.ELOOP:
            hint = f"relative paths are looked up in `{Path.cwd()}`"
            raise PathNotFound(f"there is no file or folder at `{path}`", hint=hint) from None
        is_folder = False
    return _real(path) if is_folder else canonical(path)


@dataclass(slots=True)
class _Walk:
    """One walk: `seen` holds the real paths already dealt with, `said` what was skipped under a name."""

    root: str
    options: ReadOptions
    seen: set[str] = field(default_factory=set)
    said: set[Skipped] = field(default_factory=set)

    def everything(self, named: Sequence[str]) -> Iterator[Found]:
        for path in named:
            for found in self._named(path):
                if isinstance(found, SourceFile):
                    yield found
                elif found not in self.said:
                    self.said.add(found)
                    yield found

    def _named(self, path: str) -> Iterator[Found]:
        reason = never_ingested(path) or never_ingested(_real(path))
        if reason is not None:
            yield Skipped(self._name(path), reason, kept=False)
        elif os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
            yield from self._folder(path)
        else:
            yield from self._named_file(path)

    def _named_file(self, path: str) -> Iterator[Found]:
        """A file that somebody named: neither ignore files nor a leading dot keep it out."""
        real = _real(path)
        if real in self.seen:
            return
        self.seen.add(real)
        try:
            yield self._file(path, os.stat(path), named=True)  # noqa: PTH116
        except OSError as error:
            yield self._unreadable(path, error)

    def _folder(self, folder: str) -> Iterator[Found]:
        """A named folder: first what lies in it, then what only links in it lead to."""
        links: list[str] = []
        try:
            stack = self._entries(folder, chain_above(folder, self.root), named=True)
        except OSError as error:
            yield self._unlistable(folder, error)
            return
        while stack:
            path, entry, chain = stack.pop()
            if entry.is_symlink():
                if not exclusions.is_passed_over(entry.name) and not is_ignored(path, chain):
                    links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                try:
                    stack += self._subfolder(path, entry.name, chain)
                except OSError as error:
                    yield self._unlistable(path, error)
            elif found := self._entry(path, entry, chain):
                yield found
        for link in links:
            yield from self._link(link, folder)

    def _subfolder(self, path: str, name: str, chain: Chain) -> list[_Item]:
        if exclusions.is_never_entered(name) or is_ignored(f"{path}/", chain):
            return []
        return self._entries(path, chain)

    def _entries(self, folder: str, above: Chain, *, named: bool = False) -> list[_Item]:
        """What lies in a folder, last first; nothing if it has gone or is one that no walk enters."""
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {entry.name for entry in entries}
        if not named and exclusions.is_dependency(folder, names):
            return []
        if exclusions.STORE_FILE in names and exclusions.is_store(folder):
            return []
        chain = chain_in(folder, above, names)
        entries.sort(key=_order, reverse=True)
        prefix = f"{folder.rstrip('/')}/"
        return [(prefix + entry.name, entry, chain) for entry in entries]

    def _entry(self, path: str, entry: os.DirEntry[str], chain: Chain) -> Found | None:
        if exclusions.is_passed_over(entry.name) or is_ignored(path, chain) or path in self.seen:
            return None
        self.seen.add(path)
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._unreadable(path, error)
        if status.st_size == 0 and entry.name in exclusions.EMPTY_BY_NATURE:
            return None
        return self._file(path, status)

    def _link(self, link: str, folder: str) -> Iterator[Found]:
        """What a link inside `folder` leads to, if that is a file inside it that was not reached yet."""
        try:
            status = os.stat(link)  # noqa: PTH116
        except FileNotFoundError:
            yield self._skipped(link, "is a symlink that leads nowhere")
            return
        except OSError as error:
            yield self._unreadable(link, error)
            return
        real = _real(link)
        if link.startswith(f"{real}/"):
            yield self._skipped(link, "is a symlink loop")
        elif not real.startswith(f"{folder.rstrip('/')}/"):
            yield self._skipped(link, "is a symlink that leaves the folder")
        elif real not in self.seen and not stat.S_ISDIR(status.st_mode) and not never_ingested(real):
            self.seen.add(real)
            yield self._file(link, status)

    def _file(self, path: str, status: os.stat_result, *, named: bool = False) -> Found:
        """A file as its reader gets it, or why none does: as far as that shows without opening it."""
        name = self._name(path)
        file_name = path.rpartition("/")[2]
        reader = reader_for(file_name, self.options, named=named)
        if not name.isascii() and _printable(name) != name:
            return self._skipped(path, "has a name that is not UTF-8")
        if not stat.S_ISREG(status.st_mode):
            return self._skipped(path, f"is {_kind(status.st_mode)}, not a file")
        if status.st_size == 0:
            return self._skipped(path, "is empty")
        if reader is None:
            return self._skipped(path, why_unread(file_name))
        if reader not in STREAMED and status.st_size > self.options.max_file_bytes:
            return self._skipped(path, too_large(status.st_size, self.options.max_file_bytes))
        return SourceFile(Path(path), name, reader, stamp_from(status))

    def _skipped(self, path: str, reason: str) -> Skipped:
        return Skipped(_printable(self._name(path)), reason, kept=False)

    def _unreadable(self, path: str, error: OSError) -> Skipped:
        if error.errno == errno.ELOOP:
            return self._skipped(path, "is a symlink loop")
        if isinstance(error, FileNotFoundError):
            return self._skipped(path, "was removed before it was read")
        return Skipped(_printable(self._name(path)), unreadable(error), kept=True)

    def _unlistable(self, folder: str, error: OSError) -> Skipped:
        """A folder of which nothing is known; an ignore file in it that cannot be read counts as that."""
        culprit = os.path.basename(str(error.filename))  # noqa: PTH119
        which = f"its `{culprit}` " if culprit in IGNORE_FILES else ""
        return Skipped(f"{_printable(self._name(folder))}/", which + unreadable(error), kept=True)

    def _name(self, path: str) -> str:
        return name_below(path, self.root)


def _real(path: str | os.PathLike[str]) -> str:
    return os.path.realpath(path).replace(os.sep, "/")


def _order(entry: os.DirEntry[str]) -> str:
    """Sorting by this in each folder puts whole paths in order."""
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()
