"""What a model's name says: whether it is in the package, in a folder, on the hub, or behind an address."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vai.errors import InvalidSettings, UnknownModel

Place = Literal["known", "folder", "hub", "server"]

SERVER_FORMATS: Mapping[str, tuple[str, ...]] = {
    "reranker": ("cohere", "tei"),
    "embedder": ("openai",),
    "language model": ("openai",),
}
"""Wire formats of servers that are named by address, as `<format>:<address>[?<parameters>][#<model>]`."""

SERVER_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "cohere": ("max_tokens", "scale"),
    "tei": (),
    "openai": ("document_prompt", "max_tokens", "query_prompt"),
}
"""What can be said of a server behind the `?` of its address; it is not sent."""

_ANY_SERVER = r"(?i)(cohere|tei|openai|https?):"
_SERVER = r"(?P<format>[a-z]+):(?P<address>(?i:https?)://[^?#\s]+)(?:\?(?P<parameters>[^#\s]*))?(?:#(?P<model>\S+))?"
_HUB = r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?"


@dataclass(frozen=True, slots=True)
class ServerName:
    """A model behind an address: `tei:http://127.0.0.1:8080`, `cohere:https://host/v2/rerank?scale=logits#name`."""

    name: str
    format: str
    address: str
    model: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The name without parameters, for messages."""
        return f"{self.format}:{self.address}" + (f"#{self.model}" if self.model else "")

    def number(self, parameter: str, default: int) -> int:
        """A parameter that is a whole number from 1.

        Raises:
            InvalidSettings: it is none.
        """
        value = self.parameters.get(parameter, str(default))
        if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
            raise InvalidSettings(f"`{parameter}` in `{self.name}` must be a whole number from 1: {value}")
        return int(value)

    def with_parameter(self, parameter: str, value: str) -> str:
        """The name with one more parameter, for hints."""
        before, hash_sign, model = self.name.partition("#")
        return f"{before}{'&' if '?' in before else '?'}{parameter}={value}{hash_sign}{model}"


@dataclass(frozen=True, slots=True)
class HubName:
    """A model on the Hugging Face hub: `owner/name`, or `owner/name@revision`."""

    repository: str
    revision: str | None


def place_of(name: str) -> Place:
    """Where a model of that name would be found; "known" for those that stand in a list.

    A folder begins with `.`, `~`, `/` or a drive; what has one slash in it is on the hub; a server begins with its
    format, and what is only an address counts as one that lacks its format.
    """
    if ":" in name and re.match(_ANY_SERVER, name):
        return "server"
    if name.startswith((".", "~", "/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        return "folder"
    return "hub" if "/" in name and re.fullmatch(_HUB, name) else "known"


def server_name(name: str, kind: str) -> ServerName:
    """The parts of a server's name.

    Raises:
        UnknownModel: it is no address, or there is no such format for this kind of model.
        InvalidSettings: the address holds a password, or a parameter is unknown or there twice.
    """
    match = re.fullmatch(_SERVER, name)
    formats = SERVER_FORMATS[kind]
    if match is None or match["format"] not in formats:
        raise UnknownModel(
            f"`{_without_password(name)}` is not the address of {'an' if kind == 'embedder' else 'a'} {kind}",
            hint="write " + " or ".join(f"`{known}:https://host/path#model`" for known in formats),
        )
    if re.match(r"(?i:https?)://[^/]*@", match["address"]):
        raise InvalidSettings(
            f"the address in `{_without_password(name)}` holds a user name or password, which do not belong there",
            hint="a key is set in your own settings: `rerank_api_key`, `embeddings_api_key`, `llm_api_key`",
        )
    parameters = _parameters(match["format"], match["parameters"] or "")
    return ServerName(name, match["format"], match["address"], match["model"], parameters)


def _parameters(format: str, query: str) -> dict[str, str]:  # noqa: A002 - as everywhere here
    from urllib.parse import parse_qsl

    known = SERVER_PARAMETERS[format]
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            raise InvalidSettings(
                f"an address of the format `{format}` has no parameter `{name}`",
                hint=f"did you mean `{nearest[0]}`?" if nearest else f"it has {', '.join(known) or 'none'}",
            )
        if name in parameters:
            raise InvalidSettings(f"an address has the parameter `{name}` twice")
        parameters[name] = value
    return parameters


def _without_password(name: str) -> str:
    return re.sub(r"//[^/?#]*@", "//…@", name)


def hub_name(name: str) -> HubName:
    """The parts of a name on the hub."""
    match = re.fullmatch(_HUB, name)
    if match is None:
        raise UnknownModel(f"`{name}` is no name on the hub", hint="write `owner/name`")
    return HubName(match["repository"], match["revision"])


def folder_path(name: str) -> Path:
    """The folder that a name means, as an absolute path; the home of a user who is not known is in no folder."""
    return Path(os.path.expanduser(name)).absolute()  # noqa: PTH111 - Path's own raises for such a user


def canonical_name(name: str) -> str:
    """What a model calls itself: a folder by its whole path, a model on the hub without the revision."""
    place = place_of(name)
    if place == "folder":
        return str(folder_path(name))
    return hub_name(name).repository if place == "hub" else name
