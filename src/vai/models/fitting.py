"""Whether a model is what it was named for, and fits its collection: what its name alone can tell."""

from __future__ import annotations

from vai.errors import EmbedderMismatch, InvalidSettings, UnknownModel
from vai.models.catalog import is_remote, known_models
from vai.models.names import place_of, server_name
from vai.types import Provenance

ELSEWHERE = "ingest into another collection with `--collection NAME`"


def require_kind(name: str, kind: str) -> None:
    """Make sure that a name can be that of an "embedder" or a "reranker".

    Raises:
        UnknownModel: it is that of another kind of model, or of none.
    """
    place = place_of(name)
    if place == "server":
        server_name(name, kind)
    elif place == "known" and (name, kind) not in {(model.name, model.kind) for model in known_models()}:
        raise UnknownModel(f"there is no {kind} called `{name}`", hint="`vai models` lists what can be named")


def is_asked_elsewhere(name: str) -> bool:
    """Whether a model gets its texts over the network; one of the hub is fetched once, and runs here."""
    return is_remote(name) and place_of(name) != "hub"


def require_trusted(collection: str, name: str) -> None:
    """Make sure that an embedder which only the store names sends nothing to somebody else's server.

    A store can come with somebody else's repository, as a project's file can.

    Raises:
        InvalidSettings: it is a server on another machine.
    """
    if place_of(name) != "server" or _is_on_this_machine(server_name(name, "embedder").address):
        return
    raise InvalidSettings(
        f"the collection `{collection}` was made with `{name}`, where texts would be sent; a store can come with "
        "somebody else's repository, so that has to be named by you too",
        hint=f'if you trust it, put `embedder = "{name}"` into your own settings, or set VAI_EMBEDDER',
    )


def _is_on_this_machine(address: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# ── what does not fit ──


def other_embedder(
    collection: str, known: Provenance, name: str, *, revision: str = "", dimension: int | None = None
) -> EmbedderMismatch:
    """Another embedder, or the same one in another revision or dimension, makes other vectors."""
    if dimension is not None:
        return EmbedderMismatch(
            f"the vectors of the collection `{collection}` have {known.dimension} dimensions, not {dimension}",
            hint=f"leave `--dimension` out, or {ELSEWHERE}",
        )
    other = f"revision `{revision}` of it" if name == known.embedder else f"`{name}`"
    return EmbedderMismatch(
        f"the collection `{collection}` was made with the embedder `{known.embedder}` (revision "
        f"`{known.revision}`), not with {other}",
        hint=ELSEWHERE if name == known.embedder else f"leave `--embedder` out, or {ELSEWHERE}",
    )


def absent_embedder(collection: str, known: Provenance) -> EmbedderMismatch:
    """The collection's embedder is not to be found under the name that the store has of it."""
    made = f"the collection `{collection}` was made with the embedder `{known.embedder}`"
    if place_of(known.embedder) == "folder":
        return EmbedderMismatch(
            f"{made}, and there is no model in that folder", hint=f"put it back there, or {ELSEWHERE}"
        )
    return EmbedderMismatch(
        f"{made}, which cannot be named here",
        hint=f"open it with `Collection.open(…, embedder=…)` from Python, or {ELSEWHERE}",
    )
