"""What is asked of the Hugging Face hub: the files of a repository, and their content. Only a name leads here.

The library `huggingface_hub` does it, without its progress bars, warnings and telemetry, and with our errors. It puts
a file in its place only when all of it has come.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vai._version import __version__
from vai.disk import NO_RIGHT, NO_ROOM
from vai.errors import RemoteRefused, RemoteUnavailable, StoreFull, StoreReadOnly, UnknownModel, VaiError
from vai.models.hub.cache import COMMIT, Pin, cache_folder, write_pin

A_FOLDER = "a folder works too: `./model` names one that you have fetched in another way"
NOT_NOW = frozenset({408, 425, 429})
_ONE_AT_A_TIME = threading.RLock()
"""The library's switches are the whole process's: two threads would put them back in the wrong order."""
_DETAIL = 200
"""Characters of what a server says about an error."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One commit of a repository: its files with their sizes in bytes, and what its card says."""

    commit: str
    files: Mapping[str, int]
    licence: str | None
    languages: tuple[str, ...]


def listing_of(repository: str, revision: str, *, timeout_s: float | None = None) -> Listing:
    """What a revision is now.

    Raises:
        UnknownModel, RemoteRefused, RemoteUnavailable: the hub does not have it, does not give it, or fails.
    """
    from huggingface_hub import HfApi, constants

    with _asking(repository, revision, timeout_s):
        hub = HfApi(endpoint=_endpoint(), library_name="vai", library_version=__version__)
        found = hub.model_info(
            repository,
            revision=revision,
            files_metadata=True,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )
        if not COMMIT.fullmatch(found.sha or ""):
            raise ValueError("its answer names no commit")
        card = _card(found.card_data)
        return Listing(
            commit=str(found.sha),
            files={file.rfilename: _size(file.size, file.rfilename) for file in found.siblings or ()},
            licence=_licence(card),
            languages=_languages(card),
        )


def download(repository: str, commit: str, names: Sequence[str], *, timeout_s: float | None = None) -> None:
    """Fetch files of a commit into the library's cache, those apart that are there.

    Raises:
        StoreFull, StoreReadOnly: the cache cannot take them. Else as `listing_of`.
    """
    from huggingface_hub import constants, hf_hub_download

    with _asking(repository, commit, timeout_s):
        for name in names:
            hf_hub_download(
                repository,
                name,
                revision=commit,
                cache_dir=cache_folder(),
                endpoint=_endpoint(),
                etag_timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                library_name="vai",
                library_version=__version__,
                tqdm_class=_no_bar(),
            )


def keep(pin: Pin) -> None:
    """Pin what has been fetched.

    Raises:
        StoreFull, StoreReadOnly: the cache cannot take it.
    """
    with _asking(pin.repository, pin.revision, None):
        write_pin(pin)


def _size(size: int | None, name: str) -> int:
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"it does not say how large `{name}` is")
    return size


def _card(data: Any) -> Mapping[str, Any]:
    """What stands above a repository's README; nobody has checked it."""
    content = data.to_dict() if hasattr(data, "to_dict") else data
    return content if isinstance(content, dict) else {}


def _licence(card: Mapping[str, Any]) -> str | None:
    licence = card.get("license")
    return licence if isinstance(licence, str) else None


def _languages(card: Mapping[str, Any]) -> tuple[str, ...]:
    """ISO 639-1 codes alone: cards also name scripts and whole families."""
    named = card.get("language") or []
    named = [named] if isinstance(named, str) else named
    codes = tuple(code for code in named if isinstance(code, str) and re.fullmatch(r"[a-z]{2}", code))
    return codes if len(codes) == len(named) else ()


# ── the library, kept quiet ──────────────────────────────────────────────────────────────────────


def _endpoint() -> str | None:
    """Where the hub is, if not where the library thinks; read now, not when the library was imported."""
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or None


@contextmanager
def _asking(repository: str, revision: str, timeout_s: float | None) -> Iterator[None]:
    """Around every call of the library: nothing is printed or reported to anybody, and errors are ours."""
    with _ONE_AT_A_TIME, _quiet(timeout_s):
        try:
            yield
        except Exception as error:  # the library, its transports and its helpers share no class
            raise _explained(error, repository, revision) from error


