"""Models on the Hugging Face hub: fetched once, when they are named, and from then on used without asking anybody.

What was fetched stays as it was, whatever becomes of the branch, until another revision is named
(`owner/name@revision`) or the model is pulled again (`vai models pull`). The network is used for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vai.errors import InvalidSettings, RemoteUnavailable, UnknownModel
from vai.models.hub.cache import (
    DEFAULT_REVISION,
    Pin,
    is_offline,
    listed_by_the_library,
    pin_of,
    snapshot_folder,
)
from vai.models.hub.files import TO_TELL_THE_KIND, chosen_files, kind_of, size_text
from vai.models.local.folders import Located
from vai.models.names import HubName, hub_name

Say = Callable[[str], None]


def fetched(name: str, kind: str, *, say: Say, timeout_s: float | None = None) -> Located:
    """The folder of a model on the hub; its files are fetched if they are not there yet.

    Args:
        name: `owner/name`, or with `@revision`: a branch, a tag or a commit.
        kind: "embedder" or "reranker", in case its files do not tell.
        say: is told before something is fetched.
        timeout_s: how long to wait for the hub to say something; as the library does by default.

    Raises:
        UnknownModel: there is no such model or revision, or it is not here and the hub must not be asked.
        UnsupportedModel: it has no weights that can be run here, or is too large.
        RemoteRefused, RemoteUnavailable: the hub said no, or failed.
        StoreFull, StoreReadOnly: there is no place to put it.
    """
    asked = hub_name(name)
    pin = pin_of(asked)
    if pin is None:
        pin = _fetch(asked, asked.revision or DEFAULT_REVISION, kind, say, timeout_s)
    elif not pin.is_whole():  # somebody cleared the cache: it comes back as it was
        pin = _fetch(asked, pin.commit, pin.kind, say, timeout_s)
    return Located(pin.folder, name=pin.repository, revision=pin.commit)


def pulled(name: str, kind: str | None = None, *, say: Say, timeout_s: float | None = None) -> Pin:
    """Fetch a model, or what has changed of it since it was fetched: its branch is asked for anew.

    Args:
        kind: what it is, where its files do not tell.

    Raises:
        InvalidSettings: its files do not tell, and `kind` does not either. Else as `fetched`.
    """
    asked = hub_name(name)
    if is_offline():
        raise UnknownModel(
            f"`{name}` cannot be pulled: HF_HUB_OFFLINE says not to ask the hub",
            hint="unset it, or leave it as it is",
        )
    return _fetch(asked, asked.revision or DEFAULT_REVISION, kind, say, timeout_s)


def _fetch(asked: HubName, revision: str, kind: str | None, say: Say, timeout_s: float | None) -> Pin:
    """Fetch what is needed of a revision, and pin it under the name that was asked for."""
    if is_offline():
        return _left_by_the_library(asked, kind)
    from vai.models.hub.download import download, keep, listing_of

    repository = asked.repository
    listing = listing_of(repository, revision, timeout_s=timeout_s)
    files = chosen_files(repository, listing.files)
    telling = [name for name in TO_TELL_THE_KIND if name in files]
    download(repository, listing.commit, telling, timeout_s=timeout_s)
    pin = Pin(
        repository=repository,
        revision=asked.revision or DEFAULT_REVISION,
        kind=_kind(asked, snapshot_folder(repository, listing.commit), kind),
        commit=listing.commit,
        files=files,
        licence=listing.licence,
        languages=listing.languages,
    )
    _say_what_comes(repository, listing.commit, files, say)
    download(repository, listing.commit, sorted(files, key=files.__getitem__), timeout_s=timeout_s)
    if not pin.is_whole():
        raise RemoteUnavailable(
            f"what the hub sent of `{repository}` is not as large as it had said", hint="try again later"
        )
    keep(pin)
    return pin


def _left_by_the_library(asked: HubName, kind: str | None) -> Pin:
    """What another program has fetched, whole, where the hub must not be asked."""
    left = listed_by_the_library(asked)
    if left is not None:
        commit, listed = left
        folder = snapshot_folder(asked.repository, commit)
        pin = Pin(
            repository=asked.repository,
            revision=asked.revision or DEFAULT_REVISION,
            kind=_kind(asked, folder, kind),
            commit=commit,
            files=chosen_files(asked.repository, listed),
        )
        if pin.is_whole():
            return pin
    raise UnknownModel(
        f"`{asked.repository}` has not been fetched, and HF_HUB_OFFLINE says not to ask the hub",
        hint="unset it once, or name a folder that holds the model (`./model`)",
    )


def _say_what_comes(repository: str, commit: str, files: Mapping[str, int], say: Say) -> None:
    folder = snapshot_folder(repository, commit)
    missing = sum(size for name, size in files.items() if not (folder / name).exists())
    if missing:
        say(f"fetching {repository} ({size_text(missing)}) from the hub")


def _kind(asked: HubName, folder: Path, otherwise: str | None) -> str:
    """What a model's files say that it is; `otherwise` if they say nothing.

    Raises:
        InvalidSettings: nobody says.
    """
    told = kind_of(folder) or otherwise
    if told is None:
        raise InvalidSettings(
            f"the files of `{asked.repository}` do not tell whether it is an embedder or a reranker",
            hint="say so with `--kind`",
        )
    return told