@contextmanager
def _quiet(timeout_s: float | None) -> Iterator[None]:
    """The library without warnings and telemetry, for a while: the program that imports us may use it too."""
    from huggingface_hub import constants

    logger = logging.getLogger("huggingface_hub")
    before = (logger.level, constants.HF_HUB_DISABLE_TELEMETRY, constants.HF_HUB_DOWNLOAD_TIMEOUT)
    switches: Any = constants
    try:
        logger.setLevel(logging.CRITICAL)
        # its telemetry is more than a header: it fetches a list of programs that may have called it
        switches.HF_HUB_DISABLE_TELEMETRY = True
        switches.HF_HUB_DOWNLOAD_TIMEOUT = timeout_s or constants.HF_HUB_DOWNLOAD_TIMEOUT
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        level, switches.HF_HUB_DISABLE_TELEMETRY, switches.HF_HUB_DOWNLOAD_TIMEOUT = before
        logger.setLevel(level)


def _no_bar() -> type[Any]:
    """The library's progress bar, never shown: what takes long is said by whoever asked for it."""
    from huggingface_hub import utils

    bar: Any = utils.tqdm  # type: ignore[attr-defined]

    class NoBar(bar):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

    return NoBar


# ── errors ───────────────────────────────────────────────────────────────────────────────────────


def _explained(error: BaseException, repository: str, revision: str) -> VaiError:
    """One sentence for what went wrong."""
    import httpx2
    from huggingface_hub import errors

    hub = _hub()
    match error:
        case errors.GatedRepoError():
            return RemoteRefused(
                f"`{repository}` is for those who have accepted its terms, and {hub} does not know that you have",
                hint=f"accept them on its page, and set HF_TOKEN to a token of yours; {A_FOLDER}",
            )
        case errors.RepositoryNotFoundError():
            return UnknownModel(
                f"there is no model `{repository}` on {hub}, or it is private",
                hint=f"a private one needs HF_TOKEN; {A_FOLDER}",
            )
        case errors.RevisionNotFoundError():
            return UnknownModel(
                f"`{repository}` has no revision `{revision}` on {hub}",
                hint="a revision is a branch, a tag or a commit; without `@…` it is the branch `main`",
            )
        case errors.HFValidationError():
            return UnknownModel(f"`{repository}` cannot be the name of a model on {hub}", hint=A_FOLDER)
        case errors.HfHubHTTPError():
            return _by_status(error, repository)
        case errors.OfflineModeIsEnabled():
            return UnknownModel(
                f"`{repository}` has not been fetched, and HF_HUB_OFFLINE said not to ask {hub}",
                hint=A_FOLDER,
            )
        case errors.LocalEntryNotFoundError() if error.__cause__ is not None:
            return _explained(error.__cause__, repository, revision)
        case httpx2.TimeoutException():
            return RemoteUnavailable(f"{hub} did not answer in time, about `{repository}`", hint=_LATER)
        case httpx2.HTTPError():
            return RemoteUnavailable(
                f"{hub} cannot be reached, for `{repository}`: {_said(error)}",
                hint=f"HF_ENDPOINT and HTTPS_PROXY say how; {A_FOLDER}",
            )
        case OSError() if error.errno in NO_ROOM:
            return StoreFull(
                f"no room is left in `{cache_folder()}` for `{repository}`",
                hint="make room and try again, or set HF_HOME to a folder on another disk",
            )
        case OSError() if error.errno in NO_RIGHT:
            return StoreReadOnly(
                f"`{cache_folder()}` cannot be written to, so `{repository}` cannot be fetched",
                hint=f"set HF_HOME to a folder that is yours; {A_FOLDER}",
            )
        case _:
            return RemoteUnavailable(
                f"what {hub} sent of `{repository}` cannot be used: {_said(error)}", hint=_LATER
            )


_LATER = f"try again; {A_FOLDER}"


def _by_status(error: Any, repository: str) -> VaiError:
    """A refusal, or a failure that may pass."""
    response = error.response
    detail = _said(error.server_message or "")
    said = f"{_hub()} answered {response.status_code} {response.reason_phrase} for `{repository}`".rstrip()
    message = f"{said}: {detail}" if detail else said
    if response.status_code >= 500 or response.status_code in NOT_NOW:
        return RemoteUnavailable(message, hint=_LATER)
    return RemoteRefused(message, hint=f"HF_TOKEN holds the token that is sent, if any; {A_FOLDER}")


def _hub() -> str:
    endpoint = _endpoint()
    return f"the hub at {endpoint}" if endpoint else "the hub"


def _said(about: object) -> str:
    """What an error or a server says, in one line, without the token that it may repeat."""
    text = str(about) or ("" if isinstance(about, str) else type(about).__name__)
    text = re.sub(r"Bearer [^\s'\"]+|\bhf_\w+", "…", text)
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text).split())[:_DETAIL].rstrip(". ")
